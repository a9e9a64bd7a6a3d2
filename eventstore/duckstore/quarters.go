package duckstore

import (
	"context"
	"fmt"
	"maps"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// quarters count events by name and quarter of an hour, of which there are few for very
// many events: a trend of events without conditions adds up some of them and reads no
// row. Every zone's offset is a multiple of a quarter hour today; questions with other
// edges read rows.
//
// They are derived from the rows when a file is opened, and follow every commit.
type quarters struct {
	days map[nameDay]*[quartersOfDay]int32
	most int // days that there may be; beyond, days is nil, and rows are read
}

const (
	quarterHour   = 900_000_000 // microseconds
	quartersOfDay = 96
	oneDay        = quartersOfDay * quarterHour
)

// nameDay is a day, since 1970 in UTC, of the events of a code. Code 0 is all events.
type nameDay struct {
	code uint32
	day  int64
}

// mostDays bounds the memory: 400 bytes each.
const mostDays = 100_000

// mostAsked bounds the days of a question, in which there may be no event.
const mostAsked = 50_000

// newQuarters have room for so many days; 0: they are never known.
func newQuarters(most int) *quarters {
	q := &quarters{most: most}
	if most > 0 {
		q.days = map[nameDay]*[quartersOfDay]int32{}
	}
	return q
}

// add counts n events of a code at a time; fewer if n is negative.
func (q *quarters) add(code uint32, at weir.Micros, n int32) {
	if q.days == nil {
		return
	}
	day, rest := floorDiv(int64(at), oneDay)
	for _, key := range [...]nameDay{{code, day}, {0, day}} {
		counts := q.days[key]
		if counts == nil {
			if len(q.days) == q.most {
				q.days = nil
				return
			}
			counts = new([quartersOfDay]int32)
			q.days[key] = counts
		}
		counts[rest/quarterHour] += n
	}
}

// floorDiv divides towards the past; the remainder is not negative.
func floorDiv(a, b int64) (quotient, rest int64) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		quotient, rest = quotient-1, rest+b
	}
	return quotient, rest
}

// countIn adds the events of a code to parts, one for each slot between edges.
func (q *quarters) countIn(code uint32, edges []weir.Micros, into query.Parts) {
	finder := query.NewFinder(edges)
	from, _ := floorDiv(int64(edges[0]), oneDay)
	to, _ := floorDiv(int64(edges[len(edges)-1])-1, oneDay)
	for day := from; day <= to; day++ {
		counts := q.days[nameDay{code, day}]
		if counts == nil {
			continue
		}
		for i, n := range counts {
			if n == 0 {
				continue
			}
			if slot := finder.Of(weir.Micros(day*oneDay + int64(i)*quarterHour)); slot >= 0 {
				into[slot].Add(query.Total, query.Part{X: float64(n), N: int64(n)})
			}
		}
	}
}

// bounded reports whether quarters of an hour make up every slot.
func bounded(edges []weir.Micros) bool {
	for _, edge := range edges {
		if edge%quarterHour != 0 {
			return false
		}
	}
	return int64(edges[len(edges)-1]-edges[0])/oneDay < mostAsked
}

// fromQuarters answers a plan by quarters of an hour, as of the last commit; nil if it
// needs rows.
func (w *workspace) fromQuarters(plan *query.Plan) (*query.Answer, error) {
	if plan.Trends == nil || plan.Explain != nil || len(plan.Trends.Breakdowns) > 0 || plan.Trends.Visits {
		return nil, nil
	}
	periods := []*query.Period{&plan.Trends.Period}
	if plan.Trends.Previous != nil {
		periods = append(periods, plan.Trends.Previous)
	}
	for _, s := range plan.Trends.Series {
		if s.Measure != query.Total || s.Where != nil {
			return nil, nil
		}
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.catalogue.quarters.days == nil {
		return nil, nil
	}
	assembler := query.NewAssembler(plan)
	for n, period := range periods {
		for i, s := range plan.Trends.Series {
			q := &series{trends: &trends{Trends: plan.Trends}, Series: s, slots: slots{query.SlotsOf(period, s.Measure, plan.Trends.Cumulative)}}
			if !bounded(q.slots.Edges) {
				return nil, nil
			}
			counted, err := q.tallyOf(w.catalogue.count(q))
			if err != nil {
				return nil, err
			}
			counted.Tell(assembler, i, n == 1)
		}
	}
	answer, err := assembler.Answer()
	if err == nil {
		answer.AsOf = query.AsOf{Time: w.asOf, Positions: maps.Clone(w.applied)}
	}
	return answer, err
}

// count has the events of a series in its slots, if there are any.
func (c *catalogue) count(q *series) map[query.Groups]query.Parts {
	codes, every := (&compiler{catalogue: c}).codes(q.Events)
	if every {
		codes = []uint32{0}
	}
	all := make(query.Parts, q.slots.Count())
	for _, code := range codes {
		c.quarters.countIn(code, q.slots.Edges, all)
	}
	if all.Total(query.Total).N == 0 {
		return nil
	}
	return map[query.Groups]query.Parts{{}: all}
}

// readQuarters counts the rows of the file.
func (w *workspace) readQuarters(ctx context.Context, c *catalogue) error {
	if c.quarters.days == nil {
		return nil
	}
	limit := (c.quarters.most + 1) * quartersOfDay // of which there are more only with more days
	rows, err := w.conn.QueryContext(ctx, fmt.Sprintf("SELECT name, (ts - ((ts %% %[1]d) + %[1]d) %% %[1]d) // %[1]d q, count(*) FROM %[2]s.events GROUP BY ALL LIMIT %[3]d", quarterHour, w.schema, limit))
	if err != nil {
		return fmt.Errorf("count events by time: %w", err)
	}
	return scan(rows, func() error {
		var code uint32
		var quarter int64
		var n int32
		if err := rows.Scan(&code, &quarter, &n); err != nil {
			return fmt.Errorf("count events by time: %w", err)
		}
		c.quarters.add(code, weir.Micros(quarter*quarterHour), n)
		return nil
	})
}
