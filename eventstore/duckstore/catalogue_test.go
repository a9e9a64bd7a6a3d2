package duckstore

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir"
)

func testLayout(limit int) *layout {
	columns := make([]string, len(eventColumns))
	for _, kind := range slotKinds {
		for n := range kind.first {
			columns = append(columns, kind.column(n))
		}
	}
	return newLayout(eventsTable, columns, len(eventColumns), limit)
}

func TestAssign(t *testing.T) {
	l := testLayout(16) // 8 columns of texts, 4 of numbers, 1 each of the others: no more than at first
	assign := func(event uint32, typ weir.Type, property string) string {
		t.Helper()
		p, grown := l.assign(placeKey{event, typ, property})
		if len(grown) > 0 {
			t.Errorf("columns %v were added beyond the bound", grown)
		}
		return p.slot
	}
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("column %q, want %q", got, want)
		}
	}
	for i := range 8 {
		check(assign(1, weir.String, fmt.Sprint("p", i)), fmt.Sprintf("s%02d", i))
	}
	check(assign(1, weir.String, "p8"), "")     // event 1 has used them all
	check(assign(2, weir.String, "p3"), "s03")  // where event 1 has it
	check(assign(2, weir.Number, "p3"), "n00")  // another type of it is elsewhere
	check(assign(2, weir.String, "new"), "s00") // shared with another property of event 1
	check(assign(3, weir.String, "new"), "s00")
	check(assign(3, weir.String, "p0"), "s01") // s00 is taken, so it cannot be where event 1 has it
	if !l.uses["s00"].mixed || l.uses["s03"].mixed {
		t.Error("s00 must be known to hold several properties, s03 one")
	}
	for i := range 4 {
		check(assign(9, weir.Number, fmt.Sprint("n", i)), []string{"n01", "n02", "n03", "n00"}[i])
	}
}

// The bound holds whatever comes, for each type and in all.
func TestExtend(t *testing.T) {
	for _, limit := range []int{16, 32, 64, 300} {
		l := testLayout(limit)
		for event := range uint32(40) {
			for i := range 50 {
				for _, kind := range slotKinds {
					key := placeKey{event + 1, kind.typ, fmt.Sprintf("%d-%d", event, i)}
					p, grown := l.assign(key)
					if len(grown) > 0 && p.slot != grown[0] {
						t.Fatalf("columns %v were added for a property that is in %q", grown, p.slot)
					}
				}
			}
		}
		if len(l.columns) > max(limit, 16) {
			t.Errorf("there are %d columns, the bound is %d", len(l.columns), limit)
		}
		for _, kind := range slotKinds {
			if n := len(l.of(kind.typ)); n > max(kind.first, limit*kind.share/32) {
				t.Errorf("%d columns of %s, the bound of all is %d", n, kind.sqlType, limit)
			}
		}
	}
}

func TestCatalogueIsBounded(t *testing.T) {
	l := testLayout(16)
	for i := range maxPlaces + 10 {
		l.assign(placeKey{1, weir.String, fmt.Sprint(i)})
	}
	if len(l.places) != maxPlaces || !l.full {
		t.Errorf("%d properties are recorded, the bound is %d", len(l.places), maxPlaces)
	}
	c := &compiler{catalogue: &catalogue{events: l}, event: 1, args: &arguments{}}
	if s := c.sources(l, "e", 1, "never recorded"); len(s) != 1 || s[0].typ != weir.Null {
		t.Errorf("a property that is not recorded is looked for in %+v, want the rest", s)
	}
}
