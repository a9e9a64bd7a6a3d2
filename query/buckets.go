package query

import (
	"errors"
	"math"
	"time"

	"github.com/weirhq/weir"
)

// Interval is the width of a bucket on the calendar or the clock.
type Interval string

// The intervals, narrowest first.
const (
	Minute  Interval = "minute"
	Hour    Interval = "hour"
	Day     Interval = "day"
	Week    Interval = "week"
	Month   Interval = "month"
	Quarter Interval = "quarter"
	Year    Interval = "year"
)

// MaxBuckets bounds the buckets of one question.
const MaxBuckets = 10_000

// Errors of Divide.
var (
	ErrTooManyBuckets = errors.New("divide range: more than 10,000 buckets")
	ErrEmptyRange     = errors.New("divide range: it holds no time")
)

// Calendar says how to divide time.
//
// A bucket of days or longer begins at the first instant at which the zone's
// clocks show its first date or a later one. So a day without midnight begins
// when the clocks jump over it; a day whose midnight comes twice (clocks that
// went back at 00:01) begins at the first; and a date that a zone left out
// (2011-12-30 in Apia) has no instant and no bucket.
//
// A bucket of hours or minutes begins whenever the zone's clocks show a whole
// one or jump forward over it. So the hour that a fall-back repeats is two
// buckets, with labels that differ in the offset; a half-hour fall-back makes
// one long hour of 90 minutes, and a half-hour jump one of 30.
type Calendar struct {
	Interval   Interval
	Zone       *time.Location // nil: UTC
	WeekStarts time.Weekday   // of weeks only; note that the zero is Sunday
}

// Divide makes the buckets of the range from from to to, half open. The range
// may cut the first and the last of them; a bucket's label names its true
// beginning all the same. It returns ErrTooManyBuckets or ErrEmptyRange, or an
// error about the interval.
func (c Calendar) Divide(from, to weir.Micros) (Buckets, error) {
	if to <= from {
		return Buckets{}, ErrEmptyRange
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	b := Buckets{Edges: []weir.Micros{from}}
	// add closes the bucket before and says whether there may be more.
	add := func(start weir.Micros, label string) bool {
		if len(b.Labels) > 0 {
			b.Edges = append(b.Edges, start)
		}
		b.Labels = append(b.Labels, label)
		return len(b.Labels) <= MaxBuckets
	}
	switch c.Interval {
	case Minute:
		c.eachOfClock(from, to, 60, add)
	case Hour:
		c.eachOfClock(from, to, 3600, add)
	case Day, Week, Month, Quarter, Year:
		c.eachOfCalendar(from, to, add)
	default:
		return Buckets{}, errors.New("divide range: unknown interval " + string(c.Interval))
	}
	if len(b.Labels) > MaxBuckets {
		return Buckets{}, ErrTooManyBuckets
	}
	b.Edges = append(b.Edges, to)
	return b, nil
}

// eachOfCalendar calls add with the beginning of each bucket that has an instant
// in the range, in order, until add returns false.
func (c Calendar) eachOfCalendar(from, to weir.Micros, add func(weir.Micros, string) bool) {
	date := c.first(dateOf(time.UnixMicro(int64(from)).In(c.Zone)))
	start := dayStart(date, c.Zone)
	for start < to {
		next := c.next(date)
		end := dayStart(next, c.Zone)
		if end > from && end > start && !add(start, date.Format(time.DateOnly)) {
			return
		}
		date, start = next, end
	}
}

// first is the first date of the bucket that holds date. Dates are midnights
// in UTC.
func (c Calendar) first(date time.Time) time.Time {
	y, m, d := date.Date()
	switch c.Interval {
	case Week:
		d -= (int(date.Weekday()) - int(c.WeekStarts) + 7) % 7
	case Month:
		d = 1
	case Quarter:
		m, d = m-(m-1)%3, 1
	case Year:
		m, d = time.January, 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// next is the first date of the bucket after the one that begins with date.
func (c Calendar) next(date time.Time) time.Time {
	switch c.Interval {
	case Week:
		return date.AddDate(0, 0, 7)
	case Month:
		return date.AddDate(0, 1, 0)
	case Quarter:
		return date.AddDate(0, 3, 0)
	case Year:
		return date.AddDate(1, 0, 0)
	}
	return date.AddDate(0, 0, 1)
}

// dateOf is the date that t's clock shows, as midnight in UTC.
func dateOf(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// dayStart is the first instant at which clocks in the zone show that date or a
// later one. time.Date does not do: it leaves open which of two midnights it
// gives, and what it gives for none.
func dayStart(date time.Time, zone *time.Location) weir.Micros {
	wall := date.Unix()
	// No offset ever reached 16 hours, so that a day and a half before the clock
	// is surely earlier.
	for s := spanAt(wall-36*3600, zone); ; s = spanAt(s.to, zone) {
		if t := max(wall-s.offset, s.from); t < s.to {
			return weir.Micros(t * 1e6)
		}
	}
}

// eachOfClock calls add with the beginning of each bucket of that many seconds
// that has an instant in the range, in order, until add returns false.
func (c Calendar) eachOfClock(from, to weir.Micros, seconds int64, add func(weir.Micros, string) bool) {
	// The bucket that holds from began less than two widths before it: a fall-back
	// makes it longer by less than one. Beginnings are held back until the next
	// one shows whether they are still in question.
	at := floorDiv(int64(from), 1e6) - 2*seconds
	held, some := from, false
	step := func(t int64) bool {
		start := weir.Micros(t * 1e6)
		if some && start > from && !add(held, clockLabel(held, c.Zone)) {
			return false
		}
		held, some = start, true
		return start < to
	}
	span := spanAt(at, c.Zone)
	for {
		for t := at + floorMod(-(at+span.offset), seconds); t < span.to; t += seconds {
			if !step(t) {
				return
			}
		}
		next := spanAt(span.to, c.Zone)
		at = span.to
		before, after := at-1+span.offset, at+next.offset
		if floorDiv(after, seconds) > floorDiv(before, seconds) && floorMod(after, seconds) != 0 && !step(at) {
			return
		}
		span = next
	}
}

// clockLabel is the instant in RFC 3339 with the zone's offset. Offsets before
// about 1972 may have seconds, which RFC 3339 cannot say: those labels are in UTC.
func clockLabel(at weir.Micros, zone *time.Location) string {
	t := time.UnixMicro(int64(at)).In(zone)
	if _, offset := t.Zone(); offset%60 != 0 {
		t = t.UTC()
	}
	return t.Format(time.RFC3339)
}

// span is a time during which a zone keeps one offset, in seconds since 1970,
// half open.
type span struct{ from, to, offset int64 }

// spanAt is the span that holds the instant.
func spanAt(at int64, zone *time.Location) span {
	t := time.Unix(at, 0).In(zone)
	_, offset := t.Zone()
	s := span{math.MinInt64, math.MaxInt64, int64(offset)}
	from, to := t.ZoneBounds()
	if !from.IsZero() {
		s.from = from.Unix()
	}
	if !to.IsZero() {
		s.to = to.Unix()
	}
	// Where a zone goes on by a rule (from 2038 on), ZoneBounds takes every year
	// to have 365 days, and says on the last day of a leap year that the span is
	// over already. Go on by the quarter hour there: rules change nothing between.
	if s.to <= at {
		s.to = (floorDiv(at, 900) + 1) * 900
	}
	return s
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - b*floorDiv(a, b) }
