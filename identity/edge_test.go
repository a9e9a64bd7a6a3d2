package identity

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/weirhq/weir"
)

// A page that says the same alias at every view must not make its identity grow.
func TestRepeatedEdgeIsKeptOnceWithTheEarliestTime(t *testing.T) {
	from, to := &weir.Identity{ID: "a"}, &weir.Identity{ID: "b"}
	changes := 0
	for n := range 100 {
		if Connect(from, to, weir.Edge{From: "a", To: "b", Item: "1", Rule: weir.RuleAlias, At: weir.Micros(100 - n%50)}) {
			changes++
		}
	}
	if len(from.Edges) != 1 || from.Edges[0].At != 51 || !reflect.DeepEqual(from.Edges, to.Incoming) {
		t.Errorf("edges %v, arrived %v", from.Edges, to.Incoming)
	}
	if changes != 50 {
		t.Errorf("%d changes, want one for each earlier time", changes)
	}
}

// Whatever is sent, and in whatever order, the earliest edges stay.
func TestEdgesOfOneIdentityAreBounded(t *testing.T) {
	build := func(seed uint64) []weir.Edge {
		from := &weir.Identity{ID: "a"}
		for _, n := range rand.New(rand.NewPCG(seed, 1)).Perm(2 * MaxEdges) {
			Connect(from, &weir.Identity{ID: "b"}, weir.Edge{From: "a", To: fmt.Sprint(n % 7), Item: fmt.Sprint(n), At: weir.Micros(1 + n)})
		}
		return from.Edges
	}
	a, b := build(1), build(2)
	if len(a) != MaxEdges || !reflect.DeepEqual(a, b) || a[MaxEdges-1].At != MaxEdges {
		t.Errorf("%d and %d edges, the last at %d", len(a), len(b), a[len(a)-1].At)
	}
}

func TestEdgeThatItsEndHasNoRoomForIsRefusedWithReason(t *testing.T) {
	max := limits{edges: 2, members: 1000}
	w := world{}.anonymous("a", "b", "c").known("ann")
	for n, id := range []string{"c", "b", "a"} {
		connect(w[id], w["ann"], weir.Edge{From: id, To: "ann", At: weir.Micros(9 - n), Item: "1", Rule: weir.RuleAlias}, max)
	}
	persons, refused := resolve([]*weir.Identity{w["a"], w["b"], w["c"], w["ann"]}, max)
	if persons[w["c"]] == persons[w["ann"]] || persons[w["b"]] != persons[w["ann"]] {
		t.Errorf("persons %v", persons)
	}
	if len(refused) != 1 || refused[0].Edge.From != "c" || refused[0].Reason == "" {
		t.Errorf("refused %v, want the latest edge", refused)
	}
}

// Connect and Retract leave what Before has copied as it was.
func TestBeforeIsLeftAlone(t *testing.T) {
	w := world{}.anonymous("a", "b").known("ann")
	e := w.says(weir.RuleAlias, "a", "ann", 5, "1")
	w["b"].Retracted = append(make([]string, 0, 4), "Yg.0000000000000001") // with room for more
	before := Before(w)
	w.says(weir.RuleAlias, "a", "ann", 3, "1") // earlier
	w.says(weir.RuleAlias, "b", "ann", 4, "1")
	Retract(w["a"], e.ID())
	Retract(w["b"], "Yg.0000000000000000")
	if got := before["a"]; len(got.Edges) != 1 || got.Edges[0].At != 5 || len(got.Retracted) != 0 {
		t.Errorf("a: %+v", got)
	}
	if got := before["b"]; len(got.Edges) != 0 || !reflect.DeepEqual(got.Retracted, []string{"Yg.0000000000000001"}) {
		t.Errorf("b: %+v", got)
	}
	if got := before["ann"]; len(got.Incoming) != 1 || got.Incoming[0].At != 5 {
		t.Errorf("ann: %+v", got)
	}
}
