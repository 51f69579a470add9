package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

func TestWhatARegistryNeedsIsReadAndTheRegistryNotAsked(t *testing.T) {
	const conf = `{"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"a",
		"schema":{"registry":"http://127.0.0.1:1","subject":"s","username":"u","password":"$env://PW"},"key_schema":{"subject":"k","ca_file":"/no/such/file"}}`
	_, route := LintConfig([]byte(conf), routeconf.Limits{})
	for password, want := range map[string]string{
		"s3cret": "certificates and credentials are there; it is not asked",
		"":       "the registry's credentials: $env://PW: not set",
	} {
		w := &way{
			opts: &Options{Timeout: time.Minute, Resolve: func(value string) (string, error) {
				if value == "$env://PW" && password == "" {
					return "", errors.New("$env://PW: not set")
				}
				return value, nil
			}},
			report: &Report{Status: OK}, config: Config{Route: route}, redact: func(s string) string { return s },
		}
		w.registries(t.Context())
		steps := w.report.Steps
		if len(steps) != 2 || steps[0].Target != "schema" || steps[0].Message != want ||
			steps[1].Target != "key_schema" || steps[1].Status != Problem || steps[1].Message != "the registry's CA file: open /no/such/file: no such file or directory" {
			t.Errorf("%+v", steps)
		}
	}
}

func TestAStepShowsNoSecretAndOneLine(t *testing.T) {
	const conf = `{"config":{"bootstrap.servers":"127.0.0.1:1","security.protocol":"SASL_PLAINTEXT","sasl.mechanism":"PLAIN","sasl.username":"u","sasl.password":"$env://PW"},"topic":"a"}`
	_, route := LintConfig([]byte(conf), routeconf.Limits{})
	var shown []Step
	w := &way{
		opts: &Options{
			Timeout: time.Minute, OnStep: func(s Step) { shown = append(shown, s) },
			Resolve: func(value string) (string, error) {
				if value == "$env://PW" {
					return "s3cret", nil
				}
				return value, nil
			},
		},
		report: &Report{Status: OK}, config: Config{Route: route}, interrupt: context.Background(),
	}
	w.props = route.Conn.Properties()
	w.secrets(context.Background())
	w.needs(context.Background(), "login", "", func(context.Context) outcome { return fail("the broker says:\n\ts3cret") })
	w.step(context.Background(), "topic", "a", func(context.Context) outcome { t.Error("it is tried"); return ok("") })
	want := []Step{
		{Name: "secrets", Status: OK, Message: "1 secret read"},
		{Name: "login", Status: Problem, Message: "the broker says: [redacted]"},
		{Name: "topic", Target: "a", Status: Skipped, Message: "login failed"},
	}
	for i := range shown {
		shown[i].Duration = 0
		if len(shown) != len(want) || shown[i] != want[i] {
			t.Errorf("%+v", shown[i])
		}
	}
	if w.report.Status != Problem {
		t.Errorf("the report's status is %s", w.report.Status)
	}
}

func TestACallIsNotWaitedForWhenItsTimeIsOver(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	release := make(chan struct{})
	defer close(release)
	cancel()
	if _, err := await(ctx, func() (int, error) { <-release; return 0, nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n, err := await(context.Background(), func() (int, error) { return 7, fs.ErrExist }); n != 7 || err != fs.ErrExist {
		t.Error(n, err)
	}
}

// TestARoutesOwnTopicIsLookedAtWhereRecordsGoElsewhere has routes of several topics, one of which there is not.
func TestARoutesOwnTopicIsLookedAtWhereRecordsGoElsewhere(t *testing.T) {
	cluster, err := kafka.NewMockCluster(1)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	if err := cluster.CreateTopic("orders", 1, 1); err != nil {
		t.Fatal(err)
	}
	file := "defaults: {config: {bootstrap.servers: '" + cluster.BootstrapServers() + "'}}\nroutes:\n" +
		"  - {id: a, match: {path: /a}, topic: orders}\n  - {id: b, match: {path: /b}, topic: audit}\n  - {id: c, match: {path: /c}, topic: $arg_topic}\n"
	report := Run(context.Background(), Options{Text: []byte(file), Topic: "orders", Timeout: time.Minute, Spool: true})
	var got []string
	for _, s := range report.Steps {
		if s.Name == "topic" || s.Name == "record" {
			got = append(got, fmt.Sprint(s.Resource, " ", s.Name, " ", s.Target, " ", s.Status))
		}
	}
	want := []string{"route a topic orders ok", "route a record orders ok", "route b topic audit problem", "route b topic orders ok", "route b record orders ok",
		"route c topic orders ok", "route c record orders ok"}
	if report.Status != Problem || !slices.Equal(got, want) {
		t.Errorf("%s: %q", report.Status, got)
	}
}

// TestALogInOnAPortThatTakesNoneIsNoWrongPassword has a broker that knows no log-in at all, and a password of one letter.
func TestALogInOnAPortThatTakesNoneIsNoWrongPassword(t *testing.T) {
	cluster, err := kafka.NewMockCluster(1)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	conf := `{"config":{"bootstrap.servers":"` + cluster.BootstrapServers() + `","security.protocol":"sasl_plaintext","sasl.mechanism":"PLAIN","sasl.username":"u","sasl.password":"b"},"topic":"a"}`
	report := Run(context.Background(), Options{Text: []byte(conf), Timeout: time.Minute})
	for _, s := range report.Steps {
		if s.Name == "login" && s.Status == Problem {
			if strings.Contains(s.Message, "wrong user or password") || !strings.Contains(s.Message, "this port takes no log-in") || !strings.Contains(s.Message, "not supported by broker") {
				t.Error(s.Message)
			}
			return
		}
	}
	t.Errorf("%+v", report.Steps)
}
