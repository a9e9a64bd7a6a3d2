package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
)

func testOrder(t *testing.T, s *suite) {
	want := map[int][]string{}
	for i := range 50 {
		p := i % 3
		name := fmt.Sprint("r", i)
		want[p] = append(want[p], name)
		s.append(t, Body(t, p, name))
	}
	r := receive(t, s.consume(t), 50)
	for p, names := range want {
		r.want(t, p, names...)
		if first := r.next[p] - uint64(len(names)); first != 1 {
			t.Errorf("partition %d: the first sequence number is %d, want 1", p, first)
		}
	}
}

func testWholeFrames(t *testing.T, s *suite) {
	s.append(t, Body(t, 0, "a", "b", "c"), Body(t, 0, "d"), Body(t, 0, "e", "f"))
	c := s.consume(t, 0)
	sizes := []int{}
	for total := 0; total < 6; {
		deliveries, err := c.Receive(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, d := range deliveries {
			n += d.Header.Count
		}
		sizes = append(sizes, n)
		total += n
	}
	if fmt.Sprint(sizes) != "[3 1 2]" {
		t.Errorf("with max 1, Receive gave %v records, want one frame each time: [3 1 2]", sizes)
	}
}

// One goroutine receives while another acknowledges, as a worker does that
// writes one batch while it gathers the next. Run it with the race detector.
func testAckDuringReceive(t *testing.T, s *suite) {
	const frames = 100
	c := s.consume(t, 0)
	received := make(chan map[int]uint64, frames)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(received)
		for n := 0; n < frames; {
			deliveries, err := c.Receive(t.Context(), 1)
			if err != nil {
				t.Errorf("receive: %v", err)
				return
			}
			for _, d := range deliveries {
				n += d.Header.Count
				received <- map[int]uint64{d.Header.Partition: d.Header.Last()}
			}
		}
	})
	running.Go(func() {
		for upTo := range received {
			if err := c.Ack(t.Context(), upTo); err != nil {
				t.Errorf("ack: %v", err)
			}
		}
	})
	for i := range frames {
		s.append(t, Body(t, 0, fmt.Sprint(i)))
	}
	running.Wait()
	if got := lag(t, s.Queue); got.Records != 0 {
		t.Errorf("%d records are not acknowledged", got.Records)
	}
}

func testManyBodies(t *testing.T, s *suite) {
	s.append(t, Body(t, 1, "a", "b"), Body(t, 2, "x"), Body(t, 1, "c"), Body(t, 1, "d", "e"))
	r := receive(t, s.consume(t), 6)
	r.want(t, 1, "a", "b", "c", "d", "e")
	r.want(t, 2, "x")
}

func testConcurrentAppends(t *testing.T, s *suite) {
	const callers, each = 8, 20
	group(callers, func(i int) {
		for j := range each {
			bodies := []frame.Body{Body(t, 0, fmt.Sprint(i, ".", j)), Body(t, 1, fmt.Sprint(i, ".", j))}
			if err := s.Queue.Append(t.Context(), bodies); err != nil {
				t.Errorf("append: %v", err)
			}
		}
	})
	r := receive(t, s.consume(t), 2*callers*each)
	for p := range 2 {
		if got := r.next[p] - 1; got != callers*each {
			t.Errorf("partition %d: the last sequence number is %d, want %d", p, got, callers*each)
		}
		// Each caller's own records keep their order.
		for i := range callers {
			var mine []string
			for _, name := range r.names[p] {
				if strings.HasPrefix(name, fmt.Sprint(i, ".")) {
					mine = append(mine, name)
				}
			}
			for j, name := range mine {
				if name != fmt.Sprint(i, ".", j) {
					t.Fatalf("partition %d, caller %d: record %d is %s", p, i, j, name)
				}
			}
		}
	}
}

func testAllOrNothing(t *testing.T, s *suite) {
	s.append(t, Body(t, 0, "a"))
	wrong := Body(t, 0, "lost")
	wrong.Partition = Partitions
	if err := s.Queue.Append(t.Context(), []frame.Body{Body(t, 0, "lost"), wrong}); err == nil {
		t.Fatal("a body for a partition that is not there was stored")
	}
	s.append(t, Body(t, 0, "b"))
	receive(t, s.consume(t), 2).want(t, 0, "a", "b")
}

func testEmptyAppend(t *testing.T, s *suite) {
	if err := s.Queue.Append(t.Context(), nil); err != nil {
		t.Errorf("append of nothing: %v", err)
	}
	if l := lag(t, s.Queue); l.Records != 0 {
		t.Errorf("lag is %d records", l.Records)
	}
}

func testReuse(t *testing.T, s *suite) {
	bodies := []frame.Body{Body(t, 0, "kept")}
	s.append(t, bodies...)
	clear(bodies[0].Data)
	bodies[0] = frame.Body{}
	receive(t, s.consume(t), 1).want(t, 0, "kept")
}

func testRedelivery(t *testing.T, s *suite) {
	s.append(t, Body(t, 0, "a"), Body(t, 0, "b"), Body(t, 0, "c"))
	c := s.consume(t, 0)
	receive(t, c, 3)
	ack(t, c, map[int]uint64{0: 1})
	closeConsumer(t, c)
	closeConsumer(t, c)

	c = s.consume(t, 0)
	r := receive(t, c, 2)
	r.want(t, 0, "b", "c")
	ack(t, c, r.last())
	closeConsumer(t, c)

	s.nothing(t, s.consume(t, 0), 0)
}

func testAckIdempotent(t *testing.T, s *suite) {
	s.append(t, Body(t, 0, "a"), Body(t, 0, "b"), Body(t, 0, "c"))
	c := s.consume(t, 0)
	receive(t, c, 3)
	upTo := map[int]uint64{0: 2}
	ack(t, c, upTo)
	if len(upTo) != 1 || upTo[0] != 2 {
		t.Errorf("Ack changed its argument to %v", upTo)
	}
	ack(t, c, map[int]uint64{0: 2})
	ack(t, c, map[int]uint64{0: 1})
	ack(t, c, map[int]uint64{0: 0})
	ack(t, c, nil)
	if l := lag(t, s.Queue); l.Acked[0] != 2 || l.Records != 1 {
		t.Errorf("acknowledged %d, %d records behind; want 2 and 1", l.Acked[0], l.Records)
	}
	closeConsumer(t, c)
	receive(t, s.consume(t, 0), 1).want(t, 0, "c")
}

// testAckWithin acknowledges a part of a frame: the frame comes again, since
// frames are whole, and nothing before it does.
func testAckWithin(t *testing.T, s *suite) {
	s.append(t, Body(t, 0, "a", "b"), Body(t, 0, "c", "d", "e"), Body(t, 0, "f"))
	c := s.consume(t, 0)
	receive(t, c, 6)
	ack(t, c, map[int]uint64{0: 4})
	if l := lag(t, s.Queue); l.Records != 2 {
		t.Errorf("lag is %d records, want 2", l.Records)
	}
	closeConsumer(t, c)
	receive(t, s.consume(t, 0), 4).want(t, 0, "c", "d", "e", "f")
}

func testAckForeign(t *testing.T, s *suite) {
	s.append(t, Body(t, 1, "a"))
	c := s.consume(t, 0)
	if err := c.Ack(t.Context(), map[int]uint64{1: 1}); err == nil {
		t.Error("a consumer acknowledged a partition that it does not read")
	}
	receive(t, s.consume(t, 1), 1).want(t, 1, "a")
}

func testLag(t *testing.T, s *suite) {
	if l := lag(t, s.Queue); l.Records != 0 || l.Bytes != 0 || len(l.Head) != Partitions || len(l.Acked) != Partitions {
		t.Errorf("lag of an empty queue is %+v", l)
	}
	s.append(t, Body(t, 0, "a", "b"), Body(t, 2, "c"))
	c := s.consume(t)
	if s.NumbersOnDelivery {
		if l := lag(t, s.Queue); l.Records <= 0 || l.Bytes <= 0 {
			t.Errorf("lag is %+v before anything is delivered", l)
		}
		receive(t, c, 3)
	}
	l := lag(t, s.Queue)
	if l.Records != 3 || l.Bytes <= 0 || !slices.Equal(l.Head, []uint64{2, 0, 1, 0}) || !slices.Equal(l.Acked, []uint64{0, 0, 0, 0}) {
		t.Errorf("lag is %+v", l)
	}
	all := l.Bytes
	if !s.NumbersOnDelivery {
		receive(t, c, 3)
	}
	ack(t, c, map[int]uint64{0: 2})
	if l := lag(t, s.Queue); l.Records != 1 || l.Bytes <= 0 || l.Bytes >= all || !slices.Equal(l.Acked, []uint64{2, 0, 0, 0}) {
		t.Errorf("lag is %+v after an ack", l)
	}
	ack(t, c, map[int]uint64{2: 1})
	if l := lag(t, s.Queue); l.Records != 0 || l.Bytes != 0 {
		t.Errorf("lag is %+v when all is acknowledged", l)
	}
}

func testReceiveWakes(t *testing.T, s *suite) {
	within := s.WakesWithin
	if within == 0 {
		within = 250 * time.Millisecond
	}
	c := s.consume(t)
	// The best of a few: a busy machine makes one late, polling makes all late.
	best := time.Duration(1<<63 - 1)
	for i := range 10 {
		done := receiving(t.Context(), c)
		select {
		case r := <-done:
			t.Fatalf("Receive returned %v, %v from an empty queue", r.deliveries, r.err)
		case <-time.After(5 * time.Millisecond): // lets it begin to wait; either way it must return
		}
		s.append(t, Body(t, i%Partitions, "a"))
		stored := time.Now()
		r := await(t, done, "after an append")
		if r.err != nil || len(r.deliveries) != 1 {
			t.Fatalf("got %v, %v", r.deliveries, r.err)
		}
		best = min(best, r.at.Sub(stored))
	}
	if best > within {
		t.Errorf("Receive returned %v after Append at best, want at most %v", best, within)
	}
}

func testReceiveCancelled(t *testing.T, s *suite) {
	c := s.consume(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := receiving(ctx, c)
	cancel()
	if r := await(t, done, "after cancel"); !errors.Is(r.err, context.Canceled) {
		t.Errorf("got error %v", r.err)
	}
	// Nothing is lost by it.
	s.append(t, Body(t, 0, "a"))
	if _, err := c.Receive(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context gave error %v", err)
	}
	receive(t, c, 1).want(t, 0, "a")
}

func testAppendCancelled(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Queue.Append(ctx, []frame.Body{Body(t, 0, "lost")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	s.nothing(t, s.consume(t), 0)
}

func testOneConsumer(t *testing.T, s *suite) {
	s.append(t, Body(t, 0, "a"))
	first := s.consume(t, 0, 1)
	receive(t, first, 1)
	second, err := s.Queue.Consume(t.Context(), []int{1, 0})
	if err != nil {
		// Refused, as it may be. Then it works once the first is gone.
		closeConsumer(t, first)
		receive(t, s.consume(t, 1, 0), 1).want(t, 0, "a")
		return
	}
	done := receiving(t.Context(), second)
	select {
	case r := <-done:
		t.Fatalf("two consumers of a partition: the second was given %v, %v", r.deliveries, r.err)
	case <-time.After(100 * time.Millisecond): // long enough to have been given it
	}
	closeConsumer(t, first)
	if r := await(t, done, "after the first consumer's end"); r.err != nil || len(r.deliveries) != 1 {
		t.Fatalf("got %v, %v", r.deliveries, r.err)
	}
	closeConsumer(t, second)
}

func testSplit(t *testing.T, s *suite) {
	a, b := s.consume(t, 0, 1), s.consume(t, 2, 3)
	for p := range Partitions {
		s.append(t, Body(t, p, fmt.Sprint("p", p)))
	}
	r := receive(t, a, 2)
	r.want(t, 0, "p0")
	r.want(t, 1, "p1")
	r = receive(t, b, 2)
	r.want(t, 2, "p2")
	r.want(t, 3, "p3")
	for _, wrong := range [][]int{{Partitions}, {-1}} {
		if _, err := s.Queue.Consume(t.Context(), wrong); err == nil {
			t.Errorf("partitions %v were accepted", wrong)
		}
	}
}

func testClosed(t *testing.T, s *suite) {
	s.append(t, Body(t, 0, "a"))
	c := s.consume(t)
	receive(t, c, 1)
	for range 2 {
		if err := s.Queue.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	wantClosed(t, "Append", s.Queue.Append(t.Context(), []frame.Body{Body(t, 0, "b")}))
	_, err := s.Queue.Consume(t.Context(), nil)
	wantClosed(t, "Consume", err)
	_, err = s.Queue.Lag(t.Context())
	wantClosed(t, "Lag", err)
	_, err = c.Receive(t.Context(), 1)
	wantClosed(t, "Receive", err)
	wantClosed(t, "Ack", c.Ack(t.Context(), map[int]uint64{0: 1}))
	closeConsumer(t, c)
}

func testCloseWakes(t *testing.T, s *suite) {
	done := receiving(t.Context(), s.consume(t))
	if err := s.Queue.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	wantClosed(t, "Receive", await(t, done, "after close").err)
}

func testReopen(t *testing.T, s *suite) {
	s.append(t, Body(t, 0, "a", "b"), Body(t, 1, "x"))
	s.append(t, Body(t, 0, "c"))
	c := s.consume(t)
	receive(t, c, 4)
	ack(t, c, map[int]uint64{0: 2, 1: 1})
	before := lag(t, s.Queue)
	s.reopen(t)
	after := lag(t, s.Queue)
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("lag is %+v, was %+v", after, before)
	}
	c = s.consume(t)
	r := receive(t, c, 1)
	r.want(t, 0, "c")
	ack(t, c, r.last())
	// All is acknowledged: the numbers go on nevertheless.
	s.reopen(t)
	s.append(t, Body(t, 0, "d"), Body(t, 1, "y"), Body(t, 2, "z"))
	r = receive(t, s.consume(t), 3)
	if r.next[0] != 5 || r.next[1] != 3 || r.next[2] != 2 {
		t.Errorf("sequence numbers go on to %v, want 0:5 1:3 2:2", r.next)
	}
}

func testFull(t *testing.T, s *suite) {
	if s.ReopenLimited == nil {
		t.Skip("the driver has no limit of its own")
	}
	if err := s.Queue.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	s.Queue = s.ReopenLimited(t, 2000)
	stored := 0
	var err error
	for range 1000 {
		if err = s.Queue.Append(t.Context(), []frame.Body{Body(t, 0, "a"), Body(t, 1, "b")}); err != nil {
			break
		}
		stored++
	}
	if !errors.Is(err, queue.ErrFull) || stored == 0 {
		t.Fatalf("after %d appends got error %v, want ErrFull", stored, err)
	}
	if l := lag(t, s.Queue); !s.NumbersOnDelivery && l.Records != int64(2*stored) || l.Bytes > 2000 {
		t.Errorf("lag is %+v after %d appends of 2", l, stored)
	}
	c := s.consume(t)
	r := newReading()
	r.until(t, c, func() bool { return r.total >= 2*stored })
	ack(t, c, r.last())
	s.append(t, Body(t, 0, "again"))
	r.until(t, c, func() bool { return slices.Contains(r.names[0], "again") })
	// One body of the refused append, if the driver does not exclude it.
	refused := r.total - 1 - 2*stored
	if refused < 0 || refused > 1 || refused == 1 && s.AllOrNothing {
		t.Errorf("received %d records more than were stored", refused)
	}
	if got, want := r.next[0]-1, uint64(len(r.names[0])); got != want {
		t.Errorf("the number after a refusal is %d, want %d", got, want)
	}
}

// testAllOrNothingWhenFull appends a body that fits together with one that does
// not.
func testAllOrNothingWhenFull(t *testing.T, s *suite) {
	if s.ReopenLimited == nil || !s.AllOrNothing {
		t.Skip("the driver does not promise it")
	}
	if err := s.Queue.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	s.Queue = s.ReopenLimited(t, 2000)
	large := Body(t, 1, "lost")
	large.Data = append(large.Data, make([]byte, 2000)...)
	if err := s.Queue.Append(t.Context(), []frame.Body{Body(t, 0, "lost"), large}); !errors.Is(err, queue.ErrFull) {
		t.Fatalf("got error %v, want ErrFull", err)
	}
	s.append(t, Body(t, 0, "b"))
	receive(t, s.consume(t), 1).want(t, 0, "b")
}

// testStress appends from several goroutines while every partition is read and
// acknowledged, and consumers come and go.
func testStress(t *testing.T, s *suite) {
	const callers, each = 4, 50
	var mu sync.Mutex
	seen := map[string]int{}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	var wg sync.WaitGroup
	for p := range Partitions {
		wg.Go(func() { consumeAll(ctx, t, s.Queue, p, callers*each, &mu, seen) })
	}
	group(callers, func(i int) {
		for j := range each {
			var bodies []frame.Body
			for p := range Partitions {
				bodies = append(bodies, Body(t, p, fmt.Sprint(p, "/", i, "/", j, "/a"), fmt.Sprint(p, "/", i, "/", j, "/b")))
			}
			if err := s.Queue.Append(ctx, bodies); err != nil {
				t.Errorf("append: %v", err)
				cancel()
				return
			}
		}
	})
	wg.Wait()
	if want := Partitions * callers * each * 2; len(seen) != want {
		t.Errorf("saw %d different records, want %d", len(seen), want)
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s was delivered %d times between acks", name, n)
		}
	}
	if l := lag(t, s.Queue); l.Records != 0 || l.Bytes != 0 {
		t.Errorf("lag is %+v at the end", l)
	}
}

// consumeAll acknowledges everything it is given, and begins anew with another
// consumer every few frames.
func consumeAll(ctx context.Context, t *testing.T, q queue.Queue, partition, frames int, mu *sync.Mutex, seen map[string]int) {
	for got := 0; got < frames; {
		c, err := q.Consume(ctx, []int{partition})
		if err != nil {
			t.Errorf("consume: %v", err)
			return
		}
		for round := 0; round < 5 && got < frames; round++ {
			deliveries, err := c.Receive(ctx, 10)
			if err != nil {
				t.Errorf("receive: %v", err)
				return
			}
			upTo := map[int]uint64{}
			for _, d := range deliveries {
				f, err := frame.Decode(d.Frame)
				if err != nil {
					t.Errorf("decode: %v", err)
					return
				}
				mu.Lock()
				for _, r := range f.Records {
					seen[string(r.Raw)]++
				}
				mu.Unlock()
				upTo[partition] = f.Last()
				got++
			}
			if err := c.Ack(ctx, upTo); err != nil {
				t.Errorf("ack: %v", err)
				return
			}
		}
		if err := c.Close(); err != nil {
			t.Errorf("close consumer: %v", err)
			return
		}
	}
}
