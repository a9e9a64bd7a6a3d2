package identity

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// Connect adds an edge to those that leave from and to those that arrive at to,
// and reports whether that changed anything. An edge that an item says again with
// another time is kept once with the earliest; of more than MaxEdges the earliest
// are kept. Neither depends on the order of arrival. An edge that was taken back
// is kept as well and not live.
//
// An edge counts while both of its ends keep it.
func Connect(from, to *weir.Identity, e weir.Edge) bool {
	return connect(from, to, e, standard())
}

func connect(from, to *weir.Identity, e weir.Edge, max limits) bool {
	var left, arrived bool
	from.Edges, left = insertEdge(from.Edges, e, max.edges)
	to.Incoming, arrived = insertEdge(to.Incoming, e, max.edges)
	return left || arrived
}

// insertEdge makes a new slice if it changes anything, for the sake of Before.
func insertEdge(edges []weir.Edge, e weir.Edge, max int) ([]weir.Edge, bool) {
	same := slices.IndexFunc(edges, func(o weir.Edge) bool {
		return o.Item == e.Item && o.From == e.From && o.To == e.To && o.Rule == e.Rule
	})
	if same >= 0 && edges[same].At <= e.At {
		return edges, false
	}
	at, _ := slices.BinarySearchFunc(edges, e, compareEdges)
	if at >= max {
		return edges, false
	}
	out := make([]weir.Edge, 0, len(edges)+1)
	out = append(append(out, edges[:at]...), e)
	for n := at; n < len(edges) && len(out) < max; n++ {
		if n != same {
			out = append(out, edges[n])
		}
	}
	return out, true
}

// compareEdges is the order in which edges count.
func compareEdges(a, b weir.Edge) int {
	return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Item, b.Item), strings.Compare(a.From, b.From),
		strings.Compare(a.To, b.To), strings.Compare(string(a.Rule), string(b.Rule)))
}

// Retract takes back an edge that leaves from, for ever and also if it has not
// arrived yet, and reports whether that is new. weir.EdgeFrom finds from.
func Retract(from *weir.Identity, edgeID string) bool {
	at, found := slices.BinarySearch(from.Retracted, edgeID)
	if found {
		return false
	}
	// A new slice, for the sake of Before.
	from.Retracted = slices.Insert(slices.Clone(from.Retracted), at, edgeID)
	return true
}

// Live are the edges that leave an identity and are not taken back, in the order
// in which they count. The caller must not change them.
func Live(i *weir.Identity) []weir.Edge {
	if len(i.Retracted) == 0 {
		return i.Edges
	}
	live := make([]weir.Edge, 0, len(i.Edges))
	for _, e := range i.Edges {
		if !retracted(i, e) {
			live = append(live, e)
		}
	}
	return live
}

// retracted reports whether an edge that leaves an identity is taken back.
func retracted(from *weir.Identity, e weir.Edge) bool {
	if len(from.Retracted) == 0 {
		return false
	}
	_, found := slices.BinarySearch(from.Retracted, e.ID())
	return found
}

// arrives reports whether the end of an edge keeps it. One that has room has
// every edge.
func arrives(to *weir.Identity, e weir.Edge, max limits) bool {
	if len(to.Incoming) < max.edges {
		return true
	}
	_, found := slices.BinarySearchFunc(to.Incoming, e, compareEdges)
	return found
}

// joinsAlways reports whether an edge of a rule joins whatever else is known.
func joinsAlways(r weir.EdgeRule) bool {
	return r == weir.RuleMerge || isKey(r)
}

func isKey(r weir.EdgeRule) bool { return strings.HasPrefix(string(r), string(weir.RuleKey)) }
