package s3archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive/internal/segment"
	"github.com/weirhq/weir/frame"
)

// Replay gives the runs partition by partition, then what is in batches, in the
// order in which these were appended. It takes stock of the batches at its
// beginning: about 50 bytes of memory for each frame that is not compacted.
func (a *Archive) Replay(ctx context.Context, from, to weir.Micros, fn func(frame.Sealed, error) error) error {
	if err := a.enter(ctx); err != nil {
		return fmt.Errorf("replay archive: %w", err)
	}
	defer a.running.Done()
	r := &replay{archive: a, from: from, to: to, fn: fn, cursor: map[int]uint64{}, waiting: map[int][]copyOf{}, reported: map[string]bool{}}
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("replay archive: %w", err)
	}
	return nil
}

// copyOf is a frame that stands in an object.
type copyOf struct {
	segment.Entry
	in *object
}

type replay struct {
	archive  *Archive
	from, to weir.Micros
	fn       func(frame.Sealed, error) error
	cursor   map[int]uint64   // the last sequence number given, by partition
	waiting  map[int][]copyOf // the frames in batches, by partition, in order
	reported map[string]bool  // objects whose lost bytes were given as damage
}

func (r *replay) run(ctx context.Context) error {
	// Batches first: what compaction moves meanwhile is then in the runs.
	batches, err := r.batches(ctx)
	if err != nil {
		return err
	}
	for info, err := range r.archive.store.list(ctx, runFolder, "", 0) {
		if err != nil {
			return err
		}
		if p, ok := folderPartition(info.Key); ok {
			if err := r.runs(ctx, p); err != nil {
				return err
			}
		}
	}
	return r.stream(ctx, r.inOrder(batches))
}

// batches opens all batches and puts their frames in order.
func (r *replay) batches(ctx context.Context) ([]*object, error) {
	places, err := r.archive.store.places(ctx, batchFolder)
	if err != nil {
		return nil, err
	}
	places = slices.DeleteFunc(places, func(p place) bool { return !p.timed(r.from, r.to) })
	objects, err := r.archive.openAll(ctx, places)
	if err != nil {
		return nil, err
	}
	objects = slices.DeleteFunc(objects, func(o *object) bool { return o == nil })
	for _, o := range objects {
		if err := r.reportLost(o); err != nil {
			return nil, err
		}
		for _, c := range r.copies(o) {
			p := c.At.Partition()
			r.waiting[p] = append(r.waiting[p], c)
		}
	}
	for _, of := range r.waiting {
		slices.SortStableFunc(of, compareCopies)
	}
	return objects, nil
}

func compareCopies(a, b copyOf) int { return cmp.Compare(a.At, b.At) }

// copies are the frames of an object that are asked for.
func (r *replay) copies(o *object) []copyOf {
	out := make([]copyOf, 0, len(o.Entries))
	for _, e := range o.Entries {
		if (r.from == 0 || e.When >= r.from) && (r.to == 0 || e.When < r.to) {
			out = append(out, copyOf{e, o})
		}
	}
	return out
}

func (r *replay) reportLost(o *object) error {
	if r.reported[o.key] {
		return nil
	}
	r.reported[o.key] = true
	for _, damage := range o.lost {
		r.archive.metrics.damaged.Inc()
		if err := r.fn(nil, damage); err != nil {
			return err
		}
	}
	return nil
}

// runs gives what is in the runs of a partition, from its cursor on, and what is
// in batches before or between.
func (r *replay) runs(ctx context.Context, partition int) error {
	var err error
	for range restarts {
		before := r.cursor[partition]
		if err = r.runsOnce(ctx, partition); !errors.Is(err, errGone) {
			return err
		}
		if r.cursor[partition] != before {
			return r.runs(ctx, partition) // it gets on
		}
	}
	return err
}

func (r *replay) runsOnce(ctx context.Context, partition int) error {
	places, err := r.archive.store.places(ctx, runPrefix(partition))
	if err != nil {
		return err
	}
	places = slices.DeleteFunc(places, func(p place) bool { return !p.timed(r.from, r.to) || p.last <= r.cursor[partition] })
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last)) })
	for len(places) > 0 {
		// Runs that overlap are read together.
		n, last := 1, places[0].last
		for n < len(places) && places[n].first <= last {
			last = max(last, places[n].last)
			n++
		}
		if err := r.overlapping(ctx, partition, places[:n], last); err != nil {
			return err
		}
		places = places[n:]
	}
	return nil
}

// overlapping gives the frames of runs, and those of batches up to last.
func (r *replay) overlapping(ctx context.Context, partition int, runs []place, last uint64) error {
	var copies []copyOf
	for _, p := range runs {
		o, err := r.archive.open(ctx, p)
		if err != nil {
			return err
		}
		if err := r.reportLost(o); err != nil {
			return err
		}
		copies = append(copies, r.copies(o)...)
	}
	for _, c := range r.waiting[partition] {
		if c.At.Seq() > last {
			break
		}
		copies = append(copies, c)
	}
	slices.SortStableFunc(copies, compareCopies)
	return r.stream(ctx, r.group(copies))
}

// choice is the copies of one frame, the one to read first.
type choice []copyOf

func (c choice) last() uint64 { return c[0].Last().Seq() }

// group puts copies that are in order, of one partition, into choices.
func (r *replay) group(copies []copyOf) (out []choice) {
	for i := 0; i < len(copies); {
		n := 1
		for i+n < len(copies) && copies[i+n].At == copies[i].At && copies[i+n].Count == copies[i].Count {
			n++
		}
		if copies[i].Last().Seq() > r.cursor[copies[i].At.Partition()] {
			out = append(out, choice(copies[i:i+n]))
		}
		i += n
	}
	return out
}

// inOrder is what is left of the batches: object after object, but never a frame
// before those of its partition that come before it.
func (r *replay) inOrder(batches []*object) (out []choice) {
	left := map[int][]choice{}
	for partition, of := range r.waiting {
		left[partition] = r.group(of)
	}
	for _, o := range batches {
		for _, s := range spansOf(o.Index) {
			p := s.First.Partition()
			n := 0
			for n < len(left[p]) && left[p][n].last() <= s.Last.Seq() {
				n++
			}
			out = append(out, left[p][:n]...)
			left[p] = left[p][n:]
		}
	}
	return out
}

// chunk is choices whose bytes are read with one request.
type chunk struct {
	choices []choice
	in      *object
	offset  int64
	size    int64
	data    []byte
	err     error
	ready   chan struct{}
}

const (
	chunkSize     = 4 << 20
	aheadBytes    = 32 << 20 // what is read before it is needed
	aheadRequests = 32
)

// chunks joins choices that stand one behind the other in an object.
func chunks(choices []choice) (out []*chunk) {
	for i, c := range choices {
		first := c[0]
		if len(out) > 0 {
			if l := out[len(out)-1]; l.in == first.in && l.offset+l.size == first.Offset && l.size+int64(first.Size) <= chunkSize {
				l.size += int64(first.Size)
				l.choices = append(l.choices, choices[i])
				continue
			}
		}
		out = append(out, &chunk{choices: choices[i : i+1 : i+1], in: first.in, offset: first.Offset, size: int64(first.Size), ready: make(chan struct{})})
	}
	return out
}

// stream gives the choices in order, and reads ahead.
func (r *replay) stream(ctx context.Context, choices []choice) error {
	ctx, cancel := context.WithCancel(ctx)
	todo := chunks(choices)
	begun, reading := 0, int64(0)
	defer func() { // leave none behind that still reads
		cancel()
		for _, c := range todo[:begun] {
			<-c.ready
		}
	}()
	for i, c := range todo {
		for begun < min(i+aheadRequests, len(todo)) && (begun == i || reading+todo[begun].size <= aheadBytes) {
			reading += todo[begun].size
			go r.archive.load(ctx, todo[begun])
			begun++
		}
		<-c.ready
		if err := r.give(ctx, c); err != nil {
			return err
		}
		reading -= c.size
		c.data, c.choices = nil, nil
	}
	return nil
}

func (a *Archive) load(ctx context.Context, c *chunk) {
	defer close(c.ready)
	c.data, c.err = a.store.get(ctx, c.in.key, c.offset, c.size)
}

// give gives the frames of a chunk.
func (r *replay) give(ctx context.Context, c *chunk) error {
	if errors.Is(c.err, errGone) && c.in.partition < 0 {
		return r.moved(ctx, c)
	}
	if c.err != nil && !errors.Is(c.err, frame.ErrCorrupt) {
		return c.err
	}
	for _, copies := range c.choices {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := copies[0]
		p := e.At.Partition()
		if e.Last().Seq() <= r.cursor[p] {
			continue
		}
		var data frame.Sealed
		damage := c.err
		if damage == nil {
			start := e.Offset - c.offset
			data = slices.Clone(frame.Sealed(c.data[start : start+int64(e.Size)]))
			damage = verify(data, e.Entry)
		}
		if damage != nil {
			var err error
			if data, damage, err = r.other(ctx, copies, damage, c.err != nil); err != nil {
				return err
			}
		}
		r.cursor[p] = e.Last().Seq()
		if err := r.fn(data, damage); err != nil {
			return err
		}
	}
	return nil
}

// other reads copies of a frame until one is whole. If none is, damage tells of
// all of them. cause is what is wrong with the first one, or, if that is of its
// whole chunk, what has to be found out for the frame alone.
func (r *replay) other(ctx context.Context, copies choice, cause error, ofChunk bool) (data frame.Sealed, damage, err error) {
	for i, c := range copies {
		if i > 0 || ofChunk {
			if data, cause = r.archive.bytes(ctx, c.in, c.Entry); cause == nil {
				return data, nil, nil
			}
		}
		if i > 0 && errors.Is(cause, errGone) {
			continue
		}
		if !errors.Is(cause, frame.ErrCorrupt) {
			return nil, nil, cause
		}
		r.archive.metrics.damaged.Inc()
		damage = errors.Join(damage, fmt.Errorf("%s, bytes %d to %d, %d records from %s: %w",
			c.in.key, c.Offset, c.Offset+int64(c.Size)-1, c.Count, c.At, cause))
	}
	return nil, damage, nil
}

// moved gives the frames of a batch that compaction has moved to runs since the
// replay began.
func (r *replay) moved(ctx context.Context, c *chunk) error {
	for _, copies := range c.choices {
		p := copies[0].At.Partition()
		if copies.last() <= r.cursor[p] {
			continue
		}
		r.waiting[p] = slices.DeleteFunc(slices.Clone(r.waiting[p]), func(other copyOf) bool { return other.in == c.in })
		if err := r.runs(ctx, p); err != nil {
			return err
		}
		if copies.last() > r.cursor[p] {
			return fmt.Errorf("%d records from %s were in %s, which is gone, and are in no run", copies[0].Count, copies[0].At, c.in.key)
		}
	}
	return nil
}
