package duckstore

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// compiler turns predicates into SQL conditions over the table events, or over visits in
// its place, as e. The comment of package query says what they mean. Names of columns come from the
// catalogue only, texts are bound.
type compiler struct {
	catalogue *catalogue
	schema    string
	event     uint32 // the only event that is looked at; 0: any
	args      *arguments
	literal   bool // texts are written out instead of bound
	// visits says that e are visits instead. Nil: events.
	visits *visitRows
}

// text is where a text stands in the statement.
func (c *compiler) text(text string) string {
	if c.literal {
		return quoteText(text)
	}
	return c.args.bind(text)
}

// predicate makes a condition. SQL has three truth values, questions two: where
// it matters, under a Not, unknown is made false. Elsewhere it may stay, which
// lets the engine skip what cannot match.
func (c *compiler) predicate(p query.Predicate, unknownIsFalse bool) string {
	switch p := p.(type) {
	case query.All:
		return c.join(p, " AND ", "true", unknownIsFalse)
	case query.Any:
		return c.join(p, " OR ", "false", unknownIsFalse)
	case query.Not:
		return "NOT " + c.predicate(p.Of, false)
	case *query.Compare:
		condition := c.compare(p)
		if !unknownIsFalse {
			condition = "coalesce(" + condition + ", false)"
		}
		return condition
	case *query.Did:
		return c.did(p)
	}
	return "true" // nil
}

// did chooses the events of persons by how many others they have.
func (c *compiler) did(p *query.Did) string {
	codes, every := c.codes(p.Events)
	conditions := []string{bounds{p.Span}.sql()}
	event, visits := c.event, c.visits
	c.event, c.visits = 0, nil
	switch {
	case !every && len(codes) == 0:
		conditions = append(conditions, "false")
	case !every:
		conditions = append(conditions, inList("e.name", codes))
		if len(codes) == 1 {
			c.event = codes[0]
		}
	}
	if p.Where != nil {
		conditions = append(conditions, c.predicate(p.Where, true))
	}
	c.event, c.visits = event, visits
	// Who has none of them is not among those who are counted.
	in, having := "IN", fmt.Sprintf("count(*) >= %d", p.Least)
	switch {
	case p.Most >= 0 && p.Least <= 0:
		in, having = "NOT IN", fmt.Sprintf("count(*) > %d", p.Most)
	case p.Most >= 0:
		having += fmt.Sprintf(" AND count(*) <= %d", p.Most)
	case p.Least <= 0:
		return "true"
	}
	return fmt.Sprintf("e.identity %[1]s (SELECT identity FROM %[2]s.identities WHERE person IN (SELECT i.person FROM %[2]s.events e JOIN %[2]s.identities i ON i.identity = e.identity WHERE %[3]s GROUP BY i.person HAVING %[4]s))",
		in, c.schema, strings.Join(conditions, " AND "), having)
}

func (c *compiler) join(parts []query.Predicate, operator, none string, unknownIsFalse bool) string {
	if len(parts) == 0 {
		return none
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = c.predicate(p, unknownIsFalse)
	}
	return "(" + strings.Join(texts, operator) + ")"
}

func (c *compiler) compare(p *query.Compare) string {
	condition := c.any(p, c.sourcesOf(p.Property, "t"))
	if p.Property.On == query.OnUser {
		return fmt.Sprintf("e.identity IN (SELECT i.identity FROM %[1]s.identities i JOIN %[1]s.people t ON t.person = i.person WHERE %[2]s)", c.schema, condition)
	}
	return condition
}

// any is true if the comparison holds for one of the places where the property's
// value can be.
func (c *compiler) any(p *query.Compare, sources []source) string {
	conditions := []string{}
	for _, s := range sources {
		condition := s.condition(p, c.args)
		if condition == "" {
			continue // never
		}
		if s.guard != "" {
			condition = "(" + s.guard + " AND " + condition + ")"
		}
		conditions = append(conditions, condition)
	}
	if len(conditions) == 0 {
		return "false"
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

// source is a column that may hold a property's value.
type source struct {
	typ    weir.Type // Null: the JSON of a rest column, in any type
	column string    // or the expression that takes the value out of the rest
	guard  string    // true of rows where the column holds this property; "": all
}

// sourcesOf lists where the values of a property are: in the row e, or in the row of
// its person, which has an alias of its own.
func (c *compiler) sourcesOf(of query.Ref, person string) []source {
	switch {
	case of.On == query.OnUser:
		return c.sources(c.catalogue.people, person, 0, of.Name)
	case c.visits != nil:
		return []source{c.visits.source(of.Name)}
	}
	return c.sources(c.catalogue.events, "e", c.event, of.Name)
}

// sources lists where the values of a property are, for one event or for any.
func (c *compiler) sources(l *layout, alias string, event uint32, property string) []source {
	type key struct {
		typ  weir.Type
		slot string
	}
	events := map[key][]uint32{}
	var keys []key
	rest := l.full
	for _, p := range l.byName[property] {
		if event != 0 && p.event != event {
			continue
		}
		if p.slot == "" {
			rest = true
			continue
		}
		if !l.has(p.slot) {
			continue
		}
		k := key{p.typ, p.slot}
		if events[k] == nil {
			keys = append(keys, k)
		}
		events[k] = append(events[k], p.event)
	}
	var out []source
	for _, k := range keys {
		s := source{typ: k.typ, column: alias + "." + quoteName(k.slot)}
		if event == 0 && l.uses[k.slot].mixed {
			s.guard = inList(alias+".name", events[k])
		}
		out = append(out, s)
	}
	if rest {
		out = append(out, source{column: fmt.Sprintf("json_extract(%s.rest, %s)", alias, c.text(pointer(property)))})
	}
	return out
}

func inList(column string, numbers []uint32) string {
	slices.Sort(numbers)
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.FormatUint(uint64(n), 10)
	}
	return column + " IN (" + strings.Join(texts, ", ") + ")"
}

// pointer is the JSON pointer to a member.
func pointer(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(clean(name))
}

// condition compares the column's value; "" is a condition that is never true.
func (s source) condition(p *query.Compare, args *arguments) string {
	if p.Op == query.IsSet {
		return s.column + " IS NOT NULL"
	}
	switch s.typ {
	case weir.String:
		return textCondition(s.column, p, args)
	case weir.Number:
		return numberCondition(s.column, p, args)
	case weir.Bool:
		return boolCondition(s.column, p)
	case weir.JSON:
		return listCondition(s.column+"[2:]", p, args)
	}
	// Most values in a rest are no lists.
	return fmt.Sprintf("CASE WHEN json_type(%[1]s) = 'ARRAY' THEN %[2]s ELSE %[3]s END", s.column,
		listCondition(fmt.Sprintf("from_json(%s, '[\"VARCHAR\"]')[2:]", s.column), p, args),
		textCondition(fmt.Sprintf("(%s ->> '$')", s.column), p, args))
}

// textCondition compares a text.
func textCondition(text string, p *query.Compare, args *arguments) string {
	switch p.Op {
	case query.In:
		return text + " IN (" + bindAll(p.Text, args) + ")"
	case query.Contains:
		return fmt.Sprintf("contains(lower(%s), %s)", text, args.bind(p.Text[0]))
	case query.Regex:
		return fmt.Sprintf("regexp_matches(%s, %s)", text, args.bind(p.Text[0]))
	case query.Range:
		number := fmt.Sprintf("TRY_CAST(%s AS DOUBLE)", text)
		return fmt.Sprintf("(regexp_full_match(%s, %s) AND isfinite(%s) AND %s)", text, quoteText(query.NumberPattern), number, between(number, p))
	case query.Times:
		in := func(pattern, sqlType string, from, to weir.Micros) string {
			at := fmt.Sprintf("epoch_us(TRY_CAST(%s AS %s))", text, sqlType)
			return fmt.Sprintf("(regexp_full_match(%s, %s) AND %s >= (%d) AND %s < (%d))", text, quoteText(pattern), at, from, at, to)
		}
		// The engine has a year 0000, questions have none.
		return "(NOT starts_with(" + text + ", '0000') AND (" + in(query.TimePattern, "TIMESTAMPTZ", p.From, p.To) + " OR " + in(query.DayPattern, "TIMESTAMP", p.FromDay, p.ToDay) + "))"
	}
	return ""
}

// listCondition compares the texts of a list: one of them must do.
func listCondition(list string, p *query.Compare, args *arguments) string {
	if p.Op == query.In {
		return fmt.Sprintf("list_has_any(%s, [%s])", list, bindAll(p.Text, args))
	}
	condition := textCondition("x", p, args)
	return fmt.Sprintf("len(list_filter(%s, lambda x: coalesce(%s, false))) > 0", list, condition)
}

func bindAll(texts []string, args *arguments) string {
	places := make([]string, len(texts))
	for i, text := range texts {
		places[i] = args.bind(text)
	}
	return strings.Join(places, ", ")
}

// numberCondition compares a number, which has but one text form.
func numberCondition(number string, p *query.Compare, args *arguments) string {
	switch p.Op {
	case query.In:
		var numbers []string
		for _, text := range p.Text {
			if f, err := strconv.ParseFloat(text, 64); err == nil && weir.FormatNumber(f) == text {
				numbers = append(numbers, literal(f))
			}
		}
		if len(numbers) == 0 {
			return ""
		}
		return number + " IN (" + strings.Join(numbers, ", ") + ")"
	case query.Contains, query.Regex:
		return textCondition("("+numberText(number)+")", p, args)
	case query.Range:
		return between(number, p)
	}
	return ""
}

// boolCondition compares a truth value, by trying both.
func boolCondition(column string, p *query.Compare) string {
	holds := func(text string) bool {
		switch p.Op {
		case query.In:
			return slices.Contains(p.Text, text)
		case query.Contains:
			return strings.Contains(text, p.Text[0])
		case query.Regex:
			re, err := regexp.Compile(p.Text[0])
			return err == nil && re.MatchString(text)
		}
		return false
	}
	switch yes, no := holds("true"), holds("false"); {
	case yes && no:
		return column + " IS NOT NULL"
	case yes:
		return column
	case no:
		return "NOT " + column
	}
	return ""
}

// between holds a number against the bounds of a Range.
func between(number string, p *query.Compare) string {
	above, below := ">=", "<="
	if p.LowOpen {
		above = ">"
	}
	if p.HighOpen {
		below = "<"
	}
	return fmt.Sprintf("(%s %s %s AND %s %s %s)", number, above, literal(p.Low), number, below, literal(p.High))
}

// literal writes a number so that the engine reads the same one.
func literal(f float64) string {
	return "'" + strconv.FormatFloat(f, 'g', -1, 64) + "'::DOUBLE"
}
