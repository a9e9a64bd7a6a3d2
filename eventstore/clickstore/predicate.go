package clickstore

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// compiler turns predicates into SQL conditions over the table events, or over visits in
// its place, as e. The comment of package query says what they mean. All conditions are
// true or false, never null.
type compiler struct {
	*reader
	// person says that the statement needs to know whose an event is: it joins m.
	person bool
	// visits says that e are visits instead. Nil: events.
	visits *visitRows
}

// personOfRow is whose the row is.
func (c *compiler) personOfRow() string {
	c.person = true
	return personOf("e")
}

func (c *compiler) predicate(p query.Predicate) string {
	switch p := p.(type) {
	case query.All:
		return c.join(p, " AND ", "1")
	case query.Any:
		return c.join(p, " OR ", "0")
	case query.Not:
		return "NOT (" + c.predicate(p.Of) + ")"
	case *query.Compare:
		if p.Property.On == query.OnUser {
			return fmt.Sprintf("%s IN (SELECT p.person FROM %s AS p FINAL WHERE %s)", c.personOfRow(), c.name("people"), property("p", p.Property.Name).condition(p))
		}
		return c.operand(p.Property).condition(p)
	case *query.Did:
		return c.did(p)
	}
	return "1" // nil
}

func (c *compiler) join(parts []query.Predicate, operator, none string) string {
	if len(parts) == 0 {
		return none
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = c.predicate(p)
	}
	return "(" + strings.Join(texts, operator) + ")"
}

// did chooses the events of persons by how many others they have.
func (c *compiler) did(p *query.Did) string {
	// Who has none of them is not among those who are counted.
	in, having := "IN", fmt.Sprintf("count() >= %d", p.Least)
	switch {
	case p.Most >= 0 && p.Least <= 0:
		in, having = "NOT IN", fmt.Sprintf("count() > %d", p.Most)
	case p.Most >= 0:
		having += fmt.Sprintf(" AND count() <= %d", p.Most)
	case p.Least <= 0:
		return "1"
	}
	inner := &compiler{reader: c.reader}
	who := inner.personOfRow()
	conditions := append([]string{c.rows("e")}, bounds("e.ts", p.Span)...)
	conditions = append(conditions, inner.match(p.Match)...)
	return fmt.Sprintf("%s %s (SELECT %s AS who FROM %s WHERE %s GROUP BY who HAVING %s)", c.personOfRow(), in, who, inner.events(), strings.Join(conditions, " AND "), having)
}

// match is the conditions of events that m chooses.
func (c *compiler) match(m query.Match) []string {
	var out []string
	if len(m.Events) > 0 {
		out = append(out, "e.name IN ("+list(m.Events, func(name string) string { return quoteText(clean(name)) })+")")
	}
	if m.Where != nil {
		out = append(out, c.predicate(m.Where))
	}
	return out
}

// events is the table, as e, with what it is joined with until now.
func (c *compiler) events() string {
	return c.name("events") + " AS e FINAL" + c.joins()
}

func (c *compiler) joins() string {
	if !c.person {
		return ""
	}
	return " LEFT ANY JOIN " + c.moved(c.snapshot) + " AS m ON m.identity = e.identity"
}

// bounds are the conditions of a span of time; an end that is open is not compared.
func bounds(column string, in query.Span) []string {
	var out []string
	if in.From > math.MinInt64 {
		out = append(out, column+" >= "+instant(in.From))
	}
	if in.To < math.MaxInt64 {
		out = append(out, column+" < "+instant(in.To))
	}
	return out
}

// operand is where a property's value is in a row, as expressions. Those that are empty
// are of none.
type operand struct {
	has    string // there is a value
	text   string // its text form
	isNum  string // it reads as a number, and is no list
	number string
	isList string
	// Of lists: the texts of elements, and their numbers.
	list, listNumber string
	instants, days   string // those among the value, or its elements
}

// property is where a property is in the columns of a table.
func property(alias, name string) operand {
	key, g := quoteText(keyOf(name)), groupOf(name)
	at := func(column string) string { return fmt.Sprintf("%s.%s[%s]", alias, column, key) }
	has := func(column string) string { return fmt.Sprintf("mapContains(%s.%s, %s)", alias, column, key) }
	text, number := fmt.Sprint("text", g), fmt.Sprint("number", g)
	return operand{
		has: has(text), text: at(text), isNum: has(number), number: at(number),
		isList: has("list"), list: at("list"), listNumber: at("list_number"), instants: at("instants"), days: at("days"),
	}
}

// operand is where a property of the row is, or of the person's row p.
func (c *compiler) operand(of query.Ref) operand {
	switch {
	case of.On == query.OnUser:
		return property("p", of.Name)
	case c.visits != nil:
		return c.visits.operand(of.Name)
	}
	return property("e", of.Name)
}

// orNull is the text form, or null.
func (o operand) orNull() string { return fmt.Sprintf("if(%s, %s, NULL)", o.has, o.text) }

// condition compares the value, or any element of a list.
func (o operand) condition(p *query.Compare) string {
	either := func(scalar, list string) string {
		if o.isList == "" {
			return fmt.Sprintf("(%s AND %s)", o.has, scalar)
		}
		return fmt.Sprintf("(if(%s, %s, %s AND %s))", o.isList, list, o.has, scalar)
	}
	any := func(of string, condition func(string) string) string {
		return fmt.Sprintf("arrayExists(x -> %s, %s)", condition("x"), of)
	}
	switch p.Op {
	case query.In:
		texts := list(p.Text, func(text string) string { return quoteText(clean(text)) })
		return either(fmt.Sprintf("%s IN (%s)", o.text, texts), fmt.Sprintf("hasAny(%s, [%s])", o.list, texts))
	case query.Contains:
		return either(matches(o.text, containing(p.Text[0])), any(o.list, func(x string) string { return matches(x, containing(p.Text[0])) }))
	case query.Regex:
		pattern := "(?-s)" + p.Text[0] // the engine's '.' would match a newline
		return either(matches(o.text, pattern), any(o.list, func(x string) string { return matches(x, pattern) }))
	case query.Range:
		scalar := fmt.Sprintf("(%s AND %s)", o.isNum, between(o.number, p))
		if o.isList == "" {
			return scalar
		}
		return fmt.Sprintf("(%s OR %s)", scalar, any(o.listNumber, func(x string) string { return between(x, p) }))
	case query.Times:
		in := func(of string, from, to weir.Micros) string {
			return any(of, func(x string) string { return fmt.Sprintf("x >= %s AND x < %s", instant(from), instant(to)) })
		}
		return fmt.Sprintf("(%s OR %s)", in(o.instants, p.From, p.To), in(o.days, p.FromDay, p.ToDay))
	}
	return o.has
}

func matches(text, pattern string) string {
	return fmt.Sprintf("match(%s, %s)", text, quoteText(pattern))
}

// between holds a number against the bounds of a Range. All numbers are finite.
func between(number string, p *query.Compare) string {
	var parts []string
	if !math.IsInf(p.Low, -1) {
		parts = append(parts, number+map[bool]string{false: " >= ", true: " > "}[p.LowOpen]+real(p.Low))
	}
	if !math.IsInf(p.High, 1) {
		parts = append(parts, number+map[bool]string{false: " <= ", true: " < "}[p.HighOpen]+real(p.High))
	}
	if len(parts) == 0 {
		return "1"
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

// capitals are the characters that strings.ToLower makes another of, by that one.
var capitals = sync.OnceValue(func() map[rune][]rune {
	out := map[rune][]rune{}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if lower := unicode.ToLower(r); lower != r {
			out[lower] = append(out[lower], r)
		}
	}
	return out
})

// containing is a pattern of texts that contain a text, which is in lower case, once they
// are in lower case too. The engine's own function follows other rules for some letters.
func containing(text string) string {
	var out strings.Builder
	out.WriteString("(?s)")
	for _, r := range text {
		all := append([]rune{}, capitals()[r]...)
		if unicode.ToLower(r) == r {
			all = append(all, r)
		}
		slices.Sort(all)
		out.WriteByte('[')
		for _, one := range all {
			fmt.Fprintf(&out, `\x{%X}`, one)
		}
		out.WriteByte(']')
	}
	return out.String()
}
