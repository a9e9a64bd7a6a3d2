// Command bench measures Weir on this machine and prints a table: durable
// intake, the whole pipeline, freshness, questions over millions of events, and
// memory. The load comes from a process of its own, over HTTP on the loopback
// interface, so that its work is counted as what it is: somebody else's.
//
// Absolute figures depend on the machine and on what else it does; compare
// figures of one run. docs/performance.md says what they were and what bounds
// them.
//
//	go run ./bench [-weir bin/weir] [-only memory,intake,pipeline,freshness,busy,questions,range,spread,growth] [-events 10000000] [-people 200000] [-growth 20000000] [-backlog 1000000]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// sections are what can be measured, in order.
var sections = []struct {
	name    string
	measure func(ctx context.Context, o options, t *table) error
}{
	{"memory", measureIdle},
	{"intake", measureIntake},
	{"pipeline", measurePipeline},
	{"freshness", measureFreshness},
	{"busy", measureBusy},
	{"questions", measureQuestions},
	{"range", measureRange},
	{"spread", measureSpread},
	{"growth", measureGrowth},
}

type options struct {
	binary  string
	only    []string
	events  int
	people  int
	growth  int
	backlog int
	seconds time.Duration
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] { // the processes that this one starts
		case "load":
			return loadProcess(ctx, args[1:], out)
		case "collector":
			return collectorProcess(ctx)
		case "clickhouse":
			return clickhouseProcess(args[1:], os.Stdin, out)
		case "chdbserver":
			return chdbProcess(args[1:])
		}
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var o options
	only := flags.String("only", "", "sections to run, comma-separated; default all")
	flags.StringVar(&o.binary, "weir", "bin/weir", "the server's binary")
	flags.IntVar(&o.events, "events", 10_000_000, "events that questions are asked over")
	flags.IntVar(&o.people, "people", 200_000, "people whose events they are")
	flags.IntVar(&o.growth, "growth", 0, "events up to which the cost of an item is followed, for example 20000000; 0: not at all")
	flags.IntVar(&o.backlog, "backlog", 200_000, "items of history that wait before they are drained")
	flags.DurationVar(&o.seconds, "time", 10*time.Second, "how long each load lasts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.events < 1 || o.people < 1 {
		return errors.New("-events and -people must be at least 1")
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	t := newTable(out)
	for _, s := range sections {
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) {
			continue
		}
		if err := s.measure(ctx, o, t); err != nil {
			return fmt.Errorf("measure %s: %w", s.name, err)
		}
	}
	t.flush()
	return nil
}
