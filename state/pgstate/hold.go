package pgstate

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// holder names one call of Hold.
type holder = [16]byte

// holds are what this process holds. Who holds what, also of other processes, is in
// the table; changed is only quicker than asking it again.
type holds struct {
	mu      sync.Mutex
	mine    map[holder]bool
	changed chan struct{} // closed and replaced whenever users of this process become free
}

// holdPoll is how often the table is asked for users whom another process holds.
const holdPoll = 20 * time.Millisecond

// takeHolds takes users ($1, $2) unless somebody who lives has them.
const takeHolds = `INSERT INTO holds AS h (workspace, id, holder, expires)
	SELECT k.workspace, k.id, $3::uuid, clock_timestamp() + $4::interval FROM unnest($1::int4[], $2::bytea[]) AS k (workspace, id) ORDER BY 1, 2
	ON CONFLICT (workspace, id) DO UPDATE SET holder = excluded.holder, expires = excluded.expires WHERE h.expires <= clock_timestamp() OR h.holder = excluded.holder
	RETURNING workspace, id`

// lockHeld waits for the transactions that may have some of the users.
const lockHeld = `INSERT INTO identities (workspace, id) SELECT * FROM unnest($1::int4[], $2::bytea[]) ORDER BY 1, 2
	ON CONFLICT (workspace, id) DO UPDATE SET number = identities.number WHERE false`

// Hold takes the users first, one after the other in their order, so that no later
// transaction gets them, and then waits for those that may have some. Two that hold
// cannot wait for each other, thanks to the order. A transaction looks for holds once
// it has its locks: it sees this one, or is waited for.
//
// What is held frees itself Options.HoldExpiry after its process died or was cut off
// from the database. A holder that lives on then is no danger: whatever it writes goes
// through a transaction, which has its own locks.
func (s *Store) Hold(ctx context.Context, users []state.Key) (release func(), err error) {
	if s.closed.Load() {
		return nil, fmt.Errorf("hold %d users: %w", len(users), ErrClosed)
	}
	users = sortedKeys(users)
	workspaces := map[weir.WorkspaceID]bool{}
	for _, u := range users {
		workspaces[u.Workspace] = true
	}
	if err := s.register(ctx, workspaces); err != nil {
		return nil, s.explain(fmt.Sprintf("hold %d users", len(users)), err)
	}
	var me holder
	_, _ = rand.Read(me[:]) // never fails
	s.holds.mu.Lock()
	s.holds.mine[me] = true
	s.holds.mu.Unlock()
	free := sync.OnceFunc(func() { s.free(me) })
	if err := s.hold(ctx, me, users); err != nil {
		free()
		if ended := ctx.Err(); ended != nil {
			err = ended // however the database puts it
		}
		return nil, s.explain(fmt.Sprintf("hold %d users", len(users)), err)
	}
	return free, nil
}

func (s *Store) hold(ctx context.Context, me holder, users []state.Key) error {
	columns := s.columns(users)
	rest := users
	err := s.waitForHolds(ctx, func() (bool, error) {
		err := repeat(func() error {
			n, err := s.takeSome(ctx, me, rest)
			rest = rest[n:]
			return err
		})
		return len(rest) == 0, err
	})
	if err != nil || len(users) == 0 {
		return err
	}
	for {
		batch := &pgx.Batch{}
		batch.Queue("BEGIN")
		batch.Queue(lockHeld, columns.workspaces, columns.ids)
		batch.Queue("ROLLBACK")
		if err := send(ctx, s.transactions, batch); codeOf(err) != codeLockTimeout && codeOf(err) != codeDeadlock && !isLost(err) {
			return err
		}
	}
}

// takeSome takes the first of the users, up to one whom somebody else holds.
func (s *Store) takeSome(ctx context.Context, me holder, users []state.Key) (n int, err error) {
	columns := s.columns(users)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		taken := map[state.Key]bool{}
		rows, err := tx.Query(ctx, takeHolds, columns.workspaces, columns.ids, me, s.holdExpiry)
		if err != nil {
			return err
		}
		if err := each(rows, func(rows pgx.Rows) error { return s.scanKey(rows, taken) }); err != nil {
			return err
		}
		for n < len(users) && taken[users[n]] {
			n++
		}
		if n == len(taken) {
			return nil
		}
		_, err = tx.Exec(ctx, "DELETE FROM holds h USING unnest($1::int4[], $2::bytea[]) AS k (workspace, id) WHERE h.workspace = k.workspace AND h.id = k.id AND h.holder = $3",
			columns.workspaces[n:], columns.ids[n:], me)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// areFree reports whether nobody holds any of the users any more.
func (s *Store) areFree(ctx context.Context, users []state.Key) (free bool, err error) {
	columns := s.columns(users)
	err = repeat(func() error {
		return s.pool.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM unnest($1::int4[], $2::bytea[]) AS k (workspace, id)
			JOIN holds h ON h.workspace = k.workspace AND h.id = k.id WHERE h.expires > clock_timestamp())`, columns.workspaces, columns.ids).Scan(&free)
	})
	return free, err
}

// waitForHolds asks until done says yes or fails, or the context ends: at once when
// users of this process become free, and now and then for those of others.
func (s *Store) waitForHolds(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(holdPoll)
	defer ticker.Stop()
	for {
		s.holds.mu.Lock()
		changed := s.holds.changed
		s.holds.mu.Unlock()
		if ok, err := done(); err != nil || ok {
			return err
		}
		select {
		case <-changed:
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// free lets users go. If the database cannot be told, they become free when they
// expire.
func (s *Store) free(me holder) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	s.holds.mu.Lock()
	known := s.holds.mine[me]
	delete(s.holds.mine, me)
	s.holds.mu.Unlock()
	if !known {
		return // Close was quicker
	}
	if err := s.forget(ctx, []holder{me}); err != nil {
		s.log.Error("users are not let go before they expire", "error", err)
	}
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	close(s.holds.changed)
	s.holds.changed = make(chan struct{})
}

func (s *Store) forget(ctx context.Context, holders []holder) error {
	return s.exec(ctx, "DELETE FROM holds WHERE holder = ANY($1::uuid[])", holders)
}

// keepHolds says that this process lives, until ctx ends.
func (s *Store) keepHolds(ctx context.Context) {
	ticker := time.NewTicker(s.holdExpiry / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.renewHolds(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Store) renewHolds(ctx context.Context) {
	s.holds.mu.Lock()
	mine := slices.Collect(maps.Keys(s.holds.mine))
	s.holds.mu.Unlock()
	if len(mine) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.holdExpiry/3)
	defer cancel()
	// Whoever has expired was perhaps loaded by others since, and stays lost. The row
	// goes, so that the holder is not told of twice.
	var lost int
	err := repeat(func() error {
		return s.pool.QueryRow(ctx, `WITH kept AS (
				UPDATE holds SET expires = clock_timestamp() + $2::interval WHERE holder = ANY($1::uuid[]) AND expires > clock_timestamp()
			), gone AS (
				DELETE FROM holds WHERE holder = ANY($1::uuid[]) AND expires <= clock_timestamp() RETURNING 1
			)
			SELECT count(*) FROM gone`, mine, s.holdExpiry).Scan(&lost)
	})
	switch {
	case ctx.Err() != nil && s.closed.Load():
	case err != nil:
		s.log.Error("tell the database that users are still held", "error", err)
	case lost > 0:
		s.log.Error("users were held for longer than the database was told, and are free", "users", lost)
	}
}

// dropHolds lets all go, when the store is closed.
func (s *Store) dropHolds() {
	s.holds.mu.Lock()
	mine := slices.Collect(maps.Keys(s.holds.mine))
	clear(s.holds.mine)
	s.holds.mu.Unlock()
	if len(mine) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := s.forget(ctx, mine); err != nil {
		s.log.Error("users are not let go before they expire", "error", err)
	}
}
