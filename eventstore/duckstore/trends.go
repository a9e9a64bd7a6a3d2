package duckstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// trends answers a question about measures over time. First it finds which values of
// the breakdowns are kept, then it counts each series in one statement.
func (r *reader) trends(ctx context.Context, plan *query.Plan) (*query.Answer, error) {
	t := &trends{reader: r, Trends: plan.Trends}
	if plan.Explain != nil {
		return t.explain(ctx, plan.Explain)
	}
	lead, err := t.keep(ctx)
	if err != nil {
		return nil, fmt.Errorf("rank groups: %w", err)
	}
	assembler := query.NewAssembler(plan)
	for _, previous := range []bool{false, true} {
		if previous && t.Previous == nil {
			break
		}
		for i := range t.Series {
			counted := lead
			if i > 0 || previous || lead == nil {
				if counted, err = t.count(ctx, i, previous); err != nil {
					return nil, fmt.Errorf("series %q: %w", t.Series[i].Name, err)
				}
			}
			counted.Tell(assembler, i, previous)
		}
	}
	return assembler.Answer()
}

// trends is a question in the making.
type trends struct {
	*reader
	*query.Trends
	kept []keptValues // by breakdown
}

// count measures one series in one period.
func (t *trends) count(ctx context.Context, index int, previous bool) (query.Tally, error) {
	dims := make([]int, len(t.Breakdowns))
	for i := range dims {
		dims[i] = i
	}
	q := t.compile(index, previous, &arguments{}, dims...)
	if q == nil {
		return nil, nil // an event that nobody has sent
	}
	_, percentile := q.Measure.Quantile()
	switch {
	case q.Measure == query.PerUser:
		return q.perUser(ctx)
	case percentile:
		return q.percentiles(ctx)
	case q.unique != "":
		return q.uniques(ctx)
	}
	return q.sums(ctx)
}

// series is one series of one period in a statement: fragments of SQL over events or
// visits, as e, and the values bound in them.
type series struct {
	*trends
	query.Series
	slots   slots
	bucket  string // the index of the slot
	args    *arguments
	table   string // what is read, as e
	where   string
	value   string // what is measured: a number or a text
	groups  []groupColumn
	people  bool   // the person's row is needed, as p
	unique  string // what distinct values count of; "": rows count
	column  string // in which they are dense numbers, of events: identities of people
	highest uint32 // in that column
	inRange string // true of rows of the range, without what buckets look back to
}

// compile is nil if the series' events were never seen. dims are the breakdowns by
// which the statement groups.
func (t *trends) compile(index int, previous bool, args *arguments, dims ...int) *series {
	period := &t.Period
	if previous {
		period = t.Previous
	}
	s := t.Series[index]
	t.mu.RLock()
	defer t.mu.RUnlock()
	c := &compiler{catalogue: t.catalogue, schema: t.schema, args: args}
	if t.Visits {
		c.visits = &visitRows{}
	}
	codes, every := c.codes(s.Events)
	if !every && len(codes) == 0 {
		return nil
	}
	q := &series{trends: t, Series: s, args: args, slots: slots{query.SlotsOf(period, s.Measure, t.Cumulative)}}
	q.bucket = bucketOf(query.Buckets{Edges: q.slots.Edges})
	parts := []string{fmt.Sprintf("e.ts >= (%d) AND e.ts < (%d)", q.slots.Edges[0], q.slots.Edges[len(q.slots.Edges)-1])}
	q.inRange = fmt.Sprintf("e.ts >= (%d)", period.Buckets.Edges[0])
	switch {
	case every:
	case len(codes) == 1:
		c.event = codes[0]
		parts = append(parts, fmt.Sprintf("e.name = %d", c.event))
	default:
		parts = append(parts, inList("e.name", codes))
	}
	if s.Where != nil {
		parts = append(parts, c.predicate(s.Where, true))
	}
	if condition := q.measured(c); condition != "" {
		parts = append(parts, condition)
	}
	for _, d := range dims {
		q.groupBy(c, d, previous)
	}
	q.where = strings.Join(parts, " AND ")
	q.table = c.table(query.Span{From: q.slots.Edges[0], To: q.slots.Edges[len(q.slots.Edges)-1]})
	return q
}

// measured says what the measure counts, and is the condition of rows that have it.
func (q *series) measured(c *compiler) string {
	switch q.Measure {
	case query.Users, query.WeeklyActive, query.MonthlyActive, query.PerUser:
		q.unique, q.column, q.highest = "i.person", "e.identity", q.persons.highest
	case query.Sessions:
		q.unique = "e.session"
		if !q.Visits { // the highest number of a visit is not known
			q.column, q.highest = "e.session", q.maxSession
		}
		return "e.session > 0"
	case query.Distinct:
		q.value = c.group(q.Property).key
		q.unique = q.value
	case query.Total:
	default:
		q.value = c.number(q.Property)
	}
	if q.value == "" {
		return ""
	}
	q.people = q.Property.On == query.OnUser
	return "(" + q.value + ") IS NOT NULL"
}

// number is a property's value as a number, null where it does not read as one.
func (c *compiler) number(of query.Ref) string {
	var numbers []string
	for _, s := range c.sourcesOf(of, "p") {
		var number string
		switch s.typ {
		case weir.Number:
			number = s.column
		case weir.Bool:
			if c.visits == nil || of.On == query.OnUser {
				continue
			}
			number = "CAST(" + s.column + " AS DOUBLE)"
		case weir.String:
			number = readNumber(s.column)
		case weir.Null:
			number = fmt.Sprintf("CASE WHEN json_type(%[1]s) <> 'ARRAY' THEN %[2]s END", s.column, readNumber(fmt.Sprintf("(%s ->> '$')", s.column)))
		default:
			continue
		}
		if s.guard != "" {
			number = "CASE WHEN " + s.guard + " THEN " + number + " END"
		}
		numbers = append(numbers, number)
	}
	if len(numbers) == 0 {
		return "CAST(NULL AS DOUBLE)"
	}
	return "coalesce(" + strings.Join(numbers, ", ") + ")"
}

// readNumber is query.ReadNumber in SQL.
func readNumber(text string) string {
	number := fmt.Sprintf("TRY_CAST(%s AS DOUBLE)", text)
	return fmt.Sprintf("CASE WHEN regexp_full_match(%s, %s) AND isfinite(%s) THEN %s END", text, quoteText(query.NumberPattern), number, number)
}

// from is the table.
func (q *series) from() string {
	return " FROM " + q.table + q.joins() + " WHERE " + q.where
}

// fromUnique is the table with the column unique.
func (q *series) fromUnique() string {
	join := q.joins()
	if q.unique == "i.person" {
		join = " JOIN " + q.schema + ".identities i ON i.identity = e.identity" + join
	}
	return " FROM " + q.table + join + " WHERE " + q.where
}

// joins adds the person's row and the numbers of kept groups, as far as they are
// needed.
func (q *series) joins() string {
	join := ""
	if q.people {
		join = fmt.Sprintf(" JOIN (SELECT i.identity, t.* FROM %[1]s.identities i LEFT JOIN %[1]s.people t ON t.person = i.person) p ON p.identity = e.identity", q.schema)
	}
	for _, g := range q.groups {
		join += g.join
	}
	return join
}

// set is an aggregate: the set of a column's numbers as a bit string. It is about
// three times as fast as the engine's DISTINCT, because the numbers are dense. It has
// whole words of bits: see persons.count.
func (q *series) set(column string) string {
	return fmt.Sprintf("bitstring_agg(%s, 0::UINTEGER, %d::UINTEGER)", column, q.highest|63)
}

// size counts what is unique in a set.
func (q *series) size(set string) string {
	if q.unique == q.column {
		return "bit_count(" + set + ")"
	}
	return fmt.Sprintf("people_in(%s, %d::UBIGINT)", set, q.census)
}

// bitsFit reports whether bit strings for so many groups in so many slots, in each
// thread, stay within a tenth of the memory.
func (q *series) bitsFit(groups, slots int) bool {
	bytes := int64(q.highest)/8 + 64
	most := q.store.options.Memory / 10 / bytes / int64(q.store.options.Threads)
	return q.column != "" && int64(groups) <= most/int64(slots+1)
}

// bucketOf is the index of an event's bucket. It is a division in each of the
// runs (see query.Buckets), and a search among them. The narrow type makes the
// engine count in an array instead of a hash table.
func bucketOf(b query.Buckets) string {
	n := len(b.Edges) - 1
	if n == 1 {
		return "0"
	}
	sqlType := "UINTEGER"
	switch {
	case n <= 1<<8:
		sqlType = "UTINYINT"
	case n <= 1<<16:
		sqlType = "USMALLINT"
	}
	return fmt.Sprintf("(%s)::%s", search(b.Runs()), sqlType)
}

// search halves the runs until one is left.
func search(runs []query.Run) string {
	if len(runs) == 1 {
		r := runs[0]
		return fmt.Sprintf("%d + (e.ts - (%d)) // %d", r.First, r.Start, r.Width)
	}
	half := len(runs) / 2
	return fmt.Sprintf("CASE WHEN e.ts < (%d) THEN %s ELSE %s END", runs[half].From, search(runs[:half]), search(runs[half:]))
}
