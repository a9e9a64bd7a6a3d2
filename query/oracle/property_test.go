package oracle_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

// data is a random small world: few names and values, so that they meet.
type data struct {
	plan   *query.Plan
	events []weir.Event
	people []weir.Person
}

func values() *rapid.Generator[weir.Value] {
	return rapid.SampledFrom([]weir.Value{
		{}, weir.Text(""), weir.Text("a"), weir.Text("A"), weir.Text("5"), weir.Num(5), weir.Num(-0.5), weir.Boolean(true), weir.Text("true"),
		weir.Raw(`["a",5]`), weir.Raw(`[]`), weir.Raw(`{"a":5}`), weir.Text("2026-03-29T01:30:00Z"), weir.Text("2026-03-29"),
	})
}

func properties() *rapid.Generator[[]weir.Property] {
	return rapid.Custom(func(t *rapid.T) []weir.Property {
		var list []weir.Property
		for _, name := range []string{"p", "q"} {
			if rapid.Bool().Draw(t, "has") {
				list = append(list, weir.Property{Name: name, Value: values().Draw(t, "value")})
			}
		}
		return list
	})
}

func predicates(depth int) *rapid.Generator[query.Predicate] {
	return rapid.Custom(func(t *rapid.T) query.Predicate {
		kind := rapid.IntRange(0, 9).Draw(t, "kind")
		if depth == 0 {
			kind = 9
		}
		parts := func() []query.Predicate {
			return rapid.SliceOfN(predicates(depth-1), 0, 3).Draw(t, "parts")
		}
		switch kind {
		case 0:
			return query.All(parts())
		case 1:
			return query.Any(parts())
		case 2:
			return query.Not{Of: predicates(depth-1).Draw(t, "part")}
		}
		c := &query.Compare{Property: refs().Draw(t, "ref"), Op: query.Op(rapid.IntRange(0, 5).Draw(t, "op"))}
		c.Text = []string{rapid.SampledFrom([]string{"", "a", "5", "true"}).Draw(t, "text")}
		c.Low, c.High = rapid.Float64Range(-1, 5).Draw(t, "low"), 5
		c.LowOpen, c.HighOpen = rapid.Bool().Draw(t, "open"), rapid.Bool().Draw(t, "open")
		c.From, c.To, c.FromDay, c.ToDay = query.TimeMin, query.TimeMax, query.TimeMin, query.TimeMax
		return c
	})
}

func refs() *rapid.Generator[query.Ref] {
	return rapid.Custom(func(t *rapid.T) query.Ref {
		return query.Ref{
			On:   rapid.SampledFrom([]query.Scope{query.OnEvent, query.OnUser, query.OnSession}).Draw(t, "on"),
			Name: rapid.SampledFrom([]string{"p", "q", "zzz"}).Draw(t, "name"),
		}
	})
}

func worlds() *rapid.Generator[data] {
	return rapid.Custom(func(t *rapid.T) data {
		zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Europe/Paris", "Australia/Lord_Howe"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		interval := rapid.SampledFrom([]query.Interval{query.Hour, query.Day, query.Week, query.Month}).Draw(t, "interval")
		start := weir.Micros(time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC).UnixMicro())
		from := start + weir.Micros(rapid.Int64Range(0, 86400).Draw(t, "from"))*1e6
		to := from + weir.Micros(rapid.Int64Range(1, 12*86400).Draw(t, "length"))*1e6
		buckets, err := query.Calendar{Interval: interval, Zone: zone}.Divide(from, to)
		if err != nil {
			t.Fatal(err)
		}
		trends := &query.Trends{Period: query.Period{Buckets: buckets}}
		for i, m := range []query.Measure{query.Total, query.Users, query.Sessions} {
			s := query.Series{Name: string(rune('A' + i)), Match: query.Match{Events: rapid.SampledFrom([][]string{nil, {"e"}, {"f"}, {"e", "f"}}).Draw(t, "event")}, Measure: m}
			if rapid.Bool().Draw(t, "where") {
				s.Where = predicates(1).Draw(t, "where")
			}
			trends.Series = append(trends.Series, s)
		}
		if rapid.Bool().Draw(t, "breakdown") {
			trends.Breakdowns = []query.Breakdown{{By: refs().Draw(t, "by"), Limit: rapid.IntRange(1, 12).Draw(t, "limit")}}
		}
		d := data{plan: &query.Plan{Trends: trends}}
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			d.events = append(d.events, weir.Event{
				Time:       start + weir.Micros(rapid.Int64Range(0, 14*24*4).Draw(t, "quarter"))*900e6,
				Name:       rapid.SampledFrom([]string{"e", "f"}).Draw(t, "name"),
				Person:     rapid.Uint32Range(1, 5).Draw(t, "person"),
				Session:    rapid.Uint32Range(0, 3).Draw(t, "session"),
				Properties: properties().Draw(t, "properties"),
			})
		}
		for n := range rapid.Uint32Range(0, 5).Draw(t, "people") {
			d.people = append(d.people, weir.Person{Number: n + 1, Traits: properties().Draw(t, "traits")})
		}
		return d
	})
}

func asJSON(t interface{ Fatal(...any) }, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAnswersHangTogether holds what must be true of every answer, whatever the
// question.
func TestAnswersHangTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := worlds().Draw(t, "world")
		answer := oracle.Ask(d.plan, d.events, d.people)
		for _, s := range answer.Series {
			sum, highest := query.Real(0), query.Real(0)
			for _, v := range s.Values {
				sum, highest = sum+v, max(highest, v)
			}
			if s.Name == "A" && sum != s.Total {
				t.Fatalf("the buckets of %+v do not sum to its total", s)
			}
			if s.Total > sum || s.Total < highest {
				t.Fatalf("the total of %+v is not between the highest bucket and the sum", s)
			}
			if len(s.Values) != len(answer.Buckets) {
				t.Fatalf("%d values in %d buckets", len(s.Values), len(answer.Buckets))
			}
		}
		// The order in which events came says nothing.
		shuffled := rapid.Permutation(d.events).Draw(t, "order")
		if again := oracle.Ask(d.plan, shuffled, d.people); asJSON(t, again) != asJSON(t, answer) {
			t.Fatalf("in another order: %s, and before %s", asJSON(t, again), asJSON(t, answer))
		}
	})
}

// TestConditionAndItsNegationCountAll: every event satisfies either.
func TestConditionAndItsNegationCountAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := worlds().Draw(t, "world")
		d.plan.Trends.Breakdowns = nil
		condition := predicates(2).Draw(t, "condition")
		total := func(p query.Predicate) query.Real {
			d.plan.Trends.Series[0].Where = p
			return oracle.Ask(d.plan, d.events, d.people).Series[0].Total
		}
		if yes, no, all := total(condition), total(query.Not{Of: condition}), total(nil); yes+no != all {
			t.Fatalf("%v and %v of %v", yes, no, all)
		}
	})
}

// TestGroupsShareOutTheWhole: without a limit, the groups of a breakdown sum to
// the series without it.
func TestGroupsShareOutTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := worlds().Draw(t, "world")
		d.plan.Trends.Series = d.plan.Trends.Series[:1]
		d.plan.Trends.Breakdowns = []query.Breakdown{{By: refs().Draw(t, "by"), Limit: 1000}}
		sum := make([]query.Real, len(d.plan.Trends.Buckets.Labels))
		for _, s := range oracle.Ask(d.plan, d.events, d.people).Series {
			for i, v := range s.Values {
				sum[i] += v
			}
		}
		d.plan.Trends.Breakdowns = nil
		if whole := oracle.Ask(d.plan, d.events, d.people).Series[0].Values; !slices.Equal(whole, sum) {
			t.Fatalf("groups sum to %v of %v", sum, whole)
		}
	})
}

// TestEngineAnswersAlike holds an engine that is built as drivers are, of runs
// and an assembler, against the oracle.
func TestEngineAnswersAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := worlds().Draw(t, "world")
		want := oracle.Ask(d.plan, d.events, d.people)
		got, err := engine(d, want)
		if err != nil || asJSON(t, got) != asJSON(t, want) {
			t.Fatalf("engine says %s, %v; oracle %s", asJSON(t, got), err, asJSON(t, want))
		}
	})
}

// engine counts with sets of what it has seen. It finds matching events by
// asking the oracle about one at a time, and takes from it which values are kept.
func engine(d data, kept *query.Answer) (*query.Answer, error) {
	trends, runs := d.plan.Trends, d.plan.Trends.Buckets.Runs()
	groups := map[query.Group]bool{}
	for _, s := range kept.Series {
		if s.Breakdown != nil && (s.Breakdown[0] == nil || *s.Breakdown[0] != query.OtherGroup) {
			groups[groupOf(s.Breakdown)] = true
		}
	}
	type cell struct {
		series, bucket int // bucket -1: the whole range
		group          query.Group
	}
	counts := map[cell]map[string]bool{}
	for i, s := range trends.Series {
		for n, e := range d.events {
			one := &query.Plan{Trends: &query.Trends{Period: query.Period{Buckets: trends.Buckets}, Breakdowns: trends.Breakdowns,
				Series: []query.Series{{Match: s.Match, Measure: query.Total}}}}
			found := oracle.Ask(one, []weir.Event{e}, d.people).Series
			if len(found) == 0 || found[0].Total == 0 || s.Measure == query.Sessions && e.Session == 0 {
				continue
			}
			group := groupOf(found[0].Breakdown)
			if len(trends.Breakdowns) > 0 && !groups[group] {
				group = query.Others
			}
			what := map[query.Measure]string{query.Total: fmt.Sprint("event ", n), query.Users: fmt.Sprint(e.Person), query.Sessions: fmt.Sprint(e.Session)}[s.Measure]
			for _, bucket := range []int{-1, bucketByRuns(runs, e.Time)} {
				c := cell{i, bucket, group}
				if counts[c] == nil {
					counts[c] = map[string]bool{}
				}
				counts[c][what] = true
			}
		}
	}
	a := query.NewAssembler(d.plan)
	for c, seen := range counts {
		line := query.Line{Series: c.series, Groups: query.Groups{c.group}}
		if c.bucket < 0 {
			a.Total(line, query.Real(len(seen)))
		} else {
			a.Value(line, c.bucket, query.Real(len(seen)))
		}
	}
	return a.Answer()
}

func groupOf(breakdown []*string) query.Group {
	if len(breakdown) == 0 || breakdown[0] == nil {
		return query.Group{}
	}
	return query.GroupOf(*breakdown[0])
}

func bucketByRuns(runs []query.Run, at weir.Micros) int {
	for _, r := range runs {
		if r.From <= at && at < r.To {
			return r.First + int((at-r.Start)/r.Width)
		}
	}
	return -2
}
