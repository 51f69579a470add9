package verify

import (
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
)

// Fate is how many records of one kind are in the topic and how many are not.
type Fate struct {
	There   int `json:"there"`
	Missing int `json:"missing"`
}

// Latency are times from sending a request to having its reply, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Report is what a run came to. The records' names are "KEY number N".
type Report struct {
	Run   string `json:"run"`
	URL   string `json:"url"` // scheme, host and path
	Topic string `json:"topic"`
	OK    bool   `json:"ok"` // there were promises, and none was broken
	// Violations are the promises that were broken, a line each, with examples.
	Violations []string `json:"violations"`

	Records   int     `json:"records"` // sent
	Seconds   float64 `json:"seconds"` // from the first request to the last reply
	PerSecond float64 `json:"records_per_second"`
	Latency   Latency `json:"latency_ms"`
	// Statuses are the replies by HTTP status; "none": no reply.
	Statuses map[string]int `json:"statuses"`

	Promised int `json:"promised"` // the sum of the four kinds of promises:
	// Acknowledged are 200 with `delivered: yes`, OnDisk 202 with a receipt, Queued 200 with
	// `delivered: unknown`, Accepted 2xx of a gateway that says nothing of delivery.
	Acknowledged int `json:"acknowledged"`
	OnDisk       int `json:"on_disk"`
	Queued       int `json:"queued"`
	Accepted     int `json:"accepted"`

	Lost          int  `json:"lost"`          // promised and not in the topic
	UntrueNo      int  `json:"untrue_no"`     // in the topic, answered `delivered: no`
	Duplicates    int  `json:"duplicates"`    // copies beyond the first
	OutOfOrder    int  `json:"out_of_order"`  // promised, behind a later record of the key or in another partition
	Misplaced     int  `json:"misplaced"`     // not at the partition and offset of the reply
	Contradictory int  `json:"contradictory"` // a status and a delivered that do not go together
	Altered       int  `json:"altered"`       // in the topic with this run's id, and not as sent
	Wrapped       int  `json:"wrapped"`       // found inside something else, and counted as found
	WithoutKey    int  `json:"without_key"`   // in the topic without a key: no order to judge
	OtherTraffic  int  `json:"other_traffic"` // records that were read and are not of this run
	No            int  `json:"answered_no"`   // `delivered: no`, untrue ones included
	Unknown       Fate `json:"unknown"`       // `delivered: unknown` with an error
	Failed        Fate `json:"failed"`        // an error without `delivered`
	NoReply       Fate `json:"no_reply"`      // connection lost, or no reply in time
	// NoReplyReason is why the first of those has no reply.
	NoReplyReason string `json:"no_reply_reason,omitempty"`
}

func newReport(o *Options, run ledger.Run, entries []ledger.Entry, took time.Duration, a *ledger.Account) *Report {
	fate := func(of ledger.Outcome) Fate { return Fate{a.Found[of], a.Absent[of]} }
	r := &Report{
		Run: string(run), URL: publicURL(o.URL), Topic: o.Topic,
		Violations: a.Violations(ledger.Terms{Shared: true}),
		Records:    len(entries), Seconds: rounded(took.Seconds()), Statuses: map[string]int{},
		Acknowledged: a.Replies[ledger.Acknowledged], OnDisk: a.Replies[ledger.Kept],
		Queued: a.Replies[ledger.Queued], Accepted: a.Replies[ledger.Accepted],
		Lost: len(a.Lost), UntrueNo: len(a.FoundRefused), Duplicates: len(a.Again), OutOfOrder: len(a.Swapped),
		Misplaced: len(a.Misplaced), Contradictory: len(a.Contradictory),
		Altered: a.Altered, Wrapped: a.Wrapped, WithoutKey: a.Keyless, OtherTraffic: a.Foreign,
		No:      a.Replies[ledger.Refused],
		Unknown: fate(ledger.Unknown), Failed: fate(ledger.Failed), NoReply: fate(ledger.NoReply),
	}
	r.Violations = append([]string{}, r.Violations...) // a list in JSON, also when it is empty
	r.Promised = r.Acknowledged + r.OnDisk + r.Queued + r.Accepted
	r.OK = r.judged() && len(r.Violations) == 0
	if took > 0 {
		r.PerSecond = rounded(float64(len(entries)) / took.Seconds())
	}
	waits := make([]time.Duration, 0, len(entries))
	for i := range entries {
		if entries[i].Status == 0 {
			r.Statuses["none"]++
			continue
		}
		r.Statuses[fmt.Sprint(entries[i].Status)]++
		waits = append(waits, entries[i].Wait)
	}
	r.Latency = latencies(waits)
	return r
}

// publicURL is a URL without what can be a secret: scheme, host and path.
func publicURL(raw string) string {
	mark := url.PathEscape(KeyMark) // as it stands in a path
	u, err := url.Parse(strings.ReplaceAll(raw, KeyMark, mark))
	if err != nil {
		return "" // to which nothing was sent
	}
	public := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return strings.ReplaceAll(public.String(), mark, KeyMark)
}

// judged reports whether there was anything to judge.
func (r *Report) judged() bool { return r.Promised > 0 || len(r.Violations) > 0 }

// rounded has three digits behind the point.
func rounded(f float64) float64 { return math.Round(f*1000) / 1000 }

func latencies(waits []time.Duration) Latency {
	if len(waits) == 0 {
		return Latency{}
	}
	slices.Sort(waits)
	at := func(share float64) float64 {
		n := int(math.Ceil(share*float64(len(waits)))) - 1
		return rounded(float64(waits[n]) / float64(time.Millisecond))
	}
	return Latency{at(0.5), at(0.9), at(0.99), at(1)}
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-13s"+format+"\n", append([]any{name}, args...)...)
	}
	line("run", "%s to %s, topic %s", r.Run, r.URL, r.Topic)
	line("sent", "%d records in %.1f s, %.0f per second", r.Records, r.Seconds, r.PerSecond)
	line("latency", "p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms", r.Latency.P50, r.Latency.P90, r.Latency.P99, r.Latency.Max)
	line("replies", "%s", r.replies())
	line("promised", "%d: %d acknowledged, %d on disk (202), %d queued, %d with a 2xx that says no more",
		r.Promised, r.Acknowledged, r.OnDisk, r.Queued, r.Accepted)
	line("lost", "%d", r.Lost)
	line("untrue no", "%d of %d answered `delivered: no`", r.UntrueNo, r.No)
	line("duplicates", "%d", r.Duplicates)
	if r.WithoutKey > 0 {
		line("out of order", "%d; %d records are in the topic without a key, and have no order", r.OutOfOrder, r.WithoutKey)
	} else {
		line("out of order", "%d", r.OutOfOrder)
	}
	line("misplaced", "%d", r.Misplaced)
	for _, f := range []struct {
		name string
		Fate
		what string
	}{
		{"unknown", r.Unknown, "answered with an error and `delivered: unknown`"},
		{"errors", r.Failed, "answered with an error that says nothing of delivery"},
		{"no reply", r.NoReply, "without a reply"},
	} {
		if f.There+f.Missing > 0 {
			line(f.name, "%d %s: %d in the topic, %d not", f.There+f.Missing, f.what, f.There, f.Missing)
		}
	}
	if r.Wrapped > 0 {
		line("wrapped", "%d records lie in the topic inside something else, and count as found", r.Wrapped)
	}
	if r.OtherTraffic > 0 {
		line("others", "%d records of others were read", r.OtherTraffic)
	}
	for _, violation := range r.Violations {
		line("BROKEN", "%s", violation)
	}
	switch {
	case r.OK:
		line("ok", "no promise was broken")
	case !r.judged():
		line("not judged", "no record was promised")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// replies are the counts by status, the statuses in their order.
func (r *Report) replies() string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		parts = append(parts, fmt.Sprintf("%d × %s", r.Statuses[status], status))
	}
	text := strings.Join(parts, ", ")
	if r.NoReplyReason != "" { // "none" is the last
		text += " (the first: " + r.NoReplyReason + ")"
	}
	return text
}
