package pgstate

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

// tx is a micro-batch's transaction, on a connection of its own until it is done.
type tx struct {
	store    *Store
	conn     *pgxpool.Conn
	writer   [16]byte        // what its advance of positions is known by
	snapshot *state.Snapshot // the caller's; what Commit goes by is below
	applied  map[int]uint64
	advances bool               // positions: the database tells by them whether it was committed
	locked   map[state.Key]bool // that Begin was not asked for: other members of persons
	// What is known of rows that were loaded.
	identities  map[state.Key]member
	sessions    map[numbered]sessionRow
	conversions map[state.Key]int64 // owners
	asked       map[state.Key]bool  // conversions
	// lost are the users that somebody else holds, and all members of their persons.
	lost    map[state.Key]bool
	taken   [2][]numbers   // by state.Counter
	touched map[int32]bool // workspaces that will have been written for

	began time.Time
	done  bool
}

// numbered names an identity or a session.
type numbered struct {
	workspace int32
	number    int64
}

// member is what the columns say of an identity.
type member struct{ number, person int64 }

// keys are parallel columns of keys, sorted and without duplicates.
type keys struct {
	workspaces []int32
	ids        [][]byte
}

// columns are those of keys whose workspaces are registered.
func (s *Store) columns(list []state.Key) keys {
	out := keys{make([]int32, 0, len(list)), make([][]byte, 0, len(list))}
	for _, k := range list {
		number, _ := s.known.number(k.Workspace)
		out.workspaces, out.ids = append(out.workspaces, number), append(out.ids, []byte(k.ID))
	}
	return out
}

// need is a state.Need in the form of its statements.
type need struct {
	users                        []state.Key // sorted
	userColumns                  keys
	sessionColumns               keys
	conversions                  []state.Key
	conversionColumns            keys
	partitions                   []int
	partitionColumn, workspaceOf []int32
}

func (s *Store) need(ctx context.Context, of state.Need) (*need, error) {
	workspaces := map[weir.WorkspaceID]bool{}
	for _, list := range [][]state.Key{of.Users, of.Sessions, of.Conversions} {
		for _, k := range list {
			workspaces[k.Workspace] = true
		}
	}
	if err := s.register(ctx, workspaces); err != nil {
		return nil, err
	}
	n := &need{users: sortedKeys(of.Users), conversions: sortedKeys(of.Conversions), partitions: of.Partitions}
	n.userColumns, n.conversionColumns = s.columns(n.users), s.columns(n.conversions)
	n.sessionColumns = s.columns(sortedKeys(of.Sessions))
	for _, p := range of.Partitions {
		n.partitionColumn = append(n.partitionColumn, int32(p))
	}
	for ws := range workspaces {
		number, _ := s.known.number(ws)
		n.workspaceOf = append(n.workspaceOf, number)
	}
	slices.Sort(n.workspaceOf)
	return n, nil
}

func sortedKeys(list []state.Key) []state.Key {
	list = slices.Clone(list)
	slices.SortFunc(list, compareKeys)
	return slices.Compact(list)
}

func compareKeys(a, b state.Key) int {
	return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.ID, b.ID))
}

// Begin locks the users and all members of their persons and loads what the batch
// needs, in one round trip. It waits for other transactions up to
// Options.LockTimeout, and for users who are held no longer than Options.LockWait,
// for all of them together and with nothing locked meanwhile.
func (s *Store) Begin(ctx context.Context, of state.Need) (state.Tx, error) {
	waited := time.Now()
	t, err := s.begin(ctx, of)
	if err != nil {
		return nil, s.explain("begin", err)
	}
	s.metrics.waited.Observe(time.Since(waited).Seconds())
	return t, nil
}

func (s *Store) begin(ctx context.Context, of state.Need) (*tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // free users are not to be had by chance
	}
	if s.closed.Load() {
		return nil, ErrClosed
	}
	n, err := s.need(ctx, of)
	if err != nil {
		return nil, err
	}
	t, busy, err := s.attempt(ctx, n)
	if err != nil || len(busy) == 0 {
		return t, err
	}
	patience, cancel := context.WithTimeout(ctx, s.lockWait)
	defer cancel()
	for err == nil && len(busy) > 0 && patience.Err() == nil {
		if err = t.Rollback(); err != nil {
			return nil, err
		}
		// Whatever ends the wait: the next attempt finds out.
		_ = s.waitForHolds(patience, func() (bool, error) { return s.areFree(patience, busy) })
		t, busy, err = s.attempt(ctx, n)
	}
	return t, err
}

// attempt begins without those whom somebody holds, and names them. It begins again
// with more users when a person turns out to have grown between the statement that
// found its members and the lock, and when the database or the network ended the
// transaction: nothing has happened yet.
func (s *Store) attempt(ctx context.Context, n *need) (t *tx, held []state.Key, err error) {
	var more []state.Key
	grown := 0
	for range maxAttempts {
		var missing []state.Key
		t, missing, held, err = s.try(ctx, n, more, grown >= patientGrowth)
		code := codeOf(err)
		switch {
		case err == nil && len(missing) == 0:
			return t, held, nil
		case err == nil:
			if err := t.Rollback(); err != nil {
				return nil, nil, err
			}
			more = append(more, missing...)
			grown, err = grown+1, errGrowing
		case code != codeDeadlock && code != codeSerialize && !isLost(err):
			return nil, nil, err
		}
		s.metrics.repeated.Inc()
	}
	return nil, nil, err
}

var errGrowing = errors.New("persons grew faster than they could be locked; try again")

// patientGrowth is how often persons may turn out to have grown before a transaction
// takes their workspaces for itself: others have got on each time, and might for ever.
const patientGrowth = 2

// The workspaces of users, $2, in their order: shared by all transactions, or had by one
// alone, in which persons cannot grow any more. Whoever waits for that is not overtaken.
// These locks are advisory ones, of which there is one for a transaction and workspace.
const (
	shareWorkspaces = "SELECT pg_advisory_xact_lock_shared($1, w) FROM unnest($2::int4[]) AS w"
	ownWorkspaces   = "SELECT pg_advisory_xact_lock($1, w) FROM unnest($2::int4[]) AS w"
)

// lockUsers locks users ($1, $2) and all other members of their persons, and returns
// the latter. Rows are made for those who have none. An update that no row passes
// locks the row and writes nothing.
const lockUsers = `WITH asked AS MATERIALIZED (
		SELECT k.workspace, k.id, i.number, i.person FROM unnest($1::int4[], $2::bytea[]) AS k (workspace, id)
		LEFT JOIN identities i ON i.workspace = k.workspace AND i.id = k.id
	), persons AS MATERIALIZED (
		SELECT DISTINCT workspace, person FROM asked WHERE person IS NOT NULL
	), others AS MATERIALIZED (
		SELECT d.workspace, d.id FROM asked a JOIN identity_documents d ON d.workspace = a.workspace AND d.number = a.person WHERE a.person <> a.number
		UNION
		SELECT d.workspace, d.id FROM persons p JOIN members m ON m.workspace = p.workspace AND m.person = p.person
		JOIN identity_documents d ON d.workspace = m.workspace AND d.number = m.number
	), locked AS (
		INSERT INTO identities (workspace, id) SELECT workspace, id FROM asked UNION SELECT workspace, id FROM others ORDER BY workspace, id
		ON CONFLICT (workspace, id) DO UPDATE SET number = identities.number WHERE false
	)
	SELECT workspace, id FROM others`

// loadIdentities loads the persons of users, by the first identity, whose number they
// have, and its other members.
const loadIdentities = `WITH persons AS MATERIALIZED (
		SELECT DISTINCT i.workspace, i.person FROM unnest($1::int4[], $2::bytea[]) AS k (workspace, id)
		JOIN identities i ON i.workspace = k.workspace AND i.id = k.id WHERE i.person IS NOT NULL
	), wanted AS MATERIALIZED (
		SELECT workspace, person AS number FROM persons
		UNION
		SELECT m.workspace, m.number FROM persons p JOIN members m ON m.workspace = p.workspace AND m.person = p.person
	)
	SELECT d.workspace, d.number, d.id, d.person, d.doc FROM wanted w JOIN identity_documents d ON d.workspace = w.workspace AND d.number = w.number`

const (
	loadPositions = "SELECT partition, seq FROM positions WHERE partition = ANY($1::int4[])"
	takeNumber    = "SELECT nextval('commits')"
	loadHolds     = "SELECT workspace, id FROM holds WHERE workspace = ANY($1::int4[]) AND expires > clock_timestamp()"
)

// try begins once. missing are members of persons that were not locked.
func (s *Store) try(ctx context.Context, n *need, more []state.Key, alone bool) (t *tx, missing, held []state.Key, err error) {
	conn, err := s.transactions.Acquire(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	t = &tx{
		store: s, conn: conn, began: time.Now(), touched: map[int32]bool{}, locked: map[state.Key]bool{},
		snapshot: &state.Snapshot{
			Identities:  make(map[state.Key]*weir.Identity, len(n.users)),
			Sessions:    make(map[state.Key]*weir.Session, len(n.sessionColumns.ids)),
			Conversions: make(map[state.Key]*weir.Conversion, len(n.conversions)),
			Applied:     make(map[int]uint64, len(n.partitions)),
		},
		applied:     make(map[int]uint64, len(n.partitions)),
		identities:  make(map[state.Key]member, len(n.users)),
		sessions:    make(map[numbered]sessionRow, len(n.sessionColumns.ids)),
		conversions: make(map[state.Key]int64, len(n.conversions)),
		asked:       make(map[state.Key]bool, len(n.conversions)),
		lost:        map[state.Key]bool{},
	}
	_, _ = rand.Read(t.writer[:]) // never fails
	for _, p := range n.partitions {
		t.snapshot.Applied[p], t.applied[p] = 0, 0
	}
	for _, k := range n.conversions {
		t.asked[k] = true
	}
	holds := map[state.Key]bool{}
	if err := send(ctx, conn, t.loading(n, more, alone, holds)); err != nil {
		t.end()
		return nil, nil, nil, err
	}
	if missing = t.unlocked(n.users); len(missing) == 0 {
		held = t.giveUp(n.users, holds)
	}
	return t, missing, held, nil
}

// loading queues the statements of Begin. The first that has anything to do waits for
// the locks; those behind it see what is committed by then.
func (t *tx) loading(n *need, more []state.Key, alone bool, holds map[state.Key]bool) *pgx.Batch {
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	users := n.userColumns
	if len(more) > 0 {
		users = t.store.columns(sortedKeys(slices.Concat(n.users, more)))
	}
	if len(users.ids) > 0 {
		if alone {
			batch.Queue(ownWorkspaces, t.store.lockSpace(), n.workspaceOf)
		} else {
			batch.Queue(shareWorkspaces, t.store.lockSpace(), n.workspaceOf)
		}
		batch.Queue(lockUsers, users.workspaces, users.ids).Query(func(rows pgx.Rows) error {
			return each(rows, func(rows pgx.Rows) error { return t.store.scanKey(rows, t.locked) })
		})
		for _, k := range more {
			t.locked[k] = true
		}
		batch.Queue(loadIdentities, n.userColumns.workspaces, n.userColumns.ids).Query(func(rows pgx.Rows) error {
			return each(rows, t.loadIdentity)
		})
		batch.Queue(loadHolds, n.workspaceOf).Query(func(rows pgx.Rows) error {
			return each(rows, func(rows pgx.Rows) error { return t.store.scanKey(rows, holds) })
		})
	}
	batch.Queue(takeNumber).QueryRow(func(row pgx.Row) error { return row.Scan(&t.snapshot.Commit) })
	if len(n.sessionColumns.ids) > 0 {
		batch.Queue(loadSessions, n.sessionColumns.workspaces, n.sessionColumns.ids).Query(func(rows pgx.Rows) error {
			return each(rows, func(rows pgx.Rows) error {
				session, err := t.scanSession(rows)
				if err == nil {
					t.snapshot.Sessions[state.Key{Workspace: session.Workspace, ID: session.ID}] = session
				}
				return err
			})
		})
	}
	if len(n.conversions) > 0 {
		batch.Queue(loadConversions, n.conversionColumns.workspaces, n.conversionColumns.ids).Query(func(rows pgx.Rows) error {
			return each(rows, func(rows pgx.Rows) error {
				conversion, err := t.scanConversion(rows)
				if err == nil {
					t.snapshot.Conversions[state.Key{Workspace: conversion.Workspace, ID: conversion.ID}] = conversion
				}
				return err
			})
		})
	}
	if len(n.partitions) > 0 {
		batch.Queue(loadPositions, n.partitionColumn).Query(func(rows pgx.Rows) error {
			return each(rows, func(rows pgx.Rows) error {
				var partition int32
				var seq int64
				if err := rows.Scan(&partition, &seq); err != nil {
					return err
				}
				t.snapshot.Applied[int(partition)], t.applied[int(partition)] = uint64(seq), uint64(seq)
				return nil
			})
		})
	}
	return batch
}

func (s *Store) scanKey(rows pgx.Rows, into map[state.Key]bool) error {
	var workspace int32
	var id pgtype.DriverBytes
	if err := rows.Scan(&workspace, &id); err != nil {
		return err
	}
	into[state.Key{Workspace: s.known.name(workspace), ID: string(id)}] = true
	return nil
}

func (t *tx) loadIdentity(rows pgx.Rows) error {
	identity, err := t.store.scanIdentity(rows)
	if err != nil {
		return err
	}
	k := state.Key{Workspace: identity.Workspace, ID: identity.ID}
	t.identities[k] = member{int64(identity.Number), int64(identity.Person)}
	t.snapshot.Identities[k] = identity
	return nil
}

// scanIdentity reads a row of workspace, number, id, person, doc.
func (s *Store) scanIdentity(rows pgx.Rows) (*weir.Identity, error) {
	var workspace int32
	var number, person int64
	var id, doc pgtype.DriverBytes
	if err := rows.Scan(&workspace, &number, &id, &person, &doc); err != nil {
		return nil, err
	}
	i := &weir.Identity{Workspace: s.known.name(workspace), ID: string(id), Number: uint32(number), Person: uint32(person)}
	if err := document.ReadIdentity(doc, i); err != nil {
		return nil, fmt.Errorf("read identity %q: %w", i.ID, err)
	}
	return i, nil
}

func (t *tx) Snapshot() *state.Snapshot { return t.snapshot }

// unlocked are identities that were loaded although they are neither of the users nor
// among the members that were locked with them.
func (t *tx) unlocked(users []state.Key) (missing []state.Key) {
	for k := range t.identities {
		if t.locked[k] {
			continue
		}
		if _, found := slices.BinarySearchFunc(users, k, compareKeys); !found {
			missing = append(missing, k)
		}
	}
	return missing
}

// giveUp takes the persons out of whom somebody holds one, and names those who are
// held.
func (t *tx) giveUp(users []state.Key, holds map[state.Key]bool) (held []state.Key) {
	if len(holds) == 0 {
		return nil
	}
	busy := map[numbered]bool{}
	add := func(k state.Key) {
		if holds[k] {
			held = append(held, k)
			t.lost[k] = true
		}
	}
	for _, u := range users {
		add(u)
	}
	person := func(k state.Key, m member) numbered {
		workspace, _ := t.store.known.number(k.Workspace)
		return numbered{workspace, m.person}
	}
	for k, m := range t.identities {
		if holds[k] {
			if !t.lost[k] {
				add(k)
			}
			busy[person(k, m)] = true
		}
	}
	for k, m := range t.identities {
		if busy[person(k, m)] {
			t.lost[k] = true
			delete(t.snapshot.Identities, k)
		}
	}
	for _, u := range users {
		if t.lost[u] {
			t.snapshot.Contended = append(t.snapshot.Contended, u)
		}
	}
	return held
}
