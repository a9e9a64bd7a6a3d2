package identity

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
)

// statement is what an item may say of persons.
type statement struct {
	verb string // "connect", "retract", "authenticate"
	edge weir.Edge
}

func (s statement) names() []string {
	if s.verb == "connect" {
		return []string{s.edge.From, s.edge.To}
	}
	return []string{s.edge.From}
}

func (s statement) apply(set map[string]*weir.Identity, max limits) {
	switch s.verb {
	case "connect":
		connect(set[s.edge.From], set[s.edge.To], s.edge, max)
	case "retract":
		Retract(set[s.edge.From], s.edge.ID())
	case "authenticate":
		set[s.edge.From].Authenticated = true
	}
}

// universe are the ids of a history: users, and stand-ins for two keys.
func universe(users int) []string {
	ids := []string{"\x00email\x00x", "\x00email\x00y"}
	for n := range users {
		ids = append(ids, fmt.Sprint("u", n))
	}
	return ids
}

func create(id string) *weir.Identity {
	ids := universe(100)
	_, _, key := KeyOf(id)
	return &weir.Identity{ID: id, Key: key, Number: uint32(1 + slices.Index(ids, id))}
}

// histories draws statements about few users, often the same edges again.
func histories(users, most int) *rapid.Generator[[]statement] {
	edge := rapid.Custom(func(t *rapid.T) weir.Edge {
		user := func(label string) string { return fmt.Sprint("u", rapid.IntRange(0, users-1).Draw(t, label)) }
		e := weir.Edge{From: user("from"), At: weir.Micros(rapid.IntRange(1, 6).Draw(t, "at"))}
		e.Rule = rapid.SampledFrom([]weir.EdgeRule{weir.RuleAlias, weir.RuleAlias, weir.RuleAlias, weir.RuleItem, weir.RuleMerge, "key:email"}).Draw(t, "rule")
		if e.Rule == "key:email" {
			e.To, e.Item = rapid.SampledFrom(universe(0)).Draw(t, "key"), "email"
			return e
		}
		e.To, e.Item = user("to"), fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "item"))
		if e.To == e.From {
			e.To = fmt.Sprint("u", users) // nobody is its own alias
		}
		return e
	})
	verb := rapid.SampledFrom([]string{"connect", "connect", "connect", "connect", "retract", "authenticate"})
	return rapid.Custom(func(t *rapid.T) []statement {
		edges := rapid.SliceOfN(edge, 1, most).Draw(t, "edges")
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) statement {
			return statement{verb.Draw(t, "verb"), rapid.SampledFrom(edges).Draw(t, "edge")}
		}), 1, 2*most).Draw(t, "statements")
	})
}

// store is a state store that loads what it is asked for, and the persons of it.
type store struct {
	identities map[string]weir.Identity
	loads      int
}

// load adds ids and their persons to a set.
func (s *store) load(set map[string]*weir.Identity, ids []string) {
	for _, id := range ids {
		i, ok := s.identities[id]
		if !ok {
			continue
		}
		for _, mate := range s.identities {
			if mate.Person == i.Person && set[mate.ID] == nil {
				c := mate
				set[mate.ID] = &c
				s.loads++
			}
		}
	}
}

// apply is what a micro-batch does with its statements.
func (s *store) apply(t interface{ Fatalf(string, ...any) }, batch []statement, max limits) {
	var need []string
	for _, say := range batch {
		need = append(need, say.names()...)
	}
	for {
		set := map[string]*weir.Identity{}
		s.load(set, need)
		before := Before(set)
		for _, say := range batch {
			for _, id := range say.names() {
				if set[id] == nil {
					set[id] = create(id)
				}
			}
			say.apply(set, max)
		}
		missing, affected := findMissing(set, before, max)
		if len(missing) > 0 {
			for _, id := range missing {
				if _, ok := s.identities[id]; !ok || slices.Contains(need, id) {
					t.Fatalf("%q is missing, which is unknown or loaded", id)
				}
			}
			need = append(need, missing...)
			continue
		}
		persons, _ := resolve(affected, max)
		for i, person := range persons {
			i.Person = person
		}
		for id, i := range set {
			s.identities[id] = *i
		}
		return
	}
}

func (s *store) persons() map[string]uint32 {
	out := map[string]uint32{}
	for id, i := range s.identities {
		out[id] = i.Person
	}
	return out
}

// atOnce are the persons of a whole history.
func atOnce(history []statement, max limits) map[string]uint32 {
	set := map[string]*weir.Identity{}
	for _, say := range history {
		for _, id := range say.names() {
			if set[id] == nil {
				set[id] = create(id)
			}
		}
		say.apply(set, max)
	}
	return numbers(slices.Collect(maps.Values(set)), max)
}

func numbers(set []*weir.Identity, max limits) map[string]uint32 {
	out := map[string]uint32{}
	persons, _ := resolve(set, max)
	for i, person := range persons {
		out[i.ID] = person
	}
	return out
}

// Loading only what Missing asks for gives the persons that knowing everybody
// gives, after every batch, whatever the limits.
func TestMissingIsEnough(t *testing.T) {
	for _, max := range []limits{standard(), {edges: 1000, members: 3}, {edges: 1000, members: 2}, {edges: 2, members: 1000}, {edges: 3, members: 4}} {
		t.Run(fmt.Sprintf("%+v", max), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				history := histories(rapid.IntRange(2, 12).Draw(t, "users"), 20).Draw(t, "history")
				size := rapid.IntRange(1, 5).Draw(t, "batch")
				s := &store{identities: map[string]weir.Identity{}}
				done := 0
				for batch := range slices.Chunk(history, size) {
					s.apply(t, batch, max)
					done += len(batch)
					if got, want := s.persons(), atOnce(history[:done], max); !maps.Equal(got, want) {
						t.Fatalf("after %d statements, the last %+v:\n got %v\nwant %v", done, batch, got, want)
					}
				}
			})
		})
	}
}

// Persons are a function of what was said, not of when and how often.
func TestHistoriesDoNotDependOnOrder(t *testing.T) {
	for _, max := range []limits{standard(), {edges: 3, members: 3}} {
		rapid.Check(t, func(t *rapid.T) {
			history := histories(8, 16).Draw(t, "history")
			want := atOnce(history, max)
			shuffle := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
			again := slices.Concat(history, history)
			shuffle.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
			if got := atOnce(again, max); !maps.Equal(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		})
	}
}

// One batch fills the place for edges that arrive and pushes out an older edge,
// by edges that nobody follows.
func TestEdgePushedOutByTheBatchThatFillsItsEnd(t *testing.T) {
	max := limits{edges: 2, members: 1000}
	says := func(from, to, item string, at weir.Micros) statement {
		return statement{"connect", weir.Edge{From: from, To: to, Item: item, At: at, Rule: weir.RuleAlias}}
	}
	history := []statement{
		says("u0", "u4", "0", 1), says("u2", "u1", "0", 2), // joined
		says("u0", "u1", "1", 1), says("u0", "u1", "0", 2),
	}
	s := &store{identities: map[string]weir.Identity{}}
	s.apply(t, history[:2], max)
	if s.persons()["u2"] != s.persons()["u1"] {
		t.Fatalf("persons %v, want u1 and u2 in one", s.persons())
	}
	s.apply(t, history[2:], max)
	if got, want := s.persons(), atOnce(history, max); !maps.Equal(got, want) || got["u2"] == got["u1"] {
		t.Errorf("persons %v, want %v", got, want)
	}
}
