package collector_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/sqlitequeue"
)

// instant is a queue that costs nothing.
type instant struct{ queue.Queue }

func (instant) Partitions() int                            { return 16 }
func (instant) Append(context.Context, []frame.Body) error { return nil }

// pageview is an item as a browser sends it, of about 1,000 bytes.
func pageview(i int) string {
	return fmt.Sprintf(`{"kind":"pageview","pageview":{"external_id":"928a9a39-cf9c-4a10-908f-%012d","created_at":"2026-11-21T11:59:02.361Z","title":"Page title | Your Website","page_id":"https://www.your-website.com/landing-page/%d","duration":5,"updated_at":"2026-11-21T11:59:11.282Z"},"user":{"external_id":"d1bf792a-8fb3-4082-a546-%012d","is_authenticated":false,"created_at":"2026-01-11T14:47:51.786Z","last_interaction_at":"2026-11-21T11:59:02.361Z","consent_all":true},"session":{"external_id":"72957bf5-21c7-459b-ba0a-%012d","created_at":"2026-11-21T11:59:02.361Z","device_external_id":"1aaac360-10f1-46c4-b3dd-ed9ebde45ee4","landing_page":"https://www.your-website.com/landing-page","timezone":"Europe/Paris","utm_source":"direct","utm_medium":"none","duration":5,"pageviews_count":1,"interactions_count":1},"device":{"external_id":"1aaac360-10f1-46c4-b3dd-%012d","created_at":"2026-01-11T14:47:51.786Z","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:122.0) Gecko/20100101 Firefox/122.0","language":"fr-FR","ad_blocker":false,"resolution":"1728x1117"}}`, i, i%100, i%1000, i%1500, i%800)
}

// small is an item of about 250 bytes.
func small(i int) string {
	return fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":"928a9a39-cf9c-4a10-%06d","created_at":"2026-11-21T11:59:02.361Z","label":"Purchase","properties":{"plan":"pro","amount":%d}},"user":{"external_id":"user-%d"}}`, i, i%100, i%1000)
}

func batches(item func(int) string, n int) [][]byte {
	bodies := make([][]byte, 64)
	for k := range bodies {
		items := make([]string, n)
		for i := range items {
			items[i] = item(k*n + i)
		}
		bodies[k] = envelope(items...)
	}
	return bodies
}

// BenchmarkDurable is BenchmarkReceive with the embedded queue, and so with the
// disk that temporary files are on.
func BenchmarkDurable(b *testing.B) {
	for _, n := range []int{1, 50} {
		b.Run(fmt.Sprintf("pageview/items=%d", n), func(b *testing.B) {
			q, err := sqlitequeue.Open(b.Context(), b.TempDir(), &sqlitequeue.Options{Partitions: 16, MinFree: -1, MinFreePercent: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer q.Close()
			benchmark(b, q, n, batches(pageview, n))
		})
	}
}

// BenchmarkReceive measures a request from its bytes to its answer, without the
// network and without a disk.
func BenchmarkReceive(b *testing.B) {
	for name, item := range map[string]func(int) string{"pageview": pageview, "small": small} {
		for _, n := range []int{1, 50} {
			b.Run(fmt.Sprintf("%s/items=%d", name, n), func(b *testing.B) {
				benchmark(b, instant{}, n, batches(item, n))
			})
		}
	}
}

func benchmark(b *testing.B, q queue.Queue, n int, bodies [][]byte) {
	c := collector.New(q, keys(), nil)
	b.SetBytes(int64(len(bodies[0])))
	b.ReportAllocs()
	b.SetParallelism(32) // requests wait for one another
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		w := &discard{header: http.Header{}}
		r, err := http.NewRequest(http.MethodPost, "/v1/items", nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer wk_web")
		body := bytes.NewReader(nil)
		for k := 0; pb.Next(); k++ {
			body.Reset(bodies[k%len(bodies)])
			r.Body, r.ContentLength = io.NopCloser(body), int64(body.Len())
			clear(w.header)
			c.ServeHTTP(w, r)
			if w.status != http.StatusOK {
				b.Errorf("answer %d", w.status)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "items/s")
	// Unlike the time on the wall, this does not depend on who else is working.
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N*n), "cpu-µs/item")
	if err := c.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// processorTime is what this process has used of all processors.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkPartition(b *testing.B) {
	for b.Loop() {
		collector.Partition(weir.WorkspaceID("acme_test"), "d1bf792a-8fb3-4082-a546-e8c7f57a92f6", queue.Live, 32)
	}
}
