package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/bytesize"
	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
)

// defaultShownBytes is how much of a value a person gets to see.
const defaultShownBytes = 200

// printStreams prints a table of the streams, and below it what needs a sentence.
func printStreams(w io.Writer, infos []durable.StreamInfo) error {
	if len(infos) == 0 {
		_, err := fmt.Fprintln(w, "The spool is empty.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STREAM\tBROKERS\tON PERMANENT ERROR\tPENDING\tOLDEST\tDEAD LETTERS\tBYTES\tCORRUPT BYTES\tLAST RESOLVED\tSTATE")
	var sentences []string
	for _, s := range infos {
		state := "open"
		if s.Suspension != nil {
			state = "suspended"
			sentences = append(sentences, suspended(s))
		}
		if s.Problem != "" {
			state = "unreadable"
			sentences = append(sentences, fmt.Sprintf("%s cannot be read or sent: %s", s.Stream, printable(s.Problem)))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%s\t%s\n", s.Stream, dash(printable(s.Brokers)), dash(s.OnPermanentError),
			s.Pending, moment(s.Oldest), s.DeadLetters, s.Bytes, s.CorruptBytes, dash(s.LastResolved), state)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, sentence := range sentences {
		if _, err := fmt.Fprintf(w, "\n%s\n", sentence); err != nil {
			return err
		}
	}
	return nil
}

// printRoom prints what the spool takes of what it may take, where a runner bounds it, and whether it is full.
func printRoom(w io.Writer, r durable.Room) error {
	if r.MaxBytes == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\nThe spool has %d bytes of %s (--spool-max-bytes), of which dead letters have %d of %s.\n",
		r.Bytes, bytesize.Format(r.MaxBytes), r.DeadLetterBytes, bytesize.Format(r.DeadLetterMaxBytes))
	if err == nil && r.Full != "" {
		_, err = fmt.Fprintf(w, "Records are refused: %s.\n", r.Full)
	}
	return err
}

func suspended(s durable.StreamInfo) string {
	text := fmt.Sprintf("%s is suspended since %s", s.Stream, moment(s.Suspension.Time))
	if s.Suspension.Receipt != "" {
		text += fmt.Sprintf(", at record %s of topic %s", printable(s.Suspension.Receipt), printable(s.Suspension.Topic))
	}
	return text + ": " + printable(s.Suspension.Reason)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// moment prints a time as RFC 3339 and how long ago it was.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%s (%s)", t.UTC().Format(time.RFC3339), age(time.Since(t)))
}

func age(d time.Duration) string {
	ago := " ago"
	if d < 0 {
		d, ago = -d, " ahead"
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second) + ago
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute) + ago
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute) + ago
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour)) + ago
}

// printRecord prints a record for a person.
func printRecord(w io.Writer, r *operator.RecordInfo) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "receipt\t%s\nstream\t%s\n", r.Receipt, r.Stream)
	if r.FirstReceipt != "" {
		fmt.Fprintf(t, "first receipt\t%s\n", r.FirstReceipt)
	}
	if r.Dead {
		fmt.Fprintf(t, "dead letter\t%s\n", printable(r.Reason))
	}
	if r.Unit != "" {
		fmt.Fprintf(t, "unit\t%s, record %d of %d\n", r.Unit, r.Record, r.Records)
	}
	fmt.Fprintf(t, "kept\t%s\n", moment(r.Kept))
	if r.Timestamp != "" {
		fmt.Fprintf(t, "timestamp\t%s\n", r.Timestamp)
	}
	partition := "by the key"
	if r.Partition >= 0 {
		partition = strconv.Itoa(int(r.Partition))
	}
	fmt.Fprintf(t, "topic\t%s\npartition\t%s\nkey\t%s\n", printable(r.Topic), partition, content(r.Key, r.KeyBase64))
	for _, h := range r.Headers {
		fmt.Fprintf(t, "header\t%s: %s\n", printable(h.Name), content(h.Value, h.ValueBase64))
	}
	fmt.Fprintf(t, "value\t%s%s\n", content(r.Value, r.ValueBase64), cut(r))
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// cut says how much of the value is not shown.
func cut(r *operator.RecordInfo) string {
	shown := len(r.ValueBase64)
	if r.Value != nil {
		shown = len(*r.Value)
	}
	if shown == r.ValueBytes {
		return ""
	}
	return fmt.Sprintf(" … (%d of %d bytes)", shown, r.ValueBytes)
}

// content prints a key or a value.
func content(text *string, binary []byte) string {
	switch {
	case text != nil && *text == "":
		return "(empty)"
	case text != nil:
		return printable(*text)
	case binary != nil:
		return "(base64) " + base64.StdEncoding.EncodeToString(binary)
	}
	return "(null)"
}

// printable replaces what a terminal could take for a command, and what would break
// a table: records are what strangers have sent.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// printRecordJSON prints a record in one line.
func printRecordJSON(w io.Writer, r *operator.RecordInfo) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
