package query

import (
	"math"
	"regexp/syntax"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// where reads the filters of an object: all of them must hold.
func (p *parser) where(n *node) Predicate {
	return joined(p.filterList(p.list(n, "filters"), 1))
}

// joined is the condition that all of a list must hold.
func joined(list []Predicate) Predicate {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return All(list)
}

func (p *parser) filterList(list []*node, depth int) []Predicate {
	parts := make([]Predicate, 0, len(list))
	for _, n := range list {
		if part := p.filter(n, depth); part != nil {
			parts = append(parts, part)
		}
	}
	return parts
}

// filter reads a condition, a group, a did or a segment, and is nil only after an
// error.
func (p *parser) filter(n *node, depth int) Predicate {
	if p.fault != nil {
		return nil
	}
	if depth > MaxDepth {
		p.fail(n.path, "Filters may be nested %d deep.", MaxDepth)
		return nil
	}
	if p.filters++; p.filters > MaxFilters {
		p.fail(n.path, "A question may have %d filters and groups.", MaxFilters)
		return nil
	}
	switch {
	case n.get("all") != nil:
		p.fields(n, []string{"all"}, nil)
		return All(p.filterList(p.list(n, "all"), depth+1))
	case n.get("any") != nil:
		p.fields(n, []string{"any"}, nil)
		return Any(p.filterList(p.list(n, "any"), depth+1))
	case n.get("not") != nil:
		p.fields(n, []string{"not"}, nil)
		if of := p.filter(n.get("not"), depth+1); of != nil {
			return Not{of}
		}
		return nil
	case n.get("did") != nil:
		p.fields(n, []string{"did"}, nil)
		return p.hasDone(n.get("did"), depth)
	case n.get("segment") != nil:
		p.fields(n, []string{"segment"}, nil)
		return p.isIn(n, depth)
	}
	return p.condition(n)
}

// condition reads a comparison of one property.
func (p *parser) condition(n *node) Predicate {
	if n.get("as_of") != nil {
		p.fail(n.child("as_of"), "as_of is not in this release: properties of users are the current ones; leave it out.")
	}
	p.fields(n, []string{"property", "on", "op", "value"}, []string{"as_of"})
	if p.fault != nil {
		return nil
	}
	c := &Compare{Property: p.ref(n)}
	op := p.choice(n, "op", "", []string{"eq", "neq", "in", "not_in", "contains", "not_contains", "regex", "not_regex",
		"gt", "gte", "lt", "lte", "between", "before", "after", "is_set", "is_not_set"}, nil)
	value := n.get("value")
	switch op {
	case "is_set", "is_not_set":
		if value != nil {
			p.fail(value.path, "%s takes no value.", op)
		}
		c.Op = IsSet
	case "":
	default:
		if value == nil {
			p.fail(n.child("value"), "value is required; to ask for what is absent or null, use is_not_set.")
			return nil
		}
		p.operands(c, op, value)
	}
	if p.fault != nil {
		return nil
	}
	switch op {
	case "neq", "not_in", "not_contains", "not_regex", "is_not_set":
		return Not{c}
	}
	return c
}

// operands reads the value of an operator that takes one.
func (p *parser) operands(c *Compare, op string, value *node) {
	switch op {
	case "eq", "neq":
		c.Op, c.Text = In, []string{p.operand(op, value)}
	case "in", "not_in":
		c.Op, c.Text = In, p.operandList(op, value)
	case "contains", "not_contains":
		c.Op, c.Text = Contains, []string{strings.ToLower(p.operand(op, value))}
		if c.Text[0] == "" {
			p.fail(value.path, "%s needs a value that is not empty.", op)
		}
	case "regex", "not_regex":
		c.Op, c.Text = Regex, []string{p.pattern(op, value)}
	case "gt", "gte", "lt", "lte", "between":
		c.Op = Range
		p.bounds(c, op, value)
	case "before", "after":
		c.Op = Times
		p.times(c, op, value)
	}
}

// operand is the text form of a string, a number or a boolean.
func (p *parser) operand(op string, n *node) string {
	var v weir.Value
	switch n.kind {
	case jsontext.KindString:
		v = weir.Text(n.text)
	case jsontext.KindNumber:
		f, ok := n.number()
		if !ok {
			p.fail(n.path, "value must be a number of ordinary size.")
		}
		v = weir.Num(f)
	case jsontext.KindTrue, jsontext.KindFalse:
		v = weir.Boolean(n.kind == jsontext.KindTrue)
	default:
		p.fail(n.path, "The value of %s must be a string, a number or a boolean%s.", op, listHint(op))
	}
	if len(v.Str) > MaxText {
		p.fail(n.path, "A value may have %d bytes.", MaxText)
	}
	return v.String()
}

// listHint names the operator that takes a list where this one does not.
func listHint(op string) string {
	switch op {
	case "eq":
		return "; for several, use in"
	case "neq":
		return "; for several, use not_in"
	}
	return ""
}

func (p *parser) operandList(op string, n *node) []string {
	if n.kind != jsontext.KindBeginArray || len(n.values) == 0 || len(n.values) > MaxOperands {
		p.fail(n.path, "The value of %s must be a list of 1 to %d strings, numbers or booleans.", op, MaxOperands)
		return nil
	}
	texts := make([]string, 0, len(n.values))
	for _, v := range n.values {
		texts = append(texts, p.operand(op, v))
	}
	return texts
}

// maxPattern bounds the patterns of a question together, in units of one
// character or one range of a character class after repetitions are unrolled.
// The RE2 of the engines stops at 8 MiB, which is several times that.
const maxPattern = 20_000

// pattern checks a regular expression and returns it as regexp/syntax prints
// it: names of classes and flags spelled out, so that the engines' RE2, which
// know other names and versions of Unicode, read the same.
func (p *parser) pattern(op string, n *node) string {
	if n.kind != jsontext.KindString || n.text == "" || len(n.text) > MaxRegex {
		p.fail(n.path, "The value of %s must be a regular expression of 1 to %d bytes.", op, MaxRegex)
		return ""
	}
	tree, err := syntax.Parse(n.text, syntax.Perl)
	if err != nil {
		p.fail(n.path, "The value of %s must be a regular expression in RE2's syntax: %s.", op, clip(strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
		return ""
	}
	if p.patterns += patternSize(tree); p.patterns > maxPattern {
		p.fail(n.path, "The regular expressions of the question are too large; use fewer repetitions and character classes.")
	}
	return tree.String()
}

// patternSize is the size of a pattern in the units of maxPattern. Compiling it
// would tell too, but takes megabytes for what is to be refused.
func patternSize(tree *syntax.Regexp) int {
	size := 1
	switch tree.Op {
	case syntax.OpLiteral:
		size = len(tree.Rune)
	case syntax.OpCharClass:
		size += len(tree.Rune) / 2
	}
	for _, sub := range tree.Sub {
		size += patternSize(sub)
	}
	if tree.Op == syntax.OpRepeat {
		// {2,} is two and a loop; syntax allows 1,000 at most, nested ones multiplied.
		size *= max(tree.Min, tree.Max, 1)
	}
	return size
}

// bounds reads the number or numbers of a range.
func (p *parser) bounds(c *Compare, op string, n *node) {
	c.Low, c.High = math.Inf(-1), math.Inf(1)
	if op == "between" {
		if n.kind != jsontext.KindBeginArray || len(n.values) != 2 {
			p.fail(n.path, "The value of between must be a list of two numbers, [low, high]; both ends count.")
			return
		}
		c.Low, c.High = p.bound(op, n.values[0]), p.bound(op, n.values[1])
		if c.Low > c.High {
			p.fail(n.path, "The first number of between must not be above the second.")
		}
		return
	}
	f := p.bound(op, n)
	switch op {
	case "gt", "gte":
		c.Low, c.LowOpen = f, op == "gt"
	case "lt", "lte":
		c.High, c.HighOpen = f, op == "lt"
	}
}

func (p *parser) bound(op string, n *node) float64 {
	f, ok := n.number()
	if !ok {
		p.fail(n.path, "The value of %s must be a number; for times, use before and after.", op)
	}
	return f
}

// times reads the bound of before or after: earlier than the beginning of what
// is named, or later than all of it. So after a date means from the next day on.
func (p *parser) times(c *Compare, op string, n *node) {
	m, ok := p.moment(n, 1, 9999)
	if !ok {
		return
	}
	c.From, c.To, c.FromDay, c.ToDay = TimeMin, TimeMax, TimeMin, TimeMax
	if op == "before" {
		c.To = m.from
		c.ToDay = firstDayFrom(c.To, p.zone)
		return
	}
	c.From = m.to
	if !m.day {
		c.From++ // an instant is not later than itself
	}
	c.FromDay = firstDayFrom(c.From, p.zone)
}
