package kafkaupstream

import (
	"github.com/kafkaupstream/kafkaupstream/utils"
)

// compact returns a JSON text without insignificant white space: src itself, or dst's memory.
func (r *Served) compact(dst, src []byte) ([]byte, error) {
	if r.LooseJSON {
		return utils.CompactLooseJSON(dst, src)
	}
	return utils.CompactJSON(dst, src)
}

// compactBody is compact with w's memory, which is counted where it is more than what a
// request may leave to the next one.
func (r *Served) compactBody(body []byte, w *work) ([]byte, *Reply) {
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
