// Package sqlitestate keeps the state on one machine, in one directory: the
// identities, sessions, conversions and positions in the SQLite database state.db,
// the index of seen items in the log-structured store seen/, and the documents of the
// control plane in control.db. docs/format/state.md describes the files.
//
// There is one writer: a Tx has the whole store to itself from Begin to the end,
// so that no two micro-batches ever touch the same user, and a commit can hardly
// be fenced. Everything that waits is the next Begin. Users who are held for longer
// (Hold) are noted in memory, as the process is the only one.
//
// state.db and seen/ belong to one process, and can be rebuilt from the archive.
// control.db cannot; it may be used by several processes at once, with
// OpenControl.
package sqlitestate

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

var _ state.Store = (*Store)(nil)

// ErrClosed is the answer of a store that was closed.
var ErrClosed = errors.New("state store is closed")

// Options of a Store. Nil and zero values mean the defaults.
type Options struct {
	// Logger gets what an operator should know of; nil discards it.
	Logger *slog.Logger
	// Metrics registers the store's metrics; nil registers none.
	Metrics prometheus.Registerer
	// Memory bounds the caches, in bytes: page cache, seen index. Default 256 MiB;
	// the least is 32 MiB.
	Memory int64
	// CheckUpTo is the size of state.db, in bytes, up to which all of it is
	// checked when it is opened (about a second per GiB). Default 512 MiB;
	// negative: never.
	CheckUpTo int64
	// LockWait is how long Begin waits for users whom somebody holds, before it goes
	// on without them. Default 100 ms; negative: not at all.
	LockWait time.Duration
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Memory == 0 {
		out.Memory = 256 << 20
	}
	out.Memory = max(out.Memory, 32<<20)
	if out.CheckUpTo == 0 {
		out.CheckUpTo = 512 << 20
	}
	if out.LockWait == 0 {
		out.LockWait = 100 * time.Millisecond
	}
	return out
}

// form of state.db, its documents included, and of seen/. A change that is not
// worth a migration, as `weir rebuild` makes both anew, gives it the next number; so
// does one of document.Version.
const form = 2

// pageSize of state.db. A micro-batch changes users who lie scattered over the
// file, and writes each page twice: smaller pages than the usual 4 KiB halve
// that. A page still holds three users of the usual size.
const pageSize = 2048

// Store is the state of one machine. All methods may be called concurrently.
type Store struct {
	file    *file
	log     *slog.Logger
	metrics *metrics
	seen    *Seen

	// turn is held, by putting a token in, from Begin to the end of a Tx, by the
	// checkpointer now and then, and by whoever opens and closes connections.
	turn   chan struct{}
	writer *writer  // nil: must be opened first
	known  registry // what the writer remembers between transactions

	holds    holds
	lockWait time.Duration

	mu      sync.RWMutex // guards readers: shared while one is used
	readers *sql.DB      // nil: closed

	closed     atomic.Bool
	wal        walLimits
	checkpoint chan struct{} // asks for a checkpoint
	stop       context.CancelFunc
	stopped    sync.WaitGroup
}

// Open opens or creates the state in a directory. An error that a person can do
// something about is a *weir.Error: damage (it wraps state.ErrDamaged), a newer
// schema, another process that has the directory open.
func Open(dir string, options *Options) (*Store, error) {
	o := options.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	s := &Store{
		log:        o.Logger,
		metrics:    newMetrics(o.Metrics),
		turn:       make(chan struct{}, 1),
		holds:      holds{held: map[state.Key]bool{}, open: map[state.Key]bool{}, changed: make(chan struct{})},
		lockWait:   o.LockWait,
		wal:        newWALLimits(),
		checkpoint: make(chan struct{}, 1),
		file: &file{
			path:      filepath.Join(dir, "state.db"),
			folder:    "state",
			form:      form,
			pageSize:  pageSize,
			cache:     o.Memory / 4, // the writer's; see openReaders
			checkUpTo: o.CheckUpTo,
			damaged:   "stop the server and run `weir rebuild`, which sets it aside and makes it anew from the archive",
			log:       o.Logger,
		},
	}
	// First the index, which a second process cannot open.
	seen, err := openSeen(filepath.Join(dir, "seen"), o.Memory/2, o.Logger, s.metrics, vfs.Default)
	if err != nil {
		return nil, err
	}
	s.seen = seen
	if err := s.open(context.Background()); err != nil {
		return nil, errors.Join(err, seen.close())
	}
	if err := s.pair(); err != nil {
		return nil, errors.Join(err, s.shut(), seen.close())
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.stopped.Go(func() { s.runCheckpoints(ctx) })
	return s, nil
}

// open opens the connections, at first and after an I/O error. The caller has
// the turn, or the Store to itself.
func (s *Store) open(ctx context.Context) (err error) {
	if err := s.file.prepare(ctx); err != nil {
		return err
	}
	if s.writer, err = openWriter(s.file); err != nil {
		return err
	}
	readers, err := openReaders(s.file)
	if err != nil {
		return errors.Join(err, s.writer.close())
	}
	s.mu.Lock()
	s.readers = readers
	s.mu.Unlock()
	s.known = registry{}
	return nil
}

// pair refuses a state.db and a seen/ that were not written together: an item
// whose effects are lost would be taken for a duplicate, or counted twice. seen/
// is marked with the id of state.db before anything is in either.
func (s *Store) pair() error {
	var id []byte
	written := false
	err := s.writer.query("SELECT id, EXISTS (SELECT 1 FROM workspaces) OR EXISTS (SELECT 1 FROM positions) FROM pair", nil, func(row []driver.Value) error {
		id, written = row[0].([]byte), row[1].(int64) != 0
		return nil
	})
	if err != nil {
		return s.file.explain("open", err)
	}
	mark, filled, err := s.seen.contents()
	switch {
	case err != nil:
		return err
	case filled && mark == nil:
		return outdated(s.seen.dir)
	case bytes.Equal(mark, id):
		return nil
	case filled || written:
		return &weir.Error{
			Code:    "state_incomplete",
			Message: fmt.Sprintf("%s and %s were not written together: one of them is lost, or from elsewhere; run `weir rebuild`, which makes both anew from the archive", s.file.path, s.seen.dir),
			Err:     state.ErrDamaged,
		}
	}
	return s.seen.mark(id)
}

// openReaders opens the connections of the View. They cannot write.
func openReaders(f *file) (*sql.DB, error) {
	shared := *f
	n := max(2, runtime.NumCPU())
	shared.cache = max(f.cache/int64(2*n), 1<<20)
	db, err := sql.Open("sqlite3", shared.dsn("_query_only", "1"))
	if err != nil {
		return nil, f.explain("open", err)
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// shut closes the connections. The caller has the turn.
func (s *Store) shut() error {
	var errs []error
	if s.writer != nil {
		errs = append(errs, s.writer.close())
		s.writer = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
		s.readers = nil
	}
	return errors.Join(errs...)
}

// take waits for the turn and makes sure that there is a writer. Who gets no
// error must call release.
func (s *Store) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err // a free turn is not to be had by chance
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.closed.Load() {
		s.release()
		return ErrClosed
	}
	if s.writer == nil {
		if err := s.open(ctx); err != nil {
			s.release()
			return err
		}
		s.log.InfoContext(ctx, "state reopened", "file", s.file.path)
	}
	return nil
}

func (s *Store) release() { <-s.turn }

// failed closes the connections if the error means that they are of no use any
// more; the next take opens new ones. The caller has the turn. It returns the
// error with its meaning.
func (s *Store) failed(operation string, err error) error {
	if isBroken(err) {
		s.log.Error("state closed after an error, to be opened anew", "file", s.file.path, "error", err)
		_ = s.shut() // whatever this says is the same error again
	}
	return s.file.explain(operation, err)
}

// Seen is the index of applied items.
func (s *Store) Seen() state.Seen { return s.seen }

// View reads persons on connections of its own: it waits for no micro-batch.
func (s *Store) View() state.View { return view{s} }

// Close waits for the Tx that is open and closes all files. It is idempotent.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.stop()
	s.stopped.Wait()
	s.turn <- struct{}{}
	defer s.release()
	if err := errors.Join(s.shut(), s.seen.close()); err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}

// Check reads the whole of state.db and of seen/ and reports the first damage,
// as Open does.
func (s *Store) Check(ctx context.Context) error {
	var result string
	err := s.read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&result)
	})
	if err == nil && result != "ok" {
		err = s.file.explain("check", errCorrupt)
	}
	if err != nil {
		return err
	}
	return s.seen.check()
}

// read lends a pool of readers to fn.
func (s *Store) read(ctx context.Context, fn func(*sql.DB) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.readers == nil {
		if s.closed.Load() {
			return ErrClosed
		}
		return &weir.Error{Code: "state_unavailable", Message: "the state is being opened anew after an error; try again"}
	}
	return s.file.explain("read", fn(s.readers))
}
