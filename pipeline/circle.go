package pipeline

import (
	"cmp"
	"maps"
	"slices"

	"github.com/weirhq/weir"
)

// circle is a person of the batch with all its identities.
type circle struct {
	ws      weir.WorkspaceID
	number  uint32
	members []*person // in order of number
	changed bool      // identities came or went
	// concerned says that something its conversions are credited by has changed.
	concerned bool
	// conversions are those of the members, if the batch has looked at them.
	conversions []*conversion
}

func (c *circle) identities() []*weir.Identity {
	out := make([]*weir.Identity, len(c.members))
	for n, i := range c.members {
		out[n] = i.Identity
	}
	return out
}

// circles are the persons that the batch touches, as they are after it, in order
// of workspace and number.
func (b *Batch) circles() []*circle {
	if b.persons != nil {
		return b.persons
	}
	byNumber := map[numbered]*circle{}
	for _, i := range b.touched {
		at := numbered{i.Workspace, i.Person}
		c := byNumber[at]
		if c == nil {
			c = &circle{ws: i.Workspace, number: i.Person}
			byNumber[at] = c
		}
		c.members = append(c.members, i)
	}
	for _, i := range b.touched {
		if i.was == i.Person {
			continue
		}
		c := byNumber[numbered{i.Workspace, i.Person}]
		c.changed = c.changed || i.was != 0 || len(c.members) > 1
		if left := byNumber[numbered{i.Workspace, i.was}]; left != nil {
			left.changed = true
		}
	}
	b.persons = slices.SortedFunc(maps.Values(byNumber), func(x, y *circle) int {
		return cmp.Or(cmp.Compare(x.ws, y.ws), cmp.Compare(x.number, y.number))
	})
	for _, c := range b.persons {
		slices.SortFunc(c.members, cmpNumbers)
	}
	return b.persons
}
