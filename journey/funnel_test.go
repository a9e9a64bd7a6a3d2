package journey

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// funnelOf is a funnel of a day with a step for each name; "?" behind it makes it
// optional.
func funnelOf(names ...string) *query.Funnel {
	from := clock("2026-10-05 00:00")
	p := &query.Funnel{Range: query.Span{From: from, To: from + dayLong}, Window: hourLong}
	for _, name := range names {
		name, optional := strings.CutSuffix(name, "?")
		p.Steps = append(p.Steps, query.Step{Name: name, Match: event(name), Optional: optional})
	}
	return p
}

// day is a diary of one day: what each person did at which minute, such as "A0 B20"; a
// word behind a slash is the property x, one behind a colon the session.
func day(persons ...string) *diary {
	d := &diary{}
	for i, deeds := range persons {
		for deed := range strings.FieldsSeq(deeds) {
			d.deeds = append(d.deeds, readDeed(uint32(i+1), deed))
		}
	}
	return d
}

func readDeed(person uint32, text string) deed {
	text, session, _ := strings.Cut(text, ":")
	text, x, hasX := strings.Cut(text, "/")
	var minute float64
	e := deed{person: person, name: text[:1]}
	if _, err := fmt.Sscan(text[1:], &minute); err != nil {
		panic(err)
	}
	e.at = clock("2026-10-05 00:00") + weir.Micros(minute*float64(minuteLong))
	if hasX {
		e.props = map[string]string{"x": x}
	}
	if session != "" {
		if _, err := fmt.Sscan(session, &e.session); err != nil {
			panic(err)
		}
	}
	return e
}

// groupLine is a group as "name: counts | minutes on average".
func groupLine(g query.GroupAnswer) string {
	name := "null"
	if g.Breakdown != nil {
		name = *g.Breakdown
	}
	line := name + ":"
	for _, s := range g.Steps {
		line += fmt.Sprint(" ", s.Count)
	}
	line += " |"
	for _, s := range g.Steps[1:] {
		line += fmt.Sprint(" ", math.Round(float64(s.AvgSeconds)/60*1e6)/1e6)
	}
	return line
}

// wantFunnel asks and compares the groups, line by line.
func wantFunnel(t *testing.T, d *diary, p *query.Funnel, want ...string) {
	t.Helper()
	var got []string
	for _, g := range ask(t, d, &query.Plan{Funnel: p}).Groups {
		got = append(got, groupLine(g))
	}
	if !slices.Equal(got, want) {
		t.Errorf("groups:\ngot  %q\nwant %q", got, want)
	}
}

func TestEntrySaysWhichAttemptCounts(t *testing.T) {
	d := day("A0 A50 B80")
	for entry, want := range []string{
		query.EntryBest:   "null: 1 1 | 30",
		query.EntryFirst:  "null: 1 0 | NaN",
		query.EntryLatest: "null: 1 1 | 30",
	} {
		p := funnelOf("A", "B")
		p.Entry = query.Entry(entry)
		wantFunnel(t, d, p, want)
	}
}

func TestTheBestIsTheDeepestAndOfThoseTheEarliest(t *testing.T) {
	wantFunnel(t, day("A0 A10 A20 B65 A300 B310"), funnelOf("A", "B"), "null: 1 1 | 55")
	wantFunnel(t, day("A0 B10 A300 B310 C320"), funnelOf("A", "B", "C"), "null: 1 1 1 | 10 10")
}

func TestTheEndOfTheWindowIsInside(t *testing.T) {
	wantFunnel(t, day("A0 B60"), funnelOf("A", "B"), "null: 1 1 | 60")
	wantFunnel(t, day("A0 B60.01"), funnelOf("A", "B"), "null: 1 0 | NaN")
}

func TestTheRangeIsThatOfStepOneAlone(t *testing.T) {
	wantFunnel(t, day("A1439 B1445", "A1440 B1441", "A-1 B1"), funnelOf("A", "B"), "null: 1 1 | 6")
}

func TestOrderedAllowsOthersBetweenAndStrictDoesNot(t *testing.T) {
	d := day("A0 X5 B10", "A0 B10", "B0 A10", "A0 X5 A6 B10", "A0 X10 B10")
	wantFunnel(t, d, funnelOf("A", "B"), "null: 5 4 | 10")
	p := funnelOf("A", "B")
	p.Order = query.Strict
	wantFunnel(t, d, p, "null: 5 3 | 8")
}

func TestUnorderedCountsDifferentStepsInOneWindow(t *testing.T) {
	d := day("C0 A10 B20", "B0 B10 A20", "A0 B61 C62", "C1439 A1450")
	p := funnelOf("A", "B", "C")
	p.Order = query.Unordered
	wantFunnel(t, d, p, "null: 4 4 1 | 10.5 10")
}

func TestOneEventIsOneStep(t *testing.T) {
	for _, order := range []query.Order{query.Ordered, query.Strict, query.Unordered} {
		p := funnelOf("A", "A")
		p.Order = order
		wantFunnel(t, day("A0", "A0 A5", "A7 A7"), p, "null: 3 2 | 2.5")
	}
}

func TestEqualTimesAreInTheOrderOfTheStepsUnlessTiesAreStrict(t *testing.T) {
	p := funnelOf("B", "A")
	wantFunnel(t, day("A5 B5"), p, "null: 1 1 | 0")
	p.TiesStrict = true
	wantFunnel(t, day("A5 B5", "A5 B5 A6"), p, "null: 2 1 | 1")
}

func TestGraceLetsALaterStepBeALittleEarlier(t *testing.T) {
	d := day("B4.98 A5", "B4.9 A5")
	wantFunnel(t, d, funnelOf("A", "B"), "null: 2 0 | NaN")
	p := funnelOf("A", "B")
	p.Grace = 2e6
	wantFunnel(t, d, p, "null: 2 1 | -0.02")
}

func TestAnExclusionEndsTheAttemptAndNotAnotherOne(t *testing.T) {
	p := funnelOf("A", "B", "C")
	p.Exclude = []query.Exclusion{{Match: event("X"), After: 0, Before: 1}}
	wantFunnel(t, day("A0 X5 B10 C15"), p, "null: 1 0 0 | NaN NaN")
	wantFunnel(t, day("A0 X5 A6 B10 C15", "A0 B10 X12 C15", "A0 X0 B10", "A0 X10 B10"), p, "null: 4 4 2 | 8.5 5")
	p.LeaveFunnel = true
	wantFunnel(t, day("A0 X5 A6 B10 C15", "A0 B10 X12 C15"), p, "null: 1 1 1 | 10 5")
}

func TestALaterStepGetsPastAnExclusion(t *testing.T) {
	p := funnelOf("A", "B", "C")
	p.Exclude = []query.Exclusion{{Match: event("X"), After: 1, Before: 2}}
	wantFunnel(t, day("A0 B5 X10 B15 C20"), p, "null: 1 1 1 | 15 5")
}

func TestAnOptionalStepGetsPastAnExclusion(t *testing.T) {
	p := funnelOf("A", "B?", "C", "D")
	p.Exclude = []query.Exclusion{{Match: event("X"), After: 1, Before: 3}}
	wantFunnel(t, day("A0 C5 X10 B15 C20 D25"), p, "null: 1 1 1 1 | 15 5 5")
	wantFunnel(t, day("A0 C5 B15 C20 D25"), p, "null: 1 0 1 1 | NaN 5 20")
}

func TestAnExclusionBeginsWithTheLastStepThatIsThere(t *testing.T) {
	p := funnelOf("A", "B", "C?", "D")
	p.Exclude = []query.Exclusion{{Match: event("X"), After: 2, Before: 3}}
	wantFunnel(t, day("A0 B5 X10 B15 D20"), p, "null: 1 1 0 1 | 15 NaN 5")
}

func TestAnOptionalStepIsTakenIfItComesBeforeTheNext(t *testing.T) {
	p := funnelOf("A", "B?", "C")
	wantFunnel(t, day("A0 B5 C10", "A0 C10", "A0 C10 B12"), p, "null: 3 1 3 | 5 8.333333")
	a := ask(t, day("A0 B5 C10", "A0 C10"), &query.Plan{Funnel: p}).Groups[0].Steps
	same(t, "of the optional step", a[1].FromPrevious, query.Real(0.5))
	same(t, "of the step after it, from the last that must be", a[2].FromPrevious, query.Real(1))
}

func TestTheLastStepMayBeOptional(t *testing.T) {
	wantFunnel(t, day("A0 B5", "A0 C7"), funnelOf("A", "B", "C?"), "null: 2 1 0 | 5 NaN")
	wantFunnel(t, day("A0 B5", "A0 C7"), funnelOf("A", "B?", "C?"), "null: 2 1 1 | 5 7")
}

func TestTotalsCountEveryAttemptThatDoesNotOverlap(t *testing.T) {
	p := funnelOf("A", "B")
	p.Counting = query.CountTotals
	wantFunnel(t, day("A0 A5 B10 A10 A11 B20"), p, "null: 2 2 | 9.5") // A10 is at the end, not after it
	wantFunnel(t, day("A0 A60 A61"), p, "null: 2 0 | NaN")            // the window's end is inside
	p.Exclude = []query.Exclusion{{Match: event("X"), After: 0, Before: 1}}
	wantFunnel(t, day("A0 X5 A5 A6 B7"), p, "null: 2 1 | 1")
}

func TestTotalsInASessionEndWithItsLastEvent(t *testing.T) {
	p := funnelOf("A", "B")
	p.Counting, p.Window, p.WindowSession = query.CountTotals, 0, true
	wantFunnel(t, day("A0:1 A5:2 B6:2 Z7:1 A8:3 B9:3"), p, "null: 2 1 | 1")
	wantFunnel(t, day("A0:1 A5:2 B6:2 A8:3 B9:3"), p, "null: 3 2 | 1")
	wantFunnel(t, day("A0 B1 A2"), p, "null: 2 0 | NaN") // without a session
}

func TestEachSessionIsItsOwnStream(t *testing.T) {
	p := funnelOf("A", "B")
	p.Counting = query.CountSessions
	wantFunnel(t, day("A0:1 A1:2 B5:2 B6:3 A7 B8"), p, "null: 2 1 | 4")
}

func TestASessionAsTheWindow(t *testing.T) {
	p := funnelOf("A", "B")
	p.Window, p.WindowSession = 0, true
	wantFunnel(t, day("A0:1 B1:2", "A0:1 B700:1", "A0 B1"), p, "null: 3 1 | 700")
}

func TestHoldConstantDividesStreams(t *testing.T) {
	p := funnelOf("A", "B")
	p.HoldConstant = []query.Ref{onEvent("x"), onUser("y")}
	wantFunnel(t, day("A0/red B5/blue", "A0/red A1 B5/red B8", "A0 B9"), p, "null: 3 2 | 7")
	p.Counting = query.CountTotals
	wantFunnel(t, day("A0/red B5/blue", "A0/red A1 B5/red B8", "A0 B9"), p, "null: 4 3 | 7")
}

func TestTheBreakdownsValueIsThatOfAStep(t *testing.T) {
	d := day("A0 B5/red C10/blue", "A0/red B5 C10", "A0")
	for _, c := range []struct {
		touch query.Touch
		step  int
		want  []string
	}{
		{query.FirstTouch, 0, []string{"red: 2 2 2 | 5 5", "null: 1 0 0 | NaN NaN"}},
		{query.LastTouch, 0, []string{"blue: 1 1 1 | 5 5", "red: 1 1 1 | 5 5", "null: 1 0 0 | NaN NaN"}},
		{query.TouchStep, 1, []string{"null: 2 1 1 | 5 5", "red: 1 1 1 | 5 5"}},
		{query.AllSteps, 0, []string{"null: 2 0 0 | NaN NaN", "red: 1 0 0 | NaN NaN"}},
	} {
		p := funnelOf("A", "B", "C")
		p.Breakdown = &query.FunnelBreakdown{Breakdown: query.Breakdown{By: onEvent("x"), Limit: 5}, Attribution: c.touch, AtStep: c.step}
		wantFunnel(t, d, p, c.want...)
	}
}

func TestOfEventsOfOneTimeTheFirstByTextSaysTheValue(t *testing.T) {
	p := funnelOf("A", "B")
	p.Breakdown = &query.FunnelBreakdown{Breakdown: query.Breakdown{By: onEvent("x"), Limit: 5}}
	wantFunnel(t, day("A0 A0/pink A0/blue B5"), p, "blue: 1 1 | 5")
	p.Grace = 1 // which the search answers
	wantFunnel(t, day("A0 A0/pink A0/blue B0/red B5"), p, "blue: 1 1 | 0")
}

func TestFunnelGroupsAreRankedAndTheRestIsOther(t *testing.T) {
	d := day("A0/c", "A0/b B4", "A0/b B6", "A0", "A0/d B1", "A0/a")
	p := funnelOf("A", "B")
	p.Breakdown = &query.FunnelBreakdown{Breakdown: query.Breakdown{By: onEvent("x"), Limit: 2}}
	wantFunnel(t, d, p, "b: 2 2 | 5", "a: 1 0 | NaN", "$other: 3 1 | 1")
	same(t, "truncated", ask(t, d, &query.Plan{Funnel: p}).Truncated, true)
	p.Breakdown.Limit = 5
	same(t, "truncated", ask(t, d, &query.Plan{Funnel: p}).Truncated, false)
	wantFunnel(t, d, p, "b: 2 2 | 5", "a: 1 0 | NaN", "c: 1 0 | NaN", "d: 1 1 | 1", "null: 1 0 | NaN")
	wantFunnel(t, day("B0"), p)
}

func TestTheBreakdownMayBeThePersons(t *testing.T) {
	d := day("A0 B5", "A0", "A0 B7", "A0")
	d.traits = map[uint32]map[string]string{1: {"plan": "pro"}, 2: {"plan": "pro"}, 4: {"plan": "free"}}
	p := funnelOf("A", "B")
	p.Breakdown = &query.FunnelBreakdown{Breakdown: query.Breakdown{By: onUser("plan"), Limit: 5}}
	wantFunnel(t, d, p, "pro: 2 1 | 5", "free: 1 0 | NaN", "null: 1 1 | 7")
	p.Breakdown.Attribution = query.AllSteps
	wantFunnel(t, d, p, "pro: 2 1 | 5", "free: 1 0 | NaN", "null: 1 1 | 7")
}

func TestConversionOverTimeIsByTheStart(t *testing.T) {
	p := funnelOf("A", "B")
	p.Range.To += 2 * dayLong
	by := daily("2026-10-05", 3)
	p.By = &by
	got := ask(t, day("A0 B5", "A1439 B1441", "A1440"), &query.Plan{Funnel: p}).Groups[0].OverTime
	for i, want := range []string{"{2026-10-05 [2 2] 1}", "{2026-10-06 [1 0] 0}", "{2026-10-07 [0 0] NaN}"} {
		same(t, "bucket", fmt.Sprint(got[i]), want)
	}
}

func TestTimesAreExact(t *testing.T) {
	p := funnelOf("A", "B")
	steps := ask(t, day("A0 B1", "A0 B2", "A0 B4", "A0 B9", "A0"), &query.Plan{Funnel: p}).Groups[0].Steps
	same(t, "average", steps[1].AvgSeconds, query.Real(240))
	same(t, "median of four", steps[1].MedianSeconds, query.Real(180))
	same(t, "from start", steps[1].FromStart, query.Real(0.8))
	same(t, "at step 1", fmt.Sprint(steps[0]), "{A 5 1 1 NaN NaN}")
	steps = ask(t, day("A0 B1", "A0 B2", "A0 B9"), &query.Plan{Funnel: p}).Groups[0].Steps
	same(t, "median of three", steps[1].MedianSeconds, query.Real(120))
	steps = ask(t, day("B0"), &query.Plan{Funnel: p}).Groups[0].Steps
	same(t, "of nobody", fmt.Sprint(steps), "[{A 0 NaN NaN NaN NaN} {B 0 NaN NaN NaN NaN}]")
}

func TestAveragesOfMoreThan64BitsHold(t *testing.T) {
	times := slices.Repeat([]weir.Micros{math.MaxInt64 / 2}, 5)
	same(t, "average", averageSeconds(times), query.Real(float64(math.MaxInt64/2)/1e6))
}

func TestExplainOfAFunnelNamesWhoIsCounted(t *testing.T) {
	d := day("A0/b B5", "A0/b", "B5", "A0/a B1", "A0/c", "A0 B1")
	p := funnelOf("A", "B")
	persons := func(e query.Explain) []uint32 {
		return ask(t, d, &query.Plan{Funnel: p, Explain: &e}).Persons
	}
	same(t, "step 1", persons(query.Explain{}), []uint32{1, 2, 4, 5, 6})
	same(t, "step 2", persons(query.Explain{Step: 1}), []uint32{1, 4, 6})
	same(t, "dropped", persons(query.Explain{Dropped: true}), []uint32{2, 5})
	same(t, "dropped at the last step", persons(query.Explain{Step: 1, Dropped: true}), []uint32{})
	p.Breakdown = &query.FunnelBreakdown{Breakdown: query.Breakdown{By: onEvent("x"), Limit: 2}}
	group := func(name string) []*string { return []*string{&name} }
	same(t, "a group", persons(query.Explain{Group: group("b")}), []uint32{1, 2})
	same(t, "the rest", persons(query.Explain{Group: group(query.OtherGroup)}), []uint32{5, 6})
	same(t, "a group of the rest", persons(query.Explain{Group: group("c")}), []uint32{})
	p.Breakdown.Limit = 5
	same(t, "without a value", persons(query.Explain{Group: []*string{nil}}), []uint32{6})
	p.Breakdown, p.Counting = nil, query.CountTotals
	d = day("A0 B1 A2 B3 A4", "A0")
	same(t, "each once", persons(query.Explain{Step: 1}), []uint32{1})
	same(t, "with an attempt that failed", persons(query.Explain{Dropped: true}), []uint32{1, 2})
}

func TestAFunnelReadsNoMoreThanItNeeds(t *testing.T) {
	p := funnelOf("A", "B")
	p.Grace = minuteLong
	p.Exclude = []query.Exclusion{{Match: event("X"), After: 0, Before: 1}}
	from, to := p.Range.From, p.Range.To
	spans := func() (all []string) {
		for _, m := range newFunnel(p, nil).request().Marks {
			name := "*"
			if len(m.Events) > 0 {
				name = m.Events[0]
			}
			text := fmt.Sprintf("%s from%+d", name, (m.From-from)/minuteLong)
			if m.To == query.TimeMax {
				text += " on"
			} else {
				text += fmt.Sprintf(" to%+d", (m.To-to)/minuteLong)
			}
			all = append(all, text)
		}
		return all
	}
	same(t, "ordered", spans(), []string{"A from+0 to+0", "B from-1 to+60", "X from+0 to+60"})
	p.Order = query.Strict
	same(t, "strict", spans(), []string{"A from+0 to+0", "B from-1 to+60", "X from+0 to+60", "* from-1 to+60"})
	p.Order = query.Unordered
	same(t, "unordered", spans(), []string{"A from+0 to+60", "B from+0 to+60"})
	p.Order, p.Window, p.WindowSession, p.Counting = query.Ordered, 0, true, query.CountTotals
	same(t, "by session", spans(), []string{"A from+0 to+0", "B from-1 on", "X from+0 on", "* from+0 on"})
}

// A machine can do in a day what people do in years, and on purpose.
func TestAStreamThatIsMadeForItDoesNotHang(t *testing.T) {
	const n = 20_000
	busy := func(marks func(i int) uint32) []Event {
		events := make([]Event, n)
		for i := range events {
			events[i] = Event{At: clock("2026-10-05 00:00") + weir.Micros(i/3)*1e6, Marks: marks(i)}
		}
		return events
	}
	names := strings.Fields("A B C D E F G H I J K L M N O P Q R S T")
	for _, c := range []struct {
		name   string
		change func(*query.Funnel)
		marks  func(i int) uint32
	}{
		{"each is any step", func(*query.Funnel) {}, func(int) uint32 { return 1<<20 - 1 }},
		{"each is any step but the last", func(*query.Funnel) {}, func(int) uint32 { return 1<<19 - 1 }},
		{"some are", func(p *query.Funnel) { p.Order = query.Unordered }, func(i int) uint32 { return uint32(i*i*7+3) & (1<<19 - 1) }},
		{"overlapping exclusions", func(p *query.Funnel) {
			for i := range 10 {
				p.Exclude = append(p.Exclude, query.Exclusion{After: i, Before: 19})
			}
		}, func(i int) uint32 { return (1<<19 - 1) | uint32(1)<<(20+i%10) }},
		{"overlapping exclusions of single steps", func(p *query.Funnel) {
			p.LeaveFunnel = true
			for i := range 10 {
				p.Exclude = append(p.Exclude, query.Exclusion{After: i, Before: 19})
			}
		}, func(i int) uint32 { return uint32(1) << (i % 19) << (i % 7 / 6 * 11) }},
		{"grace and optional steps", func(p *query.Funnel) {
			p.Grace = 10e6
			for i := 1; i < 19; i += 2 {
				p.Steps[i].Optional = true
			}
		}, func(i int) uint32 { return 3 << (i * 5 % 18) }},
		{"strict with grace", func(p *query.Funnel) { p.Order, p.Grace = query.Strict, 10e6 }, func(i int) uint32 { return 1<<20 | 7<<(i*5%17) }},
		{"exclusions between all", func(p *query.Funnel) {
			for i := range 10 {
				p.Exclude = append(p.Exclude, query.Exclusion{After: i, Before: i + 9})
			}
		}, func(i int) uint32 { return uint32(1)<<(i*5%19) | uint32(1)<<(20+i%10) }},
		{"all leave in the end", func(p *query.Funnel) {
			p.LeaveFunnel = true
			p.Exclude = append(p.Exclude, query.Exclusion{After: 18, Before: 19})
		}, func(i int) uint32 { return uint32(1) << (i % 18) << (i / (n - 1) * 3) }},
		{"sessions", func(p *query.Funnel) { p.WindowSession, p.Counting = true, query.CountTotals }, func(int) uint32 { return 3 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := funnelOf(names...)
			p.Window = dayLong
			c.change(p)
			f := newFunnel(p, nil)
			events := busy(c.marks)
			if p.WindowSession {
				for i := range events {
					events[i].Session = uint32(i * 7 % 5000)
				}
			}
			began := time.Now()
			f.add(Person{}, events, nil)
			f.answer(nil)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("one person took %v", took)
			} else {
				t.Log(took)
			}
		})
	}
}

// Nineteen events of one time cannot be twenty steps, but there are very many ways to
// find that out.
func TestTheSearchGivesUpWhereItMust(t *testing.T) {
	p := funnelOf(strings.Fields("A B C D E F G H I J K L M N O P Q R S T")...)
	events := make([]Event, 19)
	for i := range events {
		events[i] = Event{At: p.Range.From, Marks: f20 &^ (2 << i)} // each is any step but one
	}
	f := newFunnel(p, nil).(*funnel)
	f.add(Person{}, events, nil)
	if f.search.left > 0 {
		t.Errorf("the search ended %d tries before its limit; the test is to reach it", f.search.left)
	}
	if got := f.tally.group(0).counts[18]; got != 1 {
		t.Errorf("%d came to step 19, want 1", got)
	}
}

// f20 are the marks of 20 steps.
const f20 = uint32(1<<20 - 1)

// BenchmarkFunnel folds a million events of 20,000 persons, an event every hour or so.
func BenchmarkFunnel(b *testing.B) {
	names := strings.Fields("A B C D E F G H I J K L")
	bench := func(name string, steps int, change func(*query.Funnel)) {
		b.Run(name, func(b *testing.B) {
			p := funnelOf(names[:steps]...)
			p.Range.To += 60 * dayLong
			p.Window = 14 * dayLong
			change(p)
			random := rand.New(rand.NewPCG(5, 6))
			marks := steps + len(p.Exclude)
			people := make([][]Event, 20_000)
			for i := range people {
				at := p.Range.From
				for range 50 {
					at += weir.Micros(random.Int64N(int64(2 * hourLong)))
					people[i] = append(people[i], Event{At: at, Marks: 1 << random.IntN(marks), Session: uint32(at/dayLong) + 1})
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				f := newFunnel(p, nil)
				for i, events := range people {
					f.add(Person{Number: uint32(i)}, events, nil)
				}
				f.answer(nil)
			}
		})
	}
	bench("3 steps", 3, func(*query.Funnel) {})
	bench("12 steps", 12, func(*query.Funnel) {})
	bench("12 steps unordered", 12, func(p *query.Funnel) { p.Order = query.Unordered })
	bench("12 steps with grace", 12, func(p *query.Funnel) { p.Grace = 2e6 })
	bench("12 steps strict", 12, func(p *query.Funnel) { p.Order = query.Strict })
	bench("12 steps with an exclusion", 12, func(p *query.Funnel) { p.Exclude = []query.Exclusion{{After: 0, Before: 11}} })
	bench("12 steps in a session", 12, func(p *query.Funnel) { p.Window, p.WindowSession = 0, true })
	bench("12 steps, totals", 12, func(p *query.Funnel) { p.Counting = query.CountTotals })
}
