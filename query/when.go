package query

import (
	"regexp"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// moment is a time as a question names it: a day of the zone, from its beginning
// to the next day's, or an instant, where from is to.
type moment struct {
	from, to weir.Micros
	day      bool
}

// rangeOf reads from and to into a half open range.
func (p *parser) rangeOf(n *node) (from, to weir.Micros) {
	// No item is older than 1971; beyond 2199 the number of buckets is a typing
	// mistake.
	const first, last = 1970, 2199
	a, ok := p.day(-30), true
	if v := n.get("from"); v != nil {
		a, ok = p.moment(v, first, last)
	}
	b := p.day(0)
	if v := n.get("to"); v != nil && ok {
		b, _ = p.moment(v, first, last)
	}
	return a.from, b.to
}

// relativeTime is so many hours before now, or days, weeks, months or years
// before today.
var relativeTime = regexp.MustCompile(`^-([0-9]{1,5})([hdwmy])$`)

// moment reads a time in one of the forms that Parse documents; its year must
// lie between the two. The result is false after an error.
func (p *parser) moment(n *node, firstYear, lastYear int) (moment, bool) {
	if n.kind != jsontext.KindString {
		p.fail(n.path, momentForms)
		return moment{}, false
	}
	m, ok := p.readMoment(n.text)
	if !ok {
		p.fail(n.path, momentForms+" It is %q.", clip(n.text))
		return moment{}, false
	}
	if y := time.UnixMicro(int64(m.from)).In(p.zone).Year(); y < firstYear || y > lastYear {
		p.fail(n.path, "The year must be from %d to %d; %q is in %d.", firstYear, lastYear, clip(n.text), y)
		return moment{}, false
	}
	return m, true
}

const momentForms = `A time must be a date such as "2026-10-01", an RFC 3339 instant such as "2026-10-01T09:30:00Z",` +
	` or relative: "now", "today", "yesterday", "-12h", "-30d", "-8w", "-3m", "-1y".`

func (p *parser) readMoment(s string) (moment, bool) {
	switch s {
	case "now":
		return instant(weir.Micros(p.now.UnixMicro())), true
	case "today":
		return p.day(0), true
	case "yesterday":
		return p.day(-1), true
	}
	if at, ok := ReadTime(s); ok {
		return instant(at), true
	}
	if at, ok := ReadDay(s); ok {
		return dayOf(time.UnixMicro(int64(at)).UTC(), p.zone), true
	}
	parts := relativeTime.FindStringSubmatch(s)
	if parts == nil {
		return moment{}, false
	}
	count, _ := strconv.Atoi(parts[1]) // five digits at most
	switch parts[2] {
	case "h":
		return instant(weir.Micros(p.now.UnixMicro()) - weir.Micros(count)*3600e6), true
	case "d":
		return p.day(-count), true
	case "w":
		return p.day(-7 * count), true
	case "m":
		return p.month(-count), true
	}
	return p.month(-12 * count), true
}

func instant(at weir.Micros) moment { return moment{from: at, to: at} }

// dayOf is a date, given as midnight UTC, in a zone.
func dayOf(date time.Time, zone *time.Location) moment {
	return moment{from: dayStart(date, zone), to: dayStart(date.AddDate(0, 0, 1), zone), day: true}
}

// day is the date so many days from today.
func (p *parser) day(days int) moment {
	return dayOf(dateOf(p.now.In(p.zone)).AddDate(0, 0, days), p.zone)
}

// month is today's date so many months away, or the last of that month if it has
// no such date: three months before 31 May is the end of February.
func (p *parser) month(months int) moment {
	today := dateOf(p.now.In(p.zone))
	first := today.AddDate(0, 0, 1-today.Day()).AddDate(0, months, 0)
	last := first.AddDate(0, 1, -1)
	return dayOf(first.AddDate(0, 0, min(today.Day(), last.Day())-1), p.zone)
}

// firstDayFrom is the first date that begins at the instant or later, as
// midnight UTC.
func firstDayFrom(at weir.Micros, zone *time.Location) weir.Micros {
	date := dateOf(time.UnixMicro(int64(at)).In(zone))
	for dayStart(date, zone) < at {
		date = date.AddDate(0, 0, 1)
	}
	// A date that the zone left out begins with the next one.
	for before := date.AddDate(0, 0, -1); dayStart(before, zone) >= at; before = date.AddDate(0, 0, -1) {
		date = before
	}
	return weir.Micros(date.UnixMicro())
}
