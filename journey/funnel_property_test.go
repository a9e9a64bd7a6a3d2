package journey

import (
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// dice choose one of n, from 0.
type dice func(n int, what string) int

// shrinking are dice whose failures shrink; they like small numbers.
func shrinking(t *rapid.T) dice {
	return func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }
}

// fair are dice that like all numbers as much.
func fair(seed uint64) dice {
	random := rand.New(rand.NewPCG(seed, 17))
	return func(n int, _ string) int { return random.IntN(n) }
}

// makeFunnel makes up a funnel. Where the events come from does not matter here, so
// that it has no conditions. Plain is without what the walk leaves to the search.
func makeFunnel(throw dice, order query.Order, plain bool) *query.Funnel {
	p := &query.Funnel{
		Range:    query.Span{From: 0, To: weir.Micros(6 + throw(35, "to"))},
		Window:   weir.Micros(1 + throw(12, "window")),
		Order:    order,
		Entry:    query.Entry(throw(3, "entry")),
		Counting: query.Counting(throw(2, "counting")),
	}
	few := throw(2, "few optional steps") == 0
	for i := range 2 + throw(3, "steps") {
		optional := i > 0 && order != query.Unordered && !plain && throw(4, "optional") == 0
		p.Steps = append(p.Steps, query.Step{Name: fmt.Sprint(i + 1), Optional: optional && !few})
	}
	if throw(5, "window is a session") == 1 {
		p.Window, p.WindowSession = 0, true
	}
	if order == query.Unordered {
		return p
	}
	switch throw(3, "ties") {
	case 1:
		p.TiesStrict = true
	case 2:
		p.Grace = weir.Micros(throw(4, "grace"))
	}
	if plain {
		return p
	}
	for range throw(4, "exclusions") {
		after := throw(len(p.Steps)-1, "after")
		p.Exclude = append(p.Exclude, query.Exclusion{After: after, Before: after + 1 + throw(len(p.Steps)-1-after, "before")})
	}
	p.LeaveFunnel = throw(4, "leave") == 1
	return p
}

// makeEvents makes up a stream, of which f's request would give each event.
func makeEvents(throw dice, f *funnel, most int) []Event {
	request := f.request()
	marks := len(request.Marks)
	width := 3 + throw(60, "width")
	several := throw(3, "events of several steps")
	var events []Event
	for range throw(most+1, "events") {
		e := Event{At: weir.Micros(throw(width, "at") - 2), Session: uint32(throw(3, "session"))}
		e.Marks = 1 << throw(marks, "mark")
		for range several {
			e.Marks |= 1 << throw(marks, "mark too")
		}
		for i, m := range request.Marks {
			if e.At < m.From || e.At >= m.To {
				e.Marks &^= 1 << i
			}
		}
		if e.Marks != 0 {
			events = append(events, e)
		}
	}
	slices.SortFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Marks, b.Marks), cmp.Compare(a.Session, b.Session))
	})
	return events
}

// ways are those by which a stream counts, as lists of events by step.
func (f *funnel) ways() []list {
	var all []list
	var w funnelWay
	switch {
	case len(f.exclude) > 0 && f.plan.LeaveFunnel && f.leaves():
	case f.plan.Counting == query.CountTotals:
		for after := minTime; f.nextAttempt(after, false, &w); after = f.endOf(&w) {
			all = append(all, f.list(&w))
		}
	case f.counted(&w):
		all = append(all, f.list(&w))
	}
	return all
}

func (f *funnel) list(w *funnelWay) list {
	l := slices.Repeat(list{-1}, bits.Len32(w.taken))
	for i := range l {
		if w.taken>>i&1 == 1 {
			l[i] = int(w.event[i])
			if f.events[l[i]].At != w.at[i] {
				panic("the way has another time than its event")
			}
		}
	}
	return l
}

// checkDefinition holds the ways that are found against the definition.
func checkDefinition(t interface{ Fatalf(string, ...any) }, throw dice, order query.Order) {
	f := newFunnel(makeFunnel(throw, order, throw(3, "plain") == 0), nil).(*funnel)
	d := definition{f: f, events: makeEvents(throw, f, 9)}
	f.prepare(d.events)
	got, want := f.ways(), d.counted()
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Fatalf("ways %v, want %v, of %+v in %+v", got, want, d.events, f.plan)
	}
}

func TestFunnelFindsTheWaysOfTheDefinition(t *testing.T) {
	for _, c := range []struct {
		name  string
		order query.Order
	}{{"ordered", query.Ordered}, {"strict", query.Strict}, {"unordered", query.Unordered}} {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { checkDefinition(t, shrinking(t), c.order) })
			for seed := range uint64(testFunnels) {
				checkDefinition(t, fair(seed), c.order)
			}
		})
	}
}

// testFunnels is how many funnels are thrown.
const testFunnels = 10_000

// checkWalk holds the walk, where it does not give up, against the search, in longer
// streams than the definition can look through.
func checkWalk(t interface{ Fatalf(string, ...any) }, throw dice) (walked bool) {
	f := newFunnel(makeFunnel(throw, query.Ordered, true), nil).(*funnel)
	events := makeEvents(throw, f, 60)
	f.prepare(events)
	for i := range f.parts {
		var w funnelWay
		_, _, ok := f.deepestEnd(&f.parts[i])
		walked = walked || ok && f.bestWalk(&f.parts[i], &w) && w.depth > 1
	}
	got := f.ways()
	f.prepare(events)
	f.simple = false
	if want := f.ways(); !slices.EqualFunc(got, want, slices.Equal) {
		t.Fatalf("the walk finds %v, the search %v, of %+v in %+v", got, want, events, f.plan)
	}
	return walked
}

func TestTheWalkFindsWhatTheSearchFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkWalk(t, shrinking(t)) })
	walked := 0
	for seed := range uint64(testFunnels) {
		if checkWalk(t, fair(seed)) {
			walked++
		}
	}
	if walked < testFunnels/10 {
		t.Errorf("only %d of %d streams were for the walk; the test is to hold many", walked, testFunnels)
	}
}

// The first of each step, where every event is of one step, is what the matching finds.
func TestSetsOfSingleStepsAreMatched(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, throw dice) {
		f := newFunnel(makeFunnel(throw, query.Unordered, true), nil).(*funnel)
		events := makeEvents(throw, f, 60)
		f.prepare(events)
		for i := range f.parts {
			p := &f.parts[i]
			for start := range p.events {
				if !f.starts(&p.events[start]) || start > 0 && p.events[start-1].At == p.events[start].At {
					continue
				}
				var got, want funnelWay
				if !f.firstOfEach(p, start, &got) {
					continue
				}
				f.matched(p, start, &want)
				if !slices.Equal(f.list(&got), f.list(&want)) {
					t.Fatalf("first of each: %v, matched: %v, of %+v in %+v", f.list(&got), f.list(&want), events, f.plan)
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) { check(t, shrinking(t)) })
	for seed := range uint64(testFunnels) {
		check(t, fair(seed))
	}
}

// Beyond its limit the search does not find the best ways, but what it finds are ways.
func TestWithoutPatienceWaysAreStillWays(t *testing.T) {
	worse := 0
	for seed := range uint64(testFunnels) {
		throw := fair(seed)
		f := newFunnel(makeFunnel(throw, query.Order(throw(2, "order")), false), nil).(*funnel)
		d := definition{f: f, events: makeEvents(throw, f, 9)}
		f.prepare(d.events)
		f.simple = false
		for i := range f.parts {
			var w funnelWay
			f.search.left = 0
			if f.parts[i].alone || !f.search.best(f, &f.parts[i], &w) {
				continue
			}
			l := f.list(&w)
			if !d.isWay(l) {
				t.Fatalf("%v is no way in %+v of %+v", l, d.events, f.plan)
			}
			if d.before(l, d.attempt(w.start())) != 0 {
				worse++
			}
		}
	}
	if worse == 0 {
		t.Error("all ways were the best; the test is to find others")
	}
}
