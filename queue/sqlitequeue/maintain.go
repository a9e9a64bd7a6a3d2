package sqlitequeue

import (
	"context"
	"errors"
	"time"
)

const (
	auditEvery = time.Hour
	// tidyEvery is how often the length of the log is looked at: at 200 MB/s it
	// then grows to twice its limit at most.
	tidyEvery = 200 * time.Millisecond
	// The first repair follows at once, each further one after twice the time.
	repairAfter, repairAtMost = 50 * time.Millisecond, 5 * time.Second
)

// maintain trims, writes out the log, audits and repairs until Close.
func (q *Queue) maintain() {
	defer close(q.finished)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		// Ends with the function, since Close closes done before it waits.
		<-q.done
		cancel()
	}()
	audit := time.NewTicker(auditEvery)
	defer audit.Stop()
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	if !q.whole {
		q.audit(ctx)
	}
	for {
		select {
		case <-q.done:
			return
		case <-q.work:
			q.repair(ctx)
			q.settleDoubt(ctx)
			q.tidy(ctx, true)
		case <-tidy.C:
			q.tidy(ctx, false)
		case <-audit.C:
			q.audit(ctx)
		}
	}
}

// suspect takes note of a damaged frame: until the structure is checked,
// nothing is removed.
func (q *Queue) suspect() {
	q.mu.Lock()
	q.doubt = true
	q.mu.Unlock()
	q.wakeMaintenance()
}

// settleDoubt checks the structure if there is doubt about it.
func (q *Queue) settleDoubt(ctx context.Context) {
	q.mu.Lock()
	doubt := q.doubt
	q.mu.Unlock()
	if !doubt {
		return
	}
	q.check(ctx, func(s *store) error { return s.checkStructure(ctx) }, func() {
		q.mu.Lock()
		q.doubt = false
		q.mu.Unlock()
	})
}

// audit checks the structure and that no sequence number is missing.
func (q *Queue) audit(ctx context.Context) {
	q.check(ctx, func(s *store) error {
		acked := func(p int) uint64 { return q.progress().acked[p] }
		return errors.Join(s.checkStructure(ctx), s.checkSequence(ctx, q.Partitions(), acked))
	}, func() {})
}

// check runs a check on the open file; what it finds is repaired.
func (q *Queue) check(ctx context.Context, check func(*store) error, sound func()) {
	var found error
	if err := q.view(func(s *store) { found = check(s) }); err != nil || ctx.Err() != nil {
		return
	}
	if found == nil {
		sound()
		return
	}
	q.log.Error("queue file failed its check", "error", found)
	_ = q.fail(found) // the repair is what counts here
	q.repair(ctx)
}

// tidy removes what is acknowledged, in small steps if eager, and writes out
// the log when it is long.
func (q *Queue) tidy(ctx context.Context, eager bool) {
	for more := eager; more && ctx.Err() == nil; {
		more = q.trimStep(ctx)
	}
	if !q.written.Swap(false) {
		return
	}
	if err := q.writeOut(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrBroken) && !isFull(err) {
		q.log.Error("the queue's log could not be written out", "error", err)
		_ = q.fail(err) // the repair is what counts here
	}
}

func (q *Queue) trimStep(ctx context.Context) (more bool) {
	s, err := q.begin(ctx)
	if err != nil {
		return false
	}
	defer q.end()
	at := q.progress()
	err = s.transact(func() error {
		for p := range at.acked {
			left, err := q.trim(s, p, at.acked[p])
			if err != nil {
				return err
			}
			more = more || left
		}
		return nil
	})
	if err != nil && !isFull(err) {
		q.log.Error("frames that are done with could not be removed", "error", err)
		_ = q.fail(err) // the repair is what counts here
	}
	return more && err == nil
}

// writeOut writes the log into the database file: most of it beside those who
// append, the rest and the beginning anew while holding the turn.
func (q *Queue) writeOut(ctx context.Context) error {
	var long bool
	var failed error
	err := q.view(func(s *store) {
		var pages int
		pages, failed = s.checkpoint(ctx, s.readers, "NOOP")
		if long = pages > walLimit/2/walFrameSize; long && failed == nil {
			_, failed = s.checkpoint(ctx, s.readers, "PASSIVE")
		}
	})
	if err = errors.Join(err, failed); err != nil || !long {
		return err
	}
	s, err := q.begin(ctx)
	if err != nil {
		return err
	}
	defer q.end()
	_, err = s.checkpoint(ctx, s.writer, "RESTART")
	return err
}

// repair closes a broken file and opens it anew, with all the checks of a
// start, until that works.
func (q *Queue) repair(ctx context.Context) {
	for wait := repairAfter; ; wait = min(2*wait, repairAtMost) {
		q.mu.Lock()
		cause := q.broken
		q.mu.Unlock()
		if cause == nil || ctx.Err() != nil {
			return
		}
		err := q.reopen(ctx, cause)
		if err == nil {
			q.log.Warn("queue file was closed after an error, checked and opened again", "error", cause)
			q.metrics.repairs.Inc()
			return
		}
		q.log.Error("queue file could not be opened again", "error", err, "cause", cause, "retry_after", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// reopen replaces the store. While broken is set, nobody begins to use it; the
// locks wait for those who do.
func (q *Queue) reopen(ctx context.Context, cause error) error {
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer q.end()
	q.files.Lock()
	defer q.files.Unlock()
	if q.store != nil {
		if err := errors.Join(q.store.close(), q.heads.file.Close()); err != nil {
			q.log.Warn("broken queue file did not close cleanly", "error", err)
		}
		q.store = nil
	}
	opened, err := openFiles(ctx, q.fileOptions(isDamage(cause)))
	if err != nil {
		return err
	}
	q.store, q.heads = opened.store, opened.heads
	q.metrics.damaged.Add(float64(opened.lost))
	q.mu.Lock()
	defer q.mu.Unlock()
	q.at, q.broken, q.doubt = opened.at, nil, !opened.whole && q.doubt
	for _, c := range q.owner {
		c.notify()
	}
	return nil
}
