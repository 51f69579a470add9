#include "binding.h"

// ku_release gives back the events that the last ku_next has read.
void ku_release(ku_batch *b) {
	for (size_t i = 0; i < b->read_n; i++)
		rd_kafka_event_destroy(b->read[i]);
	b->read_n = 0;
	if (b->other != NULL)
		rd_kafka_event_destroy(b->other);
	b->other = NULL;
	b->other_type = 0;
	b->reports_n = 0;
}

static void ku_read(ku_batch *b, rd_kafka_event_t *ev) {
	const rd_kafka_message_t *messages[KU_REPORTS];
	size_t n = rd_kafka_event_message_array(ev, messages, KU_REPORTS - b->reports_n);
	for (size_t i = 0; i < n; i++) {
		const rd_kafka_message_t *m = messages[i];
		ku_report *r = &b->reports[b->reports_n++];
		int type;
		r->opaque = (uintptr_t)m->_private;
		r->offset = m->offset;
		r->timestamp = rd_kafka_message_timestamp(m, &type);
		r->partition = m->partition;
		r->broker = rd_kafka_message_broker_id(m);
		r->err = m->err;
		r->status = rd_kafka_message_status(m);
		r->message = m;
	}
	if (b->reports_n == KU_REPORTS)
		b->rest = ev;
	else
		b->read[b->read_n++] = ev;
}

// ku_next reads what waits in the queue, as far as there is room for it, and does not
// wait: many reports for one call from Go. What it returns is valid until the next call.
void ku_next(ku_batch *b) {
	ku_release(b);
	while (b->reports_n < KU_REPORTS && b->read_n < KU_EVENTS) {
		rd_kafka_event_t *ev = b->rest;
		b->rest = NULL;
		if (ev == NULL)
			ev = rd_kafka_queue_poll(b->queue, 0);
		if (ev == NULL) {
			// What was read to its end by the call before is given back now: for librdkafka
			// its records are under way until then, and nothing may wake the reader again.
			if (b->reports_n == 0)
				ku_release(b);
			return;
		}
		int type = rd_kafka_event_type(ev);
		if (type == KU_EVENT_DR) {
			ku_read(b, ev);
			continue;
		}
		b->other = ev;
		b->other_type = type;
		return;
	}
}

// ku_headers reads what Go has packed: for each header the lengths of name and value as
// int32 (-1: a null value), and their bytes.
static rd_kafka_headers_t *ku_headers(const char *p, size_t len, size_t n) {
	rd_kafka_headers_t *all = rd_kafka_headers_new(n);
	const char *end = p + len;
	while (p < end) {
		int32_t name_len, value_len;
		memcpy(&name_len, p, sizeof name_len);
		memcpy(&value_len, p + sizeof name_len, sizeof value_len);
		p += sizeof name_len + sizeof value_len;
		rd_kafka_header_add(all, p, name_len, value_len < 0 ? NULL : p + name_len, value_len < 0 ? 0 : value_len);
		p += name_len + (value_len < 0 ? 0 : value_len);
	}
	return all;
}

// ku_produce queues a copy of the record. A length of -1 is null, which is not the same
// as empty.
int ku_produce(rd_kafka_t *rk, rd_kafka_topic_t *rkt, int32_t partition, const void *key, ssize_t key_len, const void *value,
               ssize_t value_len, int64_t timestamp, const void *headers, size_t headers_len, size_t headers_n, uintptr_t opaque) {
	const void *k = key_len < 0 ? NULL : key_len == 0 ? "" : key;
	const void *v = value_len < 0 ? NULL : value_len == 0 ? "" : value;
	rd_kafka_headers_t *all = headers_n == 0 ? NULL : ku_headers(headers, headers_len, headers_n);
	rd_kafka_resp_err_t err = rd_kafka_producev(
	    rk, KU_VTYPE_RKT, rkt, KU_VTYPE_PARTITION, (int)partition, KU_VTYPE_MSGFLAGS, KU_MSG_F_COPY,
	    KU_VTYPE_KEY, k, (size_t)(key_len < 0 ? 0 : key_len), KU_VTYPE_VALUE, v, (size_t)(value_len < 0 ? 0 : value_len),
	    KU_VTYPE_TIMESTAMP, timestamp, KU_VTYPE_OPAQUE, (void *)opaque,
	    all == NULL ? KU_VTYPE_END : KU_VTYPE_HEADERS, all, KU_VTYPE_END);
	if (err != 0 && all != NULL)
		rd_kafka_headers_destroy(all); // librdkafka has taken them only when it has taken the record
	return err;
}
