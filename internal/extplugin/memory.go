package extplugin

import "errors"

// Memory bounds what the server's buffers take, in bytes. It is shared by all
// connections.
type Memory interface {
	// Hold takes n bytes; false: there is no room.
	Hold(n int) bool
	// Release gives n bytes back.
	Release(n int)
}

// Room is asked for the memory of a body before it is read. Hold takes so many bytes
// in all, what it has taken before included; an error refuses them. What was taken is
// the asker's to give back, when the call has ended.
//
// It is an alias, so that a plugin can ask for BodyWithin without this package.
type Room = interface{ Hold(bytes int) error }

// errNoMemory: a frame would take more memory than there is room for.
var errNoMemory = errors.New("no memory for a frame of this size now")

// refusedError is a Room's error for a frame that was read and thrown away: the
// connection is in step.
type refusedError struct{ error }

// frameRoom is the Room of frames that no plugin answers for. It counts what the
// session's buffers take of the server's memory until they are dropped.
type frameRoom struct {
	memory Memory // nil: unbounded
	held   int
}

// Hold takes the memory of one more buffer: a call's frame and those of its variables
// stay until the call ends.
func (r *frameRoom) Hold(bytes int) error {
	if r.memory == nil {
		return nil
	}
	if !r.memory.Hold(bytes) {
		return errNoMemory
	}
	r.held += bytes
	return nil
}

func (r *frameRoom) release() {
	if r.held > 0 {
		r.memory.Release(r.held)
		r.held = 0
	}
}
