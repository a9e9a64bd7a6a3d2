package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/device"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/state"
)

// Options are the settings of a Pipeline. The zero value works.
type Options struct {
	// Items bounds a micro-batch, in records; default 5,000. A single larger frame is
	// taken whole. Batches that take longer than a second, those of history longer than
	// 0.4 s, are made smaller.
	Items int
	// Gather is how long a batch that is not full waits for more; default 20 ms,
	// negative for not at all.
	Gather time.Duration
	// Tries is how often a batch may panic before the items at fault are sought
	// and set aside as dead; default 3.
	Tries int
	// Steps are added to the pipeline's own at their numbers.
	Steps []Step
	// Workers is how many goroutines share the partitions of what is live; default 1.
	// One more has those of history.
	Workers int
	// Rules knows what each workspace has decided; default: DefaultRules for all.
	Rules Rulebook
	// RetryAfter is how long an item waits whose user is busy; default 3 s.
	RetryAfter time.Duration
	Now        func() time.Time      // default time.Now
	Logger     *slog.Logger          // default: discard
	Registerer prometheus.Registerer // default: not registered
}

// Pipeline works on some partitions of the queue.
type Pipeline struct {
	queue    queue.Queue
	archive  archive.Archive
	state    state.Store
	seen     state.Seen
	events   eventstore.Store
	hub      *live.Hub
	options  Options
	order    []Step
	devices  device.Reader
	metrics  *metrics
	resting  sync.RWMutex // read-locked while the steps of a batch run
	underway underway
	lanes    lanes
	paces    [2]*pace // by lane
	claims   claims
	waits    chan struct{} // holds one token if items wait for busy users
	history  history
}

// New connects the parts. The pipeline closes none of them.
func New(q queue.Queue, a archive.Archive, s state.Store, e eventstore.Store, hub *live.Hub, options *Options) *Pipeline {
	p := &Pipeline{queue: q, archive: a, state: s, seen: s.Seen(), events: e, hub: hub, waits: make(chan struct{}, 1)}
	if options != nil {
		p.options = *options
	}
	if p.options.Items == 0 {
		p.options.Items = 5000
	}
	if p.options.Gather == 0 {
		p.options.Gather = 20 * time.Millisecond
	}
	if p.options.Tries == 0 {
		p.options.Tries = 3
	}
	p.options.Workers = max(p.options.Workers, 1)
	if p.options.Rules == nil {
		rules := DefaultRules()
		p.options.Rules = func(context.Context, weir.WorkspaceID) (*Rules, error) { return rules, nil }
	}
	if p.options.RetryAfter == 0 {
		p.options.RetryAfter = 3 * time.Second
	}
	if p.options.Now == nil {
		p.options.Now = time.Now
	}
	if p.options.Logger == nil {
		p.options.Logger = slog.New(slog.DiscardHandler)
	}
	p.paces = [2]*pace{
		queue.Live: newPace(p.options.Items, p.options.Items, time.Second),
		// What is live waits for one batch of history at most: its steps, and its writing.
		queue.History: newPace(max(p.options.Items/10, 1), p.options.Items, 400*time.Millisecond),
	}
	p.metrics = newMetrics(p.options.Registerer)
	p.order = p.steps()
	return p
}

// Run works until ctx ends, and then returns nil. The batches at hand are finished
// first. Failing stores are waited for; the queue holds what arrives meanwhile.
func (p *Pipeline) Run(ctx context.Context) error {
	var group errgroup.Group
	for _, share := range p.shares() {
		group.Go(func() error {
			p.work(ctx, share)
			return nil
		})
	}
	group.Go(func() error {
		p.resend(ctx)
		return nil
	})
	return group.Wait()
}

// share is what one worker works on.
type share struct {
	lane       queue.Lane
	partitions []int
}

// shares deals the partitions out to the workers.
func (p *Pipeline) shares() (shares []share) {
	n := p.queue.Partitions()
	_, live := queue.Live.Range(n)
	for i := range min(p.options.Workers, live) {
		shares = append(shares, share{lane: queue.Live})
		for partition := i; partition < live; partition += p.options.Workers {
			shares[i].partitions = append(shares[i].partitions, partition)
		}
	}
	if live == n {
		return shares
	}
	history := share{lane: queue.History}
	for partition := live; partition < n; partition++ {
		history.partitions = append(history.partitions, partition)
	}
	return append(shares, history)
}

func (p *Pipeline) work(ctx context.Context, share share) {
	for wait := newBackoff(); ctx.Err() == nil; {
		err := p.consume(ctx, share, wait)
		if ctx.Err() != nil {
			break
		}
		p.options.Logger.Error("read queue", "error", err)
		wait.sleep(ctx)
	}
}

// consume works through the queue until an error that wants a new consumer. Two
// goroutines take turns: while the rows of a batch are being written, the steps
// of the next one go on.
func (p *Pipeline) consume(ctx context.Context, share share, wait *backoff) error {
	consumer, err := p.queue.Consume(ctx, share.partitions)
	if err != nil {
		return fmt.Errorf("consume queue: %w", err)
	}
	defer consumer.Close()
	group, ctx := errgroup.WithContext(ctx)
	committed := make(chan *Batch)
	ended := make(chan struct{}) // closed when nobody finishes batches any more
	group.Go(func() error {
		defer close(committed)
		for {
			deliveries, err := p.gather(ctx, consumer, share.lane)
			if err != nil {
				return err
			}
			b, err := p.settle(ctx, deliveries, share.lane)
			if err != nil {
				return err
			}
			select {
			case committed <- b:
			case <-ended:
				p.underway.done(b)
				return nil // the other goroutine says why
			}
		}
	})
	group.Go(func() error {
		defer close(ended)
		for b := range committed {
			err := p.finish(ctx, consumer, b, share.lane)
			p.underway.done(b) // also one that failed: it will be delivered again
			if err != nil {
				return err
			}
			wait.reset()
		}
		return nil
	})
	return group.Wait()
}

// finish writes the rows of a committed batch, until they are written or ctx
// ends, and acknowledges it. When the program is to end it still tries once.
func (p *Pipeline) finish(ctx context.Context, consumer queue.Consumer, b *Batch, lane queue.Lane) error {
	start := p.options.Now()
	if err := p.persevere(ctx, b); err != nil {
		return err
	}
	took := p.options.Now().Sub(start)
	p.paces[lane].took(len(b.Entries), took)
	p.metrics.seconds.WithLabelValues("write").Add(took.Seconds())
	if err := consumer.Ack(context.WithoutCancel(ctx), b.Applied); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	p.metrics.count(b)
	p.publish(b)
	if len(b.waiting) > 0 {
		p.wakeResend()
	}
	return nil
}

// persevere writes the rows of a committed batch until that succeeds, ctx ends, or the
// batch has to come again because another process was at one of its items too: what
// both did is then put right as after a crash.
func (p *Pipeline) persevere(ctx context.Context, b *Batch) error {
	for wait := newBackoff(); ; {
		err := p.write(context.WithoutCancel(ctx), b)
		if err == nil {
			return nil
		}
		if errors.Is(err, state.ErrMoved) {
			return err
		}
		p.metrics.failures.Inc()
		p.options.Logger.Error("write batch", "error", err, "items", len(b.Entries))
		if ctx.Err() != nil {
			return err
		}
		wait.sleep(ctx)
	}
}

// gather receives a batch: at once what is there, and a little later what came
// meanwhile, so that a busy queue is worked on in large batches.
func (p *Pipeline) gather(ctx context.Context, c queue.Consumer, lane queue.Lane) ([]queue.Delivery, error) {
	most := p.paces[lane].limit()
	deliveries, err := c.Receive(ctx, most)
	if err != nil || p.options.Gather < 0 {
		return deliveries, err
	}
	soon, cancel := context.WithTimeout(ctx, p.options.Gather)
	defer cancel()
	for count := records(deliveries); count < most; count = records(deliveries) {
		more, err := c.Receive(soon, most-count)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			break
		}
		if err != nil {
			return nil, err
		}
		deliveries = append(deliveries, more...)
	}
	return deliveries, nil
}

func records(deliveries []queue.Delivery) int {
	n := 0
	for _, d := range deliveries {
		n += d.Header.Count
	}
	return n
}

// settle takes a batch through the steps until its state is committed.
func (p *Pipeline) settle(ctx context.Context, deliveries []queue.Delivery, lane queue.Lane) (*Batch, error) {
	defer p.lanes.enter(ctx, lane)()
	p.resting.RLock()
	defer p.resting.RUnlock()
	start := p.options.Now()
	b, err := p.complete(ctx, func() *Batch { return p.batch(deliveries) }, p.order)
	if err == nil {
		p.paces[lane].took(len(b.Entries), p.options.Now().Sub(start))
	}
	return b, err
}

// complete takes a batch through the steps, again and again with a new copy if
// need be. It gives up only when ctx ends or another worker has taken over. A
// batch that fails every time may have bad items: they are sought and set aside.
// Items of busy users are set aside too, and the rest goes on.
func (p *Pipeline) complete(ctx context.Context, build func() *Batch, steps []Step) (*Batch, error) {
	dead, waiting := map[weir.Position]string{}, map[weir.Position]bool{}
	copied := func() *Batch {
		b := build() // steps may have changed the records of the one before
		b.dead, b.waiting = dead, waiting
		return b
	}
	wait := newBackoff()
	for tries := 1; ; tries++ {
		b := copied()
		// A batch that has begun is finished also when the program is to end.
		err := p.process(context.WithoutCancel(ctx), b, steps)
		if err == nil || errors.Is(err, state.ErrFenced) {
			return b, err
		}
		var contended *contendedError
		if errors.As(err, &contended) && len(contended.positions) > 0 && !b.replayed {
			for _, position := range contended.positions {
				waiting[position] = true
			}
			p.metrics.waiting.Add(float64(len(contended.positions)))
			continue
		}
		p.metrics.failures.Inc()
		p.options.Logger.Error("process batch", "error", err, "items", len(b.Entries))
		if tries%p.options.Tries == 0 {
			p.seek(ctx, copied, steps, dead)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		wait.sleep(ctx)
	}
}

// seek finds the items that make the steps fail, all but the last, by halving the
// batch, and notes them as dead. If the steps fail without any item too, a store
// is at fault, and nobody is.
func (p *Pipeline) seek(ctx context.Context, copied func() *Batch, steps []Step, dead map[weir.Position]string) {
	steps = slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return s.Number == 1 || s.Number == 12 })
	try := func(from, to int) error {
		b := copied()
		b.Entries = b.Entries[from:to]
		return p.process(context.WithoutCancel(ctx), b, steps)
	}
	if err := try(0, 0); err != nil {
		return
	}
	var halve func(from, to int)
	halve = func(from, to int) {
		err := try(from, to)
		switch {
		case err == nil || ctx.Err() != nil:
		case to-from > 1:
			middle := (from + to) / 2
			halve(from, middle)
			halve(middle, to)
		default:
			p.bury(copied().Entries[from], err, dead)
		}
	}
	halve(0, len(copied().Entries))
}

// bury notes that an item cannot be processed.
func (p *Pipeline) bury(e *Entry, err error, dead map[weir.Position]string) {
	var panicked *panicError
	var contended *contendedError
	switch {
	case errors.As(err, &contended):
		return
	case errors.As(err, &panicked):
		dead[e.Position] = fmt.Sprintf("Step %s failed on this item: %v.", panicked.step, panicked.value)
	default:
		dead[e.Position] = fmt.Sprintf("Processing failed on this item: %v.", err)
	}
	p.metrics.dead.Inc()
	p.options.Logger.Error("set item aside", "position", e.Position.String(), "reason", dead[e.Position])
}

// batch decodes deliveries. Damaged frames are reported and skipped: what they
// held is lost, and everything else is not.
func (p *Pipeline) batch(deliveries []queue.Delivery) *Batch {
	b := &Batch{Applied: map[int]uint64{}, AsOf: weir.MicrosOf(p.options.Now())}
	for _, d := range deliveries {
		b.Applied[d.Header.Partition] = d.Header.Last()
		damage := d.Damage
		var f *frame.Frame
		if damage == nil {
			f, damage = frame.Decode(d.Frame)
		}
		if damage != nil {
			p.metrics.damaged.Inc()
			p.options.Logger.Error("lost a damaged frame", "error", damage, "partition", d.Header.Partition, "first", d.Header.First, "count", d.Header.Count)
			continue
		}
		b.add(d.Frame, f)
	}
	return b
}

func (b *Batch) add(sealed frame.Sealed, f *frame.Frame) {
	b.Frames = append(b.Frames, sealed)
	entries := make([]Entry, len(f.Records))
	for i, r := range f.Records {
		entries[i] = Entry{Record: r, Position: f.Position(i)}
		b.Entries = append(b.Entries, &entries[i])
	}
}

// setAside takes the items out of the batch that are dead or have to wait. The
// step that reads the items puts them back, without their content.
func (b *Batch) setAside() {
	if len(b.dead)+len(b.waiting) == 0 {
		return
	}
	b.Entries = slices.DeleteFunc(b.Entries, func(e *Entry) bool {
		_, dead := b.dead[e.Position]
		if dead || b.waiting[e.Position] {
			b.aside = append(b.aside, e)
			return true
		}
		return false
	})
}

// panicError is a step's panic.
type panicError struct {
	step  string
	value any
	stack []byte
}

func panicOf(step string, value any) *panicError { return &panicError{step, value, debug.Stack()} }

func (e *panicError) Error() string {
	return fmt.Sprintf("step %s: panic: %v\n%s", e.step, e.value, e.stack)
}

// process takes the batch through the steps and leaves no transaction open.
func (p *Pipeline) process(ctx context.Context, b *Batch, steps []Step) (err error) {
	running := ""
	defer func() {
		if value := recover(); value != nil {
			err = panicOf(running, value)
		}
		if b.tx != nil {
			b.tx.Rollback()
		}
		p.claims.release(b)
	}()
	b.setAside()
	for _, step := range steps {
		running = step.Name
		start := p.options.Now()
		if err := step.Run(ctx, b); err != nil {
			return fmt.Errorf("step %s: %w", step.Name, err)
		}
		p.metrics.seconds.WithLabelValues(step.Name).Add(p.options.Now().Sub(start).Seconds())
	}
	return nil
}

// backoff waits longer after every failure, up to ten seconds, with jitter.
type backoff struct{ next time.Duration }

const (
	shortest = 50 * time.Millisecond
	longest  = 10 * time.Second
)

func newBackoff() *backoff { return &backoff{shortest} }

func (b *backoff) reset() { b.next = shortest }

func (b *backoff) sleep(ctx context.Context) {
	timer := time.NewTimer(b.next/2 + rand.N(b.next/2))
	defer timer.Stop()
	b.next = min(2*b.next, longest)
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
