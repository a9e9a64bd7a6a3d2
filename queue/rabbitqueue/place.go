package rabbitqueue

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/frame"
)

// arrive takes a message that the broker has sent.
func (c *Consumer) arrive(reg *registration, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := reg.part
	for _, given := range p.unacked {
		if given.id == e.id && given.held == nil {
			// The caller has it already, from a connection that was lost.
			given.held, given.tag = reg, e.tag
			return
		}
	}
	p.arrivals = append(p.arrivals, e)
	c.q.sizes.add(1, e.records, e.bytes)
	c.notify()
}

// drop forgets what came from a registration that has ended: the broker delivers
// it again, here or elsewhere. What the caller has, it may still acknowledge.
func (c *Consumer) drop(reg *registration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := reg.part
	p.held, p.arrivals, p.ready, p.gapSince = nil, nil, nil, time.Time{}
	p.leaving, p.since, p.stale = false, time.Time{}, false
	for _, e := range p.unacked {
		e.held = nil
	}
}

// place sorts frames in by their numbers.
func (c *Consumer) place(entries []*entry, places []Place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range entries {
		p := e.part
		if e.held != p.held {
			continue // of a connection that was lost meanwhile
		}
		e.numbered(places[i])
		// What others have acknowledged will not come here.
		p.acked = max(p.acked, places[i].Acked)
		switch {
		case e.header.Last() <= p.acked:
			e.settle()
		case e.header.Last() <= p.given:
			c.late(p, e)
		default:
			if e.damage == nil && e.place.Attempts >= c.q.opts.DeliveryLimit {
				e.damage = fmt.Errorf("given %d times and never acknowledged: %w", e.place.Attempts, frame.ErrCorrupt)
			}
			if e.damage != nil {
				e.damage = fmt.Errorf("message %s in queue %s (records %d to %d), which will be among the dead letters: %w",
					e.id, c.q.topology.queue(p.number), e.header.First, e.header.Last(), e.damage)
			}
			at, there := position(p.ready, e.header.First)
			if there { // somebody has published a copy
				e.settle()
				continue
			}
			p.ready = slices.Insert(p.ready, at, e)
		}
	}
}

// position is where the frame that begins at a number is, or would be.
func position(entries []*entry, first uint64) (at int, there bool) {
	return slices.BinarySearchFunc(entries, first, func(e *entry, first uint64) int { return cmp.Compare(e.header.First, first) })
}

var errLate = errors.New("frame has come after it was given up")

// late takes a frame whose numbers were given already. They are those of a frame
// that the caller has, or of one that was reported missing: then it is kept among
// the dead letters.
func (c *Consumer) late(p *part, e *entry) {
	for _, given := range p.unacked {
		if given.header.First <= e.header.First && e.header.Last() <= given.header.Last() && given.id != e.id {
			e.damage = errLate
			c.q.log.Error("a frame that was reported missing has come, it is put among the dead letters",
				"queue", c.q.topology.queue(p.number), "message", e.id.String(), "first", e.header.First, "records", e.records)
			e.settle()
			return
		}
	}
	at, _ := position(p.unacked, e.header.First)
	p.unacked = slices.Insert(p.unacked, at, e)
}

// settle tells the broker that it is done with the message; it keeps a damaged
// one among the dead letters.
func (e *entry) settle() {
	if e.held != nil {
		e.held.settle(e.tag, e.damage != nil)
	}
}

// choose is what can be given now, in turn from each partition. A frame that was
// given often without being acknowledged waits until all others are, and is then
// given alone, the least suspicious first: if it ends the process, it is the one
// to be counted.
func (c *Consumer) choose(most int) (chosen []*entry, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var suspect *entry
	idle := true
	budget := budget{records: most, bytes: receiveBytes}
	for i := range c.partitions {
		p := c.parts[c.partitions[(c.turn+i)%len(c.partitions)]]
		idle = idle && len(p.unacked) == 0
		if p.leaving {
			continue
		}
		if w := c.closeGap(p); w > 0 && (wait == 0 || w < wait) {
			wait = w
		}
		next := p.given + 1
		for _, e := range p.ready {
			if e.header.First > next {
				break
			}
			if e.suspicious() {
				if e == p.ready[0] && (suspect == nil || e.place.Attempts < suspect.place.Attempts) {
					suspect = e
				}
				break
			}
			if !budget.takes(e, len(chosen) == 0) {
				break
			}
			chosen = append(chosen, e)
			next = e.header.Last() + 1
		}
	}
	switch {
	case suspect == nil:
		return chosen, wait
	case idle:
		return []*entry{suspect}, 0
	default:
		return nil, wait // an Ack wakes Receive
	}
}

func (e *entry) suspicious() bool { return e.damage == nil && e.place.Attempts >= suspectAfter }

// closeGap looks whether the frames that are ready follow those given. If they do
// not for long, what is missing is made a damaged frame: an operator has taken it
// out of the queue, or the broker has. It says how long to wait for that.
func (c *Consumer) closeGap(p *part) time.Duration {
	next := max(p.given, p.acked) + 1
	if len(p.ready) == 0 || p.ready[0].header.First <= next {
		p.gapSince = time.Time{}
		if len(p.ready) > 0 {
			p.given = max(p.given, p.acked)
		}
		return 0
	}
	now := time.Now()
	if p.gapSince.IsZero() {
		p.gapSince = now
	}
	if left := gapPatience - now.Sub(p.gapSince); left > 0 {
		return left
	}
	p.gapSince = time.Time{}
	missing := p.ready[0].header.First - next
	gap := &entry{part: p, header: frame.Header{Partition: p.number, First: next, Count: int(missing)}, records: int(missing)}
	gap.damage = fmt.Errorf("records %d to %d are no longer in queue %s: %w", next, next+missing-1, c.q.topology.queue(p.number), frame.ErrCorrupt)
	p.given = next - 1
	p.ready = slices.Insert(p.ready, 0, gap)
	return 0
}
