package identity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
)

// world is everybody there is, for examples.
type world map[string]*weir.Identity

// known makes identities that are authenticated, anonymous others that are not.
// Their numbers follow the order in which they are made.
func (w world) known(ids ...string) world     { return w.meet(true, ids) }
func (w world) anonymous(ids ...string) world { return w.meet(false, ids) }

func (w world) meet(authenticated bool, ids []string) world {
	for _, id := range ids {
		w[id] = &weir.Identity{ID: id, Number: uint32(len(w) + 1), Authenticated: authenticated, FirstSeen: 1}
	}
	return w
}

// says connects two and returns the edge.
func (w world) says(rule weir.EdgeRule, from, to string, at weir.Micros, item string) weir.Edge {
	e := weir.Edge{From: from, To: to, At: at, Item: item, Rule: rule}
	Connect(w[from], w[to], e)
	return e
}

// persons are the sets of ids of more than one, each sorted and joined by "+".
func (w world) persons() []string {
	sets := map[uint32][]string{}
	numbers, _ := Resolve(slices.Collect(maps.Values(w)))
	for i, person := range numbers {
		sets[person] = append(sets[person], i.ID)
	}
	var out []string
	for _, ids := range sets {
		if slices.Sort(ids); len(ids) > 1 {
			out = append(out, strings.Join(ids, "+"))
		}
	}
	slices.Sort(out)
	return out
}

func (w world) refusals() []Refusal {
	_, refused := Resolve(slices.Collect(maps.Values(w)))
	return refused
}

func (w world) want(t *testing.T, what string, persons ...string) {
	t.Helper()
	if got := w.persons(); !slices.Equal(got, persons) {
		t.Errorf("%s: persons %v, want %v", what, got, persons)
	}
}

func TestEarliestEdgeOfAnonymousIDWinsByEventTime(t *testing.T) {
	w := world{}.anonymous("a").known("ann", "ben")
	w.says(weir.RuleAlias, "a", "ben", 200, "user_alias:1") // arrives first and happened last
	w.want(t, "one edge", "a+ben")
	w.says(weir.RuleAlias, "a", "ann", 100, "user_alias:2")
	w.want(t, "an earlier one", "a+ann")
}

func TestEarliestEdgeOfAnonymousIDWinsByItemIDAtTheSameTime(t *testing.T) {
	w := world{}.anonymous("a").known("ann", "ben")
	w.says(weir.RuleItem, "a", "ann", 100, "pageview:2")
	w.says(weir.RuleItem, "a", "ben", 100, "pageview:1")
	w.want(t, "two edges at one time", "a+ben")
}

func TestLaterEdgesAreKeptAndNotFollowed(t *testing.T) {
	w := world{}.anonymous("a").known("ann", "ben")
	first := w.says(weir.RuleAlias, "a", "ann", 100, "user_alias:1")
	w.says(weir.RuleAlias, "a", "ben", 200, "user_alias:2")
	w.want(t, "both", "a+ann")
	if len(Live(w["a"])) != 2 || len(w["ben"].Incoming) != 1 {
		t.Errorf("edges %v, and of ben %v; want the later one in both", w["a"].Edges, w["ben"].Incoming)
	}
	Retract(w["a"], first.ID())
	w.want(t, "without the first", "a+ben")
}

// The tablet of a shop: three people sign in on it, one after the other.
func TestSharedDeviceNeverGluesTwoKnownPeople(t *testing.T) {
	w := world{}.anonymous("tablet").known("ann", "ben", "cy")
	w.says(weir.RuleItem, "tablet", "ben", 300, "pageview:3")
	w.says(weir.RuleItem, "tablet", "ann", 200, "pageview:2")
	w.says(weir.RuleAlias, "tablet", "cy", 100, "user_alias:1")
	w.want(t, "three on one device", "cy+tablet")
}

// Two devices of which somebody said that they are one, and of which each was
// used by another known user: the device that speaks first decides for both.
func TestTwoDevicesInOneNeverGlueTwoKnownPeople(t *testing.T) {
	w := world{}.anonymous("phone", "tablet").known("ann", "ben")
	w.says(weir.RuleMerge, "phone", "tablet", 50, "identity_merge:1")
	w.says(weir.RuleItem, "phone", "ann", 200, "pageview:1")
	w.says(weir.RuleItem, "tablet", "ben", 100, "pageview:2")
	w.want(t, "two devices", "ben+phone+tablet")
}

func TestAnonymousIDPrefersAuthenticatedUserToEarlierAnonymousOne(t *testing.T) {
	w := world{}.anonymous("a", "b").known("ann")
	w.says(weir.RuleAlias, "a", "b", 100, "user_alias:1")
	w.want(t, "nobody known", "a+b")
	w.says(weir.RuleAlias, "a", "ann", 200, "user_alias:2")
	w.want(t, "somebody known", "a+ann")
}

func TestAnonymousIDsFollowOneAnotherToTheAuthenticatedUser(t *testing.T) {
	w := world{}.anonymous("a", "b").known("ann")
	w.says(weir.RuleAlias, "a", "b", 200, "user_alias:2")
	w.says(weir.RuleAlias, "b", "ann", 100, "user_alias:1")
	w.want(t, "a chain", "a+ann+b")
}

func TestTwoAuthenticatedIDsJoinOnlyThroughMerge(t *testing.T) {
	for _, c := range []struct {
		rule weir.EdgeRule
		want []string
	}{
		{weir.RuleAlias, nil},
		{weir.RuleItem, nil},
		{weir.RuleMerge, []string{"ann+ben"}},
	} {
		for _, ends := range [][2]string{{"ann", "ben"}, {"ben", "ann"}} {
			w := world{}.known("ann", "ben")
			w.says(c.rule, ends[0], ends[1], 1, "item:1")
			w.want(t, string(c.rule), c.want...)
		}
	}
}

func TestAliasOfTwoWhoTurnOutToBeKnownJoinsNoMore(t *testing.T) {
	w := world{}.anonymous("a", "b")
	w.says(weir.RuleAlias, "a", "b", 1, "user_alias:1")
	w.want(t, "anonymous", "a+b")
	w["a"].Authenticated = true
	w.want(t, "one known: it follows nobody")
	w["a"].Authenticated, w["b"].Authenticated = false, true
	w.want(t, "the other one known", "a+b")
	w["a"].Authenticated = true
	w.want(t, "both known")
}

func TestBlockedIDsNeverMakeEdges(t *testing.T) {
	for _, id := range []string{
		"null", "NULL", "Null", "undefined", "Undefined", "0", "-1", "anonymous", "ANONYMOUS", "none", "None", "nil", "<nil>",
		"nan", "NaN", "guest", "unknown", "n/a", "not_authenticated", "distinct_id", "true", "False", "[object Object]",
		"", " ", "\t", "00", "000000", "00000000-0000-0000-0000-000000000000", "-", `""`, `''`,
		`"null"`, `'undefined'`, ` " null " `, "`0`", `"'anonymous'"`, `\"null\"`, `"000"`, "\u00a0null\u00a0", " -1\n",
	} {
		if !(Blocklist{}).Blocked(id) {
			t.Errorf("%q makes edges", id)
		}
		if _, ok := Allowed(id, "ann", Blocklist{}); ok {
			t.Errorf("an edge from %q is kept", id)
		}
		if _, ok := Allowed("a", id, Blocklist{}); ok {
			t.Errorf("an edge to %q is kept", id)
		}
	}
	for _, id := range []string{"u1", "10", "-10", "1", "anonymous-7", "nullable", "user1", "0x0", "d1bf792a-8fb3-4082-a546-e8c7f57a92f6", "a@example.com", "ünknown"} {
		if (Blocklist{}).Blocked(id) {
			t.Errorf("%q makes no edges", id)
		}
	}
}

func TestBlockedIDsAreConfigurable(t *testing.T) {
	b := NewBlocklist([]string{"Kiosk-7", ` "test@example.com" `})
	for _, id := range []string{"kiosk-7", "KIOSK-7", `"kiosk-7"`, "test@example.com", "null"} {
		if !b.Blocked(id) {
			t.Errorf("%q makes edges", id)
		}
	}
	if b.Blocked("kiosk-8") || (Blocklist{}).Blocked("kiosk-7") {
		t.Error("an id that nobody has named is blocked")
	}
	reason, ok := Allowed("a", "kiosk-7", b)
	if ok || !strings.Contains(reason, "kiosk-7") {
		t.Errorf("allowed %v, %q", ok, reason)
	}
}

func TestSelfEdgeIsRefusedWithReason(t *testing.T) {
	if reason, ok := Allowed("a", "a", Blocklist{}); ok || reason == "" {
		t.Errorf("allowed %v, %q", ok, reason)
	}
	if reason, ok := Allowed("a", "b", Blocklist{}); !ok || reason != "" {
		t.Errorf("two different ids: allowed %v, %q", ok, reason)
	}
}

func TestEdgesOfStandInsAreRefusedWithReason(t *testing.T) {
	for _, ends := range [][2]string{{"\x00email\x00a@b.c", "a"}, {"a", "\x00email\x00a@b.c"}} {
		if reason, ok := Allowed(ends[0], ends[1], Blocklist{}); ok || reason == "" {
			t.Errorf("%q: allowed %v, %q", ends, ok, reason)
		}
	}
}

func TestCycleIsRefusedWithReason(t *testing.T) {
	for _, rule := range []weir.EdgeRule{weir.RuleAlias, weir.RuleMerge} {
		w := world{}.anonymous("a", "b", "c")
		w.says(rule, "a", "b", 1, "item:1")
		w.says(rule, "b", "c", 2, "item:2")
		w.want(t, "a chain", "a+b+c")
		if refused := w.refusals(); len(refused) != 0 {
			t.Errorf("%s: refused %v of a chain", rule, refused)
		}
		closing := w.says(rule, "c", "a", 3, "item:3")
		w.want(t, "a circle", "a+b+c")
		if refused := w.refusals(); len(refused) != 1 || refused[0].Edge != closing || refused[0].Reason == "" {
			t.Errorf("%s: refused %v, want the edge that closes the circle", rule, refused)
		}
	}
}

func TestEdgeOfCycleJoinsOnceAnotherIsTakenBack(t *testing.T) {
	w := world{}.anonymous("a", "b")
	first := w.says(weir.RuleMerge, "a", "b", 1, "identity_merge:1")
	w.says(weir.RuleMerge, "b", "a", 2, "identity_merge:2")
	Retract(w["a"], first.ID())
	w.want(t, "the edge back alone", "a+b")
	if refused := w.refusals(); len(refused) != 0 {
		t.Errorf("refused %v", refused)
	}
}

func TestRepeatedStatementIsNoCycle(t *testing.T) {
	w := world{}.anonymous("a").known("ann")
	for n := range 3 {
		w.says(weir.RuleMerge, "a", "ann", weir.Micros(n+1), fmt.Sprint("identity_merge:", n))
	}
	if refused := w.refusals(); len(refused) != 0 {
		t.Errorf("refused %v", refused)
	}
	for n := range 2 { // each time it is said
		w.says(weir.RuleMerge, "ann", "a", weir.Micros(n+4), fmt.Sprint("identity_merge:back", n))
	}
	if refused := w.refusals(); len(refused) != 2 {
		t.Errorf("refused %v, want both edges back", refused)
	}
}

func TestPersonOverThousandIDsIsRefusedWithReason(t *testing.T) {
	w := world{}.known("ann")
	edges := make([]weir.Edge, MaxMembers+1)
	for n := len(edges) - 1; n >= 0; n-- { // the latest arrive first
		id := fmt.Sprint("a", n)
		w.anonymous(id)
		edges[n] = w.says(weir.RuleAlias, id, "ann", weir.Micros(n+1), fmt.Sprint("user_alias:", n))
	}
	// Ann keeps the earliest MaxEdges, and the last of those is one too many.
	persons, refused := Resolve(slices.Collect(maps.Values(w)))
	members := 0
	for _, person := range persons {
		if person == persons[w["ann"]] {
			members++
		}
	}
	if members != MaxMembers {
		t.Errorf("ann has %d ids, want %d", members, MaxMembers)
	}
	want := []weir.Edge{edges[MaxMembers-1], edges[MaxMembers]}
	if len(refused) != 2 || refused[0].Edge != want[0] || refused[1].Edge != want[1] {
		t.Fatalf("%d refused, want the two latest edges", len(refused))
	}
	for _, r := range refused {
		if !strings.Contains(r.Reason, "too many") {
			t.Errorf("the reason is %q", r.Reason)
		}
	}
	Retract(w["a0"], edges[0].ID())
	persons, _ = Resolve(slices.Collect(maps.Values(w)))
	if last := fmt.Sprint("a", MaxMembers-1); persons[w[last]] != persons[w["ann"]] || persons[w["a0"]] == persons[w["ann"]] {
		t.Error("an id that left made no room for the next")
	}
}

func TestCanonicalPerson(t *testing.T) {
	anonymous := func(id string, seen weir.Micros) *weir.Identity { return &weir.Identity{ID: id, FirstSeen: seen} }
	known := func(id string, created weir.Micros) *weir.Identity {
		return &weir.Identity{ID: id, Authenticated: true, CreatedAt: created}
	}
	for _, c := range []struct {
		name    string
		members []*weir.Identity
		want    string
	}{
		{"the authenticated one, however late", []*weir.Identity{anonymous("a", 1), known("u", 900)}, "u"},
		{"the earliest created_at of two authenticated", []*weir.Identity{known("a", 9), known("b", 5)}, "b"},
		{"the smaller id at the same created_at", []*weir.Identity{known("c", 5), known("b", 5), known("a", 9)}, "b"},
		{"the earliest anonymous without one", []*weir.Identity{anonymous("a", 7), anonymous("b", 3)}, "b"},
		{"what is said before what was seen", []*weir.Identity{{ID: "a", FirstSeen: 1, CreatedAt: 8}, anonymous("b", 5)}, "b"},
		{"the first seen of an authenticated one that has no created_at", []*weir.Identity{known("b", 5), {ID: "a", Authenticated: true, FirstSeen: 4}}, "a"},
		{"one without any time is the last", []*weir.Identity{known("a", 0), known("b", 5)}, "b"},
		{"the smaller id of two without a time", []*weir.Identity{known("b", 0), known("a", 0)}, "a"},
		{"no stand-in", []*weir.Identity{{ID: "\x00email\x00x", Key: true}, anonymous("b", 3)}, "b"},
		{"no bare identity", []*weir.Identity{{ID: "a"}, anonymous("b", 3)}, "b"},
		{"a bare identity if there is no other", []*weir.Identity{{ID: "a"}, {ID: "\x00email\x00x", Key: true}}, "a"},
	} {
		for range 2 {
			if got := Canonical(c.members); got.ID != c.want {
				t.Errorf("%s: got %q, want %q", c.name, got.ID, c.want)
			}
			slices.Reverse(c.members)
		}
	}
}

func TestRetractRestoresBothSides(t *testing.T) {
	w := world{}.anonymous("a", "b").known("ann", "ben")
	w.says(weir.RuleAlias, "a", "ann", 1, "user_alias:1")
	w.says(weir.RuleAlias, "b", "ben", 2, "user_alias:2")
	merge := w.says(weir.RuleMerge, "ann", "ben", 3, "identity_merge:1")
	w.want(t, "merged", "a+ann+b+ben")
	if !Retract(w["ann"], merge.ID()) {
		t.Error("the retraction is not new")
	}
	w.want(t, "taken back", "a+ann", "b+ben")
	if Retract(w["ann"], merge.ID()) {
		t.Error("the retraction is new again")
	}
	w.says(weir.RuleMerge, "ann", "ben", 3, "identity_merge:1") // a resend
	w.want(t, "sent again", "a+ann", "b+ben")
	w.says(weir.RuleMerge, "ann", "ben", 4, "identity_merge:2")
	w.want(t, "merged anew", "a+ann+b+ben")
}

func TestRetractBeforeTheEdgeArrives(t *testing.T) {
	w := world{}.known("ann", "ben")
	merge := weir.Edge{From: "ann", To: "ben", At: 3, Item: "identity_merge:1", Rule: weir.RuleMerge}
	Retract(w["ann"], merge.ID())
	merge.At = 7 // the id of an edge has no time
	Connect(w["ann"], w["ben"], merge)
	w.want(t, "the merge came last")
	if len(Live(w["ann"])) != 0 || len(w["ann"].Edges) != 1 {
		t.Errorf("live %v of %v; want none of one", Live(w["ann"]), w["ann"].Edges)
	}
}

func TestRetractedEdgeIsFoundByItsID(t *testing.T) {
	e := weir.Edge{From: "ann", To: "ben", Item: "identity_merge:1", Rule: weir.RuleMerge}
	if from, err := weir.EdgeFrom(e.ID()); err != nil || from != "ann" {
		t.Errorf("the edge leaves %q, %v", from, err)
	}
}
