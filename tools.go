//go:build tools

package tools

import (
	_ "github.com/apache/apisix-go-plugin-runner/pkg/plugin"
	_ "github.com/apache/apisix-go-plugin-runner/pkg/runner"
	_ "github.com/api7/ext-plugin-proto/go/A6"
	_ "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	_ "github.com/google/flatbuffers/go"
	_ "github.com/tidwall/gjson"
	_ "github.com/twmb/franz-go/pkg/kfake"
	_ "github.com/twmb/franz-go/pkg/kgo"
)
