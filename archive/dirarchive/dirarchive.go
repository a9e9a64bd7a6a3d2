// Package dirarchive keeps the archive as files in a directory.
//
// Segments (0000000001.frames, …) hold frames of all partitions one behind the
// other and nothing else. Only the last one grows; once it has reached its size
// it is never touched again, and an index beside it (0000000001.index) tells
// where its frames are. An index is only ever a help: it is made from the
// segment, and made again if it is missing or damaged.
// docs/format/archive.md describes the bytes.
package dirarchive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/internal/lru"
	"github.com/weirhq/weir/archive/internal/segment"
	"github.com/weirhq/weir/frame"
)

// Options of an archive; nil or zero fields mean the defaults.
type Options struct {
	// SegmentSize is the size in bytes at which a segment is finished. It may be
	// exceeded by the frames of one Append. 0 means 128 MB.
	SegmentSize int64
	// CacheBytes bounds the memory for decoded frames and for indexes, each.
	// 0 means 32 MB.
	CacheBytes int64
	// Now names what is put into quarantine. nil means time.Now.
	Now func() time.Time
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.SegmentSize <= 0 {
		opts.SegmentSize = 128 << 20
	}
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = 32 << 20
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return opts
}

var _ archive.Archive = (*Archive)(nil)

// Archive is an archive.Archive in a directory. One process opens it at a time.
type Archive struct {
	dir     string
	opts    Options
	metrics *metrics
	unlock  func()
	sync    func(*os.File) error // (*os.File).Sync but in tests of its failure

	// writing is held by Append; it nests outside mu.
	writing sync.Mutex
	active  *active

	// mu guards what readers see, the contents of the segments included: what
	// is durable, and nothing else.
	mu          sync.RWMutex
	segments    []*segmentFile         // oldest first; only the last one grows
	byPartition map[int][]*segmentFile // those that hold frames of the partition
	closed      bool
	running     sync.WaitGroup // readers, for Close

	frames  *lru.Cache[weir.Position, *frame.Frame]
	indexes *lru.Cache[int, *segment.Index]
}

// Open opens the archive in dir and makes it first if it is missing. A torn end
// of the last segment, as a crash leaves it, is cut off and kept in quarantine/.
func Open(dir string, options *Options) (*Archive, error) {
	a := &Archive{dir: dir, opts: options.withDefaults(), sync: (*os.File).Sync}
	a.frames = lru.New[weir.Position](a.opts.CacheBytes, lru.FrameCost)
	a.indexes = lru.New[int](a.opts.CacheBytes, (*segment.Index).Cost)
	var err error
	if a.unlock, err = lockDir(dir); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	if err := a.openSegments(); err != nil {
		a.unlock()
		return nil, fmt.Errorf("open archive: %w", err)
	}
	if a.metrics, err = newMetrics(a.opts.Registerer); err != nil {
		a.unlock()
		return nil, errors.Join(fmt.Errorf("open archive: %w", err), a.active.close())
	}
	return a, nil
}

// enter counts a reader in; the caller calls a.running.Done.
func (a *Archive) enter() ([]*segmentFile, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.closed {
		return nil, archive.ErrClosed
	}
	a.running.Add(1)
	return a.segments, nil
}

// Close waits for running calls.
func (a *Archive) Close() error {
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.Lock()
	already := a.closed
	a.closed = true
	a.mu.Unlock()
	if already {
		return nil
	}
	a.running.Wait()
	err := a.active.close()
	a.metrics.unregister(a.opts.Registerer)
	a.unlock()
	if err != nil {
		return fmt.Errorf("close archive: %w", err)
	}
	return nil
}

// Append writes the frames that are new with one write and one fsync.
func (a *Archive) Append(ctx context.Context, frames []frame.Sealed) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to archive: %w", err)
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.RLock()
	closed := a.closed
	a.mu.RUnlock()
	if closed {
		return fmt.Errorf("append to archive: %w", archive.ErrClosed)
	}
	data, entries, err := a.fresh(frames)
	if err != nil {
		return fmt.Errorf("append to archive: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	began := time.Now()
	if err := a.write(data, entries); err != nil {
		return fmt.Errorf("append to archive: %w", err)
	}
	a.metrics.appendSeconds.Observe(time.Since(began).Seconds())
	a.metrics.frames.Add(float64(len(entries)))
	a.metrics.bytes.Add(float64(len(data)))
	return nil
}

// fresh joins the frames that the archive does not hold.
func (a *Archive) fresh(frames []frame.Sealed) (data []byte, entries []segment.Entry, err error) {
	size := 0
	for _, f := range frames {
		size += len(f)
	}
	data = make([]byte, 0, size)
	last := map[int]uint64{}
	for i, f := range frames {
		if err := frame.Verify(f); err != nil {
			return nil, nil, fmt.Errorf("frame %d: %w", i, err)
		}
		h, err := frame.ReadHeader(f)
		if err != nil {
			return nil, nil, fmt.Errorf("frame %d: %w", i, err)
		}
		held, seen := last[h.Partition]
		if !seen {
			held = a.active.last[h.Partition]
		}
		if h.Last() <= held {
			continue
		}
		last[h.Partition] = h.Last()
		entries = append(entries, segment.EntryOf(h, int64(len(data))))
		data = append(data, f...)
	}
	return data, entries, nil
}

// Read finds the segment and the frame by binary search.
func (a *Archive) Read(ctx context.Context, at weir.Position) (weir.Record, error) {
	record, err := a.read(ctx, at)
	if err != nil {
		return weir.Record{}, fmt.Errorf("read %s from archive: %w", at, err)
	}
	return record, nil
}

func (a *Archive) read(ctx context.Context, at weir.Position) (weir.Record, error) {
	if err := ctx.Err(); err != nil {
		return weir.Record{}, err
	}
	if _, err := a.enter(); err != nil {
		return weir.Record{}, err
	}
	defer a.running.Done()
	s, e, err := a.find(at)
	if err != nil {
		return weir.Record{}, err
	}
	f, err := a.frame(s, e)
	if err != nil {
		return weir.Record{}, err
	}
	record := f.Records[at.Seq()-f.First]
	record.Raw = append([]byte(nil), record.Raw...)
	return record, nil
}

// frame reads and decodes the frame of an entry.
func (a *Archive) frame(s *segmentFile, e segment.Entry) (*frame.Frame, error) {
	if f, ok := a.frames.Get(e.At); ok {
		return f, nil
	}
	data := make([]byte, e.Size)
	file, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.ReadAt(data, e.Offset); err != nil {
		return nil, fmt.Errorf("%s, offset %d: %w: %w", s.path, e.Offset, err, frame.ErrCorrupt)
	}
	f, err := frame.Decode(data)
	if err != nil {
		a.metrics.damaged.Inc()
		return nil, fmt.Errorf("%s, offset %d: %w", s.path, e.Offset, err)
	}
	if f.Position(0) != e.At || f.Count != int(e.Count) {
		return nil, fmt.Errorf("%s, offset %d: holds %s, not %s: %w", s.path, e.Offset, f.Position(0), e.At, frame.ErrCorrupt)
	}
	a.frames.Put(e.At, f)
	return f, nil
}

// Replay reads the segments from end to end.
func (a *Archive) Replay(ctx context.Context, from, to weir.Micros, fn func(frame.Sealed, error) error) error {
	segments, err := a.enter()
	if err != nil {
		return fmt.Errorf("replay archive: %w", err)
	}
	defer a.running.Done()
	for _, s := range segments {
		a.mu.RLock()
		known := s.Summary
		a.mu.RUnlock()
		if from != 0 && known.Newest < from || to != 0 && known.Oldest >= to {
			continue
		}
		if err := a.replay(ctx, s, known.Size, from, to, fn); err != nil {
			return fmt.Errorf("replay archive: %w", err)
		}
	}
	return nil
}

func (a *Archive) replay(ctx context.Context, s *segmentFile, size int64, from, to weir.Micros, fn func(frame.Sealed, error) error) error {
	file, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	scan := segment.NewScanner(file, s.path, size)
	for scan.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if scan.Damage == nil || scan.Known {
			if at := scan.Header.At; from != 0 && at < from || to != 0 && at >= to {
				continue
			}
		}
		if scan.Damage != nil {
			a.metrics.damaged.Inc()
		}
		if err := fn(scan.Frame, scan.Damage); err != nil {
			return err
		}
	}
	if scan.Err != nil || s.missing == 0 {
		return scan.Err
	}
	return fn(nil, fmt.Errorf("%s, bytes %d to %d: cut off: %w", s.path, size, size+s.missing-1, frame.ErrCorrupt))
}

func segmentPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%010d.frames", number))
}

func indexPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%010d.index", number))
}
