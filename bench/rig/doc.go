// Package rig is what the programs of bench share: it starts the processes that are measured and the broker that
// they produce to, puts load on them, and reads their CPU time, memory and latency. Linux only.
//
// It decides neither what is compared nor what is printed: bench, bench/compare and bench/curves do.
package rig
