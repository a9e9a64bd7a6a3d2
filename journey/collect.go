package journey

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math/bits"
	"slices"
	"strings"
	"unsafe"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// errFull says that the rows are more than may be held.
var errFull = errors.New("the rows do not fit into the memory")

// Texts are the texts of a question's events and persons, by number.
type Texts struct {
	source Source
	traits *traits
	// tuples are the texts that an event has together, by Event.Values, and index finds them.
	tuples [][MaxTexts]int32
	index  map[[MaxTexts]int32]int32
	last   [MaxTexts]int32 // the tuple that was asked for last
	at     int32           // and its number
}

// Of is the number of the i-th of Request.Texts, or NoText.
func (t *Texts) Of(values int32, i int) int32 { return t.tuples[values][i] }

// Text is the text of a number that Of gave.
func (t *Texts) Text(number int32) string { return t.source.Text(number) }

// Trait is the text of a Person.Trait.
func (t *Texts) Trait(number int32) string { return t.traits.texts[number] }

// number is that of a tuple.
func (t *Texts) number(tuple [MaxTexts]int32) int32 {
	if len(t.tuples) > 0 && tuple == t.last {
		return t.at
	}
	if t.index == nil {
		t.index = map[[MaxTexts]int32]int32{}
	}
	n, ok := t.index[tuple]
	if !ok {
		n = int32(len(t.tuples))
		t.tuples = append(t.tuples, tuple)
		t.index[tuple] = n
	}
	t.last, t.at = tuple, n
	return n
}

// compare orders values by their texts, one after the other, absent last.
func (t *Texts) compare(a, b int32) int {
	if a == b {
		return 0
	}
	for i, x := range t.tuples[a] {
		y := t.tuples[b][i]
		switch {
		case x == y:
		case x == NoText:
			return 1
		case y == NoText:
			return -1
		default:
			if c := strings.Compare(t.source.Text(x), t.source.Text(y)); c != 0 {
				return c
			}
		}
	}
	return 0
}

// traits are the texts of a property of persons.
type traits struct {
	texts  []string
	number []int32 // by person; 0: none, else one more than the text's place
}

func readTraits(ctx context.Context, source Source, of *query.Ref) (*traits, error) {
	if of == nil {
		return nil, nil
	}
	t := &traits{}
	index := map[string]int32{}
	err := source.People(ctx, *of, func(person uint32, text string) {
		n, ok := index[text]
		if !ok {
			n = int32(len(t.texts))
			t.texts = append(t.texts, text)
			index[text] = n
		}
		if int(person) >= len(t.number) {
			t.number = slices.Grow(t.number, int(person)+1-len(t.number))[:person+1]
		}
		t.number[person] = n + 1
	})
	return t, err
}

func (t *traits) of(person uint32) int32 {
	if t == nil || int(person) >= len(t.number) {
		return NoText
	}
	return t.number[person] - 1
}

// collector puts rows in order by person and time. Numbers of persons are dense: rows
// are dealt out into shelves by them as they come, and what is on one shelf, which
// fits into a processor's cache, is put in order when it is taken.
type collector struct {
	texts   *Texts
	width   uint32 // persons to a shelf
	room    int    // rows that may still come
	shelves [shelves][]*[boxSize]Event
	used    [shelves]int // rows on the shelf
	scratch [MaxTexts]int32
	keys    []uint64 // of sort
	moved   []Event
}

const (
	shelves = 256
	boxSize = 512
)

// newCollector is for persons up to the highest number.
func newCollector(t *Texts, highest uint32, memory int64) *collector {
	return &collector{texts: t, width: highest/shelves + 1, room: int(memory / int64(unsafe.Sizeof(Event{})))}
}

// add takes a block.
func (c *collector) add(b *Block) error {
	if c.room -= len(b.At); c.room < 0 {
		return errFull
	}
	values := int32(0)
	for i, person := range b.Person {
		if b.Marks[i] == 0 {
			continue
		}
		if len(b.Texts) > 0 {
			for n, column := range b.Texts {
				c.scratch[n] = column[i]
			}
			values = c.texts.number(c.scratch)
		}
		shelf := person / c.width
		at := c.used[shelf]
		if at%boxSize == 0 {
			c.shelves[shelf] = append(c.shelves[shelf], new([boxSize]Event))
		}
		c.shelves[shelf][at/boxSize][at%boxSize] = Event{At: weir.Micros(b.At[i]), Marks: b.Marks[i], Session: b.Session[i], Values: values, person: person}
		c.used[shelf]++
	}
	return nil
}

// persons are the rows by person, in the order of the persons' numbers. The
// collector is empty afterwards. While the events of one shelf are looked at, the next
// one is put in order.
func (c *collector) persons() iter.Seq2[uint32, []Event] {
	return func(yield func(uint32, []Event) bool) {
		ready, free, over := make(chan *shelf), make(chan *shelf, 2), make(chan struct{})
		for range 2 {
			free <- &shelf{ends: make([]int, c.width)}
		}
		go func() {
			defer close(ready)
			for n := range c.shelves {
				if c.used[n] == 0 {
					continue
				}
				select {
				case o := <-free:
					c.place(n, o)
					ready <- o
				case <-over:
					return
				}
			}
		}()
		defer func() {
			close(over)
			for range ready { // what is under way ends
			}
		}()
		for o := range ready {
			start := 0
			for n, end := range o.ends {
				if end != start && !yield(o.first+uint32(n), o.events[start:end]) {
					return
				}
				start = end
			}
			free <- o
		}
	}
}

// shelf is the events of a shelf by person, each person's in order.
type shelf struct {
	first  uint32 // person
	events []Event
	ends   []int // of each person's events
}

// place empties a shelf and puts its events in order.
func (c *collector) place(n int, o *shelf) {
	rows := c.used[n]
	o.first = uint32(n) * c.width
	if cap(o.events) < rows {
		o.events = make([]Event, rows+rows/4)
	}
	o.events = o.events[:rows]
	clear(o.ends)
	each := func(do func(*Event)) {
		for i, box := range c.shelves[n] {
			for k := range box[:min(boxSize, rows-i*boxSize)] {
				do(&box[k])
			}
		}
	}
	each(func(e *Event) { o.ends[e.person-o.first]++ })
	total := 0
	for k, count := range o.ends { // the beginnings, which become the ends below
		o.ends[k] = total
		total += count
	}
	each(func(e *Event) {
		end := &o.ends[e.person-o.first]
		o.events[*end] = *e
		*end++
	})
	c.shelves[n], c.used[n] = nil, 0
	start := 0
	for _, end := range o.ends {
		if end > start+1 {
			c.sort(o.events[start:end])
		}
		start = end
	}
}

// sort puts a person's rows in the order of Event. They come in a few runs that are in
// order of time already, so a look is worth it. Else times and places are sorted as one
// number, which is three times as fast as to move the rows themselves about.
func (c *collector) sort(events []Event) {
	least, greatest, sorted := events[0].At, events[0].At, true
	for i := 1; i < len(events); i++ {
		at := events[i].At
		sorted = sorted && at > events[i-1].At
		least, greatest = min(least, at), max(greatest, at)
	}
	if sorted {
		return
	}
	places := bits.Len(uint(len(events) - 1))
	if bits.Len64(uint64(greatest-least))+places > 64 {
		slices.SortFunc(events, c.compare)
		return
	}
	c.keys = c.keys[:0]
	for i := range events {
		c.keys = append(c.keys, uint64(events[i].At-least)<<places|uint64(i))
	}
	slices.Sort(c.keys)
	c.moved = append(c.moved[:0], events...)
	for i, key := range c.keys {
		events[i] = c.moved[key&(1<<places-1)]
	}
	for from := 0; from < len(events); {
		to := from + 1
		for to < len(events) && events[to].At == events[from].At {
			to++
		}
		if to > from+1 {
			slices.SortFunc(events[from:to], c.compare)
		}
		from = to
	}
}

// compare is the order of Event.
func (c *collector) compare(a, b Event) int {
	if a.At != b.At {
		return cmp.Compare(a.At, b.At)
	}
	return cmp.Or(c.texts.compare(a.Values, b.Values), cmp.Compare(a.Session, b.Session), cmp.Compare(a.Marks, b.Marks))
}
