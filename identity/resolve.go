package identity

import (
	"slices"

	"github.com/weirhq/weir"
)

// Refusal is an edge that would be followed and is not, and why. It is kept: once
// the reason is gone, it joins.
type Refusal struct {
	Edge   weir.Edge
	Reason string
}

// Resolve says to which person each identity belongs: those that followed edges
// connect share the smallest of their numbers. It is a function of the identities
// and their edges alone; the order of the set does not matter. The set must be
// what Missing calls affected, or all identities there are; an edge that leads out
// of it is not followed.
//
// Refused are all refused edges of the set in the order in which they count, also
// those that were refused before.
func Resolve(set []*weir.Identity) (persons map[*weir.Identity]uint32, refused []Refusal) {
	return resolve(set, standard())
}

func resolve(set []*weir.Identity, max limits) (map[*weir.Identity]uint32, []Refusal) {
	known := make(map[string]*weir.Identity, len(set))
	for _, i := range set {
		known[i.ID] = i
	}
	c := choose(set, known, max)
	f := newForest(set)
	refused, needless := c.dropped, false
	for _, e := range c.followed {
		from, to := c.index[e.From], c.index[e.To]
		switch {
		case f.root(from) == f.root(to):
			needless = true
		case !f.join(from, to, max.members):
			refused = append(refused, Refusal{e, "the person would have too many ids"})
		}
	}
	if needless {
		refused = append(refused, c.circular(set, max)...)
	}
	slices.SortFunc(refused, func(a, b Refusal) int { return compareEdges(a.Edge, b.Edge) })
	number := make([]uint32, len(set))
	for n, i := range set {
		root := f.root(n)
		if number[root] == 0 || i.Number < number[root] {
			number[root] = i.Number
		}
	}
	persons := make(map[*weir.Identity]uint32, len(set))
	for n, i := range set {
		persons[i] = number[f.root(n)]
	}
	return persons, refused
}

// circular are the followed edges that close a circle: they join two whom earlier
// edges have made one person. One that only says again what an earlier one said is
// none, nor is one of a reconciliation key, as those who have two values in common
// are no mistake.
func (c *choice) circular(set []*weir.Identity, max limits) (refused []Refusal) {
	f := newForest(set)
	said := map[[2]int]bool{}
	for _, e := range c.followed {
		from, to := c.index[e.From], c.index[e.To]
		if isKey(e.Rule) {
			continue
		}
		pair := [2]int{from, to}
		if f.root(from) != f.root(to) {
			said[pair] = f.join(from, to, max.members)
		} else if !said[pair] {
			refused = append(refused, Refusal{e, "other edges make them one person already"})
		}
	}
	return refused
}

// choice says which edges the groups among some identities follow.
type choice struct {
	index    map[string]int // of the identities, by id
	followed []weir.Edge    // in the order in which they count; some may lead to others than the identities
	dropped  []Refusal      // that would count if their end had kept them
	unknown  []weir.Edge    // that may have to be followed instead: who they lead to is not known
}

// lookAhead bounds the unknown edges of one group. Its first is most often the
// one that decides.
const lookAhead = 8

// choose applies the rule of the package comment to identities, which must be
// whole groups; known has them and others.
func choose(identities []*weir.Identity, known map[string]*weir.Identity, max limits) choice {
	c := choice{index: make(map[string]int, len(identities))}
	for n, i := range identities {
		c.index[i.ID] = n
	}
	groups := newForest(identities)
	others := make([][]weir.Edge, len(identities)) // live edges of other rules
	for n, i := range identities {
		for _, e := range Live(i) {
			if !joinsAlways(e.Rule) {
				others[n] = append(others[n], e)
				continue
			}
			to, ok := c.index[e.To]
			switch {
			case !ok:
			case !arrives(identities[to], e, max):
				c.drop(e)
			default:
				groups.join(n, to, len(identities))
				c.followed = append(c.followed, e)
			}
		}
	}
	leaders := make([]leader, len(identities)) // by root of the group
	for n, i := range identities {
		if i.Authenticated {
			leaders[groups.root(n)].authenticated = true
		}
	}
	for n := range identities {
		root := groups.root(n)
		for _, e := range others[n] {
			if leaders[root].authenticated {
				break
			}
			if to, ok := c.index[e.To]; ok && groups.root(to) == root {
				continue // joined already
			}
			to := known[e.To]
			if to != nil && !arrives(to, e, max) {
				c.drop(e)
				continue
			}
			leaders[root].meet(e, to)
		}
	}
	for n := range leaders {
		l := &leaders[n]
		if edge := l.follows(); edge != nil {
			c.followed = append(c.followed, *edge)
		}
		c.unknown = append(c.unknown, l.mayFollow()...)
	}
	slices.SortFunc(c.followed, compareEdges)
	return c
}

func (c *choice) drop(e weir.Edge) {
	c.dropped = append(c.dropped, Refusal{e, "too many other edges lead to the id"})
}

// leader finds the edge that a group follows.
type leader struct {
	authenticated bool
	known         *weir.Edge // the earliest to an authenticated id
	other         *weir.Edge // the earliest to any other that is known
	unknown       []weir.Edge
}

// meet considers an edge of the group; to is nil if it is not known.
func (l *leader) meet(e weir.Edge, to *weir.Identity) {
	switch {
	case to == nil:
		l.unknown = append(l.unknown, e)
	case to.Authenticated:
		l.known = earlier(l.known, e)
	default:
		l.other = earlier(l.other, e)
	}
}

func earlier(a *weir.Edge, b weir.Edge) *weir.Edge {
	if a != nil && compareEdges(*a, b) < 0 {
		return a
	}
	return &b
}

func (l *leader) follows() *weir.Edge {
	if l.known != nil {
		return l.known
	}
	return l.other
}

// mayFollow are the first of the unknown edges that would come before the one
// that is followed if they led to somebody authenticated.
func (l *leader) mayFollow() []weir.Edge {
	slices.SortFunc(l.unknown, compareEdges)
	n := len(l.unknown)
	if l.known != nil {
		n, _ = slices.BinarySearchFunc(l.unknown, *l.known, compareEdges)
	}
	return l.unknown[:min(n, lookAhead)]
}

// forest is a union-find over identities.
type forest struct {
	parent []int
	size   []int // of a root: identities below it but for stand-ins
}

func newForest(identities []*weir.Identity) *forest {
	f := &forest{make([]int, len(identities)), make([]int, len(identities))}
	for n, i := range identities {
		f.parent[n] = n
		if !i.Key {
			f.size[n] = 1
		}
	}
	return f
}

func (f *forest) root(n int) int {
	for f.parent[n] != n {
		f.parent[n] = f.parent[f.parent[n]]
		n = f.parent[n]
	}
	return n
}

// join joins two trees and reports whether they are one now. It refuses to make
// one larger than max.
func (f *forest) join(a, b, max int) bool {
	a, b = f.root(a), f.root(b)
	if a == b {
		return true
	}
	if f.size[a]+f.size[b] > max {
		return false
	}
	if f.size[a] < f.size[b] {
		a, b = b, a
	}
	f.parent[b] = a
	f.size[a] += f.size[b]
	return true
}
