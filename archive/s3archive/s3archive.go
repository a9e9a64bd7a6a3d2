// Package s3archive keeps the archive in a bucket of S3-compatible object
// storage. Any number of processes may use one archive at a time.
//
// Each Append is one object, a batch: the frames of all its partitions, with an
// index behind them. Compaction sorts batches by partition into runs, which are
// larger, and whose keys say which positions they hold: a position is found by
// one listing. An object is never changed: its key is made from its content, so
// that writing it again writes the same. Nothing is deleted before another
// object, written and read back, holds all of its frames.
//
// So a frame may stand in several objects: a worker that was thought dead
// appends what another has appended meanwhile, an append is repeated whose
// answer was lost, or a compaction ends half-way. Readers take each position
// once, and if one copy is damaged, another.
// docs/format/archive-s3.md describes keys and bytes.
package s3archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/internal/lru"
	"github.com/weirhq/weir/archive/internal/segment"
	"github.com/weirhq/weir/frame"
)

// Options of an archive. Endpoint and Bucket are needed; other zero fields mean
// the defaults.
type Options struct {
	Endpoint string // host, or host:port
	Bucket   string // must exist
	Prefix   string // of all keys, for a bucket that holds other things too
	Region   string // "" asks the store, which needs s3:GetBucketLocation
	// AccessKey and SecretKey; if both are "", the role of the machine is used,
	// as AWS hands it out. SessionToken goes with keys that are temporary.
	AccessKey, SecretKey, SessionToken string
	Insecure                           bool // HTTP instead of HTTPS
	PathStyle                          bool // endpoint/bucket/key instead of bucket.endpoint/key

	// Timeout is how long the store may take to begin its answer to a request
	// before the request is sent again. 0 means 10 s.
	Timeout time.Duration
	// Tries is how often a request is sent, with growing pauses of up to a
	// second, before the call fails. 0 means 5.
	Tries int
	// PartSize is the size in bytes above which objects are uploaded in parts of
	// that size; at least 5 MB. 0 means 16 MB.
	PartSize int64
	// RunSize is the size in bytes up to which runs grow, and what a compaction
	// reads of batches at a time: about four times that is its memory. 0 means
	// 32 MB.
	RunSize int64
	// CompactEvery is about how often to look whether CompactBatches batches
	// have come together, and to compact them then. 0 means 10 min and 256;
	// below 0, only Compact compacts.
	CompactEvery   time.Duration
	CompactBatches int
	// Linger is how long a run stays when a larger one has all of its frames. It
	// must be longer than any listing of a partition takes: stores need not list
	// as of one moment, and a listing that runs beside a compaction could show
	// neither what was there before nor what came instead. 0 means 10 min.
	Linger time.Duration
	// CacheBytes bounds the memory for decoded frames and for indexes, each.
	// 0 means 32 MB.
	CacheBytes int64
	// Now says how old runs and unfinished uploads are. nil means time.Now.
	Now func() time.Time
	// Transport sends the requests; nil means one with the usual time limits.
	Transport http.RoundTripper
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

const minPartSize = 5 << 20 // S3's own limit

func (o *Options) withDefaults() (Options, error) {
	if o == nil || o.Endpoint == "" || o.Bucket == "" {
		return Options{}, errors.New("endpoint and bucket are needed")
	}
	opts := *o
	if (opts.AccessKey == "") != (opts.SecretKey == "") {
		return Options{}, errors.New("access key and secret key are needed both, or neither of them")
	}
	if opts.PartSize != 0 && opts.PartSize < minPartSize {
		return Options{}, fmt.Errorf("parts of %d bytes are too small: the least is %d", opts.PartSize, minPartSize)
	}
	if opts.Prefix = strings.Trim(opts.Prefix, "/"); opts.Prefix != "" {
		opts.Prefix += "/"
	}
	setDefault(&opts.Timeout, 10*time.Second)
	setDefault(&opts.Tries, 5)
	setDefault(&opts.PartSize, 16<<20)
	setDefault(&opts.RunSize, 32<<20)
	setDefault(&opts.CompactEvery, 10*time.Minute)
	setDefault(&opts.CompactBatches, 256)
	setDefault(&opts.Linger, 10*time.Minute)
	setDefault(&opts.CacheBytes, 32<<20)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return opts, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

var _ archive.Archive = (*Archive)(nil)

// Archive is an archive.Archive in a bucket.
type Archive struct {
	opts    Options
	metrics *metrics
	store   *store

	mu      sync.Mutex
	held    map[int]uint64 // the last sequence number this process appended, by partition
	closed  bool
	running sync.WaitGroup // calls and the compaction, for Close
	stop    context.CancelFunc

	compacting sync.Mutex
	damaged    map[string]bool // batches that compaction leaves alone; compacting guards it

	catalog *catalog
	frames  *lru.Cache[weir.Position, *frame.Frame]
	objects *lru.Cache[string, *object]
}

// Open makes sure that the bucket can be read. It writes nothing and does not
// look at what is there.
func Open(ctx context.Context, options *Options) (*Archive, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	a := &Archive{opts: opts, metrics: newMetrics(), held: map[int]uint64{}, damaged: map[string]bool{}, catalog: newCatalog()}
	a.frames = lru.New[weir.Position](opts.CacheBytes, lru.FrameCost)
	a.objects = lru.New[string](opts.CacheBytes, (*object).cost)
	if a.store, err = newStore(opts, a.metrics); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	if err := a.store.check(ctx); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	if err := a.metrics.register(opts.Registerer); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	if opts.CompactEvery > 0 {
		a.running.Go(func() { a.compactNowAndThen(background) })
	}
	return a, nil
}

// enter counts a call in; the caller calls a.running.Done.
func (a *Archive) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return archive.ErrClosed
	}
	a.running.Add(1)
	return nil
}

// Close waits for running calls.
func (a *Archive) Close() error {
	a.mu.Lock()
	already := a.closed
	a.closed = true
	a.mu.Unlock()
	if already {
		return nil
	}
	a.stop()
	a.running.Wait()
	a.metrics.unregister(a.opts.Registerer)
	a.store.close()
	return nil
}

// Append stores the frames that are new as one object. Frames count as held if
// this process has appended them; those that another has appended are stored
// once more, and skipped by readers.
func (a *Archive) Append(ctx context.Context, frames []frame.Sealed) error {
	if err := a.append(ctx, frames); err != nil {
		return fmt.Errorf("append to archive: %w", err)
	}
	return nil
}

func (a *Archive) append(ctx context.Context, frames []frame.Sealed) error {
	if err := a.enter(ctx); err != nil {
		return err
	}
	defer a.running.Done()
	fresh, last, err := a.fresh(frames)
	if err != nil {
		return err
	}
	if len(fresh) == 0 {
		return nil
	}
	data, index := encode(fresh)
	p := batchPlace(data, index)
	began := time.Now()
	if err := a.store.put(ctx, p.key, data); err != nil {
		return err
	}
	a.metrics.appendSeconds.Observe(time.Since(began).Seconds())
	a.metrics.frames.Add(float64(len(fresh)))
	a.metrics.bytes.Add(float64(len(data)))
	a.mu.Lock()
	for partition, seq := range last {
		a.held[partition] = max(a.held[partition], seq)
	}
	a.mu.Unlock()
	o := &object{place: p, Index: index}
	a.objects.Put(p.key, o)
	a.catalog.add(p, spansOf(index))
	return nil
}

// fresh is the frames that this process has not appended, by position, and the
// last sequence number of each partition.
func (a *Archive) fresh(frames []frame.Sealed) (fresh []placed, last map[int]uint64, err error) {
	last = map[int]uint64{}
	for i, f := range frames {
		if err := frame.Verify(f); err != nil {
			return nil, nil, fmt.Errorf("frame %d: %w", i, err)
		}
		h, err := frame.ReadHeader(f)
		if err != nil {
			return nil, nil, fmt.Errorf("frame %d: %w", i, err)
		}
		held, seen := last[h.Partition]
		if !seen {
			held = a.lastHeld(h.Partition)
		}
		if h.Last() <= held {
			continue
		}
		last[h.Partition] = h.Last()
		fresh = append(fresh, placed{segment.EntryOf(h, 0), f})
	}
	slices.SortStableFunc(fresh, comparePlaced)
	return fresh, last, nil
}

func (a *Archive) lastHeld(partition int) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held[partition]
}
