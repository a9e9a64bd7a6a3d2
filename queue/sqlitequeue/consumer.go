package sqlitequeue

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
)

// receiveBytes bounds what one Receive reads, whatever max says.
const receiveBytes = 64 << 20

// Consumer reads some partitions of a Queue.
type Consumer struct {
	q          *Queue
	partitions []int
	mu         sync.Mutex     // held to change next, and to read it outside Receive
	next       map[int]uint64 // the first sequence number not delivered yet
	aligned    map[int]bool   // a frame begins at next
	turn       int            // the partition to look at first, so that none starves
	wake       chan struct{}
	done       chan struct{} // closed by Close
}

// Consume refuses partitions that another consumer has.
func (q *Queue) Consume(ctx context.Context, partitions []int) (queue.Consumer, error) {
	c, err := q.consume(partitions)
	if err != nil {
		return nil, fmt.Errorf("consume queue: %w", err)
	}
	return c, nil
}

func (q *Queue) consume(partitions []int) (*Consumer, error) {
	if partitions == nil {
		for p := range q.Partitions() {
			partitions = append(partitions, p)
		}
	}
	c := &Consumer{
		q: q, partitions: slices.Clone(partitions), next: map[int]uint64{}, aligned: map[int]bool{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed { // while it is broken, memory knows enough
		return nil, queue.ErrClosed
	}
	for _, p := range partitions {
		if p < 0 || p >= q.Partitions() {
			return nil, fmt.Errorf("partition %d is out of range, there are %d", p, q.Partitions())
		}
		if _, twice := c.next[p]; twice {
			return nil, fmt.Errorf("partition %d is named twice", p)
		}
		if q.owner[p] != nil {
			return nil, fmt.Errorf("partition %d has a consumer already", p)
		}
		c.next[p] = q.at.acked[p] + 1
	}
	for _, p := range partitions {
		q.owner[p] = c
	}
	return c, nil
}

// notify wakes the consumer; it may be nil.
func (c *Consumer) notify() {
	if c == nil {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Receive reads from the table; what is appended by this process wakes it at
// once. While the file is being repaired it answers ErrBroken.
func (c *Consumer) Receive(ctx context.Context, max int) ([]queue.Delivery, error) {
	for {
		if err := c.open(ctx); err != nil {
			return nil, fmt.Errorf("receive from queue: %w", err)
		}
		deliveries, err := c.read(max)
		if err != nil {
			return nil, fmt.Errorf("receive from queue: %w", err)
		}
		if len(deliveries) > 0 {
			return deliveries, nil
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
		case <-c.done:
		case <-c.q.done:
		}
	}
}

// open says why the consumer cannot be used, if so.
func (c *Consumer) open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-c.done:
		return fmt.Errorf("consumer is closed: %w", queue.ErrClosed)
	case <-c.q.done:
		return queue.ErrClosed
	default:
		return nil
	}
}

// read collects what is there, in turn from each partition.
func (c *Consumer) read(max int) (deliveries []queue.Delivery, err error) {
	got := batch{records: max, bytes: receiveBytes}
	next := map[int]uint64{}
	var broken error
	err = c.q.view(func(s *store) {
		for i := range c.partitions {
			p := c.partitions[(c.turn+i)%len(c.partitions)]
			c.q.mu.Lock()
			head := c.q.at.head[p]
			c.q.mu.Unlock()
			if c.next[p] > head {
				continue
			}
			if got.full() {
				break
			}
			r := partitionReader{s: s, partition: p, head: head, next: c.next[p], aligned: c.aligned[p], into: &got}
			if broken = r.read(); broken != nil {
				return
			}
			next[p] = r.next
		}
	})
	if err != nil {
		return nil, err
	}
	if broken != nil {
		return nil, c.q.fail(broken)
	}
	// Only now: what an error kept from the caller is read again.
	c.mu.Lock()
	for p, n := range next {
		c.next[p], c.aligned[p] = n, true
	}
	c.mu.Unlock()
	c.turn++
	if got.damaged > 0 {
		c.q.metrics.damaged.Add(float64(got.damaged))
		c.q.suspect()
	}
	return got.deliveries, nil
}

// batch is what one Receive has collected.
type batch struct {
	records, bytes int // how many more it may take
	deliveries     []queue.Delivery
	damaged        int
}

func (b *batch) full() bool { return len(b.deliveries) > 0 && (b.records <= 0 || b.bytes <= 0) }

func (b *batch) add(d queue.Delivery) {
	b.deliveries = append(b.deliveries, d)
	if d.Damage != nil {
		b.damaged++
		return
	}
	b.records -= d.Header.Count
	b.bytes -= len(d.Frame)
}

// partitionReader reads the frames of one partition in order.
type partitionReader struct {
	s         *store
	partition int
	head      uint64 // the last sequence number to read
	next      uint64
	aligned   bool
	into      *batch
}

func (r *partitionReader) read() error {
	from := rowID(r.partition, r.next)
	if !r.aligned {
		// The frame that holds the next record may begin before it, if it was
		// acknowledged in part.
		holds, ok, err := rowAt(r.s.holdingRead, r.partition, r.next)
		if err != nil {
			return err
		}
		if ok && holds.last() >= r.next {
			from = holds.id
		}
	}
	rows, err := r.s.rows.Query(from, rowID(r.partition, r.head))
	if err != nil {
		return err
	}
	defer rows.Close()
	for !r.into.full() && rows.Next() {
		if err := r.row(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if !r.into.full() && r.next <= r.head {
		return fmt.Errorf("partition %d ends at %d, not at %d: %w", r.partition, r.next-1, r.head, errDamaged)
	}
	return nil
}

func (r *partitionReader) row(rows *sql.Rows) error {
	var at row
	var data []byte
	var damage sql.NullString
	if err := rows.Scan(&at.id, &at.count, &data, &damage); err != nil {
		return asDamage(err)
	}
	first := at.first()
	h, err := frame.ReadHeader(data)
	if err == nil && (h.Partition != r.partition || h.First != first) {
		return fmt.Errorf("row %s holds frame %s: %w", weir.Position(at.id), weir.At(h.Partition, h.First), errDamaged)
	}
	if first > r.next {
		return fmt.Errorf("row %s follows %d: %w", weir.Position(at.id), r.next-1, errDamaged)
	}
	if err == nil {
		err = frame.Verify(data)
	}
	if err == nil {
		r.into.add(queue.Delivery{Header: h, Frame: data})
		r.next = h.Last() + 1
		return nil
	}
	last, lookup := r.extent(at)
	if lookup != nil {
		return lookup
	}
	d := queue.Delivery{Header: frame.Header{Partition: r.partition, First: first, Count: int(last - first + 1)}}
	if damage.Valid {
		d.Damage = fmt.Errorf("records %s to %d: %s: %w", weir.Position(at.id), last, damage.String, frame.ErrCorrupt)
	} else {
		d.Header.Size = max(0, len(data)-frame.HeaderSize)
		d.Damage = fmt.Errorf("%s, row %d (records %s to %d): %w", r.s.file, at.id, weir.Position(at.id), last, err)
	}
	r.into.add(d)
	r.next = last + 1
	return nil
}

// extent is where a damaged frame ends: before the next row, or at the head.
// Its own count has no checksum.
func (r *partitionReader) extent(at row) (last uint64, err error) {
	var next sql.NullInt64
	if err := r.s.following.QueryRow(at.id+1, rowID(r.partition, maxSeq)).Scan(&next); err != nil {
		return 0, err
	}
	if next.Valid {
		return weir.Position(next.Int64).Seq() - 1, nil
	}
	return max(r.head, at.first()), nil
}

// Ack stores the positions and removes some of what they set free.
func (c *Consumer) Ack(ctx context.Context, upTo map[int]uint64) error {
	if err := c.open(ctx); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	if err := c.delivered(upTo); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	if err := c.q.ack(ctx, upTo); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}

// delivered says what of upTo this consumer has not delivered, if anything.
func (c *Consumer) delivered(upTo map[int]uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, seq := range upTo {
		if _, ok := c.next[p]; !ok {
			return fmt.Errorf("partition %d is not this consumer's", p)
		}
		if seq >= c.next[p] {
			return fmt.Errorf("%s was not delivered yet", weir.At(p, seq))
		}
	}
	return nil
}

// Close gives the partitions back.
func (c *Consumer) Close() error {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	for _, p := range c.partitions {
		if c.q.owner[p] == c {
			c.q.owner[p] = nil
		}
	}
	select {
	case <-c.done:
	default:
		close(c.done)
	}
	return nil
}
