package oracle

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

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
	case *query.Did:
		return r.did(p)
	}
	return true // nil
}

// did reports whether the row's person has as many events as asked for, of all
// events that there are.
func (r row) did(d *query.Did) bool {
	n := 0
	for _, one := range r.world.matching(d.Match, d.Span) {
		if one.event.Person == r.event.Person {
			n++
		}
	}
	return n >= d.Least && (d.Most < 0 || n <= d.Most)
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
