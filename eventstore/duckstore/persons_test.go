package duckstore

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Sets of identities are counted as if each were looked up, and what was made before
// stays as it was.
func TestPersonsJoin(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		number := rapid.OneOf(rapid.Uint32Range(0, 20), rapid.Uint32Range(0, 3*pageSize))
		p, model := &persons{}, map[uint32]uint32{}
		for range rapid.IntRange(0, 4).Draw(r, "changes") {
			changes := rapid.MapOfN(number, number, 0, 30).Draw(r, "persons")
			before, had := p, p.highest
			p = p.with(changes)
			for identity := range changes {
				if now, known := before.of(identity); known != (model[identity] != 0) || known && now != model[identity]-1 || before.highest != had {
					r.Fatalf("persons changed: %d is %d", identity, now)
				}
			}
			for identity, person := range changes {
				model[identity] = person + 1
			}
		}
		set := make([]byte, 1+8*((p.highest|63)/64+1))
		want := map[uint32]bool{}
		for identity, person := range model {
			if now, known := p.of(identity); !known || now != person-1 {
				r.Fatalf("%d is %d, %v; want %d", identity, now, known, person-1)
			}
			if rapid.Bool().Draw(r, "in") {
				set[1+identity/8] |= 0x80 >> (identity % 8)
				want[person-1] = true
			}
		}
		people := newSet(p.highest)
		if err := p.join(people, set); err != nil || people.size() != int64(len(want)) {
			r.Errorf("%d people, %v; want %d", people.size(), err, len(want))
		}
	})
	for _, set := range [][]byte{nil, {0}, {0, 1}, {1, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if err := (&persons{}).join(newSet(0), set); err == nil && len(set) != 1 {
			t.Errorf("%v is a set, want an error", set)
		}
	}
}

// BenchmarkPersonsJoin counts the people in a fifth of 300,000 identities, of whom
// every third is another's.
func BenchmarkPersonsJoin(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 1))
	changes := map[uint32]uint32{}
	for identity := range uint32(300_000) {
		changes[identity] = identity
		if identity%3 == 2 {
			changes[identity] = random.Uint32N(identity)
		}
	}
	p := (&persons{}).with(changes)
	set := make([]byte, 1+8*(300_000/64+1))
	for range 60_000 {
		identity := random.Uint32N(300_000)
		set[1+identity/8] |= 0x80 >> (identity % 8)
	}
	for b.Loop() {
		people := newSet(p.highest)
		if err := p.join(people, set); err != nil || people.size() == 0 {
			b.Fatal(people.size(), err)
		}
	}
}
