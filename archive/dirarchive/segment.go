package dirarchive

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/internal/segment"
	"github.com/weirhq/weir/frame"
)

// segmentFile is a segment and where it is. Archive.mu guards all that can change.
type segmentFile struct {
	number int
	path   string
	segment.Summary
	missing int64 // bytes that the index knows and the file has no more
	// live holds the entries by partition, in order, while there is no index
	// file; nil once there is.
	live map[int][]segment.Entry
}

// active is the end of the archive, where Append writes. Archive.writing guards
// it.
type active struct {
	number  int            // of the last segment, 0 before the first
	file    *os.File       // nil if the next Append begins a segment
	segment *segmentFile   // that file is
	last    map[int]uint64 // the last sequence number held, by partition
	broken  error          // a write or fsync failed; nothing behind segment.Size counts
}

func (w *active) close() error {
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return err
}

var segmentName = regexp.MustCompile(`^(\d{10})\.frames$`)

// openSegments takes stock of the directory.
func (a *Archive) openSegments() error {
	a.active = &active{last: map[int]uint64{}}
	a.byPartition = map[int][]*segmentFile{}
	files, err := os.ReadDir(a.dir)
	if err != nil {
		return fmt.Errorf("list segments: %w", err)
	}
	var numbers []int
	for _, f := range files {
		if m := segmentName.FindStringSubmatch(f.Name()); m != nil {
			number, err := strconv.Atoi(m[1])
			if err != nil {
				return fmt.Errorf("list segments: %w", err)
			}
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	for i, number := range numbers {
		if err := a.openSegment(number, i == len(numbers)-1); err != nil {
			return fmt.Errorf("open segment %d: %w", number, err)
		}
	}
	return nil
}

func (a *Archive) openSegment(number int, last bool) error {
	s := &segmentFile{number: number, path: segmentPath(a.dir, number)}
	a.active.number = number
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	known, err := a.loadSummary(number)
	switch {
	case err == nil && known.Size >= info.Size():
		s.Summary, s.missing = known, known.Size-info.Size()
		s.Size = info.Size()
		if s.missing > 0 {
			a.opts.Logger.Error("archive segment is shorter than its index says", "segment", s.path, "missing_bytes", s.missing)
		}
		a.publish(s)
		return nil
	case err == nil:
		err = fmt.Errorf("segment has grown behind its index: %w", segment.ErrIndex)
	case !errors.Is(err, segment.ErrIndex) && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if errors.Is(err, segment.ErrIndex) {
		a.opts.Logger.Error("archive index is damaged, making it anew", "segment", s.path, "error", err)
	}
	if last && errors.Is(err, fs.ErrNotExist) {
		return a.openActive(s, info.Size())
	}
	if _, err := a.reindex(s, info.Size()); err != nil {
		return err
	}
	a.publish(s)
	return nil
}

// openActive opens the segment that was growing and cuts off what a crash left
// behind the last whole frame.
func (a *Archive) openActive(s *segmentFile, size int64) error {
	file, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	entries, end, damaged, err := scanEntries(file, s.path, size)
	if err == nil && end < size {
		err = a.cut(file, s, end, size)
	}
	if err == nil {
		err = a.sync(file)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	entries = slices.DeleteFunc(entries, func(e segment.Entry) bool { return e.Offset >= end })
	s.Summary = segment.Summarize(entries, end, damaged)
	s.live = byPartition(entries)
	a.active.file, a.active.segment = file, s
	a.publish(s)
	if s.Size >= a.opts.SegmentSize {
		a.finish()
	}
	return nil
}

// scanEntries reads a segment from end to end. end is behind the last whole
// frame, and damaged says whether anything before that is not. The entries are
// of all frames whose header is whole.
func scanEntries(file io.ReaderAt, name string, size int64) (entries []segment.Entry, end int64, damaged bool, err error) {
	scan := segment.NewScanner(file, name, size)
	pending := false
	for scan.Next() {
		if scan.Damage != nil {
			pending = true
			if scan.Known && scan.Offset+int64(frame.HeaderSize+scan.Header.Size) <= size {
				entries = append(entries, segment.EntryOf(scan.Header, scan.Offset))
			}
			continue
		}
		entries = append(entries, segment.EntryOf(scan.Header, scan.Offset))
		end, damaged = scan.End(), damaged || pending
	}
	return entries, end, damaged, scan.Err
}

// cut removes the bytes from end on and keeps them in quarantine: they are of
// an Append that was not answered, or else damaged and to be looked at.
func (a *Archive) cut(file *os.File, s *segmentFile, end, size int64) error {
	tail := make([]byte, size-end)
	if _, err := file.ReadAt(tail, end); err != nil {
		return fmt.Errorf("read torn end: %w", err)
	}
	quarantine := filepath.Join(a.dir, "quarantine")
	if err := os.MkdirAll(quarantine, 0o750); err != nil {
		return fmt.Errorf("make quarantine: %w", err)
	}
	kept := filepath.Join(quarantine, fmt.Sprintf("%010d-%d-%s.tail", s.number, end, a.opts.Now().UTC().Format("20060102T150405.000Z")))
	if err := writeFile(kept, tail); err != nil {
		return fmt.Errorf("keep torn end: %w", err)
	}
	if err := errors.Join(syncDir(quarantine), syncDir(a.dir)); err != nil {
		return err
	}
	if err := file.Truncate(end); err != nil {
		return fmt.Errorf("cut torn end: %w", err)
	}
	if err := a.sync(file); err != nil {
		return fmt.Errorf("cut torn end: %w", err)
	}
	a.opts.Logger.Warn("cut the torn end of an archive segment", "segment", s.path, "offset", end, "bytes", size-end, "kept_as", kept)
	return nil
}

// reindex scans a finished segment and writes its index.
func (a *Archive) reindex(s *segmentFile, size int64) (*segment.Index, error) {
	file, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	entries, end, damaged, err := scanEntries(file, s.path, size)
	if err != nil {
		return nil, err
	}
	x, made := segment.NewIndex(entries), segment.Summarize(entries, size, damaged || end < size)
	if err := writeFile(indexPath(a.dir, s.number), x.Encode(made)); err != nil {
		return nil, fmt.Errorf("write index: %w", err)
	}
	a.mu.Lock()
	s.Summary = made
	a.mu.Unlock()
	return x, syncDir(a.dir)
}

func (a *Archive) loadSummary(number int) (segment.Summary, error) {
	file, err := os.Open(indexPath(a.dir, number))
	if err != nil {
		return segment.Summary{}, err
	}
	defer file.Close()
	return segment.ReadSummary(file)
}

// publish makes a segment known to readers.
func (a *Archive) publish(s *segmentFile) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.segments = append(a.segments, s)
	for _, sp := range s.Spans {
		p := sp.First.Partition()
		a.byPartition[p] = append(a.byPartition[p], s)
		a.active.last[p] = max(a.active.last[p], sp.Last.Seq())
	}
}

// write makes data durable and then visible. The entries' offsets are within
// data.
func (a *Archive) write(data []byte, entries []segment.Entry) error {
	w := a.active
	if err := a.ready(); err != nil {
		return err
	}
	a.mu.RLock()
	end := w.segment.Size
	a.mu.RUnlock()
	if _, err := w.file.WriteAt(data, end); err != nil {
		return fmt.Errorf("write frames: %w", a.failed(err))
	}
	if err := a.sync(w.file); err != nil {
		return fmt.Errorf("sync frames: %w", a.failed(err))
	}
	a.grow(end, int64(len(data)), entries)
	if end+int64(len(data)) >= a.opts.SegmentSize {
		a.finish()
	}
	return nil
}

func (a *Archive) grow(end, size int64, entries []segment.Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.active.segment
	spans := slices.Clone(s.Spans) // Replay may hold the old ones
	s.Spans = spans
	for _, e := range entries {
		e.Offset += end
		p := e.At.Partition()
		if len(s.live[p]) == 0 {
			a.byPartition[p] = append(a.byPartition[p], s)
		}
		s.live[p] = append(s.live[p], e)
		s.Add(e, s.Frames == 0)
		s.Frames++
		a.active.last[p] = max(a.active.last[p], e.Last().Seq())
	}
	s.Size = end + size
}

// failed takes note of a failed write or fsync. An fsync is not tried again: the
// kernel may have dropped what it could not write and call the next try a
// success. Instead the bytes are cut off, at once if possible, so that no later
// start takes them for durable.
func (a *Archive) failed(err error) error {
	a.active.broken = err
	if restore := a.restore(); restore != nil {
		return errors.Join(err, fmt.Errorf("restore segment: %w", restore))
	}
	a.active.broken = nil
	return err
}

// ready makes sure that there is a file to write to, whose end is where it
// should be.
func (a *Archive) ready() error {
	w := a.active
	if w.broken != nil {
		if err := a.restore(); err != nil {
			return fmt.Errorf("restore segment after %w: %w", w.broken, err)
		}
		w.broken = nil
	}
	if w.file != nil {
		return nil
	}
	s := &segmentFile{number: w.number + 1, path: segmentPath(a.dir, w.number+1), live: map[int][]segment.Entry{}}
	file, err := os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640)
	if err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	if err := syncDir(a.dir); err != nil {
		return errors.Join(fmt.Errorf("begin segment: %w", err), file.Close(), os.Remove(s.path))
	}
	w.number, w.file, w.segment = s.number, file, s
	a.publish(s)
	return nil
}

// restore opens the file anew and cuts off what was not made durable, so that
// nothing stands in it whose fate is unknown.
func (a *Archive) restore() error {
	w := a.active
	if err := w.close(); err != nil {
		a.opts.Logger.Warn("broken archive segment did not close cleanly", "segment", w.segment.path, "error", err)
	}
	file, err := os.OpenFile(w.segment.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	a.mu.RLock()
	size := w.segment.Size
	a.mu.RUnlock()
	if err = file.Truncate(size); err == nil {
		err = a.sync(file)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	w.file = file
	return nil
}

// finish ends the growing segment and writes its index. Without an index, as
// when the disk is full, the segment is as good; its entries stay in memory.
func (a *Archive) finish() {
	w, s := a.active, a.active.segment
	if err := w.close(); err != nil {
		a.opts.Logger.Warn("archive segment did not close cleanly", "segment", s.path, "error", err)
	}
	w.segment = nil
	var entries []segment.Entry
	for _, of := range s.live {
		entries = append(entries, of...)
	}
	if err := errors.Join(writeFile(indexPath(a.dir, s.number), segment.NewIndex(entries).Encode(s.Summary)), syncDir(a.dir)); err != nil {
		a.opts.Logger.Warn("archive index could not be written; the next start makes it", "segment", s.path, "error", err)
		return
	}
	a.mu.Lock()
	s.live = nil
	a.mu.Unlock()
}

func byPartition(entries []segment.Entry) map[int][]segment.Entry {
	of := map[int][]segment.Entry{}
	for _, e := range segment.NewIndex(entries).Entries {
		of[e.At.Partition()] = append(of[e.At.Partition()], e)
	}
	return of
}

// find is the segment and the entry of the frame that holds a position.
func (a *Archive) find(at weir.Position) (*segmentFile, segment.Entry, error) {
	s, e, ok := a.findLive(at)
	if s == nil {
		return nil, segment.Entry{}, archive.ErrNotFound
	}
	if ok {
		return s, e, nil
	}
	x, err := a.index(s)
	if err != nil {
		return nil, segment.Entry{}, err
	}
	if e, ok := x.Find(at); ok {
		return s, e, nil
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if s.Damaged {
		return nil, segment.Entry{}, fmt.Errorf("%s has damaged places: %w", s.path, frame.ErrCorrupt)
	}
	return nil, segment.Entry{}, archive.ErrNotFound
}

// findLive finds the segment, and the entry too if it is in memory.
func (a *Archive) findLive(at weir.Position) (*segmentFile, segment.Entry, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	of := a.byPartition[at.Partition()]
	i, exact := slices.BinarySearchFunc(of, at, func(s *segmentFile, at weir.Position) int {
		n, _ := s.Span(at.Partition())
		return cmp.Compare(s.Spans[n].First, at)
	})
	if !exact {
		i--
	}
	if i < 0 {
		return nil, segment.Entry{}, false
	}
	s := of[i]
	if n, _ := s.Span(at.Partition()); s.Spans[n].Last < at {
		return nil, segment.Entry{}, false
	}
	if s.live == nil {
		return s, segment.Entry{}, false
	}
	e, ok := (&segment.Index{Entries: s.live[at.Partition()]}).Find(at)
	if !ok && !s.Damaged {
		return nil, segment.Entry{}, false
	}
	return s, e, ok
}

// index is the index of a finished segment, made anew if it is damaged.
func (a *Archive) index(s *segmentFile) (*segment.Index, error) {
	if x, ok := a.indexes.Get(s.number); ok {
		return x, nil
	}
	a.mu.RLock()
	live, known := s.live != nil, s.Summary
	a.mu.RUnlock()
	if live {
		return &segment.Index{}, nil // the entry would have been found in memory
	}
	x, err := a.loadIndex(s, known)
	if err != nil {
		a.opts.Logger.Error("archive index is damaged, making it anew", "segment", s.path, "error", err)
		if x, err = a.reindex(s, known.Size); err != nil {
			return nil, fmt.Errorf("make index of %s: %w", s.path, err)
		}
	}
	a.indexes.Put(s.number, x)
	return x, nil
}

func (a *Archive) loadIndex(s *segmentFile, known segment.Summary) (*segment.Index, error) {
	file, err := os.Open(indexPath(a.dir, s.number))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	known.Size += s.missing
	return segment.ReadIndex(file, known)
}
