package identity

import (
	"strings"
	"testing"

	"github.com/weirhq/weir"
)

// reconcile says what a server says of a user.
func (w world) reconcile(from string, at weir.Micros, keys []string, fields ...weir.Property) []weir.Edge {
	edges := KeyEdges(from, fields, keys, at, Blocklist{})
	for _, e := range edges {
		if w[e.To] == nil {
			w[e.To] = &weir.Identity{ID: e.To, Number: uint32(len(w) + 1), Key: true}
		}
		Connect(w[from], w[e.To], e)
	}
	return edges
}

func is(name, value string) weir.Property {
	return weir.Property{Name: name, Value: weir.Text(value)}
}

func TestReconciliationKeysJoin(t *testing.T) {
	const standIn = "\x00email\x00a@example.com"
	w := world{}.known("ann", "annie").anonymous("b")
	keys := []string{"email", "loyalty_id"}
	w.reconcile("ann", 1, keys, is("email", "A@example.com "), is("city", "Lyon"))
	w.reconcile("annie", 2, keys, is("email", "a@example.com"), is("city", "Lyon"))
	w.reconcile("b", 3, keys, is("email", "b@example.com"))
	w.want(t, "the same email", standIn+"+ann+annie", "\x00email\x00b@example.com+b")
	w.reconcile("b", 4, keys, is("loyalty_id", "7"))
	w.reconcile("annie", 5, keys, is("loyalty_id", "7"))
	if got := w.persons(); len(got) != 1 {
		t.Errorf("persons %q, want one of all", got)
	}
}

func TestReconciliationKeysJoinOnlyIfSwitchedOn(t *testing.T) {
	for _, keys := range [][]string{nil, {"phone"}} {
		if got := KeyEdges("ann", []weir.Property{is("email", "a@example.com")}, keys, 1, Blocklist{}); got != nil {
			t.Errorf("keys %v: edges %v", keys, got)
		}
	}
}

func TestReconciliationKeysCanBeRetracted(t *testing.T) {
	w := world{}.known("ann", "annie")
	w.reconcile("ann", 1, []string{"email"}, is("email", "a@example.com"))
	edges := w.reconcile("annie", 2, []string{"email"}, is("email", "a@example.com"))
	if len(w.persons()) != 1 || len(edges) != 1 {
		t.Fatalf("persons %q, edges %v", w.persons(), edges)
	}
	Retract(w["annie"], edges[0].ID())
	again := w.reconcile("annie", 3, []string{"email"}, is("email", "A@EXAMPLE.COM")) // whoever says it again
	w.want(t, "taken back", "\x00email\x00a@example.com+ann")
	if again[0].ID() != edges[0].ID() {
		t.Error("the same value makes another edge the second time")
	}
}

func TestTwoCommonValuesAreNoCycle(t *testing.T) {
	w := world{}.known("ann", "annie")
	for _, id := range []string{"ann", "annie"} {
		w.reconcile(id, 1, []string{"email", "phone"}, is("email", "a@example.com"), is("phone", "+33123456789"))
	}
	if refused := w.refusals(); len(refused) != 0 {
		t.Errorf("refused %v", refused)
	}
}

// A thousand who share an e-mail address are a person; the stand-in is none of
// them.
func TestStandInsDoNotCountAsMembers(t *testing.T) {
	max := limits{edges: 10, members: 2}
	w := world{}.known("ann", "annie", "anna")
	for n, id := range []string{"ann", "annie", "anna"} {
		w.reconcile(id, weir.Micros(n), []string{"email"}, is("email", "a@example.com"))
	}
	persons, refused := resolve([]*weir.Identity{w["ann"], w["annie"], w["anna"], w["\x00email\x00a@example.com"]}, max)
	if persons[w["ann"]] != persons[w["annie"]] || persons[w["anna"]] == persons[w["ann"]] {
		t.Errorf("persons %v", persons)
	}
	if len(refused) != 1 || refused[0].Edge.From != "anna" {
		t.Errorf("refused %v, want anna's edge", refused)
	}
}

func TestValuesThatAreNoKeys(t *testing.T) {
	for name, fields := range map[string][]weir.Property{
		"empty":     {is("email", "")},
		"blocked":   {is("email", "Undefined")},
		"a number":  {{Name: "email", Value: weir.Num(7)}},
		"cleared":   {{Name: "email"}},
		"too long":  {is("email", strings.Repeat("x", maxValue+1))},
		"no member": {is("e-mail", "a@example.com")},
	} {
		if got := KeyEdges("ann", fields, []string{"email"}, 1, Blocklist{}); got != nil {
			t.Errorf("%s: edges %v", name, got)
		}
	}
	for _, from := range []string{"null", "", "\x00email\x00a"} {
		if got := KeyEdges(from, []weir.Property{is("email", "a@example.com")}, []string{"email"}, 1, Blocklist{}); got != nil {
			t.Errorf("from %q: edges %v", from, got)
		}
	}
	if got := KeyEdges("ann", []weir.Property{is("email", "a@example.com")}, []string{"email"}, 1, NewBlocklist([]string{"a@example.com"})); got != nil {
		t.Errorf("a value that the workspace has blocked: edges %v", got)
	}
}

func TestKeyOf(t *testing.T) {
	edges := KeyEdges("ann", []weir.Property{is("email", "A\x00b@example.com")}, []string{"email"}, 1, Blocklist{})
	key, value, ok := KeyOf(edges[0].To)
	if !ok || key != "email" || value != "a\x00b@example.com" {
		t.Errorf("%q %q %v", key, value, ok)
	}
	if _, _, ok := KeyOf("ann"); ok {
		t.Error("a user's id is a stand-in's")
	}
	if edges[0].Rule != "key:email" || edges[0].Item != "email" {
		t.Errorf("edge %+v", edges[0])
	}
}
