package kafkaupstream

import (
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
