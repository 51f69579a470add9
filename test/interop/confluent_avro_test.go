package interop

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"time"
)

// sample is a schema with a value: as it is sent, and as a deserialiser's is to be read, both in JSON.
type sample struct {
	name, format, text, message string
	references                  []reference
	sent, want                  any
}

// reference is a schema that a sample's refers to. It is registered under its name.
type reference struct{ name, text string }

// pair is a value as it is sent, and as it is read.
type pair struct{ sent, want any }

func same(v any) pair { return pair{v, v} }

func number(f float64, bits int) json.Number {
	return json.Number(strconv.FormatFloat(f, 'g', -1, bits))
}

// generator makes schemas and values, each name once.
type generator struct {
	*rand.Rand
	names int
}

func (g *generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

func (g *generator) bool() bool { return g.IntN(2) == 0 }

// integer is of so many bits, more often than not at an end of its range or near zero.
func (g *generator) integer(bits int) int64 {
	i := int64(g.Uint64()) >> (64 - bits)
	switch g.IntN(4) {
	case 0:
		return int64(g.IntN(5) - 2)
	case 1:
		return -1 << (bits - 1)
	case 2:
		return 1<<(bits-1) - 1
	}
	return i
}

func (g *generator) text() string {
	runes := []rune("abc \"\\/\n\t\x00\x7f éÿĀ漢𝄞\u2028")
	text := make([]rune, g.IntN(12))
	for i := range text {
		text[i] = runes[g.IntN(len(runes))]
	}
	return string(text)
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.IntN(256))
	}
	return b
}

// moment is of the years 1000 to 9999, which Python prints with four digits.
func (g *generator) moment() time.Time {
	from := time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	to := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).Unix()
	return time.Unix(from+g.Int64N(to-from), g.Int64N(1e9)).UTC()
}

// avroNode is a schema, what its branch of a union is called, and its values.
type avroNode struct {
	schema any
	label  string
	value  func() pair
}

type object = map[string]any

func (g *generator) avroSample() sample {
	s := sample{name: g.name("avro-"), format: "avro"}
	root := g.avroRecord("top.level", 3)
	if g.IntN(4) == 0 {
		referred := g.avroRecord("referred.to", 1)
		s.references = []reference{{referred.label, asJSON(referred.schema)}}
		referred.schema = referred.label
		root = g.avroFields("top.level", []avroNode{referred, root, g.avroUnion("top.level", 1, referred)})
	}
	s.text = asJSON(root.schema)
	v := root.value()
	s.sent, s.want = v.sent, v.want
	return s
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of maps, lists, texts and finite numbers: cannot fail
	}
	return string(text)
}

// avroAny is a schema with at most so many levels below it.
func (g *generator) avroAny(namespace string, depth int) avroNode {
	if depth == 0 {
		return g.avroLeaf(namespace)
	}
	switch g.IntN(8) {
	case 0:
		return g.avroRecord(namespace, depth-1)
	case 1:
		of := g.avroAny(namespace, depth-1)
		return avroNode{object{"type": "array", "items": of.schema}, "array", func() pair {
			sent, want := []any{}, []any{}
			for range g.IntN(4) {
				v := of.value()
				sent, want = append(sent, v.sent), append(want, v.want)
			}
			return pair{sent, want}
		}}
	case 2:
		of := g.avroAny(namespace, depth-1)
		return avroNode{object{"type": "map", "values": of.schema}, "map", func() pair {
			sent, want := object{}, object{}
			for range g.IntN(4) {
				v, name := of.value(), g.text()
				sent[name], want[name] = v.sent, v.want
			}
			return pair{sent, want}
		}}
	case 3, 4:
		return g.avroUnion(namespace, depth)
	}
	return g.avroLeaf(namespace)
}

// avroUnion has the given branches, and others with other labels.
func (g *generator) avroUnion(namespace string, depth int, branches ...avroNode) avroNode {
	branches = append(branches, avroNode{"null", "null", func() pair { return same(nil) }})
	labels := map[string]bool{"union": true}
	for _, b := range branches {
		labels[b.label] = true
	}
	for range 1 + g.IntN(4) {
		if b := g.avroAny(namespace, depth-1); !labels[b.label] {
			labels[b.label] = true
			branches = append(branches, b)
		}
	}
	g.Shuffle(len(branches), func(i, j int) { branches[i], branches[j] = branches[j], branches[i] })
	var schemas []any
	for _, b := range branches {
		schemas = append(schemas, b.schema)
	}
	return avroNode{schemas, "union", func() pair {
		b := branches[g.IntN(len(branches))]
		v := b.value()
		if b.label != "null" {
			v.sent = object{b.label: v.sent}
		}
		return v
	}}
}

func (g *generator) avroRecord(namespace string, depth int) avroNode {
	var fields []avroNode
	for range 1 + g.IntN(6) {
		fields = append(fields, g.avroAny(namespace, depth))
	}
	return g.avroFields(namespace, fields)
}

// avroFields is a record with these fields, one with a default, and one that can be a record of the same kind.
func (g *generator) avroFields(namespace string, of []avroNode) avroNode {
	name := g.name("R")
	schema := object{"type": "record", "name": name}
	if g.bool() {
		schema["namespace"] = namespace
	} else {
		schema["name"] = namespace + "." + name
	}
	fields := []any{
		object{"name": "left_out", "type": []any{"string", "null"}, "default": "given é"},
		object{"name": "again", "type": []any{"null", name}, "default": nil},
	}
	for i := range of {
		fields = append(fields, object{"name": fmt.Sprintf("f%d", i), "type": of[i].schema})
	}
	schema["fields"] = fields
	var value func(again bool) pair
	value = func(again bool) pair {
		sent, want := object{}, object{"left_out": "given é", "again": nil}
		for i := range of {
			v, name := of[i].value(), fmt.Sprintf("f%d", i)
			sent[name], want[name] = v.sent, v.want
		}
		if again {
			v := value(false)
			sent["again"], want["again"] = object{namespace + "." + name: v.sent}, v.want
			sent["left_out"], want["left_out"] = nil, nil
		}
		return pair{sent, want}
	}
	return avroNode{schema, namespace + "." + name, func() pair { return value(g.IntN(4) == 0) }}
}

func (g *generator) avroLeaf(namespace string) avroNode {
	if g.bool() {
		return g.avroLogical(namespace)
	}
	switch kind := []string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "enum", "fixed"}[g.IntN(10)]; kind {
	case "enum":
		name := g.name("E")
		symbols := []string{"A", "b_2", "_C", "D4"}
		return avroNode{object{"type": "enum", "name": name, "namespace": "other", "symbols": symbols}, "other." + name, func() pair {
			return same(symbols[g.IntN(len(symbols))])
		}}
	case "fixed":
		name, size := g.name("F"), g.IntN(20)+1
		return avroNode{object{"type": "fixed", "name": namespace + "." + name, "size": size}, namespace + "." + name, func() pair {
			return same(latin1(g.bytes(size)))
		}}
	default:
		return avroNode{kind, kind, func() pair { return g.avroPrimitive(kind) }}
	}
}

// latin1 is a text with a character for each byte.
func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i := range b {
		runes[i] = rune(b[i])
	}
	return string(runes)
}

func (g *generator) avroPrimitive(kind string) pair {
	switch kind {
	case "boolean":
		return same(g.bool())
	case "int":
		return same(g.integer(32))
	case "long":
		return same(g.integer(64))
	case "float":
		f := float32(g.NormFloat64() * 1e9)
		return pair{number(float64(f), 32), number(float64(f), 64)} // Python has doubles only
	case "double":
		if g.IntN(8) == 0 {
			return same([]string{"NaN", "Infinity", "-Infinity"}[g.IntN(3)])
		}
		return same(number(g.NormFloat64()*1e200, 64))
	case "bytes":
		return same(latin1(g.bytes(g.IntN(9))))
	case "string":
		return same(g.text())
	}
	return same(nil)
}

// avroLogical is a logical type. A value is sent as the type below it has it.
func (g *generator) avroLogical(namespace string) avroNode {
	const seconds = "2006-01-02T15:04:05.000000"
	of := func(kind, logical string, value func() pair) avroNode {
		return avroNode{object{"type": kind, "logicalType": logical}, kind, value}
	}
	switch g.IntN(9) {
	case 0:
		return of("int", "date", func() pair {
			days := g.moment().Unix() / 86400
			return pair{days, time.Unix(days*86400, 0).UTC().Format(time.DateOnly)}
		})
	case 1:
		return of("int", "time-millis", func() pair {
			ms := g.Int64N(86400e3)
			return pair{ms, time.UnixMilli(ms).UTC().Format("15:04:05.000000")}
		})
	case 2:
		return of("long", "time-micros", func() pair {
			us := g.Int64N(86400e6)
			return pair{us, time.UnixMicro(us).UTC().Format("15:04:05.000000")}
		})
	case 3:
		return of("long", "timestamp-millis", func() pair {
			ms := g.moment().UnixMilli()
			return pair{ms, time.UnixMilli(ms).UTC().Format(seconds + "Z")}
		})
	case 4:
		return of("long", "timestamp-micros", func() pair {
			us := g.moment().UnixMicro()
			return pair{us, time.UnixMicro(us).UTC().Format(seconds + "Z")}
		})
	case 5:
		return of("long", "local-timestamp-millis", func() pair {
			ms := g.moment().UnixMilli()
			return pair{ms, time.UnixMilli(ms).UTC().Format(seconds)}
		})
	case 6:
		return of("string", "uuid", func() pair {
			b := g.bytes(16)
			return same(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
		})
	case 7:
		precision, scale := 1+g.IntN(30), 0
		scale = g.IntN(precision + 1)
		return avroNode{object{"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}, "bytes", func() pair {
			return g.decimal(0, precision, scale)
		}}
	}
	name := namespace + "." + g.name("D")
	return avroNode{object{"type": "fixed", "name": name, "size": 9, "logicalType": "decimal", "precision": 20, "scale": 5}, name, func() pair {
		return g.decimal(9, 20, 5)
	}}
}

// decimal is sent as a two's complement of that many bytes, or of as many as it needs.
func (g *generator) decimal(size, precision, scale int) pair {
	unscaled := new(big.Int)
	for range g.IntN(precision + 1) {
		unscaled.Add(unscaled.Mul(unscaled, big.NewInt(10)), big.NewInt(g.Int64N(10)))
	}
	if g.bool() {
		unscaled.Neg(unscaled)
	}
	if size == 0 {
		size = unscaled.BitLen()/8 + 1
	}
	complement := new(big.Int).Set(unscaled)
	if unscaled.Sign() < 0 {
		complement.Add(unscaled, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	divisor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	return pair{latin1(complement.FillBytes(make([]byte, size))), new(big.Rat).SetFrac(unscaled, divisor).FloatString(scale)}
}
