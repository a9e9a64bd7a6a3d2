package query

import (
	"errors"
	"time"

	"github.com/weirhq/weir"
)

func (p *parser) timezone(n *node) {
	name, given := p.text(n, "timezone", "")
	if !given {
		return
	}
	// LoadLocation knows two more names, which mean UTC and this machine's zone.
	zone, err := time.LoadLocation(name)
	if name == "" || name == "Local" || err != nil {
		p.fail(n.child("timezone"), "timezone must be a name of the IANA time zone database such as Europe/Paris; %q is none.", clip(name))
		return
	}
	p.zone = zone
}

// intervals are all widths of a bucket.
func intervals() []string {
	return []string{string(Minute), string(Hour), string(Day), string(Week), string(Month), string(Quarter), string(Year)}
}

// calendar reads how to divide time: the member of that name is the interval, one
// of the allowed.
func (p *parser) calendar(n *node, name string, allowed []string) Calendar {
	c := Calendar{Zone: p.zone, Interval: Interval(p.choice(n, name, string(Day), allowed, nil))}
	c.WeekStarts = time.Weekday(p.which(n, "week_starts", "monday",
		"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"))
	return c
}

// span reads from and to.
func (p *parser) span(n *node) Span {
	from, to := p.rangeOf(n)
	if p.fault == nil && to <= from {
		p.fail(n.child("to"), "The range is empty: to must be later than from.")
	}
	return Span{From: from, To: to}
}

// wholeBuckets reads interval, week_starts, from and to, and widens the range to whole
// buckets.
func (p *parser) wholeBuckets(n *node) (Buckets, Calendar) {
	c := p.calendar(n, "interval", intervals())
	return p.divided(n, "interval", c, p.span(n), c.Whole), c
}

// divided divides a range by a method of the calendar whose interval is the member
// of that name. It is empty after an error.
func (p *parser) divided(n *node, name string, c Calendar, s Span, how func(from, to weir.Micros) (Buckets, error)) Buckets {
	if p.fault != nil {
		return Buckets{}
	}
	b, err := how(s.From, s.To)
	switch {
	case errors.Is(err, ErrTooManyBuckets):
		p.fail(n.child(name), "The range has more than %d buckets of one %s; choose a longer interval or a shorter range.", MaxBuckets, c.Interval)
	case err != nil:
		p.fail(n.child(name), "The range cannot be divided: %v.", err)
	}
	return b
}
