package clickstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// ErrClosed is wrapped by every call after Close.
var ErrClosed = errors.New("event store is closed")

// Options tune a Store. The zero value, or nil, is fit for one server.
type Options struct {
	// Prefix begins the names of databases, of which each workspace has one; default
	// "weir". Lower-case letters, digits and '_', a letter first.
	Prefix string
	// Cluster names a cluster of the server's configuration: tables are replicated in its
	// shards and distributed over them. Empty: one server.
	Cluster string
	// Memory is what one question may use in the server, and about what all may use in
	// this process, in bytes; default 2 GB, at least 128 MB. Half of a question's memory
	// in the server is used before sorting and grouping go to its disk.
	Memory int64
	// Timeout is how long the server may work on one statement of a question; default one
	// minute. A little longer it may leave such a statement, or a batch, without an answer.
	Timeout time.Duration
	// Questions is how many may be computed at once, the others wait; default 4.
	Questions int

	Logger  *slog.Logger          // nil: discard
	Metrics prometheus.Registerer // nil: not registered
	Now     func() time.Time      // nil: time.Now
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Prefix == "" {
		out.Prefix = "weir"
	}
	if out.Memory == 0 {
		out.Memory = 2 << 30
	}
	out.Memory = max(out.Memory, 128<<20)
	if out.Timeout <= 0 {
		out.Timeout = time.Minute
	}
	if out.Questions <= 0 {
		out.Questions = 4
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out
}

var prefixPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// Store implements eventstore.Store. Several, of one process or many, may write to one
// workspace.
type Store struct {
	options   Options
	client    *client
	metrics   *metrics
	cache     *query.Cache
	questions chan struct{} // a token per question being computed
	journeys  chan struct{} // a token for the one that holds rows in the memory
	running   sync.WaitGroup

	mu         sync.Mutex
	workspaces map[weir.WorkspaceID]*workspace
	closed     bool
}

var _ eventstore.Store = (*Store)(nil)

// Open prepares a store over the server at an address such as
// http://user:password@host:8123. Parameters of the address are settings of every
// statement. It does not wait for the server.
func Open(address string, options *Options) (*Store, error) {
	o := options.withDefaults()
	if !prefixPattern.MatchString(o.Prefix) {
		return nil, fmt.Errorf("open event store: prefix %q must be of lower-case letters, digits and '_', a letter first", o.Prefix)
	}
	c, err := newClient(address)
	if err != nil {
		return nil, fmt.Errorf("open event store: read address of ClickHouse: %w", err)
	}
	if o.Cluster != "" {
		// A statement's tables are distributed, and what it looks up in them is of all
		// shards; rows are there when an insert is answered.
		c.settings.Set("distributed_product_mode", "global")
		c.settings.Set("distributed_foreground_insert", "1")
		c.settings.Set("insert_quorum", "auto")
	}
	return &Store{
		options: o, client: c, metrics: newMetrics(o.Metrics), cache: query.NewCache(o.Memory / 32),
		questions: make(chan struct{}, o.Questions), journeys: make(chan struct{}, 1),
		workspaces: map[weir.WorkspaceID]*workspace{},
	}, nil
}

// Close waits for running calls.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
	s.client.close()
	return nil
}

// workspace is what this Store knows of one.
type workspace struct {
	store    *Store
	database string
	made     atomic.Bool // its tables are there
	making   sync.Mutex

	// writer is held by whoever writes; it guards what follows.
	writer sync.Mutex
	// lane is the number under which this Store counts its commits, and committed the
	// version of the last.
	lane      uint32
	committed uint64
	known     bits // identities of whom the table has a row
	seen      map[seenProperty]bool
}

// forget is for when the tables turn out to be others than they were. The writer holds
// its lock.
func (w *workspace) forget() {
	w.made.Store(false)
	// Another lane: of the old one the new tables say nothing.
	w.lane, w.committed = newLane(), 0
	w.known, w.seen = nil, nil
}

// bits is a set of dense numbers.
type bits []uint64

func (b bits) has(n uint32) bool { return int(n/64) < len(b) && b[n/64]&(1<<(n%64)) != 0 }

func (b *bits) add(n uint32) {
	if missing := int(n/64) + 1 - len(*b); missing > 0 {
		*b = append(*b, make([]uint64, missing)...)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

// newLane is a number above those of partitions, by chance another than all others.
func newLane() uint32 { return firstLane | rand.Uint32() }

// with runs fn on a workspace, whose tables are there. If another process has dropped it,
// it is made anew.
func (s *Store) with(ctx context.Context, ws weir.WorkspaceID, doing string, fn func(*workspace) error) error {
	w, err := s.enter(ws)
	if err != nil {
		return fmt.Errorf("%s %s: %w", doing, ws, err)
	}
	defer s.running.Done()
	for again := false; ; again = true {
		if err = w.ensure(ctx); err == nil {
			err = fn(w)
		}
		if !isMissing(err) || again {
			break
		}
		w.writer.Lock()
		w.forget()
		w.writer.Unlock()
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", doing, ws, err)
	}
	return nil
}

// patience is how much longer than Options.Timeout this process waits, as a part of it:
// the server's own answer that it takes too long is the better one.
const patience = 4

// bounded runs fn, but not for ever: a server that is gone without a word does not end
// what it was asked.
func (s *Store) bounded(ctx context.Context, fn func(context.Context) error) error {
	limit := s.options.Timeout + s.options.Timeout/patience
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := fn(within)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("ClickHouse has not answered for %s (%s)", limit, err.Error()) // ctx has not ended
	}
	return err
}

func (s *Store) enter(ws weir.WorkspaceID) (*workspace, error) {
	if !ws.Valid() {
		return nil, fmt.Errorf("workspace id %q is not valid", ws)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	w := s.workspaces[ws]
	if w == nil {
		w = &workspace{store: s, database: s.options.database(ws)}
		w.forget()
		s.workspaces[ws] = w
	}
	s.running.Add(1)
	return w, nil
}

// Drop implements eventstore.Store.
func (s *Store) Drop(ctx context.Context, ws weir.WorkspaceID) error {
	w, err := s.enter(ws)
	if err == nil {
		defer s.running.Done()
		w.writer.Lock()
		defer w.writer.Unlock()
		on := ""
		if s.options.Cluster != "" {
			on = " ON CLUSTER " + quoteName(s.options.Cluster)
		}
		err = s.client.exec(ctx, "DROP DATABASE IF EXISTS "+quoteName(w.database)+on+" SYNC", nil)
		w.forget()
	}
	if err != nil {
		return fmt.Errorf("drop %s: %w", ws, err)
	}
	return nil
}

// name is the full name of one of the workspace's tables.
func (w *workspace) name(table string) string { return quoteName(w.database) + "." + table }
