// Package chaos breaks things under load and keeps accounts: brokers die, networks
// fall silent, runners are stopped, killed and reloaded, disks fill up, while
// clients send numbered records through the development gateway and write down
// each reply. Afterwards the replies are compared with what is in Kafka:
//
//   - a record that was acknowledged (200 of sync and durable delivery), or that
//     was taken onto the disk (202), is there;
//   - one that was answered `delivered: no` is not;
//   - for each key, the acknowledged ones are there in the order they were sent;
//   - none is there twice, beyond what the scenario grants;
//   - one that async delivery answered 200 is there or is counted in the log;
//   - a record that Kafka can never take is refused or becomes a dead letter, and no
//     innocent one is with it: each record of a bad client's is known to be the one or
//     the other, and beside each lane another route uses the same connection.
//
// It is not for single replies to single errors (test/kafka has those), and not a
// benchmark: the load is paced so that it lasts as long as the fault.
//
// `go test ./test/chaos` runs a short form; `make chaos` the full one. After -args:
// -full includes the scenarios that are left out of the short form and repeats some
// under other seeds, -records is the number for each scenario and mode, -outage how
// long what is broken stays so, -modes which deliveries take part, -seed repeats the
// sizes and moments of an earlier run. It ends with a table in Markdown. Some
// scenarios mount a small file system, which needs root.
package chaos
