// Package pgstate keeps the state in PostgreSQL (14 or newer), in one schema, for
// several processes at once: identities, sessions, conversions, positions, the index
// of seen items and work that waits. Control keeps the documents of the control plane
// there, in a schema of its own. docs/format/state.md describes the tables.
//
// A Tx is a transaction of the database on a connection of its own. Begin locks the
// rows of table identities that stand for its users, all members of their persons
// included, in the order of their keys and before it reads anything: two transactions
// never have one user, and do not wait for each other in a circle. Locks are rows and
// not advisory locks, as those lie in a table in shared memory that has room for some
// 12,000 of the whole server by default, which a handful of batches would fill.
// Transactions that have no user in common run at the same time. What else they might
// both make new, as a session that two users send at once, the database refuses to
// the second, whose Commit fails and succeeds when the batch is repeated.
//
// Users who are held for longer (Hold) are rows with a time at which they expire, which
// the holder's process puts off while it lives.
package pgstate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir/state"
)

var _ state.Store = (*Store)(nil)

// ErrClosed is the answer of a store that was closed.
var ErrClosed = errors.New("state store is closed")

// Options of a Store and of a Control. Nil and zero values mean the defaults.
type Options struct {
	// DSN names the server and the database: a URL, or keywords and values. What it
	// does not say comes from PGHOST and so on, as for psql. PgBouncer is fine in front
	// of it in its session mode only.
	DSN string
	// Schema is where the tables are; it is made if it is missing. Default "weir", and
	// "weir_control" for a Control.
	Schema string
	// MaxConns bounds the connections: half of them for transactions of Begin, which
	// bounds how many are open at a time, and half for all else. Default 4 for each
	// processor, at least 16.
	MaxConns int
	// Logger gets what an operator should know of; nil discards it.
	Logger *slog.Logger
	// Metrics registers the store's metrics; nil registers none.
	Metrics prometheus.Registerer
	// Alone says that no other process works on the state: nothing need be claimed.
	Alone bool
	// LockWait is how long Begin waits for users whom somebody holds, before it goes
	// on without them. Default 100 ms; negative: not at all.
	LockWait time.Duration
	// HoldExpiry is how long users stay held whose holder has died, or is cut off from
	// the database. Default 15 s; the least is 1 s.
	HoldExpiry time.Duration
	// StatementTimeout bounds each statement. Default 30 s.
	StatementTimeout time.Duration
	// LockTimeout bounds how long a statement waits for users whom another transaction
	// has; Begin fails then, and may be repeated. Default 5 s.
	LockTimeout time.Duration
	// IdleTimeout is how long a transaction may be open with nothing to do before the
	// database ends it: then its worker counts as dead, and others may have its users.
	// Default 10 s.
	IdleTimeout time.Duration
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Schema == "" {
		out.Schema = "weir"
	}
	if out.MaxConns == 0 {
		out.MaxConns = max(16, 4*runtime.NumCPU())
	}
	out.MaxConns = max(out.MaxConns, 4)
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.LockWait == 0 {
		out.LockWait = 100 * time.Millisecond
	}
	if out.HoldExpiry == 0 {
		out.HoldExpiry = 15 * time.Second
	}
	out.HoldExpiry = max(out.HoldExpiry, time.Second)
	if out.StatementTimeout == 0 {
		out.StatementTimeout = 30 * time.Second
	}
	if out.LockTimeout == 0 {
		out.LockTimeout = 5 * time.Second
	}
	if out.IdleTimeout == 0 {
		out.IdleTimeout = 10 * time.Second
	}
	return out
}

// Store is the state in one schema. All methods may be called concurrently, and by
// several processes.
type Store struct {
	database
	metrics *metrics
	// transactions are the connections of Begin, pool those of all else. They are
	// apart, so that whoever has a transaction always gets another connection for its
	// numbers.
	transactions, pool *pgxpool.Pool
	known              registry

	holds      holds
	lockWait   time.Duration
	holdExpiry time.Duration
	alone      bool

	closed  atomic.Bool
	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// Open connects to the state, and makes or migrates its schema, which several
// processes may do at once. An error that a person can do something about is a
// *weir.Error.
func Open(ctx context.Context, options *Options) (*Store, error) {
	o := options.withDefaults()
	s := &Store{
		database:   database{schema: o.Schema, log: o.Logger},
		metrics:    newMetrics(o.Metrics),
		lockWait:   o.LockWait,
		alone:      o.Alone,
		holdExpiry: o.HoldExpiry,
		known:      registry{numbers: map[string]int32{}, names: map[int32]string{}, written: map[int32]bool{}},
		holds:      holds{mine: map[holder]bool{}, changed: make(chan struct{})},
	}
	config, err := s.prepare(ctx, o, "state")
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(o.MaxConns / 2)
	if s.transactions, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, s.explain("open", err)
	}
	config = config.Copy()
	config.MaxConns = int32(o.MaxConns - o.MaxConns/2)
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		s.transactions.Close()
		return nil, s.explain("open", err)
	}
	life, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.stopped.Go(func() { s.keepHolds(life) })
	return s, nil
}

// Close lets go of whom the store holds, waits for the transactions that are open and
// closes all connections. It is idempotent.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.stop()
	s.stopped.Wait()
	s.dropHolds()
	s.transactions.Close()
	s.pool.Close()
	return nil
}

// explain is that of the database, for a store that may be closed.
func (s *Store) explain(operation string, err error) error {
	if err != nil && s.closed.Load() {
		return fmt.Errorf("%s: %w", operation, ErrClosed)
	}
	return s.database.explain(operation, err)
}
