package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/state"
)

// commit makes the batch's state last and prepares what goes to the other
// stores, which write does.
func (p *Pipeline) commit(ctx context.Context, b *Batch) error {
	b.rows = p.rows(b)
	// Whoever has the lock next must find what this batch has seen.
	p.underway.add(b)
	if err := b.tx.Commit(ctx, b.changes()); err != nil {
		p.underway.done(b)
		return fmt.Errorf("commit state: %w", err)
	}
	return nil
}

// write makes the rest of a committed batch last, in the order that the package
// comment explains, after all that was committed before it. It may be repeated.
func (p *Pipeline) write(ctx context.Context, b *Batch) error {
	if err := p.underway.turn(ctx, b); err != nil {
		return err
	}
	for _, ws := range slices.Sorted(maps.Keys(b.rows)) {
		if err := p.events.Write(ctx, ws, b.rows[ws]); err != nil {
			return fmt.Errorf("write events of %s: %w", ws, err)
		}
	}
	keys := make([]state.ItemKey, 0, len(b.order))
	before, entries := make([]state.Entry, 0, len(b.order)), make([]state.Entry, 0, len(b.order))
	for _, k := range b.order {
		if k.stored {
			keys, before, entries = append(keys, k.key), append(before, k.before), append(entries, k.entry)
		}
	}
	if err := p.seen.Put(ctx, keys, before, entries); err != nil {
		return fmt.Errorf("remember seen items: %w", err)
	}
	if b.replayed {
		return nil
	}
	if err := p.seen.Release(ctx, b.Applied); err != nil {
		return fmt.Errorf("let items go: %w", err)
	}
	return nil
}

func (b *Batch) changes() state.Changes {
	c := state.Changes{Applied: b.Applied, Marks: b.note}
	for _, i := range b.touched {
		if i.changed {
			c.Identities = append(c.Identities, i.Identity)
		}
	}
	for _, v := range b.visits.byKey {
		if v.changed {
			c.Sessions = append(c.Sessions, v.Session)
		}
	}
	for key, gone := range b.visits.gone {
		if v := b.visits.byKey[key]; v == nil || v.Number != gone.Number {
			c.RemovedSessions = append(c.RemovedSessions, key)
		}
	}
	for key, conv := range b.conversions {
		switch {
		case conv.removed:
			c.RemovedConversions = append(c.RemovedConversions, key)
		case conv.changed:
			c.Conversions = append(c.Conversions, conv.Conversion)
		}
	}
	before := b.tx.Snapshot().Applied
	for _, e := range b.Entries {
		if !b.replayed && e.Position.Seq() > before[e.Position.Partition()] {
			c.Outbox = append(c.Outbox, e.Effects...)
		}
	}
	return c
}

// rows are what the event store of each workspace is given.
func (p *Pipeline) rows(b *Batch) map[weir.WorkspaceID]*eventstore.Batch {
	writes := map[weir.WorkspaceID]*eventstore.Batch{}
	of := func(ws weir.WorkspaceID) *eventstore.Batch {
		w := writes[ws]
		if w == nil {
			// Most batches are of one workspace.
			n := len(b.Entries)
			w = &eventstore.Batch{Applied: b.Applied, AsOf: b.AsOf, Commit: b.number, Log: make([]weir.Outcome, 0, n), Events: make([]weir.Event, 0, n)}
			writes[ws] = w
		}
		return w
	}
	for _, e := range b.Entries {
		w := of(e.Record.Workspace)
		w.Log = append(w.Log, e.Outcome)
		if e.Event != nil {
			w.Events = append(w.Events, *e.Event)
		}
	}
	for _, k := range b.order {
		w := of(k.key.Workspace)
		w.Replaced = append(w.Replaced, b.replaced(k)...)
	}
	for ws, moves := range b.visits.moves {
		w := of(ws)
		for _, m := range moves {
			if m.to != nil {
				m.Session = m.to.Number
			}
			w.Sessions = append(w.Sessions, m.SessionMove)
		}
	}
	b.people(of)
	b.visitRows(of)
	return writes
}

// replaced are the positions where rows of an item must not stand any more. After
// a crash, any delivery of the batch may have left one, and one that stands at the
// right position may say what was true then: it is written anew.
func (b *Batch) replaced(k *known) (positions []weir.Position) {
	if k.before.Position != 0 && k.before.Position != k.entry.Position {
		positions = append(positions, k.before.Position)
	}
	if b.again {
		for _, e := range k.deliveries {
			if e.Position != k.before.Position || e.Position == k.entry.Position {
				positions = append(positions, e.Position)
			}
		}
	}
	return positions
}

// people lists the persons that questions see otherwise than before, and the
// identities that went to another person. While records are applied again after
// a crash, the state no longer shows what they changed: then it lists all that
// the batch touches, which is harmless.
func (b *Batch) people(of func(weir.WorkspaceID) *eventstore.Batch) {
	alive := map[numbered]bool{}
	for _, c := range b.circles() {
		alive[numbered{c.ws, c.number}] = true
		if !c.visible(b.again) {
			continue
		}
		w, members := of(c.ws), c.identities()
		if identity.Nobody(members) {
			w.Gone = append(w.Gone, c.number)
			continue
		}
		w.People = append(w.People, identity.Join(members, c.totals(members)))
	}
	for _, c := range b.circles() {
		for _, i := range c.members {
			if i.was != i.Person || b.again {
				i.follow(of(c.ws), alive)
			}
		}
	}
}

// follow puts an identity's rows under its person.
func (i *person) follow(w *eventstore.Batch, alive map[numbered]bool) {
	if i.was != 0 && i.FirstSeen != 0 {
		w.Moves = append(w.Moves, eventstore.Move{Identity: i.Number, Person: i.Person, From: i.FirstSeen, To: i.LastSeen})
	}
	for _, number := range []uint32{i.was, i.Number} {
		if number != 0 && !alive[numbered{i.Workspace, number}] {
			w.Gone = append(w.Gone, number)
		}
	}
}

// visible reports whether questions see a person otherwise than before.
func (c *circle) visible(again bool) bool {
	return again || c.changed || slices.ContainsFunc(c.members, func(i *person) bool {
		return i.visible || i.said && len(c.members) > 1
	})
}

// totals are the traits that the person's conversions make.
func (c *circle) totals(members []*weir.Identity) []weir.Property {
	list := make([]*weir.Conversion, 0, len(c.conversions))
	for _, conv := range c.conversions {
		list = append(list, conv.Conversion)
	}
	if len(list) == 0 {
		return nil
	}
	return order.Totals(list, identity.Join(members, nil).FirstSeen)
}

// publish tells those who listen.
func (p *Pipeline) publish(b *Batch) {
	messages := make([]live.Message, len(b.Entries))
	for i, e := range b.Entries {
		messages[i] = live.Message{Workspace: e.Record.Workspace, Outcome: e.Outcome, Raw: e.Record.Raw}
	}
	p.hub.Publish(messages)
}
