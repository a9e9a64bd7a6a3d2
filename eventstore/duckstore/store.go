package duckstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// ErrClosed is wrapped by every call after Close.
var ErrClosed = errors.New("event store is closed")

// Options tune a Store. The zero value, or nil, is fit for a small server.
type Options struct {
	// Memory is what the engine may use in all, in bytes; default 1 GB, at least
	// 128 MB. Half of it is given to the engine's buffers: the engine counts
	// neither its hash tables' peaks nor its allocator's waste.
	Memory int64
	// Threads is how many cores one question may use; default: all.
	Threads int
	// Questions is how many may be computed at once, the others wait; default 4.
	Questions int
	// OpenWorkspaces bounds how many files stay open while idle; default 32.
	OpenWorkspaces int
	// Columns bounds the property columns of each of the tables events and people;
	// default 64, at least 16. What does not fit is kept in a JSON column, which
	// is about thirty times slower to ask. A column costs every write a little,
	// used or not: see docs/adr/0003-event-table.md.
	Columns int
	// CheckpointBytes is how long a workspace's write-ahead log may grow; default
	// 64 MB, about two hundred thousand events. A checkpoint holds up writes for
	// a second or two per million rows written since the last one; this bounds how
	// long. Twice as often costs a quarter more of the processors, because the last
	// rows of a table are compressed again each time.
	CheckpointBytes int64
	// CheckpointEvery is how long written rows stay in the write-ahead log at
	// most; default one minute.
	CheckpointEvery time.Duration
	// OnLost is told that rows of a workspace were lost, because its files were
	// damaged: the caller must write everything after Applied again, from the
	// archive. The damaged files are in quarantine/. It is called before the
	// operation that found the damage goes on, must return soon and must not call
	// the store. It may be called from several goroutines at once.
	OnLost func(ws weir.WorkspaceID, cause error)

	Logger  *slog.Logger          // nil: discard
	Metrics prometheus.Registerer // nil: not registered
	Now     func() time.Time      // nil: time.Now
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	set := func(field *int, value, least int) {
		if *field == 0 {
			*field = value
		}
		*field = max(*field, least)
	}
	set(&out.Threads, runtime.GOMAXPROCS(0), 1)
	set(&out.Questions, 4, 1)
	set(&out.OpenWorkspaces, 32, 1)
	set(&out.Columns, 64, 16)
	if out.Memory == 0 {
		out.Memory = 1 << 30
	}
	out.Memory = max(out.Memory, 128<<20)
	if out.CheckpointBytes <= 0 {
		out.CheckpointBytes = 64 << 20
	}
	if out.CheckpointEvery <= 0 {
		out.CheckpointEvery = time.Minute
	}
	if out.OnLost == nil {
		out.OnLost = func(weir.WorkspaceID, error) {}
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out
}

// Store implements eventstore.Store.
type Store struct {
	dir       string // absolute
	scanRows  int64  // that Scan holds at once
	mostDays  int    // of quarters
	options   Options
	metrics   *metrics
	questions chan struct{} // a token per question being computed
	cache     *query.Cache
	journeys  chan struct{} // a token for the one that holds rows in the memory
	wake      chan struct{} // a write-ahead log has grown long
	stop      context.CancelFunc
	stopped   chan struct{}                  // the maintenance goroutine has ended
	pause     map[weir.WorkspaceID]time.Time // until when maintain leaves it alone; only it uses this
	running   sync.WaitGroup                 // calls that use a workspace

	mu     sync.Mutex // guards what follows, and the workspaces' life cycle fields
	engine *engine
	open   map[weir.WorkspaceID]*workspace
	clock  uint64 // of the last use of a workspace
	closed bool
}

var _ eventstore.Store = (*Store)(nil)

// Open prepares a directory and its engine; workspaces' files are opened as they
// are needed. The directory must not be in use by another Store, in this process
// or another.
func Open(dir string, options *Options) (*Store, error) {
	o := options.withDefaults()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open event store: %w", err)
	}
	for _, d := range []string{dir, filepath.Join(dir, scratchDir)} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			return nil, fmt.Errorf("open event store: %w", err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{
		dir:       dir,
		scanRows:  scanRows,
		mostDays:  mostDays,
		options:   o,
		metrics:   newMetrics(o.Metrics),
		questions: make(chan struct{}, o.Questions),
		journeys:  make(chan struct{}, 1),
		cache:     query.NewCache(o.Memory / 32),
		wake:      make(chan struct{}, 1),
		stop:      stop,
		stopped:   make(chan struct{}),
		pause:     map[weir.WorkspaceID]time.Time{},
		open:      map[weir.WorkspaceID]*workspace{},
	}
	if s.engine, err = startEngine(dir, &s.options); err != nil {
		stop()
		return nil, fmt.Errorf("open event store: %w", err)
	}
	go func() {
		defer close(s.stopped)
		s.maintain(ctx)
	}()
	return s, nil
}

// Close waits for running calls, checkpoints every workspace and frees the
// engine.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.stopped
		return nil
	}
	s.closed = true
	s.mu.Unlock()

	s.running.Wait()
	s.stop()
	<-s.stopped
	var errs []error
	for _, w := range s.open {
		errs = append(errs, s.shut(w))
	}
	clear(s.open)
	if s.engine != nil {
		errs = append(errs, s.engine.close())
	}
	return errors.Join(errs...)
}

// with runs fn on an open workspace. It keeps the workspace open meanwhile, and
// looks at the error: damage makes the workspace be opened anew.
func (s *Store) with(ctx context.Context, ws weir.WorkspaceID, doing string, fn func(*workspace) error) error {
	w, err := s.acquire(ctx, ws)
	if err == nil {
		err = fn(w)
		s.release(w, err)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", doing, ws, err)
	}
	return nil
}
