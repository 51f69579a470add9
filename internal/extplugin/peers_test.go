package extplugin

import (
	"slices"
	"strings"
	"testing"
)

func TestListOfUsersIsRead(t *testing.T) {
	for list, want := range map[string]Peers{
		"": {}, "*": {Any: true}, "0": {Users: []int{0}}, "root, 65534": {Users: []int{0, 65534}}, "root,*": {Users: []int{0}, Any: true},
	} {
		got, err := ParsePeers(list)
		if err != nil || got.Any != want.Any || !slices.Equal(got.Users, want.Users) {
			t.Errorf("%q: %+v, %v", list, got, err)
		}
	}
	for _, list := range []string{"no-such-user", "-1", "4294967295", "root:root"} {
		if got, err := ParsePeers(list); err == nil || !strings.Contains(err.Error(), list) {
			t.Errorf("%q: %+v, %v", list, got, err)
		}
	}
}

func TestAPISIXsProcessesAreKnownByTheirParent(t *testing.T) {
	const (
		orphan, master, agent, shell, runner, worker, stranger = 1, 10, 11, 12, 13, 14, 20
		root, nobody, other                                    = 0, 65534, 1000
	)
	usual := map[int]process{
		orphan: {0, root}, master: {orphan, root}, agent: {master, root}, runner: {agent, root}, worker: {master, nobody},
		stranger: {15, nobody}, 15: {orphan, nobody},
	}
	inAShell := map[int]process{orphan: {0, root}, master: {orphan, root}, agent: {master, root}, shell: {agent, root}, worker: {master, nobody}}
	tooFar := map[int]process{orphan: {0, root}, master: {orphan, root}, agent: {master, root}, shell: {agent, root}, 16: {shell, root}, worker: {master, nobody}}
	started := map[int]process{orphan: {0, root}, shell: {orphan, other}, stranger: {orphan, nobody}}
	cases := []struct {
		says             string
		processes        map[int]process
		parent, pid, uid int
		want             bool
	}{
		{"a worker of the master whose privileged agent has started the runner", usual, agent, worker, nobody, true},
		{"a worker of the master that has started the runner itself", usual, master, worker, nobody, true},
		{"a worker where a shell is in between", inAShell, shell, worker, nobody, true},
		{"a worker that is further away", tooFar, 16, worker, nobody, false},
		{"another process of the workers' user", usual, agent, stranger, nobody, false},
		{"a process that is no more", usual, agent, 99, nobody, false},
		{"a worker with the number of a stranger that has ended", usual, agent, worker, other, false},
		{"the parent's user, in any process", started, shell, 99, other, true},
		{"an orphan beside a runner that is one", started, orphan, stranger, nobody, false},
		{"an orphan beside a runner whose parent is one", started, shell, stranger, nobody, false},
		{"anybody where processes cannot be looked at", nil, agent, worker, nobody, false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			statusOf := func(pid int) (process, bool) { p, ok := c.processes[pid]; return p, ok }
			if got := familyOf(c.parent, statusOf).includes(c.pid, c.uid, statusOf); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
