package collector_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/queue"
)

// TestPartitionNeverChanges pins the function: a change would send users'
// items elsewhere than those that are queued already.
func TestPartitionNeverChanges(t *testing.T) {
	for _, c := range []struct {
		workspace weir.WorkspaceID
		user      string
		of16      int
		of7       int
	}{
		{"acme_test", "u1", 9, 5},
		{"acme_test", "u2", 8, 5},
		{"acme_test", "", 12, 3},
		{"acme", "_testu1", 4, 3},
		{"shop", "d1bf792a-8fb3-4082-a546-e8c7f57a92f6", 15, 1},
		{"shop", "Zoë", 2, 1},
	} {
		if got16, got7 := collector.Partition(c.workspace, c.user, queue.Live, 32), collector.Partition(c.workspace, c.user, queue.Live, 14); got16 != c.of16 || got7 != c.of7 {
			t.Errorf("{%q, %q, %d, %d},", c.workspace, c.user, got16, got7)
		}
		if got := collector.Partition(c.workspace, c.user, queue.History, 32); got != 16+c.of16 {
			t.Errorf("the history of %q is in partition %d, want %d", c.user, got, 16+c.of16)
		}
	}
}

func TestPartitionsAreEven(t *testing.T) {
	counts := make([]int, 16)
	for i := range 16_000 {
		counts[collector.Partition("acme_test", fmt.Sprint("user-", i), queue.Live, 32)]++
	}
	for p, n := range counts {
		if n < 850 || n > 1150 {
			t.Errorf("partition %d has %d of 16,000 users", p, n)
		}
	}
}

// TestConcurrentRequestsAreStoredOnceEach is the promise of an answer: what was
// answered 200 is in the queue exactly once, what was not is not there.
func TestConcurrentRequestsAreStoredOnceEach(t *testing.T) {
	q := &memQueue{partitions: 8}
	c := over(t, q, &collector.Options{Groups: collector.GroupLimits{Items: 37}})
	const senders, each = 32, 50
	answered := make([]map[string]int, senders) // receipt -> items
	var wg sync.WaitGroup
	for s := range senders {
		answered[s] = map[string]int{}
		wg.Go(func() {
			for i := range each {
				if s == 0 && i%10 == 5 {
					q.setFail(fmt.Errorf("disk: %w", queue.ErrFull))
				} else if s == 0 {
					q.setFail(nil)
				}
				items := make([]string, 1+(s+i)%5)
				for k := range items {
					items[k] = event(fmt.Sprintf("%d-%d-%d", s, i, k), fmt.Sprint("u", k))
				}
				w := post(c, "/v1/items", "wk_web", envelope(items...))
				switch got := read(t, w); w.Code {
				case http.StatusOK:
					answered[s][got.Receipt] = len(items)
				case http.StatusServiceUnavailable:
				default:
					t.Errorf("answer %d %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	stored := map[string]int{}
	seen := map[string]bool{}
	for _, r := range q.records() {
		stored[r.Receipt]++
		if seen[string(r.Raw)] {
			t.Errorf("stored twice: %s", r.Raw)
		}
		seen[string(r.Raw)] = true
	}
	for _, receipts := range answered {
		for receipt, n := range receipts {
			if stored[receipt] != n {
				t.Errorf("receipt %s: %d of %d items stored", receipt, stored[receipt], n)
			}
			delete(stored, receipt)
		}
	}
	if len(stored) > 0 {
		t.Errorf("stored without an answer: %v", stored)
	}
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}

// crowd holds one append in the queue, has a second group wait for it, and ten
// requests wait to be put in a third.
func crowd(t *testing.T) (c *collector.Collector, q *memQueue, answers chan int) {
	q = &memQueue{partitions: 8, gate: make(chan struct{}), entered: make(chan int, 10)}
	c = over(t, q, nil)
	answers = make(chan int, 12)
	send := func() { answers <- post(c, "/v1/items", "wk_web", envelope(event("1", "u"))).Code }
	go send()
	<-q.entered
	go send()
	until(t, func() bool { return q.asked.Load() == 2 })
	for range 10 {
		go send()
	}
	until(t, func() bool { n, _ := c.Waiting(); return n == 10 })
	return c, q, answers
}

func TestRequestsShareAppends(t *testing.T) {
	_, q, answers := crowd(t)
	close(q.gate)
	for range 12 {
		if code := <-answers; code != http.StatusOK {
			t.Errorf("answer %d", code)
		}
	}
	if len(q.appends) != 3 || len(q.appends[2]) != 10 {
		t.Errorf("%d appends, the last of %d records", len(q.appends), len(q.appends[len(q.appends)-1]))
	}
}

func TestWhatTheQueueRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		code  string
		retry string
	}{
		"full":   {fmt.Errorf("append: %w", queue.ErrFull), "queue_full", "5"},
		"closed": {queue.ErrClosed, "closing", "1"},
		"broken": {errors.New("append: disk error at /var/lib/secret"), "not_stored", "5"},
	} {
		t.Run(name, func(t *testing.T) {
			collector, q := setup(t, nil)
			q.setFail(c.err)
			for range 2 {
				w := post(collector, "/v1/items", "wk_web", envelope(event("1", "u")))
				if got := read(t, w); w.Code != 503 || got.Error != c.code || w.Header().Get("Retry-After") != c.retry || strings.Contains(w.Body.String(), "secret") {
					t.Errorf("answer %d %v %s", w.Code, w.Header(), w.Body)
				}
			}
			q.setFail(nil)
			if w := post(collector, "/v1/items", "wk_web", envelope(event("1", "u"))); w.Code != http.StatusOK || len(q.records()) != 1 {
				t.Errorf("after it passed: answer %d, %d records", w.Code, len(q.records()))
			}
		})
	}
}

// TestAPageThatIsClosedHasItsItemsStored ends a request while it is waiting.
func TestAPageThatIsClosedHasItsItemsStored(t *testing.T) {
	q := &memQueue{partitions: 8, gate: make(chan struct{}), entered: make(chan int, 1)}
	c := over(t, q, nil)
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequest(http.MethodPost, "/v1/items?key=wk_web", strings.NewReader(string(envelope(event("1", "u"))))).WithContext(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.ServeHTTP(httptest.NewRecorder(), r)
	}()
	<-q.entered
	cancel()
	close(q.gate)
	<-done
	if n := len(q.records()); n != 1 {
		t.Errorf("%d records stored", n)
	}
}

func TestCloseStoresWhatWaits(t *testing.T) {
	c, q, answers := crowd(t)
	closed := make(chan error, 2)
	for range 2 { // closing is idempotent
		go func() { closed <- c.Close(t.Context()) }()
	}
	until(t, func() bool { _, closed := c.Waiting(); return closed })
	if w := post(c, "/v1/items", "wk_web", envelope(event("1", "u"))); w.Code != http.StatusServiceUnavailable {
		t.Errorf("while closing: answer %d %s", w.Code, w.Body)
	}
	close(q.gate)
	if err := errors.Join(<-closed, <-closed); err != nil {
		t.Error(err)
	}
	for range 12 {
		if code := <-answers; code != http.StatusOK {
			t.Errorf("answer %d", code)
		}
	}
	if n := len(q.records()); n != 12 {
		t.Errorf("%d records stored", n)
	}
}

func TestCloseGivesUpOnAQueueThatHangs(t *testing.T) {
	c, _, answers := crowd(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v", err)
	}
	for range 12 {
		if code := <-answers; code != http.StatusServiceUnavailable {
			t.Errorf("answer %d", code)
		}
	}
}
