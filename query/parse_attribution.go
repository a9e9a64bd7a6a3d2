package query

import (
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/order"
)

// Limits of attribution, in days, which are those of a workspace's settings.
const (
	MaxLookback = 365
	MaxHalfLife = 90
)

// attribution reads conversion, model (default last), half_life_days and
// lookback_days (default the workspace's, or 7 and 30), after_previous (default the
// workspace's) and by (default channel).
func (p *parser) attribution(n *node) *Attribution {
	p.fields(n, []string{"kind", "from", "to", "timezone", "filters", "conversion", "model", "half_life_days", "lookback_days",
		"after_previous", "by", "explain"}, nil)
	p.timezone(n)
	a := &Attribution{
		Range:         p.span(n),
		Goals:         p.env.Goals,
		Rates:         p.env.Rates,
		Model:         attribution.Model(p.choice(n, "model", string(attribution.Last), words(attribution.Models()), nil)),
		HalfLife:      p.days(n, "half_life_days", p.env.Attribution.HalfLife, 7, MaxHalfLife),
		Lookback:      p.days(n, "lookback_days", p.env.Attribution.Lookback, 30, MaxLookback),
		AfterPrevious: p.env.Attribution.AfterPrevious,
		By:            AttributionKey(p.choice(n, "by", string(ByChannel), words([]AttributionKey{ByChannel, BySource, ByMedium, ByCampaign, ByLandingPage}), nil)),
	}
	if n.get("after_previous") != nil {
		a.AfterPrevious = p.flag(n, "after_previous")
	}
	question := p.where(n)
	if c := n.get("conversion"); c != nil {
		p.conversion(c, a, question)
	} else {
		p.fail(n.child("conversion"), `conversion is required: {"kind": "order"}, or an event, {"event": …}.`)
	}
	return a
}

// conversion reads what counts as a conversion: kind, which is "order", or event with
// value_property and currency_property; and filters. What an event does not say of
// its value is as the workspace's goal of that name has it.
func (p *parser) conversion(n *node, a *Attribution, question Predicate) {
	kind, event := n.get("kind"), n.get("event")
	switch {
	case kind != nil && event != nil:
		p.fail(n.child("kind"), `A conversion is {"kind": "order"} or an event; leave one of the two out.`)
		return
	case event == nil:
		p.fields(n, []string{"kind", "event", "filters"}, nil)
		p.choice(n, "kind", "", []string{order.Orders}, nil)
		a.Orders = true
		a.Match = Match{Events: []string{order.Orders}, Where: filtered(question, p.where(n))}
		return
	}
	p.fields(n, []string{"kind", "event", "filters", "value_property", "currency_property"}, nil)
	a.Goal.Event = p.name(n, "event", "")
	switch a.Goal.Event {
	case AnyEvent:
		p.fail(n.child("event"), "A conversion is one event; name it.")
	case order.Orders:
		p.fail(n.child("event"), `Orders are a conversion of their own; ask for {"kind": "order"}.`)
	}
	if i := slices.IndexFunc(a.Goals, func(g order.Goal) bool { return g.Event == a.Goal.Event }); i >= 0 {
		a.Goal = a.Goals[i]
	}
	if n.get("value_property") != nil {
		a.Goal.ValueProperty = p.name(n, "value_property", "")
	}
	if n.get("currency_property") != nil {
		a.Goal.CurrencyProperty = p.name(n, "currency_property", "")
	}
	a.Match = Match{Events: []string{a.Goal.Event}, Where: filtered(question, p.where(n))}
}

// days is a member that is a whole number of days from 1 to most. If it is absent it
// is set, or, if that is nothing, so many days as fallback.
func (p *parser) days(n *node, name string, set weir.Micros, fallback, most int) weir.Micros {
	if n.get(name) == nil && set > 0 {
		return set
	}
	return weir.Micros(p.count(n, name, fallback, most)) * aDay
}

// explainAttribution reads key, the key of a row as the answer has it.
func (p *parser) explainAttribution(n *node) *Explain {
	e := p.explain(n, "key")
	if e == nil {
		return nil
	}
	if !slices.Contains(e.names, "key") {
		p.fail(e.child("key"), "key is required: that of a row of the answer, or null.")
		return nil
	}
	if e.get("key") == nil {
		return &Explain{Group: []*string{nil}}
	}
	key, _ := p.text(e, "key", "")
	return &Explain{Group: []*string{&key}}
}

// words are the names of a type's values.
func words[T ~string](list []T) []string {
	out := make([]string, 0, len(list))
	for _, word := range list {
		out = append(out, string(word))
	}
	return out
}
