package kafkaupstream

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// allProblems are the types of all errors, with their statuses.
func allProblems(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{"idempotency_key_missing": 400, "idempotency_key_reused": 422, underWay.failure: underWay.Status, lost.failure: lost.Status}
	for kind := range record.Kinds {
		all[kind.String()] = outcomes[kind].status
	}
	for status, problem := range problems {
		all[problem] = status
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range sources {
		if strings.HasSuffix(file, "_test.go") || file == "forms.go" { // whose errors are the REST Proxy's
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, refused := range regexp.MustCompile(`refuse\((\d+)`).FindAllStringSubmatch(string(text), -1) {
			var status int
			if _, err := fmt.Sscan(refused[1], &status); err != nil || problems[status] == "" {
				t.Errorf("%s: %s has no type", file, refused[0])
			}
		}
	}
	return all
}

func TestProblemsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	all := allProblems(t)
	for problem, status := range all {
		if row := fmt.Sprintf("\n| <a id=%q></a>`%s` | %d | ", problem, problem, status); !strings.Contains(string(text), row) {
			t.Errorf("docs/problems.md has no %q", row)
		}
	}
	if n := strings.Count(string(text), "<a id="); n != len(all) {
		t.Errorf("docs/problems.md has %d types, there are %d", n, len(all))
	}
}

func TestAcceptsProblems(t *testing.T) {
	for _, c := range []struct {
		values string // by |
		want   bool
	}{
		{"", false},
		{"*/*", false},
		{"application/*", false},
		{"application/json", false},
		{"application/problem+json", true},
		{"application/json,application/problem+json", true},
		{"application/json|text/html, APPLICATION/PROBLEM+JSON ;q=0.1", true},
		{"application/problem+json; charset=utf-8; q=1", true},
		{"application/problem+json;q=0", false},
		{"application/problem+json; Q=0.000", false},
		{"application/problem+json;q=none", true},
		{"application/problem+xml", false},
	} {
		if got := acceptsProblems(strings.Split(c.values, "|")); got != c.want {
			t.Errorf("%q: %v", c.values, got)
		}
	}
}

func TestInvalidRouteAnswersWithAProblem(t *testing.T) {
	reply := newHandler(&fakeSender{}, nil).InvalidRoute(&fakeRequest{headers: h{"accept": problemMedia}})
	const want = `{"type":"` + problemTypes + `config","title":"config","status":500,"detail":"the route's configuration is invalid","delivered":"no"}`
	if got := string(reply.AppendJSON(nil)); reply.Status != 500 || reply.ContentType != problemMedia || got != want {
		t.Errorf("got %d %s %s", reply.Status, reply.ContentType, got)
	}
}
