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
	default:
		if parent, ok := processStatus(os.Getppid()); ok && parent.uid == uid {
			return ownMode
		}
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
		isAPISIX(pid, uid, os.Getppid(), processStatus)
}

// isAPISIX reports whether the user is that of this process's parent, or the process one
// of APISIX's workers. A process that has ended and left its number to another has had
// another user than that one.
func isAPISIX(pid, uid, parent int, statusOf func(pid int) (process, bool)) bool {
	peer, found := statusOf(pid)
	ancestor := parent
	for range maxAncestors {
		status, ok := statusOf(ancestor)
		if ok && ancestor == parent && status.uid == uid {
			return true
		}
		if !ok || ancestor <= 1 {
			return false
		}
		if found && peer.parent == ancestor && peer.uid == uid {
			return true
		}
		ancestor = status.parent
	}
	return false
}

// process is what is known of another process.
type process struct{ parent, uid int }
