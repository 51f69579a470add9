// Package ports finds free ports for servers that tests start, and start again.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
)

// They are taken below the range from which the kernel serves ":0" and
// outgoing connections (32768 and up on Linux, 49152 elsewhere). A server's
// port lies idle while the server is down, and in that range any client could
// be given it as its own end: then the server cannot start again, or a client
// that keeps connecting to it on the loopback meets itself.
const lowest, count = 20000, 10000

// Reserve finds a free port of 127.0.0.1 and keeps other test processes
// off it, also while nobody listens, by holding the same port of
// 127.0.0.2 until the listener is closed. (Where 127.0.0.2 is no address of
// the machine, held is nil and chance must do.)
func Reserve() (port int, held net.Listener, err error) {
	for range 1000 {
		port = lowest + rand.IntN(count)
		held, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.2:%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		probe, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			probe.Close()
			return port, held, nil
		}
		if held != nil {
			held.Close()
		}
	}
	return 0, nil, fmt.Errorf("no free port from %d to %d", lowest, lowest+count-1)
}
