package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/state"
)

// retryTopic is that of effects which say that an item is to be delivered again:
// its user was busy. They are in the outbox, so that none is lost if the worker
// dies meanwhile; an item that is delivered twice because of that is recognised.
const retryTopic = "pipeline.retry"

// retry is the body of such an effect.
type retry struct {
	Position weir.Position `json:"position"`
	At       weir.Micros   `json:"at"` // when it was put off
}

func retryOf(e *Entry, at weir.Micros) state.Effect {
	body, err := json.Marshal(retry{e.Position, at})
	if err != nil {
		panic(err) // two numbers
	}
	return state.Effect{Workspace: e.Record.Workspace, Topic: retryTopic, ID: e.Position.String(), User: e.Record.UserID, Body: body}
}

func (p *Pipeline) wakeResend() {
	select {
	case p.waits <- struct{}{}:
	default:
	}
}

// resend puts items that wait for busy users into the queue again, until ctx ends.
func (p *Pipeline) resend(ctx context.Context) {
	p.wakeResend() // what a worker before this one put off
	// What another process has put off is looked for now and then: it may have died.
	others := time.NewTicker(2 * p.options.RetryAfter)
	defer others.Stop()
	for {
		select {
		case <-p.waits:
		case <-others.C:
		case <-ctx.Done():
			return
		}
		for wait := newBackoff(); ; {
			next, err := p.resendDue(ctx)
			if err == nil && next < 0 {
				break
			}
			if err != nil {
				p.options.Logger.Error("deliver items again", "error", err)
				wait.sleep(ctx)
			} else {
				pause(ctx, next)
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// resendPage bounds the items that are put into the queue at once.
const resendPage = 500

// resendDue puts those into the queue that have waited long enough, and says how
// long the next one has to; negative if there is none.
func (p *Pipeline) resendDue(ctx context.Context) (next time.Duration, err error) {
	waiting, err := p.state.Outbox().Read(ctx, retryTopic, 0, resendPage)
	if err != nil {
		return 0, fmt.Errorf("read outbox: %w", err)
	}
	now := weir.MicrosOf(p.options.Now())
	byPartition, cursor := map[int][]weir.Record{}, int64(0)
	next = -1
	for _, w := range waiting {
		var r retry
		if err := json.Unmarshal(w.Body, &r); err != nil {
			return 0, fmt.Errorf("read outbox: %w", err)
		}
		if left := p.options.RetryAfter - now.Time().Sub(r.At.Time()); left > 0 {
			next = left
			break // the others came later
		}
		cursor = w.Cursor
		record, err := p.archive.Read(ctx, r.Position)
		if errors.Is(err, archive.ErrNotFound) || errors.Is(err, frame.ErrCorrupt) {
			p.metrics.damaged.Inc()
			p.options.Logger.Error("an item that waited is lost", "error", err, "position", r.Position.String())
			continue
		} else if err != nil {
			return 0, fmt.Errorf("read waiting item: %w", err)
		}
		byPartition[r.Position.Partition()] = append(byPartition[r.Position.Partition()], record)
	}
	if cursor == 0 {
		return next, nil
	}
	if err := p.requeue(ctx, byPartition); err != nil {
		return 0, err
	}
	if err := p.state.Outbox().Done(ctx, retryTopic, cursor); err != nil {
		return 0, fmt.Errorf("clear outbox: %w", err)
	}
	return max(next, 0), nil
}

func (p *Pipeline) requeue(ctx context.Context, byPartition map[int][]weir.Record) error {
	var bodies []frame.Body
	for partition, records := range byPartition {
		body, err := frame.Encode(partition, records)
		if err != nil {
			return fmt.Errorf("put waiting items into the queue: %w", err)
		}
		bodies = append(bodies, body)
	}
	if len(bodies) == 0 {
		return nil
	}
	if err := p.queue.Append(ctx, bodies); err != nil {
		return fmt.Errorf("put waiting items into the queue: %w", err)
	}
	return nil
}
