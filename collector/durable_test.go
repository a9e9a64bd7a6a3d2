package collector_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue/sqlitequeue"
)

// TestAnswersMeanDurable sends to a real queue, and reads back from its files,
// as another process would, what was answered.
func TestAnswersMeanDurable(t *testing.T) {
	dir := t.TempDir()
	options := &sqlitequeue.Options{Partitions: 4, MinFree: -1, MinFreePercent: -1}
	q, err := sqlitequeue.Open(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	c := collector.New(q, keys(), nil)
	const senders, each = 8, 10
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				w := post(c, "/v1/items", "wk_web", envelope(event(fmt.Sprintf("%d-%d", s, i), fmt.Sprint("u", s)), `{}`))
				if w.Code != http.StatusOK {
					t.Errorf("answer %d %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}

	q, err = sqlitequeue.Open(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	accepted := map[string][]string{} // raw items by user, in the order of the queue
	rejected := 0
	for _, r := range drain(t, q, 2*senders*each) {
		if r.Rejected != nil {
			rejected++
			continue
		}
		accepted[r.UserID] = append(accepted[r.UserID], string(r.Raw))
	}
	if rejected != senders*each {
		t.Errorf("%d rejected items are kept, want %d", rejected, senders*each)
	}
	for s := range senders {
		user := fmt.Sprint("u", s)
		for i := range each {
			if got := accepted[user]; len(got) != each || got[i] != event(fmt.Sprintf("%d-%d", s, i), user) {
				t.Fatalf("items of %s: %v", user, got)
			}
		}
	}
}

// drain receives n records.
func drain(t *testing.T, q *sqlitequeue.Queue, n int) []weir.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	consumer, err := q.Consume(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	var records []weir.Record
	for len(records) < n {
		deliveries, err := consumer.Receive(ctx, 1000)
		if err != nil {
			t.Fatalf("after %d of %d records: %v", len(records), n, err)
		}
		for _, d := range deliveries {
			if d.Damage != nil {
				t.Fatal(d.Damage)
			}
			f, err := frame.Decode(d.Frame)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, f.Records...)
		}
	}
	return records
}
