package librdkafka

// #include <stdint.h>
// #include <stdlib.h>
//
// // The part of rdkafka_mock.h that is used here. Weak, as in conf.go.
// typedef struct rd_kafka_conf_s kusim_conf_t;
// typedef struct rd_kafka_s kusim_client_t;
// typedef struct rd_kafka_mock_cluster_s kusim_cluster_t;
// #define KUSIM __attribute__((weak))
// extern kusim_conf_t *rd_kafka_conf_new(void) KUSIM;
// extern void rd_kafka_conf_destroy(kusim_conf_t *conf) KUSIM;
// extern int rd_kafka_conf_set(kusim_conf_t *conf, const char *name, const char *value, char *err, size_t size) KUSIM;
// extern kusim_client_t *rd_kafka_new(int type, kusim_conf_t *conf, char *err, size_t size) KUSIM;
// extern void rd_kafka_destroy(kusim_client_t *client) KUSIM;
// extern kusim_cluster_t *rd_kafka_handle_mock_cluster(const kusim_client_t *client) KUSIM;
// extern const char *rd_kafka_mock_cluster_bootstraps(const kusim_cluster_t *cluster) KUSIM;
// extern int rd_kafka_mock_broker_set_down(kusim_cluster_t *cluster, int32_t broker) KUSIM;
// extern int rd_kafka_mock_broker_set_up(kusim_cluster_t *cluster, int32_t broker) KUSIM;
//
// enum { kusim_ok = 0, kusim_producer = 0, kusim_all = -1 }; // RD_KAFKA_CONF_OK, RD_KAFKA_PRODUCER, every broker
//
// // kusim_start makes a client with a cluster of one broker, which goes with it. It writes no log.
// static kusim_client_t *kusim_start(char *err, size_t size) {
//   kusim_conf_t *conf = rd_kafka_conf_new();
//   kusim_client_t *client = NULL;
//   if (rd_kafka_conf_set(conf, "log_level", "0", err, size) == kusim_ok &&
//       rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", err, size) == kusim_ok)
//     client = rd_kafka_new(kusim_producer, conf, err, size);
//   if (!client)
//     rd_kafka_conf_destroy(conf);
//   return client;
// }
//
// static void kusim_stop(kusim_client_t *client) { rd_kafka_destroy(client); }
// static const char *kusim_address(kusim_client_t *client) {
//   return rd_kafka_mock_cluster_bootstraps(rd_kafka_handle_mock_cluster(client));
// }
// static int kusim_reachable(kusim_client_t *client, int yes) {
//   kusim_cluster_t *cluster = rd_kafka_handle_mock_cluster(client);
//   return yes ? rd_kafka_mock_broker_set_up(cluster, kusim_all) : rd_kafka_mock_broker_set_down(cluster, kusim_all);
// }
import "C"

import (
	"errors"
	"sync"
)

// Simulation is librdkafka's simulation of a cluster of one broker (rdkafka_mock.h): it keeps records in memory, and creates
// topics when they are asked for. All methods may be called by any number of goroutines.
//
// confluent-kafka-go's MockCluster is the same, but for a warning that it writes to standard error.
type Simulation struct {
	address string

	mu     sync.Mutex // guards client
	client *C.kusim_client_t
}

// NewSimulation starts one on a free port of 127.0.0.1. Close ends it.
func NewSimulation() (*Simulation, error) {
	var reason [512]C.char
	client := C.kusim_start(&reason[0], C.size_t(len(reason)))
	if client == nil {
		return nil, errors.New(C.GoString(&reason[0]))
	}
	return &Simulation{address: C.GoString(C.kusim_address(client)), client: client}, nil
}

// Address returns the broker's host:port.
func (s *Simulation) Address() string { return s.address }

// SetReachable makes the broker break its connections and take no more, or take them again. Its port and its records stay.
// The error is an error code of librdkafka's, or that the simulation is closed.
func (s *Simulation) SetReachable(yes bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return errors.New("the simulated broker is closed")
	}
	up := C.int(0)
	if yes {
		up = 1
	}
	if code := Code(C.kusim_reachable(s.client, up)); code != 0 {
		return errors.New(code.String())
	}
	return nil
}

// Close ends it; its records are gone. Closing it again does nothing.
func (s *Simulation) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		C.kusim_stop(s.client)
		s.client = nil
	}
}
