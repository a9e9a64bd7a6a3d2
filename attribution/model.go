package attribution

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/weirhq/weir"
)

// Model is a way to share the value of a conversion among its touchpoints.
type Model string

// The models of SEMANTICS §5. The comments give the weights in percent.
const (
	First         Model = "first"           // 100 to the first touch
	Last          Model = "last"            // 100 to the last
	LastNonDirect Model = "last_non_direct" // 100 to the last that is not direct; to the last if all are
	Linear        Model = "linear"          // the same to each
	TimeDecay     Model = "time_decay"      // half as much for each half-life that a touch is older
	Position      Model = "position"        // 40 first, 20 shared by those between, 40 last; two: 50, 50
	J             Model = "j"               // 20, 20, 60; two: 25, 75
	InverseJ      Model = "inverse_j"       // 60, 20, 20; two: 75, 25
	Participation Model = "participation"   // 100 to each
)

// Models lists the models in the order of weir.Touch.Credits. New ones are added
// at the end, as stored credits have no names.
func Models() []Model {
	return []Model{First, Last, LastNonDirect, Linear, TimeDecay, Position, J, InverseJ, Participation}
}

// Credits shares value, in cents, among the touches at times, which are in order
// of time and not after at; direct says of each whether it is direct; halfLife is of
// TimeDecay, 0 means 7 days. The result has one credit for each touch, and unless
// the model is Participation they sum to value exactly, also if it is negative.
// Without a touch, or for an unknown model, the result is nil: the value is
// nobody's.
//
// Cents are whole, by largest remainder: each touch gets its share rounded
// towards zero, and the cents that are left over go one by one to those with the
// largest remainders, among equals to the earlier touch. All of it is arithmetic
// of integers, so that every machine gives the same cents.
func Credits(value int64, times []weir.Micros, direct []bool, at weir.Micros, model Model, halfLife weir.Micros) []int64 {
	if len(times) == 0 || !slices.Contains(Models(), model) {
		return nil
	}
	s := sharer{weights: make([]uint64, len(times)), order: make([]int, 0, len(times))}
	credits := make([]int64, len(times))
	halfLife = Options{HalfLife: halfLife}.orDefaults().HalfLife
	s.credits(credits, value, times, direct, at, model, halfLife)
	return credits
}

// sharer keeps the memory of Credits from model to model.
type sharer struct {
	weights    []uint64
	remainders []uint64
	order      []int
}

func (s *sharer) credits(into []int64, value int64, times []weir.Micros, direct []bool, at weir.Micros, model Model, halfLife weir.Micros) {
	if model == Participation {
		for i := range into {
			into[i] = value
		}
		return
	}
	s.weights = slices.Grow(s.weights[:0], len(times))[:len(times)]
	s.weigh(times, direct, at, model, halfLife)
	s.share(into, value)
}

// weigh sets the weights of a model. Only their ratio has a meaning.
func (s *sharer) weigh(times []weir.Micros, direct []bool, at weir.Micros, model Model, halfLife weir.Micros) {
	w, last := s.weights, len(times)-1
	clear(w)
	switch model {
	case First:
		w[0] = 1
	case Last:
		w[last] = 1
	case LastNonDirect:
		w[lastNonDirect(direct, last)] = 1
	case Linear:
		for i := range w {
			w[i] = 1
		}
	case TimeDecay:
		// Only how much older than the newest a touch is matters for the ratio.
		// Counted so, the newest weighs 1 even if all are many half-lives old.
		newest := at - times[last]
		for i, t := range times {
			w[i] = decayed(at-t-newest, halfLife)
		}
	case Position:
		ends(w, 40, 20, 40)
	case J:
		ends(w, 20, 20, 60)
	case InverseJ:
		ends(w, 60, 20, 20)
	}
}

func lastNonDirect(direct []bool, last int) int {
	for i := last; i >= 0; i-- {
		if !direct[i] {
			return i
		}
	}
	return last
}

// ends weighs the first touch, those between, who share one weight, and the last.
// Two touches share all by the ratio of the ends: 20 to 60 is 25 to 75.
func ends(w []uint64, first, middle, last uint64) {
	n := uint64(len(w))
	switch n {
	case 1:
		w[0] = 1
	case 2:
		w[0], w[1] = first, last
	default:
		for i := range w {
			w[i] = middle
		}
		w[0], w[n-1] = first*(n-2), last*(n-2)
	}
}

// share splits a value by the weights, of which one at least is not 0.
func (s *sharer) share(into []int64, value int64) {
	size := uint64(value)
	if value < 0 {
		size = -size
	}
	var total uint64
	for _, w := range s.weights {
		total += w
	}
	s.remainders = slices.Grow(s.remainders[:0], len(s.weights))[:len(s.weights)]
	left := size
	for i, w := range s.weights {
		high, low := bits.Mul64(size, w)
		share, remainder := bits.Div64(high, low, total)
		into[i], s.remainders[i] = int64(share), remainder
		left -= share
	}
	if left > 0 {
		s.order = s.order[:0]
		for i := range s.weights {
			s.order = append(s.order, i)
		}
		slices.SortStableFunc(s.order, func(a, b int) int { return cmp.Compare(s.remainders[b], s.remainders[a]) })
		for _, i := range s.order[:left] {
			into[i]++
		}
	}
	if value < 0 {
		for i := range into {
			into[i] = -into[i]
		}
	}
}
