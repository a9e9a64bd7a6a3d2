package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/state"
)

// dedupe holds every item against what was applied of it before, and finds what
// it is now. Also a delivery that changes nothing heals its user and session:
// those merges are idempotent.
func (p *Pipeline) dedupe(ctx context.Context, b *Batch) error {
	b.items = make(map[state.ItemKey]*known, len(b.Entries))
	b.order = make([]*known, 0, len(b.Entries))
	keys := make([]state.ItemKey, 0, len(b.Entries))
	slab, single := make([]known, len(b.Entries)), make([]*Entry, len(b.Entries)) // most items come once
	for n, e := range b.Entries {
		if !e.Live() {
			continue
		}
		key := itemKey(e)
		k := b.items[key]
		if k == nil {
			k = &slab[n]
			k.key, k.deliveries = key, single[n:n:n+1]
			b.items[key] = k
			b.order = append(b.order, k)
			keys = append(keys, key)
		}
		k.deliveries = append(k.deliveries, e)
		e.known, e.hash = k, contentHash(e.Record.Raw)
	}
	if err := p.claims.take(ctx, b, keys); err != nil {
		return err
	}
	if err := p.claim(ctx, b); err != nil {
		return err
	}
	entries, err := p.lookUp(ctx, keys)
	if err != nil {
		return err
	}
	for i, k := range b.order {
		if err := p.judge(ctx, k, entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// How long a batch waits for items and users that batches of other processes are at, and
// how often it looks. The others need no longer than it takes to write a batch, unless
// one has died.
const (
	claimPatience = time.Second
	claimPause    = 20 * time.Millisecond
)

// claim keeps other processes from the batch's items until its rows are written. Items
// that are not to be had wait.
func (p *Pipeline) claim(ctx context.Context, b *Batch) error {
	claims := make([]state.Claim, len(b.order))
	for i, k := range b.order {
		claims[i] = state.Claim{ItemKey: k.key, At: k.deliveries[len(k.deliveries)-1].Position}
	}
	busy, err := p.claimAll(ctx, b, claims)
	if err != nil || len(busy) == 0 {
		return err
	}
	contended := &contendedError{}
	for _, key := range busy {
		for _, e := range b.items[key].deliveries {
			contended.positions = append(contended.positions, e.Position)
		}
	}
	return contended
}

// claimedUser is the kind of claims on users; no item has it.
const claimedUser weir.Kind = "\x00user"

// claimUsers keeps other processes from the batch's users until its rows are written:
// rows of one user are written in the order of the commits. The users are locked, so
// that whoever has a claim has committed, and waits for nobody.
func (p *Pipeline) claimUsers(ctx context.Context, b *Batch) error {
	if len(b.Applied) == 0 {
		return nil // a review, which no partition would take over
	}
	// Whoever takes over a partition gets its users: each is claimed for a delivery of its
	// own. Others, whom edges lead to, for any.
	first := slices.Min(slices.Collect(maps.Keys(b.Applied)))
	own := make(map[state.Key]weir.Position, len(b.touched))
	for _, e := range b.Entries {
		if e.Live() {
			for _, id := range e.users() {
				own[e.key(id)] = e.Position
			}
		}
	}
	claims := make([]state.Claim, 0, len(b.touched))
	for key := range b.touched {
		at, delivered := own[key]
		if !delivered {
			at = weir.At(first, b.Applied[first])
		}
		claims = append(claims, state.Claim{ItemKey: state.ItemKey{Workspace: key.Workspace, Kind: claimedUser, ID: key.ID}, At: at})
	}
	busy, err := p.claimAll(ctx, b, claims)
	if err != nil || len(busy) == 0 {
		return err
	}
	users := make([]state.Key, len(busy))
	for i, key := range busy {
		users[i] = state.Key{Workspace: key.Workspace, ID: key.ID}
	}
	return &contendedError{b.involved(users)}
}

// claimAll claims, with patience, and names what is not to be had.
func (p *Pipeline) claimAll(ctx context.Context, b *Batch, claims []state.Claim) (busy []state.ItemKey, err error) {
	if b.replayed || len(claims) == 0 {
		return nil, nil
	}
	for begun := p.options.Now(); ; pause(ctx, claimPause) {
		busy, err = p.seen.Claim(ctx, claims)
		if err != nil || len(busy) == 0 || p.options.Now().Sub(begun) >= claimPatience {
			return busy, err
		}
	}
}

// lookUp finds what was applied of items. What is underway comes first: a batch that
// ends during the look-up is in one of the two at least.
func (p *Pipeline) lookUp(ctx context.Context, keys []state.ItemKey) ([]state.Entry, error) {
	underway := p.underway.list()
	entries, err := p.seen.Lookup(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("look up seen items: %w", err)
	}
	for i, key := range keys {
		if entry, ok := newest(underway, key); ok {
			entries[i] = entry
		}
	}
	return entries, nil
}

// judge takes all deliveries of an item that the batch has, in order.
func (p *Pipeline) judge(ctx context.Context, k *known, before state.Entry) error {
	*k = known{key: k.key, deliveries: k.deliveries, before: before, entry: before}
	for _, e := range k.deliveries {
		status, err := p.fold(k, e, func(k *known) (*truth, error) { return p.recall(ctx, k) })
		if err != nil {
			return err
		}
		e.Outcome.Status = status
	}
	if !k.merged || !k.stored {
		return nil
	}
	var err error
	if k.entry.Doc, err = k.doc.AppendBinary(nil); err != nil {
		return fmt.Errorf("write versions of %s %s: %w", k.key.Kind, k.key.ID, err)
	}
	return nil
}

// recall reads the one content of an item that was applied so far. If the
// archive has lost it, the versions that come go without it.
func (p *Pipeline) recall(ctx context.Context, k *known) (*truth, error) {
	for _, e := range k.deliveries {
		if e.Position == k.entry.Position {
			return p.truthOf(e.Item, e.Record.Client, k.entry.At), nil
		}
	}
	record, err := p.archive.Read(ctx, k.entry.Position)
	if err != nil {
		if errors.Is(err, archive.ErrNotFound) || errors.Is(err, frame.ErrCorrupt) {
			p.metrics.damaged.Inc()
			p.options.Logger.Error("an earlier version is lost", "error", err, "kind", k.key.Kind, "id", k.key.ID, "position", k.entry.Position.String())
			return &truth{at: k.entry.At}, nil
		}
		return nil, fmt.Errorf("read an earlier version: %w", err)
	}
	earlier, rejection := item.Parse(record.Raw, judged)
	if rejection != nil {
		return nil, fmt.Errorf("read an earlier version at %s: %s", k.entry.Position, rejection.Message)
	}
	settle(earlier, &record)
	return p.truthOf(earlier, record.Client, k.entry.At), nil
}

// settle gives an item a time if it may go without.
func settle(i *weir.Item, r *weir.Record) {
	if i.CreatedAt == 0 {
		i.CreatedAt = r.ReceivedAt // an alias needs no time of its own
	}
}
