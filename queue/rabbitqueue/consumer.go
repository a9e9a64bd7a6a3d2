package rabbitqueue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
)

// Bounds of one Receive and of what it waits for.
const (
	// receiveBytes bounds what one Receive gives, whatever max says.
	receiveBytes = 64 << 20
	// ledgerTimeout bounds a question to the ledger. It is asked also when the
	// caller's context is about to end, since to break off such a question costs
	// its connection.
	ledgerTimeout = 5 * time.Second
	// gapPatience is how long a consumer waits for numbered frames that should have
	// come before those that it has.
	gapPatience = 5 * time.Second
	// maxHeld is how long a frame may wait here for its numbers. The ledger remembers
	// acknowledged ones for an hour at least: a process that was stopped for longer
	// must not have them numbered anew.
	maxHeld = 30 * time.Minute
	// suspectAfter is how often a frame may have been given before it is given alone.
	suspectAfter = 3
)

// Consumer reads some partitions of a Queue. It keeps itself connected; a
// partition may go to another consumer and come back meanwhile.
type Consumer struct {
	q          *Queue
	id         string // among the members
	partitions []int
	turn       int      // the partition to look at first, so that none starves; Receive's
	waiting    []*entry // picked and not placed yet; Receive's
	mu         sync.Mutex
	parts      map[int]*part
	wake       chan struct{} // holds a token if Receive should look again
	done       chan struct{} // closed by stop
	stopOnce   sync.Once
	finished   chan struct{} // closed when the connection's goroutine has ended
	cancel     context.CancelFunc
}

// part is a partition in a consumer's hands, under the consumer's mutex.
type part struct {
	number   int
	held     *registration // nil while not connected
	arrivals []*entry      // without numbers yet, in order
	ready    []*entry      // with numbers, in order, not given
	unacked  []*entry      // given, in order
	given    uint64        // the last number given
	acked    uint64        // the last one acknowledged, as far as is known here
	gapSince time.Time     // since when ready does not follow given; zero if it does
	leaving  bool          // another member is to have the partition: nothing more is given
	since    time.Time     // when leaving changed last by patience
	stale    bool          // what it holds is too old to be given; it comes again
}

// Consume connects to the broker once, and keeps connected from then on. Several
// consumers may name the same partitions, in one process or many: they share them
// (see members.go), and each takes over what another one leaves.
func (q *Queue) Consume(ctx context.Context, partitions []int) (queue.Consumer, error) {
	c, err := q.consume(ctx, partitions)
	if err != nil {
		return nil, fmt.Errorf("consume queue: %w", err)
	}
	return c, nil
}

func (q *Queue) consume(ctx context.Context, partitions []int) (*Consumer, error) {
	if err := q.begin(ctx); err != nil {
		return nil, err
	}
	defer q.calls.Done()
	if q.opts.Ledger == nil {
		return nil, errNoLedger
	}
	c, err := q.newConsumer(partitions)
	if err != nil {
		return nil, err
	}
	positions, err := q.opts.Ledger.Positions(ctx, q.Partitions())
	if err != nil {
		return nil, err
	}
	for n, p := range c.parts {
		p.acked = positions[n].Acked
		p.given = p.acked
	}
	// Its context is its own: it ends with Close.
	running, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	first := make(chan error, 1) // what came of the first try
	go func() {
		defer close(c.finished)
		c.run(running, first)
	}()
	select {
	case err = <-first:
	case <-ctx.Done():
		err = ctx.Err()
	case <-q.done:
		err = queue.ErrClosed
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	q.mu.Lock()
	q.consumers[c] = true
	closed := q.closed
	q.mu.Unlock()
	if closed { // Close may not have seen it
		c.stop()
		return nil, queue.ErrClosed
	}
	return c, nil
}

func (q *Queue) newConsumer(partitions []int) (*Consumer, error) {
	if partitions == nil {
		for p := range q.Partitions() {
			partitions = append(partitions, p)
		}
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	c := &Consumer{
		q: q, id: hex.EncodeToString(id[:]), partitions: slices.Clone(partitions), parts: map[int]*part{},
		wake: make(chan struct{}, 1), done: make(chan struct{}), finished: make(chan struct{}),
	}
	for _, p := range partitions {
		if p < 0 || p >= q.Partitions() {
			return nil, fmt.Errorf("partition %d is out of range, there are %d", p, q.Partitions())
		}
		if c.parts[p] != nil {
			return nil, fmt.Errorf("partition %d is named twice", p)
		}
		c.parts[p] = &part{number: p}
	}
	return c, nil
}

// run keeps the consumer connected until ctx ends. If the first try fails, it is
// the only one.
func (c *Consumer) run(ctx context.Context, first chan<- error) {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	tried := false
	c.q.supervise(ctx, "consume", func(ctx context.Context, up func()) error {
		err := c.connect(ctx, func() {
			up()
			if !tried {
				tried = true
				first <- nil
			}
		})
		if !tried {
			tried = true
			first <- err
			giveUp()
		}
		return err
	})
}

// notify wakes Receive.
func (c *Consumer) notify() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// open says why the consumer cannot be used, if so.
func (c *Consumer) open(ctx context.Context) error {
	select {
	case <-c.q.done:
		return queue.ErrClosed
	case <-c.done:
		return fmt.Errorf("consumer is closed: %w", queue.ErrClosed)
	default:
		return ctx.Err()
	}
}

// Receive gives what the broker has sent. An error of the ledger is returned;
// the frames are not lost by it and the next call tries again.
func (c *Consumer) Receive(ctx context.Context, max int) ([]queue.Delivery, error) {
	deliveries, err := c.await(ctx, max)
	if err != nil {
		return nil, fmt.Errorf("receive from queue: %w", err)
	}
	return deliveries, nil
}

func (c *Consumer) await(ctx context.Context, most int) ([]queue.Delivery, error) {
	if err := c.q.begin(ctx); err != nil {
		return nil, err
	}
	defer c.q.calls.Done()
	for {
		if err := c.open(ctx); err != nil {
			return nil, err
		}
		deliveries, wait, err := c.receive(ctx, most)
		if err != nil || len(deliveries) > 0 {
			return deliveries, err
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case <-c.wake:
		case <-timer:
		case <-ctx.Done():
		case <-c.done:
		case <-c.q.done:
		}
	}
}

// receive gives what is there. If that is nothing, it may say when to look again;
// 0 means when woken.
func (c *Consumer) receive(ctx context.Context, most int) ([]queue.Delivery, time.Duration, error) {
	// Not the caller's: see ledgerTimeout.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTimeout)
	defer cancel()
	for {
		chosen, wait := c.choose(most)
		if len(chosen) > 0 {
			if err := c.attempt(ctx, chosen); err != nil {
				return nil, 0, err
			}
			if deliveries := c.give(chosen); len(deliveries) > 0 {
				return deliveries, 0, nil
			}
			continue // they came from a connection that was lost meanwhile
		}
		if len(c.waiting) == 0 {
			c.waiting = c.pick(most)
		}
		if c.waiting = c.fresh(c.waiting); len(c.waiting) == 0 {
			return nil, wait, nil
		}
		frames := make([]Frame, len(c.waiting))
		for i, e := range c.waiting {
			frames[i] = e.ask()
		}
		places, err := c.q.opts.Ledger.Assign(ctx, frames)
		if err != nil {
			return nil, 0, err
		}
		c.place(c.waiting, places)
		c.waiting = nil
	}
}

// pick takes arrivals off, in turn from each partition.
func (c *Consumer) pick(most int) []*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	var picked []*entry
	budget := budget{records: most, bytes: receiveBytes}
	for i := range c.partitions {
		p := c.parts[c.partitions[(c.turn+i)%len(c.partitions)]]
		for len(p.arrivals) > 0 && !p.leaving && !p.stale && budget.takes(p.arrivals[0], len(picked) == 0) {
			picked = append(picked, p.arrivals[0])
			p.arrivals = p.arrivals[1:]
		}
	}
	c.turn++
	return picked
}

// fresh leaves out the partitions with frames that have waited for too long. Their
// place in the line is given up, so that the broker delivers them again.
func (c *Consumer) fresh(picked []*entry) []*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range picked {
		if time.Since(e.arrived) > c.q.opts.maxHeld && e.held == e.part.held && e.held != nil {
			e.part.stale = true
			e.held.giveUp()
		}
	}
	return slices.DeleteFunc(picked, func(e *entry) bool { return e.part.stale || e.held != e.part.held })
}

// budget is how much more a call may take. The last frame may exceed it.
type budget struct{ records, bytes int }

func (b *budget) takes(e *entry, first bool) bool {
	if !first && (b.records <= 0 || b.bytes <= 0) {
		return false
	}
	b.records -= e.records
	b.bytes -= len(e.body)
	return true
}

// attempt counts that frames are given which may have been given before.
func (c *Consumer) attempt(ctx context.Context, chosen []*entry) error {
	var again []Frame
	for _, e := range chosen {
		if e.place.Known {
			again = append(again, e.ask())
		}
	}
	if len(again) == 0 {
		return nil
	}
	c.q.metrics.again.Add(float64(len(again)))
	return c.q.opts.Ledger.Attempt(ctx, again)
}

// give hands frames out, but those whose connection is lost or whose partition is
// to be left: they come again, here or elsewhere.
func (c *Consumer) give(chosen []*entry) []queue.Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	var deliveries []queue.Delivery
	for _, e := range chosen {
		p := e.part
		if p.leaving || len(p.ready) == 0 || p.ready[0] != e {
			continue
		}
		p.ready = p.ready[1:]
		p.unacked = append(p.unacked, e)
		p.given = max(p.given, e.header.Last())
		d := queue.Delivery{Header: e.header, Damage: e.damage}
		if e.damage == nil {
			d.Frame = frame.Seal(frame.Body{Partition: p.number, Count: e.records, Data: e.body}, e.header.First, e.header.At)
		} else {
			c.q.metrics.damaged.Inc()
		}
		e.body = nil
		deliveries = append(deliveries, d)
	}
	return deliveries
}

// Ack stores the positions in the ledger; that is what decides. The broker is
// told in the background, and if it was not, what it delivers again is recognised.
func (c *Consumer) Ack(ctx context.Context, upTo map[int]uint64) error {
	if err := c.ack(ctx, upTo); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}

func (c *Consumer) ack(ctx context.Context, upTo map[int]uint64) error {
	if err := c.q.begin(ctx); err != nil {
		return err
	}
	defer c.q.calls.Done()
	if err := c.open(ctx); err != nil {
		return err
	}
	news, err := c.news(upTo)
	if err != nil {
		return err
	}
	if len(news) > 0 {
		if err := c.q.opts.Ledger.Acknowledge(ctx, news); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, seq := range upTo {
		p := c.parts[n]
		p.acked = max(p.acked, seq)
		for len(p.unacked) > 0 && p.unacked[0].header.Last() <= seq {
			p.unacked[0].settle()
			p.unacked = p.unacked[1:]
		}
		p.leaveIfIdle()
	}
	c.notify() // a frame may wait for being given alone
	return nil
}

// news is what of upTo was delivered by this consumer and is not acknowledged, by
// it or by another one.
func (c *Consumer) news(upTo map[int]uint64) (map[int]uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := map[int]uint64{}
	for n, seq := range upTo {
		p := c.parts[n]
		if p == nil {
			return nil, fmt.Errorf("partition %d is not this consumer's", n)
		}
		if seq > p.given {
			return nil, fmt.Errorf("%s was not delivered yet", weir.At(n, seq))
		}
		if seq > p.acked {
			news[n] = seq
		}
	}
	return news, nil
}

// Close tells the broker what is acknowledged and gives the partitions back.
func (c *Consumer) Close() error {
	c.stop()
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	delete(c.q.consumers, c)
	return nil
}

func (c *Consumer) stop() {
	c.stopOnce.Do(func() {
		close(c.done)
		c.cancel()
	})
	<-c.finished
}
