package rabbitqueue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/queuetest"
	"github.com/weirhq/weir/queue/rabbitqueue"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// eventually waits for a condition.
func eventually(t testing.TB, what string, within time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

func consume(t testing.TB, q queue.Queue, partitions ...int) queue.Consumer {
	t.Helper()
	c, err := q.Consume(t.Context(), partitions)
	if err != nil {
		t.Fatalf("consume: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func appendTo(t testing.TB, q queue.Queue, partition int, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := q.Append(t.Context(), []frame.Body{queuetest.Body(t, partition, name)}); err != nil {
			t.Fatalf("append: %v", err)
		}
	}
}

// got is a delivery in short.
type got struct {
	partition int
	first     uint64
	name      string // of its first record, or "damage"
}

func (g got) String() string { return fmt.Sprintf("%d:%d %s", g.partition, g.first, g.name) }

func short(t testing.TB, d queue.Delivery) got {
	t.Helper()
	g := got{d.Header.Partition, d.Header.First, "damage"}
	if d.Damage != nil {
		if !errors.Is(d.Damage, frame.ErrCorrupt) {
			t.Errorf("damage is %v, which is not ErrCorrupt", d.Damage)
		}
		return g
	}
	f, err := frame.Decode(d.Frame)
	if err != nil {
		t.Errorf("decode: %v", err)
		return g
	}
	g.name = string(f.Records[0].Raw)
	return g
}

// take receives until n frames have come.
func take(t testing.TB, c queue.Consumer, n int) []got {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []got
	for len(all) < n {
		deliveries, err := c.Receive(ctx, n-len(all))
		if err != nil {
			t.Fatalf("receive after %v: %v", all, err)
		}
		for _, d := range deliveries {
			all = append(all, short(t, d))
		}
	}
	return all
}

func want(t testing.TB, all []got, wanted ...string) {
	t.Helper()
	if fmt.Sprint(all) != fmt.Sprint(wanted) {
		t.Errorf("received %v, want %v", all, wanted)
	}
}

// received is what a consumer was given under load.
type received struct {
	names  map[int][]string // by partition, in order
	firsts map[int][]uint64
}

// receiveAll acknowledges everything until enough says so.
func receiveAll(ctx context.Context, t *testing.T, c queue.Consumer, enough func(name string) bool) received {
	r := received{map[int][]string{}, map[int][]uint64{}}
	for {
		deliveries, err := c.Receive(ctx, 50)
		if err != nil {
			t.Errorf("receive: %v", err)
			return r
		}
		upTo, done := map[int]uint64{}, false
		for _, d := range deliveries {
			g := short(t, d)
			r.names[g.partition] = append(r.names[g.partition], g.name)
			r.firsts[g.partition] = append(r.firsts[g.partition], g.first)
			upTo[g.partition] = d.Header.Last()
			done = enough(g.name) || done
		}
		if err := c.Ack(ctx, upTo); err != nil {
			t.Errorf("ack: %v", err)
			return r
		}
		if done {
			return r
		}
	}
}

// The connections are cut again and again while frames are appended, received and
// acknowledged: what was confirmed comes, in order, each number once.
func TestCutUnderLoad(t *testing.T) {
	b := newBench(t)
	p := newProxy(t)
	before := runtime.NumGoroutine()
	q := b.openAt(t, p.url(), nil)
	c := consume(t, q)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()

	const cuts = 8
	var running sync.WaitGroup
	var appended, given atomic.Int64
	over := make(chan struct{})
	running.Go(func() {
		defer close(over)
		for range cuts {
			was, had := appended.Load(), given.Load()
			for appended.Load() < was+200 || given.Load() < had+200 {
				if ctx.Err() != nil {
					t.Error("appending and receiving do not go on")
					return
				}
				time.Sleep(time.Millisecond)
			}
			p.cut()
		}
	})
	// Each caller has a partition of its own, and repeats what was not confirmed.
	var confirmed [queuetest.Partitions]int
	var failed [queuetest.Partitions]int
	for i := range confirmed {
		running.Go(func() {
			for more := true; more; confirmed[i]++ {
				select {
				case <-over:
					more = false
				default:
				}
				for q.Append(ctx, []frame.Body{queuetest.Body(t, i, fmt.Sprint(confirmed[i]))}) != nil {
					failed[i]++
					if ctx.Err() != nil {
						t.Error("append does not work again")
						return
					}
				}
				appended.Add(1)
			}
		})
	}
	results := make(chan received, 1)
	waiting := map[string]bool{}
	for i := range confirmed {
		waiting[fmt.Sprint("end ", i)] = true
	}
	go func() {
		results <- receiveAll(ctx, t, c, func(name string) bool {
			given.Add(1)
			delete(waiting, name)
			return len(waiting) == 0
		})
	}()
	running.Wait()
	for i := range confirmed {
		appendTo(t, q, i, fmt.Sprint("end ", i))
	}
	r := <-results
	for i, n := range confirmed {
		names := r.names[i][:len(r.names[i])-1]
		next := 0
		for _, name := range names {
			var j int
			if _, err := fmt.Sscan(name, &j); err != nil {
				t.Fatal(err)
			}
			if j != next && j != next-1 { // one that was not confirmed may be there twice
				t.Fatalf("partition %d: %d follows %d", i, j, next-1)
			}
			next = j + 1
		}
		if next != n {
			t.Errorf("partition %d: %d frames were confirmed, %d came", i, n, next)
		}
		for j, first := range r.firsts[i] {
			if first != uint64(j)+1 {
				t.Fatalf("partition %d: frame %d has number %d", i, j, first)
			}
		}
		t.Logf("partition %d: %d confirmed, %d appends failed, %d frames came", i, n, failed[i], len(names))
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "goroutines end", patience, func() bool { return runtime.NumGoroutine() <= before+2 }) // the pool's
}

// Another process goes on where one was cut off from the broker, with the same
// numbers for the same frames, and what the first one acknowledges late counts.
func TestTakeOver(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 12 s for a heartbeat to be missed")
	}
	b := newBench(t)
	p := newProxy(t)
	first, second := b.openAt(t, p.url(), nil), b.open(t, nil)
	appendTo(t, second, 0, "a", "b", "c", "d")
	lost := consume(t, first, 0)
	all := take(t, lost, 4)
	want(t, all, "0:1 a", "0:2 b", "0:3 c", "0:4 d")
	if err := lost.Ack(t.Context(), map[int]uint64{0: 1}); err != nil {
		t.Fatal(err)
	}
	other := consume(t, second, 0)
	p.blackhole()
	began := time.Now()
	want(t, take(t, other, 3), fmt.Sprint(all[1]), fmt.Sprint(all[2]), fmt.Sprint(all[3]))
	t.Logf("taken over after %v", time.Since(began).Round(time.Millisecond))
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("taken over after %v, want 15 s", took)
	}
	// The first one finishes what it had.
	if err := lost.Ack(t.Context(), map[int]uint64{0: 3}); err != nil {
		t.Errorf("ack of a partition that is taken over: %v", err)
	}
	// And it takes over in turn, without getting again what is acknowledged.
	if err := other.Ack(t.Context(), map[int]uint64{0: 4}); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	p.restore()
	appendTo(t, second, 0, "e")
	want(t, take(t, lost, 1), "0:5 e")
}

// A connection that ends is noticed at once.
func TestTakeOverAtOnce(t *testing.T) {
	b := newBench(t)
	p := newProxy(t)
	first, second := b.openAt(t, p.url(), nil), b.open(t, nil)
	appendTo(t, second, 1, "a", "b")
	want(t, take(t, consume(t, first, 1), 2), "1:1 a", "1:2 b")
	other := consume(t, second, 1)
	began := time.Now()
	p.refuse()
	want(t, take(t, other, 2), "1:1 a", "1:2 b")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("taken over after %v", took)
	}
}

// A consumer whose connection is lost while the caller has frames goes on without
// giving them again, and its Ack holds.
func TestConsumerReconnects(t *testing.T) {
	b := newBench(t)
	p := newProxy(t)
	q, direct := b.openAt(t, p.url(), nil), b.open(t, nil)
	appendTo(t, direct, 0, "a", "b")
	c := consume(t, q)
	want(t, take(t, c, 2), "0:1 a", "0:2 b")
	p.cut()
	appendTo(t, direct, 0, "c")
	want(t, take(t, c, 1), "0:3 c")
	if err := c.Ack(t.Context(), map[int]uint64{0: 3}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// All three are gone from the broker.
	ch, done := b.channel(t)
	defer done()
	eventually(t, "the broker is told", patience, func() bool {
		found, err := ch.QueueDeclarePassive(b.prefix+".p00", true, false, false, false, nil)
		return err == nil && found.Consumers == 0 && found.Messages == 0
	})
	appendTo(t, direct, 0, "d")
	want(t, take(t, consume(t, direct, 0), 1), "0:4 d")
}

// While the broker is away Append says so, first after a while and then at once,
// and works again by itself. The log tells each outage once.
func TestBrokerAway(t *testing.T) {
	b := newBench(t)
	p := newProxy(t)
	var said logged
	q := b.openAt(t, p.url(), func(o *rabbitqueue.Options) {
		o.ConfirmTimeout = time.Second
		o.Ledger = nil
		o.Logger = slog.New(slog.NewTextHandler(&said, nil))
	})
	appendTo(t, q, 0, "a")
	p.refuse()
	body := []frame.Body{queuetest.Body(t, 0, "b")}
	eventually(t, "be said", patience, func() bool {
		err := q.Append(t.Context(), body)
		if err == nil {
			t.Fatal("append without a broker")
		}
		return strings.Contains(err.Error(), "no connection")
	})
	began := time.Now()
	if err := q.Append(t.Context(), body); err == nil || time.Since(began) > 500*time.Millisecond {
		t.Errorf("append to a broker long away: %v after %v", err, time.Since(began))
	}
	p.restore()
	eventually(t, "append again", patience, func() bool { return q.Append(t.Context(), body) == nil })
	if n := said.count("no connection to the broker"); n != 1 {
		t.Errorf("the outage was logged %d times", n)
	}
	if n := said.count("connected to the broker again"); n != 1 {
		t.Errorf("its end was logged %d times", n)
	}
}

// logged keeps what is logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), what)
}

// A broker that does not answer is an error, in time, and never a success.
func TestUnconfirmed(t *testing.T) {
	b := newBench(t)
	p := newProxy(t)
	q := b.openAt(t, p.url(), func(o *rabbitqueue.Options) { o.ConfirmTimeout = 300 * time.Millisecond })
	appendTo(t, q, 0, "a")
	p.blackhole()
	began := time.Now()
	err := q.Append(t.Context(), []frame.Body{queuetest.Body(t, 0, "b")})
	if !errors.Is(err, rabbitqueue.ErrUnconfirmed) || errors.Is(err, queue.ErrFull) {
		t.Errorf("got error %v, want ErrUnconfirmed", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error, 1)
	go func() { cancelled <- q.Append(ctx, []frame.Body{queuetest.Body(t, 0, "c")}) }()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want it cancelled", err)
	}
	p.restore()
	eventually(t, "append again", patience, func() bool {
		return q.Append(t.Context(), []frame.Body{queuetest.Body(t, 0, "d")}) == nil
	})
}

// A window full of frames that are not confirmed holds up those after them, and is
// free again when they are.
func TestWindow(t *testing.T) {
	b := newBench(t)
	p := newProxy(t)
	q := b.openAt(t, p.url(), func(o *rabbitqueue.Options) {
		o.Window, o.ConfirmTimeout = 4, 300*time.Millisecond
	})
	appendTo(t, q, 0, "a")
	p.blackhole()
	var bodies []frame.Body
	for range 10 {
		bodies = append(bodies, queuetest.Body(t, 0, "b"))
	}
	for range 2 {
		if err := q.Append(t.Context(), bodies); !errors.Is(err, rabbitqueue.ErrUnconfirmed) {
			t.Errorf("got error %v, want ErrUnconfirmed", err)
		}
	}
	p.restore()
	eventually(t, "append again", patience, func() bool { return q.Append(t.Context(), bodies) == nil })
}

// A broker that is short of memory or disk says so on the connection.
func TestBlocked(t *testing.T) {
	b := newBench(t)
	p := newProxy(t)
	q := b.openAt(t, p.url(), func(o *rabbitqueue.Options) { o.Ledger = nil })
	appendTo(t, q, 0, "a")
	const reason = "low on memory"
	// connection.blocked and connection.unblocked, as frames of channel 0.
	blocked := append([]byte{1, 0, 0, 0, 0, 0, byte(5 + len(reason)), 0, 10, 0, 60, byte(len(reason))}, reason+"\xce"...)
	unblocked := []byte{1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 61, 0xce}
	p.say(t, blocked)
	body := []frame.Body{queuetest.Body(t, 0, "b")}
	var err error
	eventually(t, "be told", patience, func() bool { err = q.Append(t.Context(), body); return err != nil })
	began := time.Now()
	err = q.Append(t.Context(), body)
	if !errors.Is(err, queue.ErrFull) || !strings.Contains(err.Error(), reason) || time.Since(began) > time.Second {
		t.Errorf("got error %v after %v, want ErrFull with the broker's reason, at once", err, time.Since(began))
	}
	p.say(t, unblocked)
	eventually(t, "append again", patience, func() bool { return q.Append(t.Context(), body) == nil })
}
