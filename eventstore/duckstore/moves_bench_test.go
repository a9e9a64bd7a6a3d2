package duckstore_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/query"
)

var (
	movesStore   = flag.String("store", "", "directory that keeps the store BenchmarkMoves begins with, so that it is made once; default: none is kept")
	movesKinds   = flag.String("kinds", "", "regular expression: which kinds of batches BenchmarkMoves writes; default: all")
	movesBatches = flag.Int("batches", 40, "batches that BenchmarkMoves writes of each kind")
)

// visitor is an identity as a browser has it.
type visitor struct {
	identity, person uint32
	session          uint32
	left             int // events that are to come of the visit
	first, last      weir.Micros
	until            weir.Micros // it does not come again after that
}

// visits makes events of a shop's visitors: most are there for minutes, some come
// again for days and few for a month. A visit has about five events.
type visits struct {
	random   *rand.Rand
	step     weir.Micros // between events
	now      weir.Micros
	n        int // events so far
	active   [100]*visitor
	known    []*visitor // that may come again
	all      []*visitor
	sessions uint32
	recent   []weir.Event // some of those that were, without properties
}

func newVisits(total int) *visits {
	return &visits{random: rand.New(rand.NewPCG(3, 4)), step: weir.Micros(benchDays * 86400e6 / float64(total)), now: benchStart}
}

// visit begins the visit of somebody.
func (v *visits) visit() *visitor {
	r := v.random
	var w *visitor
	for len(v.known) > 0 && r.IntN(100) >= 15 {
		at := r.IntN(len(v.known))
		if w = v.known[at]; w.until > v.now {
			break
		}
		v.known[at] = v.known[len(v.known)-1]
		v.known, w = v.known[:len(v.known)-1], nil
	}
	if w == nil {
		identity := uint32(len(v.all) + 1)
		w = &visitor{identity: identity, person: identity, first: v.now}
		switch share := r.IntN(100); {
		case share >= 95:
			w.until = v.now + weir.Micros(r.Int64N(30*86400e6))
		case share >= 75:
			w.until = v.now + weir.Micros(r.Int64N(3*86400e6))
		}
		v.all = append(v.all, w)
		if w.until != 0 {
			v.known = append(v.known, w)
		}
	}
	v.sessions++
	w.session, w.left = v.sessions, 1+r.IntN(9)
	return w
}

func (v *visits) event() weir.Event {
	r := v.random
	v.now += v.step
	at := r.IntN(len(v.active))
	w := v.active[at]
	if w == nil || w.left == 0 {
		w = v.visit()
		v.active[at] = w
	}
	w.left--
	w.last = v.now
	e := weir.Event{
		Position: weir.At(v.n%8, uint64(v.n/8+1)), Time: v.now, Name: "pageview", Identity: w.identity, Person: w.person, Session: w.session, Origin: weir.Derived,
		Properties: []weir.Property{
			{Name: "$browser", Value: weir.Text([]string{"Chrome", "Safari", "Firefox", "Edge"}[w.identity%4])},
			{Name: "$country", Value: weir.Text(fmt.Sprintf("C%d", w.identity%40))},
			{Name: "$device_type", Value: weir.Text([]string{"desktop", "mobile"}[w.identity%2])},
			{Name: "$os", Value: weir.Text([]string{"Windows", "iOS", "Android", "macOS", "Linux"}[w.identity%5])},
			{Name: "$page", Value: weir.Text(fmt.Sprintf("https://shop.example/p/%d", r.IntN(500)))},
			{Name: "$title", Value: weir.Text(fmt.Sprintf("Product %d", r.IntN(500)))},
			{Name: "duration", Value: weir.Num(float64(r.IntN(300)))},
			{Name: "bounced", Value: weir.Boolean(r.IntN(3) == 0)},
		},
	}
	if r.IntN(100) >= 55 {
		e.Name = fmt.Sprintf("Event %02d", r.IntN(21))
		e.Properties[6] = weir.Property{Name: "amount", Value: weir.Num(float64(r.IntN(10_000)) / 100)}
	}
	v.n++
	if r.IntN(64) == 0 {
		lean := e
		lean.Properties = nil
		v.recent = append(v.recent, lean)
	}
	return e
}

// batch is of so many new events, with their outcomes and a row for three in ten
// people among them.
func (v *visits) batch(size int, full bool) *eventstore.Batch {
	b := &eventstore.Batch{Applied: map[int]uint64{}}
	seen := map[uint32]bool{}
	for range size {
		e := v.event()
		b.Events = append(b.Events, e)
		b.Applied[e.Position.Partition()] = e.Position.Seq()
		b.AsOf = e.Time
		if !full {
			continue
		}
		b.Log = append(b.Log, weir.Outcome{
			Position: e.Position, Receipt: fmt.Sprintf("rcp_%020d", v.n/50), Index: v.n % 50, Kind: weir.KindCustomEvent, Name: e.Name,
			ItemID: fmt.Sprintf("%016x-%016x", v.random.Uint64(), v.random.Uint64()), UserID: fmt.Sprintf("user-%d", e.Identity), Person: e.Person,
			Source: "key_web", ReceivedAt: e.Time, Time: e.Time, Status: weir.Stored, Size: 400 + v.random.IntN(300),
		})
		if !seen[e.Person] && len(seen) < size*3/10 {
			seen[e.Person] = true
			b.People = append(b.People, personRow(e.Person, e.Time))
		}
	}
	return b
}

func personRow(number uint32, at weir.Micros) weir.Person {
	return weir.Person{
		Number: number, ID: fmt.Sprintf("user-%d", number), CreatedAt: benchStart, FirstSeen: benchStart, LastSeen: at,
		Traits: []weir.Property{
			{Name: "$lifetime_value", Value: weir.Num(float64(number % 1000))}, {Name: "$orders_count", Value: weir.Num(float64(number % 7))},
			{Name: "country", Value: weir.Text(fmt.Sprintf("C%d", number%40))}, {Name: "plan", Value: weir.Text([]string{"free", "pro", "team"}[number%3])},
		},
	}
}

// merge makes identities that came lately, or long ago, parts of other persons.
func (v *visits) merge(b *eventstore.Batch, n int) {
	known := map[uint32]bool{}
	for range n {
		w := v.known[v.random.IntN(len(v.known))]
		if v.random.IntN(4) > 0 { // most are known soon after they came
			w = v.all[len(v.all)-1-v.random.IntN(min(len(v.all), 5000))]
		}
		if known[w.identity] {
			continue
		}
		known[w.identity] = true
		to := v.all[v.random.IntN(len(v.all))]
		b.Gone = append(b.Gone, w.person)
		w.person = min(w.identity, to.person)
		b.Moves = append(b.Moves, eventstore.Move{Identity: w.identity, Person: w.person, From: w.first, To: w.last})
	}
}

// regroup puts stretches of events of the last hours into other sessions, and some
// of any day.
func (v *visits) regroup(b *eventstore.Batch, n int, origin weir.Origin) {
	for range n {
		e := v.someEvent()
		v.sessions++
		b.Sessions = append(b.Sessions, eventstore.SessionMove{Identity: e.Identity, Origin: origin, From: e.Time - 900e6, To: e.Time + 900e6, Session: v.sessions})
	}
}

// replace takes events away that newer versions took the place of.
func (v *visits) replace(b *eventstore.Batch, n int) {
	for range n {
		b.Replaced = append(b.Replaced, v.someEvent().Position)
	}
}

// someEvent is one that something happens to later: most of the last hours, some of
// the last days, one in fifty of any day.
func (v *visits) someEvent() weir.Event {
	list := v.recent
	switch share := v.random.IntN(50); {
	case share >= 5:
		list = list[max(0, len(list)-2000):]
	case share >= 1:
		list = list[max(0, len(list)-len(list)/10):]
	}
	return list[v.random.IntN(len(list))]
}

// filled is a store with -events rows, and what made them.
func filled(b *testing.B) (*duckstore.Store, *visits, string) {
	b.Helper()
	v := newVisits(*benchEvents)
	dir := b.TempDir()
	kept := filepath.Join(*movesStore, fmt.Sprint(*benchEvents))
	_, err := os.Stat(filepath.Join(kept, "acme.duckdb"))
	make := *movesStore == "" || err != nil
	s := open(b, dir, &duckstore.Options{CheckpointBytes: 64 << 20})
	for v.n < *benchEvents {
		batch := v.batch(min(20_000, *benchEvents-v.n), false)
		if v.n == len(batch.Events) || v.n == *benchEvents {
			for _, w := range v.all[:] {
				batch.People = append(batch.People, personRow(w.person, w.last))
			}
		}
		if make {
			if err := s.Write(b.Context(), "acme", batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	switch {
	case *movesStore == "":
	case make:
		err = os.CopyFS(kept, os.DirFS(dir))
	default:
		err = os.CopyFS(dir, os.DirFS(kept))
	}
	if *movesStore != "" && err != nil {
		b.Fatal(err)
	}
	return open(b, dir, nil), v, dir
}

// BenchmarkMoves writes batches like the pipeline's onto -events rows: how long
// they take with rows that move, and what questions and the file make of it.
func BenchmarkMoves(b *testing.B) {
	s, v, dir := filled(b)
	b.Logf("%d events of %d identities, %d sessions, %d bytes", v.n, len(v.all), v.sessions, folderSize(b, dir))
	var uniques, trend *query.Plan
	for text, plan := range map[string]**query.Plan{`"event":"pageview","measure":"users"`: &uniques, `"event":"pageview"`: &trend} {
		p, fault := query.Parse([]byte(`{"kind":"trends","from":"2026-10-01","to":"2026-10-30","series":[{`+text+`}]}`), query.Env{Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)})
		if fault != nil {
			b.Fatal(fault)
		}
		*plan = p
	}
	// ask returns the least time of three, and the processors' share of it.
	ask := func(plan *query.Plan) [2]time.Duration {
		best := [2]time.Duration{time.Hour, time.Hour}
		for range 3 {
			start, used := time.Now(), processorTime(b)
			if _, err := s.Ask(b.Context(), "acme", plan); err != nil {
				b.Fatal(err)
			}
			best[0], best[1] = min(best[0], time.Since(start)), min(best[1], processorTime(b)-used)
		}
		return best
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	both := func(d [2]time.Duration) string { return fmt.Sprintf("%.0f (%.0f)", ms(d[0]), ms(d[1])) }
	b.Logf("%-28s uniques %s ms (of processors), trend %s ms", "before", both(ask(uniques)), both(ask(trend)))
	for _, kind := range []struct {
		name string
		rows int
		fill func(*eventstore.Batch)
	}{
		{"rows alone", 5000, func(*eventstore.Batch) {}},
		{"50 moves", 1000, func(batch *eventstore.Batch) { v.merge(batch, 50) }},
		{"200 moves", 1000, func(batch *eventstore.Batch) { v.merge(batch, 200) }},
		{"500 moves", 5000, func(batch *eventstore.Batch) { v.merge(batch, 500) }},
		{"300 derived sessions", 1000, func(batch *eventstore.Batch) { v.regroup(batch, 300, weir.Derived) }},
		{"300 attended sessions", 1000, func(batch *eventstore.Batch) { v.regroup(batch, 300, weir.Attended) }},
		{"150 replaced", 1000, func(batch *eventstore.Batch) { v.replace(batch, 150) }},
		{"all of it", 5000, func(batch *eventstore.Batch) {
			v.merge(batch, 100)
			v.regroup(batch, 200, weir.Derived)
			v.regroup(batch, 100, weir.Attended)
			v.replace(batch, 150)
		}},
	} {
		if chosen, err := regexp.MatchString(*movesKinds, kind.name); err != nil || !chosen {
			continue
		}
		before, written, used := folderSize(b, dir), bytesWritten(b), processorTime(b)
		var took []time.Duration
		during, questions := [2]time.Duration{}, time.Duration(0)
		start := time.Now()
		rows, moves := 0, 0
		for i := range *movesBatches {
			batch := v.batch(kind.rows, true)
			kind.fill(batch)
			rows, moves = rows+len(batch.Events), moves+len(batch.Moves)+len(batch.Sessions)+len(batch.Replaced)
			begun := time.Now()
			if err := s.Write(b.Context(), "acme", batch); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(begun))
			if i == *movesBatches/2 {
				before := processorTime(b)
				during = ask(uniques)
				questions = processorTime(b) - before
			}
		}
		used = processorTime(b) - used - questions
		total := time.Duration(0)
		for _, d := range took {
			total += d
		}
		slices.Sort(took)
		b.Logf("%-28s %d rows: p50 %.1f ms, p99 %.1f ms, processors %.1f ms, %.0f rows/s, %.0f moves/s; uniques %s ms in between, %s after, trend %s; file +%.1f MB, %.1f MB written, %.1f s",
			kind.name, kind.rows, ms(took[len(took)/2]), ms(took[len(took)*99/100]), ms(used)/float64(len(took)), float64(rows)/total.Seconds(), float64(moves)/total.Seconds(),
			both(during), both(ask(uniques)), both(ask(trend)), float64(folderSize(b, dir)-before)/1e6, float64(bytesWritten(b)-written)/1e6, time.Since(start).Seconds())
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Logf("closed: %d bytes", folderSize(b, dir))
}

// bytesWritten is how much the process has given to the disks; 0 where nobody
// counts it.
func bytesWritten(b *testing.B) (n int64) {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "write_bytes: %d", &n); err == nil {
			return n
		}
	}
	return 0
}

// processorTime is what the process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
