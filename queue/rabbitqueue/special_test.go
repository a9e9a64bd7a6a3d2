package rabbitqueue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/queuetest"
	"github.com/weirhq/weir/queue/rabbitqueue"
)

// amqpGarbage is a message that is no frame.
var amqpGarbage = amqp.Publishing{Body: []byte("garbage")}

// publish sends a message past the queue.
func (b *bench) publish(t testing.TB, key string, message amqp.Publishing) {
	t.Helper()
	ch, done := b.channel(t)
	defer done()
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirmation, err := ch.PublishWithDeferredConfirm(b.prefix, key, true, false, message)
	if err != nil || !confirmation.Wait() {
		t.Fatalf("publish: %v", err)
	}
}

// Two processes that read everything have half of it each, and what is moved from
// one to the other is neither lost nor given twice.
func TestShare(t *testing.T) {
	b := newBench(t)
	queues := []*rabbitqueue.Queue{b.open(t, nil), b.open(t, nil)}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	type delivered struct {
		who int
		got
	}
	all := make(chan delivered, 1000)
	var running sync.WaitGroup
	start := func(who int) {
		c := consume(t, queues[who])
		running.Go(func() {
			for {
				deliveries, err := c.Receive(ctx, 100)
				if errors.Is(err, context.Canceled) {
					return
				}
				if err != nil {
					t.Errorf("receive: %v", err)
					return
				}
				upTo := map[int]uint64{}
				for _, d := range deliveries {
					all <- delivered{who, short(t, d)}
					upTo[d.Header.Partition] = d.Header.Last()
				}
				if err := c.Ack(context.WithoutCancel(ctx), upTo); err != nil {
					t.Errorf("ack: %v", err)
					return
				}
			}
		})
	}
	start(0)
	start(1)
	for round := 1; ; round++ {
		var counts [2]int
		for p := range queuetest.Partitions {
			appendTo(t, queues[0], p, fmt.Sprint(round))
		}
		for range queuetest.Partitions {
			select {
			case d := <-all:
				counts[d.who]++
				if d.name != fmt.Sprint(round) || d.first != uint64(round) {
					t.Fatalf("round %d: received %v", round, d.got)
				}
			case <-ctx.Done():
				t.Fatalf("round %d: %v of %d frames, and no more in time", round, counts, queuetest.Partitions)
			}
		}
		if round == 1 && counts != [2]int{queuetest.Partitions, 0} {
			t.Logf("the first one did not begin with everything: %v", counts)
		}
		if counts[0] == counts[1] {
			t.Logf("shared in round %d", round)
			break
		}
	}
	cancel()
	running.Wait()
}

// A message that is no frame, or a damaged one, costs itself only: it has a number
// like any other, the same each time, and is kept among the dead letters.
func TestGarbage(t *testing.T) {
	b := newBench(t)
	q := b.open(t, nil)
	sealed := func(partition int) frame.Sealed {
		return frame.Seal(queuetest.Body(t, partition, "x", "y", "z"), 1, 1)
	}
	broken := sealed(0)
	broken[len(broken)-1] ^= 1
	appendTo(t, q, 0, "a")
	b.publish(t, "p00", amqp.Publishing{Body: []byte("hello")})
	b.publish(t, "p00", amqp.Publishing{Body: broken, MessageId: strings.Repeat("0a", 16)})
	b.publish(t, "p00", amqp.Publishing{})
	b.publish(t, "p00", amqp.Publishing{Body: sealed(3), MessageId: strings.Repeat("0b", 16)})
	appendTo(t, q, 0, "b")
	all := []string{"0:1 a", "0:2 damage", "0:3 damage", "0:6 damage", "0:7 damage", "0:10 b"}
	for range 2 {
		c := consume(t, q, 0)
		want(t, take(t, c, len(all)), all...)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c := consume(t, q, 0)
	take(t, c, len(all))
	if err := c.Ack(t.Context(), map[int]uint64{0: 10}); err != nil {
		t.Fatal(err)
	}
	if lag, err := q.Lag(t.Context()); err != nil || lag.Records != 0 || lag.Bytes != 0 {
		t.Errorf("lag is %+v, %v", lag, err)
	}
	var letters []rabbitqueue.DeadLetter
	eventually(t, "be dead letters", patience, func() bool {
		var total int
		var err error
		if letters, total, err = q.DeadLetters(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		return total == 4 && len(letters) == 4
	})
	var bodies []string
	for _, l := range letters {
		if l.Partition != "p00" || l.Reason != "rejected" || l.At.IsZero() {
			t.Errorf("a dead letter is of %q for %q at %v", l.Partition, l.Reason, l.At)
		}
		bodies = append(bodies, string(l.Body))
	}
	for _, body := range []string{"hello", "", string(broken), string(sealed(3))} {
		if !slices.Contains(bodies, body) {
			t.Errorf("%q is not among the dead letters", body)
		}
	}
	// Looking does not take them away, and most bounds them.
	if letters, total, err := q.DeadLetters(t.Context(), 1); err != nil || len(letters) != 1 || total != 4 {
		t.Errorf("got %d of %d dead letters, %v", len(letters), total, err)
	}
}

// A frame that ends its worker each time is a dead letter in the end. Those beside
// it, before and after it and in other partitions, are not.
func TestPoison(t *testing.T) {
	b := newBench(t)
	const limit = 5
	q := b.open(t, func(o *rabbitqueue.Options) { o.DeliveryLimit = limit })
	appendTo(t, q, 0, "a", "b", "poison", "c", "d")
	appendTo(t, q, 1, "e", "f")
	given, acked := map[string]int{}, map[string]bool{}
	var damaged []got
	for deaths := 0; len(acked) < 7; {
		c := consume(t, q)
		for alive := true; alive && len(acked) < 7; {
			deliveries, err := c.Receive(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			upTo := map[int]uint64{}
			var names []string
			for _, d := range deliveries {
				g := short(t, d)
				names = append(names, g.name)
				if d.Damage != nil {
					damaged = append(damaged, g)
				} else {
					given[g.name]++
				}
				alive = alive && g.name != "poison"
				upTo[g.partition] = d.Header.Last()
			}
			if alive {
				if err := c.Ack(t.Context(), upTo); err != nil {
					t.Fatal(err)
				}
				for _, name := range names {
					acked[name] = true
				}
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if deaths++; deaths > 4*limit {
			t.Fatalf("the poison is still there: given %v", given)
		}
	}
	want(t, damaged, "0:3 damage")
	t.Logf("given %v", given)
	if given["poison"] != limit {
		t.Errorf("the poison was given %d times, want %d", given["poison"], limit)
	}
	for name, n := range given {
		if n > limit {
			t.Errorf("%s was given %d times", name, n)
		}
	}
	eventually(t, "be a dead letter", patience, func() bool {
		letters, _, err := q.DeadLetters(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(letters) == 1 && letters[0].Records == 1
	})
	c := consume(t, q)
	appendTo(t, q, 0, "g")
	all := take(t, c, 1)
	want(t, all, "0:6 g")
}

// What an operator takes out of a queue is reported as damage when it had numbers.
func TestMissing(t *testing.T) {
	b := newBench(t)
	q := b.open(t, nil)
	appendTo(t, q, 2, "a", "b", "c")
	c := consume(t, q, 2)
	take(t, c, 3)
	if err := c.Ack(t.Context(), map[int]uint64{2: 1}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ch, done := b.channel(t)
	defer done()
	eventually(t, "come back", patience, func() bool {
		n, err := ch.QueuePurge(b.prefix+".p02", false)
		if err != nil {
			t.Fatal(err)
		}
		return n == 2
	})
	appendTo(t, q, 2, "d")
	c = consume(t, q, 2)
	want(t, take(t, c, 2), "2:2 damage", "2:4 d")
	if err := c.Ack(t.Context(), map[int]uint64{2: 4}); err != nil {
		t.Fatal(err)
	}
	if lag, err := q.Lag(t.Context()); err != nil || lag.Records != 0 {
		t.Errorf("lag is %+v, %v", lag, err)
	}
}

func TestSettingsAreFixed(t *testing.T) {
	b := newBench(t)
	open := func(change func(*rabbitqueue.Options)) error {
		options := &rabbitqueue.Options{Prefix: b.prefix}
		change(options)
		q, err := rabbitqueue.Open(t.Context(), []string{rabbitURL()}, options)
		if err == nil {
			if got := q.Partitions(); got != 5 {
				t.Errorf("%d partitions, want 5", got)
			}
			q.Close()
		}
		return err
	}
	partitions := func(n int) func(*rabbitqueue.Options) {
		return func(o *rabbitqueue.Options) { o.Partitions = n }
	}
	// Processes that start together make the queue once.
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() {
			if err := open(partitions(5)); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	for _, n := range []int{1, 4, 6, 8} {
		err := open(partitions(n))
		if !errors.Is(err, rabbitqueue.ErrMismatch) || !strings.Contains(err.Error(), "has 5 partitions") {
			t.Errorf("opened with %d partitions: %v, want ErrMismatch", n, err)
		}
	}
	if err := open(func(o *rabbitqueue.Options) { o.MaxBacklog = 1 << 20 }); !errors.Is(err, rabbitqueue.ErrMismatch) || !strings.Contains(err.Error(), "max-length-bytes") {
		t.Errorf("opened with another limit: %v, want ErrMismatch", err)
	}
	if err := open(partitions(0)); err != nil {
		t.Error(err)
	}
	// A set-up that was not finished is finished by the next one.
	ch, done := b.channel(t)
	defer done()
	for _, name := range []string{".p00", ".p01"} {
		if _, err := ch.QueueDelete(b.prefix+name, false, false, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(partitions(5)); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	for name, wrong := range map[string]*rabbitqueue.Options{
		"partitions": {Partitions: -1},
		"prefetch":   {Prefetch: 2001},
		"prefix":     {Prefix: strings.Repeat("x", 201)},
	} {
		if _, err := rabbitqueue.Open(t.Context(), []string{rabbitURL()}, wrong); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if _, err := rabbitqueue.Open(t.Context(), nil, nil); err == nil {
		t.Error("opened without an address")
	}
	_, err := rabbitqueue.Open(t.Context(), []string{"http://me:secret@host"}, nil)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got error %v, want one without the password", err)
	}
}

// A frame that no queue takes is an error, not a success.
func TestUnroutable(t *testing.T) {
	b := newBench(t)
	q := b.open(t, nil)
	appendTo(t, q, 0, "a") // it is connected, and declares nothing any more
	ch, done := b.channel(t)
	defer done()
	if _, err := ch.QueueDelete(b.prefix+".p01", false, false, false); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		err := q.Append(t.Context(), []frame.Body{queuetest.Body(t, 0, "a"), queuetest.Body(t, 1, "b"), queuetest.Body(t, 2, "c")})
		if err == nil || !strings.Contains(err.Error(), "p01") {
			t.Fatalf("got error %v, want one that names the queue", err)
		}
	}
	appendTo(t, q, 0, "a")
}

// A process that only appends needs no ledger.
func TestAppendOnly(t *testing.T) {
	b := newBench(t)
	q := b.open(t, func(o *rabbitqueue.Options) { o.Ledger = nil })
	appendTo(t, q, 0, "a")
	if _, err := q.Consume(t.Context(), nil); err == nil {
		t.Error("consumed without a ledger")
	}
	if lag, err := q.Lag(t.Context()); err != nil || lag.Bytes == 0 || lag.Records == 0 || len(lag.Head) != q.Partitions() {
		t.Errorf("what waits at the broker: %+v, %v", lag, err)
	}
	want(t, take(t, consume(t, b.open(t, nil)), 1), "0:1 a")
}

// A ledger that fails is an error of Receive and Ack, and costs nothing else.
func TestLedgerFails(t *testing.T) {
	b := newBench(t)
	failing := &failingLedger{Ledger: b.ledger}
	q := b.open(t, func(o *rabbitqueue.Options) { o.Ledger = failing })
	c := consume(t, q)
	appendTo(t, q, 0, "a", "b")
	failing.fail(true)
	for range 3 {
		if _, err := c.Receive(t.Context(), 10); !errors.Is(err, errLedger) {
			t.Fatalf("got error %v, want the ledger's", err)
		}
	}
	failing.fail(false)
	want(t, take(t, c, 2), "0:1 a", "0:2 b")
	failing.fail(true)
	if err := c.Ack(t.Context(), map[int]uint64{0: 2}); !errors.Is(err, errLedger) {
		t.Errorf("got error %v, want the ledger's", err)
	}
	failing.fail(false)
	if err := c.Ack(t.Context(), map[int]uint64{0: 2}); err != nil {
		t.Error(err)
	}
}

var errLedger = errors.New("the database is away")

// failingLedger is a real ledger with a switch.
type failingLedger struct {
	rabbitqueue.Ledger
	mu  sync.Mutex
	off bool
}

func (l *failingLedger) fail(off bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = off
}

func (l *failingLedger) error() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.off {
		return errLedger
	}
	return nil
}

func (l *failingLedger) Assign(ctx context.Context, frames []rabbitqueue.Frame) ([]rabbitqueue.Place, error) {
	if err := l.error(); err != nil {
		return nil, err
	}
	return l.Ledger.Assign(ctx, frames)
}

func (l *failingLedger) Acknowledge(ctx context.Context, upTo map[int]uint64) error {
	if err := l.error(); err != nil {
		return err
	}
	return l.Ledger.Acknowledge(ctx, upTo)
}

// More frames than a consumer may hold: Receive waits for an Ack.
func TestPrefetch(t *testing.T) {
	b := newBench(t)
	q := b.open(t, func(o *rabbitqueue.Options) { o.Prefetch = 3 })
	appendTo(t, q, 0, "a", "b", "c", "d")
	c := consume(t, q, 0)
	want(t, take(t, c, 3), "0:1 a", "0:2 b", "0:3 c")
	result := make(chan []queue.Delivery, 1)
	go func() {
		deliveries, err := c.Receive(t.Context(), 10)
		if err != nil {
			t.Errorf("receive: %v", err)
		}
		result <- deliveries
	}()
	if err := c.Ack(t.Context(), map[int]uint64{0: 1}); err != nil {
		t.Fatal(err)
	}
	if deliveries := <-result; len(deliveries) != 1 || deliveries[0].Header.First != 4 {
		t.Errorf("received %v", deliveries)
	}
}

// What another process has acknowledged is not waited for any more.
func TestAcknowledgedElsewhere(t *testing.T) {
	b := newBench(t)
	p := newProxy(t)
	first, second := b.openAt(t, p.url(), nil), b.open(t, nil)
	appendTo(t, second, 0, "a", "b")
	here := consume(t, first, 0)
	want(t, take(t, here, 2), "0:1 a", "0:2 b")
	p.refuse()
	there := consume(t, second, 0)
	want(t, take(t, there, 2), "0:1 a", "0:2 b")
	if err := there.Ack(t.Context(), map[int]uint64{0: 2}); err != nil {
		t.Fatal(err)
	}
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	p.restore()
	appendTo(t, second, 0, "c")
	want(t, take(t, here, 1), "0:3 c")
	if err := here.Ack(t.Context(), map[int]uint64{0: 2}); err != nil {
		t.Error(err)
	}
	if err := here.Ack(t.Context(), map[int]uint64{0: 3}); err != nil {
		t.Error(err)
	}
	if lag, err := second.Lag(t.Context()); err != nil || lag.Records != 0 {
		t.Errorf("lag is %+v, %v", lag, err)
	}
	// A frame that was given often is given only while nothing is waited for.
	p.refuse()
	appendTo(t, second, 0, "d")
	for range 3 {
		there := consume(t, second, 0)
		want(t, take(t, there, 1), "0:4 d")
		if err := there.Close(); err != nil {
			t.Fatal(err)
		}
	}
	p.restore()
	want(t, take(t, here, 1), "0:4 d")
}

// Frames that have waited here for too long are not numbered, since the ledger may
// have forgotten them: they come again, in order.
func TestStale(t *testing.T) {
	b := newBench(t)
	failing := &failingLedger{Ledger: b.ledger}
	const held = 300 * time.Millisecond
	registry := prometheus.NewRegistry()
	q := b.open(t, func(o *rabbitqueue.Options) {
		o.Ledger = failing
		o.Registerer = registry
		o.SetMaxHeld(held)
	})
	appendTo(t, q, 0, "a", "b", "c")
	c := consume(t, q)
	failing.fail(true)
	began := time.Now()
	eventually(t, "wait for numbers too long", patience, func() bool {
		if _, err := c.Receive(t.Context(), 1); !errors.Is(err, errLedger) {
			t.Fatalf("got error %v, want the ledger's", err)
		}
		return time.Since(began) > 2*held
	})
	failing.fail(false)
	if values(t, registry)["weir_queue_yields_total"] == 0 {
		t.Error("the partition was not given up")
	}
	want(t, take(t, c, 3), "0:1 a", "0:2 b", "0:3 c")
	if err := c.Ack(t.Context(), map[int]uint64{0: 3}); err != nil {
		t.Fatal(err)
	}
	if lag, err := q.Lag(t.Context()); err != nil || lag.Records != 0 {
		t.Errorf("lag is %+v, %v", lag, err)
	}
}

// A copy of a frame that somebody has published costs nothing.
func TestCopies(t *testing.T) {
	b := newBench(t)
	q := b.open(t, nil)
	sealed := frame.Seal(queuetest.Body(t, 0, "x"), 1, 1)
	for range 3 {
		b.publish(t, "p00", amqp.Publishing{Body: sealed, MessageId: strings.Repeat("0c", 16)})
	}
	c := consume(t, q, 0)
	want(t, take(t, c, 1), "0:1 x")
	if err := c.Ack(t.Context(), map[int]uint64{0: 1}); err != nil {
		t.Fatal(err)
	}
	b.publish(t, "p00", amqp.Publishing{Body: sealed, MessageId: strings.Repeat("0c", 16)})
	appendTo(t, q, 0, "y")
	want(t, take(t, c, 1), "0:2 y")
	if err := c.Ack(t.Context(), map[int]uint64{0: 2}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	ch, done := b.channel(t)
	defer done()
	eventually(t, "the broker has nothing", patience, func() bool {
		found, err := ch.QueueDeclarePassive(b.prefix+".p00", true, false, false, false, nil)
		return err == nil && found.Consumers == 0 && found.Messages == 0
	})
}
