package rabbitqueue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Every consumer stands in line for all of its partitions, and the broker serves
// the first in each line: so a partition whose consumer is lost is taken over at
// once. Left alone, the consumer that came first would have everything. Therefore
// consumers tell each other over an exchange that they are there, work out who is
// to have which partition, and one that is served and is not to be goes to the
// end of the line as soon as what it has given is acknowledged. Nothing but the
// share of work rests on that.
const (
	memberEvery   = 2 * time.Second
	memberExpires = 3 * memberEvery
	// leavePatience is how long nothing more of a partition is given, so that the
	// caller may acknowledge what it has; if it does not, there is another try
	// after stayFor.
	leavePatience = 5 * time.Second
	stayFor       = 30 * time.Second
)

// hello is what consumers tell each other.
type hello struct {
	ID         string `json:"id"`
	Partitions []int  `json:"partitions"`
}

// members is what one consumer knows of the others.
type members struct {
	c          *Consumer
	ch         *amqp.Channel
	deliveries <-chan amqp.Delivery
	closed     chan *amqp.Error
	others     map[string]member
}

type member struct {
	partitions []int
	seen       time.Time
}

// joinMembers makes a queue that goes with the connection.
func joinMembers(conn *connection, c *Consumer) (*members, error) {
	ch, err := conn.amqp.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	m := &members{c: c, ch: ch, closed: ch.NotifyClose(make(chan *amqp.Error, 1)), others: map[string]member{}}
	exchange := c.q.topology.members()
	own, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err == nil {
		err = ch.QueueBind(own.Name, "", exchange, false, nil)
	}
	if err == nil {
		m.deliveries, err = ch.Consume(own.Name, "", true, true, false, false, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("join %s: %w", exchange, err)
	}
	return m, nil
}

// run says hello and listens until ctx ends.
func (m *members) run(ctx context.Context) error {
	ticker := time.NewTicker(memberEvery)
	defer ticker.Stop()
	if err := m.greet(); err != nil {
		return err
	}
	for {
		select {
		case d, ok := <-m.deliveries:
			if !ok {
				return lost(m.closed, m.c.q.topology.members())
			}
			var h hello
			if err := json.Unmarshal(d.Body, &h); err != nil || h.ID == m.c.id {
				continue
			}
			_, known := m.others[h.ID]
			m.others[h.ID] = member{h.Partitions, time.Now()}
			if !known {
				m.balance()
			}
		case <-ticker.C:
			if err := m.greet(); err != nil {
				return err
			}
			m.balance()
		case <-ctx.Done():
			return m.ch.Close()
		}
	}
}

func (m *members) greet() error {
	body, err := json.Marshal(hello{m.c.id, m.c.partitions})
	if err != nil {
		return fmt.Errorf("tell members: %w", err)
	}
	if err := m.ch.Publish(m.c.q.topology.members(), "", false, false, amqp.Publishing{Body: body}); err != nil {
		return fmt.Errorf("tell members: %w", err)
	}
	return nil
}

// balance gives up what others are to have.
func (m *members) balance() {
	readers := map[int][]string{}
	for id, other := range m.others {
		if time.Since(other.seen) > memberExpires {
			delete(m.others, id)
			continue
		}
		for _, p := range other.partitions {
			readers[p] = append(readers[p], id)
		}
	}
	for _, p := range m.c.partitions {
		readers[p] = append(readers[p], m.c.id)
	}
	owners := share(readers)
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	for n, p := range m.c.parts {
		p.leave(owners[n] != m.c.id && p.held != nil && p.held.isActive(), time.Now())
	}
	m.c.notify()
}

// share deals the partitions out among those who read them: those that have the
// same readers, in turn. All who know the same members come to the same result.
func share(readers map[int][]string) (owners map[int]string) {
	owners = map[int]string{}
	dealt := map[string]int{}
	partitions := make([]int, 0, len(readers))
	for p := range readers {
		partitions = append(partitions, p)
	}
	slices.Sort(partitions)
	for _, p := range partitions {
		slices.Sort(readers[p])
		group := strings.Join(readers[p], " ")
		owners[p] = readers[p][dealt[group]%len(readers[p])]
		dealt[group]++
	}
	return owners
}

func (r *registration) isActive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}

// leave begins to leave the partition to another member, if that is wanted, or
// ends it.
func (p *part) leave(wanted bool, now time.Time) {
	switch {
	case !wanted:
		p.leaving = false
	case p.leaving && now.Sub(p.since) > leavePatience:
		p.leaving, p.since = false, now
	case !p.leaving && now.Sub(p.since) > stayFor:
		p.leaving, p.since = true, now
	}
	p.leaveIfIdle()
}

// leaveIfIdle goes to the end of the line if that is wanted and the caller has
// nothing to acknowledge.
func (p *part) leaveIfIdle() {
	if p.leaving && len(p.unacked) == 0 && p.held != nil {
		p.held.giveUp()
	}
}
