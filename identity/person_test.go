package identity

import (
	"reflect"
	"slices"
	"testing"

	"github.com/weirhq/weir"
)

func TestJoin(t *testing.T) {
	a := &weir.Identity{ID: "anon", Number: 1, Person: 1, FirstSeen: 10, LastSeen: 20, CreatedAt: 10}
	a.Traits.Set(weir.Stamp{At: 15}, is("plan", "free"), is("city", "Lyon"))
	u := &weir.Identity{ID: "u", Number: 2, Person: 1, FirstSeen: 18, LastSeen: 30, Authenticated: true}
	u.Traits.Set(weir.Stamp{At: 30}, is("plan", "pro"), is("revenue", "much"))
	members := []*weir.Identity{u, {ID: "\x00email\x00x", Number: 3, Person: 1, Key: true}, a, {ID: "bare", Number: 4, Person: 1}}
	want := weir.Person{
		Number: 1, ID: "u", CreatedAt: 10, FirstSeen: 10, LastSeen: 30, IDs: []string{"anon", "u"},
		Traits: []weir.Property{is("city", "Lyon"), {Name: "orders", Value: weir.Num(2)}, is("plan", "pro"), {Name: "revenue", Value: weir.Num(5)}},
	}
	totals := []weir.Property{{Name: "orders", Value: weir.Num(2)}, {Name: "revenue", Value: weir.Num(5)}}
	for range 2 {
		if got := Join(members, totals); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
		slices.Reverse(members)
	}
	for _, i := range []*weir.Identity{a, u} {
		if plan, _ := i.Traits.Get("plan"); i.Traits.Len() != 2 || i == a && plan != weir.Text("free") {
			t.Errorf("joining has changed %s: %v", i.ID, i.Traits.Properties())
		}
	}
}

func TestJoinOfNobodyButBareIdentities(t *testing.T) {
	got := Join([]*weir.Identity{{ID: "b", Person: 4}, {ID: "a", Person: 4}}, nil)
	if got.ID != "a" || !reflect.DeepEqual(got.IDs, []string{"a", "b"}) {
		t.Errorf("got %+v", got)
	}
}

func TestNobody(t *testing.T) {
	bare, key := &weir.Identity{ID: "a"}, &weir.Identity{ID: "\x00email\x00x", Key: true}
	told := &weir.Identity{ID: "d"}
	told.Traits.Set(weir.Stamp{At: 1}, is("city", "Lyon"))
	for name, i := range map[string]*weir.Identity{
		"seen": {ID: "b", FirstSeen: 1}, "created": {ID: "b", CreatedAt: 1}, "authenticated": {ID: "c", Authenticated: true}, "with a trait": told,
	} {
		if Bare(i) || Nobody([]*weir.Identity{bare, key, i}) {
			t.Errorf("somebody who is %s is nobody", name)
		}
	}
	edges := &weir.Identity{ID: "e", Edges: []weir.Edge{{From: "e", To: "a"}}, Retracted: []string{"x"}}
	if !Bare(bare) || !Bare(edges) || !Nobody([]*weir.Identity{bare, key, edges}) {
		t.Error("the ends of edges are somebody")
	}
}

func TestEarliest(t *testing.T) {
	for _, c := range [][3]weir.Micros{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {3, 5, 3}, {5, 3, 3}} {
		if got := Earliest(c[0], c[1]); got != c[2] {
			t.Errorf("of %d and %d: %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
