package pgstate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// registry remembers the numbers of workspaces, which never change, and which of them
// are known to be written.
type registry struct {
	mu      sync.RWMutex
	numbers map[string]int32
	names   map[int32]string
	written map[int32]bool
}

func (r *registry) number(ws weir.WorkspaceID) (int32, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.numbers[string(ws)]
	return n, ok
}

// name is that of a number which the registry has given out.
func (r *registry) name(number int32) weir.WorkspaceID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return weir.WorkspaceID(r.names[number])
}

func (r *registry) add(id string, number int32, written bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.numbers[id], r.names[number] = number, id
	r.written[number] = r.written[number] || written
}

// unwritten are those of the numbers that are not known to be written.
func (r *registry) unwritten(numbers map[int32]bool) (out []int32) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for n := range numbers {
		if !r.written[n] {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func (r *registry) wrote(numbers []int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range numbers {
		r.written[n] = true
	}
}

// find looks a workspace up; the answer is false if nothing ever asked for it.
func (s *Store) find(ctx context.Context, ws weir.WorkspaceID) (int32, bool, error) {
	if n, ok := s.known.number(ws); ok {
		return n, true, nil
	}
	var number int32
	var written bool
	err := repeat(func() error {
		return s.pool.QueryRow(ctx, "SELECT number, written FROM workspaces WHERE id = $1", []byte(ws)).Scan(&number, &written)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	s.known.add(string(ws), number, written)
	return number, true, nil
}

// register makes sure that workspaces have numbers, in a transaction of its own: those
// who come at the same time do not wait for a batch.
func (s *Store) register(ctx context.Context, list map[weir.WorkspaceID]bool) error {
	var missing [][]byte
	for ws := range list {
		if _, ok := s.known.number(ws); !ok {
			missing = append(missing, []byte(ws))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.SortFunc(missing, slices.Compare)
	if err := s.exec(ctx, `INSERT INTO workspaces (id) SELECT id FROM unnest($1::bytea[]) AS k (id)
		WHERE NOT EXISTS (SELECT FROM workspaces w WHERE w.id = k.id) ORDER BY id ON CONFLICT (id) DO NOTHING`, missing); err != nil {
		return fmt.Errorf("register workspaces: %w", err)
	}
	for _, id := range missing {
		if _, _, err := s.find(ctx, weir.WorkspaceID(id)); err != nil {
			return fmt.Errorf("register workspaces: %w", err)
		}
	}
	return nil
}

// The statements of Take.
var takeNumbers = map[state.Counter]string{
	state.IdentityNumber: "UPDATE workspaces SET identities = identities + $2 WHERE number = $1 AND identities + $2 < 1::bigint << 32 RETURNING identities",
	state.SessionNumber:  "UPDATE workspaces SET sessions = sessions + $2 WHERE number = $1 AND sessions + $2 < 1::bigint << 32 RETURNING sessions",
}

// Take counts in a transaction of its own, on another connection: nobody waits for
// numbers until a batch is committed. Those of one that is not are never given out
// again.
func (t *tx) Take(ctx context.Context, ws weir.WorkspaceID, c state.Counter, n int) (uint32, error) {
	if t.done {
		return 0, errDone
	}
	statement, ok := takeNumbers[c]
	if !ok || n < 0 {
		return 0, fmt.Errorf("take %d numbers of counter %d: there is no such counter or amount", n, c)
	}
	s := t.store
	if err := s.register(ctx, map[weir.WorkspaceID]bool{ws: true}); err != nil {
		return 0, s.explain("take numbers", err)
	}
	number, _ := s.known.number(ws)
	var last int64
	err := repeat(func() error { return s.pool.QueryRow(ctx, statement, number, int64(n)).Scan(&last) })
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("take numbers: workspace %q has used up all 2^32 of counter %d", ws, c)
	} else if err != nil {
		return 0, s.explain("take numbers", err)
	}
	first := last - int64(n) + 1
	t.touched[number] = true
	t.taken[c] = append(t.taken[c], numbers{number, first, last})
	return uint32(first), nil
}

// numbers are some that were given out in a workspace, both ends included.
type numbers struct {
	workspace   int32
	first, last int64
}

// isTaken reports whether a number was given out in this transaction, so that there
// can be no row of it.
func (t *tx) isTaken(c state.Counter, workspace int32, number int64) bool {
	return slices.ContainsFunc(t.taken[c], func(n numbers) bool {
		return n.workspace == workspace && number >= n.first && number <= n.last
	})
}
