package schema

import "testing"

// benchSchema and benchValue are an order, as a shop's route may have it.
const benchSchema = `{
 "$schema": "https://json-schema.org/draft/2020-12/schema",
 "type": "object",
 "required": ["id", "customer", "lines", "currency"],
 "additionalProperties": false,
 "properties": {
  "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}$"},
  "created": {"type": "string", "maxLength": 40},
  "currency": {"enum": ["EUR", "USD", "CHF"]},
  "customer": {"type": "object", "required": ["id"], "properties": {
   "id": {"type": "integer", "minimum": 1}, "name": {"type": "string", "minLength": 1}, "email": {"type": "string"},
   "address": {"$ref": "#/$defs/address"}}},
  "lines": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"$ref": "#/$defs/line"}},
  "note": {"anyOf": [{"type": "null"}, {"type": "string"}]}},
 "$defs": {
  "address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}}},
  "line": {"type": "object", "required": ["sku", "quantity", "price"], "properties": {
   "sku": {"type": "string", "maxLength": 20}, "quantity": {"type": "integer", "minimum": 1, "maximum": 1000},
   "price": {"type": "number", "exclusiveMinimum": 0}, "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true}}}}}`

const benchValue = `{"id":"0a1b2c3d-4e5f","created":"2026-11-22T17:02:53Z","currency":"EUR","note":null,"customer":{"id":481516,` +
	`"name":"Ada Lovelace","email":"ada@example.com","address":{"street":"12 St James's Square","city":"London","zip":"12345"}},"lines":[` +
	`{"sku":"SKU-000001","quantity":1,"price":19.99,"tags":["new","blue","large"]},` +
	`{"sku":"SKU-000002","quantity":2,"price":5.49,"tags":["sale"]},` +
	`{"sku":"SKU-000003","quantity":10,"price":0.99,"tags":["new","red","small"]},` +
	`{"sku":"SKU-000004","quantity":3,"price":129.00,"tags":["heavy","fragile"]},` +
	`{"sku":"SKU-000005","quantity":1,"price":49.95,"tags":["new","green","medium"]},` +
	`{"sku":"SKU-000006","quantity":7,"price":2.25,"tags":["bulk"]},` +
	`{"sku":"SKU-000007","quantity":1,"price":999.00,"tags":["insured","signature","adult"]},` +
	`{"sku":"SKU-000008","quantity":4,"price":15.75,"tags":["new","white"]},` +
	`{"sku":"SKU-000009","quantity":1,"price":7.10,"tags":["gift"]}]}`

func BenchmarkValidate(b *testing.B) {
	s := mustCompile(b, benchSchema)
	if found, _ := validate(s, []byte(benchValue)); found != nil {
		b.Fatal(found)
	}
	b.SetBytes(int64(len(benchValue)))
	b.ReportAllocs()
	for b.Loop() {
		validate(s, []byte(benchValue))
	}
}
