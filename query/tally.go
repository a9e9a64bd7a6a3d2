package query

import (
	"fmt"

	"github.com/weirhq/weir"
)

// Tally is what a series has in its groups, while an engine answers.
type Tally map[Groups]*Counted

// Counted are the numbers of a group, with the measure's empty value where nothing
// counts.
type Counted struct {
	Values []Real // by bucket
	Total  Real
}

// MostCells bounds the numbers that a question may have in the memory.
const MostCells = 20_000_000

// At finds or makes the numbers of a group, in so many buckets. The error is that of
// TooManyCells.
func (t Tally) At(g Groups, m Measure, buckets int) (*Counted, error) {
	c := t[g]
	if c != nil {
		return c, nil
	}
	if (len(t)+1)*buckets > MostCells {
		return nil, TooManyCells()
	}
	c = &Counted{Values: make([]Real, buckets), Total: m.Empty()}
	for i := range c.Values {
		c.Values[i] = c.Total
	}
	t[g] = c
	return c, nil
}

// TooManyCells is the error of a question with more numbers than MostCells.
func TooManyCells() error {
	return &weir.Error{Code: CodeTooLarge, Field: "breakdowns",
		Message: "The question has more groups and buckets than fit into the memory. Ask for a shorter range, a longer interval, or with smaller limits."}
}

// Tell gives an assembler the numbers of a series.
func (t Tally) Tell(a *Assembler, series int, previous bool) {
	for g, c := range t {
		line := Line{Series: series, Previous: previous, Groups: g}
		a.Total(line, c.Total)
		for i, v := range c.Values {
			a.Value(line, i, v)
		}
	}
}

// PerUser divides events by the people whose they are, in the same groups.
func (t Tally) PerUser(users Tally) error {
	for g, c := range t {
		by := users[g]
		if by == nil {
			return fmt.Errorf("events of nobody in %+v", g)
		}
		c.Total /= by.Total
		for i := range c.Values {
			if c.Values[i] == 0 {
				c.Values[i] = None
			} else {
				c.Values[i] /= by.Values[i]
			}
		}
	}
	return nil
}

// Part is what can be added up of some rows: a sum, a lowest or a highest number, and
// how many rows there are.
type Part struct {
	X float64
	N int64
}

// Add adds what other rows are.
func (p *Part) Add(m Measure, o Part) {
	switch {
	case o.N == 0:
	case p.N == 0:
		*p = o
	default:
		switch m {
		case Min:
			p.X = min(p.X, o.X)
		case Max:
			p.X = max(p.X, o.X)
		default:
			p.X += o.X
		}
		p.N += o.N
	}
}

// Value is the measure of the rows.
func (p Part) Value(m Measure) Real {
	switch {
	case p.N == 0:
		return m.Empty()
	case m == Avg:
		return Real(p.X / float64(p.N))
	}
	return Real(p.X)
}

// Parts are those of a group by bucket.
type Parts []Part

// Total is what all buckets are together.
func (p Parts) Total(m Measure) Part {
	var all Part
	for _, one := range p {
		all.Add(m, one)
	}
	return all
}

// TallyOf makes numbers of parts, which it takes apart.
func TallyOf(all map[Groups]Parts, m Measure, cumulative bool, buckets int) (Tally, error) {
	out := Tally{}
	for g, by := range all {
		c, err := out.At(g, m, buckets)
		if err != nil {
			return nil, err
		}
		var sum Part
		for i, p := range by {
			sum.Add(m, p)
			if cumulative {
				p = sum
			}
			c.Values[i] = p.Value(m)
		}
		c.Total = sum.Value(m)
		delete(all, g)
	}
	return out, nil
}
