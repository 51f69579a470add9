package rig

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options are the flags that programs which let subjects take turns have in common.
type Options struct {
	Subjects    []string
	Sizes       []int // of bodies, in bytes
	Connections []int
	ContentType string
	Rounds      int
	Duration    time.Duration // of one measurement
	WarmUp      time.Duration
	Brokers     int
}

// Register adds the flags to fs; what is in o are their defaults.
func (o *Options) Register(fs *flag.FlagSet) {
	all := Subjects()
	fs.IntVar(&o.Rounds, "rounds", o.Rounds, "how often each runner is measured in each cell")
	fs.DurationVar(&o.Duration, "duration", o.Duration, "of one measurement")
	fs.DurationVar(&o.WarmUp, "warm-up", o.WarmUp, "before the first measurement of a runner in a cell")
	fs.Func("sizes", "bodies in bytes (default "+join(o.Sizes)+")", intList(&o.Sizes, JSONBodyMin))
	fs.Func("connections", "how many are used at once (default "+join(o.Connections)+")", intList(&o.Connections, 1))
	fs.Func("subjects", "which of "+strings.Join(all, ",")+" (default "+strings.Join(o.Subjects, ",")+")", func(list string) error {
		o.Subjects = strings.Split(list, ",")
		for i, name := range o.Subjects {
			if !slices.Contains(all, name) || slices.Contains(o.Subjects[:i], name) {
				return fmt.Errorf("there is no %q, or it is named twice", name)
			}
		}
		return nil
	})
	fs.StringVar(&o.ContentType, "content-type", "application/json", "of the bodies, which are compact JSON; the Kafka plugin validates them if it says JSON")
	fs.IntVar(&o.Brokers, "brokers", 0, "brokers of a real Kafka, 1 or 3, which test/kafkatest starts; 0: the embedded broker")
}

// Validate reports what is out of range.
func (o *Options) Validate() error {
	if o.Rounds < 1 || o.Duration <= 0 || o.WarmUp <= 0 {
		return errors.New("-rounds, -duration and -warm-up must be positive")
	}
	return nil
}

func join(numbers []int) string {
	var texts []string
	for _, n := range numbers {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ",")
}

// intList is a flag's function for numbers with commas between.
func intList(to *[]int, lowest int) func(string) error {
	return func(list string) error {
		*to = nil
		for text := range strings.SplitSeq(list, ",") {
			n, err := strconv.Atoi(text)
			if err != nil || n < lowest {
				return fmt.Errorf("expected integers from %d with commas between", lowest)
			}
			*to = append(*to, n)
		}
		return nil
	}
}
