package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

func measureIdle(ctx context.Context, o options, t *table) error {
	s, err := startServer(ctx, o.binary, "serve")
	if err != nil {
		return err
	}
	defer s.stop()
	time.Sleep(5 * time.Second) // what is needed to start only is given back
	rss, err := s.rss()
	if err != nil {
		return err
	}
	t.add("memory, idle after start", "≤ 120 MB", "%d MB", rss>>20)
	return nil
}

// measureIntake loads the collector alone, in front of the real queue: what is
// measured is durable intake, not what the pipeline leaves of the processors.
func measureIntake(ctx context.Context, o options, t *table) error {
	self, err := selfPath()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what, target  string
		batch, client int
		rate          int
	}{
		{"intake, single items", "≥ 10,000 requests/s", 1, 128, 0},
		{"intake, batches of 50", "≥ 60,000 items/s", 50, 32, 0},
		{"intake, single items at 10,000/s", "p99 ≤ 25 ms", 1, 64, 10_000},
	} {
		s, err := startServer(ctx, self, "collector")
		if err != nil {
			return err
		}
		r, err := load{Addr: s.addr, Key: secretKey, Batch: c.batch, Clients: c.client, Rate: c.rate, Time: o.seconds, Run: 1}.start(ctx)
		s.stop()
		if err != nil {
			return err
		}
		t.add(c.what, c.target, "%.0f requests/s, %.0f items/s, p50 %s, p99 %s",
			float64(r.Accepted)/float64(c.batch)/r.Seconds, float64(r.Accepted)/r.Seconds, ms(r.P50), ms(r.P99))
	}
	return nil
}

// measurePipeline counts from the first item sent to the last one counted by a
// question, in one process with everything on.
func measurePipeline(ctx context.Context, o options, t *table) error {
	s, err := startServer(ctx, o.binary, "serve")
	if err != nil {
		return err
	}
	defer s.stop()
	r, elapsed, err := s.work(ctx, 300_000, 2, 0)
	if err != nil {
		return err
	}
	rss, err := s.rss()
	if err != nil {
		return err
	}
	used, err := s.processor()
	if err != nil {
		return err
	}
	t.add("whole pipeline, sent to countable", "≥ 20,000 items/s", "%.0f items/s (%d items, %d%% of people become known, %d%% twice, %d%% late; %.0f µs of processor time per item; %d MB resident)",
		float64(r.Accepted)/elapsed.Seconds(), r.Accepted, int(100*known), int(100*duplicates), int(100*late), used.Seconds()*1e6/float64(r.Accepted), rss>>20)
	steps, err := s.steps()
	if err != nil {
		return err
	}
	for _, name := range slices.SortedFunc(maps.Keys(steps), func(a, b string) int { return cmp.Compare(steps[b], steps[a]) }) {
		t.add("  of which step "+name, "", "%.1f µs per item", steps[name]*1e6/float64(r.Accepted))
	}
	return nil
}

// work sends a mix and waits until a question counts all of it, and what was there
// before. The question over all that is stored is asked when the pipeline says that it
// is through: asked again and again beside it, it would be a part of what is measured,
// and the greater, the more is stored.
func (s *server) work(ctx context.Context, items, run, before int) (r result, elapsed time.Duration, err error) {
	return through(ctx, s, []*server{s}, s, load{Items: items, Run: run}, before)
}

// through does so where one process takes items in, others work and one answers.
func through(ctx context.Context, send *server, workers []*server, ask *server, l load, before int) (r result, elapsed time.Duration, err error) {
	processed := func() (sum int, err error) {
		for _, w := range workers {
			n, err := w.processed()
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	}
	done, err := processed()
	if err != nil {
		return r, 0, err
	}
	l.Addr, l.Key, l.Batch, l.Clients, l.Time, l.Mix = send.addr, secretKey, 50, 8, time.Hour, true
	if r, err = l.start(ctx); err != nil {
		return r, 0, err
	}
	for all := done + r.Accepted; done < all; {
		time.Sleep(20 * time.Millisecond)
		if done, err = processed(); err != nil {
			return r, 0, err
		}
	}
	for {
		n, err := ask.total(ctx, "*", "")
		if err != nil {
			return r, 0, err
		}
		if n >= before+r.Events {
			return r, time.Since(r.FirstSent), nil
		}
		if err := ctx.Err(); err != nil {
			return r, 0, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// measureGrowth fills a server and compares what an item costs when there are a
// million events with what it costs when there are many: each the median of three
// windows, since the machine's speed may change meanwhile.
func measureGrowth(ctx context.Context, o options, t *table) error {
	if o.growth == 0 {
		return nil // it takes long
	}
	s, err := startServer(ctx, o.binary, "serve")
	if err != nil {
		return err
	}
	defer s.stop()
	const window, windows = 400_000, 3
	total, run, first := 0, 0, 0.0
	for _, size := range []int{1_000_000, o.growth / 4, o.growth / 2, o.growth} {
		for total < size {
			run++
			r, _, err := s.work(ctx, min(window*4, max(size-total, window)), run, total)
			if err != nil {
				return err
			}
			total += r.Events
		}
		var costs, rates []float64
		for range windows {
			run++
			events, cost, rate, err := s.window(ctx, window, run, total)
			if err != nil {
				return err
			}
			total += events
			costs, rates = append(costs, cost), append(rates, rate)
		}
		slices.Sort(costs)
		slices.Sort(rates)
		if first == 0 {
			first = costs[windows/2]
		}
		rss, err := s.rss()
		if err != nil {
			return err
		}
		t.add(fmt.Sprintf("an item with %.1fM events stored", float64(total)/1e6), "≤ 1.2x of the first", "%.0f µs of processor time (%.0f to %.0f), %.2fx; %.0f items/s, %d MB resident",
			costs[windows/2], costs[0], costs[windows-1], costs[windows/2]/first, rates[windows/2], rss>>20)
	}
	return nil
}

// window is what items cost while some of a mix are worked on: in microseconds of the
// server's processor time each, and how many a second.
func (s *server) window(ctx context.Context, items, run, before int) (events int, cost, rate float64, err error) {
	start, err := s.processor()
	if err != nil {
		return 0, 0, 0, err
	}
	r, elapsed, err := s.work(ctx, items, run, before)
	if err != nil {
		return 0, 0, 0, err
	}
	end, err := s.processor()
	return r.Events, (end - start).Seconds() * 1e6 / float64(r.Accepted), float64(r.Accepted) / elapsed.Seconds(), err
}

// measureFreshness sends marked items into a steady load and asks until they are
// counted.
func measureFreshness(ctx context.Context, o options, t *table) error {
	s, err := startServer(ctx, o.binary, "serve")
	if err != nil {
		return err
	}
	defer s.stop()
	loaded := make(chan error, 1)
	go func() {
		_, err := load{Addr: s.addr, Key: secretKey, Batch: 50, Clients: 8, Rate: 5000, Time: 3 * o.seconds, Run: 3}.start(ctx)
		loaded <- err
	}()
	var fresh []time.Duration
	for n := 0; ; n++ {
		select {
		case err := <-loaded:
			if err != nil {
				return err
			}
			t.add("freshness at 5,000 items/s", "p99 ≤ 1.5 s", "p50 %s, p99 %s, worst %s (%d probes)", ms(quantile(fresh, 0.5)), ms(quantile(fresh, 0.99)), ms(quantile(fresh, 1)), len(fresh))
			return nil
		default:
		}
		d, err := probe(ctx, s, s, n, 10*time.Millisecond)
		if err != nil {
			return err
		}
		fresh = append(fresh, d)
	}
}

// probe measures from the answer to one item until a question counts it.
func probe(ctx context.Context, send, ask *server, n int, pause time.Duration) (time.Duration, error) {
	body := fmt.Sprintf(`{"items":[{"kind":"custom_event","custom_event":{"external_id":"probe-%d","created_at":%q,"label":"Probe","properties":{"n":%d}},"user":{"external_id":"prober"}}]}`,
		n, time.Now().UTC().Format(time.RFC3339Nano), n)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+send.addr+"/v1/items", bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+secretKey)
	response, err := send.client.Do(request)
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the server answered %s", response.Status)
	}
	start := time.Now()
	for {
		count, err := ask.total(ctx, "Probe", fmt.Sprintf(`[{"property":"n","op":"eq","value":%d}]`, n))
		if err != nil {
			return 0, err
		}
		if count > 0 {
			return time.Since(start), nil
		}
		if time.Since(start) > time.Minute {
			return 0, fmt.Errorf("item %d is not counted after a minute", n)
		}
		time.Sleep(pause)
	}
}
