package query

import (
	"github.com/go-json-experiment/json/jsontext"
)

// MaxTimes bounds the numbers in the count of a did.
const MaxTimes = 1_000_000_000

// hasDone reads the object of a did: event and filters, count (default: at least
// one) and within (default: at any time). The filters of the question are not in
// it, nor is its range.
func (p *parser) hasDone(n *node, depth int) Predicate {
	if p.did {
		p.fail(n.path, "A did may not stand in the filters of another did.")
		return nil
	}
	p.fields(n, []string{"event", "filters", "count", "within"}, nil)
	d := &Did{Least: 1, Most: -1}
	d.Events = p.events(n, "")
	p.did = true
	d.Where = joined(p.filterList(p.list(n, "filters"), depth+1))
	p.did = false
	negative := p.howOften(n, d)
	d.Span = p.within(n)
	if p.fault != nil {
		return nil
	}
	if negative {
		return Not{d}
	}
	return d
}

// howOften reads count into a did and says whether the opposite was asked for.
func (p *parser) howOften(n *node, d *Did) (negative bool) {
	c := n.get("count")
	if c == nil {
		return false
	}
	p.fields(c, []string{"op", "value"}, nil)
	op := p.choice(c, "op", "", []string{"gte", "gt", "lte", "lt", "eq", "neq", "between"}, nil)
	if op == "between" {
		p.howOftenBetween(c, d)
		return false
	}
	least := 0
	if op == "lt" {
		least = 1 // nobody has fewer than 0
	}
	k := p.whole(c, "value", -1, least, MaxTimes)
	switch op {
	case "gte":
		d.Least = k
	case "gt":
		d.Least = k + 1
	case "lte":
		d.Least, d.Most = 0, k
	case "lt":
		d.Least, d.Most = 0, k-1
	case "eq", "neq":
		d.Least, d.Most = k, k
	}
	return op == "neq"
}

func (p *parser) howOftenBetween(c *node, d *Did) {
	list := p.list(c, "value")
	if len(list) != 2 {
		p.fail(c.child("value"), "The value of between must be a list of two numbers, [low, high]; both ends count.")
		return
	}
	d.Least, d.Most = p.howMany(list[0], "value", 0, MaxTimes), p.howMany(list[1], "value", 0, MaxTimes)
	if d.Least > d.Most {
		p.fail(c.child("value"), "The first number of between must not be above the second.")
	}
}

// within reads when a did looks: from the beginning of a moment on, or from and to
// as those of a question, each of which may be left out.
func (p *parser) within(n *node) Span {
	s := Span{From: TimeMin, To: TimeMax}
	w := n.get("within")
	switch {
	case w == nil:
	case w.kind == jsontext.KindString:
		m, _ := p.moment(w, 1, 9999)
		s.From = m.from
	case w.kind == jsontext.KindBeginObject:
		p.fields(w, []string{"from", "to"}, nil)
		if v := w.get("from"); v != nil {
			m, _ := p.moment(v, 1, 9999)
			s.From = m.from
		}
		if v := w.get("to"); v != nil {
			m, _ := p.moment(v, 1, 9999)
			s.To = m.to
		}
		if s.From >= s.To {
			p.fail(w.child("to"), "The time is empty: to must be later than from.")
		}
	default:
		p.fail(w.path, `within must be a time to count from, such as "-30d", or an object with from and to.`)
	}
	return s
}
