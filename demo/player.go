package demo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Player sends a shop's items to a Weir server.
type Player struct {
	URL       string // of the server, without a path
	Key       string // a secret key: a browser's may not send orders
	Workspace string
	Client    *http.Client // default http.DefaultClient's transport with a time limit
	Now       func() time.Time
	// Progress, if set, is told the items sent so far and those there are.
	Progress func(sent, all int)
}

const (
	batchItems = 500
	senders    = 4
	sendTries  = 8
	// Live traffic is that of a shop on a busy evening, and people in it are
	// quicker than real ones, so that there is something to see.
	liveEvery   = 8 * time.Second
	liveSpeed   = 5
	liveAtFirst = 5 // visits that begin at once
)

// History plays the days before today and today until now, and sends all of it.
// It returns how many items the server has accepted.
func (p *Player) History(ctx context.Context, shop *Shop, days int) (int, error) {
	now := p.Now().UTC()
	today := now.Truncate(24 * time.Hour)
	var events []Event
	for age := range days + 1 {
		events = append(events, shop.Day(today.AddDate(0, 0, age-days), age)...)
	}
	events = slices.DeleteFunc(events, func(e Event) bool { return e.At.After(now) })
	var sent atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for batch := range slices.Chunk(events, batchItems) {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := p.send(ctx, batch); err != nil {
				return err
			}
			total := sent.Add(int64(len(batch)))
			if p.Progress != nil {
				p.Progress(int(total), len(events))
			}
			return nil
		})
	}
	err := group.Wait()
	return int(sent.Load()), err
}

// Live lets people visit the shop from now on, until ctx ends.
func (p *Player) Live(ctx context.Context, shop *Shop) error {
	var coming []Event // in order of time
	next := p.Now()
	for range liveAtFirst {
		coming = append(coming, shop.Visit(next, liveSpeed)...)
	}
	for {
		now := p.Now()
		for !next.After(now) {
			coming = append(coming, shop.Visit(next, liveSpeed)...)
			next = next.Add(time.Duration(rand.ExpFloat64() * float64(liveEvery)))
		}
		slices.SortStableFunc(coming, func(a, b Event) int { return a.At.Compare(b.At) })
		due, _ := slices.BinarySearchFunc(coming, now, func(e Event, t time.Time) int { return cmp.Or(e.At.Compare(t), -1) })
		if due > 0 {
			if err := p.send(ctx, coming[:due]); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			coming = slices.Delete(coming, 0, due)
		}
		wait := next.Sub(p.Now())
		if len(coming) > 0 {
			wait = min(wait, coming[0].At.Sub(p.Now()))
		}
		timer := time.NewTimer(max(wait, 50*time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// send posts a batch and tries again while the server is too busy.
func (p *Player) send(ctx context.Context, events []Event) error {
	items := make([]Item, len(events))
	for i, e := range events {
		items[i] = e.Item
	}
	body, err := json.Marshal(Item{
		"workspace_id": p.Workspace, "items": items,
		"context": Item{"data_sent_at": p.Now().UTC().Format(time.RFC3339Nano)},
	})
	if err != nil {
		return fmt.Errorf("write items: %w", err)
	}
	for try := 1; ; try++ {
		wait, err := p.post(ctx, body, len(items))
		if err == nil || wait == 0 || try == sendTries {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// post sends once. A wait says that the same may go through later.
func (p *Player) post(ctx context.Context, body []byte, items int) (wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/v1/items", bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("send items: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+p.Key)
	request.Header.Set("Content-Type", "application/json")
	client := p.Client
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	response, err := client.Do(request)
	if err != nil {
		return time.Second, fmt.Errorf("send items: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return time.Second, fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusTooManyRequests {
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return time.Duration(max(seconds, 1)) * time.Second, errors.New("the server takes no more items for now")
	}
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the server answered %s: %s", response.Status, bytes.TrimSpace(text))
	}
	var answer struct {
		Accepted int               `json:"accepted"`
		Rejected []json.RawMessage `json:"rejected"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	if answer.Accepted != items {
		return 0, fmt.Errorf("the server accepted %d of %d items; the first it rejected: %s", answer.Accepted, items, slices.Concat(answer.Rejected...))
	}
	return 0, nil
}
