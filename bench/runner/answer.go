package main

import (
	"net/http"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"

	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// answer is the least that a plugin can do for a request with a body: it asks for
// the body and answers something as long as the Kafka plugin's answer. It has the
// Kafka plugin's name, so that one configuration fits every runner.
type answer struct{}

func (answer) Name() string { return apisix.Name }

func (answer) ParseConf([]byte) (any, error) { return nil, nil }

var answerBody = []byte(`{"code":200,"message":"read, and nothing else","delivered":"no"}`)

func (answer) RequestFilter(_ any, w http.ResponseWriter, r pkghttp.Request) {
	if _, err := r.Body(); err != nil {
		return // the connection is broken: nobody can be told
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(answerBody)
}

func (answer) ResponseFilter(any, pkghttp.Response) {}
