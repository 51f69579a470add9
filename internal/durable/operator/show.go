package operator

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// ShowRequest names the records to show. With a receipt it is that one, whether it
// is a dead letter or still to be sent.
type ShowRequest struct {
	Selection
	From  string `json:"from,omitempty"`  // a receipt: from that record on; empty: from the first
	Limit int    `json:"limit,omitempty"` // records, though a unit is shown whole; 0: DefaultShown
	Bytes int    `json:"bytes,omitempty"` // of each value; 0: all
}

// DefaultShown is how many records are shown where nothing is said.
const DefaultShown = 20

// RecordInfo is a record in the spool. Of Key and KeyBase64 one is there, the former
// where the key is UTF-8, and neither where it is null; so with Value, and with
// headers' values.
type RecordInfo struct {
	Stream  string `json:"stream"`
	Receipt string `json:"receipt"`
	// FirstReceipt is the one from before it was moved, which its client has; absent: Receipt.
	FirstReceipt string    `json:"first_receipt,omitempty"`
	Dead         bool      `json:"dead"`
	Reason       string    `json:"reason,omitempty"` // why it is dead
	Kept         time.Time `json:"kept"`
	Timestamp    string    `json:"timestamp,omitempty"` // as in RFC 3339, of any year; absent: when it is sent
	Topic        string    `json:"topic"`
	Partition    int32     `json:"partition"` // -1: by the key
	// Unit is the identity of the unit that the record is part of, as its Record-th of
	// Records; absent: of none.
	Unit    string `json:"unit,omitempty"`
	Record  int    `json:"record,omitempty"`
	Records int    `json:"records,omitempty"`

	Key         *string      `json:"key,omitempty"`
	KeyBase64   []byte       `json:"key_base64,omitempty"`
	Headers     []HeaderInfo `json:"headers,omitempty"`
	Value       *string      `json:"value,omitempty"`
	ValueBase64 []byte       `json:"value_base64,omitempty"`
	ValueBytes  int          `json:"value_bytes"` // of the whole value, whatever is shown
}

type HeaderInfo struct {
	Name        string  `json:"name"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 []byte  `json:"value_base64,omitempty"`
}

const (
	// shownRecords and shownBytes bound what is read from disk at a time.
	shownRecords = 50
	shownBytes   = 1 << 20
)

var errLimit = errors.New("the limit and the bytes are not negative")

// Show calls f with each record, in order, until f returns an error.
func (o *Operator) Show(ctx context.Context, req ShowRequest, f func(*RecordInfo) error) error {
	if req.Limit < 0 || req.Bytes < 0 {
		return errLimit
	}
	if req.Receipt != "" {
		s, pending, err := o.findReceipt(req.Selection)
		if err != nil {
			return err
		}
		_, err = showEntry(s.ID, s.entry, !pending, req.Bytes, f)
		return err
	}
	s, err := o.find(req.Selection)
	if err != nil {
		return err
	}
	var at spool.Cursor
	if req.From != "" {
		from, err := spool.ParseReceipt(req.From)
		if err != nil {
			return err
		}
		at = spool.Before(from)
	}
	left := req.Limit
	if left == 0 {
		left = DefaultShown
	}
	for left > 0 {
		if err := o.interrupted(ctx); err != nil {
			return err
		}
		var entries []spool.Entry
		entries, at, err = s.from.Select(at, min(left, shownRecords), shownBytes, nil)
		if err != nil || len(entries) == 0 {
			return err
		}
		for i := range entries {
			n, err := showEntry(s.ID, &entries[i], !req.Pending, req.Bytes, f)
			if err != nil {
				return err
			}
			if left -= n; left <= 0 {
				break
			}
		}
	}
	return nil
}

// showEntry calls f with each record of an entry, and returns how many there are.
func showEntry(stream string, e *spool.Entry, dead bool, bytes int, f func(*RecordInfo) error) (n int, err error) {
	records := e.Records()
	for i := range records {
		info := newRecordInfo(stream, e, &records[i], dead, bytes)
		if !e.Unit.IsZero() {
			info.Unit, info.Record, info.Records = e.Unit.String(), i+1, len(records)
		}
		if err := f(info); err != nil {
			return 0, err
		}
	}
	return len(records), nil
}

func newRecordInfo(stream string, e *spool.Entry, rec *record.Record, dead bool, bytes int) *RecordInfo {
	r := &RecordInfo{
		Stream: stream, Receipt: e.Position.Receipt(), Dead: dead, Reason: e.Reason,
		Kept: e.Kept.UTC(), Topic: rec.Topic, Partition: rec.Partition,
		ValueBytes: len(rec.Value),
	}
	if !rec.Timestamp.IsZero() {
		r.Timestamp = rec.Timestamp.UTC().Format(time.RFC3339Nano) // MarshalJSON refuses years from 10000 on
	}
	if !e.First.IsZero() {
		r.FirstReceipt = e.First.Receipt()
	}
	r.Key, r.KeyBase64 = text(rec.Key, 0)
	r.Value, r.ValueBase64 = text(rec.Value, bytes)
	for _, h := range rec.Headers {
		info := HeaderInfo{Name: h.Key}
		info.Value, info.ValueBase64 = text(h.Value, 0)
		r.Headers = append(r.Headers, info)
	}
	return r
}

// text returns b as a string if it is UTF-8 and otherwise as it is, and of either the
// first n bytes, or all for 0. A string is cut between characters.
func text(b []byte, n int) (*string, []byte) {
	if b == nil {
		return nil, nil
	}
	valid := utf8.Valid(b)
	if n > 0 && n < len(b) {
		for valid && n > 0 && !utf8.RuneStart(b[n]) {
			n--
		}
		b = b[:n]
	}
	if !valid {
		return nil, b
	}
	s := string(b)
	return &s, nil
}
