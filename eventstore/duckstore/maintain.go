package duckstore

import (
	"context"
	"fmt"
	"os"
	"time"
)

// maintain checkpoints workspaces until ctx ends: at once if a write-ahead log
// has grown long, else when rows have waited long enough in it and nobody has
// written for a moment.
//
// A checkpoint stops the writes of its workspace, for a time that grows with
// what was written since the last. So it is done often, and never by the engine
// itself in the middle of somebody's commit.
func (s *Store) maintain(ctx context.Context) {
	tick := time.NewTicker(max(min(s.options.CheckpointEvery/16, time.Second), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
		}
		for _, w := range s.inUse() {
			var err error
			if !s.options.Now().Before(s.pause[w.id]) {
				err = w.checkpointIfDue(ctx)
			}
			if err != nil && ctx.Err() == nil {
				s.options.Logger.Warn("checkpoint", "workspace", w.id, "error", err)
				s.pause[w.id] = s.options.Now().Add(pauseFor)
			}
			s.release(w, err)
		}
	}
}

// inUse takes a place among the users of every open workspace.
func (s *Store) inUse() []*workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*workspace
	if s.closed {
		return nil
	}
	for _, w := range s.open {
		if isClosed(w.opened) && w.openErr == nil && w.leaving == nil {
			w.users++
			s.running.Add(1)
			out = append(out, w)
		}
	}
	return out
}

// pauseFor is how long no checkpoint is tried after one that failed: failing, for
// want of space, makes the engine let go of the file, and questions wait.
const pauseFor = 10 * time.Second

// quietFor is how long nobody has written when a checkpoint that can wait is done.
const quietFor = 200 * time.Millisecond

func (w *workspace) checkpointIfDue(ctx context.Context) error {
	w.writer.Lock()
	defer w.writer.Unlock()
	o, now := &w.store.options, w.store.options.Now()
	age := now.Sub(w.checkpointed)
	due := age >= o.CheckpointEvery && (now.Sub(w.lastWrite) >= quietFor || age >= 2*o.CheckpointEvery)
	if !w.unsaved || !due && w.logLength() < o.CheckpointBytes {
		return nil
	}
	return w.checkpoint(ctx)
}

// logLength is the length of the write-ahead log in bytes.
func (w *workspace) logLength() int64 {
	info, err := os.Stat(w.path + ".wal")
	if err != nil {
		return 0
	}
	return info.Size()
}

// wakeIfLong asks for a checkpoint as soon as the log is long, rather than at
// the next tick.
func (w *workspace) wakeIfLong() {
	if w.logLength() >= w.store.options.CheckpointBytes {
		select {
		case w.store.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// checkpoint writes the log into the file. The writer holds its lock.
func (w *workspace) checkpoint(ctx context.Context) error {
	start := w.store.options.Now()
	if err := w.exec(ctx, fmt.Sprintf("DELETE FROM %s.commits WHERE number < %d", w.schema, w.commits)); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := w.exec(ctx, "CHECKPOINT "+w.schema); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	w.checkpointed = w.store.options.Now()
	w.unsaved, w.altered = false, false
	w.store.metrics.checkpoints.Observe(w.checkpointed.Sub(start).Seconds())
	return nil
}
