package journey

import (
	"context"
	"math"
	"math/bits"
	"sync"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// summary is what the rows of one mark and person amount to, as far as the fold needs
// it. Rows are added in any order, so that they need be neither kept nor sorted.
type summary struct {
	count   int64
	first   weir.Micros // of rows; math.MaxInt64 if there is none
	buckets []uint64    // a bit for each bucket that a row lies in
}

// need is what a fold needs of a mark's summary.
type need uint8

const (
	needCount need = 1 << iota
	needFirst
	needBuckets
)

// active is in how many buckets there is a row.
func (s *summary) active() (n int) {
	for _, word := range s.buckets {
		n += bits.OnesCount64(word)
	}
	return n
}

// each calls fn for each bucket from one on that has a row, in order.
func (s *summary) each(from int, fn func(bucket int)) {
	for i := from / 64; i < len(s.buckets); i++ {
		word := s.buckets[i]
		if i == from/64 {
			word &= ^uint64(0) << (from % 64)
		}
		for ; word != 0; word &= word - 1 {
			fn(i*64 + bits.TrailingZeros64(word))
		}
	}
}

// summarizer is a fold that needs no more of a person than summaries of the rows of its
// request.
type summarizer interface {
	// summaries says what is needed of each mark, and what bounds the buckets; edges may
	// be nil if no mark needs any. Without needs this question needs the rows after all.
	summaries() (needs []need, edges []weir.Micros)
	// meet takes a person's summaries, one for each mark. It is called once for each
	// person of whom there is any; the slice is used again.
	meet(who Person, s []summary)
}

// foldSummaries answers by summaries, if the fold can and they fit into the memory.
func foldSummaries(ctx context.Context, f fold, t *Texts, memory int64) (done bool, err error) {
	s, ok := f.(summarizer)
	if !ok {
		return false, nil
	}
	needs, edges := s.summaries()
	if needs == nil {
		return false, nil
	}
	a, err := readSummaries(ctx, t.source, f.request(), memory, needs, edges)
	if a == nil || err != nil {
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

// readSummaries is nil if the summaries do not fit into the memory. Each stream has an
// adder of its own; in the end they are added up.
func readSummaries(ctx context.Context, source Source, request *Request, memory int64, needs []need, edges []weir.Micros) (*adder, error) {
	persons := int(source.Highest()) + 1
	all := newAdder(needs, edges)
	if all.size(persons)*int64(source.Streams()) > memory {
		return nil, nil
	}
	var mu sync.Mutex
	var adders []*adder
	err := source.Rows(ctx, request, 0, 1, func() Sink {
		a := newAdder(needs, edges)
		a.grow(persons)
		mu.Lock()
		defer mu.Unlock()
		adders = append(adders, a)
		return a.take
	})
	if err != nil {
		return nil, err
	}
	if len(adders) == 0 { // not a row
		return all, nil
	}
	for _, a := range adders[1:] {
		adders[0].join(a)
	}
	return adders[0], nil
}

// adder makes summaries of rows, for persons by number. All that is known of a person
// lies together and is as small as can be: rows come in no order and each looks at
// another person, so it counts how much of it all a processor's cache holds.
type adder struct {
	fields   []adderField // by mark
	words    int          // of 64 bits, of each person
	persons  int
	cells    []uint64 // of each person the words of each mark; 0 is always nothing
	finder   query.Finder
	bucketed bool // some mark needs buckets
	sums     []summary
	places   []int32 // of the block at hand: the bucket of each row, or -1
	block    Block   // of one
}

// adderField is where a mark's words are among those of a person, or -1.
type adderField struct{ count, first, buckets, end int }

func newAdder(needs []need, edges []weir.Micros) *adder {
	a := &adder{sums: make([]summary, len(needs)), bucketed: len(edges) > 1}
	if a.bucketed {
		a.finder = query.NewFinder(edges)
	}
	room := func(needed bool, words int) int {
		if !needed {
			return -1
		}
		at := a.words
		a.words += words
		return at
	}
	for _, n := range needs {
		a.fields = append(a.fields, adderField{
			count:   room(n&needCount != 0, 1),
			first:   room(n&needFirst != 0, 1),
			buckets: room(n&needBuckets != 0, (len(edges)-1+63)/64),
			end:     a.words,
		})
	}
	return a
}

// size is how many bytes so many persons take.
func (a *adder) size(persons int) int64 { return int64(persons) * int64(8*a.words) }

// grow makes room for so many persons.
func (a *adder) grow(persons int) {
	a.persons, a.cells = persons, make([]uint64, persons*a.words)
}

// take is a Sink.
func (a *adder) take(b *Block) error {
	a.add(b)
	return nil
}

// add takes one field after the other: short loops whose rows do not wait for one
// another.
func (a *adder) add(b *Block) {
	if a.bucketed {
		a.places = a.finder.All(b.At, a.places)
	}
	for mark, f := range a.fields {
		bit := uint32(1) << mark
		if f.count >= 0 {
			a.addCounts(b, bit, f.count)
		}
		if f.first >= 0 {
			a.addFirsts(b, bit, f.first)
		}
		if f.buckets >= 0 {
			a.addBuckets(b, bit, f.buckets)
		}
	}
}

func (a *adder) addCounts(b *Block, bit uint32, at int) {
	marks := b.Marks[:len(b.Person)]
	for i, person := range b.Person {
		if marks[i]&bit != 0 {
			a.cells[int(person)*a.words+at]++
		}
	}
}

func (a *adder) addFirsts(b *Block, bit uint32, at int) {
	marks, times := b.Marks[:len(b.Person)], b.At[:len(b.Person)]
	for i, person := range b.Person {
		if marks[i]&bit != 0 {
			cell := &a.cells[int(person)*a.words+at]
			*cell = max(*cell, before(times[i]))
		}
	}
}

func (a *adder) addBuckets(b *Block, bit uint32, at int) {
	marks, places := b.Marks[:len(b.Person)], a.places[:len(b.Person)]
	for i, person := range b.Person {
		if place := places[i]; place >= 0 && marks[i]&bit != 0 {
			a.cells[int(person)*a.words+at+int(place>>6)] |= 1 << (place & 63)
		}
	}
}

// before is greater for earlier times, and 0 for the end of time alone.
func before(at int64) uint64 { return math.MaxInt64 - uint64(at) }

// join adds what another one of the same size has.
func (a *adder) join(b *adder) {
	for person := 0; person < len(a.cells); person += a.words {
		to, from := a.cells[person:person+a.words], b.cells[person:person+a.words]
		for _, f := range a.fields {
			if f.count >= 0 {
				to[f.count] += from[f.count]
			}
			if f.first >= 0 {
				to[f.first] = max(to[f.first], from[f.first])
			}
			if f.buckets >= 0 {
				for i := f.buckets; i < f.end; i++ {
					to[i] |= from[i]
				}
			}
		}
	}
}

// of are a person's summaries, which are valid until the next call, and whether there
// is anything in them.
func (a *adder) of(person int) (sums []summary, met bool) {
	cells := a.cells[person*a.words : (person+1)*a.words]
	for _, word := range cells {
		met = met || word != 0
	}
	if !met {
		return nil, false
	}
	for mark, f := range a.fields {
		s := &a.sums[mark]
		if f.count >= 0 {
			s.count = int64(cells[f.count])
		}
		if f.first >= 0 {
			s.first = weir.Micros(before(int64(cells[f.first])))
		}
		if f.buckets >= 0 {
			s.buckets = cells[f.buckets:f.end]
		}
	}
	return a.sums, true
}

// one are the summaries of one person's rows, of whom there is at least one.
func (a *adder) one(events []Event) []summary {
	if a.persons == 0 {
		a.grow(1)
	}
	clear(a.cells)
	one := &a.block
	one.Person, one.At, one.Marks = one.Person[:0], one.At[:0], one.Marks[:0]
	for i := range events {
		one.Person, one.At, one.Marks = append(one.Person, 0), append(one.At, int64(events[i].At)), append(one.Marks, events[i].Marks)
	}
	a.add(one)
	sums, _ := a.of(0)
	return sums
}
