package query

import (
	"time"

	"github.com/weirhq/weir"
)

// MaxPeriods bounds the periods of retention after period 0.
const MaxPeriods = 366

func (p *parser) retention(n *node) *Retention {
	p.fields(n, []string{"kind", "from", "to", "timezone", "week_starts", "filters", "start", "return", "period", "periods", "cohort",
		"mode", "clock", "breakdown", "explain"}, nil)
	p.timezone(n)
	c := p.calendar(n, "period", []string{string(Hour), string(Day), string(Week), string(Month)})
	question := p.where(n)
	r := &Retention{
		Cohorts:   p.divided(n, "period", c, p.span(n), c.Whole),
		Periods:   p.count(n, "periods", 7, MaxPeriods),
		FirstTime: p.which(n, "cohort", "first_time", "first_time", "recurring") == 0,
		OnOrAfter: p.which(n, "mode", "on", "on", "on_or_after") == 1,
		Rolling:   p.which(n, "clock", "calendar", "calendar", "rolling") == 1,
		Width:     map[Interval]weir.Micros{Hour: anHour, Day: aDay, Week: 7 * aDay, Month: 30 * aDay}[c.Interval],
		// To the minute, so that a question that is asked again is the same one.
		Now: weir.MicrosOf(p.now.Truncate(time.Minute)),
	}
	if n.get("start") == nil {
		p.fail(n.child("start"), `start is required: the event that puts people into a cohort, {"event": …}.`)
		return r
	}
	r.Start = p.matchOf(n.get("start"), question)
	r.Return = r.Start
	if v := n.get("return"); v != nil {
		r.Return = p.matchOf(v, question)
	}
	if v := n.get("breakdown"); v != nil {
		b := p.groups(v)
		r.Breakdown = &b
	}
	p.cells(n, "periods", len(r.Cohorts.Labels)*(r.Periods+1), r.Breakdown)
	if p.fault == nil {
		last := r.Cohorts.Edges[len(r.Cohorts.Edges)-1]
		r.Edges = append(append(r.Edges, r.Cohorts.Edges...), c.Following(last, r.Periods)...)
	}
	return r
}

// matchOf reads an object that says which events, and nothing else.
func (p *parser) matchOf(n *node, question Predicate) Match {
	p.fields(n, []string{"event", "filters"}, nil)
	return p.match(n, question)
}

func (p *parser) lifecycle(n *node) *Lifecycle {
	p.fields(n, []string{"kind", "from", "to", "timezone", "week_starts", "interval", "event", "filters", "explain"}, nil)
	p.timezone(n)
	b, c := p.wholeBuckets(n)
	l := &Lifecycle{Match: p.match(n, nil), Buckets: b}
	if p.fault == nil {
		l.Before = c.Before(b.Edges[0])
	}
	return l
}

func (p *parser) stickiness(n *node) *Stickiness {
	p.fields(n, []string{"kind", "from", "to", "timezone", "week_starts", "interval", "event", "filters", "cumulative", "explain"}, nil)
	p.timezone(n)
	b, _ := p.wholeBuckets(n)
	return &Stickiness{Match: p.match(n, nil), Buckets: b, Cumulative: p.flag(n, "cumulative")}
}
