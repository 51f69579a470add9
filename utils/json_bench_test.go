package utils_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

// BenchmarkJSON compares CompactJSON with encoding/json.Compact, which does the same, and with gjson.ValidBytes, which
// only validates. The ratios between them matter, not the figures: CompactLooseJSON, which does not look for UTF-8, tells what
// that costs.
//
//	go test -run '^$' -bench JSON -count 6 ./utils
func BenchmarkJSON(b *testing.B) {
	for _, doc := range benchmarkDocuments(b) {
		for _, with := range []struct {
			name    string
			compact func(dst, src []byte) ([]byte, error)
		}{{"CompactJSON", utils.CompactJSON}, {"CompactLooseJSON", utils.CompactLooseJSON}} {
			b.Run(doc.name+"/with="+with.name, func(b *testing.B) {
				var buf []byte
				measure(b, doc.body, func(src []byte) error {
					out, err := with.compact(buf, src)
					if err == nil && len(out) < len(src) {
						buf = out
					}
					return err
				})
			})
		}
		b.Run(doc.name+"/with=json.Compact", func(b *testing.B) {
			var buf bytes.Buffer
			measure(b, doc.body, func(src []byte) error {
				buf.Reset()
				return json.Compact(&buf, src)
			})
		})
		b.Run(doc.name+"/with=gjson.ValidBytes", func(b *testing.B) {
			measure(b, doc.body, func(src []byte) error {
				if !gjson.ValidBytes(src) {
					return fmt.Errorf("refused")
				}
				return nil
			})
		})
	}
}

func measure(b *testing.B, src []byte, run func([]byte) error) {
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if err := run(src); err != nil {
			b.Fatal(err)
		}
	}
}

type document struct {
	name string
	body []byte
}

// benchmarkDocuments gives the same documents on every run: each kind at each size, compact and indented by two.
func benchmarkDocuments(tb testing.TB) []document {
	sizes := []struct {
		name  string
		bytes int
	}{{"200B", 200}, {"10kB", 10_000}, {"1MB", 1_000_000}}
	kinds := []struct {
		name   string
		record func(*rand.Rand) any
	}{
		{"plain", recordOf(english)}, {"german", recordOf(german)}, {"russian", recordOf(russian)}, {"chinese", recordOf(chinese)},
		{"text", chineseText}, {"escapes", escapedRecord}, {"numbers", numberRecord},
	}

	var docs []document
	for _, size := range sizes {
		for _, kind := range kinds {
			compact, err := json.Marshal(documentOf(size.bytes, kind.record))
			if err != nil {
				tb.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, compact, "", "  "); err != nil {
				tb.Fatal(err)
			}
			name := "doc=" + kind.name + "/size=" + size.name
			docs = append(docs,
				document{name + "/form=compact", compact},
				document{name + "/form=pretty", pretty.Bytes()})
		}
	}
	return docs
}

// documentOf returns as many records as make about size bytes of compact JSON; one alone is no array.
func documentOf(size int, record func(*rand.Rand) any) any {
	random := rand.New(rand.NewPCG(1, 2))
	var records []any
	for length := 0; length < size; {
		next := record(random)
		encoded, err := json.Marshal(next)
		if err != nil {
			panic(err)
		}
		length += len(encoded)
		records = append(records, next)
	}
	if len(records) == 1 {
		return records[0]
	}
	return records
}

var (
	english = strings.Fields("order invoice a of delivery warehouse customer in transit returned")
	german  = strings.Fields("Bestellung für Müller in der Königstraße wurde geliefert und die Rechnung bezahlt")
	russian = strings.Fields("заказ доставлен на склад клиента в Москве и счёт оплачен полностью")
	chinese = strings.Fields("订单已经送达 客户仓库 东京都 发票已支付 但是货物被退回 给发件人")
)

func recordOf(vocabulary []string) func(*rand.Rand) any {
	return func(random *rand.Rand) any {
		return map[string]any{
			"id":       fmt.Sprintf("%016x", random.Uint64()),
			"customer": map[string]any{"name": words(random, vocabulary, 2), "vip": random.IntN(2) == 0, "ref": nil},
			"amount":   random.IntN(100_000),
			"tags":     []string{words(random, vocabulary, 1), words(random, vocabulary, 1)},
			"note":     words(random, vocabulary, 4),
		}
	}
}

func chineseText(random *rand.Rand) any {
	return map[string]any{"id": random.IntN(1e9), "text": words(random, chinese, 30)}
}

func escapedRecord(random *rand.Rand) any {
	return map[string]any{
		"title": "Zażółć gęślą jaźń \"" + words(random, english, 1) + "\" — 東京都",
		"path":  `C:\Users\` + words(random, english, 1) + "\t<b>\u2028\r\n",
		"emoji": "👋🏽 " + words(random, english, 2) + "\x01",
	}
}

func numberRecord(random *rand.Rand) any {
	samples := make([]float64, 7)
	for i := range samples {
		samples[i] = random.NormFloat64() * 1e4
	}
	samples[0] *= 1e30
	return map[string]any{"t": random.Int64N(1e12), "lat": random.Float64() * 90, "samples": samples}
}

func words(random *rand.Rand, vocabulary []string, n int) string {
	chosen := make([]string, n)
	for i := range chosen {
		chosen[i] = vocabulary[random.IntN(len(vocabulary))]
	}
	return strings.Join(chosen, " ")
}
