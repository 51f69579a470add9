package kafkaupstream

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

// jsonKeys are those of the configuration's key json.
var jsonKeys = map[string]func(c *configReader, path string, v any){
	"invalid_utf8": func(c *configReader, path string, v any) {
		c.oneOf(path, v, map[string]func(){
			"refuse": func() { c.route.looseJSON = false },
			"keep":   func() { c.route.looseJSON = true },
		})
	},
}

func (c *configReader) readJSON(path string, v any) {
	fields, ok := v.([]field)
	if !ok {
		c.problem(path, "expected an object, got %s", typeName(v))
		return
	}
	for _, f := range fields {
		if read, ok := jsonKeys[f.name]; ok {
			read(c, path+"."+f.name, f.value)
		} else {
			c.problem(path+"."+f.name, "unknown key%s", didYouMean(f.name, jsonKeys))
		}
	}
}

// compact returns a JSON text without insignificant white space: src itself, or dst's memory.
func (r *Route) compact(dst, src []byte) ([]byte, error) {
	if r.looseJSON {
		return utils.CompactLooseJSON(dst, src)
	}
	return utils.CompactJSON(dst, src)
}

// compactBody is compact with w's memory, which is counted where it is more than what a
// request may leave to the next one.
func (r *Route) compactBody(body []byte, w *work) ([]byte, *Reply) {
	if len(body) > max(maxScratch, cap(w.scratch)) && w.holdMore(len(body)) != nil {
		return nil, noRoom()
	}
	compact, err := r.compact(w.scratch, body)
	if err != nil {
		return nil, refuse(400, err.Error())
	}
	if len(compact) < len(body) { // otherwise it is body itself
		w.scratch = compact
	}
	return compact, nil
}

// scalarText returns what a JSON value says as text: a string without its quotes and escapes, and anything else as it is
// written, so that numbers which differ in a digit differ here (a float64 has 17 of them, and ends at 1.8e308).
func scalarText(name string, v gjson.Result) (string, *Reply) {
	switch {
	case v.Type != gjson.String && v.Raw != "": // none: gjson has counted something
		return v.Raw, nil
	case v.Type == gjson.String && strings.ContainsRune(v.Str, utf8.RuneError) && loneSurrogate(v.Raw):
		return "", refuse(400, name+": a surrogate that is escaped alone, such as \\ud800, is no character")
	}
	return v.String(), nil
}

// loneSurrogate reports whether a valid JSON string escapes half of a surrogate pair. UTF-8 has no form for it (RFC 3629,
// 3): decoders make U+FFFD of it, as gjson does, and different keys become one.
func loneSurrogate(raw string) bool {
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			return false
		}
		r, escaped := codeUnit(raw[i:])
		switch {
		case !escaped:
			raw = raw[i+2:]
			continue
		case !utf16.IsSurrogate(r):
			raw = raw[i+6:]
			continue
		}
		raw = raw[i+6:]
		second, escaped := codeUnit(raw)
		if !escaped || utf16.DecodeRune(r, second) == utf8.RuneError {
			return true
		}
		raw = raw[6:]
	}
}

// codeUnit reads the \uXXXX at the beginning of s.
func codeUnit(s string) (r rune, escaped bool) {
	if len(s) < 6 || s[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}
