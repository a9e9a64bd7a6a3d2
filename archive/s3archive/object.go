package s3archive

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path"
	"regexp"
	"strconv"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive/internal/segment"
	"github.com/weirhq/weir/frame"
)

// place is what a listing tells of an object.
type place struct {
	key            string // without Options.Prefix
	size           int64
	modified       time.Time // by the clock of the store; zero if it was not listed
	frames         int
	oldest, newest weir.Micros
	sum            string // the beginning of the content's SHA-256
	partition      int    // of a run; -1 for a batch
	first, last    uint64 // of a run: sequence numbers
}

func (p place) timed(from, to weir.Micros) bool {
	return (from == 0 || p.newest >= from) && (to == 0 || p.oldest < to)
}

const (
	batchFolder = "batches/"
	runFolder   = "runs/"
	sumSize     = 16 // hexadecimal digits in a key
)

func runPrefix(partition int) string { return fmt.Sprintf("%s%05d/", runFolder, partition) }

// runsFrom sorts before the keys of all runs whose last sequence number is at
// least seq, and behind all others.
func runsFrom(partition int, seq uint64) string {
	return fmt.Sprintf("%s%012x", runPrefix(partition), seq)
}

// batchPlace names a batch. Batches sort about as they were appended.
func batchPlace(data []byte, x *segment.Index) place {
	p := placeOf(data, x)
	p.partition = -1
	p.key = fmt.Sprintf("%s%016x-%016x-%x-%s", batchFolder, uint64(p.oldest), uint64(p.newest), p.frames, p.sum)
	return p
}

// runPlace names a run. Runs of a partition sort by their last record, so that
// the run that holds a position is the first one that does not end before it.
func runPlace(data []byte, x *segment.Index) place {
	p := placeOf(data, x)
	first, last := x.Entries[0], x.Entries[0].Last()
	for _, e := range x.Entries {
		last = max(last, e.Last())
	}
	p.partition, p.first, p.last = first.At.Partition(), first.At.Seq(), last.Seq()
	p.key = fmt.Sprintf("%s-%012x-%016x-%016x-%x-%s", runsFrom(p.partition, p.last), p.first, uint64(p.oldest), uint64(p.newest), p.frames, p.sum)
	return p
}

func placeOf(data []byte, x *segment.Index) place {
	s := segment.Summarize(x.Entries, 0, false)
	return place{size: int64(len(data)), frames: len(x.Entries), oldest: s.Oldest, newest: s.Newest, sum: sumOf(data)}
}

func sumOf(data []byte) string { return shaOf(data)[:sumSize] }

var (
	batchName = regexp.MustCompile(`^batches/([0-9a-f]{16})-([0-9a-f]{16})-([0-9a-f]+)-([0-9a-f]{16})$`)
	runName   = regexp.MustCompile(`^runs/([0-9]{5})/([0-9a-f]{12})-([0-9a-f]{12})-([0-9a-f]{16})-([0-9a-f]{16})-([0-9a-f]+)-([0-9a-f]{16})$`)
)

// parseKey reads the name of an object; false if it is none of the archive's.
func parseKey(key string, size int64) (place, bool) {
	p := place{key: key, size: size, partition: -1}
	m := batchName.FindStringSubmatch(key)
	if m == nil {
		if m = runName.FindStringSubmatch(key); m == nil {
			return place{}, false
		}
		partition, err := strconv.Atoi(m[1])
		if err != nil || partition >= weir.MaxPartitions {
			return place{}, false
		}
		p.partition, p.last, p.first = partition, number(m[2]), number(m[3])
		m = m[3:]
	}
	p.oldest, p.newest, p.frames, p.sum = weir.Micros(number(m[1])), weir.Micros(number(m[2])), int(number(m[3])), m[4]
	return p, true
}

// number reads digits that an expression has found to be hexadecimal; too many
// of them are a key that nobody wrote, and become a number that fits nothing.
func number(digits string) uint64 {
	n, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// placed is a frame with its entry. The entry's offset counts only once the
// frame is in an object.
type placed struct {
	segment.Entry
	frame frame.Sealed
}

func comparePlaced(a, b placed) int { return cmp.Compare(a.At, b.At) }

// An object: frames, index, and at the end a trailer that says how long the
// index is.
const (
	trailerMagic = "\xf5wez"
	trailerSize  = 12
)

// encode makes an object of frames that are in order of position.
func encode(frames []placed) ([]byte, *segment.Index) {
	size := 0
	for _, f := range frames {
		size += len(f.frame)
	}
	entries := make([]segment.Entry, len(frames))
	data := make([]byte, 0, size+len(frames)*64+4096)
	for i, f := range frames {
		entries[i] = f.Entry
		entries[i].Offset = int64(len(data))
		data = append(data, f.frame...)
	}
	x := segment.NewIndex(entries)
	index := x.Encode(segment.Summarize(entries, int64(len(data)), false))
	data = append(data, index...)
	start := len(data)
	data = binary.LittleEndian.AppendUint32(data, uint32(len(index)))
	data = append(data, trailerMagic...)
	return binary.LittleEndian.AppendUint32(data, checksum(data[start:])), x
}

// indexSize reads the trailer at the end of tail; 0 if it is damaged.
func indexSize(tail []byte) int64 {
	if len(tail) < trailerSize {
		return 0
	}
	t := tail[len(tail)-trailerSize:]
	if string(t[4:8]) != trailerMagic || binary.LittleEndian.Uint32(t[8:]) != checksum(t[:8]) {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(t))
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// object is an object whose index is known.
type object struct {
	place
	*segment.Index
	// lost is the damage of which no entry tells; only if the index was damaged
	// too, or the object is shorter than it was.
	lost []error
}

func (o *object) cost() int64 { return 256 + o.Index.Cost() }

// parseIndex reads the index from the end of an object, of which tail has enough.
func parseIndex(p place, tail []byte) (*object, error) {
	n := indexSize(tail)
	if n == 0 || n+trailerSize > int64(len(tail)) {
		return nil, segment.ErrIndex
	}
	r := bytes.NewReader(tail[int64(len(tail))-trailerSize-n : len(tail)-trailerSize])
	s, err := segment.ReadSummary(r)
	if err != nil {
		return nil, err
	}
	if s.Size+n+trailerSize != p.size || s.Frames != p.frames || int64(s.Frames) > n {
		return nil, fmt.Errorf("is of another object: %w", segment.ErrIndex)
	}
	x, err := segment.ReadIndex(r, s)
	if err != nil {
		return nil, err
	}
	return &object{place: p, Index: x}, nil
}

// scan makes the index anew from the bytes of a damaged object.
func scan(p place, data []byte) *object {
	size := int64(len(data))
	if n := indexSize(data); n > 0 && n+trailerSize <= size {
		size -= n + trailerSize
	}
	o := &object{place: p}
	var entries []segment.Entry
	found := segment.NewScanner(bytes.NewReader(data), p.key, size)
	for found.Next() {
		switch {
		case found.Damage == nil || found.Known && found.Offset+int64(frame.HeaderSize+found.Header.Size) <= size:
			entries = append(entries, segment.EntryOf(found.Header, found.Offset))
		case !bytes.HasPrefix(data[found.Offset:], []byte(segment.Magic)): // an index is not a frame
			o.lost = append(o.lost, found.Damage)
		}
	}
	if missing := p.frames - len(entries); missing > 0 && len(o.lost) == 0 {
		o.lost = append(o.lost, fmt.Errorf("%s: %d of %d frames are missing: %w", p.key, missing, p.frames, frame.ErrCorrupt))
	}
	o.Index = segment.NewIndex(entries)
	return o
}

// frames are those of a whole object; the error wraps frame.ErrCorrupt if
// anything of it is not as it was written.
func frames(p place, data []byte) ([]placed, error) {
	if sum := sumOf(data); sum != p.sum {
		return nil, fmt.Errorf("%s: checksum is %s: %w", p.key, sum, frame.ErrCorrupt)
	}
	o, err := parseIndex(p, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", p.key, err, frame.ErrCorrupt)
	}
	out := make([]placed, len(o.Entries))
	for i, e := range o.Entries {
		f := frame.Sealed(data[e.Offset : e.Offset+int64(e.Size)])
		if err := verify(f, e); err != nil {
			return nil, fmt.Errorf("%s, offset %d: %w", p.key, e.Offset, err)
		}
		out[i] = placed{e, f}
	}
	return out, nil
}

// verify says whether f is the whole frame that e tells of.
func verify(f frame.Sealed, e segment.Entry) error {
	if err := frame.Verify(f); err != nil {
		return err
	}
	h, err := frame.ReadHeader(f)
	if err != nil {
		return err
	}
	if at := weir.At(h.Partition, h.First); at != e.At || h.Count != int(e.Count) {
		return fmt.Errorf("holds %d records from %s, not %d from %s: %w", h.Count, at, e.Count, e.At, frame.ErrCorrupt)
	}
	return nil
}

// span is the positions of one partition in an object.
type span = segment.Span

func spansOf(x *segment.Index) []span { return segment.Summarize(x.Entries, 0, false).Spans }

// folderPartition is the partition of a folder of runs.
func folderPartition(key string) (int, bool) {
	if path.Dir(path.Clean(key))+"/" != runFolder {
		return 0, false
	}
	partition, err := strconv.Atoi(path.Base(key))
	return partition, err == nil && partition >= 0 && partition < weir.MaxPartitions
}
