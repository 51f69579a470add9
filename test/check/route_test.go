package check

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/devtest"
)

const ordersConf = `{
  "config": {"bootstrap.servers": "kafka:9092", "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
             "sasl.username": "gateway", "sasl.password": "$file://kafka/password"},
  "topic": "orders", "jsonkey": "customer.id", "key": "it's a \"key\" <&> of $request_id: \u00e4\n# { $$", "delivery": "sync"
}
`

// route runs `route` and returns what it prints.
func route(t *testing.T, conf string, args ...string) string {
	t.Helper()
	p, code := program.Run(t, binary, program.Options{Args: append([]string{"route", "-f", "-"}, args...), Stdin: strings.NewReader(conf)})
	if code != 0 || p.Stderr.String() != "" {
		t.Fatalf("exit code %d, %s", code, p.Stderr)
	}
	return p.Stdout.String()
}

func TestRouteInItsThreeForms(t *testing.T) {
	golden(t, "testdata/route.golden", route(t, ordersConf)+"\n"+route(t, ordersConf, "--yaml")+"\n"+
		route(t, ordersConf, "--curl", "--phase", "pre-req", "--uri", "/o'rders/*", "--id", "o-1", "--name", "Orders", "--host", "*.shop.example", "--admin-url", "https://apisix:9180/"))
}

func TestMethodsAreThoseThatProduce(t *testing.T) {
	const conf = `{"config":{"bootstrap.servers":"k"},"topic":"users","key":"a","tombstone_on_delete":true}`
	if got := route(t, conf, "--yaml"); !strings.Contains(got, "methods: [POST, PUT, PATCH, DELETE]\n") {
		t.Error(got)
	}
}

func TestInvalidConfigurationIsRefusedWithAllItsProblems(t *testing.T) {
	p, code := program.Run(t, binary, program.Options{Args: []string{"route", "-f", "testdata/properties.json"}})
	want, err := os.ReadFile("testdata/properties.json.golden")
	if err != nil {
		t.Fatal(err)
	}
	found, _, _ := strings.Cut(string(want), "9 problems")
	if code != 1 || p.Stdout.String() != "" || p.Stderr.String() != found {
		t.Errorf("exit code %d, %q\n%s", code, p.Stdout, p.Stderr)
	}
}

func TestDoubtfulConfigurationIsPrintedWithTheDoubt(t *testing.T) {
	p, code := program.Run(t, binary, program.Options{Args: []string{"route", "-f", "testdata/security.json"}})
	if code != 0 || !strings.HasPrefix(p.Stdout.String(), "{\n") || !strings.HasPrefix(p.Stderr.String(), "warning  config.ssl.key.password: ") {
		t.Errorf("exit code %d, %q, %q", code, p.Stdout, p.Stderr)
	}
}

func TestVariablesAreDoubtfulWhereAPISIXDoesNotReplaceThem(t *testing.T) {
	const conf = `{"config":{"bootstrap.servers":"k","security.protocol":"SASL_SSL","sasl.mechanism":"PLAIN","sasl.username":"u","sasl.password":"${{KAFKA_PASSWORD}}"},"topic":"a"}`
	for form, want := range map[string]string{"--yaml": "", "--curl": "warning  APISIX replaces ${{NAME}} in apisix.yaml only, and here takes it as it stands\n"} {
		p, code := program.Run(t, binary, program.Options{Args: []string{"route", "-f", "-", form}, Stdin: strings.NewReader(conf)})
		if code != 0 || p.Stderr.String() != want || !strings.Contains(p.Stdout.String(), "${{KAFKA_PASSWORD}}") {
			t.Errorf("%s: exit code %d, %q, %q", form, code, p.Stdout, p.Stderr)
		}
	}
}

// bash runs a command as somebody pastes it.
func bash(t *testing.T, command string, env ...string) (string, int) {
	t.Helper()
	p, code := program.Run(t, "/bin/bash", program.Options{Args: []string{"-c", command}, Env: env})
	return p.Stdout.String() + p.Stderr.String(), code
}

// TestRouteCommandPrintsARoute has the configurations of docs/routes.md, and one with
// everything that is awkward to quote.
func TestRouteCommandPrintsARoute(t *testing.T) {
	d := devtest.Start(t, binary, program.Options{})
	confs := []string{ordersConf}
	for _, b := range devtest.Document(t, "../../docs/routes.md") {
		if b.Language != "json" {
			continue
		}
		// dev fills in the brokers that these leave out.
		confs = append(confs, strings.NewReplacer(`"config": {}`, `"config": {"bootstrap.servers": "kafka:9092"}`,
			`"kafka:///`, `"kafka://kafka:9092/`).Replace(b.Text))
	}
	if len(confs) < 10 {
		t.Fatalf("%d configurations", len(confs))
	}
	for i, conf := range confs {
		flags := []string{"--uri", fmt.Sprintf("/route-%d", i), "--id", fmt.Sprint(i)}
		for _, form := range []string{"--yaml=false", "--yaml"} {
			document := route(t, conf, append(flags, form)...)
			p, code := program.Run(t, binary, program.Options{
				Args: []string{"check", "--offline", "-f", "-"}, Stdin: strings.NewReader(document), Env: []string{"KAFKAUPSTREAM_SPOOL_DIR=/spool"},
			})
			if code != 0 || p.Stdout.String() != "no problem found\n" {
				t.Errorf("exit code %d, %s\n%s", code, p.Stdout, document)
			}
		}
		command := route(t, conf, append(flags, "--curl", "--admin-url", d.URL)...)
		if out, code := bash(t, command, "ADMIN_KEY=key"); code != 0 || !strings.Contains(out, fmt.Sprintf(`"key":"/apisix/routes/%d"`, i)) {
			t.Errorf("exit code %d, %s\n%s", code, out, command)
		}
	}
	// What the Admin API then shows is a document, too.
	list, _ := bash(t, "curl -sS "+d.URL+"/apisix/admin/routes")
	p, code := program.Run(t, binary, program.Options{
		Args: []string{"check", "--offline", "-f", "-"}, Stdin: strings.NewReader(list), Env: []string{"KAFKAUPSTREAM_SPOOL_DIR=/spool"},
	})
	if code != 0 || p.Stdout.String() != "no problem found\n" {
		t.Errorf("exit code %d, %s\n%s", code, p.Stdout, list)
	}
}

func TestRouteThatIsPastedProduces(t *testing.T) {
	d := devtest.Start(t, binary, program.Options{})
	conf := fmt.Sprintf(`{"config":{"bootstrap.servers":%q},"topic":"pasted","key":"it's $arg_id"}`, d.Broker)
	if out, code := bash(t, route(t, conf, "--curl", "--admin-url", d.URL), "ADMIN_KEY=key"); code != 0 {
		t.Fatal(out)
	}
	out, code := bash(t, "curl -sS -d hello "+"'"+d.URL+"/pasted?id=7'")
	if code != 0 {
		t.Fatal(out)
	}
	program.Until(t, "dev shows the record: "+out, func() bool { return strings.Contains(d.Stdout.String(), " key=it's 7 value=hello") })
}

// One file of routes works in dev, in serve's front, and as routes of APISIX that `route` makes of it, in each form.
func TestRoutesOfOneFileAreTheSameInEachFront(t *testing.T) {
	const file = `
defaults: {config: {}, delivery: sync, partition: 0}
routes:
  - id: orders
    match: {path: [/orders/*, /shop/orders], host: [127.0.0.1, shop.example], methods: [POST, PUT]}
    topic: orders
    key: it's $arg_id
  - {id: events, match: {path: /events}, topic: events, record_headers: {source: "# gateway"}}
`
	requests := []string{"-d a '%s/orders/1?id=7'", "-X PUT -d b '%s/shop/orders?id=8'", "-H 'host: elsewhere' -d c '%s/shop/orders?id=8'", "-d d '%s/events'", "-X DELETE '%s/events'"}
	results := func(d *devtest.Gateway) (all []string) {
		for _, r := range requests {
			out, code := bash(t, "curl -s -o /dev/null -w '%{http_code}' "+fmt.Sprintf(r, d.URL))
			if code != 0 {
				t.Fatal(out)
			}
			all = append(all, out)
		}
		program.Until(t, "dev shows the records", func() bool { return strings.Count(d.Stdout.String(), "\nrecord ") == 3 })
		records := d.Stdout.Lines()[3:]
		slices.Sort(records) // the consumer of two topics has their records in any order
		return append(all, records...)
	}
	of := func(text string, args ...string) []string {
		return results(devtest.Start(t, binary, program.Options{Args: append([]string{"-f", "-"}, args...), Stdin: strings.NewReader(text)}))
	}
	want := []string{"200", "200", "404", "200", "405",
		"record events partition=0 offset=0 key=null header source=# gateway value=d", "record orders partition=0 offset=0 key=it's 7 value=a", "record orders partition=0 offset=1 key=it's 8 value=b"}
	same := func(where string, got []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, want\n%q", where, got, want)
		}
	}
	same("dev", of(file))
	same("dev --front http", of(file, "--front", "http"))
	brokers := strings.Replace(file, "config: {}", "config: {bootstrap.servers: 'kafka:9092'}", 1)
	yaml := route(t, brokers, "--yaml")
	same("apisix.yaml", of(strings.ReplaceAll(yaml, `"bootstrap.servers":"kafka:9092"`, "")))
	if objects := strings.Count(route(t, brokers, "--output", "k8s"), "\nkind: ApisixRoute\n"); objects != 2 {
		t.Errorf("%d routes for Kubernetes", objects)
	}
	d := devtest.Start(t, binary, program.Options{Args: []string{"-f", "-"}, Stdin: strings.NewReader("routes: [{id: other, match: {path: /other}, topic: t, config: {}}]")})
	commands := route(t, strings.Replace(file, "config: {}", fmt.Sprintf("config: {bootstrap.servers: %q}", d.Broker), 1), "--curl", "--admin-url", d.URL)
	if out, code := bash(t, commands, "ADMIN_KEY=key"); code != 0 {
		t.Fatal(out)
	}
	same("the Admin API", results(d))
}

func TestFileOfRoutesThatAPISIXCannotHaveIsRefused(t *testing.T) {
	for _, c := range []struct {
		file, stderr string
		args         []string
		code         int
	}{
		{"routes: [{id: a, match: {path: '/a/{name}'}, topic: t, config: {bootstrap.servers: k}}]", `problem  routes[0].match.path: "/a/{name}": APISIX has no names in paths`, nil, 1},
		{"routes: [{id: a, match: {path: /a}, topic: t}]", "problem  routes[0].config: it is required", nil, 1},
		{"routes: [{id: a, match: {path: /a}, topik: t, config: {bootstrap.servers: k}}]", `problem  routes[0].topik: unknown key; did you mean "topic"?`, nil, 1},
		{"routes: [{id: a, match: {path: /a}, topic: t, config: {bootstrap.servers: k}}]", "the file has each route's id and paths", []string{"--uri", "/b"}, 2},
	} {
		p, code := program.Run(t, binary, program.Options{Args: append([]string{"route", "-f", "-"}, c.args...), Stdin: strings.NewReader(c.file)})
		if code != c.code || p.Stdout.String() != "" || !strings.Contains(p.Stderr.String(), c.stderr) {
			t.Errorf("%s: exit code %d, %q, %q", c.file, code, p.Stdout, p.Stderr)
		}
	}
}

// TestBrokerOfDev has no controller, as not everything has that speaks Kafka's protocol.
func TestBrokerOfDev(t *testing.T) {
	d := devtest.Start(t, binary, program.Options{})
	props := properties{"bootstrap.servers": d.Broker}
	r := check(t, 1, "-f", conf(t, props, `"topic":"kafkaupstream"`))
	r.has(t, "topic", "problem", "there is no such topic, and a check creates none")
	if out, code := bash(t, "curl -sS -d hello "+d.URL); code != 0 {
		t.Fatal(out)
	}
	program.Until(t, "dev shows the record", func() bool { return strings.Contains(d.Stdout.String(), "record kafkaupstream ") })
	r = check(t, 0, "-f", conf(t, props, `"topic":"kafkaupstream"`), "--topic", "kafkaupstream", "--large", "--transactions")
	r.has(t, "topic", "ok", "its settings are not known, since the cluster names no controller")
	r.has(t, "record", "ok", "written to partition")
	r.has(t, "transaction", "ok", "commit")
}

// TestTopicsThatBeginAlikeHaveTheirOwnRoutes: with one id for both, the second that is put at
// the Admin API would replace the first.
func TestTopicsThatBeginAlikeHaveTheirOwnRoutes(t *testing.T) {
	ids := map[string]bool{}
	for _, end := range []string{"created", "deleted"} {
		topic := strings.Repeat("orders-", 10) + end
		command := route(t, fmt.Sprintf(`{"config":{"bootstrap.servers":"k"},"topic":%q}`, topic), "--curl")
		id, _, _ := strings.Cut(strings.SplitAfter(command, "/admin/routes/")[1], "'")
		ids[id] = true
		if again := route(t, fmt.Sprintf(`{"config":{"bootstrap.servers":"k"},"topic":%q}`, topic), "--curl"); again != command {
			t.Errorf("%s\nand then\n%s", command, again)
		}
	}
	if len(ids) != 2 {
		t.Errorf("the ids are %v", ids)
	}
}
