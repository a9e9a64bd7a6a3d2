package identity

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
)

// after is everybody once a history was said.
func after(history []statement, max limits) map[string]*weir.Identity {
	set := map[string]*weir.Identity{}
	for _, say := range history {
		for _, id := range say.names() {
			if set[id] == nil {
				set[id] = create(id)
			}
		}
		say.apply(set, max)
	}
	return set
}

// For any history, an edge that was connected and taken back, at any two places
// of it and in any order, leaves everybody as if it had never been.
func TestRetractRestoresExactly(t *testing.T) {
	for _, max := range []limits{standard(), {edges: MaxEdges, members: 3}} {
		rapid.Check(t, func(t *rapid.T) {
			users := rapid.IntRange(2, 10).Draw(t, "users")
			history := histories(users, 16).Draw(t, "history")
			user := rapid.IntRange(0, users)
			undone := weir.Edge{
				From: fmt.Sprint("u", user.Draw(t, "from")), To: fmt.Sprint("u", user.Draw(t, "to")), Item: "undone",
				At: weir.Micros(rapid.IntRange(0, 7).Draw(t, "at")), Rule: rapid.SampledFrom([]weir.EdgeRule{weir.RuleAlias, weir.RuleItem, weir.RuleMerge}).Draw(t, "rule"),
			}
			if undone.From == undone.To {
				undone.To = fmt.Sprint("u", users+1)
			}
			with := slices.Clone(history)
			for _, verb := range []string{"connect", "retract"} {
				with = slices.Insert(with, rapid.IntRange(0, len(with)).Draw(t, verb), statement{verb, undone})
			}
			before, now := after(history, max), after(with, max)
			want, refusedBefore := resolve(slices.Collect(maps.Values(before)), max)
			got, refused := resolve(slices.Collect(maps.Values(now)), max)
			for id, i := range now {
				person := i.Number // who is only an end of the edge is alone
				if before[id] != nil {
					person = want[before[id]]
				}
				if got[i] != person {
					t.Fatalf("%s is of person %d, want %d", id, got[i], person)
				}
			}
			if !reflect.DeepEqual(refused, refusedBefore) {
				t.Fatalf("refused %v, want %v", refused, refusedBefore)
			}
		})
	}
}

// unionFind is the textbook's.
type unionFind map[string]string

func (u unionFind) root(id string) string {
	for u[id] != "" {
		id = u[id]
	}
	return id
}

func (u unionFind) union(a, b string) {
	if a, b = u.root(a), u.root(b); a != b {
		u[a] = b
	}
}

func TestMergesAreUnionFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		users := rapid.IntRange(2, 60).Draw(t, "users")
		user := rapid.IntRange(0, users-1)
		oracle, size := unionFind{}, rapid.IntRange(1, 10).Draw(t, "batch")
		s := &store{identities: map[string]weir.Identity{}}
		var batch []statement
		for n := range rapid.IntRange(1, 80).Draw(t, "merges") {
			e := weir.Edge{From: fmt.Sprint("u", user.Draw(t, "from")), To: fmt.Sprint("u", user.Draw(t, "to")), At: weir.Micros(user.Draw(t, "at")), Item: fmt.Sprint(n), Rule: weir.RuleMerge}
			if e.From == e.To {
				continue
			}
			oracle.union(e.From, e.To)
			batch = append(batch, statement{"connect", e})
			if rapid.Bool().Draw(t, "authenticated") {
				batch = append(batch, statement{"authenticate", e})
			}
		}
		for part := range slices.Chunk(batch, size) {
			s.apply(t, part, standard())
		}
		persons := s.persons()
		for a := range persons {
			for b := range persons {
				if joined := oracle.root(a) == oracle.root(b); joined != (persons[a] == persons[b]) {
					t.Fatalf("%s and %s: joined %v, want %v", a, b, !joined, joined)
				}
			}
		}
	})
}

// A person of more than MaxMembers, or of two known ones whom no merge and no key
// joins, comes of no history.
func TestPersonsAreBoundedAndKnownOnesApart(t *testing.T) {
	for _, max := range []limits{standard(), {edges: 1000, members: 1}, {edges: 1000, members: 4}, {edges: 3, members: 5}} {
		rapid.Check(t, func(t *rapid.T) {
			history := histories(rapid.IntRange(2, 20).Draw(t, "users"), 40).Draw(t, "history")
			set := after(history, max)
			persons, _ := resolve(slices.Collect(maps.Values(set)), max)
			oracle, members := unionFind{}, map[uint32][]*weir.Identity{}
			for i, person := range persons {
				for _, e := range i.Edges {
					if joinsAlways(e.Rule) {
						oracle.union(e.From, e.To)
					}
				}
				members[person] = append(members[person], i)
			}
			for person, list := range members {
				count, known := 0, map[string]bool{}
				for _, i := range list {
					if !i.Key {
						count++
					}
					if i.Authenticated {
						known[oracle.root(i.ID)] = true
					}
					if i.Number < person {
						t.Fatalf("person %d has a member of number %d", person, i.Number)
					}
				}
				if count > max.members {
					t.Fatalf("person %d has %d members, more than %d", person, count, max.members)
				}
				if len(known) > 1 {
					t.Fatalf("person %d has %d known users whom no merge joins", person, len(known))
				}
			}
		})
	}
}

// A refusal names a live edge and the reason, in the order in which edges count;
// and of every merge and key that does not join there is one.
func TestRefusalsNameEveryEdgeThatDoesNotJoin(t *testing.T) {
	for _, max := range []limits{standard(), {edges: 1000, members: 3}, {edges: 2, members: 1000}} {
		rapid.Check(t, func(t *rapid.T) {
			set := after(histories(8, 24).Draw(t, "history"), max)
			persons, refused := resolve(slices.Collect(maps.Values(set)), max)
			named := map[weir.Edge]string{}
			for _, r := range refused {
				if r.Reason == "" || retracted(set[r.Edge.From], r.Edge) {
					t.Fatalf("refused %+v", r)
				}
				named[r.Edge] = r.Reason
			}
			if !slices.IsSortedFunc(refused, func(a, b Refusal) int { return compareEdges(a.Edge, b.Edge) }) {
				t.Fatalf("refusals out of order: %v", refused)
			}
			for _, i := range set {
				for _, e := range Live(i) {
					if joinsAlways(e.Rule) && persons[i] != persons[set[e.To]] && named[e] == "" {
						t.Fatalf("%+v does not join and nobody says why", e)
					}
				}
			}
		})
	}
}

// What is kept of everybody is the same in any order, not only who is who.
func TestDuplicatesAndShufflesChangeNothing(t *testing.T) {
	for _, max := range []limits{standard(), {edges: 3, members: 3}} {
		rapid.Check(t, func(t *rapid.T) {
			history := histories(8, 16).Draw(t, "history")
			again := rapid.Permutation(slices.Concat(history, history)).Draw(t, "again")
			if got, want := after(again, max), after(history, max); !reflect.DeepEqual(got, want) {
				for id := range want {
					if !reflect.DeepEqual(got[id], want[id]) {
						t.Errorf("%s: got %+v, want %+v", id, got[id], want[id])
					}
				}
				t.FailNow()
			}
		})
	}
}
