package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func TestSingleNode(t *testing.T) {
	c := Run(t, Options{})

	t.Run("null and empty keys, values and headers are told apart", func(t *testing.T) {
		createTopic(t, c, "nulls", 1)
		when := time.UnixMilli(1_700_000_000_123)
		mustProduce(t, c,
			&kgo.Record{Topic: "nulls", Key: nil, Value: []byte{}, Timestamp: when},
			&kgo.Record{Topic: "nulls", Key: []byte{}, Value: nil, Timestamp: when, Headers: []kgo.RecordHeader{
				{Key: "a", Value: nil}, {Key: "b", Value: []byte{}}, {Key: "a", Value: []byte("1")},
			}},
		)
		want := []Record{
			{Offset: 0, Key: nil, Value: []byte{}, Timestamp: when},
			{Offset: 1, Key: []byte{}, Value: nil, Timestamp: when, Headers: []Header{
				{"a", nil}, {"b", []byte{}}, {"a", []byte("1")},
			}},
		}
		got := records(t, c, "nulls")
		for i := range got {
			got[i].ProducerID, got[i].ProducerEpoch = 0, 0 // the client's own
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %#v\nwant %#v", got, want)
		}
	})

	t.Run("records come from all partitions, also from added ones, in order", func(t *testing.T) {
		createTopic(t, c, "partitions", 2)
		must(t, c.AddPartitions("partitions", 3))
		for _, p := range []int32{2, 0, 1, 2, 0} {
			mustProduce(t, c, &kgo.Record{Topic: "partitions", Partition: p, Value: []byte("v")})
		}
		var got []string
		for _, r := range records(t, c, "partitions") {
			got = append(got, fmt.Sprint(r.Partition, "/", r.Offset))
		}
		if want := []string{"0/0", "0/1", "1/0", "2/0", "2/1"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})

	t.Run("a large topic is read whole", func(t *testing.T) {
		createTopic(t, c, "large", 1)
		const n, size = 40, 900 << 10 // more than one fetch
		for range n {
			mustProduce(t, c, &kgo.Record{Topic: "large", Value: bytes.Repeat([]byte("v"), size)})
		}
		got := records(t, c, "large")
		if len(got) != n || len(got[n-1].Value) != size {
			t.Errorf("got %d records, want %d", len(got), n)
		}
	})

	t.Run("WaitRecords waits for a topic and its records", func(t *testing.T) {
		produced := make(chan error, 1)
		go func() {
			if err := c.CreateTopic("later", 1, 1, nil); err != nil {
				produced <- err
				return
			}
			produced <- errors.Join(
				produce(c, &kgo.Record{Topic: "later", Value: []byte("1")}),
				produce(c, &kgo.Record{Topic: "later", Value: []byte("2")}))
		}()
		got, err := c.WaitRecords(minute(t), "later", 2)
		must(t, err)
		must(t, <-produced)
		if len(got) != 2 {
			t.Errorf("got %d records", len(got))
		}
	})

	t.Run("WaitRecords says what was missing when time is up", func(t *testing.T) {
		createTopic(t, c, "few", 1)
		mustProduce(t, c, &kgo.Record{Topic: "few", Value: []byte("1")})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := c.WaitRecords(ctx, "few", 2)
		if len(got) != 1 || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 records of 2") {
			t.Errorf("got %d records and %v", len(got), err)
		}
	})

	t.Run("ReadCommitted leaves out aborted and open transactions", func(t *testing.T) {
		createTopic(t, c, "transactions", 1)
		inTransaction(t, c, "one", kgo.TryCommit, &kgo.Record{Topic: "transactions", Value: []byte("committed")})
		inTransaction(t, c, "two", kgo.TryAbort, &kgo.Record{Topic: "transactions", Value: []byte("aborted")})
		open := transactionalClient(t, c, "three")
		must(t, open.BeginTransaction())
		must(t, open.ProduceSync(t.Context(), &kgo.Record{Topic: "transactions", Value: []byte("open")}).FirstErr())

		if got := values(records(t, c, "transactions")); got != "committed aborted open" {
			t.Errorf("without the option: %s", got)
		}
		if got := values(records(t, c, "transactions", ReadCommitted)); got != "committed" {
			t.Errorf("with the option: %s", got)
		}
		must(t, open.EndTransaction(t.Context(), kgo.TryCommit))
		got, err := c.WaitRecords(minute(t), "transactions", 2, ReadCommitted)
		must(t, err)
		if values(got) != "committed open" {
			t.Errorf("after the commit: %s", values(got))
		}
	})

	t.Run("a changed topic configuration is in force at once", func(t *testing.T) {
		createTopic(t, c, "limits", 1)
		record := &kgo.Record{Topic: "limits", Value: make([]byte, 2000)}
		for range 10 {
			must(t, c.AlterTopicConfig("limits", map[string]string{"max.message.bytes": "1000"}))
			wantError(t, produce(c, record), kerr.MessageTooLarge)
			must(t, c.AlterTopicConfig("limits", map[string]string{"max.message.bytes": "100000"}))
			must(t, produce(c, record))
		}
	})

	t.Run("a topic that does not exist, or no longer, is an error", func(t *testing.T) {
		_, err := c.Records(t.Context(), "nowhere")
		wantError(t, err, kerr.UnknownTopicOrPartition)
		wantError(t, c.DeleteTopic("nowhere"), kerr.UnknownTopicOrPartition)
		createTopic(t, c, "gone", 1)
		wantError(t, c.CreateTopic("gone", 1, 1, nil), kerr.TopicAlreadyExists)
		must(t, c.DeleteTopic("gone"))
		_, err = c.TopicLeader("gone", 0)
		wantError(t, err, kerr.UnknownTopicOrPartition)
	})

	t.Run("a paused broker answers nobody until it goes on", func(t *testing.T) {
		createTopic(t, c, "paused", 1)
		must(t, c.Pause(1))
		impatient := client(t, c, kgo.RequestTimeoutOverhead(500*time.Millisecond), kgo.RequestRetries(0))
		if err := impatient.Ping(t.Context()); err == nil {
			t.Error("it answered")
		}
		must(t, c.Resume(1))
		mustProduce(t, c, &kgo.Record{Topic: "paused", Value: []byte("v")})
	})

	t.Run("a broker that was stopped or killed comes back with its data", func(t *testing.T) {
		createTopic(t, c, "kept", 1)
		addr := c.BootstrapOf(1)
		for i, end := range []func(int) error{c.Stop, c.Kill} {
			mustProduce(t, c, &kgo.Record{Topic: "kept", Value: []byte("v")})
			must(t, end(1))
			if conn, err := net.Dial("tcp", addr); err == nil {
				conn.Close()
				t.Fatal("it still listens")
			}
			wantError(t, end(1), errNotRunning)
			must(t, c.Restart(1))
			if got := records(t, c, "kept"); len(got) != i+1 || c.Bootstrap() != addr {
				t.Errorf("%d records on %s, want %d on %s", len(got), c.Bootstrap(), i+1, addr)
			}
		}
	})
}

func TestSASL(t *testing.T) {
	const password = `p"\=# ö😀`
	c := Run(t, Options{SASL: true, Users: map[string]string{"bob": password}})
	createTopic(t, c, "secured", 1)

	mechanisms := map[string]func(user, password string) sasl.Mechanism{
		"PLAIN":         func(u, p string) sasl.Mechanism { return plain.Auth{User: u, Pass: p}.AsMechanism() },
		"SCRAM-SHA-256": func(u, p string) sasl.Mechanism { return scram.Auth{User: u, Pass: p}.AsSha256Mechanism() },
		"SCRAM-SHA-512": func(u, p string) sasl.Mechanism { return scram.Auth{User: u, Pass: p}.AsSha512Mechanism() },
	}
	login := func(t *testing.T, mechanism, user, password string) error {
		return client(t, c, kgo.SASL(mechanisms[mechanism](user, password))).Ping(t.Context())
	}

	for mechanism := range mechanisms {
		t.Run(mechanism+" takes the right password only", func(t *testing.T) {
			must(t, login(t, mechanism, "bob", password))
			must(t, login(t, mechanism, AdminUser, AdminPassword))
			wantError(t, login(t, mechanism, "bob", "wrong"), kerr.SaslAuthenticationFailed)
		})
	}

	t.Run("a client without a password is refused", func(t *testing.T) {
		if err := client(t, c).Ping(t.Context()); err == nil {
			t.Error("it was let in")
		}
	})

	t.Run("an ACL is in force when it is made, and no longer when it is taken back", func(t *testing.T) {
		bob := kgo.SASL(mechanisms["PLAIN"]("bob", password))
		record := &kgo.Record{Topic: "secured", Value: []byte("v")}
		for range 5 {
			wantError(t, produceWith(c, []kgo.Opt{bob}, record), kerr.TopicAuthorizationFailed)
			must(t, c.AllowWrite("bob", "secured"))
			must(t, produceWith(c, []kgo.Opt{bob}, record))
			must(t, c.RevokeWrite("bob", "secured"))
		}
		if c.RevokeWrite("bob", "secured") == nil {
			t.Error("no error for an ACL that is not there")
		}
		if got := records(t, c, "secured"); len(got) != 5 {
			t.Errorf("%d records", len(got))
		}
	})

	t.Run("SetPassword changes the password under SCRAM, and makes users", func(t *testing.T) {
		must(t, c.SetPassword("bob", "changed"))
		wantError(t, login(t, "SCRAM-SHA-256", "bob", password), kerr.SaslAuthenticationFailed)
		must(t, login(t, "SCRAM-SHA-256", "bob", "changed"))
		must(t, login(t, "SCRAM-SHA-512", "bob", "changed"))
		must(t, login(t, "PLAIN", "bob", password))
		must(t, c.SetPassword("eve", "new"))
		must(t, login(t, "SCRAM-SHA-512", "eve", "new"))
	})
}

func TestThreeNodes(t *testing.T) {
	c := Run(t, Options{Nodes: 3})
	must(t, c.CreateTopic("majority", 3, 3, nil))
	must(t, c.CreateTopicOn("all", [][]int{{1, 2, 3}}, map[string]string{"min.insync.replicas": "3"}))
	acksAll := []kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0)}
	record := &kgo.Record{Topic: "all", Value: []byte("v")}
	must(t, produceWith(c, acksAll, record))

	dead, err := c.TopicLeader("majority", 0)
	must(t, err)
	must(t, c.Kill(dead))
	t.Run("acks=all survives the death of a leader", func(t *testing.T) {
		for range 3 {
			for p := range int32(3) {
				mustProduce(t, c, &kgo.Record{Topic: "majority", Partition: p, Value: []byte("v")})
			}
		}
		if got := records(t, c, "majority"); len(got) != 9 {
			t.Errorf("%d records, want 9", len(got))
		}
		if leader, err := c.TopicLeader("majority", 0); err != nil || leader == dead {
			t.Errorf("partition 0 is led by %d (%v), and %d is dead", leader, err, dead)
		}
	})

	t.Run("min.insync.replicas=3 with one dead is NOT_ENOUGH_REPLICAS", func(t *testing.T) {
		waitInSync(t, c, "all", 2)
		wantError(t, produceWith(c, acksAll, record), kerr.NotEnoughReplicas)
	})

	t.Run("a topic can be assigned to a dead node", func(t *testing.T) {
		must(t, c.CreateTopicOn("dead", [][]int{{1, 2, 3}}, map[string]string{"min.insync.replicas": "3"}))
		wantError(t, produceWith(c, acksAll, &kgo.Record{Topic: "dead", Value: []byte("v")}), kerr.NotEnoughReplicas)
	})

	t.Run("nodes that died come back together, in sync, with what they acknowledged", func(t *testing.T) {
		another := dead%3 + 1 // and now no controller can be elected
		must(t, c.Kill(another))
		must(t, c.Restart(dead, another))
		waitInSync(t, c, "all", 3)
		waitInSync(t, c, "majority", 3)
		must(t, produceWith(c, acksAll, record))
		if got := records(t, c, "all"); len(got) != 2 {
			t.Errorf("%d records, want 2: what was refused must not be there", len(got))
		}
		if got := records(t, c, "majority"); len(got) != 9 {
			t.Errorf("%d records, want 9", len(got))
		}
	})
}

func TestAutoCreateTopicsAndProperties(t *testing.T) {
	c := Run(t, Options{AutoCreateTopics: true, Properties: map[string]string{"num.partitions": "4"}})
	must(t, produceWith(c, []kgo.Opt{kgo.AllowAutoTopicCreation()}, &kgo.Record{Topic: "new", Partition: 3, Value: []byte("v")}))
	if got := records(t, c, "new"); len(got) != 1 || got[0].Partition != 3 {
		t.Errorf("got %v", got)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	java, err := findJava()
	must(t, err)
	java, err = filepath.EvalSymlinks(java)
	must(t, err)
	javaHome := filepath.Dir(filepath.Dir(java))
	empty := t.TempDir()

	for name, tc := range map[string]struct {
		env  map[string]string
		opts Options
		want string
	}{
		"two nodes have no majority": {nil, Options{Nodes: 2}, "Options.Nodes is 2"},
		"users need SASL":            {nil, Options{Users: map[string]string{"bob": "x"}}, "Options.Users without Options.SASL"},
		"a listener has a proxy for each node": {nil, Options{Nodes: 3, Listeners: []Listener{{Name: "A", Protocol: "PLAINTEXT", Proxies: []string{"127.0.0.1:1"}}}},
			"Options.Listeners A has 1 proxies for 3 nodes"},
		"a listener with a log-in needs SASL": {nil, Options{Listeners: []Listener{{Name: "A", Protocol: "SASL_SSL"}}}, "Options.Listeners A without Options.SASL"},
		"the super user is not given":         {nil, Options{SASL: true, Users: map[string]string{AdminUser: "x"}}, "the super user"},
		"no Java":                             {map[string]string{"JAVA_HOME": empty}, Options{}, "Java 17 or newer is needed"},
		"no Maven where Kafka is not yet": {
			map[string]string{"JAVA_HOME": javaHome, "PATH": empty, homeVariable: empty}, Options{}, "Maven is needed once",
		},
		"a broker that dies at once shows its log": {
			nil, Options{Properties: map[string]string{"num.io.threads": "none"}}, "Invalid value none for configuration num.io.threads",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range tc.env {
				t.Setenv(key, value)
			}
			c, err := Start(tc.opts)
			if err == nil {
				c.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestInstallationIsByOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache", "lock")
	unlock, err := lock(path)
	must(t, err)
	other, err := os.Open(path)
	must(t, err)
	defer other.Close()
	try := func() error { return syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
	wantError(t, try(), syscall.EWOULDBLOCK)
	unlock()
	must(t, try())
}

// The test runs itself as another process, which starts a broker and is then
// killed: no line of Go runs in it any more.
func TestBrokersDieWithTheirProcess(t *testing.T) {
	const child = "KAFKATEST_CHILD"
	if os.Getenv(child) != "" {
		c, err := Start(Options{})
		must(t, err)
		fmt.Println("broker " + c.Bootstrap() + " in " + c.dir)
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBrokersDieWithTheirProcess$")
	cmd.Env = append(os.Environ(), child+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var addr, dir string
	if _, err := fmt.Fscanf(out, "broker %s in %s\n", &addr, &dir); err != nil {
		rest, _ := io.ReadAll(out)
		t.Fatalf("%v: %s", err, rest)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	defer conn.Close()

	must(t, cmd.Process.Kill())
	must(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the broker lives on")
	}
	_ = cmd.Wait()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func createTopic(t *testing.T, c *Cluster, name string, partitions int) {
	t.Helper()
	must(t, c.CreateTopic(name, partitions, 1, nil))
}

func minute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func waitInSync(t *testing.T, c *Cluster, topic string, n int) {
	t.Helper()
	must(t, c.WaitInSync(minute(t), topic, n))
}

func clientOpts(c *Cluster, opts ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(c.Bootstrap(), ",")...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}, opts...)
}

func client(t *testing.T, c *Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(clientOpts(c, opts...)...)
	must(t, err)
	t.Cleanup(cl.Close)
	return cl
}

// produce waits for the acknowledgement of a record, and for a minute at most.
func produce(c *Cluster, record *kgo.Record) error { return produceWith(c, nil, record) }

func produceWith(c *Cluster, opts []kgo.Opt, records ...*kgo.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(clientOpts(c, opts...)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	var copies []*kgo.Record // a client writes into its records
	for _, r := range records {
		r := *r
		copies = append(copies, &r)
	}
	return cl.ProduceSync(ctx, copies...).FirstErr()
}

func mustProduce(t *testing.T, c *Cluster, records ...*kgo.Record) {
	t.Helper()
	must(t, produceWith(c, nil, records...))
}

func transactionalClient(t *testing.T, c *Cluster, id string) *kgo.Client {
	t.Helper()
	return client(t, c, kgo.TransactionalID(id))
}

func inTransaction(t *testing.T, c *Cluster, id string, end kgo.TransactionEndTry, record *kgo.Record) {
	t.Helper()
	cl := transactionalClient(t, c, id)
	must(t, cl.BeginTransaction())
	must(t, cl.ProduceSync(t.Context(), record).FirstErr())
	must(t, cl.EndTransaction(t.Context(), end))
}

func records(t *testing.T, c *Cluster, topic string, opts ...ReadOption) []Record {
	t.Helper()
	got, err := c.Records(minute(t), topic, opts...)
	must(t, err)
	return got
}

func values(records []Record) string {
	var all []string
	for _, r := range records {
		all = append(all, string(r.Value))
	}
	return strings.Join(all, " ")
}
