package attribution

import (
	"slices"
	"sort"

	"github.com/weirhq/weir"
)

// Seen is what makes impressions the same: of those of one path that are equal, only
// the first counts. The zero value is that of a visit, which always counts. It is
// comparable.
type Seen struct {
	impression               bool
	source, medium, campaign string
}

// SeenOf is the Seen of whatever came from a source.
func SeenOf(s Source) Seen {
	if !s.Impression {
		return Seen{}
	}
	return Seen{impression: true, source: fold(s.Source), medium: fold(s.Medium), campaign: fold(s.Campaign)}
}

// Path chooses among a person's touchpoints those that led to a conversion. It is for
// callers that have no weir.Session; Attribute goes by it as well.
type Path struct {
	// Times say when each touchpoint began. They ascend; those of the same instant are
	// in order of session ID. None is of an event of a server (weir.Attended), or 0.
	Times []weir.Micros
	// Seen says of the i-th touchpoint which impression it is. It is asked only of those
	// that lie in the time that counts.
	Seen func(i int) Seen
}

// Touches appends to into, which may be nil, the places in Times of those that led to
// a conversion at an instant: in order of time, at most MaxTouches. Previous is when
// the person's conversion before it was, 0 if there was none; it is of no account
// without AfterPrevious.
func (p Path) Touches(into []int, at, previous weir.Micros, o Options) []int {
	o = o.orDefaults()
	from := at - o.Lookback
	if o.AfterPrevious {
		from = max(from, previous+1)
	}
	start := len(into)
	first := sort.Search(len(p.Times), func(i int) bool { return p.Times[i] >= from })
	var known map[Seen]bool
	for i := first; i < len(p.Times) && p.Times[i] <= at; i++ {
		if seen := p.Seen(i); seen.impression {
			if known[seen] {
				continue
			}
			if known == nil {
				known = map[Seen]bool{}
			}
			known[seen] = true
		}
		into = append(into, i)
	}
	if over := len(into) - start - MaxTouches; over > 0 {
		into = slices.Delete(into, start+1, start+1+over)
	}
	return into
}

// Previous tells of a person's conversions, met in order of time, when the one before
// each was. Those of the same instant are not previous to one another. The zero value
// is ready.
type Previous struct{ now, before weir.Micros }

// Of is when the latest conversion before an instant was, 0 if there was none. The
// conversion of that instant counts for what comes later.
func (p *Previous) Of(at weir.Micros) weir.Micros {
	if at != p.now {
		p.before, p.now = p.now, at
	}
	return p.before
}

// RoleOf is the part that the i-th of n touches plays, from 0.
func RoleOf(i, n int) weir.Role {
	switch {
	case n == 1:
		return weir.Alone
	case i == 0:
		return weir.Initiator
	case i == n-1:
		return weir.Closer
	}
	return weir.Assisting
}
