package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// ordinaryUser is a user who is not root: the test's own, or a number that nobody has.
func ordinaryUser() (user, as int) {
	if user = os.Getuid(); user == 0 {
		user, as = 65533, 65533
	}
	return user, as
}

// A runner that is another user's has its spool also while it does not answer yet.
func TestSpoolOfAnotherUserIsWaitedFor(t *testing.T) {
	t.Parallel()
	user, as := ordinaryUser()
	if as == 0 {
		return // only root may look at another user's
	}
	p := person{t, shortDir(t)}
	for _, path := range []string{p.dir, filepath.Join(p.dir, "lock")} {
		if f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err == nil {
			f.Close()
		}
		if err := os.Chown(path, user, -1); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	p.fails(1, "ls", "belongs to the user "+strconv.Itoa(user)+", and no runner answers there: run this as that user")
	if took := time.Since(start); took < startWait {
		t.Errorf("a runner that starts got %v only", took)
	}
}

// TestSpoolThatItsUserMayNotUse has `serve` look at a spool's directory that is there and keeps this user out, until an
// operator lets it in.
func TestSpoolThatItsUserMayNotUse(t *testing.T) {
	t.Parallel()
	user, as := ordinaryUser()
	own := func(t *testing.T, path string, mode os.FileMode) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, user, -1); err != nil {
			t.Fatal(err)
		}
	}
	makeDir := func(t *testing.T, spool string, mode os.FileMode) {
		if err := os.Mkdir(spool, 0o700); err != nil {
			t.Fatal(err)
		}
		own(t, spool, mode)
	}
	lock := func(t *testing.T, spool string, mode os.FileMode) {
		path := filepath.Join(spool, "lock")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		own(t, path, mode)
	}
	for _, c := range []struct {
		name           string
		keepOut, letIn func(t *testing.T, spool string)
	}{
		{"it cannot be made", func(t *testing.T, spool string) { own(t, filepath.Dir(spool), 0o555) },
			func(t *testing.T, spool string) { own(t, filepath.Dir(spool), 0o755) }},
		{"nothing can be made in it", func(t *testing.T, spool string) { makeDir(t, spool, 0o555) },
			func(t *testing.T, spool string) { own(t, spool, 0o755) }},
		{"nothing can be made in it, and its lock is there", func(t *testing.T, spool string) {
			makeDir(t, spool, 0o555)
			lock(t, spool, 0o600)
		}, func(t *testing.T, spool string) { own(t, spool, 0o755) }},
		{"its lock is another's", func(t *testing.T, spool string) {
			makeDir(t, spool, 0o755)
			lock(t, spool, 0)
		}, func(t *testing.T, spool string) { own(t, filepath.Join(spool, "lock"), 0o600) }},
		{"it cannot be read", func(t *testing.T, spool string) { makeDir(t, spool, 0o300) },
			func(t *testing.T, spool string) { own(t, spool, 0o755) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, address, admin := t.TempDir(), program.FreeAddress(t), program.FreeAddress(t)
			own(t, filepath.Dir(dir), 0o755)
			own(t, dir, 0o755)
			spool, routes := filepath.Join(dir, "spool"), filepath.Join(dir, "routes.yaml")
			const text = `routes: [{id: a, match: {path: /a}, topic: t, delivery: durable, timeout_ms: 300, config: {bootstrap.servers: "127.0.0.1:1"}}]`
			if err := os.WriteFile(routes, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			c.keepOut(t, spool)
			t.Cleanup(func() { own(t, dir, 0o755) }) // or it cannot be removed
			s := &served{t: t, Process: program.Start(t, binary, program.Options{User: as, Args: []string{
				"serve", "-f", routes, "--listen", address, "--admin", admin, "--leave-timeout", "0", "--spool-dir", spool}})}
			program.Until(t, "it serves", func() bool { return s.Ended() || s.says("kafkaupstream serves") > 0 })

			program.Until(t, "it is not ready, and says why", func() bool {
				status, text := fetch(admin, "/readyz")
				return status == 503 && strings.Contains(text, "may not be used by the user "+strconv.Itoa(user))
			})
			if text := s.admin(admin, "/metrics"); !strings.Contains(text, "\nkafkaupstream_spool_up 0\n") {
				t.Error("kafkaupstream_spool_up is not 0")
			}
			for range 2 {
				if status, reply := s.post(address, "/a", "v"); status != 503 || !strings.Contains(reply, "cannot keep it on disk") {
					t.Error(status, reply)
				}
			}
			const line = "the spool cannot be used; durable routes can keep no record until it can"
			for _, part := range []string{line, "dir=" + spool + " user=" + strconv.Itoa(user), "permission denied"} {
				if s.says(part) == 0 {
					t.Errorf("the log does not say %q", part)
				}
			}

			c.letIn(t, spool)
			program.Until(t, "it is ready", func() bool { status, _ := fetch(admin, "/readyz"); return status == 200 })
			if status, reply := s.post(address, "/a", "v"); status != 202 {
				t.Error(status, reply)
			}
			if text := s.admin(admin, "/metrics"); !strings.Contains(text, "\nkafkaupstream_spool_up 1\n") {
				t.Error("kafkaupstream_spool_up is not 1")
			}
			program.Until(t, "the log says that the spool can be used", func() bool { return s.says("the spool can be used now") > 0 })
			if n := s.says(line); n != 1 {
				t.Errorf("that it could not be used is said %d times", n)
			}
		})
	}
}
