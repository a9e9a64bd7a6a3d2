package clickstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir/query"
)

// keptValues are those of a breakdown that are groups of their own.
type keptValues struct {
	groups []query.Group
	all    bool // the range has no others
}

// Numbers of groups in statements: those that are kept from firstKept on.
const (
	rolledUp  = 0 // no group: the row is of all of them together
	otherOnes = 1
	firstKept = 2
)

// groupColumns are the numbers of a row's groups, as g0, g1, …, each with a comma behind it.
func (q *series) groupColumns() string {
	var out strings.Builder
	for dim, b := range q.Breakdowns {
		o := q.ref(b.By)
		null, texts, numbers := otherOnes, []string{}, []string{}
		for i, g := range q.kept[dim].groups {
			if !g.Set {
				null = firstKept + i
				continue
			}
			texts, numbers = append(texts, g.Text), append(numbers, fmt.Sprintf("toInt32(%d)", firstKept+i))
		}
		set := fmt.Sprintf("toInt32(%d)", otherOnes)
		if len(texts) > 0 {
			set = fmt.Sprintf("transform(%s, [%s], [%s], %s)", o.text, quoteTexts(texts), strings.Join(numbers, ", "), set)
		}
		fmt.Fprintf(&out, "if(%s, %s, toInt32(%d)) AS g%d, ", o.has, set, null, dim)
	}
	return out.String()
}

// groupNames are g0, g1, …, each with a comma behind it.
func (q *series) groupNames() string {
	var out strings.Builder
	for dim := range q.Breakdowns {
		fmt.Fprintf(&out, "g%d, ", dim)
	}
	return out.String()
}

// groupReader reads the columns of groupNames.
type groupReader struct {
	*series
	columns []proto.ColInt32
	into    proto.Results
}

func (q *series) readGroups(others ...proto.ColResult) *groupReader {
	r := &groupReader{series: q, columns: make([]proto.ColInt32, len(q.Breakdowns))}
	for i := range r.columns {
		r.into = append(r.into, proto.ResultColumn{Data: &r.columns[i]})
	}
	for _, column := range others {
		r.into = append(r.into, proto.ResultColumn{Data: column})
	}
	return r
}

// of is the groups of a row; it is false of one that is of several groups together.
func (r *groupReader) of(row int) (query.Groups, bool) {
	var out query.Groups
	for dim := range r.columns {
		switch n := r.columns[dim][row]; n {
		case rolledUp:
			return out, false
		case otherOnes:
			out[dim] = query.Others
		default:
			out[dim] = r.kept[dim].groups[n-firstKept]
		}
	}
	return out, true
}

// keep finds the kept values of a breakdown: those with the highest totals of the first
// series, among equals of the next, and so on.
func (t *trends) keep(ctx context.Context, dim int) (keptValues, error) {
	limit := t.Breakdowns[dim].Limit
	var all, columns, by []string
	for i := range t.Series {
		q := t.compile(i, false)
		o := q.ref(t.Breakdowns[dim].By)
		value := q.value
		if value == "" {
			value = "0"
		}
		inner := fmt.Sprintf("SELECT %s AS g, %s AS within, %s AS v%s", o.orNull(), q.inRange, value, q.from())
		all = append(all, fmt.Sprintf("SELECT toUInt8(%d) AS s, g, toFloat64(%s) AS total FROM (%s) GROUP BY g", i, q.overall(), inner))
		columns = append(columns, fmt.Sprintf("maxOrNullIf(total, s = %d) AS t%[1]d", i))
		by = append(by, fmt.Sprintf("t%d DESC NULLS LAST", i))
	}
	statement := fmt.Sprintf("SELECT g, toUInt8(1) FROM (SELECT g, %s FROM (%s) GROUP BY g) ORDER BY %s, g ASC NULLS LAST LIMIT %d",
		strings.Join(columns, ", "), strings.Join(all, " UNION ALL "), strings.Join(by, ", "), limit+1)
	text := new(proto.ColStr).Nullable()
	var one proto.ColUInt8
	k := keptValues{}
	err := t.query(ctx, statement, proto.Results{{Data: text}, {Data: &one}}, func() error {
		for row := range one {
			if v := text.Row(row); v.Set {
				k.groups = append(k.groups, query.GroupOf(v.Value))
			} else {
				k.groups = append(k.groups, query.Group{})
			}
		}
		return nil
	})
	if err != nil {
		return k, err
	}
	k.all = len(k.groups) <= limit
	k.groups = k.groups[:min(limit, len(k.groups))]
	return k, nil
}

// overall is an aggregate of the column v: the measure over the range.
func (q *series) overall() string {
	quantile, percentile := q.Measure.Quantile()
	switch {
	case percentile:
		return fmt.Sprintf("arrayMap(a -> %s, [arraySort(groupArray(v))])[1]", quantileOf("a", quantile))
	case q.Measure == query.Total:
		return "count()"
	case q.Measure == query.PerUser:
		return "count() / uniqExact(v)"
	case q.unique:
		return "uniqExactIf(v, within)"
	}
	return string(q.Measure) + "(v)" // sum, avg, min and max
}

// quantileOf is a quantile of a sorted list that is not empty: the value at its place, or
// between the two around it.
func quantileOf(sorted string, quantile float64) string {
	at := fmt.Sprintf("((length(%s) - 1) * %s)", sorted, real(quantile))
	low := "toUInt64(floor(" + at + "))"
	part := fmt.Sprintf("(%s - floor(%[1]s))", at)
	return fmt.Sprintf("if(%[1]s = 0, %[2]s[%[3]s + 1], %[2]s[%[3]s + 1] * (1 - %[1]s) + %[2]s[%[3]s + 2] * %[1]s)", part, sorted, low)
}
