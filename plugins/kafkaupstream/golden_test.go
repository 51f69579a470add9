package kafkaupstream

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"net/http"
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
// dashes, and the records and the reply that come of it. golden_fronts_test.go runs them through each front.
func TestGoldenCases(t *testing.T) {
	GoldenCases(t, func(t *testing.T, c *GoldenCase) {
		got := c.runCore()
		if *update {
			if err := os.WriteFile(c.file, []byte(c.given+dashes+got+c.differs), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != c.Want {
			t.Errorf("got\n%s\nwant\n%s", got, c.Want)
		}
	})
}

// newEachTime are the ids and times that an envelope gives.
var newEachTime = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}`)

// dashes are before what comes of a request, and frontDashes before what comes of it where a front differs with reason.
const (
	dashes      = "\n----\n"
	frontDashes = "---- "
)

// GoldenCase is a file of testdata, read.
type GoldenCase struct {
	Conf, Method, Path, Query string
	Headers                   [][2]string
	Vars                      map[string]string // of the gateway
	Body                      string
	// Want is what comes of it, and Differs what else by the name of a front.
	Want    string
	Differs map[string]string

	file, given, differs string
	sender               *fakeSender
}

// GoldenCases calls run for each case.
func GoldenCases(t *testing.T, run func(*testing.T, *GoldenCase)) {
	t.Helper()
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
			c := &GoldenCase{file: file, Vars: map[string]string{}, Differs: map[string]string{}, sender: goldenSender()}
			c.given, c.Want, _ = strings.Cut(string(text), dashes)
			if i := strings.Index("\n"+c.Want, "\n"+frontDashes); i >= 0 {
				c.Want, c.differs = c.Want[:i], c.Want[i:]
				for _, one := range strings.Split("\n"+c.differs, "\n"+frontDashes)[1:] {
					front, want, _ := strings.Cut(one, "\n")
					c.Differs[front] = strings.TrimSuffix(want, "\n") + "\n"
				}
			}
			c.read(t)
			run(t, c)
		})
	}
}

// read reads "# comment" lines, "route JSON", a request line, "name: value" headers
// ("$name: value" is a variable), an empty line and the body. "encode: gzip" encodes the
// body.
func (c *GoldenCase) read(t *testing.T) {
	t.Helper()
	head, body, _ := strings.Cut(c.given, "\n\n")
	conf, encode := "", ""
	for _, line := range strings.Split(head, "\n") {
		name, value, isHeader := strings.Cut(line, ": ")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "route "):
			conf = strings.TrimSpace(strings.TrimPrefix(line, "route "))
		case c.Method == "":
			var target string
			if _, err := fmt.Sscan(line, &c.Method, &target); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			c.Path, c.Query, _ = strings.Cut(target, "?")
		case !isHeader:
			t.Fatalf("what is this line? %s", line)
		case name == "encode":
			encode = value
		case strings.HasPrefix(name, "$"):
			c.Vars[name[1:]] = value
		default:
			c.Headers = append(c.Headers, [2]string{name, value})
		}
	}
	c.Body = encoded(t, body, encode)
	c.Conf = `{` + brokers + `,` + strings.TrimPrefix(conf, "{")
}

// Handler is the core, before a Kafka that goldenSender and goldenDisk are.
func (c *GoldenCase) Handler() *Handler { return newHandler(c.sender, &goldenDisk{c.sender}) }

// runCore runs the case without a front.
func (c *GoldenCase) runCore() string {
	req := &fakeRequest{method: c.Method, path: c.Path, headers: h{}, vars: c.Vars, args: map[string]string{}, body: c.Body}
	for _, pair := range c.Headers {
		req.headers[pair[0]] = pair[1]
	}
	args, _ := url.ParseQuery(c.Query) // of a case: valid
	for name := range args {
		req.args[name] = args.Get(name)
	}
	route, err := routeconf.ParseRoute([]byte(c.Conf), routeconf.Limits{})
	if err != nil {
		return Invalid(err)
	}
	handler := c.Handler()
	served, err := handler.Prepare(route)
	if err != nil {
		return Invalid(err)
	}
	reply, header := handler.Handle(served, req), http.Header{}
	reply.SetHeader(header)
	return c.Outcome(reply.Status, header, reply.AppendBody(nil))
}

// Invalid is what comes of a case whose route is wrong.
func Invalid(err error) string { return "invalid " + err.Error() + "\n" }

// Outcome shows the records that Kafka has got, and a reply. The status is left out where the body says it, as
// the content type then is.
func (c *GoldenCase) Outcome(status int, header http.Header, body []byte) string {
	var out strings.Builder
	for i := range c.sender.sent {
		writeRecord(&out, &c.sender.sent[i])
	}
	contentType := header["Content-Type"]
	delete(header, "Content-Type")
	Each(header, func(name, value string) { fmt.Fprintf(&out, "header %s: %s\n", name, value) })
	out.WriteString("reply ")
	if !slices.Equal(contentType, jsonContentType) || !bytes.HasPrefix(body, fmt.Appendf(nil, `{"code":%d,`, status)) {
		fmt.Fprintf(&out, "%d %s ", status, strings.Join(contentType, ", "))
	}
	out.Write(body)
	if !strings.Contains(c.Conf, `"envelope"`) {
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
		case has("rejected-by-kafka"):
			return record.Ack{}, &record.Error{Kind: record.KindRejected, Reason: "Broker failed to validate record"}
		case has("no-broker"):
			return record.Ack{}, &record.Error{Kind: record.KindNoBroker}
		case rec.Topic == "not..allowed":
			return record.Ack{}, &record.Error{Kind: record.KindTopicInvalid}
		case rec.Topic == "forbidden":
			return record.Ack{}, &record.Error{Kind: record.KindForbidden}
		case rec.Topic == "missing":
			return record.Ack{}, &record.Error{Kind: record.KindTopicNotFound}
		case rec.Partition == 99:
			return record.Ack{}, &record.Error{Kind: record.KindPartitionNotFound}
		}
		if !wait {
			return record.Ack{}, nil
		}
		offset++
		return record.Ack{Partition: max(rec.Partition, 0), Offset: offset, Timestamp: time.UnixMilli(1795341600123)}, nil
	}}
}

// goldenDisk keeps a unit if one of its values asks for it, and sends the others.
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
