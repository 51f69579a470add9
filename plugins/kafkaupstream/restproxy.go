package kafkaupstream

import "strconv"

// What clients of the Confluent REST Proxy look at in a reply. Its errors are this plugin's own.

// appendOffsets appends what v2's clients look at.
func appendOffsets(dst []byte, replies []Reply) []byte {
	dst = append(dst, `,"offsets":[`...)
	for i := range replies {
		if i > 0 {
			dst = append(dst, ',')
		}
		r := &replies[i]
		if r.Delivered == DeliveredYes {
			dst = strconv.AppendInt(append(dst, `{"partition":`...), int64(r.Ack.Partition), 10)
			dst = strconv.AppendInt(append(dst, `,"offset":`...), r.Ack.Offset, 10)
			dst = append(dst, `,"error_code":null,"error":null}`...)
			continue
		}
		if r.Status < 300 { // taken, and where it ends up is not known yet
			dst = append(dst, `{"partition":null,"offset":null,"error_code":null,"error":null}`...)
			continue
		}
		code := 1 // not to be retried
		if r.Status >= 500 {
			code = 2 // to be retried
		}
		dst = strconv.AppendInt(append(dst, `{"partition":null,"offset":null,"error_code":`...), int64(code), 10)
		dst = append(appendText(append(dst, `,"error":`...), []byte(r.Message)), '}')
	}
	return append(dst, `],"key_schema_id":null,"value_schema_id":null`...)
}

// appendResultV3 appends what v3's clients look at, beside offset.
func appendResultV3(dst []byte, r *Reply) []byte {
	dst = strconv.AppendInt(append(dst, `,"error_code":`...), int64(r.Status), 10)
	if r.Delivered == DeliveredYes {
		dst = appendText(append(dst, `,"topic_name":`...), []byte(r.Topic))
		dst = strconv.AppendInt(append(dst, `,"partition_id":`...), int64(r.Ack.Partition), 10)
	}
	return dst
}
