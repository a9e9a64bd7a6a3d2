package duckstore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// visitRows are visits in the place of the table events: what query.Trends says of
// Visits, as columns of e. Facts have columns of their own name, properties of events
// x0, x1, …
type visitRows struct {
	properties []string // of events that the question names
}

// source is where the values of a visit's property are.
func (v *visitRows) source(property string) source {
	fact, ok := query.FactOf(property)
	if !ok {
		i := slices.Index(v.properties, property)
		if i < 0 {
			i = len(v.properties)
			v.properties = append(v.properties, property)
		}
		return source{typ: weir.String, column: fmt.Sprintf("e.x%d", i)}
	}
	s := source{typ: weir.String, column: "e." + quoteName(string(fact))}
	switch fact {
	case query.FactBounced:
		s.typ = weir.Bool
	case query.FactDuration, query.FactPageviews, query.FactInteractions:
		s.typ = weir.Number
	}
	return s
}

// table is what a statement reads, as e: the events, or the visits that begin in a span
// with the properties that were asked for until now.
func (c *compiler) table(in query.Span) string {
	if c.visits == nil {
		return c.schema + ".events e"
	}
	visits := fmt.Sprintf("%s.visits v WHERE v.origin IN (%d, %d) AND v.started_at >= (%d) AND v.started_at < (%d)",
		c.schema, weir.Sent, weir.Derived, in.From, in.To)
	rows := fmt.Sprintf("SELECT v.number AS session, v.started_at AS ts, v.identity, v.channel, v.source, v.medium, v.campaign, v.content, v.term, v.click_id, v.referrer,"+
		" v.landing_page, v.bounced, v.seconds AS duration, v.pageviews::DOUBLE AS pageviews, v.interactions::DOUBLE AS interactions FROM %s", visits)
	if len(c.visits.properties) > 0 {
		rows = fmt.Sprintf("SELECT * FROM (%s) LEFT JOIN (%s) USING (session)", rows, c.ofEvents(visits))
	}
	return "(" + rows + ") e"
}

// ofEvents selects for each session of some visits the texts of its events'
// properties: of each that of the earliest event, among those of one time the least.
func (c *compiler) ofEvents(visits string) string {
	events := &compiler{catalogue: c.catalogue, schema: c.schema, args: c.args}
	var texts, first strings.Builder
	for i, name := range c.visits.properties {
		of := events.group(query.Ref{On: query.OnEvent, Name: name})
		fmt.Fprintf(&texts, ", %s AS t%d", of.text(of.key), i)
		fmt.Fprintf(&first, ", arg_min(t%[1]d, (ts, t%[1]d)) FILTER (WHERE t%[1]d IS NOT NULL) AS x%[1]d", i)
	}
	return fmt.Sprintf("SELECT session%s FROM (SELECT e.session, e.ts%s FROM %s.events e WHERE e.session IN (SELECT v.number FROM %s)) GROUP BY session",
		first.String(), texts.String(), c.schema, visits)
}
