package identity

import (
	"maps"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// Missing says what Resolve must know after identities were changed. The set are
// the identities as they are now, with Person as it was loaded, and with every
// other member of the persons that they belonged to; before are those of them that
// were loaded, as they were (see Before). It finds by itself which of them have
// changed.
//
// Missing ids, sorted, must be loaded as well, with all members of their persons:
// then the caller applies its statements again and asks again, until none is
// missing. Affected, sorted by id, are then (and nil before) all identities whose person may be
// another than before: Resolve is right for them. Everybody else, of the set and
// outside, keeps their person.
func Missing(set, before map[string]*weir.Identity) (missing []string, affected []*weir.Identity) {
	return findMissing(set, before, standard())
}

func findMissing(set, before map[string]*weir.Identity, max limits) (missing []string, affected []*weir.Identity) {
	s := &search{set: set, before: before, max: max, affected: map[string]bool{}, missing: map[string]bool{}}
	for id, i := range set {
		if changed(before[id], i, max) {
			s.need(id)
		}
	}
	if len(s.affected) == 0 {
		return nil, nil
	}
	s.mates = map[uint32][]string{}
	for id := range before {
		if i := set[id]; i != nil && i.Person != 0 {
			s.mates[i.Person] = append(s.mates[i.Person], id)
		}
	}
	for s.step() {
	}
	if len(s.missing) > 0 {
		return slices.Sorted(maps.Keys(s.missing)), nil
	}
	for id := range s.affected {
		affected = append(affected, set[id])
	}
	sortByID(affected)
	return nil, affected
}

// changed reports whether an identity is new or says something else of persons
// than before. Edges that arrive are their senders' business, unless they may have
// pushed out others: one batch can fill an identity and push out as well.
func changed(before, now *weir.Identity, max limits) bool {
	return before == nil || before.Authenticated != now.Authenticated || len(before.Retracted) != len(now.Retracted) ||
		!slices.Equal(before.Edges, now.Edges) ||
		len(now.Incoming) >= max.edges && !slices.Equal(before.Incoming, now.Incoming)
}

// search collects what is affected. Its rules:
//
//   - A person of whom one is affected is affected, and so is the whole group.
//   - So is who decides anew: the source of an edge to one who has become
//     authenticated, or whose edge was pushed out.
//   - So is the target of an edge that is followed now.
//   - An edge that is followed and was refused, from somebody who is not affected,
//     stays refused if what its target's side had grown to by then has not become
//     less. Where that is not certain, the source is affected too.
type search struct {
	set, before map[string]*weir.Identity
	max         limits
	mates       map[uint32][]string // ids by person, as loaded; of those not affected yet
	affected    map[string]bool
	missing     map[string]bool
	todo        []string // affected and not yet spread from
}

// need makes an identity affected, or missing if the set lacks it.
func (s *search) need(id string) {
	switch {
	case s.affected[id] || s.missing[id]:
	case s.set[id] == nil:
		s.missing[id] = true
	default:
		s.affected[id] = true
		s.todo = append(s.todo, id)
	}
}

// step applies the rules once, the cheap ones first, and reports whether they
// must be applied again.
func (s *search) step() bool {
	for len(s.todo) > 0 {
		id := s.todo[len(s.todo)-1]
		s.todo = s.todo[:len(s.todo)-1]
		s.spread(s.set[id], s.before[id])
	}
	var now, then []*weir.Identity
	for id := range s.affected {
		now = append(now, s.set[id])
		if i := s.before[id]; i != nil {
			then = append(then, i)
		}
	}
	sortByID(now)
	chosen, old := choose(now, s.set, s.max), choose(then, s.before, s.max)
	for _, e := range slices.Concat(chosen.unknown, old.unknown) {
		s.need(e.To)
	}
	if len(s.missing) > 0 {
		return len(s.todo) > 0
	}
	for _, e := range chosen.followed {
		s.need(e.To)
	}
	if len(s.todo) == 0 {
		s.settle(now, chosen, old)
	}
	return len(s.todo) > 0
}

// spread applies the rules that concern one affected identity alone.
func (s *search) spread(now, before *weir.Identity) {
	if before == nil {
		before = &weir.Identity{ID: now.ID}
	} else {
		mates := s.mates[now.Person]
		delete(s.mates, now.Person) // they need not be gone through for each of them
		for _, id := range mates {
			s.need(id)
		}
	}
	for _, edges := range [][]weir.Edge{before.Edges, now.Edges} {
		for _, e := range edges {
			if joinsAlways(e.Rule) && !s.dead(e) {
				s.need(e.To)
			}
		}
	}
	decided := now.Authenticated && !before.Authenticated
	for _, edges := range [][]weir.Edge{before.Incoming, now.Incoming} {
		for _, e := range edges {
			if (decided || joinsAlways(e.Rule)) && !s.dead(e) {
				s.need(e.From)
			}
		}
	}
	if len(now.Incoming) >= s.max.edges {
		for _, e := range before.Incoming {
			if !arrives(now, e, s.max) {
				s.need(e.From)
			}
		}
	}
}

// dead reports whether an edge is taken back, and was so before.
func (s *search) dead(e weir.Edge) bool {
	from, before := s.set[e.From], s.before[e.From]
	return from != nil && retracted(from, e) && (before == nil || retracted(before, e))
}

// settle applies the last rule. It makes affected the sources of edges to the
// sides that may have become less.
func (s *search) settle(now []*weir.Identity, chosen, old choice) {
	shrunk := s.shrunk(now, chosen, old)
	if len(shrunk) == 0 {
		return
	}
	edges := slices.Clone(chosen.followed)
	for _, i := range shrunk {
		for _, e := range i.Incoming {
			if !s.affected[e.From] && !s.dead(e) {
				edges = append(edges, e)
			}
		}
	}
	slices.SortFunc(edges, compareEdges)
	f := newForest(now)
	for _, e := range edges {
		from, inside := chosen.index[e.From]
		to := chosen.index[e.To]
		switch {
		case inside:
			f.join(from, to, s.max.members)
		case f.size[f.root(to)] < s.max.members: // a full one refuses everybody
			s.need(e.From)
		}
	}
}

// shrunk are the identities that an edge which is no longer followed, or one that
// is refused, connects.
func (s *search) shrunk(now []*weir.Identity, chosen, old choice) []*weir.Identity {
	type key struct {
		from, to, item string
		rule           weir.EdgeRule
	}
	follows := make(map[key]bool, len(chosen.followed))
	var marks []int
	f, all := newForest(now), newForest(now)
	for _, e := range chosen.followed {
		follows[key{e.From, e.To, e.Item, e.Rule}] = true
		from, to := chosen.index[e.From], chosen.index[e.To]
		all.join(from, to, len(now))
		if !f.join(from, to, s.max.members) {
			marks = append(marks, from)
		}
	}
	for _, e := range old.followed {
		from := chosen.index[e.From]
		to, ok := chosen.index[e.To]
		if !ok || follows[key{e.From, e.To, e.Item, e.Rule}] {
			continue
		}
		all.join(from, to, len(now))
		marks = append(marks, from)
	}
	if len(marks) == 0 {
		return nil
	}
	roots := map[int]bool{}
	for _, n := range marks {
		roots[all.root(n)] = true
	}
	var out []*weir.Identity
	for n, i := range now {
		if roots[all.root(n)] {
			out = append(out, i)
		}
	}
	return out
}

func sortByID(identities []*weir.Identity) {
	slices.SortFunc(identities, func(a, b *weir.Identity) int { return strings.Compare(a.ID, b.ID) })
}
