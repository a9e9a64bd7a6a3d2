package query

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// filtered is the condition of two that must both hold.
func filtered(a, b Predicate) Predicate {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return All{a, b}
}

// match reads which events an object is about: its event, and its filters in
// addition to those of the question.
func (p *parser) match(n *node, question Predicate) Match {
	return Match{Events: p.events(n, ""), Where: filtered(question, p.where(n))}
}

// events is the member event: a name, AnyEvent or a list of names. It is nil for
// any event. Without a fallback it is required.
func (p *parser) events(n *node, fallback string) []string {
	v := n.get("event")
	switch {
	case v == nil && fallback != "", v != nil && v.kind == jsontext.KindString:
	case v == nil:
		p.fail(n.child("event"), "event is required: a name, a list of names, or %q for any event.", AnyEvent)
		return nil
	case v.kind == jsontext.KindBeginArray:
		names := p.names(n, "event", 1, MaxEvents, MaxName)
		if slices.Contains(names, AnyEvent) {
			p.fail(v.path, "%q is any event; it stands alone, not in a list.", AnyEvent)
		}
		return names
	default:
		p.fail(v.path, "event must be a name, a list of names, or %q for any event.", AnyEvent)
		return nil
	}
	name := p.name(n, "event", fallback)
	if name == AnyEvent {
		return nil
	}
	return []string{name}
}

// groups reads an object that says what to divide an answer by. It may have more
// fields than those of every breakdown, which the caller reads.
func (p *parser) groups(n *node, more ...string) Breakdown {
	p.fields(n, append([]string{"property", "on", "limit"}, more...), nil)
	return Breakdown{By: p.ref(n), Limit: p.count(n, "limit", DefaultLimit, MaxGroups)}
}

// cells refuses an answer of more numbers than an answer may have. The field is
// the one whose value makes them so many; breakdown may be nil.
func (p *parser) cells(n *node, field string, cells int, breakdown *Breakdown) {
	if breakdown != nil {
		cells *= breakdown.Limit + 1 // and all people, or the rest
	}
	if cells > MaxCells {
		p.fail(n.child(field), "The answer could have %d numbers; the limit is %d. Ask for a shorter range, a longer interval, or fewer periods or groups.", cells, MaxCells)
	}
}
