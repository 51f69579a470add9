package schema

import (
	"fmt"
	"strconv"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

// latest is the version that is another after each registration.
const latest = "latest"

// Format is what a schema is written in. Its text is the registry's name of it.
type Format string

const (
	JSONSchema Format = "JSON"
	Avro       Format = "AVRO"
	Protobuf   Format = "PROTOBUF"
)

// Formats says what "format" means in a JSON Schema.
type Formats int

const (
	FormatsOfDraft  Formats = iota // what the draft says: a rule up to draft-07, later a remark
	FormatsAsserted                // a rule
	FormatsIgnored                 // a remark
)

// Name says which schema of a registry is meant: a version of a subject, the one with an id, or what a subject has of a text.
type Name struct {
	Subject string
	Version string // "latest" or a positive number; "": see ID and Text
	ID      int    // 0: none
	Text    string // which is looked up, never registered

	Format  Format // what it has to be; "": anything
	Message string // of a Protobuf schema, with or without its package; "": the first
	Formats Formats
}

// Check returns why no schema can be meant: an [*Error] of KindConfiguration.
func (n Name) Check() error {
	switch {
	case n.ID > 0 && n.Subject+n.Version+n.Text == "":
		return nil
	case n.ID != 0:
		return misconfigured("the id must be a positive number, with neither subject nor version")
	}
	switch n.Subject {
	case "":
		return refused("subject", "a subject is required")
	case ".", "..":
		return refused("subject", "the subject must not be . or ..")
	}
	if n.Version == latest || n.Version == "" && n.Text != "" {
		return nil
	}
	number, err := strconv.ParseInt(n.Version, 10, 32)
	if err != nil || number < 1 || n.Version[0] == '+' {
		return refused("version", "the version must be %q or a positive number", latest)
	}
	return nil
}

// String is the name as an error has it.
func (n Name) String() string {
	switch {
	case n.ID > 0:
		return fmt.Sprintf("schema with the id %d", n.ID)
	case n.Text != "":
		return fmt.Sprintf("such schema of the subject %s", guard.Quoted(n.Subject))
	}
	return fmt.Sprintf("version %s of the subject %s", n.Version, guard.Quoted(n.Subject))
}
