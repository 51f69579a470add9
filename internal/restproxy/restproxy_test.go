package restproxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

// FuzzBodies reads any body in each form: whatever comes, there is an error or at least one record, whose parts are what
// the caller relies on.
func FuzzBodies(f *testing.F) {
	for form, body := range []string{
		`{"records":[{"key":"aw==","value":null,"partition":1}],"value_schema_id":null}`,
		`{"records":[{"key":{"a":1},"value":"x"},{"key":1}]}`,
		`{"key":{"type":"STRING","data":"k"},"headers":[{"name":"h","value":"AA=="}],"timestamp":"2026-11-22T10:00:00Z"} {"value":{"type":"JSON","data":1}}`,
		`{"entries":[{"id":"1","value":{"type":"BINARY","data":"AA=="}},{"id":"2","value":{"type":null}}]}`,
		`{"records":[{"key":1,"value":{"a":1}}],"value_schema_id":1,"value_schema":"\"int\"","key_schema":"\"int\""}`,
		`{"value":{"type":"AVRO","data":1,"schema_version":"latest"},"key":{"schema_id":7,"data":null}}`,
		`{"records":[{"key":"k","value":"x","headers":[{"key":"h","value":"AA=="}],"timestamp":1}]}`,
		`{"value":{"data":1},"key":{"subject_name_strategy":"TOPIC_NAME","data":"k"}}`,
	} {
		f.Add(uint(form), []byte(body))
	}
	f.Fuzz(func(t *testing.T, form uint, body []byte) {
		records, ids := 0, map[string]bool{}
		add := func(e *Record) error {
			records++
			switch {
			case e.JSON && !json.Valid(e.Value):
				t.Errorf("no JSON: %s", e.Value)
			case e.Partition != nil && *e.Partition < 0:
				t.Errorf("partition %d", *e.Partition)
			case e.Timestamp != nil && *e.Timestamp < 1:
				t.Errorf("timestamp %d", *e.Timestamp)
			case e.ValueSchema != nil && e.Value != nil && !e.JSON, e.KeySchema != nil && e.Key != nil && !e.KeyJSON:
				t.Errorf("a schema for what is no JSON: %+v", e)
			case form%4 == 3 && (e.ID == "" || ids[e.ID]):
				t.Errorf("the id %q", e.ID)
			}
			ids[e.ID] = true
			return nil
		}
		compact := func(src []byte) ([]byte, error) { return utils.CompactJSON(nil, src) }
		err := errors.New("invalid")
		if form%4 == 2 {
			err = V3(body, compact, add, func(number int, why error) error {
				if records++; number != records || why == nil {
					t.Errorf("record %d is the number %d: %v", records, number, why)
				}
				return nil
			})
		} else if body, wrong := compact(bytes.Clone(body)); wrong == nil {
			switch form % 4 {
			case 0, 1:
				err = V2(body, []string{TypeBinary, TypeJSON, TypeAvro, TypeProtobuf, TypeJSONSchema, TypeString}[form%6], add)
			case 3:
				err = Batch(body, add)
			}
		}
		if err == nil && records == 0 {
			t.Error("no records and no error")
		}
		if proxys, ok := errors.AsType[*Error](err); ok && (proxys.Code < 40000 || proxys.Code > 50399 || err.Error() == "") {
			t.Errorf("%+v", proxys)
		}
	})
}
