package sqlitequeue

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
)

// sealedFrame is a frame on its way into the table.
type sealedFrame struct {
	partition int
	first     uint64
	count     int
	before    int64
	data      frame.Sealed
}

// Append stores the bodies in one transaction. It is cancelled by ctx only
// while it waits for its turn.
func (q *Queue) Append(ctx context.Context, bodies []frame.Body) error {
	if len(bodies) == 0 {
		return nil
	}
	began := time.Now()
	size, err := q.checkBodies(bodies)
	if err != nil {
		return fmt.Errorf("append to queue: %w", err)
	}
	s, err := q.begin(ctx)
	if err != nil {
		return fmt.Errorf("append to queue: %w", err)
	}
	defer q.end()
	if err := q.room(size); err != nil {
		q.metrics.full.Inc()
		return fmt.Errorf("append to queue: %w", err)
	}
	frames, heads, headBytes := q.seal(bodies)
	if err := s.append(frames); err != nil {
		return fmt.Errorf("append to queue: %w", q.refuse(err))
	}
	q.appended(heads, headBytes, bodies)
	q.written.Store(true)
	if err := q.heads.write(heads, false); err != nil {
		q.log.Error("the witness of the queue's heads is silent until the next start", "error", err)
	}
	q.metrics.appendSeconds.Observe(time.Since(began).Seconds())
	for _, b := range bodies {
		q.metrics.records.Add(float64(b.Count))
	}
	q.metrics.frames.Add(float64(len(bodies)))
	q.metrics.bytes.Add(float64(size))
	return nil
}

func (q *Queue) checkBodies(bodies []frame.Body) (size int64, err error) {
	for i, b := range bodies {
		if b.Partition < 0 || b.Partition >= q.Partitions() {
			return 0, fmt.Errorf("body %d: partition %d is out of range, there are %d", i, b.Partition, q.Partitions())
		}
		if b.Count < 1 || b.Count > frame.MaxRecords {
			return 0, fmt.Errorf("body %d: %d records are out of range", i, b.Count)
		}
		size += int64(frame.HeaderSize + len(b.Data))
	}
	return size, nil
}

// room says whether size more bytes fit below the limits.
func (q *Queue) room(size int64) error {
	if q.opts.MaxBacklog > 0 {
		if _, backlog := q.backlog(); backlog+size > q.opts.MaxBacklog {
			return fmt.Errorf("%w: %d bytes wait for the workers, the limit is %d", queue.ErrFull, backlog, q.opts.MaxBacklog)
		}
	}
	if q.opts.MinFree < 0 && q.opts.MinFreePercent < 0 {
		return nil
	}
	free, total, err := q.opts.Free(q.dir)
	if err != nil {
		return err
	}
	guard := max(q.opts.MinFree, total/100*int64(q.opts.MinFreePercent))
	if free-size < guard {
		return fmt.Errorf("%w: the disk has %d bytes free, the guard is %d", queue.ErrFull, free, guard)
	}
	return nil
}

// seal gives the bodies their places. The caller holds the turn, so that heads
// do not move meanwhile.
func (q *Queue) seal(bodies []frame.Body) (frames []sealedFrame, heads []uint64, headBytes []int64) {
	q.mu.Lock()
	heads = append(heads, q.at.head...)
	headBytes = append(headBytes, q.at.headBytes...)
	q.mu.Unlock()
	at := weir.MicrosOf(q.opts.Now())
	frames = make([]sealedFrame, len(bodies))
	for i, b := range bodies {
		f := sealedFrame{partition: b.Partition, first: heads[b.Partition] + 1, count: b.Count, before: headBytes[b.Partition]}
		f.data = frame.Seal(b, f.first, at)
		heads[b.Partition] += uint64(b.Count)
		headBytes[b.Partition] += int64(len(f.data))
		frames[i] = f
	}
	return frames, heads, headBytes
}

func (s *store) append(frames []sealedFrame) error {
	return s.transact(func() error {
		for _, f := range frames {
			if _, err := s.insert.Exec(rowID(f.partition, f.first), f.count, f.before, []byte(f.data)); err != nil {
				return fmt.Errorf("insert frame: %w", err)
			}
		}
		return nil
	})
}

// appended makes what is durable visible, and wakes those who wait for it.
func (q *Queue) appended(heads []uint64, headBytes []int64, bodies []frame.Body) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.at.head, q.at.headBytes = heads, headBytes
	for _, b := range bodies {
		q.owner[b.Partition].notify()
	}
}
