package oracle_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

// stories are small worlds in which much happens at the same time: at most 10
// events of each of 3 persons within two hours.
func stories() *rapid.Generator[[]weir.Event] {
	return rapid.Custom(func(t *rapid.T) []weir.Event {
		var events []weir.Event
		for person := range uint32(3) {
			for range rapid.IntRange(0, 10).Draw(t, "events") {
				e := weir.Event{
					Person: person + 1,
					Name:   rapid.SampledFrom([]string{"A", "B", "C", "X"}).Draw(t, "name"),
					Time:   weir.Micros(rapid.IntRange(0, 24).Draw(t, "at")) * 5 * minute,
				}
				if s := rapid.Uint32Range(0, 2).Draw(t, "session"); s > 0 {
					e.Session = person*2 + s
				}
				if p := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "p"); p != "" {
					e.Properties = []weir.Property{{Name: "p", Value: weir.Text(p)}}
				}
				events = append(events, e)
			}
		}
		return events
	})
}

// funnels are funnels over those two hours, with any options that go together.
func funnels() *rapid.Generator[*query.Funnel] {
	return rapid.Custom(func(t *rapid.T) *query.Funnel {
		f := &query.Funnel{
			Range:         query.Span{From: 0, To: weir.Micros(rapid.IntRange(1, 3).Draw(t, "hours")) * hour},
			Window:        weir.Micros(rapid.IntRange(1, 12).Draw(t, "window")) * 5 * minute,
			WindowSession: rapid.IntRange(0, 3).Draw(t, "by session") == 0,
			Order:         query.Order(rapid.IntRange(0, 2).Draw(t, "order")),
			Entry:         query.Entry(rapid.IntRange(0, 2).Draw(t, "entry")),
			Counting:      query.Counting(rapid.IntRange(0, 2).Draw(t, "counting")),
		}
		for i := range rapid.IntRange(2, 4).Draw(t, "steps") {
			name := rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "step")
			optional := f.Order != query.Unordered && i > 0 && rapid.IntRange(0, 3).Draw(t, "optional") == 0
			f.Steps = append(f.Steps, query.Step{Name: name, Match: match(name), Optional: optional})
		}
		if rapid.Bool().Draw(t, "hold") {
			f.HoldConstant = []query.Ref{{On: query.OnEvent, Name: "p"}}
		}
		if f.Order == query.Unordered {
			return f
		}
		if f.TiesStrict = rapid.Bool().Draw(t, "ties strict"); !f.TiesStrict {
			f.Grace = weir.Micros(rapid.IntRange(0, 2).Draw(t, "grace")) * 5 * minute
		}
		for range rapid.IntRange(0, 2).Draw(t, "exclusions") {
			after := rapid.IntRange(0, len(f.Steps)-2).Draw(t, "after")
			before := rapid.IntRange(after+1, len(f.Steps)-1).Draw(t, "before")
			f.Exclude = append(f.Exclude, query.Exclusion{Match: match("X"), After: after, Before: before})
		}
		f.LeaveFunnel = rapid.Bool().Draw(t, "leave")
		return f
	})
}

func stepsOf(f *query.Funnel, events []weir.Event) []query.StepAnswer {
	return oracle.Ask(&query.Plan{Funnel: f}, events, nil).Groups[0].Steps
}

// TestFunnelsHangTogether holds what must be true of every funnel.
func TestFunnelsHangTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, events := funnels().Draw(t, "funnel"), stories().Draw(t, "story")
		plan := &query.Plan{Funnel: f}
		answer := oracle.Ask(plan, events, nil)
		base := answer.Groups[0].Steps[0].Count
		for i, s := range answer.Groups[0].Steps {
			if s.Count > base || s.FromPrevious > 1 {
				t.Fatalf("step %d has %d of %d", i, s.Count, base)
			}
			if !f.Steps[i].Optional {
				base = s.Count
			}
			plan.Explain = &query.Explain{Step: i}
			n := int64(len(oracle.Ask(plan, events, nil).Persons))
			if n > s.Count || n < s.Count && f.Counting == query.CountUsers {
				t.Fatalf("%d persons are behind %d at step %d", n, s.Count, i)
			}
		}
		plan.Explain = nil
		again := oracle.Ask(plan, rapid.Permutation(events).Draw(t, "order"), nil)
		if asJSON(t, again) != asJSON(t, answer) {
			t.Fatalf("in another order %s, and before %s", asJSON(t, again), asJSON(t, answer))
		}
		// Buckets over time and groups by the user share out the whole.
		buckets, err := query.Calendar{Interval: query.Hour}.Divide(f.Range.From, f.Range.To)
		if err != nil {
			t.Fatal(err)
		}
		f.By = &buckets
		f.Breakdown = &query.FunnelBreakdown{Breakdown: query.Breakdown{By: query.Ref{On: query.OnUser, Name: "p"}, Limit: 1}}
		people := []weir.Person{{Number: 1, Traits: []weir.Property{{Name: "p", Value: weir.Text("a")}}}}
		sums := make([]int64, len(f.Steps))
		for _, g := range oracle.Ask(plan, events, people).Groups {
			for _, c := range g.OverTime {
				for i, n := range c.Counts {
					sums[i] += n
				}
			}
		}
		for i, s := range answer.Groups[0].Steps {
			if sums[i] != s.Count {
				t.Fatalf("groups and buckets sum to %v of %+v", sums, answer.Groups[0].Steps)
			}
		}
	})
}

// TestFunnelsGiveWay: what an option allows or forbids can only move counts one way.
func TestFunnelsGiveWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, events := funnels().Draw(t, "funnel"), stories().Draw(t, "story")
		f.Counting, f.Entry, f.LeaveFunnel = query.CountUsers, query.EntryBest, false
		for i := range f.Steps {
			f.Steps[i].Optional = false
		}
		before := stepsOf(f, events)
		what := rapid.SampledFrom([]string{"window", "grace", "strict", "exclusions", "hold"}).Draw(t, "what")
		switch what {
		case "window":
			f.Window *= 2
		case "grace":
			if f.TiesStrict = false; f.Order != query.Unordered {
				f.Grace += 5 * minute
			}
			if f.Order == query.Strict {
				return // an event that grace lets in may be one that may not lie between
			}
		case "strict":
			if f.Order == query.Strict {
				f.Order = query.Ordered
			}
		case "exclusions":
			f.Exclude = nil
		case "hold":
			f.HoldConstant = nil
			if f.Order == query.Strict {
				return // events of another value lie between then
			}
			f.Exclude = nil // and so they do with exclusions
		}
		after := stepsOf(f, events)
		for i := range before {
			if after[i].Count < before[i].Count {
				t.Fatalf("%s: %s, and before %s", what, asJSON(t, after), asJSON(t, before))
			}
		}
	})
}

// TestUnorderedIsEveryOrder: an unordered funnel is the same for its steps in any
// order, and at least what each order of them finds.
func TestUnorderedIsEveryOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, events := funnels().Draw(t, "funnel"), stories().Draw(t, "story")
		f.Order, f.Counting, f.Entry = query.Unordered, query.CountUsers, query.EntryBest
		f.Exclude, f.Grace, f.TiesStrict = nil, 0, false
		for i := range f.Steps {
			f.Steps[i].Optional = false
		}
		unordered := stepsOf(f, events)
		f.Steps = rapid.Permutation(f.Steps).Draw(t, "steps")
		other := stepsOf(f, events)
		f.Order = query.Ordered
		ordered := stepsOf(f, events)
		for i := range unordered {
			if unordered[i].Count != other[i].Count || ordered[i].Count > unordered[i].Count {
				t.Fatalf("step %d: %d, with other names %d, in order %d", i, unordered[i].Count, other[i].Count, ordered[i].Count)
			}
		}
	})
}

// TestRetentionHangsTogether holds what must be true of retention: explanations have
// the length of their number, groups share out the whole, and on or after never
// falls short of on.
func TestRetentionHangsTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := stories().Draw(t, "story")
		cohorts, err := query.Calendar{Interval: query.Hour}.Divide(0, 3*hour)
		if err != nil {
			t.Fatal(err)
		}
		r := &query.Retention{Start: match("A"), Return: match("B", "A"), Cohorts: cohorts, Periods: 2,
			FirstTime: rapid.Bool().Draw(t, "first"), Rolling: rapid.Bool().Draw(t, "rolling"), Width: hour, Now: 4 * hour}
		for i := range weir.Micros(8) {
			r.Edges = append(r.Edges, i*hour)
		}
		plan := &query.Plan{Retention: r}
		answer := oracle.Ask(plan, events, nil)
		r.OnOrAfter = true
		later := oracle.Ask(plan, events, nil)
		r.OnOrAfter = false
		for c, cohort := range answer.Cohorts {
			for n := -1; n <= r.Periods; n++ {
				want := query.Real(cohort.Size)
				if n >= 0 {
					want = cohort.Counts[n]
				}
				plan.Explain = &query.Explain{Cohort: c, Period: n}
				if got := len(oracle.Ask(plan, events, nil).Persons); want == want && query.Real(got) != want {
					t.Fatalf("%d persons are behind %v in cohort %d, period %d", got, want, c, n)
				}
				if n >= 0 && later.Cohorts[c].Counts[n] < want {
					t.Fatalf("on or after is less than on in cohort %d, period %d", c, n)
				}
			}
		}
		plan.Explain = nil
		r.Breakdown = &query.Breakdown{By: query.Ref{On: query.OnEvent, Name: "p"}, Limit: 1}
		sizes := make([]int64, len(answer.Cohorts))
		for _, g := range oracle.Ask(plan, events, nil).Groups {
			for c, cohort := range g.Cohorts {
				sizes[c] += cohort.Size
			}
		}
		for c, cohort := range answer.Cohorts {
			if sizes[c] != cohort.Size {
				t.Fatalf("groups of cohort %d have %d of %d", c, sizes[c], cohort.Size)
			}
		}
	})
}

// TestFlowsHangTogether: what goes into a node goes on from it, and edges by user
// are as many as the persons behind them.
func TestFlowsHangTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := stories().Draw(t, "story")
		f := &query.Flows{Range: query.Span{From: 0, To: 3 * hour}, Steps: 4, Limit: 1000, PerUser: rapid.Bool().Draw(t, "per user"), Gap: 10 * minute}
		plan := &query.Plan{Flows: f}
		in, out := map[query.Node]int64{}, map[query.Node]int64{}
		for _, e := range oracle.Ask(plan, events, nil).Edges {
			in[e.To] += e.Count
			out[e.From] += e.Count
			plan.Explain = &query.Explain{From: &e.From, To: &e.To}
			if n := int64(len(oracle.Ask(plan, events, nil).Persons)); n > e.Count || f.PerUser && n < e.Count {
				t.Fatalf("%d persons are behind %+v", n, e)
			}
			plan.Explain = nil
		}
		for node, n := range in {
			if node.Step < f.Steps && node.Node != query.ExitNode && out[node] != n {
				t.Fatalf("%d go to %+v and %d on", n, node, out[node])
			}
		}
	})
}

// TestDistributionsHangTogether: every value is in one bin, between its bounds.
func TestDistributionsHangTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []weir.Event
		for i, v := range rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 0, 20).Draw(t, "values") {
			events = append(events, weir.Event{Person: uint32(i), Properties: []weir.Property{{Name: "v", Value: weir.Num(v)}}})
		}
		d := &query.Distribution{Range: query.Span{From: 0, To: 1}, Property: &query.Ref{On: query.OnEvent, Name: "v"}, Bins: rapid.IntRange(1, 30).Draw(t, "bins")}
		answer := oracle.Ask(&query.Plan{Distribution: d}, events, nil)
		var sum int64
		for i, b := range answer.Bins {
			sum += b.Count
			persons := oracle.Ask(&query.Plan{Distribution: d, Explain: &query.Explain{Bin: i}}, events, nil).Persons
			if int64(len(persons)) != b.Count {
				t.Fatalf("%d persons are behind %+v", len(persons), b)
			}
		}
		if sum != int64(len(events)) || answer.Stats.Count != sum {
			t.Fatalf("bins have %d of %d, and stats %d", sum, len(events), answer.Stats.Count)
		}
		if n := len(answer.Bins); n > 0 && fmt.Sprint(answer.Bins[0].From, answer.Bins[n-1].To) != fmt.Sprint(answer.Stats.Min, answer.Stats.Max) {
			t.Fatalf("bins %+v are not from %v to %v", answer.Bins, answer.Stats.Min, answer.Stats.Max)
		}
	})
}
