// Package idempotency keeps the first reply to each Idempotency-Key, so that a request
// which a client repeats is answered as it was the first time and not done again
// (draft-ietf-httpapi-idempotency-key-header).
//
// A request goes through it twice: [Store.Begin] before anything is done returns what is
// known of the key, and for a key that is new gives a [Ticket], which is settled when
// it is known what became of the request: that may be long after its reply, and the key
// is [InFlight] until then. plugins/kafkaupstream calls it for routes that ask for it.
//
// What is [Interrupted] can be taken up with [Store.Resume] by a caller that can find out
// what became of the first request.
//
// It is not for telling which replies are final, for statuses, or for finding equal
// requests without a key.
//
// # What is promised
//
// A key that is under way is never forgotten, and one that is settled not before its time
// is up, as long as there is room. With a directory that holds across a crash of the process or the machine: that
// a key is begun is on disk before Begin returns [First], and its reply before
// [Ticket.Finish] does. A key that was begun and never settled is [Interrupted]
// afterwards, since nobody knows how far its request came.
//
// # Bounds
//
// A key belongs to a holder, which is a client of a route. Where a new key or a reply finds
// no room, the holder that has most loses the settled keys that expire next: whoever fills
// the store takes from himself as soon as he has more than others. Keys under way make no
// room. Of these a holder may have as many as are still free: one has half of the store at
// most, two a third each, and what is more is [Full].
//
// # Directory
//
// It has mode 0700, files 0600. Neither keys, scopes nor holders are in it, only their
// hashes; replies are.
//
//	DIR/lock                      flock by the process that uses the directory, the owner
//	DIR/<generation>-<marker>.log a journal; two numbers of 16 hexadecimal digits
//	DIR/new                       a journal that is not complete yet
//
// Each owner writes a journal of its own, first what is left of the one before, and
// removes that. The same is done when most of a journal is out of date, after an error of
// the disk, and where somebody has taken the journal away. While the lock is not in its place,
// another process could own what is there: new keys are [Unavailable] until it is put back. A journal is a sequence of frames and nothing else. Numbers are
// little endian.
//
//	offset  bytes
//	     0      8  the marker in the file's name, big endian: random, so that no reply has it
//	     8      4  length of what follows byte 16, at most 89 + 64 KiB
//	    12      4  CRC-32C of bytes 0 to 11 and of what follows byte 16
//	    16      1  4: begun, 5: finished, 3: abandoned; 1 and 2: begun and finished,
//	               written before the fingerprint was of what the client sent
//	    17     32  SHA-256 of scope and key
//	    49     16  SHA-256 of the holder, its first half
//	    65     32  fingerprint of the request
//	    97      8  when the key is forgotten, nanoseconds since 1970
//	   105         the reply, if finished
//
// Where a frame is of kind 1 or 2, a request's fingerprint cannot be held against it: any
// request with the key is taken for a repetition.
//
// A frame says all of its key, so that a damaged one before it takes nothing away. What
// is damaged is skipped up to the next frame and reported; a last frame that is not
// whole is what a crash leaves, and it was promised to nobody. A finished key whose
// frame is lost is begun, a begun one whose frame is lost before it finished is unknown:
// that is what damage to a disk can cost.
//
// # Two processes
//
// When APISIX reloads, a new process starts while the old one ends. The old one's keys
// are in the memory of the old one, and some of its requests are still under way. The
// new one therefore answers nothing before it is the owner: Begin waits until the old
// process has closed its store or is gone, which is when its journal is complete, or
// until the request's deadline, and returns [Unavailable] then. To begin new keys
// meanwhile would be to answer without knowing what the old process has done for them;
// the wait is about as long as the old process drains, a second.
package idempotency
