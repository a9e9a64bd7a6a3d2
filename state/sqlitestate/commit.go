package sqlitestate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

var errDone = errors.New("the transaction has ended")

// Commit writes the changes, durably when it returns. An error means that
// nothing was written, except that after an I/O error nobody knows: the position
// that the next Begin finds tells.
func (t *tx) Commit(ctx context.Context, changes state.Changes) error {
	if t.done {
		return fmt.Errorf("commit: %w", errDone)
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), t.Rollback())
	}
	if err := t.write(changes); err != nil {
		return t.abort("commit", err)
	}
	start := time.Now()
	if err := t.writer.run("COMMIT"); err != nil {
		return t.abort("commit", err)
	}
	s := t.store
	for ws, w := range t.known {
		if w.number != 0 {
			s.known[ws] = w
		}
	}
	s.metrics.synced.Observe(time.Since(start).Seconds())
	s.metrics.held.Observe(time.Since(t.began).Seconds())
	s.metrics.identities.Add(float64(len(changes.Identities)))
	s.metrics.sessions.Add(float64(len(changes.Sessions)))
	s.metrics.conversions.Add(float64(len(changes.Conversions)))
	t.end()
	s.askForCheckpoint()
	return nil
}

// Rollback ends the transaction without a trace. After Commit it does nothing.
func (t *tx) Rollback() error {
	if t.done {
		return nil
	}
	defer t.end()
	if err := t.writer.run("ROLLBACK"); err != nil {
		return t.store.failed("roll back", err)
	}
	return nil
}

// abort ends the transaction because of an error, which it returns with its
// meaning. SQLite may have rolled back already.
func (t *tx) abort(operation string, err error) error {
	defer t.end()
	if !t.writer.conn.AutoCommit() {
		if e := t.writer.run("ROLLBACK"); e != nil && !isBroken(err) {
			// A transaction that cannot be ended must not meet the next one.
			_ = t.store.shut()
		}
	}
	return t.store.failed(operation, err)
}

func (t *tx) end() {
	t.done = true
	t.store.holds.ended()
	t.store.release()
}

func (t *tx) write(changes state.Changes) error {
	if err := t.advance(changes.Applied); err != nil {
		return err
	}
	if err := t.advance(map[int]uint64{commitPlace: t.snapshot.Commit}); err != nil {
		return err
	}
	if err := t.writeIdentities(changes.Identities); err != nil {
		return err
	}
	if err := t.writeSessions(changes.Sessions, changes.RemovedSessions); err != nil {
		return err
	}
	if err := t.writeConversions(changes.Conversions, changes.RemovedConversions); err != nil {
		return err
	}
	if err := t.writeMarks(changes.Marks); err != nil {
		return err
	}
	if err := t.record(changes.Outbox); err != nil {
		return err
	}
	for _, ws := range slices.Sorted(maps.Keys(t.known)) {
		w := t.known[ws]
		if !w.dirty {
			continue
		}
		if _, err := t.writer.exec("UPDATE workspaces SET identities = ?, sessions = ? WHERE number = ?",
			int64(w.last[state.IdentityNumber]), int64(w.last[state.SessionNumber]), w.number); err != nil {
			return err
		}
		w.dirty = false
	}
	return nil
}

// advance moves positions from where Begin found them. SQLite lets nobody write
// in between; the comparison is the contract, and costs nothing.
func (t *tx) advance(applied map[int]uint64) error {
	for partition, seq := range applied {
		base, needed := t.applied[partition]
		if !needed {
			return fmt.Errorf("position of partition %d was not asked for at Begin", partition)
		}
		n, err := t.writer.exec(`INSERT INTO positions (partition, seq) VALUES (?1, max(?2, ?3))
			ON CONFLICT (partition) DO UPDATE SET seq = excluded.seq WHERE seq = ?3`, int64(partition), int64(seq), int64(base))
		if err != nil {
			return err
		}
		if n != 1 {
			return fmt.Errorf("position of partition %d: %w", partition, state.ErrFenced)
		}
	}
	return nil
}

// A row that is known is updated by its key, without a look at the index by id;
// any other is inserted. Either way in order of the keys, page after page.
const (
	updateIdentity = "UPDATE identities SET person = ?, doc = ? WHERE key = ? AND id = ?"
	insertIdentity = `INSERT INTO identities (key, workspace, id, person, doc) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET person = excluded.person, doc = excluded.doc WHERE id = excluded.id`
)

type row[T any] struct {
	key       int64
	workspace int64
	item      T
}

func (t *tx) writeIdentities(identities []*weir.Identity) error {
	rows := make([]row[*weir.Identity], len(identities))
	for n, i := range identities {
		w, err := t.register(i.Workspace)
		if err != nil {
			return err
		}
		if t.lost[state.Key{Workspace: i.Workspace, ID: i.ID}] {
			return fmt.Errorf("identity %q is held by somebody else and must not be changed", i.ID)
		}
		if i.Number == 0 || i.Person == 0 {
			return fmt.Errorf("identity %q has number %d and person %d; both must be given", i.ID, i.Number, i.Person)
		}
		rows[n] = row[*weir.Identity]{keyOf(w.number, i.Number), w.number, i}
	}
	slices.SortStableFunc(rows, func(a, b row[*weir.Identity]) int { return cmp.Compare(a.key, b.key) })
	var doc []byte
	for _, r := range rows {
		var err error
		if doc, err = document.AppendIdentity(doc[:0], r.item); err != nil {
			return err
		}
		person := keyOf(r.workspace, r.item.Person)
		var changed int64
		if t.identities[r.key] {
			changed, err = t.writer.exec(updateIdentity, person, doc, r.key, r.item.ID)
		} else {
			changed, err = t.writer.exec(insertIdentity, r.key, r.workspace, r.item.ID, person, doc)
		}
		if err != nil {
			return err
		}
		if changed != 1 {
			return fmt.Errorf("identity %q: number %d belongs to another", r.item.ID, r.item.Number)
		}
	}
	return nil
}
