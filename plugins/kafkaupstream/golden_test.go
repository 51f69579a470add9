package kafkaupstream

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

var update = flag.Bool("update", false, "write what the golden cases give")

// TestGoldenCases runs testdata/*/*.txt, each of which reads as a specification: what it
// is about, the route's configuration (without config), the request, a line of
// dashes, and the records and the reply that come of it.
func TestGoldenCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			given, want, _ := strings.Cut(string(text), "\n----\n")
			got := runCase(t, given)
			if *update {
				if err := os.WriteFile(file, []byte(given+"\n----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// newEachTime are the ids and times that an envelope gives.
var newEachTime = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}`)

// runCase reads "# comment" lines, "route JSON", a request line, "name: value" headers
// ("$name: value" is a variable), an empty line and the body. "encode: gzip" encodes the
// body.
func runCase(t *testing.T, given string) string {
	t.Helper()
	head, body, _ := strings.Cut(given, "\n\n")
	req := &fakeRequest{headers: h{}, vars: map[string]string{}, args: map[string]string{}, body: body}
	conf, encode := "", ""
	for _, line := range strings.Split(head, "\n") {
		name, value, isHeader := strings.Cut(line, ": ")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "route "):
			conf = strings.TrimSpace(strings.TrimPrefix(line, "route "))
		case req.method == "":
			var target string
			if _, err := fmt.Sscan(line, &req.method, &target); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			path, query, _ := strings.Cut(target, "?")
			req.path = path
			args, err := url.ParseQuery(query)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			for name := range args {
				req.args[name] = args.Get(name)
			}
		case !isHeader:
			t.Fatalf("what is this line? %s", line)
		case name == "encode":
			encode = value
		case strings.HasPrefix(name, "$"):
			req.vars[name[1:]] = value
		default:
			req.headers[name] = value
		}
	}
	req.body = encoded(t, req.body, encode)
	route, err := routeconf.ParseRoute([]byte(`{`+brokers+`,`+strings.TrimPrefix(conf, "{")), routeconf.Limits{})
	if err != nil {
		return "invalid " + err.Error() + "\n"
	}
	sender := goldenSender()
	handler := newHandler(sender, &goldenDisk{sender})
	served, err := handler.Prepare(route)
	if err != nil {
		return "invalid " + err.Error() + "\n"
	}
	reply := handler.Handle(served, req)
	var out strings.Builder
	for i := range sender.sent {
		writeRecord(&out, &sender.sent[i])
	}
	for _, h := range reply.Headers {
		fmt.Fprintf(&out, "header %s: %s\n", h[0], h[1])
	}
	if out.WriteString("reply "); reply.ContentType != "" {
		fmt.Fprintf(&out, "%d %s ", reply.Status, reply.ContentType)
	}
	fmt.Fprintf(&out, "%s\n", reply.AppendJSON(nil))
	if route.Envelope == nil {
		return out.String()
	}
	return newEachTime.ReplaceAllString(out.String(), "N")
}

// goldenSender acknowledges records at offsets from 42 on, but for those whose value or topic says what becomes of them.
func goldenSender() *fakeSender {
	offset := int64(41)
	return &fakeSender{send: func(rec *record.Record, wait bool) (record.Ack, *record.Error) {
		switch has := func(text string) bool { return bytes.Contains(rec.Value, []byte(text)) }; {
		case has("too-large-for-kafka"):
			return record.Ack{}, &record.Error{Kind: record.KindTooLarge}
		case has("not-acknowledged"):
			return record.Ack{}, &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true}
		case rec.Topic == "missing":
			return record.Ack{}, &record.Error{Kind: record.KindTopicNotFound}
		}
		if !wait {
			return record.Ack{}, nil
		}
		offset++
		return record.Ack{Partition: max(rec.Partition, 0), Offset: offset, Timestamp: time.UnixMilli(1795341600123)}, nil
	}}
}

// goldenDisk keeps a unit of which a value says so, and sends others.
type goldenDisk struct{ sender *fakeSender }

func (d *goldenDisk) Way(*kafkaconf.Connection, durable.Policy) record.Way { return d }

func (d *goldenDisk) Deliver(ctx context.Context, b *record.Batch) {
	away := []byte("kafka-is-away")
	if !slices.ContainsFunc(b.Records, func(r record.Record) bool { return bytes.Contains(r.Value, away) || bytes.Equal(r.Key, away) }) {
		d.sender.Together(nil).Deliver(ctx, b)
		return
	}
	for i := range b.Outcomes {
		b.Outcomes[i].Receipt = "18a1b2c3d4e5f607-89abcdef-0"
	}
}

func writeRecord(out *strings.Builder, rec *record.Record) {
	show := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return fmt.Sprintf("%q", b)
	}
	fmt.Fprintf(out, "record %s partition %d key %s", rec.Topic, rec.Partition, show(rec.Key))
	if !rec.Timestamp.IsZero() {
		fmt.Fprintf(out, " timestamp %d", rec.Timestamp.UnixMilli())
	}
	out.WriteByte('\n')
	for _, h := range rec.Headers {
		fmt.Fprintf(out, "  header %s: %s\n", h.Key, show(h.Value))
	}
	value := show(rec.Value)
	if rec.Value != nil && !strings.ContainsAny(string(rec.Value), "\n\x00") {
		value = string(rec.Value)
	}
	fmt.Fprintf(out, "  value %s\n", value)
}

func encoded(t *testing.T, body, encoding string) string {
	t.Helper()
	var b bytes.Buffer
	switch encoding {
	case "":
		return body
	case "gzip":
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(body))
		w.Close()
	case "zlib":
		w := zlib.NewWriter(&b)
		_, _ = w.Write([]byte(body))
		w.Close()
	case "zstd":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(body))
		w.Close()
	case "base64":
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(body))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	default:
		t.Fatalf("what is %s?", encoding)
	}
	return b.String()
}
