package rabbitqueue

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/weirhq/weir/queue"
)

// sizes are the frames that this process has seen, for what a frame is on
// average.
type sizes struct {
	mu             sync.Mutex
	frames         int64
	records, bytes int64
}

func (s *sizes) add(frames, records int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames += int64(frames)
	s.records += int64(records)
	s.bytes += bytes
}

// estimate is what so many frames are, about.
func (s *sizes) estimate(frames int64) (records, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frames == 0 {
		return frames, frames * 1000 // of a frame nothing is known but that it has a record
	}
	average := func(total int64) int64 { return int64(float64(total)/float64(s.frames)*float64(frames) + 0.5) }
	return average(s.records), average(s.bytes)
}

// Lag asks the ledger and the broker. Head and Acked are the ledger's, exact, and
// so are the records and bytes of frames that have numbers. For frames without,
// which wait at the broker or with a consumer of this process, the broker knows
// how many there are, and this process what a frame is on average. Not counted
// are those that the broker has sent to other processes and that have no numbers
// yet, Prefetch for each partition at most; counted twice, for a moment, are those
// that come back from a lost consumer. A partition whose leader does not answer
// the broker counts as empty there. Without a ledger nothing has a number, and only what
// waits at the broker is known.
func (q *Queue) Lag(ctx context.Context) (queue.Lag, error) {
	lag, _, err := q.measure(ctx)
	if err != nil {
		return queue.Lag{}, fmt.Errorf("measure lag: %w", err)
	}
	return lag, nil
}

func (q *Queue) measure(ctx context.Context) (lag queue.Lag, dead int, err error) {
	if err := q.begin(ctx); err != nil {
		return lag, 0, err
	}
	defer q.calls.Done()
	depths, dead, err := q.depths(ctx)
	if err != nil {
		return lag, 0, err
	}
	positions := make([]Position, q.Partitions())
	if q.opts.Ledger != nil {
		if positions, err = q.opts.Ledger.Positions(ctx, q.Partitions()); err != nil {
			return lag, 0, err
		}
	}
	frames := int64(0)
	for p, at := range positions {
		lag.Head = append(lag.Head, at.Head)
		lag.Acked = append(lag.Acked, at.Acked)
		lag.Records += int64(at.Head - at.Acked)
		lag.Bytes += at.Bytes
		frames += depths[p].unnumbered(at.Frames)
	}
	records, bytes := q.sizes.estimate(frames)
	held, heldBytes := q.heldUnnumbered()
	lag.Records += records + held
	lag.Bytes += bytes + heldBytes
	return lag, dead, nil
}

// depth is what the broker says of a partition.
type depth struct {
	ready     int64 // frames that no consumer has
	consumers int
}

// unnumbered is how many frames have no number yet. Those that have one and are
// not acknowledged are with a consumer, or, if there is none, at the broker.
func (d depth) unnumbered(numbered int64) int64 {
	if d.consumers == 0 {
		return max(0, d.ready-numbered)
	}
	return d.ready
}

// heldUnnumbered is what this process's consumers have received and not placed.
func (q *Queue) heldUnnumbered() (records, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for c := range q.consumers {
		c.mu.Lock()
		for _, p := range c.parts {
			for _, e := range p.arrivals {
				records += int64(e.records)
				bytes += e.bytes
			}
		}
		c.mu.Unlock()
	}
	return records, bytes
}

// depths asks the broker, over a connection of its own: one that publishes may be
// blocked.
func (q *Queue) depths(ctx context.Context) (depths []depth, dead int, err error) {
	err = q.inspect(ctx, func(ch *amqp.Channel) error {
		for p := range q.Partitions() {
			found, err := ch.QueueDeclarePassive(q.topology.queue(p), true, false, false, false, nil)
			if err != nil {
				return err
			}
			depths = append(depths, depth{int64(found.Messages), found.Consumers})
		}
		found, err := ch.QueueDeclarePassive(q.topology.dead(), true, false, false, false, nil)
		dead = found.Messages
		return err
	})
	return depths, dead, err
}

// inspect runs fn with a channel. Ending ctx cuts its connection.
func (q *Queue) inspect(ctx context.Context, fn func(*amqp.Channel) error) error {
	conn, err := q.dial(ctx, "inspect")
	if err != nil {
		return err
	}
	defer conn.close()
	defer context.AfterFunc(ctx, conn.cut)()
	ch, err := conn.amqp.Channel()
	if err == nil {
		err = fn(ch)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("ask the broker: %w", err)
	}
	return nil
}

// DeadLetters returns up to most of the messages that could not be processed, and
// how many there are. They stay where they are: an operator who has seen to them
// empties the queue (rabbitmqctl purge_queue weir.dead).
func (q *Queue) DeadLetters(ctx context.Context, most int) (letters []DeadLetter, total int, err error) {
	if err := q.begin(ctx); err != nil {
		return nil, 0, fmt.Errorf("read dead letters: %w", err)
	}
	defer q.calls.Done()
	err = q.inspect(ctx, func(ch *amqp.Channel) error {
		found, err := ch.QueueDeclarePassive(q.topology.dead(), true, false, false, false, nil)
		if err != nil {
			return err
		}
		total = found.Messages
		for len(letters) < most {
			d, ok, err := ch.Get(q.topology.dead(), false)
			if err != nil || !ok {
				return err
			}
			letters = append(letters, deadLetter(&d))
		}
		return nil // closing the channel puts them back
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read dead letters: %w", err)
	}
	return letters, total, nil
}

// How often the maintenance measures and forgets.
const (
	measureEvery = 10 * time.Second
	forgetEvery  = time.Minute
)

// maintain measures for the metrics and lets the ledger forget, until ctx ends.
func (q *Queue) maintain(ctx context.Context) {
	ticker := time.NewTicker(measureEvery)
	defer ticker.Stop()
	failing := false
	for forgotten := (time.Time{}); ; {
		err := q.look(ctx)
		if time.Since(forgotten) > forgetEvery && ctx.Err() == nil {
			forgotten = time.Now()
			if e := q.opts.Ledger.Forget(ctx); e != nil {
				err = e
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing { // said once per outage
			q.log.Warn("the queue's lag cannot be measured or its ledger not trimmed", "error", err)
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (q *Queue) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, measureEvery)
	defer cancel()
	lag, dead, err := q.measure(ctx)
	if err != nil {
		return err
	}
	q.metrics.lag.Store(&measured{lag.Records, lag.Bytes, dead})
	return nil
}
