package identity_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/identity"
)

func TestBlocked(t *testing.T) {
	for _, id := range []string{"", " ", "null", "NULL", `"undefined"`, "0", "000", "-1", "anonymous", "00000000-0000-0000-0000-000000000000", "[object Object]"} {
		if !identity.Blocked(id) {
			t.Errorf("%q makes edges", id)
		}
	}
	for _, id := range []string{"u1", "10", "anonymous-7", "d1bf792a-8fb3-4082-a546-e8c7f57a92f6"} {
		if identity.Blocked(id) {
			t.Errorf("%q is blocked", id)
		}
	}
}

func TestEdgesToOneselfAndToNobodyAreRefused(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{{"a", "b", true}, {"a", "a", false}, {"null", "b", false}, {"a", "undefined", false}} {
		if reason, ok := identity.Allowed(c.from, c.to); ok != c.ok || ok == (reason != "") {
			t.Errorf("%s to %s: %v %q", c.from, c.to, ok, reason)
		}
	}
}

// A tablet in a shop: three people sign in on it, one after the other.
func TestSharedDeviceNeverJoinsTwoKnownPeople(t *testing.T) {
	device := &weir.Identity{ID: "device", Number: 1}
	people := []*weir.Identity{{ID: "ann", Number: 2, Authenticated: true}, {ID: "ben", Number: 3, Authenticated: true}, {ID: "cy", Number: 4, Authenticated: true}}
	for i, p := range people {
		device.Edges, _ = identity.AddEdge(device.Edges, weir.Edge{From: "device", To: p.ID, At: weir.Micros(100 - i), Item: p.ID})
	}
	got := identity.Persons(append(people, device))
	if got[device] != 1 || got[people[2]] != 1 { // cy's edge is the earliest
		t.Errorf("the device and cy are %d and %d, want 1", got[device], got[people[2]])
	}
	if got[people[0]] != 2 || got[people[1]] != 3 {
		t.Errorf("ann and ben are %d and %d, want 2 and 3", got[people[0]], got[people[1]])
	}
}

func TestAuthenticatedIdentityFollowsNoEdge(t *testing.T) {
	a := &weir.Identity{ID: "a", Number: 1, Authenticated: true, Edges: []weir.Edge{{From: "a", To: "b"}}}
	b := &weir.Identity{ID: "b", Number: 2, Authenticated: true}
	if got := identity.Persons([]*weir.Identity{a, b}); got[a] != 1 || got[b] != 2 {
		t.Errorf("two known people became %d and %d", got[a], got[b])
	}
}

func TestCanonical(t *testing.T) {
	anonymous := &weir.Identity{ID: "x", FirstSeen: 1}
	late := &weir.Identity{ID: "a", Authenticated: true, CreatedAt: 9}
	early := &weir.Identity{ID: "c", Authenticated: true, CreatedAt: 5}
	same := &weir.Identity{ID: "b", Authenticated: true, CreatedAt: 5}
	if got := identity.Canonical([]*weir.Identity{anonymous, late, early, same}); got != same {
		t.Errorf("got %s, want b", got.ID)
	}
	if got := identity.Canonical([]*weir.Identity{{ID: "y", FirstSeen: 2}, anonymous}); got != anonymous {
		t.Errorf("got %s, want x", got.ID)
	}
}

func TestJoin(t *testing.T) {
	a := &weir.Identity{ID: "anon", Number: 1, Person: 1, FirstSeen: 10, LastSeen: 20, CreatedAt: 10}
	a.Traits.Set(weir.Stamp{At: 15}, weir.Property{Name: "plan", Value: weir.Text("free")}, weir.Property{Name: "city", Value: weir.Text("Lyon")})
	u := &weir.Identity{ID: "u", Number: 2, Person: 1, FirstSeen: 18, LastSeen: 30, Authenticated: true}
	u.Traits.Set(weir.Stamp{At: 30}, weir.Property{Name: "plan", Value: weir.Text("pro")})
	want := weir.Person{Number: 1, ID: "u", CreatedAt: 10, FirstSeen: 10, LastSeen: 30, IDs: []string{"anon", "u"},
		Traits: []weir.Property{{Name: "city", Value: weir.Text("Lyon")}, {Name: "plan", Value: weir.Text("pro")}}}
	if got := identity.Join([]*weir.Identity{u, a}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// Persons must not depend on the order of edges and identities.
func TestPersonsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "identities")
		id := func(i int) string { return fmt.Sprint("id", i) }
		authenticated := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "authenticated")
		edges := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) weir.Edge {
			return weir.Edge{
				From: id(rapid.IntRange(0, n-1).Draw(t, "from")),
				To:   id(rapid.IntRange(0, n-1).Draw(t, "to")),
				At:   weir.Micros(rapid.IntRange(1, 3).Draw(t, "at")),
				Item: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "item")),
			}
		}), 0, 12).Draw(t, "edges")
		build := func(seed uint64) map[string]uint32 {
			shuffle := rand.New(rand.NewPCG(seed, 1))
			set := make([]*weir.Identity, n)
			for i := range set {
				set[i] = &weir.Identity{ID: id(i), Number: uint32(i + 1), Authenticated: authenticated[i]}
			}
			order := slices.Concat(edges, edges) // each twice
			shuffle.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			for _, e := range order {
				for _, i := range set {
					if i.ID == e.From {
						i.Edges, _ = identity.AddEdge(i.Edges, e)
					}
				}
			}
			shuffle.Shuffle(len(set), func(i, j int) { set[i], set[j] = set[j], set[i] })
			out := map[string]uint32{}
			for i, person := range identity.Persons(set) {
				out[i.ID] = person
			}
			return out
		}
		if a, b := build(1), build(2); !reflect.DeepEqual(a, b) {
			t.Fatalf("%v and %v", a, b)
		}
	})
}

// A page that says the same alias at every view must not make its identity grow.
func TestRepeatedEdgeIsKeptOnce(t *testing.T) {
	var edges []weir.Edge
	for n := range 100 {
		edges, _ = identity.AddEdge(edges, weir.Edge{From: "a", To: "b", Item: "1", Rule: weir.RuleAlias, At: weir.Micros(100 - n%50)})
	}
	if len(edges) != 1 || edges[0].At != 51 {
		t.Errorf("%d edges, the first at %d", len(edges), edges[0].At)
	}
}

// Whatever is sent, and in whatever order, the earliest edges stay.
func TestEdgesAreBounded(t *testing.T) {
	build := func(seed uint64) (edges []weir.Edge) {
		order := rand.New(rand.NewPCG(seed, 1)).Perm(3 * identity.MaxEdges)
		for _, n := range order {
			edges, _ = identity.AddEdge(edges, weir.Edge{From: "a", To: fmt.Sprint(n % 7), Item: fmt.Sprint(n), At: weir.Micros(1 + n)})
		}
		return edges
	}
	a, b := build(1), build(2)
	if len(a) != identity.MaxEdges || !reflect.DeepEqual(a, b) || a[0].At != 1 {
		t.Errorf("%d and %d edges, the first at %d", len(a), len(b), a[0].At)
	}
}
