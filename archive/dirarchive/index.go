package dirarchive

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

// entry says where a frame is.
type entry struct {
	at     weir.Position // of its first record
	when   weir.Micros
	offset int64
	count  uint32
	size   uint32 // header and body
}

func entryOf(h frame.Header, offset int64) entry {
	return entry{
		at: weir.At(h.Partition, h.First), when: h.At, offset: offset,
		count: uint32(h.Count), size: uint32(frame.HeaderSize + h.Size),
	}
}

func (e entry) last() weir.Position { return e.at + weir.Position(e.count) - 1 }

// span is the positions of one partition in a segment, from the first to the
// last; some between may be missing.
type span struct{ first, last weir.Position }

// index is where the frames of a segment are, by position.
type index struct{ entries []entry }

func newIndex(entries []entry) *index {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	return &index{sorted}
}

func (x *index) cost() int64 { return int64(len(x.entries)) * entrySize }

// find is the entry of the frame that holds the position.
func (x *index) find(at weir.Position) (entry, bool) {
	i, exact := slices.BinarySearchFunc(x.entries, at, func(e entry, at weir.Position) int { return cmp.Compare(e.at, at) })
	if !exact {
		i--
	}
	if i < 0 || x.entries[i].last() < at {
		return entry{}, false
	}
	return x.entries[i], true
}

// summary is what is kept in memory of every segment.
type summary struct {
	size    int64 // of the segment
	frames  int
	oldest  weir.Micros
	newest  weir.Micros
	spans   []span // by partition
	damaged bool   // the segment had damage when the index was made
}

func summarize(entries []entry, size int64, damaged bool) summary {
	s := summary{size: size, frames: len(entries), damaged: damaged}
	for i, e := range entries {
		s.add(e, i == 0)
	}
	return s
}

func (s *summary) add(e entry, first bool) {
	if first || e.when < s.oldest {
		s.oldest = e.when
	}
	if first || e.when > s.newest {
		s.newest = e.when
	}
	i, ok := s.span(e.at.Partition())
	if !ok {
		s.spans = slices.Insert(s.spans, i, span{e.at, e.last()})
		return
	}
	s.spans[i].first = min(s.spans[i].first, e.at)
	s.spans[i].last = max(s.spans[i].last, e.last())
}

func (s *summary) span(partition int) (int, bool) {
	return slices.BinarySearchFunc(s.spans, partition, func(s span, p int) int { return cmp.Compare(s.first.Partition(), p) })
}

// The index file: summary with checksum, then entries with checksum.
const (
	indexMagic   = "\xf5wex"
	indexVersion = 1
	indexFixed   = 4 + 1 + 1 + 2 + 8 + 4 + 4 + 8 + 8 // up to the spans
	spanSize     = 16
	entrySize    = 32
	damagedFlag  = 1
)

func (x *index) encode(s summary) []byte {
	b := make([]byte, 0, indexFixed+len(s.spans)*spanSize+len(x.entries)*entrySize+8)
	var flags byte
	if s.damaged {
		flags = damagedFlag
	}
	b = append(b, indexMagic...)
	b = append(b, indexVersion, flags, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.size))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(x.entries)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.spans)))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.oldest))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.newest))
	for _, sp := range s.spans {
		b = binary.LittleEndian.AppendUint64(b, uint64(sp.first))
		b = binary.LittleEndian.AppendUint64(b, uint64(sp.last))
	}
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	start := len(b)
	for _, e := range x.entries {
		b = binary.LittleEndian.AppendUint64(b, uint64(e.at))
		b = binary.LittleEndian.AppendUint64(b, uint64(e.when))
		b = binary.LittleEndian.AppendUint64(b, uint64(e.offset))
		b = binary.LittleEndian.AppendUint32(b, e.count)
		b = binary.LittleEndian.AppendUint32(b, e.size)
	}
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

var errIndex = errors.New("index is damaged")

// readSummary reads the beginning of an index file.
func readSummary(r io.ReaderAt) (summary, error) {
	fixed := make([]byte, indexFixed)
	if _, err := r.ReadAt(fixed, 0); err != nil {
		return summary{}, fmt.Errorf("%w: %w", errIndex, err)
	}
	spans := int64(binary.LittleEndian.Uint32(fixed[20:]))
	if string(fixed[:4]) != indexMagic || fixed[4] != indexVersion || spans > weir.MaxPartitions {
		return summary{}, errIndex
	}
	b := make([]byte, indexFixed+spans*spanSize+4)
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return summary{}, fmt.Errorf("%w: %w", errIndex, err)
	}
	body := b[:len(b)-4]
	if checksum(body) != binary.LittleEndian.Uint32(b[len(body):]) {
		return summary{}, errIndex
	}
	s := summary{
		damaged: body[5]&damagedFlag != 0,
		size:    int64(binary.LittleEndian.Uint64(body[8:])),
		frames:  int(binary.LittleEndian.Uint32(body[16:])),
		oldest:  weir.Micros(binary.LittleEndian.Uint64(body[24:])),
		newest:  weir.Micros(binary.LittleEndian.Uint64(body[32:])),
		spans:   make([]span, spans),
	}
	for i := range s.spans {
		at := body[indexFixed+i*spanSize:]
		s.spans[i] = span{weir.Position(binary.LittleEndian.Uint64(at)), weir.Position(binary.LittleEndian.Uint64(at[8:]))}
	}
	return s, nil
}

// readIndex reads the entries of an index file whose summary is s.
func readIndex(r io.ReaderAt, s summary) (*index, error) {
	b := make([]byte, s.frames*entrySize+4)
	if _, err := r.ReadAt(b, int64(indexFixed+len(s.spans)*spanSize+4)); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", errIndex, err)
	}
	body := b[:len(b)-4]
	if checksum(body) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, errIndex
	}
	x := &index{make([]entry, s.frames)}
	for i := range x.entries {
		at := body[i*entrySize:]
		x.entries[i] = entry{
			at:     weir.Position(binary.LittleEndian.Uint64(at)),
			when:   weir.Micros(binary.LittleEndian.Uint64(at[8:])),
			offset: int64(binary.LittleEndian.Uint64(at[16:])),
			count:  binary.LittleEndian.Uint32(at[24:]),
			size:   binary.LittleEndian.Uint32(at[28:]),
		}
		if e := x.entries[i]; e.offset < 0 || e.size < frame.HeaderSize || e.offset+int64(e.size) > s.size {
			return nil, errIndex
		}
	}
	return x, nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// writeFile writes a file that is either whole under its name or not there.
func writeFile(name string, data []byte) error {
	temporary := name + ".new"
	f, err := os.Create(temporary)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return os.Rename(temporary, name)
}
