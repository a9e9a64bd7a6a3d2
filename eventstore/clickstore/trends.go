package clickstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir/query"
)

// trends answers a question about measures over time. First it finds which values of
// the breakdowns are kept, then it counts each series in a statement or two.
func (r *reader) trends(ctx context.Context, plan *query.Plan) (*query.Answer, error) {
	t := &trends{reader: r, Trends: plan.Trends}
	if plan.Explain != nil {
		return t.explain(ctx, plan.Explain)
	}
	for dim := range t.Breakdowns {
		k, err := t.keep(ctx, dim)
		if err != nil {
			return nil, fmt.Errorf("rank groups: %w", err)
		}
		t.kept = append(t.kept, k)
	}
	assembler := query.NewAssembler(plan)
	for _, previous := range []bool{false, true} {
		if previous && t.Previous == nil {
			break
		}
		for i := range t.Series {
			counted, err := t.compile(i, previous).count(ctx)
			if err != nil {
				return nil, fmt.Errorf("series %q: %w", t.Series[i].Name, err)
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

// series is one series of one period in a statement: fragments of SQL over events or
// visits, as e.
type series struct {
	*trends
	query.Series
	compiler *compiler
	slots    query.Slots
	bucket   string // the index of the slot
	where    []string
	value    string // what is measured, or what distinct values count of; "": rows count
	people   bool   // the person's row is needed, as p
	unique   bool   // distinct values count
	inRange  string // true of rows of the range, without what buckets look back to
}

// compile makes the fragments.
func (t *trends) compile(index int, previous bool) *series {
	period := &t.Period
	if previous {
		period = t.Previous
	}
	s := t.Series[index]
	c := &compiler{reader: t.reader}
	if t.Visits {
		c.visits = &visitRows{}
	}
	q := &series{trends: t, Series: s, compiler: c, slots: query.SlotsOf(period, s.Measure, t.Cumulative)}
	q.bucket = bucketOf(query.Buckets{Edges: q.slots.Edges})
	if c.visits == nil {
		q.where = append(q.where, t.rows("e"))
	}
	q.where = append(q.where, bounds("e.ts", q.span())...)
	q.inRange = "e.ts >= " + instant(period.Buckets.Edges[0])
	q.where = append(q.where, c.match(s.Match)...)
	q.measured()
	return q
}

// span is the time of all slots.
func (q *series) span() query.Span {
	return query.Span{From: q.slots.Edges[0], To: q.slots.Edges[len(q.slots.Edges)-1]}
}

// measured says what the measure counts, and chooses the rows that have it.
func (q *series) measured() {
	switch q.Measure {
	case query.Total:
		return
	case query.Users, query.WeeklyActive, query.MonthlyActive, query.PerUser:
		q.value, q.unique = q.compiler.personOfRow(), true
		return
	case query.Sessions:
		q.value, q.unique = "e.session", true
		q.where = append(q.where, "e.session > 0")
		return
	}
	o := q.ref(q.Property)
	if q.Measure == query.Distinct {
		q.value, q.unique = o.text, true
		q.where = append(q.where, o.has)
		return
	}
	fact, isFact := query.FactOf(q.Property.Name)
	if isFact && fact == query.FactBounced && q.Visits && q.Property.On != query.OnUser {
		q.value = "toFloat64(e.bounced)"
		return
	}
	q.value = o.number
	q.where = append(q.where, o.isNum)
}

// ref is where a property is.
func (q *series) ref(of query.Ref) operand {
	if of.On == query.OnUser {
		q.people = true
		q.compiler.person = true
	}
	return q.compiler.operand(of)
}

// from is the table with its joins, and the conditions.
func (q *series) from() string {
	table := q.compiler.table(q.span()) + q.compiler.joins()
	if q.people {
		table += fmt.Sprintf(" LEFT ANY JOIN (SELECT * FROM %s FINAL) AS p ON p.person = %s", q.name("people"), personOf("e"))
	}
	return " FROM " + table + " WHERE " + strings.Join(q.where, " AND ")
}

// count counts the series.
func (q *series) count(ctx context.Context) (query.Tally, error) {
	_, percentile := q.Measure.Quantile()
	switch {
	case q.Measure == query.PerUser:
		return q.perUser(ctx)
	case percentile:
		return q.percentiles(ctx)
	case q.unique && q.slots.Single:
		return q.uniques(ctx)
	case q.unique:
		return q.uniquesOfSpans(ctx)
	}
	return q.sums(ctx)
}

// bucketOf is the index of an event's bucket. It is a division in each of the runs (see
// query.Buckets), and a search among them.
func bucketOf(b query.Buckets) string {
	if len(b.Edges) == 2 {
		return "toUInt32(0)"
	}
	return "toUInt32(" + search(b.Runs()) + ")"
}

// search halves the runs until one is left.
func search(runs []query.Run) string {
	if len(runs) == 1 {
		r := runs[0]
		return fmt.Sprintf("%d + intDiv(e.ts - %s, %d)", r.First, instant(r.Start), r.Width)
	}
	half := len(runs) / 2
	return fmt.Sprintf("if(e.ts < %s, %s, %s)", instant(runs[half].From), search(runs[:half]), search(runs[half:]))
}

// explain lists the persons whom one number counts, or whose events it counts.
func (t *trends) explain(ctx context.Context, x *query.Explain) (*query.Answer, error) {
	answer := &query.Answer{Persons: []uint32{}}
	q := t.compile(x.Series, false)
	q.where = append(q.where, bounds("e.ts", t.explained(q.Measure, x.Bucket))...)
	for dim, asked := range x.Group {
		condition, err := t.isIn(ctx, q, dim, asked)
		if err != nil {
			return nil, fmt.Errorf("rank groups: %w", err)
		}
		q.where = append(q.where, condition)
	}
	person := q.compiler.personOfRow()
	var column proto.ColUInt32
	err := q.query(ctx, "SELECT DISTINCT "+person+" AS who"+q.from()+" ORDER BY who", proto.Results{{Data: &column}}, func() error {
		answer.Persons = append(answer.Persons, column...)
		return nil
	})
	return answer, err
}

// explained is the time of the rows that a number is of: of a bucket, or below 0 of
// the whole range.
func (t *trends) explained(m query.Measure, bucket int) query.Span {
	edges := t.Buckets.Edges
	if bucket < 0 {
		return query.Span{From: edges[0], To: edges[len(edges)-1]}
	}
	first := bucket
	if t.Rolling > 0 {
		first = max(0, bucket-t.Rolling+1)
	}
	begin := edges[first]
	switch since := t.Since(m); {
	case t.Cumulative:
		begin = edges[0]
	case since != nil:
		begin = since[first]
	}
	return query.Span{From: begin, To: edges[bucket+1]}
}

// isIn is the condition of rows in a group as an answer names it.
func (t *trends) isIn(ctx context.Context, q *series, dim int, asked *string) (string, error) {
	o := q.ref(t.Breakdowns[dim].By)
	is := func(g query.Group) string {
		if !g.Set {
			return "NOT " + o.has
		}
		return fmt.Sprintf("(%s AND %s = %s)", o.has, o.text, quoteText(g.Text))
	}
	if asked == nil {
		return is(query.Group{}), nil
	}
	if *asked == query.OtherGroup {
		k, err := t.keep(ctx, dim)
		if err != nil {
			return "", err
		}
		if !k.all {
			conditions := []string{"1"}
			for _, g := range k.groups {
				conditions = append(conditions, "NOT "+is(g))
			}
			return strings.Join(conditions, " AND "), nil
		}
	}
	return is(query.GroupOf(*asked)), nil
}
