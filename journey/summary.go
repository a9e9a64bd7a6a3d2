package journey

import (
	"context"
	"math"
	"math/bits"

	"github.com/weirhq/weir"
)

// summary is what the rows of one mark and person amount to. Rows are added in any
// order, so that they need be neither kept nor sorted.
type summary struct {
	count   int64
	first   weir.Micros // of rows; with a count of 0 it has no meaning
	buckets []uint64    // a bit for each bucket that a row lies in
}

// has reports whether a bucket has a row.
func (s *summary) has(bucket int) bool { return s.buckets[bucket/64]>>(bucket%64)&1 != 0 }

// active is in how many buckets there is a row.
func (s *summary) active() (n int) {
	for _, word := range s.buckets {
		n += bits.OnesCount64(word)
	}
	return n
}

// each calls fn for each bucket that has a row, in order.
func (s *summary) each(fn func(bucket int)) {
	for i, word := range s.buckets {
		for ; word != 0; word &= word - 1 {
			fn(i*64 + bits.TrailingZeros64(word))
		}
	}
}

// summarizer is a fold that needs no more of a person than summaries of the rows of its
// request.
type summarizer interface {
	// edges bound the buckets of summaries; nil: they are not needed. Without ok this
	// question needs the rows after all.
	edges() (edges []weir.Micros, ok bool)
	// meet takes a person's summaries, one for each mark. It is called once for each
	// person who has any row; the slice is used again.
	meet(who Person, s []summary)
}

// foldSummaries answers by summaries, if the fold can and they fit into the memory.
func foldSummaries(ctx context.Context, f fold, t *Texts, memory int64) (done bool, err error) {
	s, ok := f.(summarizer)
	if !ok {
		return false, nil
	}
	edges, ok := s.edges()
	if !ok {
		return false, nil
	}
	request := f.request()
	a := newAdder(len(request.Marks), edges)
	if !a.grow(int(t.source.Highest())+1, memory) {
		return false, nil
	}
	err = t.source.Rows(ctx, request, 0, 1, func(b *Block) error {
		for i, person := range b.Person {
			a.add(int(person), weir.Micros(b.At[i]), b.Marks[i])
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	for person := range a.persons {
		if sums, met := a.of(person); met {
			s.meet(Person{Number: uint32(person), Trait: t.traits.of(uint32(person))}, sums)
		}
	}
	return true, nil
}

// adder makes summaries of rows, for persons by number. All that is known of a person
// lies together, since rows come in no order and each looks at another person: a cell
// for each mark, of the count, the first time and the words of buckets.
type adder struct {
	marks, cell, persons int
	buckets              bucketFinder
	cells                []uint64
	sums                 []summary
}

func newAdder(marks int, edges []weir.Micros) *adder {
	a := &adder{marks: marks, cell: 2, sums: make([]summary, marks)}
	if len(edges) > 1 {
		a.buckets, a.cell = newBucketFinder(edges), 2+(len(edges)-1+63)/64
	}
	return a
}

// grow makes room for so many persons, if the memory allows it.
func (a *adder) grow(persons int, memory int64) bool {
	if int64(persons)*int64(a.marks)*int64(8*a.cell) > memory {
		return false
	}
	a.persons, a.cells = persons, make([]uint64, persons*a.marks*a.cell)
	return true
}

// add adds a row.
func (a *adder) add(person int, at weir.Micros, marks uint32) {
	bucket := -1
	if a.cell > 2 {
		bucket = a.buckets.of(at)
	}
	for ; marks != 0; marks &= marks - 1 {
		i := (person*a.marks + bits.TrailingZeros32(marks)) * a.cell
		cell := a.cells[i : i+a.cell]
		if cell[0]++; cell[0] == 1 || at < weir.Micros(cell[1]) {
			cell[1] = uint64(at)
		}
		if bucket >= 0 {
			cell[2+bucket/64] |= 1 << (bucket % 64)
		}
	}
}

// of are a person's summaries, which are valid until the next call, and whether there
// was any row.
func (a *adder) of(person int) (sums []summary, met bool) {
	for mark := range a.sums {
		i := (person*a.marks + mark) * a.cell
		cell := a.cells[i : i+a.cell]
		a.sums[mark] = summary{int64(cell[0]), weir.Micros(cell[1]), cell[2:]}
		met = met || cell[0] > 0
	}
	return a.sums, met
}

// one are the summaries of one person's rows.
func (a *adder) one(events []Event) []summary {
	if a.persons == 0 {
		a.grow(1, math.MaxInt64)
	}
	clear(a.cells)
	for i := range events {
		a.add(0, events[i].At, events[i].Marks)
	}
	sums, _ := a.of(0)
	return sums
}
