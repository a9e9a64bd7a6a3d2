// Package queuetest is the conformance suite of package queue: what every
// driver passes and what callers may rely on.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
)

// Partitions is how many partitions the harness's queue has.
const Partitions = 4

// patience is how long the suite waits for what must happen before it says
// that it did not. Nothing depends on its being short.
const patience = 20 * time.Second

// Harness is one queue under test, on storage of its own. The suite closes the
// queues; what else there is to free, the harness frees with t.Cleanup.
type Harness struct {
	// Queue is empty and has Partitions partitions.
	Queue queue.Queue
	// Reopen opens the queue again after the suite has closed it, as a process
	// does that starts anew. nil if nothing outlives the queue.
	Reopen func(t *testing.T) queue.Queue
	// ReopenLimited is Reopen with a limit of the backlog in bytes. nil if the
	// driver has none.
	ReopenLimited func(t *testing.T, maxBacklog int64) queue.Queue
	// WakesWithin bounds the time between the end of an Append and the return of
	// a Receive that waits for it. 0 means 250 ms, which leaves room for a busy
	// machine and none for polling by the second.
	WakesWithin time.Duration
	// NumbersOnDelivery says that frames get their sequence numbers when they are
	// first delivered: until then Lag does not count them in Head, and estimates
	// records and bytes.
	NumbersOnDelivery bool
	// AllOrNothing says that after an error of Append none of its bodies is stored.
	AllOrNothing bool
}

// Test runs the suite; newQueue makes a harness for each case.
func Test(t *testing.T, newQueue func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"OrderAndSequence", testOrder},
		{"WholeFrames", testWholeFrames},
		{"ManyBodiesOfOnePartition", testManyBodies},
		{"ConcurrentAppends", testConcurrentAppends},
		{"AllOrNothing", testAllOrNothing},
		{"NothingToAppend", testEmptyAppend},
		{"SlicesMayBeReused", testReuse},
		{"Redelivery", testRedelivery},
		{"AckIsIdempotent", testAckIdempotent},
		{"AckWithinAFrame", testAckWithin},
		{"AckOfOthersIsRefused", testAckForeign},
		{"AckDuringReceive", testAckDuringReceive},
		{"Lag", testLag},
		{"ReceiveWakes", testReceiveWakes},
		{"ReceiveIsCancelled", testReceiveCancelled},
		{"AppendIsCancelled", testAppendCancelled},
		{"OneConsumerPerPartition", testOneConsumer},
		{"EachConsumerItsPartitions", testSplit},
		{"Closed", testClosed},
		{"CloseWakesReceive", testCloseWakes},
		{"ReopenKeepsEverything", testReopen},
		{"FullByBacklog", testFull},
		{"AllOrNothingWhenFull", testAllOrNothingWhenFull},
		{"Stress", testStress},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newQueue(t)
			s := &suite{Harness: h}
			defer func() {
				if err := s.Queue.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			if got := s.Queue.Partitions(); got != Partitions {
				t.Fatalf("the harness has %d partitions, the suite wants %d", got, Partitions)
			}
			c.run(t, s)
		})
	}
}

type suite struct{ Harness }

func (s *suite) reopen(t *testing.T) {
	t.Helper()
	if s.Reopen == nil {
		t.Skip("the driver keeps nothing")
	}
	if err := s.Queue.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	s.Queue = s.Reopen(t)
}

func (s *suite) consume(t *testing.T, partitions ...int) queue.Consumer {
	t.Helper()
	c, err := s.Queue.Consume(t.Context(), partitions)
	if err != nil {
		t.Fatalf("consume %v: %v", partitions, err)
	}
	return c
}

func (s *suite) append(t *testing.T, bodies ...frame.Body) {
	t.Helper()
	if err := s.Queue.Append(t.Context(), bodies); err != nil {
		t.Fatalf("append: %v", err)
	}
}

// Body is a body of n records with the given names as raw bytes.
func Body(t testing.TB, partition int, names ...string) frame.Body {
	t.Helper()
	records := make([]weir.Record, len(names))
	for i, name := range names {
		records[i] = weir.Record{Workspace: "test", Source: "src", Receipt: "rcp", Index: i, ReceivedAt: 1, Raw: []byte(name)}
	}
	body, err := frame.Encode(partition, records)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return body
}

// reading is what a consumer has been given: per partition, names in order and
// the sequence number that must come next.
type reading struct {
	names map[int][]string
	next  map[int]uint64
	total int
}

// receive reads until n records came, and checks that each partition's sequence
// numbers follow each other.
func receive(t *testing.T, c queue.Consumer, n int) *reading {
	t.Helper()
	r := newReading()
	r.until(t, c, func() bool { return r.total >= n })
	if r.total != n {
		t.Fatalf("received %d records, want %d", r.total, n)
	}
	return r
}

func newReading() *reading { return &reading{names: map[int][]string{}, next: map[int]uint64{}} }

// until receives more until it is enough.
func (r *reading) until(t *testing.T, c queue.Consumer, enough func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !enough() {
		deliveries, err := c.Receive(ctx, 100)
		if err != nil {
			t.Fatalf("receive after %d records: %v", r.total, err)
		}
		if len(deliveries) == 0 {
			t.Fatal("receive returned nothing and no error")
		}
		for _, d := range deliveries {
			r.add(t, d)
		}
	}
}

func (r *reading) add(t *testing.T, d queue.Delivery) {
	t.Helper()
	if d.Damage != nil {
		t.Fatalf("damage: %v", d.Damage)
	}
	f, err := frame.Decode(d.Frame)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if f.Header != d.Header {
		t.Fatalf("delivered as %+v, holds %+v", d.Header, f.Header)
	}
	if next, known := r.next[f.Partition]; known && f.First != next {
		t.Fatalf("partition %d: frame begins at %d, want %d", f.Partition, f.First, next)
	}
	r.next[f.Partition] = f.Last() + 1
	for _, record := range f.Records {
		r.names[f.Partition] = append(r.names[f.Partition], string(record.Raw))
		r.total++
	}
}

// last is the position to acknowledge everything received.
func (r *reading) last() map[int]uint64 {
	upTo := map[int]uint64{}
	for p, next := range r.next {
		upTo[p] = next - 1
	}
	return upTo
}

func (r *reading) want(t *testing.T, partition int, names ...string) {
	t.Helper()
	if got := fmt.Sprint(r.names[partition]); got != fmt.Sprint(names) {
		t.Errorf("partition %d: received %s, want %s", partition, got, fmt.Sprint(names))
	}
}

// nothing makes sure that a consumer has nothing more to give: what is appended
// now comes next.
func (s *suite) nothing(t *testing.T, c queue.Consumer, partition int) {
	t.Helper()
	s.append(t, Body(t, partition, "marker"))
	receive(t, c, 1).want(t, partition, "marker")
}

func ack(t *testing.T, c queue.Consumer, upTo map[int]uint64) {
	t.Helper()
	if err := c.Ack(t.Context(), upTo); err != nil {
		t.Fatalf("ack %v: %v", upTo, err)
	}
}

func closeConsumer(t *testing.T, c queue.Consumer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatalf("close consumer: %v", err)
	}
}

func lag(t *testing.T, q queue.Queue) queue.Lag {
	t.Helper()
	l, err := q.Lag(t.Context())
	if err != nil {
		t.Fatalf("lag: %v", err)
	}
	return l
}

// result of a call that runs beside the test.
type result struct {
	deliveries []queue.Delivery
	err        error
	at         time.Time
}

// receiving calls Receive in the background.
func receiving(ctx context.Context, c queue.Consumer) <-chan result {
	done := make(chan result, 1)
	go func() {
		deliveries, err := c.Receive(ctx, 100)
		done <- result{deliveries, err, time.Now()}
	}()
	return done
}

func await(t *testing.T, done <-chan result, what string) result {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(patience):
		t.Fatalf("%s: Receive did not return", what)
		return result{}
	}
}

func wantClosed(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, queue.ErrClosed) {
		t.Errorf("%s: got error %v, want ErrClosed", what, err)
	}
}

// group runs functions beside each other and waits for all.
func group(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}
