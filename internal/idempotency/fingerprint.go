package idempotency

import (
	"crypto/sha256"
	"encoding/binary"
)

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

// scopeID stands for a scope.
type scopeID [16]byte

func identify(scope, key string) (keyID, scopeID) {
	s := sha256.Sum256([]byte(scope))
	return FingerprintOf([]byte(scope), []byte(key)), scopeID(s[:16])
}
