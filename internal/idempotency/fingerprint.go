package idempotency

import (
	"crypto/sha256"
	"encoding/binary"
)

// Key is what a request with an Idempotency-Key is known by.
type Key struct {
	Holder string // whose share of the store it takes
	Scope  string // where it is one key: the same in another scope is another
	Key    string
}

// FingerprintOf returns a fingerprint of the parts of a request: method, path, body and
// what else makes two requests different. Moving bytes from one part to the next makes
// another fingerprint.
func FingerprintOf(parts ...[]byte) [32]byte {
	h := sha256.New()
	var length [8]byte
	for _, p := range parts {
		binary.LittleEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}

// keyID stands for a scope and a key.
type keyID [32]byte

// holderID stands for a holder.
type holderID [16]byte

func (k *Key) id() keyID { return FingerprintOf([]byte(k.Scope), []byte(k.Key)) }

func (k *Key) holder() holderID {
	s := sha256.Sum256([]byte(k.Holder))
	return holderID(s[:16])
}
