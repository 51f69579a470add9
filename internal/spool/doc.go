// Package spool keeps records on disk until Kafka has taken them: streams of
// records in segment files, appended with a shared fsync, each with a state that
// is changed in place, and found again after a crash.
//
// It is not for deciding when a record is sent, and knows neither Kafka nor HTTP.
// internal/durable calls it, and through that the command line.
//
// Go's libraries for logs on disk were weighed and not taken: none changes states in place,
// reads on behind damage in the middle of a file, or keeps a client's bytes from passing
// for records. The framing is not shared with internal/idempotency either: a header here
// has a mask and a state and is read by seeking, theirs are read as a stream, and both
// layouts are promised to later versions.
//
// # Directory
//
// Directories have mode 0700, files 0600; what is not named here is left alone.
//
//	DIR/lock                        flock by the process that forwards, the owner
//	DIR/<stream>/connection.json    what is needed to send the stream's records; has secrets
//	DIR/<stream>/<segment>.seg      records
//	DIR/<stream>/dead/<segment>.seg records that Kafka can never take, with the reason
//	DIR/<stream>/corrupt/           <segment>-<offset>.bin: bytes that recovery set aside
//	DIR/<stream>/suspended          says that the stream is not to be sent
//
// A stream's name is 1 to 64 characters of [a-z0-9-].
//
// # Processes
//
// Any process may append, to segments that it made itself. It holds an flock on
// each of them for as long as it may write to it, or until it is the owner or
// ends; by it the owner distinguishes a segment that is still being written from one
// to take over. Only the owner reads, and resolves what it did not append itself. A stream's directory is
// locked shared while something is made in it and exclusively while it is removed,
// so that no segment is ever left without its connection.json.
//
// # Segments
//
// A segment's name is 16 hexadecimal digits, its creation in nanoseconds since
// 1970, made greater than every name in the directory, then "-" and 8 random ones,
// the salt. The file is a sequence of records and nothing else. Numbers are little
// endian.
//
//	offset  bytes
//	     0      8  marker
//	     8      4  length of the payload, at most 2^30
//	    12      4  index: 0, 1, 2… in the segment
//	    16      4  mask; 0: none
//	    20      4  CRC-32C of bytes 0 to 19 and of the payload as it is stored
//	    24      4  state; not under the checksum, since it changes
//	    28         payload
//
// The marker is 0xff and seven bytes of SHA-256 of the segment's name, each with
// its highest bit set and its lowest cleared. No state has such a byte, so a state
// that is written later never completes a marker; 0xff comes once, so two markers
// never overlap.
//
// A receipt names its segment, so a client can work out the marker and put a whole
// forged record into its next body. Where a record would contain its segment's
// marker anywhere but in front, the payload is therefore stored xor a random mask
// that makes this untrue. A marker in a segment is thus where a record begins, and
// a reader that looks for the next one behind damage never takes a body for
// records.
//
// States are four bytes: zeros (pending), "ACKD" (acknowledged by Kafka), "DROP"
// (given up), "DEAD" (moved to the dead letters), "RPLY" (a dead letter that was
// sent again). Any two differ in two bytes or more, and anything else counts as
// pending: damage to a state can cause a duplicate, never a loss.
//
// # Payload
//
//	u8   version: 1, a record; 2, a unit; 3 and 4, the same, moved
//	i64  when it was kept, nanoseconds since 1970
//	 16  if moved, where it was first: i64 and u32 of the segment's name, u32 index
//	 16  of a unit: its identity, not zero
//	u32  of a unit: number of records, at least 1
//	     the record, or each of the unit's
//	str  reason: why it is dead; empty for others
//
// and a record is
//
//	i64  timestamp, seconds since 1970
//	u32  and nanoseconds; Go's zero time stands for "none"
//	i32  partition
//	str  topic: u32 length, bytes
//	opt  key: i32 length, bytes; a length of -1 is null
//	opt  value
//	u32  number of headers, and for each: str name, opt value
//
// A unit is a record of the segment like any other: one state, one receipt.
//
// An entry is moved when it becomes a dead letter, or is replayed: the first place is the
// one that the client's receipt names. Programs before versions 3 and 4 set such entries
// aside as damage, and write versions 1 and 2, which are read here as ever.
//
// # Recovery
//
// The owner's Load reads every segment that it has not written itself. What
// follows the last good record is copied to corrupt/ and cut off. Damage between
// good records is copied, reported and skipped; the segment stays as it is. The
// time this takes grows with the segment's length only, whatever is in it.
package spool
