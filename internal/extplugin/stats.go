package extplugin

import "sync/atomic"

// Stats is a look at a server. Counts are since it began.
type Stats struct {
	Connections       int64 // of APISIX, open now
	ConnectionsBroken int64 // ended by an error
	CallsRefused      int64 // frames that were no call, or malformed
	TokensUnknown     int64 // calls with a token of another process, or an expired one
	Tokens            int64 // held now: a route has one, or one for each consumer
	Configurations    int64 // texts held now, however many tokens they have
	Invalid           int64 // of these, those that cannot be used
	InvalidParsed     int64 // texts parsed that cannot be used
}

// counters are what a server counts, none of it on a call that goes well.
type counters struct {
	broken, refused, unknownTokens atomic.Int64
}

func (s *Server) Stats() Stats {
	out := Stats{
		ConnectionsBroken: s.count.broken.Load(),
		CallsRefused:      s.count.refused.Load(),
		TokensUnknown:     s.count.unknownTokens.Load(),
	}
	s.mu.Lock()
	out.Connections = int64(len(s.live))
	s.mu.Unlock()
	s.confs.stats(&out)
	return out
}

// Listening reports whether APISIX can connect: the socket is there, and the server is
// not ending.
func (s *Server) Listening() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.draining.Load() && len(s.listeners) > 0 && !s.listeners[0].missing()
}

func (s *confStore) stats(out *Stats) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out.Tokens, out.Configurations, out.InvalidParsed = int64(len(s.tokens)), int64(len(s.texts)), s.invalid.Load()
	for _, c := range s.texts {
		select {
		case <-c.ready:
			if c.err != nil {
				out.Invalid++
			}
		default: // is being parsed
		}
	}
}
