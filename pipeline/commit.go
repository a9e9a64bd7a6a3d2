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
	"github.com/weirhq/weir/state"
)

// commit makes the batch's state last and prepares what goes to the other
// stores, which write does.
func (p *Pipeline) commit(ctx context.Context, b *Batch) error {
	b.rows = p.rows(b)
	if err := b.tx.Commit(ctx, changes(b)); err != nil {
		return fmt.Errorf("commit state: %w", err)
	}
	return nil
}

// write makes the rest of a committed batch last, in the order that the package
// comment explains. It may be repeated.
func (p *Pipeline) write(ctx context.Context, b *Batch) error {
	for _, ws := range slices.Sorted(maps.Keys(b.rows)) {
		if err := p.events.Write(ctx, ws, b.rows[ws]); err != nil {
			return fmt.Errorf("write events of %s: %w", ws, err)
		}
	}
	entries := make([]state.Entry, len(b.fresh))
	for i, key := range b.fresh {
		entries[i] = b.seen[key]
	}
	if err := p.seen.Put(ctx, b.fresh, entries); err != nil {
		return fmt.Errorf("remember seen items: %w", err)
	}
	return nil
}

func changes(b *Batch) state.Changes {
	c := state.Changes{Applied: b.Applied}
	for _, i := range b.touched {
		if i.changed {
			c.Identities = append(c.Identities, i.Identity)
		}
	}
	for key := range b.changed {
		c.Sessions = append(c.Sessions, b.sessions[key])
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
			w = &eventstore.Batch{Applied: b.Applied, AsOf: b.AsOf}
			writes[ws] = w
		}
		return w
	}
	again := b.again()
	replaced := map[weir.Position]bool{} // within this batch
	for _, e := range b.Entries {
		w := of(e.Record.Workspace)
		w.Log = append(w.Log, e.Outcome)
		if e.Replaces != 0 {
			w.Replaced = append(w.Replaced, e.Replaces)
			replaced[e.Replaces] = true
		}
		// Partitions have no order between them: a version that lost now may have
		// been the first before the crash, and have left its row.
		if again && (e.Outcome.Status == weir.Superseded || e.Outcome.Status == weir.Conflict) {
			w.Replaced = append(w.Replaced, e.Position)
		}
	}
	for _, e := range b.Entries {
		if e.Event != nil && !replaced[e.Position] {
			w := of(e.Record.Workspace)
			w.Events = append(w.Events, *e.Event)
		}
	}
	p.people(b, of)
	return writes
}

// people lists the persons that questions see otherwise than before, and the
// identities that went to another person. While records are applied again after
// a crash, the state no longer shows what they changed: then it lists all that
// the batch touches, which is harmless.
func (p *Pipeline) people(b *Batch, of func(weir.WorkspaceID) *eventstore.Batch) {
	again := b.again()
	members := map[state.Key]map[uint32][]*weir.Identity{} // by workspace; the key's id is unused
	visible := map[state.Key]map[uint32]bool{}
	for key, i := range b.touched {
		ws := state.Key{Workspace: key.Workspace}
		if members[ws] == nil {
			members[ws], visible[ws] = map[uint32][]*weir.Identity{}, map[uint32]bool{}
		}
		members[ws][i.Person] = append(members[ws][i.Person], i.Identity)
		if i.visible || again {
			visible[ws][i.Person] = true
		}
	}
	for key, i := range b.touched {
		ws := state.Key{Workspace: key.Workspace}
		w := of(key.Workspace)
		if i.was != i.Person && i.was != 0 || again {
			w.Moves = append(w.Moves, eventstore.Move{Identity: i.Number, Person: i.Person, From: i.FirstSeen, To: i.LastSeen})
		}
		if i.said && len(members[ws][i.Person]) > 1 {
			visible[ws][i.Person] = true
		}
		if i.was != i.Person && members[ws][i.was] != nil {
			visible[ws][i.was] = true // it goes on without this identity
		}
		for _, number := range []uint32{i.was, i.Number} {
			if number != 0 && members[ws][number] == nil && (i.was != i.Person || again) {
				w.Gone = append(w.Gone, number)
			}
		}
	}
	for ws, numbers := range visible {
		for _, number := range slices.Sorted(maps.Keys(numbers)) {
			w := of(ws.Workspace)
			w.People = append(w.People, identity.Join(members[ws][number]))
		}
	}
}

// again reports whether the state holds any of the batch's effects already.
func (b *Batch) again() bool {
	applied := b.tx.Snapshot().Applied
	return slices.ContainsFunc(b.Entries, func(e *Entry) bool {
		return e.Position.Seq() <= applied[e.Position.Partition()]
	})
}

// publish tells those who listen.
func (p *Pipeline) publish(b *Batch) {
	messages := make([]live.Message, len(b.Entries))
	for i, e := range b.Entries {
		messages[i] = live.Message{Workspace: e.Record.Workspace, Outcome: e.Outcome, Raw: e.Record.Raw}
	}
	p.hub.Publish(messages)
}
