// The part of librdkafka's C API that a producer needs: the prototypes and layouts of
// rdkafka.h in librdkafka 2.15, which promises to keep both. confluent-kafka-go ships
// that header where cgo cannot find it.

#ifndef KU_BINDING_H
#define KU_BINDING_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_topic_conf_s rd_kafka_topic_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_op_s rd_kafka_event_t;
typedef struct rd_kafka_error_s rd_kafka_error_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;
typedef struct rd_kafka_consumer_group_metadata_s rd_kafka_consumer_group_metadata_t;
typedef int rd_kafka_resp_err_t;

typedef struct rd_kafka_message_s {
	rd_kafka_resp_err_t err;
	rd_kafka_topic_t *rkt;
	int32_t partition;
	void *payload;
	size_t len;
	void *key;
	size_t key_len;
	int64_t offset;
	void *_private;
} rd_kafka_message_t;

typedef struct rd_kafka_topic_partition_s {
	char *topic;
	int32_t partition;
	int64_t offset;
	void *metadata; // freed with free() by the list
	size_t metadata_size;
	void *opaque;
	rd_kafka_resp_err_t err;
	void *_private;
} rd_kafka_topic_partition_t;

typedef struct rd_kafka_topic_partition_list_s {
	int cnt;
	int size;
	rd_kafka_topic_partition_t *elems;
} rd_kafka_topic_partition_list_t;

typedef struct rd_kafka_metadata_broker {
	int32_t id;
	char *host;
	int port;
} rd_kafka_metadata_broker_t;

typedef struct rd_kafka_metadata_partition {
	int32_t id;
	rd_kafka_resp_err_t err;
	int32_t leader;
	int replica_cnt;
	int32_t *replicas;
	int isr_cnt;
	int32_t *isrs;
} rd_kafka_metadata_partition_t;

typedef struct rd_kafka_metadata_topic {
	char *topic;
	int partition_cnt;
	struct rd_kafka_metadata_partition *partitions;
	rd_kafka_resp_err_t err;
} rd_kafka_metadata_topic_t;

typedef struct rd_kafka_metadata {
	int broker_cnt;
	struct rd_kafka_metadata_broker *brokers;
	int topic_cnt;
	struct rd_kafka_metadata_topic *topics;
	int32_t orig_broker_id;
	char *orig_broker_name;
} rd_kafka_metadata_t;

extern rd_kafka_conf_t *rd_kafka_conf_new(void);
extern void rd_kafka_conf_destroy(rd_kafka_conf_t *conf);
extern int rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *errstr, size_t errstr_size);
extern int rd_kafka_conf_get(const rd_kafka_conf_t *conf, const char *name, char *dest, size_t *size);
extern void rd_kafka_conf_set_events(rd_kafka_conf_t *conf, int events);

extern rd_kafka_t *rd_kafka_new(int type, rd_kafka_conf_t *conf, char *errstr, size_t errstr_size);
extern void rd_kafka_destroy(rd_kafka_t *rk);
extern const char *rd_kafka_version_str(void);
extern int rd_kafka_outq_len(rd_kafka_t *rk);
extern rd_kafka_resp_err_t rd_kafka_flush(rd_kafka_t *rk, int timeout_ms);
extern rd_kafka_resp_err_t rd_kafka_purge(rd_kafka_t *rk, int purge_flags);
extern rd_kafka_resp_err_t rd_kafka_fatal_error(rd_kafka_t *rk, char *errstr, size_t errstr_size);
extern const char *rd_kafka_err2str(rd_kafka_resp_err_t err);
extern rd_kafka_error_t *rd_kafka_sasl_set_credentials(rd_kafka_t *rk, const char *username, const char *password);

typedef struct rd_kafka_mock_cluster_s rd_kafka_mock_cluster_t; // of rdkafka_mock.h
extern rd_kafka_mock_cluster_t *rd_kafka_handle_mock_cluster(const rd_kafka_t *rk);
extern const char *rd_kafka_mock_cluster_bootstraps(const rd_kafka_mock_cluster_t *cluster);
extern int rd_kafka_mock_broker_set_down(rd_kafka_mock_cluster_t *cluster, int32_t broker);
extern int rd_kafka_mock_broker_set_up(rd_kafka_mock_cluster_t *cluster, int32_t broker);

extern rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *rk);
extern void rd_kafka_queue_destroy(rd_kafka_queue_t *rkqu);
extern rd_kafka_resp_err_t rd_kafka_set_log_queue(rd_kafka_t *rk, rd_kafka_queue_t *rkqu);
extern void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *rkqu, int fd, const void *payload, size_t size);
extern rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *rkqu, int timeout_ms);

extern int rd_kafka_event_type(const rd_kafka_event_t *rkev);
extern void rd_kafka_event_destroy(rd_kafka_event_t *rkev);
extern size_t rd_kafka_event_message_array(rd_kafka_event_t *rkev, const rd_kafka_message_t **rkmessages, size_t size);
extern rd_kafka_resp_err_t rd_kafka_event_error(rd_kafka_event_t *rkev);
extern const char *rd_kafka_event_error_string(rd_kafka_event_t *rkev);
extern int rd_kafka_event_error_is_fatal(rd_kafka_event_t *rkev);
extern const char *rd_kafka_event_stats(rd_kafka_event_t *rkev);
extern int rd_kafka_event_log(rd_kafka_event_t *rkev, const char **fac, const char **str, int *level);

extern int rd_kafka_message_status(const rd_kafka_message_t *rkmessage);
extern int32_t rd_kafka_message_broker_id(const rd_kafka_message_t *rkmessage);
extern int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *rkmessage, int *tstype);
extern rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *rkmessage, rd_kafka_headers_t **hdrsp);

extern rd_kafka_headers_t *rd_kafka_headers_new(size_t initial_count);
extern void rd_kafka_headers_destroy(rd_kafka_headers_t *hdrs);
extern rd_kafka_resp_err_t rd_kafka_header_add(rd_kafka_headers_t *hdrs, const char *name, ssize_t name_size, const void *value, ssize_t value_size);
extern rd_kafka_resp_err_t rd_kafka_header_get_all(const rd_kafka_headers_t *hdrs, size_t idx, const char **namep, const void **valuep, size_t *sizep);

extern rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *topic, rd_kafka_topic_conf_t *conf);
extern void rd_kafka_topic_destroy(rd_kafka_topic_t *rkt);
extern rd_kafka_resp_err_t rd_kafka_last_error(void);
extern rd_kafka_resp_err_t rd_kafka_producev(rd_kafka_t *rk, ...);
extern rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *rk, int all_topics, rd_kafka_topic_t *only_rkt, const struct rd_kafka_metadata **metadatap, int timeout_ms);
extern void rd_kafka_metadata_destroy(const struct rd_kafka_metadata *metadata);

extern rd_kafka_error_t *rd_kafka_init_transactions(rd_kafka_t *rk, int timeout_ms);
extern rd_kafka_error_t *rd_kafka_begin_transaction(rd_kafka_t *rk);
extern rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *rk, int timeout_ms);
extern rd_kafka_error_t *rd_kafka_abort_transaction(rd_kafka_t *rk, int timeout_ms);
extern rd_kafka_error_t *rd_kafka_send_offsets_to_transaction(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets, const rd_kafka_consumer_group_metadata_t *cgmetadata, int timeout_ms);
extern rd_kafka_consumer_group_metadata_t *rd_kafka_consumer_group_metadata_new(const char *group_id);
extern void rd_kafka_consumer_group_metadata_destroy(rd_kafka_consumer_group_metadata_t *metadata);
extern rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int size);
extern void rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *list);
extern rd_kafka_topic_partition_t *rd_kafka_topic_partition_list_add(rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition);

extern rd_kafka_resp_err_t rd_kafka_error_code(const rd_kafka_error_t *error);
extern const char *rd_kafka_error_string(const rd_kafka_error_t *error);
extern int rd_kafka_error_is_fatal(const rd_kafka_error_t *error);
extern int rd_kafka_error_is_retriable(const rd_kafka_error_t *error);
extern int rd_kafka_error_txn_requires_abort(const rd_kafka_error_t *error);
extern void rd_kafka_error_destroy(rd_kafka_error_t *error);

// rdkafka.h's constants.
enum { KU_PRODUCER = 0, KU_CONF_OK = 0 };
enum { KU_EVENT_DR = 0x1, KU_EVENT_LOG = 0x4, KU_EVENT_ERROR = 0x8, KU_EVENT_STATS = 0x40 };
enum { KU_VTYPE_END, KU_VTYPE_TOPIC, KU_VTYPE_RKT, KU_VTYPE_PARTITION, KU_VTYPE_VALUE, KU_VTYPE_KEY, KU_VTYPE_OPAQUE,
       KU_VTYPE_MSGFLAGS, KU_VTYPE_TIMESTAMP, KU_VTYPE_HEADER, KU_VTYPE_HEADERS };
enum { KU_MSG_F_COPY = 0x2 };
enum { KU_PURGE_QUEUE = 0x1, KU_PURGE_INFLIGHT = 0x2, KU_PURGE_NON_BLOCKING = 0x4 };

// ku_report is what a delivery report says of one record.
typedef struct {
	uintptr_t opaque;
	int64_t offset;
	int64_t timestamp; // ms
	int32_t partition;
	int32_t broker; // that answered last; -1: none
	int32_t err;
	int32_t status;
	const rd_kafka_message_t *message; // until the next call of ku_next
} ku_report;

enum { KU_REPORTS = 256, KU_EVENTS = 64 };

// ku_batch is what one look at a producer's queue gives.
typedef struct {
	rd_kafka_queue_t *queue;
	size_t reports_n;
	ku_report reports[KU_REPORTS];
	int other_type;          // of other; 0: none
	rd_kafka_event_t *other; // an event that is no delivery report

	rd_kafka_event_t *rest; // its messages have not all been read
	size_t read_n;
	rd_kafka_event_t *read[KU_EVENTS];
} ku_batch;

void ku_next(ku_batch *b);
void ku_release(ku_batch *b);
int ku_produce(rd_kafka_t *rk, rd_kafka_topic_t *rkt, int32_t partition, const void *key, ssize_t key_len, const void *value,
               ssize_t value_len, int64_t timestamp, const void *headers, size_t headers_len, size_t headers_n, uintptr_t opaque);

#endif
