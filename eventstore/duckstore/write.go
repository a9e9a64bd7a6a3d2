package duckstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// Write implements eventstore.Store.
func (s *Store) Write(ctx context.Context, ws weir.WorkspaceID, batch *eventstore.Batch) error {
	start := s.options.Now()
	defer func() { s.metrics.writes.Observe(s.options.Now().Sub(start).Seconds()) }()
	return s.with(ctx, ws, "write to", func(w *workspace) error { return w.write(ctx, batch) })
}

func (w *workspace) write(ctx context.Context, batch *eventstore.Batch) error {
	w.writer.Lock()
	defer w.writer.Unlock()
	b := w.prepare(batch)
	if b.empty() {
		return nil
	}
	err := w.settleSchema(ctx)
	if err == nil {
		err = w.place(ctx, b)
	}
	if err == nil {
		err = w.commit(ctx, b)
	}
	if err != nil {
		// The memory may be ahead of the file now. Without it being put right the
		// workspace must not go on.
		if e := w.read(context.Background()); e != nil {
			w.store.mu.Lock()
			w.depart()
			w.store.mu.Unlock()
			return errors.Join(err, fmt.Errorf("read catalogue again: %w", e))
		}
		return err
	}
	w.lastWrite = w.store.options.Now()
	w.unsaved = true
	w.wakeIfLong()
	b.count(w.store.metrics)
	return nil
}

// rows is a batch as it is written: without what was written before.
type rows struct {
	batch    *eventstore.Batch
	events   []weir.Event
	codes    []uint32 // of events' names
	log      []*weir.Outcome
	sessions sessionMoves
	persons  map[uint32]uint32 // by identity, where it is not as it was
	arrived  []uint32          // of those identities, who were not known; sorted
	moved    []uint32          // and who were; sorted
	people   []weir.Person
	erased   []uint32 // numbers of people rows to be deleted: replaced or gone
	visits   []eventstore.Visit
	applied  map[int]uint64
	asOf     weir.Micros
	advances bool // applied or asOf is not as it was
	deleted  int

	newNames  []string // with codes from firstCode
	firstCode uint32
	newPlaces []tablePlace
}

type tablePlace struct {
	table string
	place
}

func (b *rows) empty() bool {
	return !b.advances && len(b.events)+len(b.log)+len(b.people)+len(b.erased)+len(b.persons)+len(b.sessions)+len(b.batch.Replaced) == 0 &&
		len(b.visits)+len(b.batch.VisitsGone)+len(b.batch.VisitsOf) == 0
}

func (b *rows) count(m *metrics) {
	m.rows.WithLabelValues("events").Add(float64(len(b.events)))
	m.rows.WithLabelValues("people").Add(float64(len(b.people)))
	m.rows.WithLabelValues("log").Add(float64(len(b.log)))
	m.rows.WithLabelValues("deleted").Add(float64(b.deleted))
}

// prepare works out what a batch changes. It changes nothing itself.
func (w *workspace) prepare(batch *eventstore.Batch) *rows {
	b := &rows{batch: batch, applied: maps.Clone(w.applied), asOf: max(w.asOf, batch.AsOf), persons: map[uint32]uint32{}}
	b.advances = b.asOf > w.asOf
	for partition, seq := range batch.Applied {
		if seq > b.applied[partition] {
			b.applied[partition] = seq
			b.advances = true
		}
	}
	b.sessions = disjoint(batch.Sessions)
	replaced := map[weir.Position]bool{}
	for _, p := range batch.Replaced {
		replaced[p] = true
	}
	isNew := func(p weir.Position) bool { return p.Seq() > w.applied[p.Partition()] }
	b.events = make([]weir.Event, 0, len(batch.Events))
	for _, e := range batch.Events {
		if !isNew(e.Position) && !replaced[e.Position] {
			continue
		}
		e.Session = b.sessions.of(&e)
		b.events = append(b.events, e)
	}
	b.visits = lastOf(batch.Visits, func(v eventstore.Visit) uint32 { return v.Number })
	w.settlePersons(b)
	b.log = make([]*weir.Outcome, 0, len(batch.Log))
	for i := range batch.Log {
		if o := &batch.Log[i]; isNew(o.Position) {
			b.log = append(b.log, o)
		}
	}
	b.people = lastOf(batch.People, func(p weir.Person) uint32 { return p.Number })
	for _, p := range b.people {
		b.erased = append(b.erased, p.Number)
	}
	b.erased = append(b.erased, batch.Gone...)
	// Neighbours in the file should be neighbours in the log and alike in time:
	// that is what makes columns small and zone maps narrow.
	slices.SortFunc(b.events, func(x, y weir.Event) int { return int(x.Position - y.Position) })
	slices.SortFunc(b.log, func(x, y *weir.Outcome) int { return int(x.Position - y.Position) })
	return b
}

// settlePersons works out whose the batch's identities are: the last move says it;
// without one it stays as it was, or is as the first row says.
func (w *workspace) settlePersons(b *rows) {
	for _, m := range b.batch.Moves {
		b.persons[m.Identity] = m.Person
	}
	for identity, person := range b.persons {
		switch now, known := w.persons.of(identity); {
		case !known:
			b.arrived = append(b.arrived, identity)
		case now != person:
			b.moved = append(b.moved, identity)
		default:
			delete(b.persons, identity)
		}
	}
	arrive := func(identity, person uint32) {
		if _, known := w.persons.of(identity); known {
			return
		}
		if _, known := b.persons[identity]; !known {
			b.persons[identity] = person
			b.arrived = append(b.arrived, identity)
		}
	}
	for _, e := range b.events {
		arrive(e.Identity, e.Person)
	}
	for _, v := range b.visits {
		arrive(v.Identity, v.Person)
	}
	slices.Sort(b.arrived)
	slices.Sort(b.moved)
}

// place finds columns for all properties of the batch, adding to the catalogue
// and to the tables as needed.
func (w *workspace) place(ctx context.Context, b *rows) error {
	w.mu.Lock()
	c := w.catalogue
	grown := map[string][]string{}
	assign := func(l *layout, event uint32, properties []weir.Property) {
		for _, p := range properties {
			if p.Value.Type == weir.Null {
				continue
			}
			key := placeKey{event, p.Value.Type, p.Name}
			if _, known := l.places[key]; known || l.full {
				continue
			}
			placed, more := l.assign(key)
			b.newPlaces = append(b.newPlaces, tablePlace{l.table, placed})
			grown[l.table] = append(grown[l.table], more...)
		}
	}
	b.codes = make([]uint32, len(b.events))
	b.firstCode = uint32(len(c.names)) + 1
	for i, e := range b.events {
		code := c.codes[e.Name]
		if code == 0 {
			code = c.add(e.Name)
			b.newNames = append(b.newNames, e.Name)
		}
		b.codes[i] = code
		assign(c.events, code, e.Properties)
	}
	for _, p := range b.people {
		assign(c.people, 0, p.Traits)
	}
	w.mu.Unlock()
	for _, table := range []string{eventsTable, peopleTable} {
		if len(grown[table]) > 0 {
			if err := w.grow(ctx, table, grown[table]); err != nil {
				return err
			}
		}
	}
	return nil
}

// commit writes the batch in one transaction.
func (w *workspace) commit(ctx context.Context, b *rows) error {
	if err := w.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	deleted, err := w.change(ctx, b)
	if err == nil {
		err = w.publish(ctx, b, deleted)
	}
	if err != nil {
		if e := w.exec(context.WithoutCancel(ctx), "ROLLBACK"); e != nil && !strings.Contains(e.Error(), "no transaction is active") {
			err = errors.Join(err, e)
		}
		return err
	}
	return nil
}

// publish makes the batch visible, to questions and in the memory at the same time.
func (w *workspace) publish(ctx context.Context, b *rows, deleted []deletedEvent) error {
	persons := w.persons.with(b.persons)
	w.moment.Lock()
	defer w.moment.Unlock()
	if err := w.exec(ctx, "COMMIT"); err != nil {
		return err
	}
	w.settle(b, deleted, persons)
	return nil
}

// change does all that is in the transaction: first what happens to rows that
// are there, then the new rows.
func (w *workspace) change(ctx context.Context, b *rows) (deleted []deletedEvent, err error) {
	if deleted, err = w.deleteReplaced(ctx, b.batch.Replaced); err != nil {
		return nil, err
	}
	if err := w.moveIdentities(b); err != nil {
		return nil, err
	}
	if err := w.moveSessions(ctx, b.sessions); err != nil {
		return nil, err
	}
	if err := w.erase(peopleTable, "person", b.erased); err != nil {
		return nil, err
	}
	if err := w.eraseVisits(b); err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		func() error { return w.appendNames(b) },
		func() error { return w.appendPlaces(b.newPlaces) },
		func() error { return w.appendIdentities(b) },
		func() error { return w.appendEvents(b.events, b.codes) },
		func() error { return w.appendPeople(b.people) },
		func() error { return w.appendVisits(b.visits) },
		func() error { return w.appendLog(b.log) },
		func() error { return w.appendCommit(b) },
	} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(); err != nil {
			return nil, err
		}
	}
	return deleted, nil
}

// deletedEvent is what the catalogue needs to know of a row that went.
type deletedEvent struct {
	code uint32
	time weir.Micros
}

// deleteReplaced deletes rows that newer versions took the place of.
func (w *workspace) deleteReplaced(ctx context.Context, positions []weir.Position) ([]deletedEvent, error) {
	positions = slices.Clone(positions)
	slices.SortFunc(positions, func(a, b weir.Position) int { return cmp.Or(cmp.Compare(a.Seq(), b.Seq()), cmp.Compare(a, b)) })
	positions = slices.Compact(positions)
	span := func(p weir.Position) (from, to int64) { return int64(p.Seq()), int64(p.Seq()) }
	var out []deletedEvent
	for _, near := range cut(positions, span, scanWorth/int64(max(len(w.applied), 1))) {
		found, err := w.deleteNear(ctx, near)
		if err != nil {
			return nil, fmt.Errorf("delete replaced events: %w", err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// deleteNear deletes rows at positions of which none is far from the next in sequence
// number. It looks at them first: to delete and return rows at once, the engine reads
// all their columns.
func (w *workspace) deleteNear(ctx context.Context, positions []weir.Position) (out []deletedEvent, err error) {
	low, high := positions[0].Seq(), positions[len(positions)-1].Seq()
	q := newList("SELECT name, ts FROM " + w.schema + ".events JOIN (VALUES ")
	for _, p := range positions {
		q.item("(%d::USMALLINT, %d::BIGINT)", p.Partition(), p.Seq())
	}
	rows, err := w.conn.QueryContext(ctx, q.end(fmt.Sprintf(") gone(p, s) ON part = p AND seq = s WHERE seq BETWEEN %d AND %d", low, high)))
	if err != nil {
		return nil, err
	}
	err = scan(rows, func() error {
		var d deletedEvent
		err := rows.Scan(&d.code, &d.time)
		out = append(out, d)
		return err
	})
	if err != nil || len(out) == 0 {
		return nil, err
	}
	statement := fmt.Sprintf("DELETE FROM %s.events USING gone WHERE part = gone.a AND seq = gone.b AND seq BETWEEN %d AND %d", w.schema, low, high)
	err = w.run(statement, "gone", []duckdb.Type{duckdb.TYPE_USMALLINT, duckdb.TYPE_BIGINT}, len(positions), func(i int, s *sheet) {
		put(s, 0, uint16(positions[i].Partition()))
		put(s, 1, int64(positions[i].Seq()))
	})
	return out, err
}

// settle takes a committed batch into the memory.
func (w *workspace) settle(b *rows, deleted []deletedEvent, persons *persons) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commits++
	w.applied, w.asOf, w.persons = b.applied, b.asOf, persons
	b.deleted = len(deleted)
	for _, d := range deleted {
		n := &w.catalogue.counts[d.code-1]
		n.count--
		w.catalogue.quarters.add(d.code, d.time, -1)
		n.stale = n.stale || d.time == n.first || d.time == n.last
	}
	for i, e := range b.events {
		n := &w.catalogue.counts[b.codes[i]-1]
		if n.count == 0 {
			*n = nameCount{first: e.Time, last: e.Time}
		}
		n.count++
		w.catalogue.quarters.add(b.codes[i], e.Time, 1)
		n.first, n.last = min(n.first, e.Time), max(n.last, e.Time)
		w.maxSession = max(w.maxSession, e.Session)
	}
	for _, m := range b.batch.Sessions {
		w.maxSession = max(w.maxSession, m.Session)
	}
	for _, v := range b.visits {
		w.maxSession = max(w.maxSession, v.Number)
	}
	for _, o := range b.log {
		if w.oldestReceived == 0 || o.ReceivedAt < w.oldestReceived {
			w.oldestReceived = o.ReceivedAt
		}
		w.lastReceived = max(w.lastReceived, o.ReceivedAt)
	}
}

// valueList builds a statement with a list of numbers. Numbers are written out: they
// cannot be anything else, and thousands of parameters are slow.
type valueList struct {
	strings.Builder
	n int
}

func newList(start string) *valueList {
	l := &valueList{}
	l.WriteString(start)
	return l
}

func (l *valueList) item(format string, numbers ...any) {
	if l.n++; l.n > 1 {
		l.WriteByte(',')
	}
	fmt.Fprintf(l, format, numbers...)
}

func (l *valueList) end(rest string) string {
	l.WriteString(rest)
	return l.String()
}
