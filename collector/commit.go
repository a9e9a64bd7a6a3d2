package collector

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
)

// committer stores the items of many requests together. What durability costs
// is the fsync, so those who arrive while one is running share the next.
//
// There is no timer: a request that comes alone is stored at once, and groups
// grow by themselves as the queue gets slower or the requests more. Two
// goroutines take turns, so that one group is compressed while the one before
// it is being written.
//
// What waits is bounded by the memory that the requests hold: each holds its
// body until it is answered.
type committer struct {
	queue   queue.Queue
	limits  GroupLimits
	now     func() time.Time
	log     *slog.Logger
	metrics *metrics

	ctx    context.Context // of appends; ended when closing has taken too long
	cancel context.CancelFunc
	done   chan struct{} // closed when both goroutines have returned

	mu      sync.Mutex
	waiting []*entry
	closed  bool

	wake    chan struct{} // holds one token if there may be something to take
	encoded chan *group
	spare   chan *group
}

// entry is what one request wants stored: all of it, or nothing.
type entry struct {
	records []weir.Record
	lane    queue.Lane
	bytes   int        // of the records' raw items
	stored  chan error // gets the result; room for one
}

// group is what is stored by one call of Append.
type group struct {
	entries []*entry
	parts   [][]weir.Record // by partition
	bodies  []frame.Body
	items   int
	err     error // of encoding
}

func newCommitter(q queue.Queue, options *Options, m *metrics) *committer {
	ctx, cancel := context.WithCancel(context.Background())
	c := &committer{
		queue: q, limits: options.Groups, now: options.Now, log: options.Logger, metrics: m,
		ctx: ctx, cancel: cancel, done: make(chan struct{}),
		wake: make(chan struct{}, 1), encoded: make(chan *group), spare: make(chan *group, 3),
	}
	var running sync.WaitGroup
	running.Go(c.encode)
	running.Go(c.append)
	go func() {
		running.Wait()
		close(c.done)
	}()
	return c
}

// commit returns when the entry's records are durable, or with the reason why
// none of them is. It does not take a context: a sender that leaves, as a page
// does that is being closed, wants its items stored.
func (c *committer) commit(e *entry) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return queue.ErrClosed
	}
	c.waiting = append(c.waiting, e)
	c.mu.Unlock()
	c.poke()
	return <-e.stored
}

func (c *committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// close stores what waits and takes nothing more. When ctx ends, running
// appends are told to give up.
func (c *committer) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.poke()
	var err error
	select {
	case <-c.done:
	case <-ctx.Done():
		err = ctx.Err()
		c.cancel()
		<-c.done
	}
	c.cancel()
	return err
}

// encode turns what waits into groups until it is closed and nothing waits.
func (c *committer) encode() {
	defer close(c.encoded)
	for {
		g, closed := c.take()
		switch {
		case g != nil:
			g.err = g.encode(c.queue.Partitions())
			c.encoded <- g
		case closed:
			return
		default:
			<-c.wake
		}
	}
}

// take is the next group, or nil if nothing waits. An entry that is larger than
// a group makes a group of its own.
func (c *committer) take() (g *group, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return nil, c.closed
	}
	select {
	case g = <-c.spare:
	default:
		g = &group{}
	}
	n, bytes := 0, 0
	for _, e := range c.waiting {
		if n > 0 && (bytes+e.bytes > c.limits.Bytes || g.items+len(e.records) > c.limits.Items) {
			break
		}
		n++
		bytes += e.bytes
		g.items += len(e.records)
	}
	g.entries = append(g.entries, c.waiting[:n]...)
	rest := copy(c.waiting, c.waiting[n:])
	clear(c.waiting[rest:])
	c.waiting = c.waiting[:rest]
	return g, c.closed
}

// encode sorts the records by partition and makes a frame of each.
func (g *group) encode(partitions int) error {
	if len(g.parts) < partitions {
		g.parts = make([][]weir.Record, partitions)
	}
	for _, e := range g.entries {
		for i := range e.records {
			r := &e.records[i]
			p := Partition(r.Workspace, r.UserID, e.lane, partitions)
			g.parts[p] = append(g.parts[p], *r)
		}
	}
	for p, records := range g.parts {
		if len(records) == 0 {
			continue
		}
		body, err := frame.Encode(p, records)
		if err != nil {
			return err
		}
		g.bodies = append(g.bodies, body)
	}
	return nil
}

// append stores groups, one after the other, and tells those who wait.
func (c *committer) append() {
	failing := false
	for g := range c.encoded {
		err := g.err
		if err == nil {
			start := c.now()
			err = c.queue.Append(c.ctx, g.bodies)
			c.metrics.appended(g.items, c.now().Sub(start), err)
		}
		// A queue that is full answers thousands of groups so: the first says it.
		if err != nil && !failing {
			c.log.Error("items are not stored", "error", err, "full", errors.Is(err, queue.ErrFull))
		} else if err == nil && failing {
			c.log.Info("items are stored again")
		}
		failing = err != nil
		for _, e := range g.entries {
			e.stored <- err
		}
		c.keep(g)
	}
}

// keep lets a group's memory be used again.
func (c *committer) keep(g *group) {
	clear(g.entries)
	clear(g.bodies)
	for p := range g.parts {
		clear(g.parts[p])
		g.parts[p] = g.parts[p][:0]
	}
	*g = group{entries: g.entries[:0], parts: g.parts, bodies: g.bodies[:0]}
	select {
	case c.spare <- g:
	default:
	}
}
