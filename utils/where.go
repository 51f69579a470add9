package utils

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// InvalidJSON says for a person in which line and column a text stops being one JSON value, and why; nil for one. Of the text it
// quotes a bracket or a quote where a name or a value should begin, and nothing that can be a secret's part.
func InvalidJSON(text []byte) error {
	_, err := CompactLooseJSON(nil, text)
	syntax, is := errors.AsType[*SyntaxError](err)
	switch {
	case !is:
		return err
	case syntax.atEnd:
		return fmt.Errorf("it ends too early, at %s", Position(text, len(text)))
	}
	found, hint := "", ""
	if syntax.problem == wantValue || syntax.problem == wantName {
		switch before := bytes.TrimRight(text[:syntax.Offset], " \t\r\n"); {
		case (syntax.found == '}' || syntax.found == ']') && bytes.HasSuffix(before, []byte(",")):
			found, hint = syntax.foundText(), "; the comma before it is one too many"
		case syntax.found == '\'':
			if found = syntax.foundText(); syntax.problem == wantValue {
				hint = "; texts are in double quotes"
			}
		}
	}
	return fmt.Errorf("error at %s: %s%s", Position(text, syntax.Offset), syntax.reason(found), hint)
}

// Position is an offset in bytes as an editor shows it: lines and columns of characters, both from 1.
func Position(text []byte, offset int) string {
	before := text[:max(min(offset, len(text)), 0)]
	line := bytes.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[line:])+1)
}
