package journey

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// wide is a span that holds what tests do.
var wide = query.Span{From: clock("2026-01-01 00:00"), To: clock("2027-01-01 00:00")}

// sameAnswer compares by JSON, in which no number is equal to itself.
func sameAnswer(t *testing.T, what string, got, want *query.Answer) {
	t.Helper()
	g, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(g) != string(w) || !slices.Equal(got.Persons, want.Persons) {
		t.Errorf("%s:\n got %s %v\nwant %s %v", what, g, got.Persons, w, want.Persons)
	}
}

// retentionOf is a retention by days from 5 October 2026 on, a Monday, of sign-ups
// that visit; all periods are over.
func retentionOf(cohorts, periods int) *query.Retention {
	return &query.Retention{
		Start: event("signup"), Return: event("visit"),
		Cohorts: daily("2026-10-05", cohorts), Edges: daily("2026-10-05", cohorts+periods).Edges,
		Periods: periods, Width: dayLong, Now: clock("2027-01-01 00:00"),
	}
}

// rows writes cohorts as "size: counts", with a dash for null.
func rows(cohorts []query.Cohort, average []query.Real) []string {
	number := func(r query.Real) string {
		text, _ := r.MarshalJSON()
		return strings.Replace(string(text), "null", "-", 1)
	}
	line := func(of []query.Real) string {
		texts := make([]string, len(of))
		for i, r := range of {
			texts[i] = number(r)
		}
		return strings.Join(texts, " ")
	}
	lines := []string{}
	for _, c := range cohorts {
		lines = append(lines, fmt.Sprintf("%d: %s", c.Size, line(c.Counts)))
	}
	return append(lines, "average: "+line(average))
}

func wantRows(t *testing.T, d *diary, p *query.Retention, want ...string) {
	t.Helper()
	a := ask(t, d, &query.Plan{Retention: p})
	same(t, "retention", rows(a.Cohorts, a.Average), want)
}

func TestMondayEveningToTuesdayMorningIsCalendarDayOneAndRollingDayZero(t *testing.T) {
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2026-10-05 20:00"), name: "signup"},
		{person: 1, at: clock("2026-10-06 06:00"), name: "visit"},
	}}
	p := retentionOf(1, 2)
	wantRows(t, d, p, "1: 0 1 0", "average: 0 1 0")
	p.Rolling = true
	wantRows(t, d, p, "1: 1 0 0", "average: 1 0 0")
}

func TestFebruaryToMarchIsCalendarMonthOne(t *testing.T) {
	months := query.Calendar{Interval: query.Month}
	from := clock("2026-02-01 00:00")
	cohorts, _ := months.Divide(from, clock("2026-03-01 00:00"))
	all, _ := months.Divide(from, clock("2026-05-01 00:00"))
	p := retentionOf(1, 2)
	p.Cohorts, p.Edges = cohorts, all.Edges
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2026-02-25 12:00"), name: "signup"},
		{person: 1, at: clock("2026-03-03 12:00"), name: "visit"},
	}}
	wantRows(t, d, p, "1: 0 1 0", "average: 0 1 0")
}

func TestFirstTimeIsTheFirstEverAndRecurringIsAny(t *testing.T) {
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2020-01-01 00:00"), name: "signup"},
		{person: 1, at: clock("2026-10-05 10:00"), name: "signup"},
		{person: 2, at: clock("2026-10-05 10:00"), name: "signup"},
		{person: 2, at: clock("2026-10-06 10:00"), name: "signup"},
		{person: 2, at: clock("2026-10-06 11:00"), name: "signup"},
		{person: 2, at: clock("2026-10-07 10:00"), name: "visit"},
		{person: 3, at: clock("2026-10-04 23:59"), name: "visit"},
		{person: 3, at: clock("2026-10-05 00:00"), name: "signup"},
		{person: 4, at: clock("2026-10-07 00:00"), name: "signup"}, // after the last cohort
	}}
	p := retentionOf(2, 2)
	p.FirstTime = true
	wantRows(t, d, p, "2: 0 0 1", "0: 0 0 0", "average: 0 0 0.5")
	p.FirstTime = false
	wantRows(t, d, p, "3: 0 0 1", "1: 0 1 0", "average: 0 0.25 0.25")
}

func TestTheStartItselfCountsInPeriodZeroAlone(t *testing.T) {
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2026-10-05 10:00"), name: "visit"},
		{person: 2, at: clock("2026-10-05 10:00"), name: "visit"},
		{person: 2, at: clock("2026-10-06 10:00"), name: "visit"},
	}}
	p := retentionOf(1, 1)
	p.Start = event("visit")
	for range 2 {
		for range 2 {
			wantRows(t, d, p, "2: 2 1", "average: 1 0.5")
			p.OnOrAfter = !p.OnOrAfter
		}
		p.Rolling = !p.Rolling
	}
}

func TestAReturnBeforeTheOwnStartDoesNotCount(t *testing.T) {
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2026-10-05 09:59"), name: "visit"},
		{person: 1, at: clock("2026-10-05 10:00"), name: "signup"},
		{person: 2, at: clock("2026-10-05 10:00"), name: "visit", props: map[string]string{"plan": "a"}},
		{person: 2, at: clock("2026-10-05 10:00"), name: "signup", props: map[string]string{"plan": "b"}},
	}}
	for _, breakdown := range []*query.Breakdown{nil, {By: onEvent("plan"), Limit: 9}} {
		p := retentionOf(1, 0)
		p.Breakdown = breakdown
		for range 2 {
			for range 2 {
				wantRows(t, d, p, "2: 1", "average: 0.5")
				p.OnOrAfter = !p.OnOrAfter
			}
			p.Rolling = !p.Rolling
		}
	}
}

func TestOnOrAfterCountsAllPeriodsUpToTheLastReturn(t *testing.T) {
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2026-10-05 10:00"), name: "signup"},
		{person: 1, at: clock("2026-10-07 09:00"), name: "visit"},
		{person: 2, at: clock("2026-10-05 10:00"), name: "signup"},
		{person: 2, at: clock("2030-01-01 10:00"), name: "visit"}, // without end, and behind now
		{person: 3, at: clock("2026-10-05 10:00"), name: "signup"},
	}}
	p := retentionOf(1, 3)
	wantRows(t, d, p, "3: 0 0 1 0", "average: 0 0 0.3333333333333333 0")
	p.OnOrAfter = true
	wantRows(t, d, p, "3: 2 2 2 1", "average: 0.6666666666666666 0.6666666666666666 0.6666666666666666 0.3333333333333333")
	p.Rolling = true // 47 hours are period 1
	wantRows(t, d, p, "3: 2 2 1 1", "average: 0.6666666666666666 0.6666666666666666 0.3333333333333333 0.3333333333333333")
}

func TestAPeriodThatIsNotOverIsNullAndNotInTheAverage(t *testing.T) {
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2026-10-05 10:00"), name: "signup"},
		{person: 1, at: clock("2026-10-06 09:00"), name: "visit"},
		{person: 2, at: clock("2026-10-06 10:00"), name: "signup"},
		{person: 2, at: clock("2026-10-07 08:00"), name: "visit"},
	}}
	p := retentionOf(3, 1)
	p.Now = clock("2026-10-07 12:00")
	wantRows(t, d, p, "1: 0 1", "1: 0 -", "0: - -", "average: 0 1")
	p.Now = clock("2026-10-08 00:00")
	wantRows(t, d, p, "1: 0 1", "1: 0 1", "0: 0 -", "average: 0 1")
	p.Rolling = true // each a day later: the last of the cohort starts at its end
	wantRows(t, d, p, "1: 1 0", "1: 1 -", "0: - -", "average: 1 0")
}

func TestRetentionReadsNoMoreThanItNeeds(t *testing.T) {
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2026-10-04 10:00"), name: "signup"},
		{person: 1, at: clock("2026-10-04 10:00"), name: "visit"},
		{person: 1, at: clock("2026-10-05 10:00"), name: "signup"},
		{person: 1, at: clock("2026-10-07 10:00"), name: "signup"},
		{person: 1, at: clock("2026-10-07 10:00"), name: "visit"},
		{person: 1, at: clock("2026-10-08 10:00"), name: "visit"},
		{person: 1, at: clock("2026-10-09 10:00"), name: "visit"},
	}}
	given := func(change func(*query.Retention)) int {
		p := retentionOf(2, 2) // starts on 5 and 6, returns up to 8 October
		change(p)
		d.given = 0
		ask(t, d, &query.Plan{Retention: p})
		return d.given
	}
	for _, c := range []struct {
		name   string
		change func(*query.Retention)
		want   int
	}{
		{"the starts in the cohorts and the returns of the periods", func(*query.Retention) {}, 3},
		{"first time, all earlier starts too", func(p *query.Retention) { p.FirstTime = true }, 4},
		{"on or after, all later returns too", func(p *query.Retention) { p.OnOrAfter = true }, 4},
		{"rolling, a day more", func(p *query.Retention) { p.Rolling = true }, 4},
		{"nothing from now on", func(p *query.Retention) { p.Now = clock("2026-10-08 00:00") }, 2},
		{"nothing from now on, rolling", func(p *query.Retention) { p.Now, p.Rolling = clock("2026-10-08 00:00"), true }, 2},
		{"now before the first cohort", func(p *query.Retention) { p.Now = clock("2026-01-01 00:00") }, 1},
		{"one mark for the same events", func(p *query.Retention) { p.Return = event("signup") }, 2},
	} {
		if got := given(c.change); got != c.want {
			t.Errorf("%s: %d rows, want %d", c.name, got, c.want)
		}
	}
}

func TestEqualStartAndReturnAreAskedForOnce(t *testing.T) {
	marks := func(p *query.Retention) int { return len(newFold(&query.Plan{Retention: p}).request().Marks) }
	p := retentionOf(2, 2)
	same(t, "marks of two events", marks(p), 2)
	p.Start = query.Match{Events: []string{"visit"}, Where: where("page", "a")}
	p.Return = query.Match{Events: []string{"visit"}, Where: where("page", "a")}
	same(t, "marks of one event", marks(p), 1)
}

func TestStartAndReturnHaveTheirConditions(t *testing.T) {
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2026-10-05 10:00"), name: "visit", props: map[string]string{"page": "a"}},
		{person: 1, at: clock("2026-10-06 10:00"), name: "visit", props: map[string]string{"page": "b"}},
		{person: 1, at: clock("2026-10-07 10:00"), name: "visit", props: map[string]string{"page": "a"}},
	}}
	p := retentionOf(1, 2)
	p.Start = query.Match{Events: []string{"visit"}, Where: where("page", "a")}
	p.Return = query.Match{Events: []string{"visit"}, Where: where("page", "a")} // equal, not the same
	wantRows(t, d, p, "1: 1 0 1", "average: 1 0 1")
	p.Return.Where = where("page", "b")
	wantRows(t, d, p, "1: 0 1 0", "average: 0 1 0")
}

// groupsDiary has starts of five plans: 3 of b, 2 of a, 2 of null, 1 each of c and d. All
// of the persons with an even number return on the next day.
func groupsDiary() *diary {
	d := &diary{traits: map[uint32]map[string]string{}}
	for i, plan := range []string{"b", "b", "b", "a", "a", "", "", "d", "c"} {
		start := deed{person: uint32(i), at: clock("2026-10-05 10:00"), name: "signup"}
		if plan != "" {
			start.props = map[string]string{"plan": plan}
			d.traits[uint32(i)] = map[string]string{"tier": plan}
		}
		d.deeds = append(d.deeds, start)
		if i%2 == 0 {
			d.deeds = append(d.deeds, deed{person: uint32(i), at: clock("2026-10-06 10:00"), name: "visit", props: map[string]string{"plan": "other"}})
		}
	}
	return d
}

func groupRows(a *query.Answer) map[string][]string {
	all := map[string][]string{}
	for i, g := range a.Groups {
		name := "null"
		if g.Breakdown != nil {
			name = *g.Breakdown
		}
		all[fmt.Sprint(i, " ", name)] = rows(g.Cohorts, g.Average)
	}
	return all
}

func TestRetentionGroupsAreRankedAndTheRestIsOther(t *testing.T) {
	d := groupsDiary()
	for _, by := range []query.Ref{onEvent("plan"), onUser("tier")} {
		p := retentionOf(1, 1)
		p.Breakdown = &query.Breakdown{By: by, Limit: 3}
		a := ask(t, d, &query.Plan{Retention: p})
		same(t, "all", rows(a.Cohorts, a.Average), []string{"9: 0 5", "average: 0 0.5555555555555556"})
		same(t, "groups", groupRows(a), map[string][]string{
			"0 b":      {"3: 0 2", "average: 0 0.6666666666666666"},
			"1 a":      {"2: 0 1", "average: 0 0.5"},
			"2 null":   {"2: 0 1", "average: 0 0.5"},
			"3 $other": {"2: 0 1", "average: 0 0.5"},
		})
		p.Breakdown.Limit = 5
		same(t, "names", slices.Sorted(maps.Keys(groupRows(ask(t, d, &query.Plan{Retention: p})))), []string{"0 b", "1 a", "2 null", "3 c", "4 d"})
	}
}

func TestAPersonsGroupIsThatOfTheirStartInEachCohort(t *testing.T) {
	plan := func(name string) map[string]string { return map[string]string{"plan": name} }
	d := &diary{deeds: []deed{
		{person: 1, at: clock("2026-10-05 10:00"), name: "signup", props: plan("a")},
		{person: 1, at: clock("2026-10-05 11:00"), name: "signup", props: plan("b")},
		{person: 1, at: clock("2026-10-06 10:00"), name: "signup", props: plan("b")},
		{person: 1, at: clock("2026-10-06 11:00"), name: "visit", props: plan("c")},
	}}
	p := retentionOf(2, 1)
	p.Breakdown = &query.Breakdown{By: onEvent("plan"), Limit: 9}
	a := ask(t, d, &query.Plan{Retention: p})
	same(t, "groups", groupRows(a), map[string][]string{
		"0 a": {"1: 0 1", "0: 0 0", "average: 0 1"},
		"1 b": {"0: 0 0", "1: 1 0", "average: 1 0"},
	})
}

func TestNobodyMakesEmptyCohortsAndNoGroups(t *testing.T) {
	p := retentionOf(2, 1)
	wantRows(t, &diary{}, p, "0: 0 0", "0: 0 0", "average: - -")
	p.Breakdown = &query.Breakdown{By: onEvent("plan"), Limit: 9}
	a := ask(t, &diary{}, &query.Plan{Retention: p})
	if a.Groups == nil || len(a.Groups) != 0 || len(a.Cohorts) != 2 {
		t.Errorf("got %+v", a)
	}
	same(t, "labels", []string{a.Cohorts[0].Start, a.Cohorts[1].Start}, []string{"2026-10-05", "2026-10-06"})
}

func TestExplainOfRetentionNamesWhoIsInTheCell(t *testing.T) {
	d := groupsDiary()
	b, other := "b", query.OtherGroup
	for _, by := range []query.Ref{onEvent("plan"), onUser("tier")} {
		p := retentionOf(2, 2)
		p.Now = clock("2026-10-08 00:00")
		p.Breakdown = &query.Breakdown{By: by, Limit: 3}
		for _, c := range []struct {
			explain query.Explain
			want    []uint32
		}{
			{query.Explain{Cohort: 0, Period: -1}, []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8}},
			{query.Explain{Cohort: 0, Period: 0}, []uint32{}},
			{query.Explain{Cohort: 0, Period: 1}, []uint32{0, 2, 4, 6, 8}},
			{query.Explain{Cohort: 1, Period: -1}, []uint32{}},
			{query.Explain{Cohort: 0, Period: 9}, []uint32{}},
			{query.Explain{Cohort: 9, Period: 0}, []uint32{}},
			{query.Explain{Cohort: 0, Period: 1, Group: []*string{&b}}, []uint32{0, 2}},
			{query.Explain{Cohort: 0, Period: 1, Group: []*string{nil}}, []uint32{6}},
			{query.Explain{Cohort: 0, Period: 1, Group: []*string{&other}}, []uint32{8}},
			{query.Explain{Cohort: 0, Period: -1, Group: []*string{&other}}, []uint32{7, 8}},
		} {
			for range 2 { // all return on the second day alone, but for on or after
				for range 2 {
					want := c.want
					if p.OnOrAfter && c.explain.Period == 0 && c.explain.Cohort == 0 {
						want = []uint32{0, 2, 4, 6, 8}
					}
					a := ask(t, d, &query.Plan{Retention: p, Explain: &c.explain})
					same(t, fmt.Sprintf("persons of %+v", c.explain), a.Persons, want)
					p.OnOrAfter = !p.OnOrAfter
				}
				p.Rolling = !p.Rolling
			}
		}
	}
}

func TestExplainOfACellThatIsNotOverNamesNobody(t *testing.T) {
	p := retentionOf(1, 1)
	p.Now = clock("2026-10-06 23:00")
	p.OnOrAfter = true
	a := ask(t, groupsDiary(), &query.Plan{Retention: p, Explain: &query.Explain{Period: 1}})
	same(t, "persons", a.Persons, []uint32{})
}

// slowRetention counts size and periods of a cohort by looking at everything again and
// again.
func slowRetention(p *query.Retention, d *diary, cohort int) (row []int) {
	row = make([]int, p.Periods+2)
	for person := range uint32(20) {
		start, found := weir.Micros(0), false
		for _, e := range d.deeds {
			if e.person != person || !e.matches(p.Start) || found && start <= e.at {
				continue
			}
			if p.FirstTime || e.at >= p.Cohorts.Edges[cohort] && e.at < p.Cohorts.Edges[cohort+1] {
				start, found = e.at, true
			}
		}
		if !found || start < p.Cohorts.Edges[cohort] || start >= p.Cohorts.Edges[cohort+1] {
			continue
		}
		row[0]++
		for n := range p.Periods + 1 {
			from, to := p.Edges[cohort+n], p.Edges[cohort+n+1]
			if p.Rolling {
				from, to = start+weir.Micros(n)*p.Width, start+weir.Micros(n+1)*p.Width
			}
			if slices.ContainsFunc(d.deeds, func(e deed) bool {
				return e.person == person && e.matches(p.Return) && e.at >= max(start, from) && (p.OnOrAfter || e.at < to)
			}) {
				row[1+n]++
			}
		}
	}
	return row
}

func TestRetentionIsWhatLookingAtEverythingCounts(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		d := &diary{}
		for range random.IntN(60) {
			at := clock("2026-10-03 00:00") + weir.Micros(random.Int64N(40))*6*hourLong
			d.deeds = append(d.deeds, deed{person: random.Uint32N(6), at: at, name: []string{"signup", "visit"}[random.IntN(2)]})
		}
		p := retentionOf(4, 4)
		p.FirstTime, p.OnOrAfter, p.Rolling = random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(2) == 0
		if random.IntN(3) == 0 {
			p.Return = p.Start
		}
		a := ask(t, d, &query.Plan{Retention: p})
		for c, got := range a.Cohorts {
			row := slowRetention(p, d, c)
			want := query.Cohort{Start: got.Start, Size: int64(row[0])}
			for _, n := range row[1:] {
				want.Counts = append(want.Counts, query.Real(n))
			}
			same(t, fmt.Sprintf("cohort %d of %+v", c, p), got, want)
			if period := random.IntN(6) - 1; period >= -1 {
				e := ask(t, d, &query.Plan{Retention: p, Explain: &query.Explain{Cohort: c, Period: period}})
				same(t, "persons explained", len(e.Persons), row[1+period])
			}
		}
		if t.Failed() {
			return
		}
	}
}

// stream is a Source of a million events of 20,000 persons over 60 days, in blocks.
type stream struct{ blocks []*Block }

func newStream() *stream {
	random := rand.New(rand.NewPCG(5, 6))
	s := &stream{}
	const size, persons = 2048, 20_000
	from := clock("2026-10-05 00:00")
	for left := 1_000_000; left > 0; left -= size {
		n := min(size, left)
		b := &Block{Person: make([]uint32, n), At: make([]int64, n), Session: make([]uint32, n), Marks: make([]uint32, n), Texts: [][]int32{make([]int32, n)}}
		for i := range n {
			b.Person[i] = random.Uint32N(persons)
			day := random.Int64N(60)
			b.At[i] = int64(from) + day*int64(dayLong) + random.Int64N(int64(2*hourLong))
			b.Session[i] = b.Person[i]*60 + uint32(day) + 1
			b.Marks[i] = 1 + random.Uint32N(3)
			b.Texts[0][i] = random.Int32N(40) * random.Int32N(10)
		}
		s.blocks = append(s.blocks, b)
	}
	return s
}

func (s *stream) Streams() int { return 1 }

func (s *stream) Rows(_ context.Context, r *Request, _, _ int, open func() Sink) error {
	sink := open()
	for _, b := range s.blocks {
		given := *b
		given.Texts = given.Texts[:len(r.Texts)]
		if err := sink(&given); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) Highest() uint32 { return 19_999 }

func (s *stream) Text(number int32) string { return fmt.Sprintf("/page/%03d", number) }

func (s *stream) Visits(context.Context, int, int, func(*eventstore.Visit)) error { return nil }

func (s *stream) People(context.Context, query.Ref, func(uint32, string)) error { return nil }

// benchFold measures a fold alone, and Answer with the collecting.
func benchFold(b *testing.B, p *query.Plan) {
	s := newStream()
	b.Run("answer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Answer(b.Context(), p, s, 1<<30); err != nil {
				b.Fatal(err)
			}
		}
	})
	texts := &Texts{source: s}
	c := newCollector(texts, s.Highest(), 1<<30)
	if err := s.Rows(b.Context(), newFold(p).request(), 0, 1, c.open); err != nil {
		b.Fatal(err)
	}
	var persons []Person
	var events [][]Event
	for person, of := range c.persons() {
		persons, events = append(persons, Person{person, NoText}), append(events, slices.Clone(of))
	}
	b.Run("fold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := newFold(p)
			for i, who := range persons {
				f.add(who, events[i], texts)
			}
			f.answer(texts)
		}
	})
}

func BenchmarkRetention(b *testing.B) {
	for _, c := range []struct {
		name   string
		change func(*query.Retention)
	}{
		{"recurring", func(*query.Retention) {}},
		{"first", func(p *query.Retention) { p.FirstTime = true }},
		{"rolling", func(p *query.Retention) { p.Rolling = true }},
		{"groups", func(p *query.Retention) { p.Breakdown = &query.Breakdown{By: onEvent("page"), Limit: 10} }},
	} {
		p := retentionOf(30, 30)
		c.change(p)
		b.Run(c.name, func(b *testing.B) { benchFold(b, &query.Plan{Retention: p}) })
	}
}
