package ledger

import "testing"

func TestReplyIsReadWhateverTheGateway(t *testing.T) {
	cases := []struct {
		says      string
		status    int
		body      string
		want      Outcome
		partition int32
		offset    int64
	}{
		{"the plugin's, acknowledged", 200, `{"code":200,"delivered":"yes","topic":"t","partition":2,"offset":7}`, Acknowledged, 2, 7},
		{"the plugin's, on disk", 202, `{"code":202,"delivered":"pending","receipt":"r"}`, Kept, -1, -1},
		{"the plugin's, on disk without a receipt", 202, `{"code":202,"delivered":"pending"}`, Contradictory, -1, -1},
		{"the plugin's, queued", 200, `{"code":200,"delivered":"unknown"}`, Queued, -1, -1},
		{"the plugin's, refused", 503, `{"code":503,"delivered":"no"}`, Refused, -1, -1},
		{"the plugin's, unknown", 504, `{"code":504,"delivered":"unknown"}`, Unknown, -1, -1},
		{"the plugin's, to a batch of one", 200, `{"code":200,"delivered":"yes","records":[{"code":200,"delivered":"yes","partition":1,"offset":3}]}`, Acknowledged, 1, 3},
		{"the plugin's, in the REST Proxy's form", 200,
			`{"code":200,"delivered":"yes","records":[{"code":200,"delivered":"yes","partition":1,"offset":0}],"offsets":[{"partition":1,"offset":0,"error_code":null,"error":null}]}`, Acknowledged, 1, 0},
		{"a success that does not deliver", 200, `{"delivered":"no"}`, Contradictory, -1, -1},
		{"the REST Proxy's", 200, `{"offsets":[{"partition":4,"offset":9,"error_code":null,"error":null}],"key_schema_id":null}`, Accepted, 4, 9},
		{"the REST Proxy's, version 3", 200, `{"error_code":200,"cluster_id":"c","topic_name":"t","partition_id":1,"offset":5}`, Accepted, 1, 5},
		{"the REST Proxy's, version 3, with an error", 200, `{"error_code":40403,"message":"no such topic"}`, Failed, -1, -1},
		{"the REST Proxy's, with an error", 200, `{"offsets":[{"partition":null,"offset":null,"error_code":50002,"error":"timed out"}]}`, Failed, -1, -1},
		{"a success without a body", 204, "", Accepted, -1, -1},
		{"a success that is no JSON", 200, "OK", Accepted, -1, -1},
		{"a redirect", 302, "", Failed, -1, -1},
		{"an error of the gateway's own", 502, "<html>", Failed, -1, -1},
		{"members of other types", 201, `{"delivered":true,"partition":"1","offset":"5","records":3,"offsets":{}}`, Accepted, -1, -1},
		{"another gateway's word", 200, `{"delivered":"queued"}`, Accepted, -1, -1},
		{"numbers beyond all", 200, `{"delivered":"yes","partition":99999999999,"offset":1e400}`, Acknowledged, -1, -1},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var e Entry
			e.Send()
			e.Enter(c.status, []byte(c.body))
			if e.Outcome() != c.want || e.Partition != c.partition || e.Offset != c.offset {
				t.Errorf("outcome %d at %d/%d, want %d at %d/%d", e.Outcome(), e.Partition, e.Offset, c.want, c.partition, c.offset)
			}
		})
	}
}

func TestGatewayThatSaysNothingOfDeliveryPromisesByItsStatus(t *testing.T) {
	accepted := func(number int32, offset int64) Entry {
		e := told(number, 200, "")
		e.Offset = offset
		return e
	}
	cases := []struct {
		says  string
		entry Entry
		topic []Record
		want  []string
	}{
		{"it is there", accepted(1, -1), []Record{written(1, 1)}, nil},
		{"it is lost", accepted(1, -1), nil, []string{"1 promised records are lost"}},
		{"it is where it says", accepted(1, 1), []Record{written(1, 1)}, nil},
		{"it is elsewhere", accepted(1, 2), []Record{written(1, 1)}, []string{"1 acknowledged records are not where the reply says"}},
		{"an error says nothing, and it is there", told(1, 500, ""), []Record{written(1, 1)}, nil},
		{"an error says nothing, and it is not there", told(1, 500, ""), nil, nil},
		{"queued records are lost, and nobody has the log", told(1, 200, "unknown"), nil, []string{"1 promised records are lost"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			compare(t, settle([]Entry{c.entry}, c.topic, Evidence{}).Violations(Terms{}), c.want)
		})
	}
}

// FuzzReply: whatever a gateway answers, it has an outcome, and only a success is a promise.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{`{"delivered":"yes","partition":1,"offset":2}`, `{"records":[{"delivered":"no"}]}`, `{"offsets":[{"error_code":1}]}`, "", "null"} {
		f.Add(uint16(100), []byte(seed)) // 200
	}
	f.Fuzz(func(t *testing.T, n uint16, body []byte) {
		status := 100 + int(n)%900 // net/http lets no others through
		var e Entry
		e.Send()
		e.Enter(status, body)
		if e.Outcome().Promised() && (status < 200 || status > 299) || int(e.Status) != status || e.String() == "" {
			t.Errorf("%d %s: %+v", status, body, e)
		}
	})
}
