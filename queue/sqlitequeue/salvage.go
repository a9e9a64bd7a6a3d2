package sqlitequeue

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

// found is a whole frame and where it stands.
type found struct {
	id    int64
	at    weir.Micros
	count int32
	start int32 // offset of the frame's header in the page
	image image
}

func (f found) partition() int { return weir.Position(f.id).Partition() }
func (f found) first() uint64  { return weir.Position(f.id).Seq() }
func (f found) last() uint64   { return f.first() + uint64(f.count) - 1 }

// salvaged is what was found in damaged files: every whole frame once, by id,
// and how far each partition was acknowledged.
type salvaged struct {
	pages      *pages
	frames     []found
	partitions int // 0 if no position was whole
	acked      map[int]uint64
}

// salvage looks at every version of every page for frames and positions that
// their own checksums prove whole. It believes nothing else: no page type, no
// cell pointer, no checksum of the log.
func salvage(ctx context.Context, db string, logs []string) (*salvaged, error) {
	p, err := openPages(db, logs)
	if err != nil {
		return nil, err
	}
	s := &salvaged{pages: p, acked: map[int]uint64{}}
	err = p.each(func(at image, page []byte) error {
		s.marks(page)
		s.scan(at, page)
		return ctx.Err()
	})
	if err != nil {
		p.close()
		return nil, fmt.Errorf("salvage: %w", err)
	}
	s.settle()
	return s, nil
}

func (s *salvaged) marks(page []byte) {
	for at := 0; ; at++ {
		next := bytes.Index(page[at:], []byte(markMagic))
		if next < 0 {
			return
		}
		at += next
		if m, ok := decodeMark(page[at:]); ok {
			s.partitions = max(s.partitions, m.partitions)
			s.acked[m.partition] = max(s.acked[m.partition], m.acked)
		}
	}
}

func (s *salvaged) scan(at image, page []byte) {
	for offset := 0; ; offset++ {
		next := frame.Find(page[offset:])
		if next < 0 {
			return
		}
		offset += next
		whole, ok := s.pages.assemble(at, page, offset)
		if !ok {
			continue
		}
		h, err := frame.ReadHeader(whole)
		if err != nil {
			continue
		}
		s.frames = append(s.frames, found{
			id: rowID(h.Partition, h.First), at: h.At, count: int32(h.Count), start: int32(offset), image: at,
		})
	}
}

// settle leaves one frame for each place. Two different frames for a place are
// the leftovers of an Append that failed and of one that did not; the later one
// is the latter, since a number is given anew only after a failure.
func (s *salvaged) settle() {
	slices.SortFunc(s.frames, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(b.at, a.at), cmp.Compare(b.image.log, a.image.log), cmp.Compare(b.image.at, a.image.at))
	})
	kept := s.frames[:0]
	for _, f := range s.frames {
		if len(kept) > 0 {
			last := kept[len(kept)-1]
			if last.partition() == f.partition() && f.first() <= last.last() {
				continue
			}
		}
		kept = append(kept, f)
	}
	s.frames = kept
}

// read is the frame's bytes, put together again.
func (s *salvaged) read(f found) (frame.Sealed, error) {
	page := make([]byte, pageSize)
	if err := s.pages.read(f.image, page); err != nil {
		return nil, err
	}
	whole, ok := s.pages.assemble(f.image, page, int(f.start))
	if !ok {
		return nil, fmt.Errorf("salvage: frame %s can no longer be read: %w", weir.Position(f.id), frame.ErrCorrupt)
	}
	return whole, nil
}
