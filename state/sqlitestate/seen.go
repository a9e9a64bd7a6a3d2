package sqlitestate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

const (
	seenKeySize = document.HashSize
	// seenRoom is the free disk, in bytes, below which Put writes nothing: what
	// is in memory then, and the next compaction, must still fit.
	seenRoom = 128 << 20
)

// Seen is the index of applied items: keys that are random, mostly new, and
// never ordered by anything. A B-tree would write one page for each; a
// log-structured store writes them in a row and sorts later. That a key is new,
// as most are, a filter in memory tells.
type Seen struct {
	db      *pebble.DB
	cache   *pebble.Cache
	free    func() (uint64, error) // bytes of disk
	ballast *ballast
	dir     string
	log     *slog.Logger
	metrics *metrics

	mu     sync.RWMutex // held shared by every call, so that close waits
	closed bool
	filter *filter // of all keys; nil until it is filled for the first time
	next   *filter // is being filled, to take the place of filter

	filterLimit int64 // bytes
	filling     atomic.Bool
	fills       sync.WaitGroup
	stop        chan struct{} // closed when the fills are to end
}

func openSeen(dir string, memory int64, log *slog.Logger, m *metrics, fs vfs.FS) (*Seen, error) {
	// Half for the filter, half for blocks and what is not written yet, of which
	// Pebble takes the one off the other.
	cache := pebble.NewCache(memory / 2)
	weight := &ballast{path: dir + ".ballast"}
	table := min(max(uint64(memory/8), 1<<20), 64<<20)
	options := &pebble.Options{
		Cache:                       cache,
		FS:                          weight.guard(fs),
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      quiet{log},
		MemTableSize:                table,
		MemTableStopWritesThreshold: 2,
		L0CompactionThreshold:       16,
		L0StopWritesThreshold:       40,
		LBaseMaxBytes:               512 << 20,
		MaxOpenFiles:                500,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 }, // the machine has better to do
	}
	// Damage is an error of the call that meets it; the default ends the program.
	options.EventListener = &pebble.EventListener{DataCorruption: func(info pebble.DataCorruptionInfo) {
		log.Error("seen index is damaged", "detail", info.String())
	}}
	for i := range options.Levels[:len(options.Levels)-1] {
		// For those that were seen, nearly all of which are in the last level.
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	options.TargetFileSizes[0] = 8 << 20
	// Keys are random and values nearly: there is little to squeeze.
	options.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	db, err := pebble.Open(dir, options)
	if err != nil {
		cache.Unref()
		return nil, explainSeen(dir, err)
	}
	free := func() (uint64, error) {
		usage, err := fs.GetDiskUsage(dir)
		return usage.AvailBytes, err
	}
	s := &Seen{db: db, cache: cache, free: free, ballast: weight, dir: dir, log: log, metrics: m, filterLimit: memory * 2 / 5 / (8 * lineWords) * (8 * lineWords), stop: make(chan struct{})}
	usage, err := db.EstimateDiskUsage(make([]byte, seenKeySize), bytes.Repeat([]byte{0xff}, seenKeySize))
	if err != nil {
		return nil, errors.Join(explainSeen(dir, err), s.close())
	}
	s.startFill(filterSize(int64(usage/leastRow), s.filterLimit))
	return s, nil
}

// leastRow is the fewest bytes that an entry takes on disk.
const leastRow = seenKeySize + 24

// formKey is shorter than the key of any item.
const formKey = "form"

// contents are what the index is marked with, nil if it is not, and whether it has
// any entries.
func (s *Seen) contents() (mark []byte, filled bool, err error) {
	iter, err := s.db.NewIter(nil)
	if err != nil {
		return nil, false, explainSeen(s.dir, err)
	}
	defer func() {
		if e := iter.Close(); e != nil && err == nil {
			err = explainSeen(s.dir, e)
		}
	}()
	if iter.SeekGE([]byte(formKey)) && string(iter.Key()) == formKey {
		v := iter.Value()
		if len(v) < 2 || v[0] != form {
			return nil, false, outdated(s.dir)
		}
		mark = bytes.Clone(v[1:])
	}
	for ok := iter.First(); ok && !filled; ok = iter.Next() {
		filled = string(iter.Key()) != formKey
	}
	return mark, filled, nil
}

func (s *Seen) mark(id []byte) error {
	if err := s.room(); err != nil {
		return fmt.Errorf("mark seen index: %w", err)
	}
	if err := s.db.Set([]byte(formKey), append([]byte{form}, id...), pebble.Sync); err != nil {
		return fmt.Errorf("mark seen index: %w", err)
	}
	return nil
}

func explainSeen(dir string, err error) error {
	switch {
	case pebble.IsCorruptionError(err) || errors.Is(err, document.ErrMalformed):
		return &weir.Error{
			Code:    "state_damaged",
			Message: fmt.Sprintf("%s is damaged; stop the server and run `weir rebuild`, which sets it and state.db aside and makes both anew from the archive", dir),
			Err:     fmt.Errorf("%w (%w)", state.ErrDamaged, err),
		}
	case isLocked(err):
		return &weir.Error{
			Code:    "data_in_use",
			Message: fmt.Sprintf("%s is open in another process; stop it, or use another data directory", dir),
			Err:     err,
		}
	}
	return fmt.Errorf("seen index %s: %w", dir, err)
}

type numbered struct {
	key [seenKeySize]byte
	n   int
}

// sortedKeys hashes keys, drops those that the filter knows to be new, and sorts
// the others: neighbours share blocks.
func sortedKeys(keys []state.ItemKey, f *filter) []numbered {
	sorted := make([]numbered, 0, len(keys))
	for n, k := range keys {
		key := document.HashItem(k)
		if f == nil || f.mayHave(&key) {
			sorted = append(sorted, numbered{key, n})
		}
	}
	slices.SortFunc(sorted, func(a, b numbered) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.n, b.n))
	})
	return sorted
}

// Lookup fills entries in the order of the keys.
func (s *Seen) Lookup(ctx context.Context, keys []state.ItemKey) ([]state.Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	start := time.Now()
	entries := make([]state.Entry, len(keys))
	if err := s.lookup(ctx, sortedKeys(keys, s.filter), entries); err != nil {
		return nil, fmt.Errorf("look up seen items: %w", explainSeen(s.dir, err))
	}
	s.metrics.seenLookups.Observe(time.Since(start).Seconds())
	return entries, nil
}

// lookup walks one iterator over sorted keys.
func (s *Seen) lookup(ctx context.Context, sorted []numbered, entries []state.Entry) (err error) {
	iter, err := s.db.NewIterWithContext(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	for i, k := range sorted {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !iter.SeekPrefixGE(k.key[:]) {
			if err := iter.Error(); err != nil {
				return err
			}
			continue
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return err
		}
		if entries[k.n], err = document.ReadEntry(value); err != nil {
			return err
		}
	}
	return nil
}

// Put stores entries, durably when it returns. What they were before is as it was: no
// other process has the store.
func (s *Seen) Put(ctx context.Context, keys []state.ItemKey, _, entries []state.Entry) error {
	if len(keys) != len(entries) {
		return fmt.Errorf("put seen items: %d keys and %d entries", len(keys), len(entries))
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	if len(keys) == 0 {
		return nil
	}
	if err := errors.Join(ctx.Err(), s.room()); err != nil {
		return fmt.Errorf("put seen items: %w", err)
	}
	start := time.Now()
	batch := s.db.NewBatchWithSize(len(keys)*(seenKeySize+document.MaxEntry+4) + 64)
	defer batch.Close()
	var value []byte
	for _, k := range sortedKeys(keys, nil) { // neighbours are also neighbours in memory
		for _, f := range []*filter{s.filter, s.next} {
			if f != nil {
				f.add(&k.key)
			}
		}
		value = document.AppendEntry(value[:0], &entries[k.n])
		if err := batch.Set(k.key[:], value, nil); err != nil {
			return fmt.Errorf("put seen items: %w", err)
		}
	}
	if err := batch.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("put seen items: %w", err)
	}
	s.metrics.seenPuts.Observe(time.Since(start).Seconds())
	if s.filter != nil && s.filter.crowded() && s.filter.size() < s.filterLimit {
		s.startFill(filterSize(4*s.filter.keys.Load(), s.filterLimit))
	}
	return nil
}

// Claim implements state.Seen: no other process has the store.
func (s *Seen) Claim(context.Context, []state.Claim) ([]state.ItemKey, error) { return nil, nil }

// Release implements state.Seen.
func (s *Seen) Release(context.Context, map[int]uint64) error { return nil }

// room asks before a write, since Pebble ends the program when its log cannot
// be written.
func (s *Seen) room() error {
	free, err := s.free()
	if err != nil {
		return fmt.Errorf("ask for free disk: %w", err)
	}
	if free < seenRoom {
		return fmt.Errorf("%w: %d MiB left, %d MiB needed", state.ErrFull, free>>20, seenRoom>>20)
	}
	return s.ballast.load()
}

// check reads all of the index.
func (s *Seen) check() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	if err := s.db.CheckLevels(nil); err != nil {
		return explainSeen(s.dir, err)
	}
	return nil
}

func (s *Seen) close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	close(s.stop)
	s.fills.Wait()
	defer s.cache.Unref()
	return s.db.Close()
}

// quiet passes on what is wrong. What is only news is for debugging.
type quiet struct{ log *slog.Logger }

func (q quiet) Infof(format string, args ...any) {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		q.log.Debug("seen index", "message", fmt.Sprintf(format, args...))
	}
}

func (q quiet) Errorf(format string, args ...any) {
	q.log.Error("seen index", "message", fmt.Sprintf(format, args...))
}

// Fatalf must not return. The log of the index could not be written or synced:
// nobody knows what the disk has. Starting again reads it.
func (q quiet) Fatalf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	q.log.Error("seen index cannot go on", "message", message)
	panic("seen index: " + message)
}

// isLocked reports whether another process, or this one, has the index open.
func isLocked(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "lock held by current process")
}
