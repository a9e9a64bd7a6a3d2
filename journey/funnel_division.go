package journey

import (
	"cmp"
	"slices"
)

// division puts the events of one key together, and gives them key by key. Its memory
// is used again.
type division struct {
	rows   []dividedRow
	events []Event
	place  []int32

	at     int    // the next row
	key    uint64 // of the run
	before uint64 // of the run before; of the first run its own
	run    []Event
	index  []int32 // where the run's events stood
}

type dividedRow struct {
	key   uint64
	place int32
}

// divide begins anew. It leaves out the events for which the second result of key is
// false. The others keep their order within their key.
func (d *division) divide(events []Event, key func(*Event) (uint64, bool)) {
	d.rows, d.events, d.place, d.at = d.rows[:0], d.events[:0], d.place[:0], 0
	sorted := true
	for i := range events {
		k, ok := key(&events[i])
		if !ok {
			continue
		}
		if n := len(d.rows); n > 0 && d.rows[n-1].key > k {
			sorted = false
		}
		d.rows = append(d.rows, dividedRow{k, int32(i)})
	}
	if !sorted {
		slices.SortFunc(d.rows, func(a, b dividedRow) int {
			return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.place, b.place))
		})
	}
	for _, r := range d.rows {
		d.events, d.place = append(d.events, events[r.place]), append(d.place, r.place)
	}
}

// next goes to the next key; false if there is none.
func (d *division) next() bool {
	start := d.at
	if start == len(d.rows) {
		return false
	}
	d.before = d.rows[max(start-1, 0)].key
	d.key = d.rows[start].key
	for d.at < len(d.rows) && d.rows[d.at].key == d.key {
		d.at++
	}
	d.run, d.index = d.events[start:d.at], d.place[start:d.at]
	return true
}

// heldKeys number the texts by which streams are divided.
type heldKeys struct {
	texts       *Texts
	first, last int
	known       []int32 // by Event.Values: one more than the number, 0 if it is not known
	numbers     map[[MaxTexts]int32]int32
}

// of says which of the texts divide. It keeps what it knows for as long as they are
// the same.
func (k *heldKeys) of(t *Texts, first, last int) {
	if k.texts != t {
		*k = heldKeys{texts: t, first: first, last: last, numbers: map[[MaxTexts]int32]int32{}}
	}
}

// key is the number of the texts of an event.
func (k *heldKeys) key(values int32) uint32 {
	if int(values) >= len(k.known) {
		k.known = append(k.known, make([]int32, int(values)+1-len(k.known))...)
	}
	if n := k.known[values]; n > 0 {
		return uint32(n - 1)
	}
	var held [MaxTexts]int32
	for i := k.first; i < k.last; i++ {
		held[i] = k.texts.Of(values, i)
	}
	n, ok := k.numbers[held]
	if !ok {
		n = int32(len(k.numbers))
		k.numbers[held] = n
	}
	k.known[values] = n + 1
	return uint32(n)
}
