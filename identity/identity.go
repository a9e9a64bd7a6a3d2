// Package identity holds the rules of SEMANTICS §3: which user ids are the same
// person. They are pure functions of what is known of the ids, so that the
// order and the number of arrivals do not matter.
package identity

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// blocked are ids that programs send by mistake for many people at once; an
// edge to one of them would glue strangers together.
var blocked = map[string]bool{
	"null": true, "nil": true, "none": true, "undefined": true, "nan": true, "unknown": true,
	"anonymous": true, "guest": true, "user": true, "id": true, "distinct_id": true, "not_authenticated": true,
	"true": true, "false": true, "0": true, "-1": true, "[object object]": true, "00000000-0000-0000-0000-000000000000": true,
}

// Blocked reports whether an id never makes an edge: it is empty, only zeros,
// or one of the well-known mistakes, in any case and quotes.
func Blocked(id string) bool {
	id = strings.ToLower(strings.Trim(strings.TrimSpace(id), `"'`))
	return strings.Trim(id, "0") == "" || blocked[id]
}

// Allowed reports whether an edge may be kept at all, and else why not.
func Allowed(from, to string) (reason string, ok bool) {
	switch {
	case from == to:
		return "the id is its own alias", false
	case Blocked(from):
		return "the id " + from + " is sent for many people by mistake and is never joined", false
	case Blocked(to):
		return "the id " + to + " is sent for many people by mistake and is never joined", false
	}
	return "", true
}

// MaxEdges bounds the edges that leave one identity. One is followed; the others
// are kept for the case that it is taken back.
const MaxEdges = 1000

// AddEdge adds an edge to those of an identity, kept in order of compareEdges,
// and reports whether that changed anything. An edge that an item says again
// with another time, as one without a time of its own does at each arrival, is
// kept once with the earliest; of more than MaxEdges the earliest are kept.
// Neither depends on the order of arrival.
func AddEdge(edges []weir.Edge, e weir.Edge) ([]weir.Edge, bool) {
	same := slices.IndexFunc(edges, func(o weir.Edge) bool { return o.To == e.To && o.Item == e.Item && o.Rule == e.Rule })
	if same >= 0 {
		if edges[same].At <= e.At {
			return edges, false
		}
		edges = slices.Delete(edges, same, same+1)
	}
	i, _ := slices.BinarySearchFunc(edges, e, compareEdges)
	if i == MaxEdges {
		return edges, false
	}
	edges = slices.Insert(edges, i, e)
	return edges[:min(len(edges), MaxEdges)], true
}

func compareEdges(a, b weir.Edge) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Item, b.Item), cmp.Compare(a.To, b.To), cmp.Compare(a.Rule, b.Rule))
}

// Followed is the edge that decides where an identity belongs: an anonymous one
// belongs to its earliest, an authenticated one to itself alone. Later edges are
// kept and not followed, so that a shared device never joins two known people.
func Followed(i *weir.Identity) (weir.Edge, bool) {
	if i.Authenticated || len(i.Edges) == 0 {
		return weir.Edge{}, false
	}
	return i.Edges[0], true
}

// Persons says to which person each identity belongs: connected by followed
// edges, they share the smallest of their numbers. The set must be closed: with
// an identity it has those that its followed edge leads to. An edge that leads
// out of the set is not followed.
func Persons(set []*weir.Identity) map[*weir.Identity]uint32 {
	byID := make(map[string]int, len(set))
	for n, i := range set {
		byID[i.ID] = n
	}
	parent := make([]int, len(set))
	for n := range parent {
		parent[n] = n
	}
	root := func(n int) int {
		for parent[n] != n {
			parent[n] = parent[parent[n]]
			n = parent[n]
		}
		return n
	}
	for n, i := range set {
		edge, ok := Followed(i)
		if !ok {
			continue
		}
		to, known := byID[edge.To]
		if !known {
			continue
		}
		// The smaller number becomes the root, and so names the person.
		a, b := root(n), root(to)
		if set[b].Number < set[a].Number {
			a, b = b, a
		}
		parent[b] = a
	}
	persons := make(map[*weir.Identity]uint32, len(set))
	for n, i := range set {
		persons[i] = set[root(n)].Number
	}
	return persons
}

// Canonical is the identity that stands for a person: the authenticated one
// that was created first, of equals the smaller id; without one, the earliest
// anonymous. The list must not be empty.
func Canonical(members []*weir.Identity) *weir.Identity {
	return slices.MinFunc(members, func(a, b *weir.Identity) int {
		return cmp.Or(
			-compareBool(a.Authenticated, b.Authenticated),
			cmp.Compare(created(a), created(b)),
			cmp.Compare(a.ID, b.ID),
		)
	})
}

// created is when an identity came into being: what was said, else the earliest
// time it was seen.
func created(i *weir.Identity) weir.Micros {
	if i.CreatedAt != 0 {
		return i.CreatedAt
	}
	return i.FirstSeen
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Join makes the person of its identities. The list must not be empty and is
// all of one person.
func Join(members []*weir.Identity) weir.Person {
	canonical := Canonical(members)
	p := weir.Person{Number: canonical.Person, ID: canonical.ID}
	var traits weir.Fields
	for _, m := range members {
		p.CreatedAt = Earliest(p.CreatedAt, m.CreatedAt)
		p.FirstSeen = Earliest(p.FirstSeen, m.FirstSeen)
		p.LastSeen = max(p.LastSeen, m.LastSeen)
		p.IDs = append(p.IDs, m.ID)
		traits.Merge(m.Traits)
	}
	slices.Sort(p.IDs)
	p.Traits = traits.Properties()
	return p
}

// Earliest is the smaller of two instants, of which zero is not one.
func Earliest(a, b weir.Micros) weir.Micros {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
