package pipeline

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/state"
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
func (p *Pipeline) validate(_ context.Context, b *Batch) error {
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
				p.read(e)
			}
			return nil
		})
	}
	for _, e := range b.dead {
		e.Outcome = receipt(e)
		e.Outcome.Status, e.Outcome.Code, e.Outcome.Message = weir.Dead, "processing_failed", p.dead[e.Position]
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b.Entries = append(b.Entries, b.dead...)
	return nil
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
var judged = item.Limits{Bytes: math.MaxInt, Depth: math.MaxInt, Properties: math.MaxInt}

func (p *Pipeline) read(e *Entry) {
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
	e.Item = parsed
	e.Outcome.Kind, e.Outcome.ItemID, e.Outcome.Warnings = parsed.Kind, parsed.ID, parsed.Warnings
	if parsed.CreatedAt == 0 {
		parsed.CreatedAt = r.ReceivedAt // an alias needs no time of its own
	}
	at, note := Correct(parsed.CreatedAt, r.SentAt, r.ReceivedAt)
	if note != nil {
		e.Warn(note.Code, note.Field, note.Message)
	}
	e.Outcome.Time = at
	e.Outcome.Status = weir.Stored
	e.Outcome.Name = eventName(parsed)
}

// dedupe compares every item with what was applied before it. A version that is
// not applied still heals its user and session: those merges are idempotent.
func (p *Pipeline) dedupe(ctx context.Context, b *Batch) error {
	b.seen = map[state.ItemKey]state.Entry{}
	var keys []state.ItemKey
	for _, e := range b.Entries {
		if !e.Live() {
			continue
		}
		key := itemKey(e)
		if _, ok := b.seen[key]; !ok {
			b.seen[key] = state.Entry{}
			keys = append(keys, key)
		}
	}
	// First what is underway: a batch that ends during the look-up is in one of
	// the two at least.
	underway := p.underway.list()
	found, err := p.seen.Lookup(ctx, keys)
	if err != nil {
		return fmt.Errorf("look up seen items: %w", err)
	}
	for i, key := range keys {
		b.seen[key] = found[i]
		if entry, ok := newest(underway, key); ok {
			b.seen[key] = entry
		}
	}
	fresh := map[state.ItemKey]bool{}
	for _, e := range b.Entries {
		if !e.Live() {
			continue
		}
		key := itemKey(e)
		before := b.seen[key]
		now := state.Entry{Position: e.Position, Version: e.Item.Version(), Hash: contentHash(e.Record.Raw)}
		status, applies := Judge(before, now)
		e.Outcome.Status = status
		if !applies {
			continue
		}
		if before.Position != e.Position {
			e.Replaces = before.Position
		}
		b.seen[key] = now
		fresh[key] = true
	}
	b.fresh = slices.Collect(maps.Keys(fresh))
	return nil
}

// lock locks all users that the batch touches and loads what is known of them.
func (p *Pipeline) lock(ctx context.Context, b *Batch) error {
	need := state.Need{Partitions: slices.Collect(maps.Keys(b.Applied))}
	for _, e := range b.Entries {
		if !e.Live() {
			continue
		}
		need.Users = append(need.Users, e.key(e.user()))
		if e.Item.Alias != nil {
			need.Users = append(need.Users, e.key(e.Item.Alias.To))
		}
		if e.Item.Session != nil {
			need.Sessions = append(need.Sessions, e.key(e.Item.Session.ID))
		}
	}
	if err := p.begin(ctx, b, need); err != nil {
		return err
	}
	if parted := b.parted(); len(parted) > 0 {
		if err := b.tx.Rollback(); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		need.Users = append(need.Users, parted...)
		if err := p.begin(ctx, b, need); err != nil {
			return err
		}
	}
	snapshot := b.tx.Snapshot()
	b.sessions = snapshot.Sessions
	b.changed = map[state.Key]bool{}
	b.touched = make(map[state.Key]*person, len(snapshot.Identities))
	for key, i := range snapshot.Identities {
		b.touched[key] = &person{Identity: i, was: i.Person}
	}
	return p.number(ctx, b)
}

func (p *Pipeline) begin(ctx context.Context, b *Batch, need state.Need) (err error) {
	if b.tx, err = p.state.Begin(ctx, need); err != nil {
		b.tx = nil
		return fmt.Errorf("lock %d users: %w", len(need.Users), err)
	}
	return nil
}

// parted are identities that the batch may have parted from those it touches
// when its state was committed, before a crash: the state does not lead to them
// any more, but the event rows may still have them as one person. An identity
// parts from another only where its own edge is no longer followed, and that
// edge is kept.
func (b *Batch) parted() (keys []state.Key) {
	if !b.again() {
		return nil
	}
	identities := b.tx.Snapshot().Identities
	for _, i := range identities {
		for _, edge := range i.Edges {
			key := state.Key{Workspace: i.Workspace, ID: edge.To}
			if identities[key] == nil {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// number makes the identities and sessions that are new and gives them their
// dense numbers, in the order of the entries.
func (p *Pipeline) number(ctx context.Context, b *Batch) error {
	newIdentities := map[weir.WorkspaceID][]*person{}
	newSessions := map[weir.WorkspaceID][]*weir.Session{}
	meet := func(key state.Key) *person {
		known := b.touched[key]
		if known == nil {
			known = &person{Identity: &weir.Identity{Workspace: key.Workspace, ID: key.ID}, changed: true, visible: true}
			b.touched[key] = known
			newIdentities[key.Workspace] = append(newIdentities[key.Workspace], known)
		}
		return known
	}
	for _, e := range b.Entries {
		if !e.Live() {
			continue
		}
		e.identity = meet(e.key(e.user()))
		if e.Item.Alias != nil {
			meet(e.key(e.Item.Alias.To))
		}
		if e.Item.Session == nil {
			continue
		}
		key := e.key(e.Item.Session.ID)
		if b.sessions[key] == nil {
			b.sessions[key] = &weir.Session{Workspace: key.Workspace, ID: key.ID}
			b.changed[key] = true
			newSessions[key.Workspace] = append(newSessions[key.Workspace], b.sessions[key])
		}
		e.session = b.sessions[key]
	}
	for ws, list := range newIdentities {
		first, err := b.tx.Take(ctx, ws, state.IdentityNumber, len(list))
		if err != nil {
			return fmt.Errorf("number %d identities: %w", len(list), err)
		}
		for i, n := range list {
			n.Number = first + uint32(i)
			n.Person = n.Number
		}
	}
	for ws, list := range newSessions {
		first, err := b.tx.Take(ctx, ws, state.SessionNumber, len(list))
		if err != nil {
			return fmt.Errorf("number %d sessions: %w", len(list), err)
		}
		for i, s := range list {
			s.Number = first + uint32(i)
		}
	}
	return nil
}

// reconcile adds the edges that aliases say and finds the persons anew.
func (p *Pipeline) reconcile(_ context.Context, b *Batch) error {
	for _, e := range b.Entries {
		if !e.Live() {
			continue
		}
		if user := e.Item.User; user != nil && user.Authenticated != nil && *user.Authenticated && !e.identity.Authenticated {
			e.identity.Authenticated = true
			e.identity.changed, e.identity.visible = true, true
		}
		if e.Item.Alias != nil {
			p.alias(b, e)
		}
	}
	byWorkspace := map[weir.WorkspaceID][]*weir.Identity{}
	for key, i := range b.touched {
		byWorkspace[key.Workspace] = append(byWorkspace[key.Workspace], i.Identity)
	}
	for ws, set := range byWorkspace {
		for i, number := range identity.Persons(set) {
			if i.Person == number {
				continue
			}
			i.Person = number
			touched := b.touched[state.Key{Workspace: ws, ID: i.ID}]
			touched.changed, touched.visible = true, true
		}
	}
	return nil
}

func (p *Pipeline) alias(b *Batch, e *Entry) {
	alias := e.Item.Alias
	to := b.touched[e.key(alias.To)]
	if alias.ToAuthenticated && !to.Authenticated {
		to.Authenticated, to.changed, to.visible = true, true, true
	}
	if created := identity.Earliest(to.CreatedAt, alias.ToCreatedAt); created != to.CreatedAt {
		to.CreatedAt, to.changed, to.visible = created, true, true
	}
	if reason, ok := identity.Allowed(alias.From, alias.To); !ok {
		e.Warn("edge_refused", "user_alias", "The two ids were not joined: "+reason+".")
		return
	}
	edge := weir.Edge{From: alias.From, To: alias.To, At: e.Outcome.Time, Item: string(e.Item.Kind) + ":" + e.Item.ID, Rule: weir.RuleAlias}
	var added bool
	if e.identity.Edges, added = identity.AddEdge(e.identity.Edges, edge); added {
		e.identity.changed = true
	}
}

// profile merges what the items say of their users and sessions, and makes the
// event rows.
func (p *Pipeline) profile(_ context.Context, b *Batch) error {
	for _, e := range b.Entries {
		if !e.Live() {
			continue
		}
		p.describe(e)
		if e.session != nil {
			changed := session.Apply(e.session, session.Said{Part: e.Item.Session, Stamp: stamp(e, e.Item.Session), User: e.user(), At: e.Outcome.Time})
			if changed {
				b.changed[e.key(e.session.ID)] = true
			}
		}
		e.Outcome.Person = e.identity.Person
		if e.Outcome.Name != "" && e.Outcome.Status == weir.Stored {
			e.Event = p.event(e)
		}
	}
	return nil
}

// describe merges the item's user into its identity.
func (p *Pipeline) describe(e *Entry) {
	i, at := e.identity, e.Outcome.Time
	if first := identity.Earliest(i.FirstSeen, at); first != i.FirstSeen || at > i.LastSeen {
		// The first time may say which identity stands for the person.
		i.visible = i.visible || first != i.FirstSeen
		i.FirstSeen, i.LastSeen, i.changed = first, max(i.LastSeen, at), true
	}
	user := e.Item.User
	if user == nil {
		return
	}
	if created := identity.Earliest(i.CreatedAt, user.CreatedAt); created != i.CreatedAt {
		i.CreatedAt, i.changed, i.visible = created, true, true
	}
	if e.Item.Kind == weir.KindUser {
		if created := identity.Earliest(i.CreatedAt, e.Item.CreatedAt); created != i.CreatedAt {
			i.CreatedAt, i.changed, i.visible = created, true, true
		}
	}
	written, changed := i.Traits.Write(stamp(e, user), user.Fields...)
	i.changed, i.visible, i.said = i.changed || written, i.visible || changed, i.said || written
}

// stamp orders what an item says of a part of its context: by the part's own
// version, or else the item's.
func stamp(e *Entry, part *weir.Part) weir.Stamp {
	at := part.UpdatedAt
	if at == 0 {
		at = e.Item.Version()
	}
	return weir.Stamp{At: at, Item: e.Item.ID}
}

// Tolerances of SEMANTICS §1.
const (
	ignoredSkew = 2 * time.Second
	aheadLimit  = 5 * time.Minute
)

// Correct moves a time by what the sender's clock is off, and clamps one that
// is still in the future. A skew under two seconds is the network's; one that
// leads to before 1971 is nonsense and not corrected.
func Correct(at, sent, received weir.Micros) (weir.Micros, *weir.Rejection) {
	if skew := received - sent; sent != 0 && (skew >= micros(ignoredSkew) || skew <= -micros(ignoredSkew)) && at+skew >= item.Earliest {
		at += skew
	}
	if at > received+micros(aheadLimit) {
		return received, &weir.Rejection{Code: "future_time", Field: "created_at", Message: "The time lies more than five minutes ahead; the time of receipt was taken instead."}
	}
	return at, nil
}

func micros(d time.Duration) weir.Micros { return weir.Micros(d / time.Microsecond) }
