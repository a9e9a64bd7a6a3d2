// Package sqlitequeue keeps the queue in one SQLite file, for a single process.
//
// A directory holds queue.db (and, while open, SQLite's -wal and -shm beside
// it), queue.heads, queue.lock and, once something was damaged, quarantine/.
// docs/format/queue.md describes them.
//
// How the promises of package queue are kept:
//
//   - Durable: write-ahead log with synchronous=FULL, set on every connection
//     and read back. One Append is one transaction is one fsync.
//   - A failed fsync is not retried: the file is closed, opened again and its
//     log written out anew, since the kernel may have dropped what it could not
//     write. Until that is done calls answer ErrBroken.
//   - Damage is found by the frames' checksums, by SQLite's own checks, by the
//     contiguity of sequence numbers, and by queue.heads, which remembers how far
//     they had come. Damage to the structure of the file costs the frames it
//     hit: the rest is read out of the pages (see salvage.go), the damaged file
//     is kept in quarantine/, and every range of sequence numbers that is lost
//     is delivered as damage.
//
// One goroutine per queue trims, checkpoints, audits and repairs.
package sqlitequeue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/queue"
)

// ErrBroken is wrapped by calls made while the queue closes its file after an
// error of the disk, checks it and opens it again. It passes by itself when the
// disk answers.
var ErrBroken = errors.New("queue is being repaired")

// DefaultPartitions is the number of partitions of a new queue whose options
// leave it open.
const DefaultPartitions = 8

// Options of a queue; nil or zero fields mean the defaults.
type Options struct {
	// Partitions is fixed when the queue is first made; later it must be that
	// number or 0. For a new queue 0 means DefaultPartitions.
	Partitions int
	// MaxBacklog bounds the bytes that are appended and not acknowledged, above
	// which Append answers queue.ErrFull. 0 means 64 GB, negative no bound.
	MaxBacklog int64
	// MinFree and MinFreePercent are what must stay free of the disk; Append
	// answers queue.ErrFull while less is free than the larger of the two. 0
	// means 1 GB and 5 %, negative no such bound.
	MinFree        int64
	MinFreePercent int
	// Free measures the disk that a directory is on, in bytes. nil asks the
	// operating system.
	Free func(dir string) (free, total int64, err error)
	// Now gives the time of frames. nil means time.Now.
	Now func() time.Time
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer

	checkLimit int64 // 0 means checkLimit; tests lower it
}

func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Partitions < 0 || opts.Partitions > weir.MaxPartitions {
		return opts, fmt.Errorf("%d partitions are out of range: want 1 to %d", opts.Partitions, weir.MaxPartitions)
	}
	if opts.MaxBacklog == 0 {
		opts.MaxBacklog = 64 << 30
	}
	if opts.MinFree == 0 {
		opts.MinFree = 1 << 30
	}
	if opts.MinFreePercent == 0 {
		opts.MinFreePercent = 5
	}
	if opts.Free == nil {
		opts.Free = diskFree
	}
	if opts.checkLimit == 0 {
		opts.checkLimit = checkLimit
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return opts, nil
}

var _ queue.Queue = (*Queue)(nil)

// Queue is a queue.Queue in a directory of its own.
type Queue struct {
	dir     string
	opts    Options
	log     *slog.Logger
	metrics *metrics
	unlock  func()

	// turn is held, by having sent to it, by whoever writes. It is a channel so
	// that waiting for it can be cancelled.
	turn chan struct{}

	// files guards the pointer: readers hold it while they use the store, and
	// whoever closes or replaces the store takes it whole. Writers hold turn.
	// Locks nest in the order turn, files, mu.
	files sync.RWMutex
	store *store // nil while broken and after Close

	// written is set by whoever writes, and cleared when the log is looked at.
	written atomic.Bool

	// mu guards what follows, for moments only.
	mu     sync.Mutex
	at     marks
	heads  *headsFile
	owner  []*Consumer // per partition
	broken error       // set from the error on until the repair is done
	doubt  bool        // a frame was damaged and the structure not checked since
	closed bool

	done      chan struct{} // closed by Close
	whole     bool          // the maintenance need not check a file just opened
	finished  chan struct{} // closed when the maintenance has ended
	work      chan struct{} // wakes the maintenance; capacity 1
	closeOnce sync.Once
	closeErr  error
}

// marks is how far each partition has come, in records and in bytes since the
// queue was made. Bytes are counted from an arbitrary start.
type marks struct {
	head, acked           []uint64
	headBytes, ackedBytes []int64
}

func newMarks(partitions int) marks {
	return marks{
		head: make([]uint64, partitions), acked: make([]uint64, partitions),
		headBytes: make([]int64, partitions), ackedBytes: make([]int64, partitions),
	}
}

func (m *marks) backlog() (records, bytes int64) {
	for p := range m.head {
		records += int64(m.head[p] - m.acked[p])
		bytes += m.headBytes[p] - m.ackedBytes[p]
	}
	return records, bytes
}

// Open opens the queue in dir and makes it first if it is missing. Damage does
// not keep it from opening; what was lost is logged, and delivered as damage.
// Another process that has the queue open does.
func Open(ctx context.Context, dir string, options *Options) (*Queue, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	q := &Queue{
		dir: dir, opts: opts, log: opts.Logger,
		turn: make(chan struct{}, 1), done: make(chan struct{}), finished: make(chan struct{}),
		work: make(chan struct{}, 1),
	}
	q.unlock, err = lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	opened, err := openFiles(ctx, q.fileOptions(false))
	if err != nil {
		q.unlock()
		return nil, fmt.Errorf("open queue: %w", err)
	}
	q.store, q.at, q.heads = opened.store, opened.at, opened.heads
	q.owner = make([]*Consumer, len(q.at.head))
	q.metrics, err = newMetrics(opts.Registerer, q.backlog)
	if err != nil {
		q.unlock()
		return nil, errors.Join(fmt.Errorf("open queue: %w", err), q.store.close(), q.heads.close(q.at.head))
	}
	q.metrics.damaged.Add(float64(opened.lost))
	q.whole = opened.whole
	go q.maintain()
	return q, nil
}

func (q *Queue) fileOptions(salvage bool) fileOptions {
	return fileOptions{
		dir: q.dir, partitions: q.opts.Partitions, now: q.opts.Now, log: q.log,
		checkLimit: q.opts.checkLimit, salvage: salvage,
	}
}

// Partitions is their number.
func (q *Queue) Partitions() int { return len(q.owner) }

// Lag measures what is appended and not acknowledged. It reads memory only.
func (q *Queue) Lag(ctx context.Context) (queue.Lag, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.usable(); err != nil {
		return queue.Lag{}, fmt.Errorf("measure lag: %w", err)
	}
	lag := queue.Lag{Head: append([]uint64(nil), q.at.head...), Acked: append([]uint64(nil), q.at.acked...)}
	lag.Records, lag.Bytes = q.at.backlog()
	return lag, nil
}

func (q *Queue) backlog() (records, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.at.backlog()
}

// usable needs mu.
func (q *Queue) usable() error {
	switch {
	case q.closed:
		return queue.ErrClosed
	case q.broken != nil:
		return fmt.Errorf("%w after: %w", ErrBroken, q.broken)
	}
	return nil
}

// begin waits for the turn to write. The caller calls q.end whatever happens
// next, unless begin fails.
func (q *Queue) begin(ctx context.Context) (*store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-q.done:
		return nil, queue.ErrClosed
	}
	q.mu.Lock()
	err := q.usable()
	q.mu.Unlock()
	if err != nil {
		q.end()
		return nil, err
	}
	return q.store, nil
}

func (q *Queue) end() { <-q.turn }

// view runs fn with the store for reading.
func (q *Queue) view(fn func(*store)) error {
	q.files.RLock()
	defer q.files.RUnlock()
	q.mu.Lock()
	err := q.usable()
	q.mu.Unlock()
	if err != nil {
		return err
	}
	fn(q.store)
	return nil
}

// fail takes note of an error after which the file must not be used as it is,
// and starts the repair. It returns the error as the caller should answer it.
func (q *Queue) fail(err error) error {
	q.mu.Lock()
	if q.broken == nil && !q.closed {
		q.broken = err
	}
	q.mu.Unlock()
	q.wakeMaintenance()
	return fmt.Errorf("%w after: %w", ErrBroken, err)
}

func (q *Queue) wakeMaintenance() {
	select {
	case q.work <- struct{}{}:
	default:
	}
}

// Close waits for running calls; a Receive that waits returns at once.
func (q *Queue) Close() error {
	q.closeOnce.Do(func() {
		q.mu.Lock()
		q.closed = true
		q.mu.Unlock()
		close(q.done)
		<-q.finished
		q.turn <- struct{}{}
		q.files.Lock()
		defer q.files.Unlock()
		defer func() { <-q.turn }()
		if q.store != nil {
			q.closeErr = errors.Join(q.store.close(), q.heads.close(q.at.head))
			q.store = nil
		}
		q.metrics.unregister(q.opts.Registerer)
		q.unlock()
	})
	if q.closeErr != nil {
		return fmt.Errorf("close queue: %w", q.closeErr)
	}
	return nil
}

func path(dir, name string) string { return filepath.Join(dir, name) }
