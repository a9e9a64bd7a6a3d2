package rabbitqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/weirhq/weir"
)

// brokerLimit is the broker's own limit of deliveries. It only ends what the
// Ledger cannot count, such as a message that kills its reader before it is
// numbered. Up to RabbitMQ 4.2 the broker counts all that a consumer held when it
// was lost, the innocent too, and from 4.3 on not every return.
const brokerLimit = 1000

// topology is what the broker has of the queue.
type topology struct {
	prefix     string
	partitions int
	maxBytes   int64 // of each partition; negative: no limit
}

func (t topology) queue(partition int) string { return t.prefix + "." + key(partition) }
func (t topology) dead() string               { return t.prefix + ".dead" }
func (t topology) members() string            { return t.prefix + ".members" }

// key is the routing key of a partition.
func key(partition int) string { return fmt.Sprintf("p%02d", partition) }

// arguments of a partition's queue. At-least-once dead-lettering works only with
// reject-publish.
func (t topology) arguments() amqp.Table {
	args := amqp.Table{
		"x-queue-type":             "quorum",
		"x-single-active-consumer": true,
		"x-delivery-limit":         int64(brokerLimit),
		"x-overflow":               "reject-publish",
		"x-dead-letter-exchange":   t.dead(),
		"x-dead-letter-strategy":   "at-least-once",
	}
	if t.maxBytes >= 0 {
		args["x-max-length-bytes"] = t.maxBytes
	}
	return args
}

// declare makes what is missing. The partitions' queues come last, and the first
// of them at the very end: where it is, all are.
func (t topology) declare(conn *connection) error {
	ch, err := conn.amqp.Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	for _, exchange := range []struct{ name, kind string }{
		{t.prefix, amqp.ExchangeDirect}, {t.dead(), amqp.ExchangeFanout}, {t.members(), amqp.ExchangeFanout},
	} {
		if err := ch.ExchangeDeclare(exchange.name, exchange.kind, true, false, false, false, nil); err != nil {
			return mismatch("exchange "+exchange.name, err)
		}
	}
	// Looking at a dead letter counts as a delivery: it must not be dropped for it.
	args := amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int64(1 << 30)}
	if err := declareQueue(ch, t.dead(), t.dead(), "", args); err != nil {
		return err
	}
	for p := t.partitions - 1; p >= 0; p-- {
		if err := declareQueue(ch, t.queue(p), t.prefix, key(p), t.arguments()); err != nil {
			return err
		}
	}
	return ch.Close()
}

func declareQueue(ch *amqp.Channel, name, exchange, key string, args amqp.Table) error {
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		return mismatch("queue "+name, err)
	}
	if err := ch.QueueBind(name, key, exchange, false, nil); err != nil {
		return fmt.Errorf("bind queue %s: %w", name, err)
	}
	return nil
}

func mismatch(what string, err error) error {
	if code(err) != amqp.PreconditionFailed {
		return fmt.Errorf("declare %s: %w", what, err)
	}
	return fmt.Errorf("%w: %s: %w; open it with the settings that it was made with, or let the workers empty the queues, "+
		"delete them (rabbitmqctl delete_queue) and start again", ErrMismatch, what, err)
}

// setUp finds out how many partitions there are, and makes them if there are none.
// Only one process does so at a time.
func setUp(ctx context.Context, conn *connection, opts Options) (topology, error) {
	t := topology{prefix: opts.Prefix, partitions: opts.Partitions, maxBytes: -1}
	if err := t.lock(ctx, conn); err != nil {
		return t, err
	}
	found, err := t.count(conn)
	if err != nil {
		return t, fmt.Errorf("count partitions: %w", err)
	}
	switch {
	case found == 0 && t.partitions == 0:
		t.partitions = DefaultPartitions
	case found != 0 && t.partitions != 0 && found != t.partitions:
		return t, fmt.Errorf("%w: %s has %d partitions, not %d; their number cannot be changed, since the order of a user's items rests "+
			"on it: open it with %d, or begin with another prefix", ErrMismatch, t.prefix, found, t.partitions, found)
	case found != 0:
		t.partitions = found
	}
	if opts.MaxBacklog >= 0 {
		t.maxBytes = max(1, opts.MaxBacklog/int64(t.partitions))
	}
	return t, t.declare(conn)
}

// lock keeps other processes from setting up, by an exclusive queue that goes
// with the connection.
func (t topology) lock(ctx context.Context, conn *connection) error {
	for {
		ch, err := conn.amqp.Channel()
		if err != nil {
			return fmt.Errorf("open channel: %w", err)
		}
		_, err = ch.QueueDeclare(t.prefix+".setup", false, true, true, false, nil)
		if err == nil {
			return nil
		}
		if code(err) != amqp.ResourceLocked {
			return fmt.Errorf("lock %s: %w", t.prefix, err)
		}
		select {
		case <-time.After(50 * time.Millisecond): // another one sets up
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// count is how many partitions there are, 0 if the last set-up was not finished.
func (t topology) count(conn *connection) (int, error) {
	there, err := t.exists(conn, 0)
	if err != nil || !there {
		return 0, err
	}
	// Partition low is there, high is not.
	low, high := 0, 1
	for ; high < weir.MaxPartitions; high *= 2 {
		there, err := t.exists(conn, high)
		if err != nil {
			return 0, err
		}
		if !there {
			break
		}
		low = high
	}
	for high-low > 1 {
		middle := (low + high) / 2
		there, err := t.exists(conn, middle)
		if err != nil {
			return 0, err
		}
		if there {
			low = middle
		} else {
			high = middle
		}
	}
	return low + 1, nil
}

func (t topology) exists(conn *connection, partition int) (bool, error) {
	ch, err := conn.amqp.Channel()
	if err != nil {
		return false, fmt.Errorf("open channel: %w", err)
	}
	_, err = ch.QueueDeclarePassive(t.queue(partition), true, false, false, false, nil)
	if err == nil {
		return true, ch.Close()
	}
	var e *amqp.Error
	if errors.As(err, &e) && e.Code == amqp.NotFound && strings.Contains(e.Reason, "no queue") {
		return false, nil
	}
	return false, fmt.Errorf("look for queue %s: %w", t.queue(partition), err)
}
