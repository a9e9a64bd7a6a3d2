package clickstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// Write implements eventstore.Store.
//
// What the batch says of people, visits and identities, and of sessions of rows that are
// there, is written first, and last, in one insert, the events, what becomes of replaced ones,
// and how far all goes. Until then nobody sees the events nor the moves of identities.
// After a failure at any point the batch is written again, by whoever has it then.
func (s *Store) Write(ctx context.Context, ws weir.WorkspaceID, batch *eventstore.Batch) error {
	start := s.options.Now()
	defer func() { s.metrics.writes.Observe(s.options.Now().Sub(start).Seconds()) }()
	return s.with(ctx, ws, "write to", func(w *workspace) error {
		w.writer.Lock()
		defer w.writer.Unlock()
		return s.bounded(ctx, func(ctx context.Context) error { return w.write(ctx, batch) })
	})
}

func (w *workspace) write(ctx context.Context, batch *eventstore.Batch) error {
	before, err := w.read(ctx, nil)
	if err != nil {
		return err
	}
	if before.lanes[w.lane] < w.committed {
		// Another process has dropped the workspace and written to it.
		w.forget()
		if err := w.ensure(ctx); err != nil {
			return err
		}
	}
	if batch.Commit > 0 && batch.Commit < clockBegins && before.newest() >= clockBegins {
		return errors.New("the workspace was written without numbers of commits, which would all be lower: rebuild it from the archive")
	}
	b := w.prepare(before, batch)
	if b.empty() {
		return nil
	}
	if err := w.writeRest(ctx, b); err != nil {
		return err
	}
	if err := w.commit(ctx, b); err != nil {
		return err
	}
	w.committed = b.version
	m := w.store.metrics
	m.rows.WithLabelValues("events").Add(float64(len(b.events)))
	m.rows.WithLabelValues("people").Add(float64(len(b.people)))
	m.rows.WithLabelValues("log").Add(float64(len(b.log)))
	m.rows.WithLabelValues("deleted").Add(float64(len(b.batch.Replaced)))
	return nil
}

// clockBegins is below all versions that are of the clock, and above all numbers of commits.
const clockBegins = 1_000_000_000_000_000

// writeRest writes all but what commit does, each table by itself: most of the time is the
// server's waiting for its disk.
func (w *workspace) writeRest(ctx context.Context, b *rows) error {
	steps := []func(context.Context, *rows) error{w.writeSeen, w.writeIdentities, w.writePeople, w.writeVisits, w.writeLog, w.moveSessions}
	errs := make([]error, len(steps))
	var wait sync.WaitGroup
	for i, step := range steps {
		wait.Go(func() { errs[i] = step(ctx, b) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// rows is a batch as it is written: without what was written before.
type rows struct {
	batch   *eventstore.Batch
	before  *snapshot
	version uint64
	events  []weir.Event
	gone    []weir.Position // where there is no event, whatever was written there
	log     []*weir.Outcome
	people  []weir.Person
	visits  []eventstore.Visit
	applied map[int]uint64 // that are not as they were
	asOf    weir.Micros
}

func (b *rows) empty() bool {
	t := b.batch
	return b.asOf == b.before.asOf && len(b.applied)+len(b.events)+len(b.log)+len(b.people)+len(b.visits) == 0 &&
		len(t.Replaced)+len(t.Moves)+len(t.Sessions)+len(t.Gone)+len(t.VisitsGone)+len(t.VisitsOf) == 0
}

// prepare works out what a batch changes. It changes nothing itself.
func (w *workspace) prepare(before *snapshot, batch *eventstore.Batch) *rows {
	b := &rows{batch: batch, before: before, applied: map[int]uint64{}, asOf: max(before.asOf, batch.AsOf), version: batch.Commit}
	if b.version == 0 {
		// A number that rises with the clock, so that those of all processes mix about as
		// they come, and above all that was committed.
		b.version = max(uint64(w.store.options.Now().UnixMicro()), before.newest()+1, w.committed+1)
	}
	for partition, seq := range batch.Applied {
		if seq > before.applied[partition] {
			b.applied[partition] = seq
		}
	}
	replaced := map[weir.Position]bool{}
	for _, p := range batch.Replaced {
		replaced[p] = true
	}
	isNew := func(p weir.Position) bool { return p.Seq() > before.applied[p.Partition()] }
	moves := sessionsOf(batch.Sessions)
	for _, e := range batch.Events {
		if isNew(e.Position) || replaced[e.Position] {
			e.Session = moves.of(&e)
			b.events = append(b.events, e)
			delete(replaced, e.Position)
		}
	}
	written := make(map[weir.Position]bool, len(b.events))
	for i := range b.events {
		written[b.events[i].Position] = true
	}
	for i := range batch.Log {
		if o := &batch.Log[i]; isNew(o.Position) {
			b.log = append(b.log, o)
			// Where the item is no event, one that broke off, or that was taken for dead,
			// may have written it as one, or may yet.
			replaced[o.Position] = replaced[o.Position] || !written[o.Position]
		}
	}
	for p, is := range replaced {
		if is {
			b.gone = append(b.gone, p)
		}
	}
	slices.Sort(b.gone) // so that the same batch is the same block
	b.people = lastOf(batch.People, func(p weir.Person) uint32 { return p.Number })
	b.visits = lastOf(batch.Visits, func(v eventstore.Visit) uint32 { return v.Number })
	return b
}

// lastOf leaves of rows with the same key the last.
func lastOf[K comparable, T any](all []T, key func(T) K) []T {
	last := make(map[K]int, len(all))
	for i, one := range all {
		last[key(one)] = i
	}
	out := make([]T, 0, len(last))
	for i, one := range all {
		if last[key(one)] == i {
			out = append(out, one)
		}
	}
	return out
}

// seenProperty is a property that was seen with a type, of events with the event's name.
type seenProperty struct {
	scope, event, property string
	typ                    weir.Type
}

// mostSeen bounds the catalogue of properties, which is in memory: clients invent names.
const mostSeen = 100_000

// writeSeen adds to the catalogue of properties.
func (w *workspace) writeSeen(ctx context.Context, b *rows) error {
	if w.seen == nil {
		seen, err := w.readSeen(ctx)
		if err != nil {
			return err
		}
		w.seen = seen
	}
	var scope, event, property proto.ColStr
	var typ proto.ColUInt8
	var added []seenProperty
	see := func(on, name string, properties []weir.Property) {
		for i := range properties {
			p := seenProperty{on, clean(name), clean(properties[i].Name), properties[i].Value.Type}
			if p.typ == weir.Null || w.seen[p] || len(w.seen) >= mostSeen {
				continue
			}
			w.seen[p] = true
			added = append(added, p)
			scope.Append(p.scope)
			event.Append(p.event)
			property.Append(p.property)
			typ.Append(uint8(p.typ))
		}
	}
	for i := range b.events {
		see(scopeEvent, b.events[i].Name, b.events[i].Properties)
	}
	for i := range b.people {
		see(scopeUser, "", b.people[i].Traits)
	}
	err := w.store.client.insert(ctx, w.name("seen"), []proto.InputColumn{{Name: "scope", Data: &scope}, {Name: "event", Data: &event}, {Name: "property", Data: &property}, {Name: "type", Data: &typ}}, nil)
	if err != nil {
		for _, p := range added {
			delete(w.seen, p)
		}
	}
	return err
}

// writeIdentities says whose identities are that come for the first time, and of moved
// ones whose they are now.
func (w *workspace) writeIdentities(ctx context.Context, b *rows) error {
	var identity, lane, person proto.ColUInt32
	var version proto.ColUInt64
	var moved, plain proto.ColUInt8
	add := func(i, p uint32, isMoved bool) {
		identity.Append(i)
		version.Append(b.version)
		lane.Append(w.lane)
		person.Append(p)
		moved.Append(flag(isMoved))
		plain.Append(flag(!isMoved && i == p))
	}
	moves := lastOf(b.batch.Moves, func(m eventstore.Move) uint32 { return m.Identity })
	told := map[uint32]bool{}
	for _, m := range moves {
		add(m.Identity, m.Person, true)
		told[m.Identity] = true
	}
	first := map[uint32]uint32{}
	var strangers []uint32
	arrive := func(i, p uint32) {
		if _, ok := first[i]; !ok && !told[i] && !w.known.has(i) {
			first[i] = p
			strangers = append(strangers, i)
		}
	}
	for i := range b.events {
		arrive(b.events[i].Identity, b.events[i].Person)
	}
	for i := range b.visits {
		arrive(b.visits[i].Identity, b.visits[i].Person)
	}
	known, err := w.knownOf(ctx, b.before, strangers)
	if err != nil {
		return err
	}
	for _, i := range strangers {
		if !known[i] {
			add(i, first[i], false)
		}
	}
	err = w.store.client.insert(ctx, w.name("identities"), []proto.InputColumn{
		{Name: "identity", Data: &identity}, {Name: "version", Data: &version}, {Name: "lane", Data: &lane}, {Name: "person", Data: &person}, {Name: "moved", Data: &moved}, {Name: "plain", Data: &plain},
	}, nil)
	if err != nil {
		return err
	}
	for i := range known {
		w.known.add(i)
	}
	return nil
}

// knownOf are those of some identities of whom the table has a row that is committed.
func (w *workspace) knownOf(ctx context.Context, s *snapshot, identities []uint32) (map[uint32]bool, error) {
	known := map[uint32]bool{}
	for part := range slices.Chunk(identities, longList) {
		var column proto.ColUInt32
		statement := fmt.Sprintf("SELECT DISTINCT identity FROM %s WHERE identity IN (%s) AND %s", w.name("identities"), list(part, number[uint32]), s.identities())
		err := w.store.client.query(ctx, statement, nil, proto.Results{{Data: &column}}, func() error {
			for _, i := range column {
				known[i] = true
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look up identities: %w", err)
		}
	}
	return known, nil
}

// longList is how many numbers a statement has in a list.
const longList = 20_000

func flag(is bool) uint8 {
	if is {
		return 1
	}
	return 0
}

// commit writes the events with what the workspace is written up to.
func (w *workspace) commit(ctx context.Context, b *rows) error {
	// Neighbours in the table are neighbours in the log.
	slices.SortFunc(b.events, func(x, y weir.Event) int {
		return cmp.Or(cmp.Compare(x.Position.Seq(), y.Position.Seq()), cmp.Compare(x.Position, y.Position))
	})
	s := newEventSheet()
	for i := range b.events {
		s.event(&b.events[i], b.version)
	}
	for _, p := range b.gone {
		s.gone(uint32(p.Partition()), p.Seq(), b.version, 0)
	}
	done := s
	if w.store.options.Cluster != "" {
		// The rows of an insert go to several shards, which have no order.
		done = newEventSheet()
	}
	for partition, seq := range b.applied {
		done.gone(uint32(partition), 0, seq, b.asOf)
	}
	done.gone(w.lane, 0, b.version, b.asOf)
	if done != s {
		if err := w.store.client.insert(ctx, w.name("events"), s.columns(), nil); err != nil {
			return err
		}
	}
	return w.store.client.insert(ctx, w.name("events"), done.columns(), nil)
}
