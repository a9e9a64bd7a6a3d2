package oracle

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/query"
)

// sold is a conversion.
type sold struct {
	person uint32
	at     weir.Micros
	value  int64 // cents of the workspace's currency
}

// billion is what parts of a conversion are counted in.
const billion = 1_000_000_000

// attribution answers attribution.
func (w *world) attribution(a *query.Attribution, x *query.Explain) *query.Answer {
	rows, parts := map[text]*query.CreditRow{}, map[text]int64{}
	totals, persons := &query.CreditRow{}, map[uint32]bool{}
	earn := func(c sold, key text, part, cents int64) *query.CreditRow {
		if rows[key] == nil {
			rows[key] = &query.CreditRow{Key: key.pointer()}
		}
		parts[key] += part
		rows[key].ValueCents += cents
		if x != nil && part > 0 && isGroup(x, key) {
			persons[c.person] = true
		}
		return rows[key]
	}
	for _, c := range w.conversions(a) {
		totals.Conversions++
		totals.ValueCents += c.value
		touches := w.touches(a, c)
		if len(touches) == 0 {
			earn(c, text{none: true}, billion, c.value)
		}
		var times []weir.Micros
		var direct []bool
		for _, v := range touches {
			times, direct = append(times, v.StartedAt), append(direct, v.Origin != weir.Impression && v.Source.Direct())
		}
		cents := attribution.Credits(c.value, times, direct, c.at, a.Model, a.HalfLife)
		shares := attribution.Credits(billion, times, direct, c.at, a.Model, a.HalfLife)
		for i, v := range touches {
			row := earn(c, keyOf(a.By, v), shares[i], cents[i])
			for _, of := range []*query.CreditRow{row, totals} {
				of.Touchpoints++
				playRole(&of.Roles, i, len(touches))
			}
		}
	}
	if x != nil {
		return explained(persons)
	}
	for key, row := range rows {
		row.Conversions = float64(parts[key]) / billion
	}
	return &query.Answer{Rows: creditRows(rows), Totals: totals, Truncated: len(rows) > query.MaxLines}
}

// creditRows are the rows in the order of the answer.
func creditRows(rows map[text]*query.CreditRow) []any {
	var keys []text
	for key := range rows {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b text) int {
		return cmp.Or(cmp.Compare(rows[b].ValueCents, rows[a].ValueCents), cmp.Compare(rows[b].Conversions, rows[a].Conversions), a.compare(b))
	})
	out := []any{}
	for i, key := range keys {
		if i < query.MaxLines {
			out = append(out, *rows[key])
		}
	}
	return out
}

func playRole(roles *query.Roles, i, n int) {
	switch {
	case n == 1:
		roles.Alone++
	case i == 0:
		roles.Initiator++
	case i == n-1:
		roles.Closer++
	default:
		roles.Assisting++
	}
}

// conversions are those that a question counts.
func (w *world) conversions(a *query.Attribution) []sold {
	var all []sold
	for _, r := range w.matching(a.Match, a.Range) {
		kind := weir.KindCustomEvent
		if a.Orders {
			kind = weir.KindOrder
		}
		c, ok := order.FromItem(kind, r.event.Name, sentFields(r.event), r.event.Time, []order.Goal{a.Goal}, a.Rates)
		if !ok || c.Cancelled {
			continue
		}
		if c.Unpriced {
			c.Value = 0
		}
		all = append(all, sold{person: r.event.Person, at: r.event.Time, value: c.Value})
	}
	return all
}

// sentFields are an event's properties under the names that they were sent under.
func sentFields(e weir.Event) []weir.Property {
	var fields []weir.Property
	for _, p := range e.Properties {
		if p.Name == "$value" && e.Name == order.Orders {
			p.Name = "total_price"
		}
		fields = append(fields, p)
	}
	return fields
}

// converts reports whether an event is a conversion of the workspace, or of the
// question.
func (w *world) converts(a *query.Attribution, r row) bool {
	if r.event.Name == order.Orders {
		c, _ := order.FromItem(weir.KindOrder, order.Orders, sentFields(r.event), r.event.Time, nil, a.Rates)
		return !c.Cancelled
	}
	return r.matches(a.Match) || r.event.Name != "" && slices.ContainsFunc(a.Goals, func(g order.Goal) bool { return g.Event == r.event.Name })
}

// touches are the visits that led to a conversion, in order of time.
func (w *world) touches(a *query.Attribution, c sold) []eventstore.Visit {
	from := c.at - a.Lookback
	if a.AfterPrevious {
		for _, e := range w.events {
			if e.Person == c.person && e.Time < c.at && w.converts(a, w.row(e)) {
				from = max(from, e.Time+1)
			}
		}
	}
	var led []eventstore.Visit
	for _, v := range w.visits {
		if v.Person == c.person && v.StartedAt > 0 && from <= v.StartedAt && v.StartedAt <= c.at && v.Origin != weir.Attended {
			led = append(led, v)
		}
	}
	slices.SortFunc(led, func(a, b eventstore.Visit) int {
		return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	var out []eventstore.Visit
	for i, v := range led {
		again := slices.ContainsFunc(led[:i], func(u eventstore.Visit) bool { return sameImpression(u, v) })
		if !again {
			out = append(out, v)
		}
	}
	if over := len(out) - attribution.MaxTouches; over > 0 {
		out = append(out[:1], out[1+over:]...)
	}
	return out
}

// sameImpression reports whether both are impressions, and of the same source, medium
// and campaign.
func sameImpression(a, b eventstore.Visit) bool {
	same := func(a, b string) bool {
		return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
	}
	return a.Origin == weir.Impression && b.Origin == weir.Impression &&
		same(a.Source.Source, b.Source.Source) && same(a.Source.Medium, b.Source.Medium) && same(a.Source.Campaign, b.Source.Campaign)
}

// keyOf is the key of the row that a visit counts in.
func keyOf(by query.AttributionKey, v eventstore.Visit) text {
	key := map[query.AttributionKey]string{
		query.ByChannel: v.Channel, query.BySource: v.Source.Source, query.ByMedium: v.Source.Medium,
		query.ByCampaign: v.Source.Campaign, query.ByLandingPage: v.Source.LandingPage,
	}[by]
	return text{of: key, none: key == ""}
}
