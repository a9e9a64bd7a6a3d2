package s3archive

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir/frame"
)

// Compact sorts all batches into runs, joins small runs to larger ones, and
// gives up uploads that a process left unfinished more than a day ago. Batches
// with damage are left alone and logged.
//
// It may be called at any time, and by several processes at once: that costs
// requests and leaves duplicates, which readers skip, but it never loses a
// frame. A batch is deleted when its frames are in runs. A run is deleted by a
// later compaction of its partition, when all of its frames have been in a
// larger run for Options.Linger: since each is kept only for the sake of a
// smaller one, two compactions cannot delete each other's reasons.
func (a *Archive) Compact(ctx context.Context) error {
	if err := a.enter(ctx); err != nil {
		return fmt.Errorf("compact archive: %w", err)
	}
	defer a.running.Done()
	if err := a.compact(ctx); err != nil {
		return fmt.Errorf("compact archive: %w", err)
	}
	return nil
}

// compactNowAndThen runs until ctx ends.
func (a *Archive) compactNowAndThen(ctx context.Context) {
	for {
		// Not at the same time as other processes: then all but one find nothing to do.
		pause := a.opts.CompactEvery/2 + rand.N(a.opts.CompactEvery)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if err := a.compactIfWorthwhile(ctx); err != nil && ctx.Err() == nil {
			a.opts.Logger.Error("archive could not be compacted; what it holds is safe, and it is tried again", "error", err)
		}
	}
}

func (a *Archive) compactIfWorthwhile(ctx context.Context) error {
	batches, err := a.store.places(ctx, batchFolder)
	if err != nil || len(batches) < a.opts.CompactBatches {
		return err
	}
	return a.compact(ctx)
}

func (a *Archive) compact(ctx context.Context) error {
	a.compacting.Lock()
	defer a.compacting.Unlock()
	batches, err := a.store.places(ctx, batchFolder)
	if err != nil {
		return err
	}
	batches = slices.DeleteFunc(batches, func(p place) bool { return a.damaged[p.key] })
	for len(batches) > 0 {
		n, size := 1, batches[0].size
		for n < len(batches) && size+batches[n].size <= a.opts.RunSize {
			size += batches[n].size
			n++
		}
		if err := a.compactBatches(ctx, batches[:n]); err != nil {
			return err
		}
		batches = batches[n:]
	}
	return a.store.abandonUploads(ctx)
}

// loaded is an object with all of its frames.
type loaded struct {
	place
	frames []placed
	err    error // wraps frame.ErrCorrupt or errGone; then it has no frames
}

// load reads whole objects at the same time.
func (a *Archive) loadAll(ctx context.Context, places []place) ([]loaded, error) {
	out := make([]loaded, len(places))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, p := range places {
		group.Go(func() error {
			data, err := a.store.get(ctx, p.key, 0, p.size)
			var of []placed
			if err == nil {
				of, err = frames(p, data)
			}
			out[i] = loaded{p, of, err}
			if errors.Is(err, frame.ErrCorrupt) || errors.Is(err, errGone) {
				return nil
			}
			return err
		})
	}
	return out, group.Wait()
}

// compactBatches sorts some batches into runs and deletes them.
func (a *Archive) compactBatches(ctx context.Context, batches []place) error {
	objects, err := a.loadAll(ctx, batches)
	if err != nil {
		return err
	}
	byPartition := map[int][]placed{}
	var done []place
	for _, o := range objects {
		if o.err != nil {
			if errors.Is(o.err, frame.ErrCorrupt) {
				a.damaged[o.key] = true
				a.metrics.damaged.Inc()
				a.opts.Logger.Error("batch of the archive is damaged; it is left as it is", "object", o.key, "error", o.err)
			}
			continue
		}
		for _, f := range o.frames {
			byPartition[f.At.Partition()] = append(byPartition[f.At.Partition()], f)
		}
		done = append(done, o.place)
	}
	for _, partition := range slices.Sorted(maps.Keys(byPartition)) {
		if err := a.mergeInto(ctx, partition, merge(byPartition[partition])); err != nil {
			return err
		}
	}
	if err := a.remove(ctx, done); err != nil {
		return err
	}
	a.metrics.compacted.Add(float64(len(done)))
	return nil
}

func (a *Archive) remove(ctx context.Context, places []place) error {
	gone := map[string]bool{}
	for _, p := range places {
		gone[p.key] = true
	}
	a.catalog.forget(gone)
	return a.store.remove(ctx, places)
}

// merge sorts frames and drops those that are there twice, byte for byte.
func merge(of []placed) []placed {
	slices.SortStableFunc(of, comparePlaced)
	return slices.CompactFunc(of, func(a, b placed) bool { return a.At == b.At && bytes.Equal(a.frame, b.frame) })
}

// mergeInto makes frames part of the runs of their partition.
func (a *Archive) mergeInto(ctx context.Context, partition int, fresh []placed) error {
	runs, err := a.store.places(ctx, runPrefix(partition))
	if err != nil {
		return err
	}
	if err := a.sweep(ctx, runs); err != nil {
		return err
	}
	runs = slices.DeleteFunc(slices.Clone(runs), func(p place) bool { return slices.ContainsFunc(runs, p.within) })
	small, others := chooseRuns(runs, fresh, a.opts.RunSize)
	held, err := a.loadAll(ctx, overlapping(others, fresh))
	if err != nil {
		return err
	}
	if fresh = without(fresh, held); len(fresh) == 0 {
		return nil
	}
	sources, err := a.loadAll(ctx, small)
	if err != nil {
		return err
	}
	for _, s := range sources {
		if s.err != nil {
			a.opts.Logger.Warn("run of the archive is damaged or gone; it is left as it is", "object", s.key, "error", s.err)
		}
		fresh = append(fresh, s.frames...)
	}
	return a.writeRuns(ctx, merge(fresh))
}

// within says whether a larger run spans all of p, and so may hold all of it.
func (p place) within(larger place) bool {
	return larger.first <= p.first && p.last <= larger.last && larger.frames > p.frames
}

// sweep deletes runs all of whose frames have been in a larger one for a while.
func (a *Archive) sweep(ctx context.Context, runs []place) error {
	before := a.opts.Now().Add(-a.opts.Linger)
	for _, larger := range runs {
		var inside []place
		for _, p := range runs {
			if p.within(larger) && larger.modified.Before(before) {
				inside = append(inside, p)
			}
		}
		if len(inside) == 0 {
			continue
		}
		objects, err := a.loadAll(ctx, append(inside, larger))
		if err != nil {
			return err
		}
		last := len(objects) - 1
		if objects[last].err != nil {
			continue
		}
		var idle []place
		for _, o := range objects[:last] {
			if o.err == nil && len(without(o.frames, objects[last:])) == 0 {
				idle = append(idle, o.place)
			}
		}
		if err := a.remove(ctx, idle); err != nil {
			return err
		}
	}
	return nil
}

const (
	// growth is how many times larger than what is written anew a run may be to
	// be written again with it. So runs become larger step by step, and a frame
	// is written again some five times until it is in a run of full size.
	growth = 3
	// maxSources bounds the runs that become one; see lookup.inRuns.
	maxSources = 500
)

// chooseRuns says which runs, from the last one back, are small enough to be
// joined with new frames.
func chooseRuns(runs []place, fresh []placed, full int64) (small, others []place) {
	size := int64(0)
	for _, f := range fresh {
		size += int64(f.Size)
	}
	slices.SortFunc(runs, func(a, b place) int { return cmp.Compare(b.last, a.last) })
	n := 0
	for n < min(len(runs), maxSources) && runs[n].size <= growth*size && size+runs[n].size <= full {
		size += runs[n].size
		n++
	}
	return runs[:n], runs[n:]
}

// overlapping are the runs that may hold some of the frames already.
func overlapping(runs []place, of []placed) (out []place) {
	first, last := of[0].At.Seq(), of[len(of)-1].Last().Seq()
	for _, p := range runs {
		if p.first <= last && first <= p.last {
			out = append(out, p)
		}
	}
	return out
}

// without drops the frames that whole objects hold, byte for byte.
func without(of []placed, held []loaded) []placed {
	for _, o := range held {
		of = slices.DeleteFunc(of, func(f placed) bool {
			i, found := slices.BinarySearchFunc(o.frames, f, comparePlaced)
			return found && bytes.Equal(o.frames[i].frame, f.frame)
		})
	}
	return of
}

// writeRuns writes frames that are in order as runs of no more than the full
// size, and reads them back.
func (a *Archive) writeRuns(ctx context.Context, of []placed) error {
	for len(of) > 0 {
		n, size := 1, int64(of[0].Size)
		for n < len(of) && size+int64(of[n].Size) <= a.opts.RunSize {
			size += int64(of[n].Size)
			n++
		}
		data, index := encode(of[:n])
		p := runPlace(data, index)
		if err := a.store.put(ctx, p.key, data); err != nil {
			return err
		}
		back, err := a.store.get(ctx, p.key, 0, p.size)
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		if !bytes.Equal(back, data) {
			return fmt.Errorf("%s does not read back as it was written: %w", p.key, frame.ErrCorrupt)
		}
		of = of[n:]
	}
	return nil
}
