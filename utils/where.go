package utils

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// InvalidJSON says for a person in which line and column a text stops being one JSON value; nil for one. It quotes nothing of
// the text, which can be a secret's part.
func InvalidJSON(text []byte) error {
	var any json.RawMessage
	var syntax *json.SyntaxError
	err := json.Unmarshal(text, &any)
	if !errors.As(err, &syntax) {
		return err
	}
	if syntax.Error() == "unexpected end of JSON input" {
		return fmt.Errorf("it ends too early, at %s", Position(text, len(text)))
	}
	return fmt.Errorf("error at %s", Position(text, int(syntax.Offset)-1))
}

// Position is an offset in bytes as an editor shows it: lines and columns of characters, both from 1.
func Position(text []byte, offset int) string {
	before := text[:max(min(offset, len(text)), 0)]
	line := bytes.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[line:])+1)
}
