package schema

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// clock is a time that a test sets.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func newTestCache(t testing.TB, log *slog.Logger) (*Cache, *clock) {
	at := &clock{}
	at.advance(time.Hour)
	c := NewCache(0, log)
	c.now = at.now
	t.Cleanup(c.Close)
	return c, at
}

func source(c *Cache, r *Registry, subject, number string) *Source {
	return c.Source(r, Name{Subject: subject, Version: number})
}

func currentID(t testing.TB, s *Source) int {
	t.Helper()
	_, id, err := s.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// idle reports whether no question is under way.
func idle(c *Cache) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		e.mu.Lock()
		asking := e.asking != nil
		e.mu.Unlock()
		if asking {
			return false
		}
	}
	return true
}

func TestInline(t *testing.T) {
	want := mustCompile(t, `{}`)
	got, id, err := Inline(want).Current(t.Context())
	if got != want || id != -1 || err != nil {
		t.Errorf("got %p, %d, %v", got, id, err)
	}
}

func TestHundredFirstRequestsAreOneQuestion(t *testing.T) {
	f := newFakeRegistry(t)
	release := make(chan struct{})
	f.handle(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write([]byte(`{"id": 3, "schemaType": "JSON", "schema": "{}"}`))
	})
	c, _ := newTestCache(t, nil)
	s := source(c, f.registry(t, Options{}), "s", "latest")
	var begun, done sync.WaitGroup
	begun.Add(100)
	for range 100 {
		done.Go(func() {
			begun.Done()
			if _, id, err := s.Current(t.Context()); id != 3 || err != nil {
				t.Error(id, err)
			}
		})
	}
	begun.Wait()
	close(release)
	done.Wait()
	if n := f.asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

func TestHundredRequestsAfterTheTTLAreOneQuestionAndDoNotWait(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("s/latest", 1, `{}`)
	c, at := newTestCache(t, nil)
	s := source(c, f.registry(t, Options{}), "s", "latest")
	first, _, _ := s.Current(t.Context())
	at.advance(defaultTTL - 1)
	currentID(t, s)
	if n := f.asked.Load(); n != 1 {
		t.Fatalf("%d questions before the answer is old", n)
	}
	release := make(chan struct{})
	f.handle(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write([]byte(`{"id": 2, "schemaType": "JSON", "schema": "true"}`))
	})
	at.advance(1)
	var done sync.WaitGroup
	for range 100 {
		done.Go(func() {
			if got, id, err := s.Current(t.Context()); id != 1 || got != first || err != nil {
				t.Error(id, err)
			}
		})
	}
	done.Wait()
	close(release)
	await.True(t, "the new schema is used", func() bool { return currentID(t, s) == 2 })
	if n := f.asked.Load(); n != 2 {
		t.Errorf("%d questions", n)
	}
}

func TestAnswerThatIsTheSameIsNotCompiledAgain(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("s/latest", 1, `{"$ref": "a"}`, Reference{"a", "a", 1})
	f.set("a/1", 2, `{}`)
	c, at := newTestCache(t, nil)
	s := source(c, f.registry(t, Options{}), "s", "latest")
	before, _, _ := s.Current(t.Context())
	at.advance(defaultTTL)
	currentID(t, s)
	await.True(t, "the question ends", func() bool { return idle(c) })
	if after, _, _ := s.Current(t.Context()); after != before || f.asked.Load() != 3 {
		t.Errorf("%p was %p, %d questions", after, before, f.asked.Load())
	}
}

// lateReply is a reply that has come in time, and keeps the question until its time is over.
type lateReply struct{ io.Reader }

func (lateReply) Close() error {
	time.Sleep(3*defaultTimeout + time.Second) // in a bubble
	return nil
}

// answers is a client's transport.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// A busy machine may never be quicker: it would compile the schema again and again.
func TestSchemaThatIsCompiledLateIsKept(t *testing.T) {
	for _, reply := range []string{
		`{"id": 3, "schemaType": "JSON", "schema": "{}"}`,
		`{"id": 3, "schemaType": "PROTOBUF", "schema": "syntax = \"proto3\"; message M {}"}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := NewCache(0, nil)
			defer c.Close()
			registry, err := NewRegistry("http://registry", Options{Client: &http.Client{Transport: answers(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: lateReply{strings.NewReader(reply)}}, nil
			})}})
			if err != nil {
				t.Fatal(err)
			}
			if id := currentID(t, source(c, registry, "s", "1")); id != 3 {
				t.Errorf("got %d", id)
			}
		})
	}
}

func TestVersionWithANumberIsAskedOnce(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("s/4", 1, `{}`)
	c, at := newTestCache(t, nil)
	s := source(c, f.registry(t, Options{}), "s", "4")
	for range 3 {
		currentID(t, s)
		at.advance(time.Hour)
		await.True(t, "no question", func() bool { return idle(c) })
	}
	if n := f.asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

func TestOldSchemaIsUsedWhileThereIsNoNewOne(t *testing.T) {
	var text await.Log
	f := newFakeRegistry(t)
	f.set("s/latest", 1, `{}`)
	c, at := newTestCache(t, slog.New(slog.NewTextHandler(&text, nil)))
	s := source(c, f.registry(t, Options{Token: "hidden"}), "s", "latest")
	currentID(t, s)
	f.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	at.advance(defaultTTL)
	for range 60 { // one second each
		if id := currentID(t, s); id != 1 {
			t.Fatalf("id %d", id)
		}
		await.True(t, "the question ends", func() bool { return idle(c) })
		at.advance(failureStays)
	}
	if n := strings.Count(text.String(), "\n"); n != 1 || !strings.Contains(text.String(), "status 500") || strings.Contains(text.String(), "hidden") {
		t.Errorf("the log: %s", text.String())
	}
	currentID(t, s)
	await.True(t, "it is logged once a minute", func() bool { return strings.Count(text.String(), "\n") == 2 })
	f.set("s/latest", 2, `{"type": 1}`)
	f.handle(nil)
	at.advance(failureStays)
	currentID(t, s)
	await.True(t, "the question ends", func() bool { return idle(c) })
	if id := currentID(t, s); id != 1 {
		t.Errorf("a schema that is none is used: id %d", id)
	}
	f.set("s/latest", 3, `{}`)
	at.advance(failureStays)
	await.True(t, "the new schema is used", func() bool { return currentID(t, s) == 3 })
}

func TestFailureIsRememberedForASecond(t *testing.T) {
	f := newFakeRegistry(t)
	c, at := newTestCache(t, nil)
	s := source(c, f.registry(t, Options{}), "s", "latest")
	for range 10 {
		if _, _, err := s.Current(t.Context()); kindOf(err) != KindConfiguration {
			t.Fatal(err)
		}
	}
	if n := f.asked.Load(); n != 1 {
		t.Errorf("%d questions in the same second", n)
	}
	f.set("s/latest", 5, `{}`)
	at.advance(failureStays)
	if id := currentID(t, s); id != 5 {
		t.Errorf("id %d", id)
	}
}

func TestRequestWaitsNoLongerThanItMay(t *testing.T) {
	f := newFakeRegistry(t)
	asked := make(chan struct{})
	f.handle(func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() })
	c, _ := newTestCache(t, nil)
	s := source(c, f.registry(t, Options{Timeout: time.Hour}), "s", "latest")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, _, err := s.Current(ctx); kindOf(err) != KindUnavailable {
		t.Errorf("got %v", err)
	}
	if idle(c) {
		t.Error("the question ended with the first request that waited for it")
	}
	c.Close()
	if !idle(c) {
		t.Error("a question is under way in a closed cache")
	}
}

func TestEqualSourcesShareOneEntry(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("s/latest", 1, `{}`)
	f.set("s/1", 1, `{}`)
	f.set("other/latest", 2, `{}`)
	c, _ := newTestCache(t, nil)
	for i, s := range []struct {
		opts            Options
		subject, number string
		questions       int64 // so far
	}{
		{Options{}, "s", "latest", 1},
		{Options{}, "s", "latest", 1},
		{Options{}, "s", "1", 2},
		{Options{}, "other", "latest", 3},
		{Options{Token: "t"}, "s", "latest", 4},
		{Options{Token: "u"}, "s", "latest", 5},
		{Options{Username: "u", Password: "p"}, "s", "latest", 6},
		{Options{Username: "u", Password: "p"}, "s", "latest", 6},
	} {
		currentID(t, source(c, f.registry(t, s.opts), s.subject, s.number))
		if n := f.asked.Load(); n != s.questions {
			t.Errorf("source %d: %d questions, want %d", i, n, s.questions)
		}
	}
}

func TestUnusedEntriesOfClientsAreDropped(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("a/1", 1, `{}`)
	f.set("b/1", 2, `{}`)
	f.set("c/1", 3, `{}`)
	c, at := newTestCache(t, nil)
	r := f.registry(t, Options{})
	asked := func(subject string) *Source {
		s, err := c.Asked(r, Name{Subject: subject, Version: "1"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := asked("a"), asked("b")
	currentID(t, a)
	currentID(t, b)
	at.advance(unusedAfter - 1)
	currentID(t, b)
	at.advance(1)
	currentID(t, asked("c"))
	if n, _ := entries(c); n != 2 {
		t.Errorf("%d entries, want those of b and c", n)
	}
	currentID(t, b)
	if n := f.asked.Load(); n != 3 {
		t.Errorf("%d questions: b was dropped", n)
	}
	if id := currentID(t, a); id != 1 || f.asked.Load() != 4 {
		t.Errorf("a source that comes back: id %d, %d questions", id, f.asked.Load())
	}
}

// A route that is asked once an hour has its schema while the registry is away, whatever other routes ask for, and however long ago
// a client has made its entry.
func TestRarelyUsedSourceKeepsItsSchema(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("rare/latest", 1, `{}`)
	f.set("fixed/3", 2, `{}`)
	f.set("busy/latest", 3, `{}`)
	c, at := newTestCache(t, nil)
	r := f.registry(t, Options{})
	byClient, err := c.Asked(r, Name{Subject: "fixed", Version: "3"})
	if err != nil {
		t.Fatal(err)
	}
	currentID(t, byClient)
	rare, fixed, busy := source(c, r, "rare", "latest"), source(c, r, "fixed", "3"), source(c, r, "busy", "latest")
	for i, s := range []*Source{rare, fixed, busy} {
		if id := currentID(t, s); id != i+1 {
			t.Fatalf("id %d", id)
		}
	}
	f.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for range 5 {
		before := f.asked.Load()
		at.advance(unusedAfter)
		currentID(t, busy)
		await.True(t, "the question's end", func() bool { return f.asked.Load() > before && idle(c) })
	}
	for i, s := range []*Source{rare, fixed, source(c, r, "rare", "latest")} {
		if id := currentID(t, s); id != []int{1, 2, 1}[i] {
			t.Errorf("source %d: id %d", i, id)
		}
	}
}

// entries is how many a cache has, and how many of them a source of the configuration holds.
func entries(c *Cache) (all, held int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		if all++; e.held > 0 {
			held++
		}
	}
	return all, held
}

func TestSchemasOfRoutesThatAreGoneAreDropped(t *testing.T) {
	f := newFakeRegistry(t)
	f.handle(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id": 1, "schema": "{}", "schemaType": "JSON"}`)
	})
	c, at := newTestCache(t, nil)
	r := f.registry(t, Options{})
	stays := source(c, r, "stays", "1")
	currentID(t, stays)
	for i := range 10_000 { // reloads, each of one route with a new schema and one as before
		currentID(t, source(c, r, "stays", "1"))
		if i%20 == 0 {
			currentID(t, source(c, r, fmt.Sprint("gone", i), "1"))
		}
	}
	await.True(t, "the end of the sources that are gone", func() bool {
		runtime.GC()
		_, held := entries(c)
		c.mu.Lock()
		defer c.mu.Unlock()
		return held == 1 && c.entries[stays.key].held == 1
	})
	at.advance(unusedAfter)
	currentID(t, source(c, r, "another", "1"))
	if all, _ := entries(c); all != 2 {
		t.Errorf("%d entries, want those of two routes", all)
	}
	before := f.asked.Load()
	if currentID(t, stays); f.asked.Load() != before {
		t.Error("the schema of a route that stays was asked for again")
	}
}

func TestClosedCacheAsksNoMore(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("s/latest", 1, `{}`)
	c, at := newTestCache(t, nil)
	r := f.registry(t, Options{})
	s := source(c, r, "s", "latest")
	currentID(t, s)
	c.Close()
	at.advance(time.Hour)
	if id := currentID(t, s); id != 1 {
		t.Errorf("id %d", id)
	}
	if _, _, err := source(c, r, "other", "1").Current(t.Context()); kindOf(err) != KindUnavailable || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got %v", err)
	}
	if n := f.asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// TestMain fails on questions that are left under way.
func TestMain(m *testing.M) {
	code := m.Run()
	stacks := make([]byte, 1<<20)
	if text := string(stacks[:runtime.Stack(stacks, true)]); code == 0 && strings.Contains(text, "(*entry)") {
		fmt.Fprintln(os.Stderr, "questions are left under way:\n"+text)
		code = 1
	}
	os.Exit(code)
}

// Clients who make names up get no more than a bounded part of the memory, and the configuration's schemas stay.
func TestSchemasThatClientsNameAreBounded(t *testing.T) {
	f := newFakeRegistry(t)
	f.set("mine/latest", 1, `{}`)
	c, at := newTestCache(t, nil)
	r := f.registry(t, Options{})
	asked := func(name Name) error {
		at.advance(time.Millisecond)
		s, err := c.Asked(r, name)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.Current(t.Context())
		return err
	}
	currentID(t, source(c, r, "mine", "latest"))
	f.set("theirs/1", 2, `{}`)
	if err := asked(Name{Subject: "theirs", Version: "1"}); err != nil {
		t.Fatal(err)
	}
	for id := range 2 * maxAsked {
		if err := asked(Name{ID: id + 1}); kindOf(err) != KindConfiguration {
			t.Fatal(err)
		}
	}
	before := f.asked.Load()
	if n := len(c.entries); n != maxAsked+1 {
		t.Errorf("%d entries", n)
	}
	currentID(t, source(c, r, "mine", "latest"))
	if err := asked(Name{Subject: "theirs", Version: "1"}); err != nil || f.asked.Load() != before {
		t.Errorf("what is there was asked for again: %v", err)
	}
}

// Where a registry hangs, clients have the schemas of the others, and its own that there are.
func TestRegistryThatHangsKeepsNoOthersWaiting(t *testing.T) {
	slow, sound := newFakeRegistry(t), newFakeRegistry(t)
	c, at := newTestCache(t, nil)
	hangs, others := slow.registry(t, Options{Timeout: time.Hour}), sound.registry(t, Options{})
	current := func(r *Registry, subject string) int {
		s, err := c.Asked(r, Name{Subject: subject, Version: latest})
		if err != nil {
			t.Fatal(err)
		}
		return currentID(t, s)
	}
	sound.set("first/latest", 1, `{}`)
	for i := range 2 * maxAsking {
		slow.set(fmt.Sprintf("known%d/latest", i), i, `{}`)
		current(hangs, fmt.Sprint("known", i))
	}
	slow.set("later/latest", 99, `{}`)
	release := make(chan struct{})
	slow.handle(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "later") {
			_, _ = w.Write([]byte(`{"id": 99, "schemaType": "JSON", "schema": "{}"}`))
			return
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	before := slow.asked.Load()
	at.advance(defaultTTL)
	for i := range 2 * maxAsking { // all are asked for again
		if id := current(hangs, fmt.Sprint("known", i)); id != i {
			t.Errorf("id %d", id)
		}
	}
	await.True(t, "as many are asked for as may be", func() bool { return slow.asked.Load() == before+maxAsking })
	if id := current(hangs, "later"); id != 99 { // one that it does answer
		t.Errorf("id %d", id)
	}
	for i := range 2 * maxAsking { // more first questions than there are turns
		s, err := c.Asked(hangs, Name{ID: 1000 + i})
		if err != nil {
			t.Fatal(err)
		}
		e := c.entry(s)
		go func() { _, _, _ = e.current(t.Context()) }()
	}
	await.True(t, "as many are asked for as may be", func() bool { return slow.asked.Load() == before+1+2*maxAsking })
	if id := current(others, "first"); id != 1 {
		t.Errorf("id %d", id)
	}
	for i := range 2 * maxAsked { // and that one keeps its place, whatever is made up elsewhere
		s, err := c.Asked(hangs, Name{ID: 10_000 + i})
		if err != nil {
			t.Fatal(err)
		}
		c.entry(s)
	}
	asked := sound.asked.Load()
	if current(others, "first"); sound.asked.Load() != asked {
		t.Error("a schema of another registry was forgotten")
	}
	close(release)
}

// One who makes ids up all the time takes turns with the others, and a request that gives up leaves the line.
func TestQuestionsOfClientsWaitInLine(t *testing.T) {
	f := newFakeRegistry(t)
	c, at := newTestCache(t, nil)
	r := f.registry(t, Options{Timeout: time.Hour})
	release := make(chan struct{}, 1000)
	f.handle(func(w http.ResponseWriter, q *http.Request) {
		<-release
		if q.URL.Path == "/subjects/theirs/versions/1" {
			_, _ = w.Write([]byte(`{"id": 7, "schemaType": "JSON", "schema": "{}"}`))
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	ask := func(ctx context.Context, name Name) (*entry, chan error) {
		s, err := c.Asked(r, name)
		if err != nil {
			t.Fatal(err)
		}
		e, ended := c.entry(s), make(chan error, 1)
		at.advance(time.Millisecond)
		go func() {
			_, _, err := e.current(ctx)
			ended <- err
		}()
		await.True(t, "it is asked for, or in line", func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.asking != nil
		})
		return e, ended
	}
	var madeUp []chan error
	for i := range maxAsking {
		_, ended := ask(t.Context(), Name{ID: 10_000 + i})
		madeUp = append(madeUp, ended)
	}
	await.True(t, "as many are asked for as may be", func() bool { return f.asked.Load() == maxAsking })
	theirs := Name{Subject: "theirs", Version: "1"}
	impatient, cancel := context.WithCancel(t.Context())
	e, gaveUp := ask(impatient, theirs)
	_, patient := ask(t.Context(), theirs)
	cancel()
	if err := <-gaveUp; kindOf(err) != KindUnavailable {
		t.Errorf("one that gave up: %v", err)
	}
	for i := range 2 * maxAsked { // so many that the cache has no place for all of them
		_, ended := ask(t.Context(), Name{ID: 20_000 + i})
		madeUp = append(madeUp, ended)
	}
	if n := f.asked.Load(); n != maxAsking {
		t.Errorf("%d questions at once", n)
	}
	for range len(madeUp) + 1 {
		release <- struct{}{}
	}
	if err := <-patient; err != nil {
		t.Errorf("one in line: %v", err)
	}
	for _, ended := range madeUp {
		if err := <-ended; kindOf(err) != KindConfiguration {
			t.Errorf("a made-up id: %v", err)
		}
	}
	if c.mu.Lock(); c.entries[e.key] == nil {
		t.Error("the schema that there is has been forgotten")
	}
	c.mu.Unlock()
	if n := f.asked.Load(); n != int64(len(madeUp)+1) {
		t.Errorf("%d questions", n)
	}
	// Who gives up leaves nothing behind.
	f.handle(func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
	before := f.asked.Load()
	for i := range maxAsking {
		ask(t.Context(), Name{ID: 30_000 + i})
	}
	await.True(t, "these have all turns", func() bool { return f.asked.Load() == before+maxAsking })
	leaving, leave := context.WithCancel(t.Context())
	left, ended := ask(leaving, Name{ID: 40_000})
	leave()
	<-ended
	await.True(t, "its question is gone", func() bool {
		left.mu.Lock()
		defer left.mu.Unlock()
		return left.asking == nil
	})
}
