package pgstate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

var errDone = errors.New("the transaction has ended")

// Commit writes the changes in one round trip and commits in another, durably when it
// returns. If the connection is lost on the way, the positions tell what became of the
// transaction: whether it is there after all, or another worker has taken over. An
// error that wraps nothing means that nothing was written; for a transaction without
// positions, or while the database is away, nobody knows.
func (t *tx) Commit(ctx context.Context, changes state.Changes) error {
	if t.done {
		return fmt.Errorf("commit: %w", errDone)
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), t.Rollback())
	}
	batch, err := t.writes(ctx, changes)
	if err != nil {
		return t.abort(ctx, err)
	}
	if err := send(ctx, t.conn, batch); err != nil {
		return t.abort(ctx, err)
	}
	start := time.Now()
	tag, err := t.conn.Exec(ctx, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		err = errors.New("the database rolled back")
	}
	if err != nil && t.conn.Conn().IsClosed() {
		t.end()
		if err = t.outcome(ctx, err, true); err != nil {
			return t.store.explain("commit", err)
		}
	} else if err != nil {
		return t.abort(ctx, err)
	}
	s := t.store
	s.metrics.synced.Observe(time.Since(start).Seconds())
	s.metrics.held.Observe(time.Since(t.began).Seconds())
	s.metrics.identities.Add(float64(len(changes.Identities)))
	s.metrics.sessions.Add(float64(len(changes.Sessions)))
	s.metrics.conversions.Add(float64(len(changes.Conversions)))
	s.known.wrote(slices.Collect(maps.Keys(t.touched)))
	t.end()
	return nil
}

// endTimeout bounds the end of a transaction whose caller's context may have ended.
const endTimeout = 5 * time.Second

// Rollback ends the transaction without a trace. After Commit it does nothing. If the
// connection is lost, the database rolls back by itself.
func (t *tx) Rollback() error {
	if t.done {
		return nil
	}
	defer t.end()
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil && !t.conn.Conn().IsClosed() {
		return t.store.explain("roll back", err)
	}
	return nil
}

// abort ends the transaction before its commit because of an error, which it returns
// with its meaning.
func (t *tx) abort(ctx context.Context, err error) error {
	if lost := t.conn.Conn().IsClosed(); lost {
		t.end()
		err = t.outcome(ctx, err, false)
	}
	_ = t.Rollback()
	return t.store.explain("commit", err)
}

// end gives the connection back; the pool closes one that is still in a transaction.
func (t *tx) end() {
	if !t.done {
		t.done = true
		t.conn.Release()
	}
}

const (
	// lockPositions waits for whoever is about to move positions, the lost transaction
	// itself included, as long as the database works on it.
	lockPositions = `INSERT INTO positions (partition, seq, base, writer) SELECT partition, 0, 0, '00000000-0000-0000-0000-000000000000'
		FROM unnest($1::int4[]) AS k (partition) ORDER BY partition
		ON CONFLICT (partition) DO UPDATE SET seq = positions.seq WHERE false`
	readWriters = "SELECT partition, seq, writer FROM positions WHERE partition = ANY($1::int4[])"
)

// outcome finds out what became of a transaction whose connection was lost with an
// error: nil if it has committed, which is possible if that was begun.
func (t *tx) outcome(ctx context.Context, lost error, committing bool) error {
	partitions := make([]int32, 0, len(t.applied))
	for p := range t.applied {
		partitions = append(partitions, int32(p))
	}
	if committing && !t.advances {
		return fmt.Errorf("whether it was committed is not known: %w", lost)
	}
	if len(partitions) == 0 {
		return lost
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*endTimeout)
	defer cancel()
	mine, moved := false, false
	ask := func() error {
		mine, moved = false, false
		batch := &pgx.Batch{}
		batch.Queue("BEGIN")
		if committing {
			batch.Queue(lockPositions, partitions)
		}
		batch.Queue(readWriters, partitions).Query(func(rows pgx.Rows) error {
			return each(rows, func(rows pgx.Rows) error {
				var partition int32
				var seq int64
				var writer [16]byte
				if err := rows.Scan(&partition, &seq, &writer); err != nil {
					return err
				}
				mine = mine || writer == t.writer
				moved = moved || uint64(seq) != t.applied[int(partition)]
				return nil
			})
		})
		batch.Queue("ROLLBACK")
		return send(ctx, t.store.pool, batch)
	}
	err := repeat(ask)
	switch {
	case err != nil && committing:
		return fmt.Errorf("whether it was committed is not known: %w (%w)", lost, err)
	case err != nil:
		return errors.Join(lost, err)
	case mine:
		return nil
	case moved:
		return fmt.Errorf("%w (%w)", state.ErrFenced, lost)
	}
	return lost
}

// workspace is the number of a workspace that the transaction writes for.
func (t *tx) workspace(ws weir.WorkspaceID) int32 {
	number, _ := t.store.known.number(ws)
	t.touched[number] = true
	return number
}

// workspacesOf are all that changes name.
func workspacesOf(c *state.Changes) map[weir.WorkspaceID]bool {
	out := map[weir.WorkspaceID]bool{}
	for _, i := range c.Identities {
		out[i.Workspace] = true
	}
	for _, s := range c.Sessions {
		out[s.Workspace] = true
	}
	for _, conv := range c.Conversions {
		out[conv.Workspace] = true
	}
	for _, list := range [][]state.Key{c.RemovedSessions, c.RemovedConversions} {
		for _, k := range list {
			out[k.Workspace] = true
		}
	}
	for k := range c.Marks {
		if k.Workspace != "" {
			out[k.Workspace] = true
		}
	}
	return out
}

// writes queues all changes, in an order that is the same for all: positions first, so
// that who was fenced waits for nothing else, and last what others may wait for, which
// are topics.
func (t *tx) writes(ctx context.Context, changes state.Changes) (*pgx.Batch, error) {
	if err := t.store.register(ctx, workspacesOf(&changes)); err != nil {
		return nil, err
	}
	batch := &pgx.Batch{}
	if err := t.advance(batch, changes.Applied); err != nil {
		return nil, err
	}
	if err := t.writeIdentities(batch, changes.Identities); err != nil {
		return nil, err
	}
	if err := t.writeSessions(batch, changes.Sessions, changes.RemovedSessions); err != nil {
		return nil, err
	}
	t.writeConversions(batch, changes.Conversions, changes.RemovedConversions)
	t.writeMarks(batch, changes.Marks)
	if unwritten := t.store.known.unwritten(t.touched); len(unwritten) > 0 {
		batch.Queue(`UPDATE workspaces SET written = true WHERE number IN
			(SELECT number FROM workspaces WHERE number = ANY($1::int4[]) AND NOT written ORDER BY number FOR NO KEY UPDATE)`, unwritten)
	}
	if err := t.record(batch, changes.Outbox); err != nil {
		return nil, err
	}
	return batch, nil
}

// advancePositions moves positions from where Begin found them. A row that is missing
// although one was found, and one that is there although none was, belong to another.
const advancePositions = `INSERT INTO positions (partition, seq, base, writer)
	SELECT k.partition, greatest(k.seq, k.base), k.base, $4::uuid FROM unnest($1::int4[], $2::int8[], $3::int8[]) AS k (partition, seq, base)
	WHERE k.base = 0 OR EXISTS (SELECT FROM positions p WHERE p.partition = k.partition) ORDER BY k.partition
	ON CONFLICT (partition) DO UPDATE SET seq = excluded.seq, base = excluded.base, writer = excluded.writer WHERE positions.seq = excluded.base`

func (t *tx) advance(batch *pgx.Batch, applied map[int]uint64) error {
	if len(applied) == 0 {
		return nil
	}
	var partitions []int32
	var seqs, bases []int64
	for partition, seq := range applied {
		base, needed := t.applied[partition]
		if !needed {
			return fmt.Errorf("position of partition %d was not asked for at Begin", partition)
		}
		partitions, seqs, bases = append(partitions, int32(partition)), append(seqs, int64(seq)), append(bases, int64(base))
	}
	t.advances = true
	batch.Queue(advancePositions, partitions, seqs, bases, t.writer).Exec(func(tag pgconn.CommandTag) error {
		if int(tag.RowsAffected()) != len(partitions) {
			return fmt.Errorf("position of partitions %v: %w", partitions, state.ErrFenced)
		}
		return nil
	})
	return nil
}

const (
	// leavePersons takes identities out of the persons that they are in by now.
	leavePersons = `DELETE FROM members m USING unnest($1::int4[], $2::int8[]) AS k (workspace, number)
		JOIN identity_documents d ON d.workspace = k.workspace AND d.number = k.number
		WHERE m.workspace = d.workspace AND m.person = d.person AND m.number = d.number`
	joinPersons = `INSERT INTO members (workspace, number, person) SELECT * FROM unnest($1::int4[], $2::int8[], $3::int8[]) ORDER BY 1, 3, 2
		ON CONFLICT DO NOTHING`
	// nameIdentities gives ids numbers and persons. An id keeps its number.
	nameIdentities = `INSERT INTO identities AS i (workspace, number, id, person) SELECT * FROM unnest($1::int4[], $2::int8[], $3::bytea[], $4::int8[]) ORDER BY 1, 3
		ON CONFLICT (workspace, id) DO UPDATE SET number = excluded.number, person = excluded.person WHERE i.number IS NULL OR i.number = excluded.number`
	// writeIdentityDocuments writes nothing under a number that another id has.
	writeIdentityDocuments = `INSERT INTO identity_documents AS d (workspace, number, id, person, doc)
		SELECT * FROM unnest($1::int4[], $2::int8[], $3::bytea[], $4::int8[], $5::bytea[]) ORDER BY 1, 2
		ON CONFLICT (workspace, number) DO UPDATE SET person = excluded.person, doc = excluded.doc WHERE d.id = excluded.id`
)

// writeIdentities queues what changes identities. Of several with one number, the last
// counts.
func (t *tx) writeIdentities(batch *pgx.Batch, identities []*weir.Identity) error {
	last := make(map[numbered]*weir.Identity, len(identities))
	for _, i := range identities {
		if t.lost[state.Key{Workspace: i.Workspace, ID: i.ID}] {
			return fmt.Errorf("identity %q is held by somebody else and must not be changed", i.ID)
		}
		if i.Number == 0 || i.Person == 0 {
			return fmt.Errorf("identity %q has number %d and person %d; both must be given", i.ID, i.Number, i.Person)
		}
		at := numbered{t.workspace(i.Workspace), int64(i.Number)}
		if other := last[at]; other != nil && other.ID != i.ID {
			return fmt.Errorf("identity %q: number %d belongs to another", i.ID, i.Number)
		}
		last[at] = i
	}
	var left numberList
	var named, docs identityList
	var joined memberList
	for _, at := range slices.SortedFunc(maps.Keys(last), compareNumbered) {
		i := last[at]
		doc, err := document.AppendIdentity(nil, i)
		if err != nil {
			return fmt.Errorf("identity %q: %w", i.ID, err)
		}
		docs.add(at, i.ID, int64(i.Person), doc)
		known, found := t.identities[state.Key{Workspace: i.Workspace, ID: i.ID}]
		if found && known == (member{at.number, int64(i.Person)}) {
			continue
		}
		named.add(at, i.ID, int64(i.Person), nil)
		if !t.isTaken(state.IdentityNumber, at.workspace, at.number) {
			left.add(at)
		}
		if i.Person != i.Number {
			joined.add(at, int64(i.Person))
		}
	}
	if len(docs.numbers) == 0 {
		return nil
	}
	if len(left.numbers) > 0 {
		batch.Queue(leavePersons, left.workspaces, left.numbers)
	}
	all := func(wanted int) func(pgconn.CommandTag) error {
		return func(tag pgconn.CommandTag) error {
			if int(tag.RowsAffected()) != wanted {
				return errors.New("the number of an identity belongs to another")
			}
			return nil
		}
	}
	if len(named.numbers) > 0 {
		batch.Queue(nameIdentities, named.workspaces, named.numbers, named.ids, named.persons).Exec(all(len(named.numbers)))
	}
	if len(joined.numbers) > 0 {
		batch.Queue(joinPersons, joined.workspaces, joined.numbers, joined.persons)
	}
	batch.Queue(writeIdentityDocuments, docs.workspaces, docs.numbers, docs.ids, docs.persons, docs.docs).Exec(all(len(docs.numbers)))
	return nil
}

type memberList struct {
	numberList
	persons []int64
}

func (l *memberList) add(at numbered, person int64) {
	l.numberList.add(at)
	l.persons = append(l.persons, person)
}

type identityList struct {
	nameList
	persons []int64
	docs    [][]byte
}

func (l *identityList) add(at numbered, id string, person int64, doc []byte) {
	l.nameList.add(at, id)
	l.persons, l.docs = append(l.persons, person), append(l.docs, doc)
}
