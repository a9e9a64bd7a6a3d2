package oracle

import (
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// retention is a question, and the events that matter to it.
type retention struct {
	*query.Retention
	returns map[uint32][]weir.Micros // by person
}

// starter is a person in a cohort.
type starter struct {
	person uint32
	cohort int
	at     weir.Micros // the own start
	value  text        // of the breakdown
}

// retention answers retention.
func (w *world) retention(plan *query.Retention, x *query.Explain) *query.Answer {
	r := &retention{Retention: plan, returns: map[uint32][]weir.Micros{}}
	for _, e := range w.matching(r.Return, always) {
		r.returns[e.event.Person] = append(r.returns[e.event.Person], e.event.Time)
	}
	starters := r.starters(w)
	weights := map[text]int64{}
	for _, s := range starters {
		weights[s.value]++
	}
	limit := 1
	if r.Breakdown != nil {
		limit = r.Breakdown.Limit
	}
	names, order := namesOf(weights, limit)
	if x != nil {
		return r.explain(starters, names, x)
	}
	answer := &query.Answer{}
	answer.Cohorts, answer.Average = r.table(starters)
	if r.Breakdown == nil {
		return answer
	}
	answer.Groups = []query.GroupAnswer{}
	answer.Truncated = len(weights) > limit
	for _, name := range order {
		var in []starter
		for _, s := range starters {
			if names[s.value] == name {
				in = append(in, s)
			}
		}
		g := query.GroupAnswer{Breakdown: name.pointer()}
		g.Cohorts, g.Average = r.table(in)
		answer.Groups = append(answer.Groups, g)
	}
	return answer
}

// starters are the persons of all cohorts.
func (r *retention) starters(w *world) []starter {
	var by *query.Ref
	if r.Breakdown != nil {
		by = &r.Breakdown.By
	}
	rows := w.matching(r.Start, always)
	slices.SortStableFunc(rows, byTime(by))
	type place struct {
		person uint32
		cohort int
	}
	seen, known := map[place]bool{}, map[uint32]bool{}
	var all []starter
	for _, row := range rows {
		s := starter{person: row.event.Person, cohort: bucketOf(r.Cohorts, row.event.Time), at: row.event.Time, value: text{none: true}}
		if by != nil {
			s.value = row.text(*by)
		}
		at := place{s.person, s.cohort}
		if s.cohort >= 0 && !seen[at] && !(r.FirstTime && known[s.person]) {
			seen[at] = true
			all = append(all, s)
		}
		known[s.person] = true
	}
	return all
}

// returned reports whether a person came back in a period.
func (r *retention) returned(s starter, period int) bool {
	for _, at := range r.returns[s.person] {
		from, to := r.period(s, period)
		if at >= s.at && at >= from && (at < to || r.OnOrAfter) {
			return true
		}
	}
	return false
}

// period is the time of a period of a person, half open.
func (r *retention) period(s starter, n int) (from, to weir.Micros) {
	if r.Rolling {
		return s.at + weir.Micros(n)*r.Width, s.at + weir.Micros(n+1)*r.Width
	}
	return r.Edges[s.cohort+n], r.Edges[s.cohort+n+1]
}

// over reports whether a period is over for all of a cohort.
func (r *retention) over(cohort, period int) bool {
	end := r.Cohorts.Edges[cohort+1] + weir.Micros(period+1)*r.Width
	if !r.Rolling {
		end = r.Edges[cohort+period+1]
	}
	return end <= r.Now
}

// table makes the cohorts of some starters, and their average.
func (r *retention) table(starters []starter) ([]query.Cohort, []query.Real) {
	sizes, returned := make([]int64, r.Periods+1), make([]int64, r.Periods+1) // of cohorts for which the period is over
	cohorts := []query.Cohort{}
	for c, label := range r.Cohorts.Labels {
		cohort := query.Cohort{Start: label}
		for _, s := range starters {
			if s.cohort == c {
				cohort.Size++
			}
		}
		for n := range r.Periods + 1 {
			if !r.over(c, n) {
				cohort.Counts = append(cohort.Counts, query.None)
				continue
			}
			var count int64
			for _, s := range starters {
				if s.cohort == c && r.returned(s, n) {
					count++
				}
			}
			cohort.Counts = append(cohort.Counts, query.Real(count))
			sizes[n] += cohort.Size
			returned[n] += count
		}
		cohorts = append(cohorts, cohort)
	}
	average := []query.Real{}
	for n := range sizes {
		average = append(average, query.Ratio(returned[n], sizes[n]))
	}
	return cohorts, average
}

// explain names the persons of a cell; those of one that is null are nobody.
func (r *retention) explain(starters []starter, names map[text]text, x *query.Explain) *query.Answer {
	persons := map[uint32]bool{}
	for _, s := range starters {
		if s.cohort != x.Cohort || r.Breakdown != nil && !isGroup(x, names[s.value]) {
			continue
		}
		if x.Period < 0 || r.over(s.cohort, x.Period) && r.returned(s, x.Period) {
			persons[s.person] = true
		}
	}
	return explained(persons)
}
