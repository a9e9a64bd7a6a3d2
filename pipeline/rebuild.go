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
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underway.wait()
	p.options.Logger.Warn("rebuild events from the archive", "workspace", ws)
	if err := p.events.Drop(ctx, ws); err != nil {
		return fmt.Errorf("rebuild events of %s: %w", ws, err)
	}
	again := p.newReplay(ws)
	err := p.archive.Replay(ctx, 0, 0, func(sealed frame.Sealed, damage error) error {
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
	if err != nil {
		return fmt.Errorf("rebuild events of %s: %w", ws, err)
	}
	p.options.Logger.Info("rebuilt events from the archive", "workspace", ws, "items", again.items)
	return nil
}

// replay puts the records of one workspace into batches and takes them through
// the steps once more, all but the first.
type replay struct {
	pipeline *Pipeline
	ws       weir.WorkspaceID
	applied  map[int]uint64
	entries  []Entry // as they come, to make batches of
	items    int
}

func (p *Pipeline) newReplay(ws weir.WorkspaceID) *replay {
	return &replay{pipeline: p, ws: ws, applied: map[int]uint64{}}
}

func (r *replay) add(ctx context.Context, f *frame.Frame) error {
	r.applied[f.Partition] = f.Last()
	for i, record := range f.Records {
		if record.Workspace == r.ws {
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
		maps.Copy(b.Applied, r.applied)
		for _, e := range r.entries {
			b.Entries = append(b.Entries, &e)
		}
		return b
	}
	b, err := r.pipeline.complete(ctx, build, r.pipeline.order[1:])
	if err != nil {
		return err
	}
	if err := r.pipeline.write(ctx, b); err != nil {
		return err
	}
	r.items += len(r.entries)
	r.entries = nil
	clear(r.applied)
	return nil
}
