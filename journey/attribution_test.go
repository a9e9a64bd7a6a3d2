package journey

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/query"
)

// orders asks for the orders of 5 October 2026.
func orders(model attribution.Model) *query.Attribution {
	return &query.Attribution{
		Match: event("order"), Range: query.Span{From: clock("2026-10-05 00:00"), To: clock("2026-10-06 00:00")}, Orders: true,
		Model: model, HalfLife: 7 * dayLong, Lookback: 30 * dayLong, By: query.ByChannel,
	}
}

// ordered is an order of person 1.
func ordered(at string, cents string) deed {
	return deed{person: 1, at: clock(at), name: "order", props: map[string]string{"$value": cents}}
}

// came are visits of person 1, an hour apart from 4 October on, each by a channel.
func came(channels ...string) []eventstore.Visit {
	var out []eventstore.Visit
	for i, channel := range channels {
		out = append(out, eventstore.Visit{
			Number: uint32(i + 1), ID: fmt.Sprint("v", i+1), Person: 1, StartedAt: clock("2026-10-04 00:00") + weir.Micros(i)*hourLong,
			Channel: channel, Source: attribution.Source{Source: channel},
		})
	}
	return out
}

// credits writes the rows of an answer: "email 0.5 5000".
func credits(a *query.Answer) string {
	var out []string
	for _, row := range a.Rows {
		r, key := row.(query.CreditRow), "null"
		if r.Key != nil {
			key = *r.Key
		}
		out = append(out, fmt.Sprint(key, " ", r.Conversions, " ", r.ValueCents))
	}
	return strings.Join(out, ", ")
}

// The worked examples of SEMANTICS §5.
func TestAttributionOfSixTouches(t *testing.T) {
	d := &diary{deeds: []deed{ordered("2026-10-05 12:00", "10000")}, visits: came("a", "b", "c", "d", "e", "f")}
	for _, c := range []struct {
		model attribution.Model
		want  string
	}{
		{attribution.Position, "a 0.4 4000, f 0.4 4000, b 0.05 500, c 0.05 500, d 0.05 500, e 0.05 500"},
		{attribution.J, "f 0.6 6000, a 0.2 2000, b 0.05 500, c 0.05 500, d 0.05 500, e 0.05 500"},
		{attribution.InverseJ, "a 0.6 6000, f 0.2 2000, b 0.05 500, c 0.05 500, d 0.05 500, e 0.05 500"},
		{attribution.Last, "f 1 10000, a 0 0, b 0 0, c 0 0, d 0 0, e 0 0"},
		{attribution.Participation, "a 1 10000, b 1 10000, c 1 10000, d 1 10000, e 1 10000, f 1 10000"},
	} {
		a := ask(t, d, &query.Plan{Attribution: orders(c.model)})
		same(t, string(c.model), credits(a), c.want)
		want := query.CreditRow{Conversions: 1, ValueCents: 10000, Touchpoints: 6, Roles: query.Roles{Initiator: 1, Assisting: 4, Closer: 1}}
		same(t, string(c.model)+", totals", *a.Totals, want)
	}
}

func TestAttributionOfTwoTouches(t *testing.T) {
	d := &diary{deeds: []deed{ordered("2026-10-05 12:00", "10000")}, visits: came("a", "b")}
	for model, want := range map[attribution.Model]string{
		attribution.Position: "a 0.5 5000, b 0.5 5000", attribution.J: "b 0.75 7500, a 0.25 2500", attribution.InverseJ: "a 0.75 7500, b 0.25 2500",
	} {
		same(t, string(model), credits(ask(t, d, &query.Plan{Attribution: orders(model)})), want)
	}
}

func TestAttributionCountsWhatHasNoTouch(t *testing.T) {
	d := &diary{deeds: []deed{ordered("2026-10-05 12:00", "10000"), ordered("2026-10-05 13:00", "500")}}
	d.deeds[1].props["cancelled_at"] = "2026-10-06T00:00:00Z"
	a := ask(t, d, &query.Plan{Attribution: orders(attribution.Linear)})
	same(t, "rows", credits(a), "null 1 10000")
	same(t, "totals", *a.Totals, query.CreditRow{Conversions: 1, ValueCents: 10000})
	a = ask(t, &diary{}, &query.Plan{Attribution: orders(attribution.Linear)})
	same(t, "of nothing", a.Rows, []any{})
}

// Thirds of three conversions are three whole ones.
func TestAttributionPartsAddUp(t *testing.T) {
	d := &diary{deeds: []deed{ordered("2026-10-05 01:00", "100"), ordered("2026-10-05 02:00", "100"), ordered("2026-10-05 03:00", "100")}, visits: came("a", "a", "a")}
	same(t, "rows", credits(ask(t, d, &query.Plan{Attribution: orders(attribution.Linear)})), "a 3 300")
}

// A visit may begin with the conversion, also in the last instant of the range.
func TestAttributionOfTheLastInstant(t *testing.T) {
	p := orders(attribution.Last)
	d := &diary{deeds: []deed{ordered("2026-10-05 12:00", "100")}, visits: came("a")}
	d.deeds[0].at, d.visits[0].StartedAt = p.Range.To-1, p.Range.To-1
	same(t, "rows", credits(ask(t, d, &query.Plan{Attribution: p})), "a 1 100")
}

// Whatever converted before takes its touches: an order, a goal, or an event that the
// question asks about; not an order that was cancelled.
func TestAttributionAfterThePrevious(t *testing.T) {
	for _, c := range []struct {
		name  string
		first deed
		want  string
	}{
		{"order", ordered("2026-10-04 00:30", "100"), "b 1 10000"},
		{"cancelled order", deed{person: 1, name: "order", props: map[string]string{"cancelled_at": "then"}}, "a 0.5 5000, b 0.5 5000"},
		{"goal", deed{person: 1, name: "signup"}, "b 1 10000"},
		{"no goal", deed{person: 1, name: "click"}, "a 0.5 5000, b 0.5 5000"},
		{"goal of another", deed{person: 2, name: "signup"}, "a 0.5 5000, b 0.5 5000"},
	} {
		c.first.at = clock("2026-10-04 00:30")
		p := orders(attribution.Linear)
		p.AfterPrevious, p.Goals = true, []order.Goal{{Event: "signup"}}
		d := &diary{deeds: []deed{ordered("2026-10-05 12:00", "10000"), c.first}, visits: came("a", "b")}
		same(t, c.name, credits(ask(t, d, &query.Plan{Attribution: p})), c.want)
	}
}

func TestAttributionOfAGoal(t *testing.T) {
	p := orders(attribution.Last)
	p.Match, p.Orders, p.Goal, p.AfterPrevious = event("trial"), false, order.Goal{Event: "trial", ValueProperty: "amount", CurrencyProperty: "money"}, true
	d := &diary{visits: came("a", "b")}
	for i, money := range []string{"", "XTS"} {
		at := clock("2026-10-05 12:00") + weir.Micros(i)*hourLong
		d.deeds = append(d.deeds, deed{person: 1, at: at, name: "trial", props: map[string]string{"amount": "12.5", "money": money}})
	}
	// The second has no touch of its own, and no rate.
	same(t, "rows", credits(ask(t, d, &query.Plan{Attribution: p})), "b 1 1250, null 1 0, a 0 0")
}

func TestAttributionExplained(t *testing.T) {
	d := &diary{deeds: []deed{ordered("2026-10-05 12:00", "100"), ordered("2026-10-05 12:00", "100")}, visits: came("a", "b")}
	d.deeds[1].person = 2
	for key, want := range map[string][]uint32{"a": {}, "b": {1}, "": {2}, "unknown": {}} {
		group := []*string{&key}
		if key == "" {
			group = []*string{nil}
		}
		a := ask(t, d, &query.Plan{Attribution: orders(attribution.Last), Explain: &query.Explain{Group: group}})
		same(t, key, a.Persons, want)
	}
}

// Visits count in the memory that a question may have, part by part.
func TestAttributionDividesVisits(t *testing.T) {
	d := &diary{}
	for person := range uint32(200) {
		e := ordered("2026-10-05 12:00", "100")
		e.person = person + 1
		d.deeds = append(d.deeds, e)
		for _, v := range came("a", "b", "c") {
			v.Person, v.ID = person+1, fmt.Sprint(person, v.ID)
			d.visits = append(d.visits, v)
		}
	}
	a, err := Answer(t.Context(), &query.Plan{Attribution: orders(attribution.Linear)}, d, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "totals", *a.Totals, query.CreditRow{Conversions: 200, ValueCents: 20000, Touchpoints: 600, Roles: query.Roles{Initiator: 200, Assisting: 200, Closer: 200}})
	if d.reads < 4 {
		t.Errorf("%d reads of rows: it was not divided", d.reads)
	}
	if _, err := Answer(t.Context(), &query.Plan{Attribution: orders(attribution.Linear)}, d, 100); !errors.Is(err, ErrTooLarge) {
		t.Errorf("in 100 bytes: %v", err)
	}
}
