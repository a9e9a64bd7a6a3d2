// Package rabbitqueue keeps the queue in RabbitMQ (3.10 or later), for any
// number of collectors and workers.
//
// With the prefix weir there are, all of them durable: a direct exchange weir,
// one quorum queue weir.p00, weir.p01 … for each partition, an exchange and a
// quorum queue weir.dead for what could not be processed, and an exchange
// weir.members over which consumers know of each other. The program declares
// them; the queues that are there are the record of how many partitions there
// are.
//
// How the promises of package queue are kept:
//
//   - Durable: a frame is stored when the broker has confirmed it, which for a
//     quorum queue means that a majority has written and synced it. A frame that
//     was refused or returned, or is not confirmed in time, is an error.
//   - Order: one channel publishes the frames of a process. The queues allow one
//     active consumer each; frames that a lost consumer held come again, first
//     and in order. That rests on all consumers having the same Prefetch.
//   - Sequence numbers: frames travel without. The consumer that receives a frame
//     asks the Ledger for its numbers, and is told the same at every delivery.
//   - Damaged or foreign messages, and frames that were given too often without
//     being acknowledged, are delivered as damage; once that is acknowledged they
//     lie among the dead letters.
//
// Connections are made anew when they are lost, for publishing and consuming
// apart, since a broker that is short of memory or disk stops publishers.
package rabbitqueue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
)

// ErrUnconfirmed is wrapped by Append when frames were sent and it is unknown
// whether the broker has stored them.
var ErrUnconfirmed = errors.New("broker has not confirmed")

// ErrMismatch is wrapped by Open when the broker has the queue with other
// settings.
var ErrMismatch = errors.New("queue on the broker has other settings")

// errNoLedger answers calls that need sequence numbers.
var errNoLedger = errors.New("this process was given no ledger and can only append")

// DefaultPartitions is the number of partitions of a new queue whose options
// leave it open.
const DefaultPartitions = 8

// Options of a queue; nil or zero fields mean the defaults.
type Options struct {
	// Prefix begins the names of all exchanges and queues. "" means "weir".
	Prefix string
	// Partitions is fixed when the queue is first made; later it must be that
	// number or 0. For a new queue 0 means DefaultPartitions.
	Partitions int
	// MaxBacklog bounds the bytes that wait at the broker; an equal share of it is
	// each partition's limit, above which Append answers queue.ErrFull. What
	// consumers have been sent does not count, and what is on its way when the
	// limit is reached is still taken. 0 means 64 GB, negative no bound. It is a
	// setting of the queues on the broker and must be the same in all processes.
	MaxBacklog int64
	// Ledger gives sequence numbers. nil in a process that only appends.
	Ledger Ledger
	// DeliveryLimit is how often a frame is given to callers without being
	// acknowledged, before it is a dead letter. From the third time on it is given
	// alone, so that it is known who is to blame. 0 means 8.
	DeliveryLimit int
	// Prefetch bounds the frames of a partition that a consumer holds and has not
	// acknowledged, at most 2000; above it Receive waits. It must be the same in all
	// processes. 0 means 256.
	Prefetch int
	// Window bounds the frames that are sent and not confirmed. 0 means 512.
	Window int
	// ConfirmTimeout is how long Append waits for the broker. 0 means 5 s.
	ConfirmTimeout time.Duration
	// Heartbeat: the broker takes a silent consumer for dead after two to three of
	// them. 0 means 4 s, so that others take over within 12 s; the least is 1 s.
	Heartbeat time.Duration
	// DialTimeout bounds the making of a connection. 0 means 5 s.
	DialTimeout time.Duration
	// TLS is for amqps addresses. nil means the system's authorities.
	TLS *tls.Config
	// Now gives the time of frames. nil means time.Now.
	Now func() time.Time
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer

	maxHeld time.Duration // 0 means maxHeld; tests lower it
}

func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Prefix == "" {
		opts.Prefix = "weir"
	}
	if len(opts.Prefix) > 200 { // names have 255 bytes at most
		return opts, fmt.Errorf("a prefix of %d bytes is too long", len(opts.Prefix))
	}
	if opts.Partitions < 0 || opts.Partitions > weir.MaxPartitions {
		return opts, fmt.Errorf("%d partitions are out of range: want 1 to %d", opts.Partitions, weir.MaxPartitions)
	}
	if opts.MaxBacklog == 0 {
		opts.MaxBacklog = 64 << 30
	}
	if opts.Prefetch < 0 || opts.Prefetch > 2000 {
		return opts, fmt.Errorf("a prefetch of %d is out of range: want 1 to 2000", opts.Prefetch)
	}
	orInt := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	orTime := func(field *time.Duration, value time.Duration) {
		if *field <= 0 {
			*field = value
		}
	}
	orInt(&opts.DeliveryLimit, 8)
	orInt(&opts.Prefetch, 256)
	orInt(&opts.Window, 512)
	orTime(&opts.ConfirmTimeout, 5*time.Second)
	orTime(&opts.Heartbeat, 4*time.Second)
	orTime(&opts.DialTimeout, 5*time.Second)
	orTime(&opts.maxHeld, maxHeld)
	opts.Heartbeat = max(opts.Heartbeat, time.Second)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return opts, nil
}

var _ queue.Queue = (*Queue)(nil)

// Queue is a queue.Queue on a broker.
type Queue struct {
	urls       []string
	opts       Options
	log        *slog.Logger
	metrics    *metrics
	topology   topology
	publisher  *publisher
	sizes      sizes
	background sync.WaitGroup
	cancel     context.CancelFunc // ends the publisher
	unmaintain context.CancelFunc // ends the maintenance

	mu        sync.Mutex
	consumers map[*Consumer]bool
	calls     sync.WaitGroup // running calls; added to under mu
	closed    bool

	done      chan struct{} // closed by Close
	closeOnce sync.Once
}

// Open connects to the broker, one of the nodes with the given amqp or amqps
// addresses, and declares the queue. The error wraps ErrMismatch if it is there
// with other settings. Later the broker may come and go.
func Open(ctx context.Context, urls []string, options *Options) (*Queue, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	if len(urls) == 0 {
		return nil, errors.New("open queue: no address of a broker")
	}
	for i, url := range urls {
		if _, err := amqp.ParseURI(url); err != nil { // the error may tell the password
			return nil, fmt.Errorf("open queue: address %d of the broker is not like amqp://user:password@host:5672/vhost", i+1)
		}
	}
	q := &Queue{urls: urls, opts: opts, log: opts.Logger, consumers: map[*Consumer]bool{}, done: make(chan struct{})}
	q.topology, err = q.setUp(ctx)
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	q.metrics, err = newMetrics(opts.Registerer, opts.Ledger != nil)
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	var publishing, maintaining context.Context // they end with Close
	publishing, q.cancel = context.WithCancel(context.Background())
	maintaining, q.unmaintain = context.WithCancel(context.Background())
	q.publisher = newPublisher(q)
	q.background.Go(func() { q.publisher.run(publishing) })
	if opts.Ledger != nil {
		q.background.Go(func() { q.maintain(maintaining) })
	}
	return q, nil
}

// setUp declares the topology over a connection of its own.
func (q *Queue) setUp(ctx context.Context) (topology, error) {
	conn, err := q.dial(ctx, "set-up")
	if err != nil {
		return topology{}, err
	}
	defer conn.close()
	stop := context.AfterFunc(ctx, conn.cut)
	defer stop()
	t, err := setUp(ctx, conn, q.opts)
	if err != nil && ctx.Err() != nil {
		return t, ctx.Err()
	}
	return t, err
}

// Partitions is their number.
func (q *Queue) Partitions() int { return q.topology.partitions }

// begin notes a running call; the caller calls q.calls.Done unless it fails.
func (q *Queue) begin(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return queue.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	q.calls.Add(1)
	return nil
}

// Close waits for running calls; a Receive that waits returns at once.
func (q *Queue) Close() error {
	q.closeOnce.Do(func() {
		q.mu.Lock()
		q.closed = true
		consumers := make([]*Consumer, 0, len(q.consumers))
		for c := range q.consumers {
			consumers = append(consumers, c)
		}
		q.mu.Unlock()
		close(q.done)
		q.unmaintain()
		q.calls.Wait()
		for _, c := range consumers {
			c.stop()
		}
		q.cancel()
		q.background.Wait()
		q.metrics.unregister(q.opts.Registerer)
	})
	return nil
}

// Append publishes the bodies and waits until the broker has confirmed all of
// them. While the broker is away it waits for it too, ConfirmTimeout at most.
// After an error that wraps ErrUnconfirmed, or queue.ErrFull, some of the frames
// may be stored.
func (q *Queue) Append(ctx context.Context, bodies []frame.Body) error {
	if err := q.append(ctx, bodies); err != nil {
		return fmt.Errorf("append to queue: %w", err)
	}
	return nil
}

func (q *Queue) append(ctx context.Context, bodies []frame.Body) error {
	if err := q.begin(ctx); err != nil {
		return err
	}
	defer q.calls.Done()
	if len(bodies) == 0 {
		return nil
	}
	began := time.Now()
	messages, records, bytes, err := q.messages(bodies)
	if err != nil {
		return err
	}
	if err := q.publisher.publish(ctx, messages); err != nil {
		q.metrics.refused(err)
		return err
	}
	q.metrics.appendSeconds.Observe(time.Since(began).Seconds())
	q.metrics.records.Add(float64(records))
	q.metrics.frames.Add(float64(len(bodies)))
	q.metrics.bytes.Add(float64(bytes))
	q.sizes.add(len(bodies), records, bytes)
	return nil
}

// messages seals the bodies. They are copied.
func (q *Queue) messages(bodies []frame.Body) (messages []message, records int, bytes int64, err error) {
	at := weir.MicrosOf(q.opts.Now())
	messages = make([]message, len(bodies))
	for i, b := range bodies {
		size := frame.HeaderSize + len(b.Data)
		switch {
		case b.Partition < 0 || b.Partition >= q.Partitions():
			return nil, 0, 0, fmt.Errorf("body %d: partition %d is out of range, there are %d", i, b.Partition, q.Partitions())
		case b.Count < 1 || b.Count > frame.MaxRecords:
			return nil, 0, 0, fmt.Errorf("body %d: %d records are out of range", i, b.Count)
		case size > maxMessage:
			return nil, 0, 0, fmt.Errorf("body %d: a frame of %d bytes is more than a broker takes, which is %d", i, size, maxMessage)
		}
		messages[i] = newMessage(b, at)
		records += b.Count
		bytes += int64(size)
	}
	return messages, records, bytes, nil
}
