package check

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// FuzzLint gives it documents, and configurations with a secret in them that it must
// never repeat.
func FuzzLint(f *testing.F) {
	f.Add(`{"uri":"/a","plugins":{"ext-plugin-post-req":{"conf":[{"name":"kafkaupstream","value":{"config":[]}}]}}}`, "linger.ms", "5")
	f.Add(`{"plugins":{"ext-plugin-pre-req":{"conf":[{"name":"kafkaupstream","value":"{\"config\":{\"acks\":2},\"topic\":\"a\"}"}]}},"methods":[1]}`, "acks", "$env://")
	f.Add("routes: [{plugins: {ext-plugin-post-resp: {_meta: 1, conf: [{name: kafkaupstream}]}}}]", "partitioner", "murmur")
	f.Add(`{"config":{"default.topic.config":{"acks":null}}}`, "security.protocol", "SASL_SSL")
	f.Add("routes: [{id: '${{ID}}', uri: /a, plugins: {ext-plugin-post-req: {conf: [{name: kafkaupstream, value: '{\"config\":{\"sasl.password\":\"${{PW}}\"}}'}]}}}]", "a", "b")
	f.Add(`{"config":{"sasl.password":"${{PW}}","linger.ms":"${{VALUE}}"},"schema":{"token":"${{T}}"}}`, "sasl.password", "$secret://a/b/c")
	f.Add(`{"plugins":{"ext-plugin-pre-req":{"conf":[{"name":"kafkaupstream","value":"$env://VALUE/a"},{"name":"$env://VALUE","value":"$secret://a"}]}}}`, "acks", `{"a":"{}"}`)
	f.Fuzz(func(t *testing.T, document, name, value string) {
		env := Options{Variable: func(name string) (string, error) {
			if name == "VALUE" && value != "" {
				return value, nil
			}
			return "", secrets.ErrNotSet
		}}
		findings, configs := Lint([]byte(document), routeconf.Limits{}, env.variable)
		if len(findings)+len(configs) == 0 {
			t.Error("neither a finding nor a configuration")
		}
		const secret = "s3cr3t-0123456789"
		conf, err := json.Marshal(map[string]any{"topic": "a", "config": map[string]string{
			"bootstrap.servers": "k", "sasl.password": secret, "ssl.key.password": secret, name: value,
		}})
		if err != nil {
			t.Fatal(err)
		}
		found, route := LintConfig(conf, routeconf.Limits{})
		problem := false
		for _, f := range found {
			problem = problem || f.Status == Problem
			if strings.Contains(fmt.Sprint(f), secret) {
				t.Errorf("a secret is in %v", f)
			}
		}
		if problem != (route == nil) {
			t.Errorf("%v with %v", found, route)
		}
	})
}

// client-control has a higher priority than ext-plugin-pre-req, and modifiedIndex is what PUT /apisix/admin/configs takes.
func TestWhatAPISIXHasIsNoFinding(t *testing.T) {
	const document = `{"routes":[{"id":"a","modifiedIndex":2,"uri":"/a","methods":["POST"],"plugins":{"client-control":{"max_body_size":9},"key-auth":{},
		"ext-plugin-pre-req":{"conf":[{"name":"kafkaupstream","value":"{\"config\":{\"bootstrap.servers\":\"k\"},\"topic\":\"a\"}"}]}}}]}`
	findings, _ := Lint([]byte(document), routeconf.Limits{}, new(Options).variable)
	if len(findings) != 1 || findings[0].Message != "it runs before key-auth, and its reply skips them; use ext-plugin-post-req" {
		t.Errorf("%q", findings)
	}
}

func TestSummaries(t *testing.T) {
	f := func(s Status) Finding { return Finding{Status: s} }
	for want, r := range map[string]Report{
		"no problem found":      {Steps: []Step{{Status: Skipped}, {Status: OK}}},
		"1 problem, 0 warnings": {Findings: []Finding{f(Problem)}},
		"2 problems, 1 warning": {Findings: []Finding{f(Problem), f(Warning), f(Note)}, Steps: []Step{{Status: Problem}}},
	} {
		if got := r.Summary(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestWhatALoadedRouteIsRefusedForIsWhatCheckSays has configurations that are right but
// for one thing: the plugin and check must not disagree about any.
func TestWhatALoadedRouteIsRefusedForIsWhatCheckSays(t *testing.T) {
	for _, conf := range []string{
		`{"config":{"bootstrap.servers":"k"},"topic":"a"}`,
		`{"config":{"bootstrap.servers":"k","linger.mss":5}}`,
		`{"config":{"bootstrap.servers":"k","acks":"0x0"},"delivery":"sync"}`,
		`{"config":{"bootstrap.servers":"k","enable.idempotence":"F"},"transactional":true}`,
		`{"config":{"bootstrap.servers":"k","queuing.strategy":"LIFO"},"delivery":"durable"}`,
		`{"config":{"bootstrap.servers":"k","max.request.size":"2000000"}}`,
		`{"config":{"bootstrap.servers":"k","linger.ms":600000,"message.timeout.ms":1000}}`,
		`{"config":{"bootstrap.servers":"k","acks":1,"enable.idempotence":true}}`,
		`{"config":{"bootstrap.servers":"http://k"}}`,
		`{"config":{"bootstrap.servers":"k","security.protocol":"SASL_SSL","sasl.mechanism":"OAUTHBEARER"}}`,
		`{"config":{"bootstrap.servers":"k"},"schema":{"registry":"http://r","subject":"s","version":"lastest"}}`,
	} {
		_, err := routeconf.ParseRoute([]byte(conf), routeconf.Limits{})
		findings, route := LintConfig([]byte(conf), routeconf.Limits{})
		var said []string
		for _, f := range findings {
			if f.Status == Problem {
				said = append(said, f.Path+": "+f.Message)
			}
		}
		if (err == nil) != (route != nil) || err != nil && err.Error() != strings.Join(said, "\n") {
			t.Errorf("%s: the plugin says %v, check says %q", conf, err, said)
		}
	}
}
