//go:build !linux

package extplugin

import "net"

// peersKnown: the system is not asked who connects.
const peersKnown = false

func peerOf(*net.UnixConn) (pid, uid int, err error) { return 0, 0, nil }

func processStatus(int) (process, bool) { return process{}, false }
