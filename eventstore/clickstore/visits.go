package clickstore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// visitRows are visits in the place of the table events: what query.Trends says of
// Visits, as columns of e. Facts are properties there, properties of events x0, x1, …
type visitRows struct {
	properties []string // of events that the question names
}

// operand is where a visit's property is.
func (v *visitRows) operand(name string) operand {
	if fact, ok := query.FactOf(name); ok {
		o := property("e", string(fact))
		o.isList, o.list, o.listNumber = "", "", ""
		return o
	}
	i := slices.Index(v.properties, name)
	if i < 0 {
		i = len(v.properties)
		v.properties = append(v.properties, name)
	}
	at := func(n int) string { return fmt.Sprintf("e.x%d.%d", i, n) }
	return operand{has: at(1) + " = 1", text: at(2), isNum: at(3) + " = 1", number: at(4), instants: at(5), days: at(6)}
}

// table is what a statement reads, as e: the visits that begin in a span, with the
// properties that were asked for until now.
func (c *compiler) table(in query.Span) string {
	if c.visits == nil {
		return c.name("events") + " AS e FINAL"
	}
	visits := fmt.Sprintf("%s AS v FINAL WHERE v.origin IN (%d, %d) AND v.started_at >= %s AND v.started_at < %s", c.name("visits"), weir.Sent, weir.Derived, instant(in.From), instant(in.To))
	columns := "v.number AS session, v.started_at AS ts, v.identity AS identity, v.bounced AS bounced"
	for i := range groups {
		columns += fmt.Sprintf(", v.text%[1]d AS text%[1]d, v.number%[1]d AS number%[1]d", i)
	}
	rows := "(SELECT " + columns + ", v.instants AS instants, v.days AS days FROM " + visits + ")"
	if len(c.visits.properties) > 0 {
		rows = fmt.Sprintf("(SELECT a.*, x.* EXCEPT session FROM %s AS a LEFT ANY JOIN %s AS x ON x.session = a.session)", rows, c.ofEvents(visits))
	}
	return rows + " AS e"
}

// ofEvents selects for each session of some visits its events' properties, as tuples as
// operand has them: of each that of the earliest event, among those of one time the least.
func (c *compiler) ofEvents(visits string) string {
	var first strings.Builder
	for i, name := range c.visits.properties {
		o := property("e", name)
		times := func(of string) string { return fmt.Sprintf("if(%s, emptyArrayInt64(), %s)", o.isList, of) }
		fmt.Fprintf(&first, ", argMinIf((toUInt8(1), %s, toUInt8(%s), %s, %s, %s), (e.ts, %s), %s) AS x%d", o.text, o.isNum, o.number, times(o.instants), times(o.days), o.text, o.has, i)
	}
	return fmt.Sprintf("(SELECT e.session AS session%s FROM %s AS e FINAL WHERE %s AND e.session IN (SELECT v.number FROM %s) GROUP BY e.session)",
		first.String(), c.name("events"), c.snapshot.rows("e"), visits)
}
