package journey

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	// tuples are the texts that an event has together, by Event.Values, and index finds
	// them. While rows are read, mu guards them.
	mu     sync.Mutex
	tuples [][MaxTexts]int32
	index  map[[MaxTexts]int32]int32
}

// Of is the number of the i-th of Request.Texts, or NoText.
func (t *Texts) Of(values int32, i int) int32 { return t.tuples[values][i] }

// Text is the text of a number that Of gave.
func (t *Texts) Text(number int32) string { return t.source.Text(number) }

// Trait is the text of a Person.Trait.
func (t *Texts) Trait(number int32) string { return t.traits.texts[number] }

// number is that of a tuple.
func (t *Texts) number(tuple [MaxTexts]int32) int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.index == nil {
		t.index = map[[MaxTexts]int32]int32{}
	}
	n, ok := t.index[tuple]
	if !ok {
		n = int32(len(t.tuples))
		t.tuples = append(t.tuples, tuple)
		t.index[tuple] = n
	}
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
	texts *Texts
	shift int          // a shelf has 1<<shift persons
	room  atomic.Int64 // rows that may still come
	mu    sync.Mutex   // guards hands while rows are read
	hands []*hand
}

// hand deals out the rows of one stream.
type hand struct {
	*collector
	shelves [shelves]boxes
	scratch [MaxTexts]int32
	tuples  map[[MaxTexts]int32]int32 // of Texts, those that were met here
	singles []int32                   // the same of tuples of one text: by the text, one more than the number
	last    [MaxTexts]int32           // the tuple that was met last
	at      int32                     // and its number, or NoText
}

// boxes are the rows of a shelf that came in one stream.
type boxes struct {
	boxes []*[boxSize]Event
	rows  int
}

const (
	shelves = 256
	boxSize = 512
)

// newCollector is for persons up to the highest number.
func newCollector(t *Texts, highest uint32, memory int64) *collector {
	c := &collector{texts: t, shift: bits.Len32(highest / shelves)}
	c.room.Store(memory / int64(unsafe.Sizeof(Event{})))
	return c
}

// open makes the sink of a stream.
func (c *collector) open() Sink {
	h := &hand{collector: c, tuples: map[[MaxTexts]int32]int32{}, at: NoText}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hands = append(c.hands, h)
	return h.add
}

// add takes a block.
func (h *hand) add(b *Block) error {
	if h.room.Add(-int64(len(b.At))) < 0 {
		return errFull
	}
	values := int32(0)
	for i, person := range b.Person {
		if b.Marks[i] == 0 {
			continue
		}
		if len(b.Texts) > 0 {
			values = h.values(b.Texts, i)
		}
		shelf := &h.shelves[person>>h.shift]
		session := uint32(0)
		if b.Session != nil {
			session = b.Session[i]
		}
		at := shelf.rows
		if at%boxSize == 0 {
			shelf.boxes = append(shelf.boxes, new([boxSize]Event))
		}
		shelf.boxes[at/boxSize][at%boxSize] = Event{At: weir.Micros(b.At[i]), Marks: b.Marks[i], Session: session, Values: values, person: person}
		shelf.rows++
	}
	return nil
}

// values is the number of the texts of a row.
func (h *hand) values(texts [][]int32, row int) int32 {
	if len(texts) == 1 {
		return h.single(texts[0][row])
	}
	for n, column := range texts {
		h.scratch[n] = column[row]
	}
	if h.at != NoText && h.scratch == h.last {
		return h.at
	}
	n, ok := h.tuples[h.scratch]
	if !ok {
		n = h.texts.number(h.scratch)
		h.tuples[h.scratch] = n
	}
	h.last, h.at = h.scratch, n
	return n
}

// single is the number of a tuple of one text.
func (h *hand) single(text int32) int32 {
	at := int(text - NoText)
	if at >= len(h.singles) {
		h.singles = append(h.singles, make([]int32, at+1-len(h.singles))...)
	}
	if h.singles[at] == 0 {
		h.scratch[0] = text
		h.singles[at] = h.texts.number(h.scratch) + 1
	}
	return h.singles[at] - 1
}

// persons are the rows by person, in the order of the persons' numbers. The
// collector is empty afterwards. While the events of one shelf are looked at, the next
// ones are put in order, each placer taking every so manieth.
func (c *collector) persons() iter.Seq2[uint32, []Event] {
	return func(yield func(uint32, []Event) bool) {
		over := make(chan struct{})
		var working sync.WaitGroup
		defer func() {
			close(over)
			working.Wait()
		}()
		var ready, free [placers]chan *shelf
		for i := range placers {
			ready[i], free[i] = make(chan *shelf, 2), make(chan *shelf, 2)
			for range cap(free[i]) {
				free[i] <- &shelf{texts: c.texts, ends: make([]int, 1<<c.shift)}
			}
			working.Go(func() {
				for n := i; n < shelves; n += placers {
					select {
					case o := <-free[i]:
						c.place(n, o)
						ready[i] <- o // there is room: what is free is not ready
					case <-over:
						return
					}
				}
			})
		}
		for n := range shelves {
			o := <-ready[n%placers]
			start := 0
			for k, end := range o.ends {
				if end != start && !yield(o.first+uint32(k), o.events[start:end]) {
					return
				}
				start = end
			}
			free[n%placers] <- o
		}
	}
}

// placers is how many put shelves in order at the same time. Beside the fold, which
// takes what they make, two keep two processors busy.
const placers = 2

// shelf is the events of a shelf by person, each person's in order.
type shelf struct {
	texts  *Texts
	first  uint32 // person
	events []Event
	ends   []int    // of each person's events
	keys   []uint64 // of sort
	moved  []Event
}

// rows is how many there are on a shelf.
func (c *collector) rows(n int) (rows int) {
	for _, h := range c.hands {
		rows += h.shelves[n].rows
	}
	return rows
}

// place empties a shelf and puts its events in order.
func (c *collector) place(n int, o *shelf) {
	rows := c.rows(n)
	o.first = uint32(n) << c.shift
	if cap(o.events) < rows {
		o.events = make([]Event, rows+rows/4)
	}
	o.events = o.events[:rows]
	clear(o.ends)
	each := func(do func(*Event)) {
		for _, h := range c.hands {
			b := &h.shelves[n]
			for i, box := range b.boxes {
				for k := range box[:min(boxSize, b.rows-i*boxSize)] {
					do(&box[k])
				}
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
	for _, h := range c.hands {
		h.shelves[n] = boxes{}
	}
	start := 0
	for _, end := range o.ends {
		if end > start+1 {
			o.sort(o.events[start:end])
		}
		start = end
	}
}

// sort puts a person's rows in the order of Event. They come in a few runs that are in
// order of time already, often as many as there are streams, so a look is worth it: two
// runs are merged. Else times and places are sorted as one number, which is three times
// as fast as to move the rows themselves about.
func (o *shelf) sort(events []Event) {
	least, greatest := events[0].At, events[0].At
	runs, second, ties := 1, 0, false
	for i := 1; i < len(events); i++ {
		at := events[i].At
		if before := events[i-1].At; at < before {
			runs, second = runs+1, i
		} else if at == before {
			ties = true
		}
		least, greatest = min(least, at), max(greatest, at)
	}
	places := bits.Len(uint(len(events) - 1))
	switch {
	case runs == 1 && !ties:
		return
	case runs == 1:
	case runs == 2:
		o.merge(events, second)
	case bits.Len64(uint64(greatest-least))+places > 64:
		slices.SortFunc(events, o.compare)
		return
	default:
		o.sortByKeys(events, least, places)
	}
	for from := 0; from < len(events); {
		to := from + 1
		for to < len(events) && events[to].At == events[from].At {
			to++
		}
		if to > from+1 {
			slices.SortFunc(events[from:to], o.compare)
		}
		from = to
	}
}

// merge puts two runs in order of time, the second of which begins at a place.
func (o *shelf) merge(events []Event, second int) {
	o.moved = append(o.moved[:0], events[:second]...)
	first, rest, to := o.moved, events[second:], 0
	for len(first) > 0 && len(rest) > 0 { // what is written to was read before
		if rest[0].At < first[0].At {
			events[to], rest = rest[0], rest[1:]
		} else {
			events[to], first = first[0], first[1:]
		}
		to++
	}
	copy(events[to:], first)
}

// sortByKeys puts events in order of time.
func (o *shelf) sortByKeys(events []Event, least weir.Micros, places int) {
	o.keys = o.keys[:0]
	for i := range events {
		o.keys = append(o.keys, uint64(events[i].At-least)<<places|uint64(i))
	}
	slices.Sort(o.keys)
	o.moved = append(o.moved[:0], events...)
	for i, key := range o.keys {
		events[i] = o.moved[key&(1<<places-1)]
	}
}

// compare is the order of Event.
func (o *shelf) compare(a, b Event) int {
	if a.At != b.At {
		return cmp.Compare(a.At, b.At)
	}
	return cmp.Or(o.texts.compare(a.Values, b.Values), cmp.Compare(a.Session, b.Session), cmp.Compare(a.Marks, b.Marks))
}
