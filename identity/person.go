package identity

import (
	"cmp"
	"slices"

	"github.com/weirhq/weir"
)

// Bare reports whether nothing is said of an identity: it is only the end of an
// edge, perhaps of one that was taken back.
func Bare(i *weir.Identity) bool {
	return i.FirstSeen == 0 && i.CreatedAt == 0 && !i.Authenticated && i.Traits.Len() == 0
}

// Nobody reports whether a person is none: it has only bare identities and
// stand-ins.
func Nobody(members []*weir.Identity) bool {
	return !slices.ContainsFunc(members, somebody)
}

func somebody(i *weir.Identity) bool { return !i.Key && !Bare(i) }

// shown are the members by which a person is known: neither stand-ins nor bare
// ones, unless it has no others.
func shown(members []*weir.Identity) []*weir.Identity {
	for _, wanted := range []func(*weir.Identity) bool{somebody, func(i *weir.Identity) bool { return !i.Key }} {
		var out []*weir.Identity
		for _, m := range members {
			if wanted(m) {
				out = append(out, m)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return members
}

// Canonical is the identity that stands for a person: the authenticated one
// that was created first, of equals the smaller id; without one, the earliest
// anonymous. One of which no time is known comes after those of which one is. Stand-ins and bare identities stand for nobody else. The list must
// not be empty.
func Canonical(members []*weir.Identity) *weir.Identity {
	return canonical(shown(members))
}

func canonical(shown []*weir.Identity) *weir.Identity {
	return slices.MinFunc(shown, func(a, b *weir.Identity) int {
		return cmp.Or(
			-compareBool(a.Authenticated, b.Authenticated),
			compareTimes(created(a), created(b)),
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

// compareTimes has zero, which is no time, last.
func compareTimes(a, b weir.Micros) int {
	if a == b {
		return 0
	}
	if Earliest(a, b) == a {
		return -1
	}
	return 1
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

// Join makes the person of its identities and totals, which stand among its
// traits and before those of the same name. The members must not be empty and
// are all of one person. Stand-ins and bare identities are not among its IDs,
// unless it has no others.
func Join(members []*weir.Identity, totals []weir.Property) weir.Person {
	members = shown(members)
	first := canonical(members)
	p := weir.Person{Number: first.Person, ID: first.ID, IDs: make([]string, 0, len(members))}
	traits := members[0].Traits
	if len(members) > 1 {
		traits = traits.Clone()
	}
	for n, m := range members {
		p.CreatedAt = Earliest(p.CreatedAt, m.CreatedAt)
		p.FirstSeen = Earliest(p.FirstSeen, m.FirstSeen)
		p.LastSeen = max(p.LastSeen, m.LastSeen)
		p.IDs = append(p.IDs, m.ID)
		if n > 0 {
			traits.Merge(m.Traits)
		}
	}
	slices.Sort(p.IDs)
	p.Traits = traits.Properties()
	if len(totals) > 0 {
		p.Traits = slices.Concat(totals, p.Traits)
		slices.SortStableFunc(p.Traits, func(a, b weir.Property) int { return cmp.Compare(a.Name, b.Name) })
		p.Traits = slices.CompactFunc(p.Traits, func(a, b weir.Property) bool { return a.Name == b.Name })
	}
	return p
}

// Earliest is the smaller of two instants, of which zero is not one.
func Earliest(a, b weir.Micros) weir.Micros {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
