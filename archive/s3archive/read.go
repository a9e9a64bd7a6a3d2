package s3archive

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/internal/segment"
	"github.com/weirhq/weir/frame"
)

// Read finds the object in what this process knows, else by a listing of the
// runs, else by the indexes of the batches.
func (a *Archive) Read(ctx context.Context, at weir.Position) (weir.Record, error) {
	record, err := a.read(ctx, at)
	if err != nil {
		return weir.Record{}, fmt.Errorf("read %s from archive: %w", at, err)
	}
	return record, nil
}

// restarts is how often a reader begins again because compaction has moved what
// it was about to read, before it takes that for an error.
const restarts = 5

func (a *Archive) read(ctx context.Context, at weir.Position) (weir.Record, error) {
	if err := a.enter(ctx); err != nil {
		return weir.Record{}, err
	}
	defer a.running.Done()
	if at < 0 || at.Seq() == 0 {
		return weir.Record{}, archive.ErrNotFound
	}
	var f *frame.Frame
	var err error
	for range restarts {
		l := &lookup{archive: a, at: at, tried: map[string]bool{}}
		if f, err = l.find(ctx); !errors.Is(err, errGone) {
			break
		}
		a.catalog.forget(map[string]bool{l.trying: true})
	}
	if err != nil {
		return weir.Record{}, err
	}
	record := f.Records[at.Seq()-f.First]
	record.Raw = append([]byte(nil), record.Raw...)
	return record, nil
}

// lookup looks for one position.
type lookup struct {
	archive *Archive
	at      weir.Position
	tried   map[string]bool
	trying  string
	corrupt error // what was found, but damaged
}

func (l *lookup) find(ctx context.Context) (*frame.Frame, error) {
	// Frames move from batches to runs. So one that is not in the batches and
	// not in the runs thereafter is nowhere.
	for _, look := range []func(context.Context) (*frame.Frame, error){l.inCatalog, l.inRuns, l.inBatches, l.inRuns} {
		if f, err := look(ctx); f != nil || err != nil {
			return f, err
		}
	}
	if l.corrupt != nil {
		return nil, l.corrupt
	}
	return nil, archive.ErrNotFound
}

func (l *lookup) inCatalog(ctx context.Context) (*frame.Frame, error) {
	return l.try(ctx, l.archive.catalog.at(l.at))
}

// inRuns tries the runs that hold the position, of those that end behind it.
// More than one does only while or after compactions overlapped, of which each
// reads fewer than a page of runs: so a page is enough.
func (l *lookup) inRuns(ctx context.Context) (*frame.Frame, error) {
	const few, page = 20, 1000
	partition, seq := l.at.Partition(), l.at.Seq()
	seen := 0
	for info, err := range l.archive.store.list(ctx, runPrefix(partition), runsFrom(partition, seq), few) {
		if err != nil {
			return nil, err
		}
		if seen++; seen > page {
			break
		}
		p, ok := parseKey(info.Key, info.Size)
		if !ok || p.first > seq || p.last < seq || l.tried[p.key] {
			continue
		}
		l.archive.catalog.add(p, []span{{First: weir.At(partition, p.first), Last: weir.At(partition, p.last)}})
		if f, err := l.try(ctx, []place{p}); f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

// inBatches goes through the indexes of all batches, the newest first, until one
// has the position. Those that this process has in its cache cost no request.
func (l *lookup) inBatches(ctx context.Context) (*frame.Frame, error) {
	batches, err := l.archive.store.places(ctx, batchFolder)
	if err != nil {
		return nil, err
	}
	slices.Reverse(batches)
	for some := range slices.Chunk(batches, 4*concurrency) {
		objects, err := l.archive.openAll(ctx, some)
		if err != nil {
			return nil, err
		}
		var places []place
		for _, o := range objects {
			if o == nil {
				continue
			}
			if _, ok := o.Find(l.at); ok || len(o.lost) > 0 {
				places = append(places, o.place)
			}
		}
		if f, err := l.try(ctx, places); f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

// try reads the position from the objects that may have it. Damage makes it go
// on to the next one.
func (l *lookup) try(ctx context.Context, places []place) (*frame.Frame, error) {
	for _, p := range places {
		if l.tried[p.key] {
			continue
		}
		l.tried[p.key], l.trying = true, p.key
		f, err := l.archive.frameAt(ctx, p, l.at)
		switch {
		case errors.Is(err, frame.ErrCorrupt):
			l.corrupt = err
		case f != nil || err != nil:
			return f, err
		}
	}
	return nil, nil
}

// frameAt reads a frame of an object; nil if the object does not hold the
// position.
func (a *Archive) frameAt(ctx context.Context, p place, at weir.Position) (*frame.Frame, error) {
	o, err := a.open(ctx, p)
	if err != nil {
		return nil, err
	}
	e, ok := o.Find(at)
	if !ok && len(o.lost) > 0 {
		return nil, fmt.Errorf("%s has damaged places: %w", p.key, frame.ErrCorrupt)
	}
	if !ok {
		return nil, nil
	}
	if f, ok := a.frames.Get(e.At); ok {
		return f, nil
	}
	data, err := a.bytes(ctx, o, e)
	if err != nil {
		if errors.Is(err, frame.ErrCorrupt) {
			a.metrics.damaged.Inc()
		}
		return nil, err
	}
	f, err := frame.Decode(data)
	if err != nil {
		a.metrics.damaged.Inc()
		return nil, fmt.Errorf("%s, offset %d: %w", p.key, e.Offset, err)
	}
	a.frames.Put(e.At, f)
	return f, nil
}

// bytes reads one frame and makes sure that it is whole.
func (a *Archive) bytes(ctx context.Context, o *object, e segment.Entry) (frame.Sealed, error) {
	data, err := a.store.get(ctx, o.key, e.Offset, int64(e.Size))
	if err != nil {
		return nil, err
	}
	if err := verify(data, e); err != nil {
		return nil, fmt.Errorf("%s, offset %d: %w", o.key, e.Offset, err)
	}
	return data, nil
}

// concurrency bounds the requests of one call that are underway at a time.
const concurrency = 16

// openAll opens objects at the same time. One that is gone is nil.
func (a *Archive) openAll(ctx context.Context, places []place) ([]*object, error) {
	out := make([]*object, len(places))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, p := range places {
		group.Go(func() (err error) {
			if out[i], err = a.open(ctx, p); errors.Is(err, errGone) {
				return nil
			}
			return err
		})
	}
	return out, group.Wait()
}

// tailSize is what is read of the end of an object to find its index: enough
// for most.
const tailSize = 32 << 10

// open reads the index of an object, or makes it anew if it is damaged.
func (a *Archive) open(ctx context.Context, p place) (*object, error) {
	if o, ok := a.objects.Get(p.key); ok {
		return o, nil
	}
	o, err := a.readIndex(ctx, p)
	if errors.Is(err, segment.ErrIndex) || errors.Is(err, frame.ErrCorrupt) {
		a.opts.Logger.Error("index of an archive object is damaged, reading all of the object", "object", p.key, "error", err)
		var data []byte
		if data, err = a.store.get(ctx, p.key, 0, p.size); err != nil {
			return nil, err
		}
		o = scan(p, data)
	}
	if err != nil {
		return nil, err
	}
	a.objects.Put(p.key, o)
	a.catalog.add(p, spansOf(o.Index))
	return o, nil
}

func (a *Archive) readIndex(ctx context.Context, p place) (*object, error) {
	size := min(p.size, tailSize)
	tail, err := a.store.get(ctx, p.key, p.size-size, size)
	if err != nil {
		return nil, err
	}
	if need := indexSize(tail) + trailerSize; need > size && need <= p.size {
		more, err := a.store.get(ctx, p.key, p.size-need, need-size)
		if err != nil {
			return nil, err
		}
		tail = append(more, tail...)
	}
	return parseIndex(p, tail)
}
