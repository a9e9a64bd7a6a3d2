package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// Limits of one question. What exceeds one is an error that says so.
const (
	MaxQuestion  = 256 << 10 // bytes
	MaxSeries    = 26
	MaxFilters   = 200   // conditions, over all lists
	MaxDepth     = 8     // groups in groups
	MaxOperands  = 1_000 // of one in or not_in
	MaxText      = 4096  // bytes of one operand
	MaxRegex     = 1_000 // bytes of one pattern
	MaxName      = 512   // bytes of the name of an event, a property or a series
	MaxGroups    = 1_000 // limit of a breakdown
	DefaultLimit = 25    // limit of a breakdown that gives none

	maxNesting = 64 // of JSON values; filters use less
)

// Env is what a question leaves to its surroundings.
type Env struct {
	Now      time.Time      // what relative times count from; required
	Location *time.Location // the workspace's zone, where the question names none; nil: UTC
}

// Parse reads a question. It is strict: a field, kind or measure that it does
// not know is an error, never ignored. The error's code is CodeInvalid, its
// Field the path of what is wrong ("series[0].filters[2].op"), its Message a
// sentence that says what is allowed. Parse does no I/O but to load the zone.
//
// from and to take a date in the zone ("2026-10-01", "today", "yesterday",
// "-30d", "-8w", "-3m", "-1y": so many days, weeks, months or years before
// today, the month's last day where the date does not exist) or an instant
// (RFC 3339, "now", "-12h"). Dates are inclusive, instants half open. The
// defaults are "-30d" and "today".
func Parse(question []byte, env Env) (*Plan, *weir.Error) {
	root, fault := readDocument(question)
	if fault != nil {
		return nil, fault
	}
	p := &parser{now: env.Now, zone: env.Location}
	if p.zone == nil {
		p.zone = time.UTC
	}
	plan := p.question(root)
	if p.fault != nil {
		return nil, p.fault
	}
	return plan, nil
}

// parser keeps the first error. Its methods go on with zero values after one,
// so that they need not ask for it at every step.
type parser struct {
	now      time.Time
	zone     *time.Location
	filters  int // conditions and groups so far
	patterns int // size of regular expressions so far
	fault    *weir.Error
}

func (p *parser) fail(path, format string, args ...any) {
	if p.fault == nil {
		p.fault = invalid(path, format, args...)
	}
}

func (p *parser) question(n *node) *Plan {
	if n.kind != jsontext.KindBeginObject {
		p.fail("", "The question must be a JSON object.")
		return nil
	}
	kind := p.choice(n, "kind", "", []string{"trends"}, []string{"funnel", "retention", "lifecycle",
		"stickiness", "flows", "sessions", "attribution", "distribution", "table", "sql"})
	if kind == "trends" {
		return &Plan{Trends: p.trends(n)}
	}
	return nil
}

func (p *parser) trends(n *node) *Trends {
	p.fields(n, []string{"kind", "from", "to", "timezone", "interval", "week_starts", "filters", "series", "breakdowns"},
		[]string{"formulas", "compare", "cumulative", "rolling", "explain"})
	p.timezone(n)
	return &Trends{
		Buckets:   p.buckets(n),
		Where:     p.where(n),
		Series:    p.series(n),
		Breakdown: p.breakdown(n),
	}
}

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

func (p *parser) buckets(n *node) Buckets {
	c := Calendar{Zone: p.zone, Interval: Interval(p.choice(n, "interval", string(Day), []string{string(Minute), string(Hour),
		string(Day), string(Week), string(Month), string(Quarter), string(Year)}, nil))}
	days := []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	c.WeekStarts = time.Weekday(slices.Index(days, p.choice(n, "week_starts", "monday", days, nil)))
	from, to := p.rangeOf(n)
	if p.fault != nil {
		return Buckets{}
	}
	b, err := c.Divide(from, to)
	switch {
	case errors.Is(err, ErrTooManyBuckets):
		p.fail(n.child("interval"), "The range has more than %d buckets of one %s; choose a longer interval or a shorter range.", MaxBuckets, c.Interval)
	case err != nil:
		p.fail(n.child("to"), "The range is empty: to must be later than from.")
	}
	return b
}

func (p *parser) series(n *node) []Series {
	list := p.list(n, "series")
	if len(list) == 0 || len(list) > MaxSeries {
		p.fail(n.child("series"), "series must be a list of 1 to %d series.", MaxSeries)
		return nil
	}
	all := make([]Series, 0, len(list))
	seen := map[string]bool{}
	for i, one := range list {
		s := p.oneSeries(one, string(rune('A'+i)))
		if seen[s.Name] {
			p.fail(one.child("name"), "Every series must have its own name; %q is there twice.", clip(s.Name))
		}
		seen[s.Name] = true
		all = append(all, s)
	}
	return all
}

func (p *parser) oneSeries(n *node, name string) (s Series) {
	p.fields(n, []string{"name", "event", "filters", "measure"}, []string{"property"})
	s.Name = p.name(n, "name", name)
	s.Event = p.name(n, "event", "")
	s.Where = p.where(n)
	s.Measure = Measure(p.choice(n, "measure", string(Total), []string{string(Total), string(Users), string(Sessions)},
		[]string{"weekly_active", "monthly_active", "per_user", "sum", "avg", "min", "max", "median", "p75", "p90", "p95", "p99", "distinct"}))
	return s
}

func (p *parser) breakdown(n *node) *Breakdown {
	list := p.list(n, "breakdowns")
	switch len(list) {
	case 0:
		return nil
	case 1:
	default:
		p.fail(n.child("breakdowns"), "breakdowns must have at most one breakdown in this release.")
		return nil
	}
	one := list[0]
	p.fields(one, []string{"property", "on", "limit"}, nil)
	return &Breakdown{By: p.ref(one), Limit: p.count(one, "limit", DefaultLimit, MaxGroups)}
}

// ref reads which property an object is about.
func (p *parser) ref(n *node) Ref {
	r := Ref{Name: p.name(n, "property", "")}
	r.On = Scope(p.choice(n, "on", string(OnEvent), []string{string(OnEvent), string(OnUser), string(OnSession)}, nil))
	// The properties of a session have the "$" in every event; people who ask for
	// utm_source of the session mean the same.
	if r.On == OnSession && !strings.HasPrefix(r.Name, "$") {
		r.Name = "$" + r.Name
	}
	return r
}

// The rest reads members of an object and says what is wrong with them.

// fields refuses members that are neither allowed nor, with a sentence of their
// own, later: those that a later release will understand.
func (p *parser) fields(n *node, allowed, later []string) {
	if n.kind != jsontext.KindBeginObject {
		p.fail(n.path, "%s must be a JSON object.", or(n.path, "The question"))
		return
	}
	for i, name := range n.names {
		switch {
		case slices.Contains(allowed, name):
		case slices.Contains(later, name):
			if n.values[i].kind != jsontext.KindNull {
				p.fail(n.child(name), "%s is not in this release; leave it out.", name)
			}
		default:
			p.fail(n.child(name), "There is no field %q here; the fields are %s.", clip(name), strings.Join(allowed, ", "))
		}
	}
}

// text is a member that is a string, and whether it is there.
func (p *parser) text(n *node, name, fallback string) (string, bool) {
	v := n.get(name)
	if v == nil {
		return fallback, false
	}
	if v.kind != jsontext.KindString {
		p.fail(v.path, "%s must be a string.", name)
		return fallback, false
	}
	return v.text, true
}

// choice is a member that is one of a few words. Without a fallback it is
// required.
func (p *parser) choice(n *node, name, fallback string, allowed, later []string) string {
	word, given := p.text(n, name, fallback)
	switch {
	case slices.Contains(allowed, word):
		return word
	case !given:
		p.fail(n.child(name), "%s is required: %s.", name, oneOf(allowed))
	case slices.Contains(later, word):
		p.fail(n.child(name), "%s %q is not in this release; it must be %s.", name, word, oneOf(allowed))
	default:
		p.fail(n.child(name), "%s must be %s; it is %q.", name, oneOf(allowed), clip(word))
	}
	return fallback
}

// name is a member that names something. Without a fallback it is required.
func (p *parser) name(n *node, name, fallback string) string {
	s, given := p.text(n, name, fallback)
	if !given && fallback == "" {
		p.fail(n.child(name), "%s is required, as a string.", name)
	}
	if given && (s == "" || len(s) > MaxName) {
		p.fail(n.child(name), "%s must have 1 to %d bytes.", name, MaxName)
	}
	return s
}

// list is a member that is a list, nil if it is absent.
func (p *parser) list(n *node, name string) []*node {
	v := n.get(name)
	if v == nil {
		return nil
	}
	if v.kind != jsontext.KindBeginArray {
		p.fail(v.path, "%s must be a list.", name)
	}
	if v.kind == jsontext.KindBeginArray {
		return v.values
	}
	return nil
}

// count is a member that is a whole number from 1 to most.
func (p *parser) count(n *node, name string, fallback, most int) int {
	v := n.get(name)
	if v == nil {
		return fallback
	}
	f, ok := v.number()
	if !ok || f != float64(int(f)) || f < 1 || f > float64(most) {
		p.fail(v.path, "%s must be a whole number from 1 to %d.", name, most)
		return fallback
	}
	return int(f)
}

// number reads a JSON number, or a string that reads as one.
func (n *node) number() (float64, bool) {
	if n.kind != jsontext.KindNumber && n.kind != jsontext.KindString {
		return 0, false
	}
	return ReadNumber(n.text)
}

// oneOf writes words as a sentence has them: "one of a, b, c".
func oneOf(words []string) string {
	if len(words) == 1 {
		return fmt.Sprintf("%q", words[0])
	}
	return "one of " + strings.Join(words, ", ")
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
