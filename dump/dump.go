// Package dump writes the truth of a workspace as canonical lines of JSON, so
// that two servers with the same truth write the same bytes (CONTRACT §1, weir
// dump), and compares two such texts.
//
// Nothing is in it that depends on how or when the items arrived: no dense
// numbers, no positions, no receipts and no order of arrival. Nor are there
//   - the last time an identity was seen: it may be later than its latest item,
//     if that item was delivered with several times and the later one came first;
//   - identities of which nothing is said, as those that only an edge named that
//     was taken back, nor the stand-ins of reconciliation keys;
//   - edges that were taken back, and the notes that they were: with them, a
//     merge that was undone would leave a trace;
//   - the pools in which events of servers wait: the events show their session.
//
// The stores must be at rest while they are dumped: it reads them several times.
// It holds a few dozen bytes per identity and per session in memory, and no events.
// The lines are described in docs/format/dump.md.
package dump

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/state"
)

// Write writes the truth of a workspace to w: users, identities, sessions,
// conversions, attribution and events, in this order. An unknown workspace is
// empty. What refers to something that the stores do not have is written all the
// same, and names it in a member "missing": the stores are damaged then, and the
// reader of two dumps wants to see where.
func Write(ctx context.Context, w io.Writer, ws weir.WorkspaceID, view state.View, events eventstore.Store) error {
	d := &dumper{ws: ws, view: view, events: events, out: bufio.NewWriterSize(w, 1<<16)}
	for _, part := range []struct {
		name  string
		write func(context.Context) error
	}{
		{"people", d.survey}, {"sessions", d.list},
		{"users", d.users}, {"identities", d.identities}, {"sessions", d.sessions},
		{"conversions", d.conversions}, {"attribution", d.attribution}, {"events", d.rows},
	} {
		if err := part.write(ctx); err != nil {
			return fmt.Errorf("dump %s of %s: %w", part.name, ws, err)
		}
	}
	if err := d.out.Flush(); err != nil {
		return fmt.Errorf("dump %s: %w", ws, err)
	}
	return nil
}

// dumper replaces dense numbers by what they stand for.
type dumper struct {
	ws     weir.WorkspaceID
	view   state.View
	events eventstore.Store
	out    *bufio.Writer

	members map[uint32]member // by number
	persons map[uint32]string // person's number → canonical id
	several map[uint32]bool   // persons of several identities
	public  map[uint32]string // session's number → public id
	visits  []visit           // sorted as they are written
}

// member is what is kept of an identity to name it and its person.
type member struct {
	id     string
	person uint32
}

// visit is what is kept of a session to write it later.
type visit struct {
	public string
	origin weir.Origin
	id     string
}

// survey finds the canonical id of every person.
func (d *dumper) survey(ctx context.Context) error {
	d.members, d.persons, d.several = map[uint32]member{}, map[uint32]string{}, map[uint32]bool{}
	met := map[uint32]bool{}
	err := d.view.Scan(ctx, d.ws, func(i *weir.Identity) error {
		d.several[i.Person] = met[i.Person]
		met[i.Person] = true
		if shown(i) {
			d.members[i.Number], d.persons[i.Person] = member{i.ID, i.Person}, i.ID
		}
		return nil
	})
	if err != nil {
		return err
	}
	for person, several := range d.several {
		if !several {
			delete(d.several, person)
			continue
		}
		members, err := d.person(ctx, person)
		if err != nil {
			return err
		}
		if len(members) > 0 {
			d.persons[person] = identity.Canonical(members).ID
		}
	}
	return nil
}

// shown reports whether an identity is one of somebody.
func shown(i *weir.Identity) bool { return !i.Key && !identity.Bare(i) }

// person loads the identities of a person that are shown.
func (d *dumper) person(ctx context.Context, number uint32) ([]*weir.Identity, error) {
	members, err := d.view.PersonByNumber(ctx, d.ws, number)
	return slices.DeleteFunc(members, func(i *weir.Identity) bool { return !shown(i) }), err
}

// owner is the canonical id of the person of an identity.
func (d *dumper) owner(number uint32) string { return d.persons[d.members[number].person] }

// list finds the public id of every session that is written.
func (d *dumper) list(ctx context.Context) error {
	d.public = map[uint32]string{}
	err := d.view.ScanSessions(ctx, d.ws, func(s *weir.Session) error {
		if s.Origin == weir.Attended {
			return nil
		}
		v := visit{session.PublicID(s.ID), s.Origin, s.ID}
		d.public[s.Number] = v.public
		d.visits = append(d.visits, v)
		return nil
	})
	slices.SortFunc(d.visits, func(a, b visit) int {
		return cmp.Or(cmp.Compare(a.public, b.public), cmp.Compare(a.origin, b.origin), cmp.Compare(a.id, b.id))
	})
	return err
}

func (d *dumper) users(ctx context.Context) error {
	return d.view.Scan(ctx, d.ws, func(i *weir.Identity) error {
		if !shown(i) || d.persons[i.Person] != i.ID {
			return nil
		}
		members := []*weir.Identity{i}
		if d.several[i.Person] {
			var err error
			if members, err = d.person(ctx, i.Person); err != nil {
				return err
			}
		}
		conversions, err := d.conversionsOf(ctx, members)
		if err != nil {
			return err
		}
		first := identity.Join(members, nil).FirstSeen
		p := identity.Join(members, order.Totals(conversions, first))
		l := newLine("user", p.ID)
		l.strings("ids", p.IDs)
		l.boolean("authenticated", i.Authenticated)
		l.time("created_at", p.CreatedAt)
		l.time("first_seen", p.FirstSeen)
		l.properties("traits", p.Traits)
		return l.end(d.out)
	})
}

func (d *dumper) conversionsOf(ctx context.Context, members []*weir.Identity) ([]*weir.Conversion, error) {
	var numbers []uint32
	for _, m := range members {
		if m.Converts {
			numbers = append(numbers, m.Number)
		}
	}
	if numbers == nil {
		return nil, nil
	}
	return d.view.Conversions(ctx, d.ws, numbers)
}

func (d *dumper) identities(ctx context.Context) error {
	return d.view.Scan(ctx, d.ws, func(i *weir.Identity) error {
		if !shown(i) {
			return nil
		}
		l := newLine("identity", i.ID)
		l.id("person", d.persons[i.Person])
		l.boolean("authenticated", i.Authenticated)
		l.time("created_at", i.CreatedAt)
		l.time("first_seen", i.FirstSeen)
		l.properties("traits", i.Traits.Properties())
		l.devices("devices", i)
		l.edges("edges", i)
		return l.end(d.out)
	})
}

func (d *dumper) sessions(ctx context.Context) error {
	for _, v := range d.visits {
		s, err := d.view.Session(ctx, d.ws, v.id)
		if err != nil {
			return err
		}
		if s == nil {
			return fmt.Errorf("session %q was there and is gone: the stores are not at rest", v.id)
		}
		l := newLine("session", v.public)
		l.string("user", s.User)
		l.id("person", d.owner(s.Owner))
		l.string("origin", origins[s.Origin&3])
		l.string("device", s.Device)
		l.time("started_at", s.StartedAt)
		l.time("ended_at", s.EndedAt)
		l.number("duration", session.Duration(s))
		l.integer("pageviews", int64(session.Pageviews(s)))
		l.integer("interactions", int64(session.Interactions(s)))
		l.properties("fields", s.Fields.Properties())
		if err := l.end(d.out); err != nil {
			return err
		}
	}
	return nil
}

// origins are the names of weir.Origin.
var origins = [...]string{"sent", "derived", "attended", "impression"}

func (d *dumper) conversions(ctx context.Context) error {
	return d.view.ScanConversions(ctx, d.ws, func(c *weir.Conversion) error {
		l := newLine("conversion", c.ID)
		l.string("goal", c.Goal)
		l.string("user", c.User)
		l.id("person", d.owner(c.Owner))
		l.time("at", c.At)
		l.integer("amount", c.Amount)
		l.string("currency", c.Currency)
		l.integer("value", c.Value)
		l.boolean("unpriced", c.Unpriced)
		l.boolean("cancelled", c.Cancelled)
		l.properties("fields", c.Fields)
		return l.end(d.out)
	})
}

func (d *dumper) attribution(ctx context.Context) error {
	models := attribution.Models()
	return d.view.ScanConversions(ctx, d.ws, func(c *weir.Conversion) error {
		if len(c.Touches) == 0 {
			return nil
		}
		l := newLine("attribution", c.ID)
		l.touches("touches", c.Touches, models, d.public)
		return l.end(d.out)
	})
}

func (d *dumper) rows(ctx context.Context) error {
	return d.events.Scan(ctx, d.ws, eventstore.ScanFilter{}, func(r eventstore.Row) error {
		l := newLine("event", r.Name)
		l.string("kind", string(r.Kind))
		l.string("id", r.ItemID)
		l.time("time", r.Time)
		l.id("user", d.members[r.Identity].id)
		l.id("person", d.persons[r.Person])
		if r.Session == 0 {
			l.null("session")
		} else {
			l.id("session", d.public[r.Session])
		}
		l.properties("properties", r.Properties)
		return l.end(d.out)
	})
}
