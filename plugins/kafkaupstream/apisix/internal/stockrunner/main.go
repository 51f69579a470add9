// Command stockrunner serves the plugin with the runner of apisix-go-plugin-runner
// instead of this project's host. Tests of the package apisix build and start it,
// to show that the plugin needs nothing but that runner's contract. It is in no
// release: that runner loses large bodies.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	"github.com/apache/apisix-go-plugin-runner/pkg/runner"

	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// errorsOnly is zapcore.ErrorLevel.
const errorsOnly = 2

func main() {
	log := logging.New(os.Stderr, slog.LevelWarn)
	defer log.Close(time.Second)
	pool := producer.NewPool(producer.Options{Log: log.Logger})
	handler := kafkaupstream.NewHandler(kafkaupstream.HandlerOptions{Producers: pool, Log: log.Logger})
	if err := plugin.RegisterPlugin(apisix.New(handler, log.Logger)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	runner.Run(runner.RunnerConfig{LogLevel: errorsOnly, LogOutput: os.Stderr}) // until SIGTERM
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	pool.Drain(ctx)
}
