package journey

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// counting is a funnel's answer by the definition: what is told of the counted ways of
// each group, in any order.
type counting struct {
	p     *query.Funnel
	texts *Texts
	ways  map[string][]toldWay
}

// toldWay is what the answer is made of: the person, the depth, and the times of the
// steps, -1 of those left out.
type toldWay struct {
	person uint32
	times  []weir.Micros
}

// text is one of an event's texts, "null" if it has none.
func (c *counting) text(e Event, i int) string {
	if n := c.texts.Of(e.Values, i); n != NoText {
		return c.texts.Text(n)
	}
	return "null"
}

// streams are those of a person, each under the name of its unit.
func (c *counting) streams(events []Event) map[[2]string][]Event {
	streams := map[[2]string][]Event{}
	for _, e := range events {
		unit, held := "", ""
		if c.p.Counting == query.CountSessions {
			if e.Session == 0 {
				continue
			}
			unit = fmt.Sprint(e.Session)
		}
		offset := 0
		if c.p.Breakdown != nil {
			offset = 1
			if c.p.Breakdown.Attribution == query.AllSteps {
				held = c.text(e, 0)
			}
		}
		for i := range c.p.HoldConstant {
			held += "," + c.text(e, offset+i)
		}
		key := [2]string{unit, held}
		streams[key] = append(streams[key], e)
	}
	return streams
}

// group is the value of a way.
func (c *counting) group(events []Event, l list) string {
	b := c.p.Breakdown
	if b == nil {
		return "null"
	}
	value := "null"
	for step, i := range l {
		if i < 0 {
			continue
		}
		v := c.text(events[i], 0)
		switch {
		case b.Attribution == query.TouchStep && step == b.AtStep:
			return v
		case b.Attribution == query.TouchStep || v == "null":
		case b.Attribution == query.FirstTouch:
			return v
		default:
			value = v
		}
	}
	return value
}

// earlier reports whether a way counts rather than another of the same unit and group.
func (c *counting) earlier(a, b toldWay) bool {
	start, depth := cmp.Compare(a.times[0], b.times[0]), cmp.Compare(len(b.times), len(a.times))
	switch c.p.Entry {
	case query.EntryBest:
		return cmp.Or(depth, start) < 0
	case query.EntryLatest:
		start = -start
	}
	return cmp.Or(start, depth) < 0
}

func (c *counting) person(who uint32, events []Event) {
	type place struct{ unit, group string }
	best := map[place][]toldWay{}
	streams := c.streams(events)
	for _, key := range slices.SortedFunc(maps.Keys(streams), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		d := definition{f: newFunnel(c.p, nil).(*funnel), events: streams[key]}
		for _, l := range d.counted() {
			w := toldWay{person: who}
			for _, i := range l {
				at := weir.Micros(-1)
				if i >= 0 {
					at = d.events[i].At
				}
				w.times = append(w.times, at)
			}
			p := place{key[0], c.group(d.events, l)}
			if old := best[p]; len(old) == 0 || c.p.Counting == query.CountTotals {
				best[p] = append(old, w)
			} else if c.earlier(w, old[0]) {
				best[p][0] = w
			}
		}
	}
	for p, ways := range best {
		c.ways[p.group] = append(c.ways[p.group], ways...)
	}
}

// line is a group as groupLine writes it, without averages: of equal ways of two
// streams any may count.
func (c *counting) line(group string) string {
	line := group + ":"
	for step := range c.p.Steps {
		n := 0
		for _, w := range c.ways[group] {
			if step < len(w.times) && w.times[step] >= 0 {
				n++
			}
		}
		line += fmt.Sprint(" ", n)
	}
	return line
}

// makeDiary makes up what three persons did in two hours.
func makeDiary(throw dice) *diary {
	d := &diary{}
	x, y := []string{"", "red", "blue"}, []string{"", "1", "2"}
	for range 30 {
		e := deed{person: uint32(1 + throw(3, "person")), name: string(rune('A' + throw(4, "name"))), session: uint32(throw(3, "session"))}
		e.at = clock("2026-10-05 00:00") + weir.Micros(throw(120, "minute"))*minuteLong
		e.props = map[string]string{}
		if v := x[throw(3, "x")]; v != "" {
			e.props["x"] = v
		}
		if v := y[throw(3, "y")]; v != "" {
			e.props["y"] = v
		}
		d.deeds = append(d.deeds, e)
	}
	return d
}

func TestStreamsUnitsAndGroupsAreThoseOfTheDefinition(t *testing.T) {
	for seed := range uint64(testFunnels / 5) {
		throw := fair(seed)
		d := makeDiary(throw)
		p := funnelOf("A", "B?", "C")
		p.Steps[1].Optional = throw(2, "optional") == 0
		p.Window = weir.Micros(1+throw(60, "window")) * minuteLong
		p.Order, p.Entry, p.Counting = query.Order(throw(3, "order")), query.Entry(throw(3, "entry")), query.Counting(throw(3, "counting"))
		if p.Order == query.Unordered {
			p.Steps[1].Optional = false
		}
		if throw(2, "hold") == 0 {
			p.HoldConstant = []query.Ref{onEvent("y")}
		}
		if throw(3, "breakdown") > 0 {
			p.Breakdown = &query.FunnelBreakdown{Breakdown: query.Breakdown{By: onEvent("x"), Limit: 9}, Attribution: query.Touch(throw(4, "touch")), AtStep: throw(3, "step")}
		}
		c := counting{p: p, ways: map[string][]toldWay{}}
		texts, persons, _ := collect(t, d, newFunnel(p, nil).request())
		c.texts = texts
		for who, events := range persons {
			c.person(who, events)
		}
		if p.Breakdown == nil && len(c.ways) == 0 {
			c.ways["null"] = nil
		}
		got := map[string]string{}
		for _, g := range ask(t, d, &query.Plan{Funnel: p}).Groups {
			name := "null"
			if g.Breakdown != nil {
				name = *g.Breakdown
			}
			got[name] = name + ":"
			for _, s := range g.Steps {
				got[name] += fmt.Sprint(" ", s.Count)
			}
		}
		want := map[string]string{}
		for name := range c.ways {
			want[name] = c.line(name)
		}
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: got %v, want %v, of %+v with %+v", seed, got, want, p, p.Breakdown)
		}
	}
}
