// Package oracle answers questions the slow and obvious way, in plain Go over
// all events, as SEMANTICS and the comment of package query say. Tests hold the
// engines' answers against it; nothing else uses it.
//
// It shares with package query only the plan, the shape of an answer, and how
// texts read as numbers and times. It does not use query.Assembler or the runs
// of query.Buckets, so that it can judge them too.
package oracle

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// Ask answers a plan over events, people and visits, whose persons are whose they are
// now; only attribution and questions about sessions look at visits. The answer has no AsOf and no
// ElapsedMS. With plan.Explain it has nothing but Persons, which is never nil
// then. It is nil for a plan of SQL. It panics if the plan holds an invalid regular
// expression.
func Ask(plan *query.Plan, events []weir.Event, people []weir.Person, visits ...eventstore.Visit) *query.Answer {
	w := &world{events: events, visits: visits, traits: map[uint32][]weir.Property{}}
	for _, p := range people {
		w.traits[p.Number] = p.Traits
	}
	switch {
	case plan.Trends != nil:
		return w.trends(plan)
	case plan.Funnel != nil:
		return w.funnel(plan.Funnel, plan.Explain)
	case plan.Retention != nil:
		return w.retention(plan.Retention, plan.Explain)
	case plan.Lifecycle != nil:
		return w.lifecycle(plan.Lifecycle, plan.Explain)
	case plan.Stickiness != nil:
		return w.stickiness(plan.Stickiness, plan.Explain)
	case plan.Flows != nil:
		return w.flows(plan.Flows, plan.Explain)
	case plan.Distribution != nil:
		return w.distribution(plan.Distribution, plan.Explain)
	case plan.Attribution != nil:
		return w.attribution(plan.Attribution, plan.Explain)
	}
	return nil
}

// world is all that a question can be about.
type world struct {
	events []weir.Event
	visits []eventstore.Visit
	traits map[uint32][]weir.Property
}

// always is a Span that holds every event.
var always = query.Span{From: math.MinInt64, To: math.MaxInt64}

func (w *world) row(e weir.Event) row {
	return row{world: w, event: e, traits: w.traits[e.Person]}
}

// matching are the events that m chooses in a span.
func (w *world) matching(m query.Match, in query.Span) []row {
	var rows []row
	for _, e := range w.events {
		if r := w.row(e); in.From <= e.Time && e.Time < in.To && r.matches(m) {
			rows = append(rows, r)
		}
	}
	return rows
}

// bucketOf is the index of the bucket that holds the instant, or -1.
func bucketOf(b query.Buckets, at weir.Micros) int {
	for i := range b.Labels {
		if b.Edges[i] <= at && at < b.Edges[i+1] {
			return i
		}
	}
	return -1
}

// row is an event with the current traits of its person.
type row struct {
	world  *world
	event  weir.Event
	traits []weir.Property
}

// value is the property's value, null if it is absent.
func (r row) value(of query.Ref) weir.Value {
	properties := r.event.Properties
	if of.On == query.OnUser {
		properties = r.traits
	}
	for _, p := range properties {
		if p.Name == of.Name {
			return p.Value
		}
	}
	return weir.Value{}
}

// matches reports whether m chooses the row.
func (r row) matches(m query.Match) bool {
	return (len(m.Events) == 0 || slices.Contains(m.Events, r.event.Name)) && r.holds(m.Where)
}

// text is the text form of a property, or none where it is absent or null.
type text struct {
	of   string
	none bool
}

func (r row) text(of query.Ref) text {
	v := r.value(of)
	return text{of: v.String(), none: v.Type == weir.Null}
}

// compare orders texts by bytes, none last.
func (t text) compare(u text) int {
	switch {
	case t == u:
		return 0
	case t.none:
		return 1
	case u.none:
		return -1
	}
	return strings.Compare(t.of, u.of)
}

// pointer is the text as an answer has it.
func (t text) pointer() *string {
	if t.none {
		return nil
	}
	return &t.of
}

// isGroup reports whether an explanation's group is called t. Without one it is
// about all groups.
func isGroup(x *query.Explain, t text) bool {
	if len(x.Group) == 0 {
		return true
	}
	named := text{none: true}
	if x.Group[0] != nil {
		named = text{of: *x.Group[0]}
	}
	return named == t
}

// namesOf says what each text's group is called: the limit texts of the highest
// weight are groups of their own, the rest is OtherGroup. The groups' names come
// in the order of the answer.
func namesOf(weights map[text]int64, limit int) (names map[text]text, order []text) {
	all := slices.SortedFunc(maps.Keys(weights), func(a, b text) int {
		return cmp.Or(cmp.Compare(weights[b], weights[a]), a.compare(b))
	})
	other := text{of: query.OtherGroup}
	names = map[text]text{}
	for i, t := range all {
		names[t] = t
		if i >= limit {
			names[t] = other
		}
		if !slices.Contains(order, names[t]) {
			order = append(order, names[t])
		}
	}
	// A property's own value may be called as the rest is; the rest stands last all
	// the same, and they are one group.
	if i := slices.Index(order, other); i >= 0 && len(all) > limit {
		order = append(slices.Delete(order, i, i+1), other)
	}
	return names, order
}

// byTime orders rows by time, and those of the same time by the text of a property
// of the event, if there is one.
func byTime(by *query.Ref) func(a, b row) int {
	return func(a, b row) int {
		c := cmp.Compare(a.event.Time, b.event.Time)
		if c == 0 && by != nil {
			c = a.text(*by).compare(b.text(*by))
		}
		return c
	}
}

// explained is the answer that names persons.
func explained(persons map[uint32]bool) *query.Answer {
	return &query.Answer{Persons: append([]uint32{}, slices.Sorted(maps.Keys(persons))...)}
}

// seconds is a number of microseconds, divided.
func seconds(micros weir.Micros, by int) query.Real {
	return query.Real(float64(micros) / (float64(by) * 1e6))
}
