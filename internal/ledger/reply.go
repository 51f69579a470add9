package ledger

import "encoding/json"

// Reply is the body of a reply of the plugin's, and of one record of a batch in it.
type Reply struct {
	Code      int16
	Delivered string
	Topic     string
	Receipt   string
	Partition *int32
	Offset    *int64
	Records   []Reply
	// PartitionID and ErrorCode (from 400 on) are the REST Proxy's, version 3; Offsets is what
	// its version 2 answers of the records.
	PartitionID *int32 `json:"partition_id"`
	ErrorCode   int    `json:"error_code"`
	Offsets     []struct {
		Partition *int32
		Offset    *int64
		ErrorCode *int `json:"error_code"`
	}
}

// Enter writes down what the reply says of its record.
func (r *Reply) Enter(e *Entry) {
	e.Status, e.Delivered, e.Receipt, e.Partition, e.Offset = r.Code, DeliveredOf(r.Delivered), r.Receipt, -1, -1
	if r.Partition != nil {
		e.Partition = *r.Partition
	}
	if r.Offset != nil {
		e.Offset = *r.Offset
	}
}

// Enter writes down what any gateway answers to the request of one record. What the body
// does not say, or not like the plugin, is left to the status. The topic is the one that an
// acknowledgement names; "": none.
func (e *Entry) Enter(status int, body []byte) (topic string) {
	var r Reply
	if json.Unmarshal(body, &r) != nil { // members of other types; what it has read of those is 0
		r = Reply{Delivered: r.Delivered, Receipt: r.Receipt}
	}
	if len(r.Records) == 1 && r.Records[0].Delivered != "" {
		r = r.Records[0]
	}
	failed := r.ErrorCode >= 400
	if r.Partition == nil {
		r.Partition = r.PartitionID
	}
	if len(r.Offsets) == 1 && r.Offset == nil {
		r.Partition, r.Offset, failed = r.Offsets[0].Partition, r.Offsets[0].Offset, r.Offsets[0].ErrorCode != nil
	}
	r.Code = int16(status)
	r.Enter(e)
	switch {
	case failed && e.Delivered == Unsaid:
		e.Delivered = Failure
	case e.Delivered == Mistaken: // another gateway's member of that name
		e.Delivered = Unsaid
	}
	if e.Outcome() == Acknowledged {
		return r.Topic
	}
	return ""
}
