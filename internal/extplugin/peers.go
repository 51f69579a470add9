package extplugin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Peers says who may speak to the server: whoever may hand it a configuration can read
// the secrets that a configuration can name.
//
// They are the server's own user, root, the user of the process that has started this one
// (APISIX's master or its privileged agent), and APISIX's workers, whatever their user is:
// processes that have the same parent, grandparent or great-grandparent as this one.
// Process 1 does not count for that: every orphan becomes its child.
//
// Linux says who connects. Elsewhere it is the socket's mode alone that keeps others out.
type Peers struct {
	// Users are user ids that may speak to the server too.
	Users []int
	// Any lets everybody in.
	Any bool
	// Family is who has started the server; for [Listen], nil stands for this process's [Ancestors].
	Family Family
}

// Family is a process and those above it, the nearest first. It is looked at before they
// end: a server can outlive the process that has started it.
type Family []Relative

// Relative is a process, and its user.
type Relative struct{ Pid, UID int }

// String returns what ParseFamily reads.
func (f Family) String() string {
	var all []string
	for _, r := range f {
		all = append(all, fmt.Sprintf("%d:%d", r.Pid, r.UID))
	}
	return strings.Join(all, ",")
}

// ParseFamily reads a family, which is never nil.
func ParseFamily(text string) (Family, error) {
	f := Family{}
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		var r Relative
		if _, err := fmt.Sscanf(one, "%d:%d", &r.Pid, &r.UID); err != nil {
			return nil, fmt.Errorf("%.40q is no process", one)
		}
		f = append(f, r)
	}
	return f, nil
}

// Ancestors is the family of this process.
func Ancestors() Family { return familyOf(os.Getppid(), processStatus) }

func familyOf(pid int, statusOf func(pid int) (process, bool)) (f Family) {
	for len(f) < maxAncestors {
		status, ok := statusOf(pid)
		if !ok {
			break
		}
		f = append(f, Relative{pid, status.uid})
		if pid <= 1 {
			break
		}
		pid = status.parent
	}
	return f
}

// ParsePeers reads a list of names and ids of users, between commas; "*" is everybody,
// and "" nobody beside those that always may.
func ParsePeers(list string) (p Peers, err error) {
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if name == "*" {
			p.Any = true
			continue
		}
		if !peersKnown {
			return Peers{}, errors.New("this system does not say who connects: only * is possible")
		}
		uid, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			known, err := user.Lookup(name)
			if err != nil {
				return Peers{}, fmt.Errorf("no user has the name %.40q", name)
			}
			if uid, err = strconv.ParseUint(known.Uid, 10, 31); err != nil {
				return Peers{}, err
			}
		}
		p.Users = append(p.Users, int(uid))
	}
	return p, nil
}

const (
	// ownMode lets the socket's own user in, and root.
	ownMode fs.FileMode = 0o600
	// sharedMode lets everybody connect, which takes no more than the right to write:
	// who may stay is decided when they do.
	sharedMode fs.FileMode = 0o622
	// maxAncestors is how far up workers and this process may have their common parent:
	// APISIX starts a runner from its privileged agent, and a shell can be in between.
	maxAncestors = 3
)

// mode is as narrow as can be: only root's processes have children of other users.
func (p Peers) mode() fs.FileMode {
	switch uid := os.Geteuid(); {
	case p.Any:
		return sharedMode
	case !peersKnown:
		return ownMode
	case len(p.Users) > 0, uid == 0:
		return sharedMode
	case len(p.Family) > 0 && p.Family[0].UID == uid:
		return ownMode
	default:
		return sharedMode
	}
}

// allowed reports whether the connection's peer may speak to the server, and its user.
func (p Peers) allowed(conn *net.UnixConn) (uid int, ok bool) {
	if p.Any || !peersKnown {
		return -1, true
	}
	pid, uid, err := peerOf(conn)
	if err != nil {
		return -1, false
	}
	return uid, uid == os.Geteuid() || uid == 0 || slices.Contains(p.Users, uid) ||
		p.Family.includes(pid, uid, processStatus)
}

// includes reports whether the user is that of the process that has started the server, or the
// process a child of one of the family, as APISIX's workers are. A process that has ended and left its
// number to another has had another user than that one.
func (f Family) includes(pid, uid int, statusOf func(pid int) (process, bool)) bool {
	if len(f) > 0 && f[0].UID == uid {
		return true
	}
	peer, found := statusOf(pid)
	if !found || peer.uid != uid {
		return false
	}
	return slices.ContainsFunc(f, func(r Relative) bool {
		status, ok := statusOf(r.Pid)
		return ok && status.uid == r.UID && r.Pid > 1 && peer.parent == r.Pid
	})
}

// process is what is known of another process.
type process struct{ parent, uid int }
