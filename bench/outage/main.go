// Outage simulates replicas with durable routes while Kafka is away, and after it: what is in memory and on the
// disks, and how long the backlog takes. docs/scaling.md says what it rests on.
//
//	go run ./bench/outage -rate 100000 -replicas 50 -outage 30s
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

type model struct {
	Rate     float64 // requests per second, of all replicas
	Replicas int
	Outage   time.Duration // Kafka answers nobody
	Timeout  time.Duration // timeout_ms: how long a request waits before its record is put on disk
	Record   float64       // bytes of a record on disk, with its topic's name and the spool's own
	Forward  float64       // records per second that a replica's forwarder sends
	Cluster  float64       // records per second that Kafka takes
	Skew     float64       // how far a replica's share is from the mean: 0.2 is between 0.8 and 1.2 of it
	Burst    float64       // how far a second's load is from the mean, likewise
	Seed     uint64
}

type outcome struct {
	Waiting  float64       // requests that wait for Kafka at most, in one replica
	DiskMean float64       // bytes on disk at most, in a replica of the middle
	DiskMost float64       // and in the one with most
	Total    float64       // bytes on all disks at most
	Cleared  time.Duration // from Kafka's return to when half of the replicas have nothing on disk
	Last     time.Duration // and all; negative: never
}

const (
	step = 10 * time.Millisecond
	// longest is how long after Kafka's return the simulation goes on.
	longest = time.Hour
)

type replica struct {
	share   float64
	waiting float64 // requests that wait for their timeout
	disk    float64 // records
	most    float64
	cleared time.Duration // after Kafka's return; negative: not yet
}

func (m model) run() (o outcome) {
	random := rand.New(rand.NewPCG(m.Seed, 1))
	about := func(skew float64) float64 { return 1 + skew*(2*random.Float64()-1) }
	all, sum := make([]replica, m.Replicas), 0.0
	for i := range all {
		all[i] = replica{share: about(m.Skew), cleared: -1}
		sum += all[i].share
	}
	for i := range all {
		all[i].share /= sum
	}
	load := 1.0
	for at := time.Duration(0); at < m.Outage+longest; at += step {
		if at%time.Second == 0 {
			load = about(m.Burst)
		}
		arrive := m.Rate * load * step.Seconds()
		if at < m.Outage {
			m.away(all, arrive, at)
		} else if m.back(all, arrive, at-m.Outage) {
			break
		}
		total := 0.0
		for i := range all {
			r := &all[i]
			r.most = max(r.most, r.disk)
			total += r.disk
			o.Waiting = max(o.Waiting, r.waiting)
		}
		o.Total = max(o.Total, total*m.Record)
	}
	slices.SortFunc(all, func(a, b replica) int { return cmp.Compare(a.most, b.most) })
	o.DiskMean, o.DiskMost = all[len(all)/2].most*m.Record, all[len(all)-1].most*m.Record
	never := func(r replica) uint64 { return uint64(r.cleared) } // a negative one is the largest
	slices.SortFunc(all, func(a, b replica) int { return cmp.Compare(never(a), never(b)) })
	o.Cleared, o.Last = all[len(all)/2].cleared, all[len(all)-1].cleared
	return o
}

// away is a step in which Kafka is not there: the first requests wait for their timeout, and once a record is on disk the
// next ones go behind it at once.
func (m model) away(all []replica, arrive float64, at time.Duration) {
	for i := range all {
		r := &all[i]
		if at < m.Timeout {
			r.waiting += arrive * r.share
			continue
		}
		r.disk += r.waiting + arrive*r.share
		r.waiting = 0
	}
}

// back is a step in which Kafka takes records again: new ones go behind the backlog until it is empty. It reports
// whether all are.
func (m model) back(all []replica, arrive float64, since time.Duration) (done bool) {
	busy := 0
	for i := range all {
		all[i].waiting = 0
		if all[i].disk > 0 {
			busy++
		}
	}
	// Replicas without a backlog come first: their records go by themselves.
	room := m.Cluster * step.Seconds()
	for i := range all {
		if all[i].disk == 0 {
			room -= arrive * all[i].share
		}
	}
	for i := range all {
		r := &all[i]
		if r.disk > 0 {
			r.disk += arrive*r.share - min(m.Forward*step.Seconds(), max(room, 0)/float64(busy))
		}
		if r.disk <= 0 {
			if r.disk = 0; r.cleared < 0 {
				r.cleared = since
			}
		}
	}
	return busy == 0
}

func (o outcome) print(w io.Writer, m model) {
	bytes := func(n float64) string { return fmt.Sprintf("%.0f MB", n/1e6) }
	fmt.Fprintf(w, "%.0f requests/s over %d replicas, Kafka away for %s\n", m.Rate, m.Replicas, m.Outage)
	fmt.Fprintf(w, "waiting   %.0f requests at most in a replica, for %s\n", o.Waiting, m.Timeout)
	fmt.Fprintf(w, "on disk   %s in a replica of the middle, %s in the fullest, %s in all\n", bytes(o.DiskMean), bytes(o.DiskMost), bytes(o.Total))
	if o.Last < 0 {
		fmt.Fprintf(w, "backlog   is not gone an hour after Kafka's return: it takes no more than what comes\n")
		return
	}
	fmt.Fprintf(w, "backlog   gone %s after Kafka's return in half of the replicas, %s in all\n", o.Cleared.Round(100*time.Millisecond), o.Last.Round(100*time.Millisecond))
}

func main() {
	var m model
	flag.Float64Var(&m.Rate, "rate", 100000, "requests per second, of all replicas")
	flag.IntVar(&m.Replicas, "replicas", 50, "replicas")
	flag.DurationVar(&m.Outage, "outage", 30*time.Second, "how long Kafka is away")
	flag.DurationVar(&m.Timeout, "timeout", 5*time.Second, "timeout_ms of the routes")
	flag.Float64Var(&m.Record, "record", 400, "bytes of a record on disk")
	flag.Float64Var(&m.Forward, "forward", 12000, "records per second that a replica sends from its disk")
	flag.Float64Var(&m.Cluster, "cluster", 300000, "records per second that Kafka takes")
	flag.Float64Var(&m.Skew, "skew", 0.2, "how far a replica's share is from the mean")
	flag.Float64Var(&m.Burst, "burst", 0.3, "how far a second's load is from the mean")
	flag.Uint64Var(&m.Seed, "seed", 1, "of the random numbers")
	flag.Parse()
	if m.Rate <= 0 || m.Replicas <= 0 || m.Outage < 0 || m.Timeout < 0 || m.Skew < 0 || m.Skew >= 1 || m.Burst < 0 || m.Burst >= 1 {
		fmt.Fprintln(os.Stderr, "outage: -rate and -replicas are above 0, times are not negative, -skew and -burst from 0 to below 1")
		os.Exit(2)
	}
	m.run().print(os.Stdout, m)
}
