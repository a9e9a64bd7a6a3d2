package rabbitqueue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// connect consumes until the connection is lost or ctx ends, and says why. One
// goroutine for each partition uses its channel, one more that of the members.
func (c *Consumer) connect(ctx context.Context, up func()) error {
	conn, err := c.q.dial(ctx, "consume "+c.id)
	if err != nil {
		return err
	}
	defer conn.close()
	if err := c.q.topology.declare(conn); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// A broker that does not answer must not keep the goroutines from ending.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(closePatience, conn.cut) })()
	closed := conn.amqp.NotifyClose(make(chan *amqp.Error, 1))
	members, err := joinMembers(conn, c)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer stop(nil)
	for _, n := range c.partitions {
		reg, err := c.register(conn, c.parts[n])
		if err != nil {
			return err
		}
		running.Go(func() {
			if err := c.serve(ctx, reg); err != nil {
				stop(err)
			}
		})
	}
	running.Go(func() {
		if err := members.run(ctx); err != nil {
			stop(err)
		}
	})
	up()
	select {
	case err, ok := <-closed:
		return closedBy(err, ok)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// registration is a consumer's place in the line for a partition. The first in
// line is delivered to.
type registration struct {
	part       *part
	conn       *connection
	ch         *amqp.Channel
	deliveries <-chan amqp.Delivery
	closed     chan *amqp.Error
	unsettled  []uint64 // tags, in order; of the goroutine that serves

	mu       sync.Mutex
	accepted []uint64 // tags to be acknowledged
	rejected []uint64 // tags to be made dead letters
	yield    bool     // to be given up for the end of the line
	active   bool     // has been delivered to
	wake     chan struct{}
}

// register takes a place at the end of the line.
func (c *Consumer) register(conn *connection, p *part) (*registration, error) {
	ch, err := conn.amqp.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	if err := ch.Qos(c.q.opts.Prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set prefetch: %w", err)
	}
	reg := &registration{part: p, conn: conn, ch: ch, closed: ch.NotifyClose(make(chan *amqp.Error, 1)), wake: make(chan struct{}, 1)}
	c.mu.Lock()
	p.held = reg
	c.mu.Unlock()
	name := c.q.topology.queue(p.number)
	reg.deliveries, err = ch.Consume(name, c.id, false, false, false, false, nil)
	if err != nil {
		c.drop(reg)
		return nil, fmt.Errorf("consume %s: %w", name, err)
	}
	return reg, nil
}

// serve handles what comes for a partition, also when its place in the line
// changes, until ctx ends.
func (c *Consumer) serve(ctx context.Context, reg *registration) error {
	for {
		yielded, err := c.attend(ctx, reg)
		c.drop(reg)
		if !yielded || err != nil {
			return err
		}
		c.q.metrics.yields.Inc()
		if reg, err = c.register(reg.conn, reg.part); err != nil {
			return err
		}
	}
}

// attend serves one registration until ctx ends or it is to be given up.
func (c *Consumer) attend(ctx context.Context, reg *registration) (yielded bool, err error) {
	for {
		select {
		case d, ok := <-reg.deliveries:
			if !ok {
				return false, lost(reg.closed, c.q.topology.queue(reg.part.number))
			}
			reg.setActive()
			reg.unsettled = append(reg.unsettled, d.DeliveryTag)
			c.arrive(reg, newEntry(reg.part, reg, &d))
		case <-reg.wake:
			yield, err := reg.flush()
			if err != nil {
				return false, err
			}
			if yield {
				// Not a cancel: only closing the channel returns what is held before the
				// next consumer is served.
				return true, reg.ch.Close()
			}
		case <-ctx.Done():
			if _, err := reg.flush(); err != nil {
				return false, err
			}
			return false, reg.ch.Close()
		}
	}
}

func (r *registration) setActive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = true
}

func (r *registration) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// settle tells the broker in the background that a message is done with.
func (r *registration) settle(tag uint64, reject bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if reject {
		r.rejected = append(r.rejected, tag)
	} else {
		r.accepted = append(r.accepted, tag)
	}
	r.poke()
}

// giveUp goes to the end of the line, in the background.
func (r *registration) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.yield = true
	r.poke()
}

// flush tells the broker what is settled, with as few words as possible: each is
// an entry in the log of its queue.
func (r *registration) flush() (yield bool, err error) {
	r.mu.Lock()
	accepted, rejected, yield := r.accepted, r.rejected, r.yield
	r.accepted, r.rejected = nil, nil
	r.mu.Unlock()
	for _, tag := range rejected {
		if err := r.ch.Reject(tag, false); err != nil {
			return false, fmt.Errorf("reject: %w", err)
		}
		r.settled(tag)
	}
	slices.Sort(accepted)
	together := 0
	for together < len(accepted) && together < len(r.unsettled) && accepted[together] == r.unsettled[together] {
		together++
	}
	if together > 0 {
		if err := r.ch.Ack(accepted[together-1], true); err != nil {
			return false, fmt.Errorf("acknowledge: %w", err)
		}
		r.unsettled = r.unsettled[together:]
	}
	for _, tag := range accepted[together:] {
		if err := r.ch.Ack(tag, false); err != nil {
			return false, fmt.Errorf("acknowledge: %w", err)
		}
		r.settled(tag)
	}
	return yield, nil
}

func (r *registration) settled(tag uint64) {
	if at, ok := slices.BinarySearch(r.unsettled, tag); ok {
		r.unsettled = slices.Delete(r.unsettled, at, at+1)
	}
}
