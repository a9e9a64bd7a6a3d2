package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/state"
)

// contendedError says that somebody else has users or items of a batch, and which
// deliveries have to wait for that.
type contendedError struct {
	positions []weir.Position
}

func (e *contendedError) Error() string {
	return fmt.Sprintf("%d items have to wait", len(e.positions))
}

// lock locks all users that the batch touches, and all that its edges touch, and
// loads what is known of them. Who else is to be loaded is known only once the
// edges are in place: then all begins again with the union, so that users are
// always locked in one go, in order.
func (p *Pipeline) lock(ctx context.Context, b *Batch) error {
	need := p.need(b)
	asked := map[state.Key]bool{}
	for range maxRounds {
		for _, key := range need.Users {
			asked[key] = true
		}
		if err := p.begin(ctx, b, need); err != nil {
			return err
		}
		missing, err := p.look(ctx, b, asked)
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			return p.claimUsers(ctx, b)
		}
		if err := b.tx.Rollback(); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		need.Users = append(need.Users, missing...)
	}
	return fmt.Errorf("lock users: still more to be locked after %d rounds", maxRounds)
}

// look puts the edges in place and says who else must be locked, besides those who
// were asked for.
func (p *Pipeline) look(ctx context.Context, b *Batch, asked map[state.Key]bool) (missing []state.Key, err error) {
	for _, key := range append(b.owners(), b.parted()...) {
		if !asked[key] {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return missing, nil
	}
	if err := p.meet(ctx, b); err != nil {
		return nil, err
	}
	return b.connect(), nil
}

// owners are the users of sessions and conversions that the batch may take away
// from them.
func (b *Batch) owners() (keys []state.Key) {
	add := func(ws weir.WorkspaceID, user string) {
		if key := (state.Key{Workspace: ws, ID: user}); user != "" && b.touched[key] == nil {
			keys = append(keys, key)
		}
	}
	for _, v := range b.visits.byKey {
		add(v.Workspace, v.User)
	}
	for _, c := range b.conversions {
		add(c.Workspace, c.User)
	}
	return keys
}

// maxRounds bounds the search for who else is to be locked. Each round locks at
// least one more, and persons have at most identity.MaxMembers.
const maxRounds = 2 * identity.MaxMembers

// need is what the items of the batch speak of: as delivered, as they were, and
// as they are now.
func (p *Pipeline) need(b *Batch) state.Need {
	need := state.Need{
		Partitions: slices.Collect(maps.Keys(b.Applied)), Users: append(make([]state.Key, 0, len(b.review)+len(b.Entries)+len(b.standIns)), b.review...),
		Sessions: make([]state.Key, 0, len(b.Entries)),
	}
	for _, e := range b.Entries {
		if !e.Live() {
			continue
		}
		for _, id := range e.users() {
			need.Users = append(need.Users, e.key(id))
		}
		if e.Item.Session != nil {
			need.Sessions = append(need.Sessions, e.key(e.Item.Session.ID))
		}
	}
	for _, k := range b.order {
		b.needOf(k, &need)
	}
	for _, f := range b.found {
		need.Conversions = append(need.Conversions, f.id)
	}
	need.Users = append(need.Users, b.standIns...)
	return need
}

// needOf adds what is needed because of what an item was, is, and in between may
// have been in a batch that died.
func (b *Batch) needOf(k *known, need *state.Need) {
	truths := make([]*truth, 0, 8)
	if k.now != nil {
		truths = append(truths, k.now)
	}
	if k.was != nil || len(k.deliveries) > 1 {
		truths = append(truths, k.was)
		for _, e := range k.deliveries {
			truths = append(truths, placeOf(e))
		}
	}
	for _, t := range truths {
		if t == nil {
			continue
		}
		if k.was != nil { // else a delivery has said it
			need.Users = append(need.Users, k.at(t.user))
			if t.session != "" {
				need.Sessions = append(need.Sessions, k.at(t.session))
			}
		}
		switch {
		case k.key.Kind == weir.KindPostview:
			need.Sessions = append(need.Sessions, k.at(session.ImpressionID(k.key.ID)))
		case t.attends():
			need.Sessions = append(need.Sessions, k.at(session.PoolID(t.user, t.at)))
		}
		if converts(b.rules[k.key.Workspace], k.key.Kind, t) {
			need.Conversions = append(need.Conversions, k.at(conversionID(k.key)))
		}
	}
}

func (k *known) at(id string) state.Key { return state.Key{Workspace: k.key.Workspace, ID: id} }

func (p *Pipeline) begin(ctx context.Context, b *Batch, need state.Need) (err error) {
	if b.tx, err = p.state.Begin(ctx, need); err != nil {
		b.tx = nil
		return fmt.Errorf("lock %d users: %w", len(need.Users), err)
	}
	snapshot := b.tx.Snapshot()
	b.number = snapshot.Commit
	b.again = b.again || slices.ContainsFunc(b.Entries, func(e *Entry) bool {
		return e.Position.Seq() <= snapshot.Applied[e.Position.Partition()]
	})
	b.visits = newVisits(snapshot.Sessions)
	b.conversions = map[state.Key]*conversion{}
	for key, c := range snapshot.Conversions {
		b.conversions[key] = &conversion{Conversion: c}
	}
	b.touched = make(map[state.Key]*person, len(snapshot.Identities))
	for key, i := range snapshot.Identities {
		b.touched[key] = &person{Identity: i, was: i.Person}
	}
	if len(snapshot.Contended) > 0 {
		return &contendedError{b.involved(snapshot.Contended)}
	}
	return nil
}

// involved are the deliveries that have to do with busy users: theirs, and those
// of everybody whom edges connect with them, followed or not.
func (b *Batch) involved(busy []state.Key) (positions []weir.Position) {
	parent := map[state.Key]state.Key{}
	var root func(state.Key) state.Key
	root = func(k state.Key) state.Key {
		up, ok := parent[k]
		if !ok || up == k {
			return k
		}
		top := root(up)
		parent[k] = top
		return top
	}
	join := func(a, b state.Key) { parent[root(a)] = root(b) }
	persons := map[numbered]state.Key{}
	for key, i := range b.touched {
		at := numbered{i.Workspace, i.Person}
		if mate, ok := persons[at]; ok {
			join(key, mate)
		}
		persons[at] = key
		for _, edge := range i.Edges {
			join(key, state.Key{Workspace: i.Workspace, ID: edge.To})
		}
		for _, edge := range i.Incoming {
			join(key, state.Key{Workspace: i.Workspace, ID: edge.From})
		}
	}
	for _, k := range b.order {
		for _, e := range k.deliveries {
			first := k.deliveries[0]
			for _, id := range e.users() {
				join(e.key(id), first.key(first.user()))
			}
			for _, edge := range e.keys {
				join(e.key(edge.To), first.key(first.user()))
			}
			for _, t := range []*truth{k.was, k.now} {
				if t != nil {
					join(k.at(t.user), first.key(first.user()))
				}
			}
		}
	}
	waits := map[state.Key]bool{}
	for _, key := range busy {
		waits[root(key)] = true
	}
	for _, e := range b.Entries {
		if e.Live() && waits[root(e.key(e.user()))] {
			positions = append(positions, e.Position)
		}
	}
	return positions
}

// parted are identities that the batch may have parted from those it touches, or
// joined to them, when its state was committed, before a crash: the state does
// not lead to them any more, but the event rows may still have them as one
// person. All edges are kept, also those that are not followed.
func (b *Batch) parted() (keys []state.Key) {
	if !b.again {
		return nil
	}
	for _, i := range b.touched {
		for _, edge := range i.Edges {
			keys = append(keys, state.Key{Workspace: i.Workspace, ID: edge.To})
		}
		for _, edge := range i.Incoming {
			keys = append(keys, state.Key{Workspace: i.Workspace, ID: edge.From})
		}
	}
	return slices.DeleteFunc(keys, func(key state.Key) bool { return b.touched[key] != nil })
}

// meet makes the identities that are new and gives them their dense numbers, in
// the order of the entries.
func (p *Pipeline) meet(ctx context.Context, b *Batch) error {
	fresh := map[weir.WorkspaceID][]*person{}
	meet := func(key state.Key) *person {
		i := b.touched[key]
		if i == nil {
			i = &person{Identity: &weir.Identity{Workspace: key.Workspace, ID: key.ID}, changed: true, visible: true}
			b.touched[key] = i
			fresh[key.Workspace] = append(fresh[key.Workspace], i)
		}
		return i
	}
	for _, e := range b.Entries {
		if e.Live() {
			for _, id := range e.users() {
				meet(e.key(id))
			}
			e.identity = b.touched[e.key(e.user())]
		}
	}
	for _, k := range b.order {
		for _, t := range []*truth{k.was, k.now} {
			if t != nil && k.was != nil {
				meet(k.at(t.user))
			}
		}
	}
	for _, key := range b.standIns {
		meet(key).Key = true
	}
	for ws, list := range fresh {
		first, err := b.tx.Take(ctx, ws, state.IdentityNumber, len(list))
		if err != nil {
			return fmt.Errorf("number %d identities: %w", len(list), err)
		}
		for i, n := range list {
			n.Number = first + uint32(i)
			n.Person = n.Number
		}
	}
	return nil
}
