package duckstore

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/weirhq/weir"
)

// slotKind is a kind of property columns: one for each type of value.
type slotKind struct {
	typ     weir.Type
	letter  byte // of the columns' names: s00, s01, …
	sqlType string
	first   int // how many a new table has
	share   int // of 32: how much of all property columns may be of this kind
}

var slotKinds = []slotKind{
	{weir.String, 's', "VARCHAR", 8, 17},
	{weir.Number, 'n', "DOUBLE", 4, 9},
	{weir.Bool, 'b', "BOOLEAN", 2, 3},
	// Lists and objects: the text form, then the texts that conditions look at.
	{weir.JSON, 'j', "VARCHAR[]", 1, 3},
}

// growBy is how many columns are added at a time: growing costs two checkpoints.
const growBy = 4

// maxPlaces bounds the catalogue of properties, which is in memory: clients
// invent names. Properties beyond it go to the rest column without a record.
const maxPlaces = 50_000

func (k slotKind) column(n int) string { return fmt.Sprintf("%c%02d", k.letter, n) }

func kindOf(t weir.Type) slotKind {
	return slotKinds[slices.IndexFunc(slotKinds, func(k slotKind) bool { return k.typ == t })]
}

func kindOfSlot(slot string) slotKind {
	return slotKinds[slices.IndexFunc(slotKinds, func(k slotKind) bool { return k.letter == slot[0] })]
}

// catalogue says what a workspace has seen and where it is.
type catalogue struct {
	codes  map[string]uint32 // event name -> code, from 1
	names  []string          // by code-1
	counts []nameCount       // by code-1
	events *layout
	people *layout

	quarters *quarters
}

// nameCount is what is known of the events of one name.
type nameCount struct {
	count       int64
	first, last weir.Micros
	// stale says that the first or the last of them was deleted: the times are to
	// be found again.
	stale bool
}

func newCatalogue(events, people []string, limit, mostDays int) *catalogue {
	return &catalogue{
		codes:    map[string]uint32{},
		events:   newLayout(eventsTable, events, len(eventColumns), limit),
		people:   newLayout(peopleTable, people, len(peopleColumn), limit),
		quarters: newQuarters(mostDays),
	}
}

// add gives a new event name the next code.
func (c *catalogue) add(name string) uint32 {
	c.names = append(c.names, name)
	c.counts = append(c.counts, nameCount{})
	code := uint32(len(c.names))
	c.codes[name] = code
	return code
}

func (c *catalogue) layoutOf(table string) *layout {
	if table == peopleTable {
		return c.people
	}
	return c.events
}

// placeKey is a property of one type on the events of one name; people have no
// name, their event is 0.
type placeKey struct {
	event    uint32
	typ      weir.Type
	property string
}

// place says in which column the values of a placeKey are; without a slot they
// are in the column rest.
type place struct {
	placeKey
	slot string
}

// layout says where the properties of a table are. A placeKey is wholly in one
// place for ever.
type layout struct {
	table   string
	columns []string       // the property columns, in the table's order
	present int            // how many of them the table has; the others are to be added
	index   map[string]int // of a column among columns
	limit   int            // most property columns
	uses    map[string]*slotUse
	places  map[placeKey]string
	byName  map[string][]place // by property
	// full says that places has reached its bound, so that the column rest may
	// have properties that are not recorded.
	full bool
}

// slotUse says what a column holds.
type slotUse struct {
	property string
	mixed    bool            // it holds other properties too
	events   map[uint32]bool // that have a property in it
}

func newLayout(table string, columns []string, fixed, limit int) *layout {
	l := &layout{
		table:  table,
		index:  map[string]int{},
		limit:  limit,
		uses:   map[string]*slotUse{},
		places: map[placeKey]string{},
		byName: map[string][]place{},
	}
	if len(columns) > fixed {
		for _, column := range columns[fixed:] {
			l.addColumn(column)
		}
	}
	l.present = len(l.columns)
	return l
}

// has reports whether a column is in the table. While a question is computed none
// is added, and no row that it sees has a value in one that is not there yet.
func (l *layout) has(slot string) bool { return l.index[slot] < l.present }

func (l *layout) addColumn(slot string) {
	l.index[slot] = len(l.columns)
	l.columns = append(l.columns, slot)
	l.uses[slot] = &slotUse{events: map[uint32]bool{}}
}

// restore puts back a place that was stored.
func (l *layout) restore(p place) error {
	if p.slot != "" && l.uses[p.slot] == nil {
		return fmt.Errorf("property %q of event %d is in column %q, which is not there", p.property, p.event, p.slot)
	}
	l.record(p)
	return nil
}

func (l *layout) record(p place) {
	l.places[p.placeKey] = p.slot
	l.byName[p.property] = append(l.byName[p.property], p)
	l.full = len(l.places) >= maxPlaces
	if p.slot == "" {
		return
	}
	use := l.uses[p.slot]
	if len(use.events) == 0 {
		use.property = p.property
	}
	use.mixed = use.mixed || use.property != p.property
	use.events[p.event] = true
}

// assign finds the place of a key that has none yet. It prefers, in this order:
// the column in which other events have the same property, so that questions
// over all events read one column; a column that nobody uses; a new one, if the
// bound allows it; a column that only other events use; the rest. A column that
// is to be added is already in l when assign returns, and in grown.
func (l *layout) assign(key placeKey) (p place, grown []string) {
	p = place{placeKey: key}
	if l.full {
		return p, nil // unrecorded, in the rest
	}
	if p.slot = l.same(key); p.slot == "" {
		p.slot = l.unused(key)
	}
	if p.slot == "" {
		if grown = l.extend(key.typ); len(grown) > 0 {
			p.slot = grown[0]
		} else {
			p.slot = l.shared(key)
		}
	}
	l.record(p)
	return p, grown
}

// same is the column that most other events have the property in.
func (l *layout) same(key placeKey) string {
	best, most := "", 0
	for _, p := range l.byName[key.property] {
		if p.typ != key.typ || p.slot == "" {
			continue
		}
		if use := l.uses[p.slot]; !use.events[key.event] && len(use.events) > most {
			best, most = p.slot, len(use.events)
		}
	}
	return best
}

func (l *layout) unused(key placeKey) string {
	for _, slot := range l.of(key.typ) {
		if len(l.uses[slot].events) == 0 {
			return slot
		}
	}
	return ""
}

// shared is the column that the fewest events use, and this one does not.
func (l *layout) shared(key placeKey) string {
	slots := slices.DeleteFunc(l.of(key.typ), func(slot string) bool { return l.uses[slot].events[key.event] })
	if len(slots) == 0 {
		return ""
	}
	return slices.MinFunc(slots, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(l.uses[a].events), len(l.uses[b].events)), cmp.Compare(a, b))
	})
}

// of lists the columns of a type.
func (l *layout) of(t weir.Type) []string {
	letter := kindOf(t).letter
	var out []string
	for _, slot := range l.columns {
		if slot[0] == letter {
			out = append(out, slot)
		}
	}
	return out
}

// extend adds columns of a type, as far as the bound allows.
func (l *layout) extend(t weir.Type) []string {
	kind := kindOf(t)
	have, most := len(l.of(t)), l.limit*kind.share/32
	var grown []string
	for n := have; n < min(have+growBy, most); n++ {
		grown = append(grown, kind.column(n))
		l.addColumn(kind.column(n))
	}
	return grown
}
