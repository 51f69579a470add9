package librdkafka

// #include "binding.h"
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
	client *C.rd_kafka_t
}

// NewSimulation starts one on a free port of 127.0.0.1. Close ends it.
func NewSimulation() (*Simulation, error) {
	conf := C.rd_kafka_conf_new()
	_ = assign(conf, "log_level", "0")
	_ = assign(conf, "test.mock.num.brokers", "1")
	client, err := create(conf)
	if err != nil {
		return nil, err
	}
	address := C.rd_kafka_mock_cluster_bootstraps(C.rd_kafka_handle_mock_cluster(client))
	return &Simulation{address: C.GoString(address), client: client}, nil
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
	cluster := C.rd_kafka_handle_mock_cluster(s.client)
	var code C.int
	if yes {
		code = C.rd_kafka_mock_broker_set_up(cluster, -1) // -1: every broker
	} else {
		code = C.rd_kafka_mock_broker_set_down(cluster, -1)
	}
	if code := Code(code); code != 0 {
		return errors.New(code.String())
	}
	return nil
}

// Close ends it; its records are gone. Closing it again does nothing.
func (s *Simulation) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		C.rd_kafka_destroy(s.client)
		s.client = nil
	}
}
