package schema

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// level is an array or object that a scan is in.
type level struct {
	isObject bool
	index    int    // of the item
	name     string // of the member
	named    bool   // its name has been read
}

// locate returns where in a JSON text a line and a column are, both from 1 and the column in characters, and the token that
// begins there: "" if none does.
func locate(text []byte, line, column int) (location []string, token string) {
	at := 0
	for ; line > 1; line-- {
		at += bytes.IndexByte(text[at:], '\n') + 1
	}
	for ; column > 1 && at < len(text); column-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	var levels []level
	for i := 0; i < min(at+1, len(text)); i++ {
		end := i + 1
		switch text[i] {
		case '[', '{':
			levels = append(levels, level{isObject: text[i] == '{'})
			if i == at { // the place is that of the whole value
				return path(levels[:len(levels)-1]), string(text[i])
			}
		case ']', '}':
			levels = levels[:max(0, len(levels)-1)]
		case ',':
			if n := len(levels); n > 0 {
				levels[n-1].index++
				levels[n-1].named = false
			}
		case '"':
			end = min(endOfString(text, i+1)+1, len(text))
			if n := len(levels); n > 0 && levels[n-1].isObject && !levels[n-1].named {
				_ = json.Unmarshal(text[i:end], &levels[n-1].name) // of no string: the name stays
				levels[n-1].named = true
			}
		default:
			if n := bytes.IndexAny(text[i:], ",]} \t\r\n"); n > 0 && i == at {
				end = i + n
			} else if n < 0 && i == at {
				end = len(text)
			}
		}
		if i == at {
			token = string(text[i:end])
		}
		i = end - 1
	}
	return path(levels), token
}

func path(levels []level) []string {
	var location []string
	for _, l := range levels {
		switch {
		case !l.isObject:
			location = append(location, strconv.Itoa(l.index))
		case l.named:
			location = append(location, l.name)
		}
	}
	return location
}
