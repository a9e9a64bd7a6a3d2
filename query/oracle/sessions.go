package oracle

import (
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// bouncedNumber is a property of the events that stand for visits: whether a visit
// bounced, as measures have it.
const bouncedNumber = "1 if it bounced, else 0"

// countsBounces is the question with bouncedNumber where a number is made of bounced.
func countsBounces(t *query.Trends) *query.Trends {
	out := *t
	out.Series = slices.Clone(t.Series)
	for i, s := range out.Series {
		of := s.Property.Name == "bounced" || s.Property.Name == "$bounced"
		if of && s.Property.On != query.OnUser && s.Measure != query.Distinct {
			out.Series[i].Property.Name = bouncedNumber
		}
	}
	return &out
}

// matchingVisits are events that stand for the visits that m chooses in a span.
func (w *world) matchingVisits(m query.Match, in query.Span) []row {
	var rows []row
	for _, v := range w.visits {
		if v.Origin != weir.Sent && v.Origin != weir.Derived || v.StartedAt < in.From || v.StartedAt >= in.To {
			continue
		}
		e := weir.Event{Time: v.StartedAt, Identity: v.Identity, Person: v.Person, Session: v.Number, Properties: w.propertiesOf(v)}
		if r := w.row(e); r.matches(m) {
			rows = append(rows, r)
		}
	}
	return rows
}

// propertiesOf are a visit's facts under all of their names, and what its events say
// under others.
func (w *world) propertiesOf(v eventstore.Visit) []weir.Property {
	s := v.Source
	var all []weir.Property
	fact := func(value weir.Value, names ...string) {
		if value.Type == weir.String && value.Str == "" {
			value = weir.Value{}
		}
		for _, name := range names {
			all = append(all, weir.Property{Name: name, Value: value}, weir.Property{Name: "$" + name, Value: value})
		}
	}
	fact(weir.Text(v.Channel), "channel")
	fact(weir.Text(s.Source), "source", "utm_source")
	fact(weir.Text(s.Medium), "medium", "utm_medium")
	fact(weir.Text(s.Campaign), "campaign", "utm_campaign")
	fact(weir.Text(s.Content), "content", "utm_content")
	fact(weir.Text(s.Term), "term", "utm_term")
	fact(weir.Text(s.ClickID), "click_id")
	fact(weir.Text(s.Referrer), "referrer")
	fact(weir.Text(s.LandingPage), "landing_page")
	fact(weir.Boolean(v.Bounced), "bounced")
	fact(weir.Num(v.Seconds), "duration")
	fact(weir.Num(float64(v.Pageviews)), "pageviews")
	fact(weir.Num(float64(v.Interactions)), "interactions")
	bounced := weir.Property{Name: bouncedNumber, Value: weir.Num(0)}
	if v.Bounced {
		bounced.Value = weir.Num(1)
	}
	return append(append(all, bounced), w.saidIn(v.Number)...)
}

// saidIn is what the events of a session say first under each name, as texts.
func (w *world) saidIn(session uint32) []weir.Property {
	type said struct {
		at   weir.Micros
		text string
	}
	first := map[string]said{}
	for _, e := range w.events {
		for _, p := range e.Properties {
			if e.Session != session || p.Value.Type == weir.Null {
				continue
			}
			now := said{e.Time, p.Value.String()}
			before, ok := first[p.Name]
			if !ok || now.at < before.at || now.at == before.at && now.text < before.text {
				first[p.Name] = now
			}
		}
	}
	var all []weir.Property
	for name, s := range first {
		all = append(all, weir.Property{Name: name, Value: weir.Text(s.text)})
	}
	return all
}
