package pipeline

import (
	"context"
	"fmt"
	"maps"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

// Rebuild derives the event rows of a workspace again from the archive, after
// its file was lost. The state is not changed: everything in the archive was
// applied before. Run waits meanwhile, and what arrives stays in the queue.
// Frames that cannot be read are reported and skipped.
func (p *Pipeline) Rebuild(ctx context.Context, ws weir.WorkspaceID) error {
	if err := p.rest(ctx); err != nil {
		return fmt.Errorf("rebuild events of %s: %w", ws, err)
	}
	defer p.resting.Unlock()
	p.options.Logger.Warn("rebuild events from the archive", "workspace", ws)
	if err := p.events.Drop(ctx, ws); err != nil {
		return fmt.Errorf("rebuild events of %s: %w", ws, err)
	}
	items, err := p.replay(ctx, ws, nil)
	if err != nil {
		return fmt.Errorf("rebuild events of %s: %w", ws, err)
	}
	p.options.Logger.Info("rebuilt events from the archive", "workspace", ws, "items", items)
	return nil
}

// RebuildAll derives the state and the event rows of all workspaces from the
// archive, into stores that must be empty. It tells progress how many items are
// done. Run must not be running. Nothing is put into the outbox: what was to be
// done outside was done when the items came.
func (p *Pipeline) RebuildAll(ctx context.Context, progress func(items int)) error {
	p.resting.Lock()
	defer p.resting.Unlock()
	if _, err := p.replay(ctx, "", progress); err != nil {
		return fmt.Errorf("rebuild from the archive: %w", err)
	}
	if err := p.markAll(ctx); err != nil {
		return fmt.Errorf("rebuild from the archive: %w", err)
	}
	return nil
}

// AtRest calls fn while nothing is under way: the stores agree with one another
// and do not change. What arrives meanwhile stays in the queue.
func (p *Pipeline) AtRest(ctx context.Context, fn func() error) error {
	if err := p.rest(ctx); err != nil {
		return err
	}
	defer p.resting.Unlock()
	return fn()
}

// rest keeps new batches from beginning, and waits until those underway are
// written. The caller unlocks resting if the error is nil.
func (p *Pipeline) rest(ctx context.Context) error {
	p.resting.Lock()
	err := p.underway.none(ctx)
	if err != nil {
		p.resting.Unlock()
	}
	return err
}

// replay takes the archive through the steps once more, all but the first.
func (p *Pipeline) replay(ctx context.Context, ws weir.WorkspaceID, progress func(items int)) (items int, err error) {
	again := &replay{pipeline: p, ws: ws, applied: map[int]uint64{}, progress: progress}
	err = p.archive.Replay(ctx, 0, 0, func(sealed frame.Sealed, damage error) error {
		if damage == nil {
			var f *frame.Frame
			if f, damage = frame.Decode(sealed); damage == nil {
				return again.add(ctx, f)
			}
		}
		p.metrics.damaged.Inc()
		p.options.Logger.Error("skip a damaged frame of the archive", "error", damage)
		return nil
	})
	if err == nil {
		err = again.flush(ctx)
	}
	return again.items, err
}

// replay makes batches of the records of the archive.
type replay struct {
	pipeline *Pipeline
	ws       weir.WorkspaceID // whose records; "": everybody's
	applied  map[int]uint64
	entries  []Entry // as they come, to make batches of
	items    int
	progress func(items int) // may be nil
}

func (r *replay) add(ctx context.Context, f *frame.Frame) error {
	r.applied[f.Partition] = f.Last()
	for i, record := range f.Records {
		if r.ws == "" || record.Workspace == r.ws {
			r.entries = append(r.entries, Entry{Record: record, Position: f.Position(i)})
		}
	}
	if len(r.entries) < r.pipeline.options.Items {
		return nil
	}
	return r.flush(ctx)
}

func (r *replay) flush(ctx context.Context) error {
	build := func() *Batch {
		b := r.pipeline.batch(nil)
		b.replayed = true
		maps.Copy(b.Applied, r.applied)
		for _, e := range r.entries {
			b.Entries = append(b.Entries, &Entry{Record: e.Record, Position: e.Position})
		}
		return b
	}
	b, err := r.pipeline.complete(ctx, build, r.pipeline.order[1:])
	if err != nil {
		return err
	}
	defer r.pipeline.underway.done(b)
	if err := r.pipeline.write(ctx, b); err != nil {
		return err
	}
	r.items += len(r.entries)
	r.entries = nil
	clear(r.applied)
	if r.progress != nil {
		r.progress(r.items)
	}
	return nil
}
