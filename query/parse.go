package query

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/order"
)

// Limits of one question. What exceeds one is an error that says so.
const (
	MaxQuestion  = 256 << 10 // bytes
	MaxSeries    = 26
	MaxFilters   = 200       // conditions, over all lists
	MaxDepth     = 8         // groups in groups
	MaxOperands  = 1_000     // of one in or not_in
	MaxText      = 4096      // bytes of one operand
	MaxRegex     = 1_000     // bytes of one pattern
	MaxName      = 512       // bytes of the name of an event, a property or a series
	MaxEvents    = 100       // names in one list of events
	MaxGroups    = 1_000     // limit of a breakdown
	DefaultLimit = 25        // limit of a breakdown that gives none
	MaxSegments  = 4         // segments in segments
	MaxCells     = 1_000_000 // numbers of a funnel over time or of retention, over all groups

	maxNesting = 64 // of JSON values; filters use less
)

// Env is what a question leaves to its surroundings.
type Env struct {
	Now      time.Time      // what relative times count from; required
	Location *time.Location // the workspace's zone, where the question names none; nil: UTC
	// Segment gives the definition of a segment of the workspace, the JSON of one
	// filter, and whether there is such a segment. Nil: there is none.
	Segment func(id string) (definition []byte, ok bool)
	// Goals, Rates and Attribution are what the workspace has set for conversions:
	// which events are goals, what currencies are worth, and the defaults of
	// attribution. Zero values mean none, and the defaults that Options name.
	Goals       []order.Goal
	Rates       *order.Rates
	Attribution attribution.Options
}

// Parse reads a question. It is strict: a field, kind or measure that it does
// not know is an error, never ignored. The error's code is CodeInvalid, its
// Field the path of what is wrong ("series[0].filters[2].op"), its Message a
// sentence that says what is allowed. What is wrong in the definition of a
// segment is an error at the filter that names the segment. Parse does no I/O
// but to load the zone, and what env.Segment does.
//
// The kinds are trends, funnel, retention, lifecycle, stickiness, flows, sessions,
// attribution, distribution, table and sql. Their fields and defaults are those of CONTRACT §4.1; the
// methods that read a kind list them. A field that is null is as if it were left
// out, but for the breakdown of explain, which is null for the group without a
// value.
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
	p := &parser{env: &env, now: env.Now, zone: env.Location, segment: env.Segment}
	if p.zone == nil {
		p.zone = time.UTC
	}
	p.home = p.zone
	plan := p.question(root)
	if p.fault != nil {
		return nil, p.fault
	}
	return plan, nil
}

// parser keeps the first error. Its methods go on with zero values after one,
// so that they need not ask for it at every step.
type parser struct {
	env      *Env
	now      time.Time
	zone     *time.Location // of the question
	home     *time.Location // of the workspace
	segment  func(id string) ([]byte, bool)
	inside   []string // the segments whose definitions are being read, the outermost first
	did      bool     // the filters of a did are being read
	filters  int      // conditions and groups so far
	patterns int      // size of regular expressions so far
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
	plan := &Plan{}
	switch p.choice(n, "kind", "", []string{"trends", "funnel", "retention", "lifecycle", "stickiness", "flows", "sessions", "attribution", "distribution", "table", "sql"}, nil) {
	case "trends":
		plan.Trends = p.trends(n)
		plan.Explain = p.explainTrends(n, plan.Trends)
	case "table":
		plan.Trends = p.table(n)
		plan.Explain = p.explainTrends(n, plan.Trends)
	case "sessions":
		plan.Trends = p.sessions(n)
		plan.Explain = p.explainTrends(n, plan.Trends)
	case "funnel":
		plan.Funnel = p.funnel(n)
		plan.Explain = p.explainFunnel(n, plan.Funnel)
	case "retention":
		plan.Retention = p.retention(n)
		plan.Explain = p.explainRetention(n, plan.Retention)
	case "lifecycle":
		plan.Lifecycle = p.lifecycle(n)
		plan.Explain = p.explainLifecycle(n, plan.Lifecycle)
	case "stickiness":
		plan.Stickiness = p.stickiness(n)
		plan.Explain = p.explainStickiness(n, plan.Stickiness)
	case "flows":
		plan.Flows = p.flows(n)
		plan.Explain = p.explainFlows(n, plan.Flows)
	case "distribution":
		plan.Distribution = p.distribution(n)
		plan.Explain = p.explainDistribution(n, plan.Distribution)
	case "attribution":
		plan.Attribution = p.attribution(n)
		plan.Explain = p.explainAttribution(n)
	case "sql":
		plan.SQL = p.sql(n)
	}
	return plan
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

// names is a member that is a list of strings, each of at most so many bytes and
// none empty; nil if it is absent.
func (p *parser) names(n *node, name string, least, most, bytes int) []string {
	if n.get(name) == nil {
		return nil
	}
	list := p.list(n, name)
	if len(list) < least || len(list) > most {
		p.fail(n.child(name), "%s must be a list of %d to %d strings.", name, least, most)
		return nil
	}
	texts := make([]string, 0, len(list))
	for _, v := range list {
		if v.kind != jsontext.KindString || v.text == "" || len(v.text) > bytes {
			p.fail(v.path, "%s must be a list of strings of 1 to %d bytes.", name, bytes)
			return nil
		}
		texts = append(texts, v.text)
	}
	return texts
}

// flag is a member that is true or false; false if it is absent.
func (p *parser) flag(n *node, name string) bool {
	v := n.get(name)
	if v != nil && v.kind != jsontext.KindTrue && v.kind != jsontext.KindFalse {
		p.fail(v.path, "%s must be true or false.", name)
	}
	return v != nil && v.kind == jsontext.KindTrue
}

// which is the place of a choice among the allowed words.
func (p *parser) which(n *node, name, fallback string, allowed ...string) int {
	return slices.Index(allowed, p.choice(n, name, fallback, allowed, nil))
}

// count is a member that is a whole number from 1 to most.
func (p *parser) count(n *node, name string, fallback, most int) int {
	return p.whole(n, name, fallback, 1, most)
}

// whole is a member that is a whole number from least to most. A fallback below
// least means that it is required.
func (p *parser) whole(n *node, name string, fallback, least, most int) int {
	v := n.get(name)
	if v == nil {
		if fallback < least {
			p.fail(n.child(name), "%s is required: a whole number from %d to %d.", name, least, most)
			return least
		}
		return fallback
	}
	return p.howMany(v, name, least, most)
}

// howMany reads a whole number from least to most; name is what it is called.
func (p *parser) howMany(n *node, name string, least, most int) int {
	f, ok := n.number()
	if !ok || f < float64(least) || f > float64(most) || f != float64(int(f)) {
		p.fail(n.path, "%s must be a whole number from %d to %d.", name, least, most)
		return least
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
