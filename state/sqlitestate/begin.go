package sqlitestate

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

// tx is a micro-batch's transaction. It has the Store's turn until it is done.
type tx struct {
	store    *Store
	writer   *writer
	snapshot *state.Snapshot // the caller's; what Commit goes by is below
	known    registry        // copies of what the transaction touched; kept if it commits
	applied  map[int]uint64
	// What is known of rows that were loaded, by key.
	identities  map[int64]bool
	sessions    map[int64]sessionRow
	conversions map[state.Key]conversionRow
	// lost are the users that somebody else holds, and all members of their persons.
	lost map[state.Key]bool

	began time.Time
	done  bool
}

// Begin takes the store's turn and loads what the batch needs. One transaction is
// open at a time, so that only users who are held are ever waited for: outside the
// turn, and for all of them together no longer than Options.LockWait.
func (s *Store) Begin(ctx context.Context, need state.Need) (state.Tx, error) {
	waited := time.Now()
	users := sortedUsers(need.Users)
	t, busy, err := s.attempt(ctx, need, users)
	if err == nil && len(busy) > 0 {
		patience, cancel := context.WithTimeout(ctx, s.lockWait)
		defer cancel()
		for err == nil && len(busy) > 0 && patience.Err() == nil {
			if err = t.Rollback(); err != nil {
				break
			}
			// Whatever ends the wait: the next attempt finds out.
			_ = s.holds.wait(patience, func() bool { return !containsAny(s.holds.held, busy) })
			t, busy, err = s.attempt(ctx, need, users)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	s.metrics.waited.Observe(t.began.Sub(waited).Seconds())
	return t, nil
}

// attempt begins without those whom somebody holds, and names them.
func (s *Store) attempt(ctx context.Context, need state.Need, users []state.Key) (t *tx, held []state.Key, err error) {
	if err := s.take(ctx); err != nil {
		return nil, nil, err
	}
	t = &tx{store: s, writer: s.writer, known: registry{}, began: time.Now()}
	if err := s.writer.run("BEGIN IMMEDIATE"); err != nil {
		return nil, nil, t.abort("begin", err)
	}
	if held, err = t.load(need, users); err != nil {
		return nil, nil, t.abort("begin", err)
	}
	return t, held, nil
}

func (t *tx) Snapshot() *state.Snapshot { return t.snapshot }

// load reads what need asks for. held are those of the users, and of the members of
// their persons, whom somebody holds.
func (t *tx) load(need state.Need, users []state.Key) (held []state.Key, err error) {
	t.snapshot = &state.Snapshot{
		Identities:  make(map[state.Key]*weir.Identity, len(users)),
		Sessions:    make(map[state.Key]*weir.Session, len(need.Sessions)),
		Conversions: make(map[state.Key]*weir.Conversion, len(need.Conversions)),
		Applied:     make(map[int]uint64, len(need.Partitions)),
	}
	t.identities = make(map[int64]bool, len(users))
	t.sessions = make(map[int64]sessionRow, len(need.Sessions))
	t.conversions = make(map[state.Key]conversionRow, len(need.Conversions))
	t.applied = make(map[int]uint64, len(need.Partitions))
	last, err := t.position(commitPlace)
	if err != nil {
		return nil, err
	}
	t.applied[commitPlace], t.snapshot.Commit = last, last+1
	for _, p := range need.Partitions {
		seq, err := t.position(p)
		if err != nil {
			return nil, err
		}
		t.snapshot.Applied[p], t.applied[p] = seq, seq
	}
	if held, err = t.loadPersons(users); err != nil {
		return nil, err
	}
	for ws, ids := range byWorkspace(need.Sessions) {
		if err := t.loadSessions(ws, ids); err != nil {
			return nil, err
		}
	}
	for ws, ids := range byWorkspace(need.Conversions) {
		if err := t.loadConversions(ws, ids); err != nil {
			return nil, err
		}
	}
	return held, nil
}

// commitPlace is where the number of the last commit is kept, among the positions of
// partitions.
const commitPlace = -1

// loadPersons locks the users and all members of their persons, but for the persons
// of whom somebody holds one.
func (t *tx) loadPersons(users []state.Key) (held []state.Key, err error) {
	h := &t.store.holds
	t.lost = h.take(users)
	free := users
	if len(t.lost) > 0 {
		free = slices.DeleteFunc(slices.Clone(users), func(u state.Key) bool { return t.lost[u] })
	}
	for ws, ids := range byWorkspace(free) {
		if err := t.loadIdentities(ws, ids); err != nil {
			return nil, err
		}
	}
	held = h.takePersons(t.snapshot.Identities, t.lost)
	if len(t.lost) > 0 {
		for _, u := range users {
			if t.lost[u] {
				t.snapshot.Contended = append(t.snapshot.Contended, u)
			}
		}
	}
	return held, nil
}

func (t *tx) position(partition int) (seq uint64, err error) {
	err = t.writer.query("SELECT seq FROM positions WHERE partition = ?", []driver.Value{int64(partition)}, func(row []driver.Value) error {
		seq = uint64(row[0].(int64))
		return nil
	})
	return seq, err
}

// byWorkspace sorts the ids of keys, without duplicates: sorted look-ups walk
// an index once instead of jumping about in it.
func byWorkspace(keys []state.Key) map[weir.WorkspaceID][]string {
	out := map[weir.WorkspaceID][]string{}
	for _, k := range keys {
		out[k.Workspace] = append(out[k.Workspace], k.ID)
	}
	for ws, ids := range out {
		slices.Sort(ids)
		out[ws] = slices.Compact(ids)
	}
	return out
}

const selectIdentities = "SELECT key, id, person, doc FROM identities WHERE "

// loadIdentities loads identities by id, and then the other members of their
// persons. A person has the key of its first member, so that an identity that is
// its own person is alone or the first; the others are found by their person.
func (t *tx) loadIdentities(ws weir.WorkspaceID, ids []string) error {
	w, err := t.tenant(ws)
	if err != nil || w.number == 0 {
		return err
	}
	persons := make([]int64, 0, len(ids))
	add := func(row []driver.Value) error {
		key := row[0].(int64)
		if t.identities[key] {
			return nil
		}
		t.identities[key] = true
		identity, err := scanIdentity(ws, key, row[1].(string), row[2].(int64), row[3].([]byte))
		if err != nil {
			return err
		}
		persons = append(persons, row[2].(int64))
		t.snapshot.Identities[state.Key{Workspace: ws, ID: identity.ID}] = identity
		return nil
	}
	if err := inChunks(t.writer, selectIdentities+"workspace = ? AND id IN ", []driver.Value{w.number}, ids, add); err != nil {
		return err
	}
	slices.Sort(persons)
	persons = slices.Compact(persons)
	firsts := slices.DeleteFunc(slices.Clone(persons), func(key int64) bool { return t.identities[key] })
	if err := inChunks(t.writer, selectIdentities+"person <> key AND person IN ", nil, persons, add); err != nil {
		return err
	}
	return inChunks(t.writer, selectIdentities+"key IN ", nil, firsts, add)
}

func scanIdentity(ws weir.WorkspaceID, key int64, id string, person int64, doc []byte) (*weir.Identity, error) {
	i := &weir.Identity{Workspace: ws, ID: id, Number: numberOf(key), Person: numberOf(person)}
	if err := document.ReadIdentity(doc, i); err != nil {
		return nil, fmt.Errorf("read identity %q: %w", id, err)
	}
	return i, nil
}

// Statements with lists have one of two lengths, so that there are few to
// prepare. Lists fill up with their last value: IN is a set.
const (
	longList  = 500
	shortList = 16
)

// inChunks runs a query that ends in IN for a list of values, some at a time.
func inChunks[T any](w *writer, query string, before []driver.Value, list []T, fn func([]driver.Value) error) error {
	for len(list) > 0 {
		size := longList
		if len(list) <= shortList {
			size = shortList
		}
		args := append(make([]driver.Value, 0, len(before)+size), before...)
		for i := range size {
			args = append(args, list[min(i, len(list)-1)])
		}
		if err := w.query(query+placeholders(size), args, fn); err != nil {
			return err
		}
		list = list[min(size, len(list)):]
	}
	return nil
}

func placeholders(n int) string { return "(" + strings.Repeat("?,", n-1) + "?)" }

// keyOf is the key of a number in a workspace.
func keyOf(workspace int64, number uint32) int64 { return workspace<<32 | int64(number) }

func numberOf(key int64) uint32 { return uint32(key) }

// registry remembers workspaces: their numbers, which never change, and the
// dense numbers given out, which only the writer changes.
type registry map[weir.WorkspaceID]*tenant

type tenant struct {
	number int64     // 0: the store has not met it yet
	last   [2]uint32 // by state.Counter
	base   [2]uint32 // what last was when the transaction began
	dirty  bool
}

// tenant looks a workspace up in the transaction, in memory, in the table.
func (t *tx) tenant(ws weir.WorkspaceID) (*tenant, error) {
	if w := t.known[ws]; w != nil {
		return w, nil
	}
	w := &tenant{}
	t.known[ws] = w
	if known := t.store.known[ws]; known != nil {
		*w = *known
		w.base = w.last
		return w, nil
	}
	err := t.writer.query("SELECT number, identities, sessions FROM workspaces WHERE id = ?", []driver.Value{string(ws)}, func(row []driver.Value) error {
		w.number = row[0].(int64)
		w.last = [2]uint32{uint32(row[1].(int64)), uint32(row[2].(int64))}
		w.base = w.last
		return nil
	})
	return w, err
}

// register gives a workspace its number, when it is first written to.
func (t *tx) register(ws weir.WorkspaceID) (*tenant, error) {
	w, err := t.tenant(ws)
	if err != nil || w.number != 0 {
		return w, err
	}
	err = t.writer.query("INSERT INTO workspaces (id) VALUES (?) RETURNING number", []driver.Value{string(ws)}, func(row []driver.Value) error {
		w.number = row[0].(int64)
		return nil
	})
	return w, err
}

// Take counts in memory; Commit writes the counters.
func (t *tx) Take(_ context.Context, ws weir.WorkspaceID, c state.Counter, n int) (uint32, error) {
	if t.done {
		return 0, errDone
	}
	if c > state.SessionNumber || n < 0 {
		return 0, fmt.Errorf("take %d numbers of counter %d: there is no such counter or amount", n, c)
	}
	w, err := t.register(ws)
	if err != nil {
		return 0, t.store.file.explain("take numbers", err)
	}
	if uint64(w.last[c])+uint64(n) > math.MaxUint32 {
		return 0, fmt.Errorf("take numbers: workspace %q has used up all 2^32 of counter %d", ws, c)
	}
	first := w.last[c] + 1
	w.last[c] += uint32(n)
	w.dirty = w.dirty || n > 0
	return first, nil
}

// isTaken reports whether a number was given out in this transaction, so that
// there can be no row of it.
func (t *tx) isTaken(ws weir.WorkspaceID, c state.Counter, number uint32) bool {
	w := t.known[ws]
	return w != nil && number > w.base[c] && number <= w.last[c]
}
