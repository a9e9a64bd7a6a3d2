// Package segment is the bytes that archive drivers share: frames one directly
// behind the other, the scanner that finds its way behind damage, and the index
// that says where the frames are. docs/format/archive.md describes them.
package segment

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

// Entry says where a frame is.
type Entry struct {
	At     weir.Position // of its first record
	When   weir.Micros   // appended to the queue
	Offset int64         // in bytes, in its segment
	Count  uint32        // records
	Size   uint32        // bytes, header and body
}

// EntryOf is the entry of the frame with that header.
func EntryOf(h frame.Header, offset int64) Entry {
	return Entry{
		At: weir.At(h.Partition, h.First), When: h.At, Offset: offset,
		Count: uint32(h.Count), Size: uint32(frame.HeaderSize + h.Size),
	}
}

// Last is the position of the last record.
func (e Entry) Last() weir.Position { return e.At + weir.Position(e.Count) - 1 }

// Span is the positions of one partition in a segment, from the first to the
// last; some between may be missing.
type Span struct{ First, Last weir.Position }

// Index is where the frames of a segment are, by position.
type Index struct{ Entries []Entry }

// NewIndex sorts a copy of the entries; of those with one position the first
// stays first.
func NewIndex(entries []Entry) *Index {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b Entry) int { return cmp.Compare(a.At, b.At) })
	return &Index{sorted}
}

// Cost is about what it takes of memory.
func (x *Index) Cost() int64 { return int64(len(x.Entries)) * entrySize }

// Find is the entry of the frame that holds the position.
func (x *Index) Find(at weir.Position) (Entry, bool) {
	i, exact := slices.BinarySearchFunc(x.Entries, at, func(e Entry, at weir.Position) int { return cmp.Compare(e.At, at) })
	if !exact {
		i--
	}
	if i < 0 || x.Entries[i].Last() < at {
		return Entry{}, false
	}
	return x.Entries[i], true
}

// Summary is what a reader needs to know of a segment before it opens it.
type Summary struct {
	Size    int64 // of the segment in bytes, without an index behind it
	Frames  int
	Oldest  weir.Micros
	Newest  weir.Micros
	Spans   []Span // by partition
	Damaged bool   // the segment had damage when the index was made
}

// Summarize is the summary of a segment of size bytes with these entries.
func Summarize(entries []Entry, size int64, damaged bool) Summary {
	s := Summary{Size: size, Frames: len(entries), Damaged: damaged}
	for i, e := range entries {
		s.Add(e, i == 0)
	}
	return s
}

// Add takes one more entry into times and spans; first says that it is the
// first one.
func (s *Summary) Add(e Entry, first bool) {
	if first || e.When < s.Oldest {
		s.Oldest = e.When
	}
	if first || e.When > s.Newest {
		s.Newest = e.When
	}
	i, ok := s.Span(e.At.Partition())
	if !ok {
		s.Spans = slices.Insert(s.Spans, i, Span{e.At, e.Last()})
		return
	}
	s.Spans[i].First = min(s.Spans[i].First, e.At)
	s.Spans[i].Last = max(s.Spans[i].Last, e.Last())
}

// Span is where the span of a partition is in Spans, or would be.
func (s *Summary) Span(partition int) (int, bool) {
	return slices.BinarySearchFunc(s.Spans, partition, func(s Span, p int) int { return cmp.Compare(s.First.Partition(), p) })
}

// The bytes of an index: summary with checksum, then entries with checksum.
const (
	// Magic is how an index begins.
	Magic = "\xf5wex"

	indexVersion = 1
	indexFixed   = 4 + 1 + 1 + 2 + 8 + 4 + 4 + 8 + 8 // up to the spans
	spanSize     = 16
	entrySize    = 32
	damagedFlag  = 1
)

// Encode is the bytes of the index of a segment whose summary is s.
func (x *Index) Encode(s Summary) []byte {
	b := make([]byte, 0, indexFixed+len(s.Spans)*spanSize+len(x.Entries)*entrySize+8)
	var flags byte
	if s.Damaged {
		flags = damagedFlag
	}
	b = append(b, Magic...)
	b = append(b, indexVersion, flags, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Size))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(x.Entries)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.Spans)))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Oldest))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Newest))
	for _, sp := range s.Spans {
		b = binary.LittleEndian.AppendUint64(b, uint64(sp.First))
		b = binary.LittleEndian.AppendUint64(b, uint64(sp.Last))
	}
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	start := len(b)
	for _, e := range x.Entries {
		b = binary.LittleEndian.AppendUint64(b, uint64(e.At))
		b = binary.LittleEndian.AppendUint64(b, uint64(e.When))
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Offset))
		b = binary.LittleEndian.AppendUint32(b, e.Count)
		b = binary.LittleEndian.AppendUint32(b, e.Size)
	}
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// ErrIndex is wrapped if the bytes are not those of a whole index.
var ErrIndex = errors.New("index is damaged")

// ReadSummary reads the beginning of an index.
func ReadSummary(r io.ReaderAt) (Summary, error) {
	fixed := make([]byte, indexFixed)
	if _, err := r.ReadAt(fixed, 0); err != nil {
		return Summary{}, fmt.Errorf("%w: %w", ErrIndex, err)
	}
	spans := int64(binary.LittleEndian.Uint32(fixed[20:]))
	if string(fixed[:4]) != Magic || fixed[4] != indexVersion || spans > weir.MaxPartitions {
		return Summary{}, ErrIndex
	}
	b := make([]byte, indexFixed+spans*spanSize+4)
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return Summary{}, fmt.Errorf("%w: %w", ErrIndex, err)
	}
	body := b[:len(b)-4]
	if checksum(body) != binary.LittleEndian.Uint32(b[len(body):]) {
		return Summary{}, ErrIndex
	}
	s := Summary{
		Damaged: body[5]&damagedFlag != 0,
		Size:    int64(binary.LittleEndian.Uint64(body[8:])),
		Frames:  int(binary.LittleEndian.Uint32(body[16:])),
		Oldest:  weir.Micros(binary.LittleEndian.Uint64(body[24:])),
		Newest:  weir.Micros(binary.LittleEndian.Uint64(body[32:])),
		Spans:   make([]Span, spans),
	}
	for i := range s.Spans {
		at := body[indexFixed+i*spanSize:]
		s.Spans[i] = Span{weir.Position(binary.LittleEndian.Uint64(at)), weir.Position(binary.LittleEndian.Uint64(at[8:]))}
	}
	return s, nil
}

// ReadIndex reads the entries of an index whose summary is s.
func ReadIndex(r io.ReaderAt, s Summary) (*Index, error) {
	b := make([]byte, s.Frames*entrySize+4)
	if _, err := r.ReadAt(b, int64(indexFixed+len(s.Spans)*spanSize+4)); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrIndex, err)
	}
	body := b[:len(b)-4]
	if checksum(body) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, ErrIndex
	}
	x := &Index{make([]Entry, s.Frames)}
	for i := range x.Entries {
		at := body[i*entrySize:]
		x.Entries[i] = Entry{
			At:     weir.Position(binary.LittleEndian.Uint64(at)),
			When:   weir.Micros(binary.LittleEndian.Uint64(at[8:])),
			Offset: int64(binary.LittleEndian.Uint64(at[16:])),
			Count:  binary.LittleEndian.Uint32(at[24:]),
			Size:   binary.LittleEndian.Uint32(at[28:]),
		}
		if e := x.Entries[i]; e.Offset < 0 || e.Size < frame.HeaderSize || e.Offset+int64(e.Size) > s.Size {
			return nil, ErrIndex
		}
	}
	return x, nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
