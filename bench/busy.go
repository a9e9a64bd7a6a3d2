package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"
)

const (
	busyEvents = 400_000 // events that questions are asked over
	busyRate   = 10_000  // items a second that are sent meanwhile
	busyPause  = 500 * time.Millisecond
)

// busyQuestions are asked at rest and beside the load. Each says %s where its range
// ends. The range of retention is of whole days, however it ends; but its plan has
// the time at which it is asked, and so its answer is none that is kept, either.
var busyQuestions = []struct{ name, question string }{
	{"events by day", `{"kind":"trends","from":"-30d","to":%q,"interval":"day","series":[{"name":"A","event":"*","measure":"total"}]}`},
	{"people by day", `{"kind":"trends","from":"-30d","to":%q,"interval":"day","series":[{"name":"A","event":"*","measure":"users"}]}`},
	{"funnel of 3 steps", `{"kind":"funnel","from":"-30d","to":%q,"steps":[{"event":"pageview"},{"event":"Added to Cart"},{"event":"order"}],"window":{"value":7,"unit":"day"}}`},
	{"retention of 14 days", `{"kind":"retention","from":"-30d","to":%q,"start":{"event":"pageview"},"return":{"event":"pageview"},"period":"day","periods":14,"cohort":"first_time"}`},
	{"breakdown by page", `{"kind":"trends","from":"-30d","to":%q,"interval":"day","series":[{"name":"A","event":"pageview","measure":"total"}],"breakdowns":[{"property":"$page","limit":25}]}`},
}

// measureBusy asks the whole program questions at rest, and the same while items come
// in: of each the median of seven. It asks at rest before and after, since there are
// more events then; what was taken in is counted as half.
func measureBusy(ctx context.Context, o options, t *table) error {
	s, err := startServer(ctx, o.binary, "serve")
	if err != nil {
		return err
	}
	defer s.stop()
	total, run := 0, 10
	for total < busyEvents {
		run++
		r, _, err := s.work(ctx, busyEvents/2, run, total)
		if err != nil {
			return err
		}
		total += r.Events
	}
	a := &asker{server: s, until: time.Now().UTC().Truncate(24 * time.Hour)}
	rest, err := a.rounds(ctx, 0)
	if err != nil {
		return fmt.Errorf("ask at rest: %w", err)
	}
	busy, during, err := a.beside(ctx, load{Addr: s.addr, Key: secretKey, Batch: 50, Clients: 8, Rate: busyRate, Time: time.Hour, Run: run + 1, Mix: true})
	if err != nil {
		return fmt.Errorf("ask beside a load: %w", err)
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	again, err := a.rounds(ctx, 0)
	if err != nil {
		return fmt.Errorf("ask at rest again: %w", err)
	}
	t.add("items taken in beside questions", fmt.Sprintf("%d items/s", busyRate), "%.0f items/s (the server uses %.1f of %d processors)", during.items, during.processors, runtime.NumCPU())
	for i, q := range busyQuestions {
		quiet, loaded := (quantile(rest[i], 0.5)+quantile(again[i], 0.5))/2, quantile(busy[i], 0.5)
		t.add(fmt.Sprintf("%s, %.1fM events, beside intake", q.name, float64(total)/1e6), "≤ 2x of at rest", "%.2fx (at rest %s, beside %s)", float64(loaded)/float64(quiet), ms(quiet), ms(loaded))
	}
	return nil
}

// asker asks a server questions none of which was asked before.
type asker struct {
	*server
	probes int
	until  time.Time // when the range of the next question ends
}

// pace is what a server does in a second.
type pace struct {
	items      float64 // that it has worked off
	processors float64 // that it uses
}

// beside asks while a load runs, and says what the server did meanwhile.
func (a *asker) beside(ctx context.Context, l load) (took [][]time.Duration, during pace, err error) {
	loading, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := l.start(loading)
		ended <- err
	}()
	defer func() {
		select {
		case failure := <-ended: // before it was told to
			err = fmt.Errorf("the load ended too early: %w", failure)
			stop()
		default:
			stop()
			<-ended
		}
	}()
	first, err := a.processed()
	if err != nil {
		return nil, pace{}, err
	}
	// The first two seconds are the load's own start.
	for now := first; now < first+2*l.Rate; {
		select {
		case failure := <-ended:
			ended <- failure
			return nil, pace{}, nil // the failure is what is reported
		case <-time.After(20 * time.Millisecond):
		}
		if now, err = a.processed(); err != nil {
			return nil, pace{}, err
		}
	}
	end, err := a.clock()
	if err != nil {
		return nil, pace{}, err
	}
	if took, err = a.rounds(ctx, busyPause); err != nil {
		return nil, pace{}, err
	}
	during, err = end()
	return took, during, err
}

// clock begins to measure the pace of a server; what it returns ends it.
func (s *server) clock() (end func() (pace, error), err error) {
	start := time.Now()
	items, err := s.processed()
	if err != nil {
		return nil, err
	}
	used, err := s.processor()
	if err != nil {
		return nil, err
	}
	return func() (pace, error) {
		took := time.Since(start).Seconds()
		now, err := s.processed()
		if err != nil {
			return pace{}, err
		}
		total, err := s.processor()
		return pace{items: float64(now-items) / took, processors: (total - used).Seconds() / took}, err
	}, nil
}

// settle waits until the server has worked off all that it was sent.
func (s *server) settle(ctx context.Context) error {
	for last := -1; ; {
		now, err := s.processed()
		if err != nil {
			return err
		}
		if now == last {
			return nil
		}
		last = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// rounds asks all questions once for warmth, and then seven times, and tells how long
// each took. Before each round something is written, so that no answer is one that was
// kept. Between rounds it pauses, so that they meet what the server does now and then
// besides.
func (a *asker) rounds(ctx context.Context, pause time.Duration) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(busyQuestions))
	for round := range 1 + asked {
		a.probes++
		if _, err := probe(ctx, a.server, a.server, a.probes, 10*time.Millisecond); err != nil {
			return nil, err
		}
		for i, q := range busyQuestions {
			d, err := a.ask(ctx, q.question)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", q.name, err)
			}
			if round > 0 {
				took[i] = append(took[i], d)
			}
		}
		time.Sleep(pause)
	}
	return took, nil
}

// ask asks with a range that ends a microsecond after that of the question before.
func (a *asker) ask(ctx context.Context, question string) (time.Duration, error) {
	a.until = a.until.Add(time.Microsecond)
	body := fmt.Sprintf(question, a.until.Format(time.RFC3339Nano))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.addr+"/api/v1/workspaces/"+workspace+"/query", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+secretKey)
	request.Header.Set("Content-Type", "application/json")
	start := time.Now()
	response, err := a.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the server answered %s: %s", response.Status, bytes.TrimSpace(text))
	}
	return took, nil
}
