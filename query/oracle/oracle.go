// Package oracle answers questions the slow and obvious way, in plain Go over
// all events, as SEMANTICS and the comment of package query say. Tests hold the
// engines' answers against it; nothing else uses it.
//
// It shares with package query only the plan, the shape of an answer, and how
// texts read as numbers and times. It does not use query.Assembler or the runs
// of query.Buckets, so that it can judge them too.
package oracle

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// Ask answers a plan over events and people; the answer has no AsOf and no
// ElapsedMS. It panics if the plan holds an invalid regular expression.
func Ask(plan *query.Plan, events []weir.Event, people []weir.Person) *query.Answer {
	t := plan.Trends
	traits := map[uint32][]weir.Property{}
	for _, p := range people {
		traits[p.Number] = p.Traits
	}
	answer := &query.Answer{Buckets: t.Buckets.Labels, Series: []query.SeriesAnswer{}}
	for _, s := range t.Series {
		var rows []row
		for _, e := range events {
			r := row{event: e, traits: traits[e.Person], bucket: bucketOf(t.Buckets, e.Time)}
			if r.bucket >= 0 && (s.Event == query.AnyEvent || s.Event == e.Name) && r.holds(t.Where) && r.holds(s.Where) {
				rows = append(rows, r)
			}
		}
		if t.Breakdown == nil {
			answer.Series = append(answer.Series, count(t, s, rows))
			continue
		}
		lines, truncated := countGroups(t, s, rows)
		answer.Series = append(answer.Series, lines...)
		answer.Truncated = answer.Truncated || truncated
	}
	return answer
}

// bucketOf is the index of the bucket that holds the instant, or -1.
func bucketOf(b query.Buckets, at weir.Micros) int {
	for i := range b.Labels {
		if b.Edges[i] <= at && at < b.Edges[i+1] {
			return i
		}
	}
	return -1
}

// count makes the line of a series, or of one group of it, from its rows.
func count(t *query.Trends, s query.Series, rows []row) query.SeriesAnswer {
	line := query.SeriesAnswer{Name: s.Name, Period: "current", Values: []float64{}}
	for i := range t.Buckets.Labels {
		var in []row
		for _, r := range rows {
			if r.bucket == i {
				in = append(in, r)
			}
		}
		line.Values = append(line.Values, measure(s.Measure, in))
	}
	line.Total = measure(s.Measure, rows)
	return line
}

func measure(m query.Measure, rows []row) float64 {
	persons, sessions := map[uint32]bool{}, map[uint32]bool{}
	for _, r := range rows {
		persons[r.event.Person] = true
		if r.event.Session != 0 {
			sessions[r.event.Session] = true
		}
	}
	switch m {
	case query.Users:
		return float64(len(persons))
	case query.Sessions:
		return float64(len(sessions))
	}
	return float64(len(rows))
}

// countGroups makes the lines of a series with a breakdown and says whether
// there were more of them.
func countGroups(t *query.Trends, s query.Series, rows []row) ([]query.SeriesAnswer, bool) {
	// A set text has a mark before it, so that no text is taken for the group
	// without a value.
	groups := map[string][]row{}
	for _, r := range rows {
		key := ""
		if v := r.value(t.Breakdown.By); v.Type != weir.Null {
			key = "=" + v.String()
		}
		groups[key] = append(groups[key], r)
	}
	var lines []query.SeriesAnswer
	for key, rows := range groups {
		line := count(t, s, rows)
		line.Breakdown = []*string{nil}
		if text, set := strings.CutPrefix(key, "="); set {
			line.Breakdown[0] = &text
		}
		if line.Total != 0 {
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, func(x, y query.SeriesAnswer) int {
		if x.Total != y.Total {
			return cmp.Compare(y.Total, x.Total)
		}
		a, b := x.Breakdown[0], y.Breakdown[0]
		switch {
		case a == nil:
			return 1
		case b == nil:
			return -1
		}
		return cmp.Compare(*a, *b)
	})
	if len(lines) > t.Breakdown.Limit {
		return lines[:t.Breakdown.Limit], true
	}
	return lines, false
}

// row is an event with the current traits of its person.
type row struct {
	event  weir.Event
	traits []weir.Property
	bucket int
}

// value is the property's value, null if it is absent.
func (r row) value(of query.Ref) weir.Value {
	properties := r.event.Properties
	if of.On == query.OnUser {
		properties = r.traits
	}
	for _, p := range properties {
		if p.Name == of.Name {
			return p.Value
		}
	}
	return weir.Value{}
}

// holds reports whether a predicate is true of the row.
func (r row) holds(p query.Predicate) bool {
	switch p := p.(type) {
	case query.All:
		for _, part := range p {
			if !r.holds(part) {
				return false
			}
		}
		return true
	case query.Any:
		for _, part := range p {
			if r.holds(part) {
				return true
			}
		}
		return false
	case query.Not:
		return !r.holds(p.Of)
	case *query.Compare:
		return Matches(p, r.value(p.Property))
	}
	return true // nil
}

// Matches reports whether a property's value satisfies a comparison.
func Matches(c *query.Compare, v weir.Value) bool {
	if c.Op == query.IsSet {
		return v.Type != weir.Null
	}
	for _, one := range elements(v) {
		if matchesOne(c, one) {
			return true
		}
	}
	return false
}

// elements are the values that a comparison looks at: those of a list, or the
// value itself. Nulls are left out.
func elements(v weir.Value) []weir.Value {
	if v.Type == weir.Null {
		return nil
	}
	if v.Type != weir.JSON || !strings.HasPrefix(v.Str, "[") {
		return []weir.Value{v}
	}
	var all []weir.Value
	d := jsontext.NewDecoder(bytes.NewReader([]byte(v.Str)), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	for d.PeekKind() != jsontext.KindEndArray {
		raw, err := d.ReadValue()
		if err != nil {
			return nil
		}
		var one weir.Value
		if err := one.UnmarshalJSON(raw.Clone()); err != nil {
			one = weir.Text(string(raw)) // a number that no float64 holds
		}
		if one.Type != weir.Null {
			all = append(all, one)
		}
	}
	return all
}

func matchesOne(c *query.Compare, v weir.Value) bool {
	text := v.String()
	switch c.Op {
	case query.In:
		return slices.Contains(c.Text, text)
	case query.Contains:
		return strings.Contains(strings.ToLower(text), c.Text[0])
	case query.Regex:
		return regexp.MustCompile(c.Text[0]).MatchString(text)
	case query.Range:
		f, ok := v.Num, v.Type == weir.Number
		if v.Type == weir.String {
			f, ok = query.ReadNumber(v.Str)
		}
		above := f > c.Low || f == c.Low && !c.LowOpen
		below := f < c.High || f == c.High && !c.HighOpen
		return ok && above && below
	case query.Times:
		if v.Type != weir.String {
			return false
		}
		if at, ok := query.ReadTime(v.Str); ok {
			return c.From <= at && at < c.To
		}
		day, ok := query.ReadDay(v.Str)
		return ok && c.FromDay <= day && day < c.ToDay
	}
	return false
}
