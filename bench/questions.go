package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/query"
)

const (
	asked   = 7 // how often a question is asked after the first time, which warms up
	threads = 2 // that each engine may use
)

// measureQuestions asks both engines about a month of events.
func measureQuestions(ctx context.Context, o options, t *table) error {
	h := history{from: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), days: 30, events: o.events, people: o.people}
	return compare(ctx, h, monthCases(h), t)
}

// measureRange asks about as many events, spread over ninety days.
func measureRange(ctx context.Context, o options, t *table) error {
	h := history{from: time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC), days: 90, events: o.events, people: o.people}
	return compare(ctx, h, rangeCases(h), t)
}

// compare asks Weir's event store, and ClickHouse if its library is there, the same
// questions on the same events, one after the other and never at once: warm, the
// median of seven.
func compare(ctx context.Context, h history, cases []ask, t *table) (err error) {
	folder, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	store, err := openFilled(ctx, filepath.Join(folder, "weir"), h, t)
	if err != nil {
		return err
	}
	defer store.Close()
	var peer *clickhouse
	if library := findLibrary(); library == "" {
		fmt.Fprintln(t.out, "ClickHouse is not compared with: its library is not there; `make bench-clickhouse` installs it, on Linux on x86-64.")
	} else {
		if peer, err = startClickHouse(ctx, library, folder); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, peer.close()) }()
		start := time.Now()
		if err := peer.fill(h); err != nil {
			return err
		}
		t.add("ClickHouse: write "+millions(h.events)+" events", "", "%.0f events/s", float64(h.events)/time.Since(start).Seconds())
	}
	c := &comparison{out: t.out, store: store, peer: peer, now: h.until().AddDate(0, 0, 2), about: fmt.Sprintf("%s events of %d people over %d days", millions(h.events), h.people, h.days)}
	defer c.flush()
	var failed []error
	for _, a := range cases {
		if err := c.measure(ctx, a); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", a.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

// openFilled makes a store of the history and opens it anew.
func openFilled(ctx context.Context, folder string, h history, t *table) (*duckstore.Store, error) {
	store, err := duckstore.Open(folder, &duckstore.Options{Memory: 1 << 30})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	if err := h.writePeople(ctx, store); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := h.writeEvents(ctx, store); err != nil {
		return nil, err
	}
	elapsed := time.Since(start)
	if err := store.Close(); err != nil { // a checkpoint: what is on disk is all there is
		return nil, err
	}
	size, err := folderSize(folder)
	if err != nil {
		return nil, err
	}
	t.add("write "+millions(h.events)+" events", "", "%.0f events/s", float64(h.events)/elapsed.Seconds())
	t.add(fmt.Sprintf("event table on disk, %d days", h.days), "≤ 40 bytes/event", "%.1f bytes/event", float64(size)/float64(h.events))
	// No checkpoint comes between questions.
	return duckstore.Open(folder, &duckstore.Options{Memory: 1 << 30, Threads: threads, CheckpointEvery: 24 * time.Hour})
}

// comparison is a table of two engines. A line is printed as soon as it is
// measured, and all of them at the end.
type comparison struct {
	out   io.Writer
	about string
	store eventstore.Store
	peer  *clickhouse // nil: only Weir is asked
	now   time.Time   // when it is for the questions
	asOf  weir.Micros // what the store was written last
	lines [][]string
}

// measure asks both engines one question. A kind of question that Weir does not know
// is passed over.
func (c *comparison) measure(ctx context.Context, a ask) error {
	plan, problem := query.Parse([]byte(a.question), query.Env{Now: c.now, Location: time.UTC})
	if problem != nil {
		return fmt.Errorf("%s: %w", a.name, problem)
	}
	answer, weirTook, err := c.askWeir(ctx, plan)
	if err != nil {
		return err
	}
	line := []string{a.name, ms(weirTook), "", "", a.goal()}
	if c.peer != nil {
		r, err := c.peer.best(a.sql, asked)
		if err != nil {
			return err
		}
		took := quantile(r.Took, 0.5)
		line[2], line[3] = ms(took), fmt.Sprintf("%.2fx", float64(weirTook)/float64(took))
		theirs, err := r.figures(a.keys)
		if err != nil {
			return err
		}
		if ours := figures(answer); !same(ours, theirs) {
			fmt.Fprintf(c.out, "WARNING: %s: the engines do not count the same: %s\n", a.name, difference(ours, theirs))
		}
	}
	c.lines = append(c.lines, line)
	fmt.Fprintf(c.out, "%s: Weir %s, ClickHouse %s: %s (goal %s)\n", line[0], line[1], orNone(line[2]), orNone(line[3]), line[4])
	return nil
}

// askWeir asks warm and tells the median. The store keeps answers until something is
// written; so something is, and each answer is computed.
func (c *comparison) askWeir(ctx context.Context, plan *query.Plan) (answer *query.Answer, took time.Duration, err error) {
	var all []time.Duration
	for n := range 1 + asked {
		c.asOf = max(c.asOf+1, weir.MicrosOf(c.now))
		if err := c.store.Write(ctx, workspace, &eventstore.Batch{AsOf: c.asOf}); err != nil {
			return nil, 0, err
		}
		start := time.Now()
		if answer, err = c.store.Ask(ctx, workspace, plan); err != nil {
			return nil, 0, err
		}
		if n > 0 {
			all = append(all, time.Since(start))
		}
	}
	return answer, quantile(all, 0.5), nil
}

func (c *comparison) flush() {
	w := tabwriter.NewWriter(c.out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "\n| %s\t| Weir\t| ClickHouse\t| ratio\t| goal\t|\n", c.about)
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|")
	for _, l := range c.lines {
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t|\n", l[0], l[1], orNone(l[2]), orNone(l[3]), l[4])
	}
	fmt.Fprintln(w)
	w.Flush()
}

func orNone(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// figures are the numbers that an answer counts, in no order. What another of them
// says already is left out: the sum of a line, and the size of a cohort, which is its
// count of period 0.
func figures(a *query.Answer) (all []float64) {
	for _, s := range a.Series {
		sum := 0.0
		for _, v := range s.Values {
			all, sum = append(all, float64(v)), sum+float64(v)
		}
		if total := float64(s.Total); total != sum {
			all = append(all, total)
		}
	}
	for _, g := range a.Groups {
		for _, s := range g.Steps {
			all = append(all, float64(s.Count))
		}
	}
	for _, cohort := range a.Cohorts {
		for _, n := range cohort.Counts {
			if !math.IsNaN(float64(n)) {
				all = append(all, float64(n))
			}
		}
	}
	for _, list := range [][]int64{a.New, a.Returning, a.Resurrected, a.Dormant, a.People} {
		for _, n := range list {
			all = append(all, math.Abs(float64(n)))
		}
	}
	for _, e := range a.Edges {
		all = append(all, float64(e.Count))
	}
	for _, b := range a.Bins {
		all = append(all, float64(b.Count))
	}
	return all
}

// same compares figures, whatever their order. ClickHouse leaves out zeros.
func same(a, b []float64) bool { return slices.Equal(ranked(a), ranked(b)) }

func ranked(figures []float64) []float64 {
	figures = slices.DeleteFunc(slices.Clone(figures), func(f float64) bool { return f == 0 })
	slices.Sort(figures)
	return figures
}

// difference says how two lists of figures differ.
func difference(ours, theirs []float64) string {
	sum := func(figures []float64) (n int, total float64) {
		figures = ranked(figures)
		for _, f := range figures {
			total += f
		}
		return len(figures), total
	}
	n, a := sum(ours)
	m, b := sum(theirs)
	return fmt.Sprintf("Weir has %d figures, together %.0f; ClickHouse %d, together %.0f", n, a, m, b)
}

func millions(events int) string { return fmt.Sprintf("%gM", float64(events)/1_000_000) }

func folderSize(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}

// A history is what both engines are given: events roughly in order of time, a few
// late, half of all from a tenth of the people, of 22 names of which one is more than
// half of all. It is the same each time.
type history struct {
	from   time.Time // midnight UTC
	days   int
	events int
	people int
}

const (
	blockRows = 1_000_000 // events that are made from one seed
	rowBatch  = 50_000    // events that Weir is given at once
)

// frequencies are how many of a thousand events have which name.
var frequencies = [...]int{550, 200, 90, 40, 20, 15, 12, 10, 9, 8, 7, 6, 5, 5, 4, 4, 3, 3, 3, 2, 2, 2}

var (
	browsers  = [...]string{"Chrome", "Safari", "Firefox", "Edge"}
	plans     = [...]string{"free", "free", "free", "pro", "team"}
	countries = [...]string{"AU", "BR", "DE", "ES", "FR", "GB", "JP", "US"}
)

// happening is one event of a history.
type happening struct {
	at      weir.Micros
	number  int // of the name
	person  uint32
	session uint32
	path    int // of the page
	amount  float64
}

func (e happening) name() string    { return fmt.Sprintf("Event %02d", e.number) }
func (e happening) browser() string { return browsers[e.person%uint32(len(browsers))] }
func (e happening) page() string    { return "https://shop.example/p/" + strconv.Itoa(e.path) }
func (e happening) plan() string    { return traitsOf(e.person).plan }

// traits are what is known of a person.
type traits struct {
	country, plan string
	age           int
}

func traitsOf(person uint32) traits {
	return traits{
		country: countries[person/7%uint32(len(countries))],
		plan:    plans[person%uint32(len(plans))],
		age:     18 + int(person*31%60),
	}
}

func (h history) start() weir.Micros { return weir.MicrosOf(h.from) }

// until is when the history ends: midnight after its last day.
func (h history) until() time.Time { return h.from.AddDate(0, 0, h.days) }

// blocks is into how many blocks a history is divided.
func (h history) blocks() int { return (h.events + blockRows - 1) / blockRows }

// each calls fn for every event, until it fails.
func (h history) each(fn func(happening) error) error {
	for n := range h.blocks() {
		if err := h.block(n, fn); err != nil {
			return err
		}
	}
	return nil
}

// block calls fn for every event of a block, until it fails.
func (h history) block(number int, fn func(happening) error) error {
	var names []int
	for name, n := range frequencies {
		names = append(names, slices.Repeat([]int{name}, n)...)
	}
	random := rand.New(rand.NewPCG(1, uint64(number)))
	from, span := h.start(), float64(h.days)*float64(24*time.Hour/time.Microsecond)
	for n := number * blockRows; n < min((number+1)*blockRows, h.events); n++ {
		at := from + weir.Micros(span*float64(n)/float64(h.events))
		if random.IntN(20) == 0 {
			at = max(from, at-weir.Micros(random.Int64N(int64(2*time.Hour/time.Microsecond))))
		}
		person := uint32(1 + random.IntN(h.people))
		if random.IntN(2) == 0 {
			person = uint32(1 + random.IntN(max(1, h.people/10)))
		}
		err := fn(happening{
			at: at, number: names[random.IntN(len(names))], person: person, session: person*4 + uint32(n*4/h.events),
			path: random.IntN(500), amount: float64(random.IntN(10_000)) / 100,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writePeople writes the people of a history.
func (h history) writePeople(ctx context.Context, store eventstore.Store) error {
	people := make([]weir.Person, 0, rowBatch)
	for person := uint32(1); person <= uint32(h.people); person++ {
		t := traitsOf(person)
		id := fmt.Sprintf("person-%d", person)
		people = append(people, weir.Person{
			Number: person, ID: id, CreatedAt: h.start(), FirstSeen: h.start(), LastSeen: weir.MicrosOf(h.until()), IDs: []string{id},
			Traits: []weir.Property{{Name: "age", Value: weir.Num(float64(t.age))}, {Name: "country", Value: weir.Text(t.country)}, {Name: "plan", Value: weir.Text(t.plan)}},
		})
		if len(people) == rowBatch || person == uint32(h.people) {
			if err := store.Write(ctx, workspace, &eventstore.Batch{AsOf: h.start(), People: people}); err != nil {
				return err
			}
			people = people[:0]
		}
	}
	return nil
}

// writeEvents writes the events of a history as they would arrive.
func (h history) writeEvents(ctx context.Context, store eventstore.Store) error {
	rows := make([]weir.Event, 0, rowBatch)
	var seq uint64
	return h.each(func(e happening) error {
		seq++
		rows = append(rows, weir.Event{
			Position: weir.At(0, seq), Time: e.at, Name: e.name(), Identity: e.person, Person: e.person, Session: e.session,
			Properties: []weir.Property{
				{Name: "$browser", Value: weir.Text(e.browser())},
				{Name: "$page", Value: weir.Text(e.page())},
				{Name: "amount", Value: weir.Num(e.amount)},
				{Name: "plan", Value: weir.Text(e.plan())},
			},
		})
		if len(rows) < rowBatch && seq < uint64(h.events) {
			return nil
		}
		err := store.Write(ctx, workspace, &eventstore.Batch{Applied: map[int]uint64{0: seq}, AsOf: e.at, Events: rows})
		clear(rows)
		rows = rows[:0]
		return err
	})
}
