package pipeline

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/item"
)

// Step is one of the twelve. Run sees the whole batch. An error ends the try;
// the batch is tried again from its records, so a step leaves nothing behind
// but what it put into the batch. A single bad item is no error: Entry.Reject.
type Step struct {
	Number int // its place, 1 to 12
	Name   string
	Run    func(ctx context.Context, b *Batch) error
}

// steps are those of this package with those of Options, in order.
func (p *Pipeline) steps() []Step {
	steps := []Step{
		{1, "persist", p.persist},
		{3, "validate", p.validate},
		{4, "dedupe", p.dedupe},
		{5, "lock", p.lock},
		{6, "reconcile", p.reconcile},
		{7, "profile", p.profile},
		{8, "attribute", p.attribute},
		{12, "commit", p.commit},
	}
	steps = append(steps, p.options.Steps...)
	slices.SortStableFunc(steps, func(a, b Step) int { return a.Number - b.Number })
	return steps
}

// persist puts the frames into the archive before anything is made of them.
func (p *Pipeline) persist(ctx context.Context, b *Batch) error {
	return p.archive.Append(ctx, b.Frames)
}

// validate reads the items, on all processors: this is where most of the
// pipeline's own time goes.
func (p *Pipeline) validate(ctx context.Context, b *Batch) error {
	for _, e := range b.Entries {
		if err := p.rulesOf(ctx, b, e.Record.Workspace); err != nil {
			return err
		}
	}
	var group errgroup.Group
	size := max(64, (len(b.Entries)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	for part := range slices.Chunk(b.Entries, size) {
		group.Go(func() (err error) {
			defer func() { // process cannot see a panic of this goroutine
				if value := recover(); value != nil {
					err = panicOf("validate", value)
				}
			}()
			for _, e := range part {
				read(e, b.rules[e.Record.Workspace])
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, e := range b.Entries {
		for _, edge := range e.keys {
			b.standIns = append(b.standIns, e.key(edge.To))
		}
	}
	for _, e := range b.aside {
		b.putBack(e)
	}
	b.Entries = append(b.Entries, b.aside...)
	return nil
}

// putBack gives an item that was set aside its receipt.
func (b *Batch) putBack(e *Entry) {
	e.Outcome = receipt(e)
	head, _ := item.Check(e.Record.Raw, judged)
	e.Outcome.Kind, e.Outcome.ItemID = head.Kind, head.ID
	if reason, dead := b.dead[e.Position]; dead {
		e.Outcome.Status, e.Outcome.Code, e.Outcome.Message = weir.Dead, "processing_failed", reason
		return
	}
	e.Outcome.Status, e.Outcome.Code = weir.Waiting, "user_busy"
	e.Outcome.Message = "The user was busy with something that takes longer; the item comes again in a few seconds."
	e.Effects = append(e.Effects, retryOf(e, b.AsOf))
}

// receipt is an outcome with what is known of a record unread.
func receipt(e *Entry) weir.Outcome {
	r := e.Record
	return weir.Outcome{
		Position: e.Position, Receipt: r.Receipt, Index: r.Index, UserID: r.UserID, Source: r.Source,
		ReceivedAt: r.ReceivedAt, Size: len(r.Raw),
	}
}

// judged are no limits: the collector has judged every record by those that were
// in force when it came, and its verdict stands, also when the archive is read
// again under others.
var judged = item.Unlimited

func read(e *Entry, rules *Rules) {
	r := e.Record
	e.Outcome = receipt(e)
	if r.Rejected != nil {
		head, _ := item.Check(r.Raw, judged)
		e.Outcome.Kind, e.Outcome.ItemID = head.Kind, head.ID
		e.Reject(*r.Rejected)
		return
	}
	parsed, rejection := item.Parse(r.Raw, judged)
	if rejection != nil {
		e.Reject(*rejection)
		return
	}
	settle(parsed, &r)
	e.Item = parsed
	e.Outcome.Kind, e.Outcome.ItemID, e.Outcome.Warnings = parsed.Kind, parsed.ID, parsed.Warnings
	at, note := Correct(parsed.CreatedAt, r.SentAt, r.ReceivedAt)
	if note != nil {
		e.Warn(note.Code, note.Field, note.Message)
	}
	e.Outcome.Time = at
	e.Outcome.Status = weir.Stored
	e.Outcome.Name = eventName(parsed)
	if user := parsed.User; user != nil && rules.Blocked.Blocked(user.ID) {
		e.Warn("blocked_id", "user.external_id", fmt.Sprintf("The id %q is sent for many people by mistake: it is kept, and never joined with another.", user.ID))
	}
	e.keys = keysOf(e, rules)
}
