package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/state"
)

// visit is a session that the batch has loaded or made.
type visit struct {
	*weir.Session
	changed bool        // to be written
	told    bool        // what it says of its source has changed
	loaded  *bounds     // nil if it is new
	fields  weir.Fields // as loaded
}

// moved reports whether a visit is not what attribution went by before.
func (v *visit) moved() bool {
	return v.told || v.loaded == nil || v.loaded.start != v.StartedAt || v.loaded.owner != v.Owner
}

// bounds are what others go by of a session as it was loaded.
type bounds struct {
	start, end weir.Micros
	owner      uint32
}

// visits are the sessions of a batch. There is one visit for each, however it was
// found.
type visits struct {
	byKey   map[state.Key]*visit
	gone    map[state.Key]*visit  // whose document is to be removed, unless byKey has its key again
	byOwner map[numbered][]*visit // the same as byKey
	moves   map[weir.WorkspaceID][]move
	// holders are the sessions of the items without one of their own that the batch
	// brings.
	holders map[holder]*weir.Session
}

type numbered struct {
	ws     weir.WorkspaceID
	number uint32
}

// holder names an item of an identity.
type holder struct {
	owner numbered
	item  uint64
}

// move is an eventstore.SessionMove to a session that may have no number yet.
type move struct {
	eventstore.SessionMove
	to *weir.Session // nil: none
}

func newVisits(loaded map[state.Key]*weir.Session) visits {
	v := visits{
		byKey: make(map[state.Key]*visit, len(loaded)), gone: map[state.Key]*visit{}, byOwner: make(map[numbered][]*visit, len(loaded)),
		moves: map[weir.WorkspaceID][]move{}, holders: map[holder]*weir.Session{},
	}
	for _, s := range loaded {
		v.meet(s)
	}
	return v
}

func keyOfSession(s *weir.Session) state.Key {
	return state.Key{Workspace: s.Workspace, ID: s.ID}
}

// meet takes in a session that was loaded, unless the batch has it or has done
// away with it.
func (v *visits) meet(s *weir.Session) {
	key := keyOfSession(s)
	if v.byKey[key] == nil && v.gone[key] == nil {
		v.put(&visit{Session: s, loaded: &bounds{s.StartedAt, s.EndedAt, s.Owner}, fields: s.Fields})
	}
}

func (v *visits) put(known *visit) {
	v.byKey[keyOfSession(known.Session)] = known
	at := numbered{known.Workspace, known.Owner}
	v.byOwner[at] = append(v.byOwner[at], known)
}

// drop takes a visit out; its document may be put back by another.
func (v *visits) drop(known *visit) {
	delete(v.byKey, keyOfSession(known.Session))
	v.disown(known)
}

func (v *visits) disown(known *visit) {
	at := numbered{known.Workspace, known.Owner}
	v.byOwner[at] = slices.DeleteFunc(v.byOwner[at], func(other *visit) bool { return other == known })
}

// named is the visit with an id, made if there is none.
func (v *visits) named(key state.Key, origin weir.Origin, of *person) *visit {
	known := v.byKey[key]
	if known == nil {
		known = &visit{
			Session: &weir.Session{Workspace: key.Workspace, ID: key.ID, Origin: origin, User: of.ID, Owner: of.Number},
			changed: true, told: true,
		}
		v.put(known)
	}
	return known
}

// belong makes a visit somebody's.
func (v *visits) belong(known *visit, to *person) {
	if known.User == to.ID && known.Owner == to.Number {
		return
	}
	v.disown(known)
	known.User, known.Owner, known.changed, known.told = to.ID, to.Number, true, true
	v.byOwner[to.numbered()] = append(v.byOwner[to.numbered()], known)
}

// of lists the visits of an identity, in order of time and id.
func (v *visits) of(owner numbered) []*visit {
	return slices.SortedFunc(slices.Values(v.byOwner[owner]), func(a, b *visit) int {
		return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), strings.Compare(a.ID, b.ID))
	})
}

// ofCircle lists the sessions of a person's identities.
func (v *visits) ofCircle(c *circle, choose func(*weir.Session) bool) (out []*weir.Session) {
	for _, i := range c.members {
		for _, known := range v.of(numbered{c.ws, i.Number}) {
			if choose(known.Session) {
				out = append(out, known.Session)
			}
		}
	}
	return out
}

func isVisit(s *weir.Session) bool { return s.Origin == weir.Sent || s.Origin == weir.Derived }

// holding is the number of the session that holds an item which names none, or 0.
func (v *visits) holding(of *person, item uint64) uint32 {
	if in := v.holders[holder{of.numbered(), item}]; in != nil {
		return in.Number
	}
	return 0
}

func (i *person) numbered() numbered { return numbered{i.Workspace, i.Number} }

// visit puts the batch's items into their sessions.
func (p *Pipeline) visit(ctx context.Context, b *Batch) error {
	s := stirs{derived: map[*person]*stir{}, attended: map[*person]*stir{}}
	for _, k := range b.order {
		if k.now != nil {
			b.place(k, s)
		}
	}
	b.stirAll(s)
	if err := b.loadAround(ctx, s); err != nil {
		return err
	}
	for _, i := range inOrder(s.derived) {
		b.derive(i, s.derived[i])
	}
	for _, i := range inOrder(s.attended) {
		b.pool(i, s.attended[i])
	}
	if err := b.numberVisits(ctx); err != nil {
		return err
	}
	if err := b.attend(ctx, s.attended); err != nil || !b.again && len(b.review) == 0 {
		return err
	}
	var spans []state.Span // the rows of all of them are written again: see visitRows
	for _, i := range b.touched {
		spans = append(spans, state.Span{Workspace: i.Workspace, Identity: i.Number, From: always.from, To: always.to})
	}
	return b.load(ctx, spans)
}

// place takes an item's point from where it was and puts it where it belongs.
func (b *Batch) place(k *known, s stirs) {
	now := k.now
	if k.was != nil {
		b.unplace(k, k.was, s)
	}
	if b.again { // the seen index does not say yet what the state has
		for _, e := range k.deliveries {
			b.unplace(k, placeOf(e), s)
		}
	}
	i := b.touched[k.at(now.user)]
	at := weir.Point{Item: pointOf(k.key), At: now.at, Flags: flagsOf(k.key.Kind, now)}
	if k.key.Kind == weir.KindPostview {
		b.impress(k, i, at)
	}
	switch {
	case now.session != "":
		at.Lead = now.lead
		v := b.visits.named(k.at(now.session), weir.Sent, i)
		v.changed = session.Put(v.Session, at) || v.changed
	case now.name == "" || k.key.Kind == weir.KindPostview:
	case now.attends():
		stirOf(s.attended, i, now.at).put(at)
	default:
		at.Source = sourceOf(now)
		stirOf(s.derived, i, now.at).put(at)
	}
}

// attends reports whether the item is an event of a server that names no session.
func (t *truth) attends() bool {
	return t.client == weir.ClientServer && t.session == "" && t.name != ""
}

// impress makes the touchpoint that a postview is. All of it follows from what the
// item is now.
func (b *Batch) impress(k *known, i *person, at weir.Point) {
	v := b.visits.named(k.at(session.ImpressionID(k.key.ID)), weir.Impression, i)
	b.visits.belong(v, i)
	before := session.Properties(v.Session)
	v.Fields = weir.Fields{}
	session.Say(v.Session, session.Said{Part: &weir.Part{Fields: sourceOf(k.now)}, User: i.ID})
	changed := session.Put(v.Session, at)
	if changed || !slices.Equal(before, session.Properties(v.Session)) {
		v.changed, v.told = true, true
	}
}

// placeOf is as much of what a delivery says as its place in a session depends on.
func placeOf(e *Entry) *truth {
	t := &truth{at: e.Outcome.Time, user: e.user(), client: e.Record.Client, name: eventName(e.Item)}
	if e.Item.Session != nil {
		t.session = e.Item.Session.ID
	}
	return t
}

// unplace takes the point from where the item was before, if that is not where it
// is now.
func (b *Batch) unplace(k *known, was *truth, s stirs) {
	now, point := k.now, pointOf(k.key)
	if was.session == now.session && was.user == now.user && was.at == now.at && was.client == now.client && (was.name == "") == (now.name == "") {
		return
	}
	i := b.touched[k.at(was.user)]
	switch {
	case was.session != "":
		if v := b.visits.byKey[k.at(was.session)]; v != nil && was.session != now.session {
			v.changed = session.Remove(v.Session, point) || v.changed
		}
	case was.name == "" || k.key.Kind == weir.KindPostview:
	case was.attends():
		stirOf(s.attended, i, was.at).remove(point)
	default:
		stirOf(s.derived, i, was.at).remove(point)
	}
}

// flagsOf says what an item is in its session.
func flagsOf(kind weir.Kind, t *truth) weir.PointFlags {
	if t.name == "" {
		return 0
	}
	flags := weir.PointEvent
	if kind == weir.KindPageview || kind == weir.KindCustomEvent && t.name == "screen" {
		flags |= weir.PointPageview
	}
	still, _ := valueOf(t.properties, "non_interactive")
	if kind != weir.KindPostview && kind != weir.KindMessage && !(still.Type == weir.Bool && still.Bool) {
		flags |= weir.PointInteractive
	}
	return flags
}

func valueOf(properties []weir.Property, name string) (weir.Value, bool) {
	i, found := slices.BinarySearchFunc(properties, name, func(p weir.Property, name string) int { return strings.Compare(p.Name, name) })
	if !found {
		return weir.Value{}, false
	}
	return properties[i].Value, true
}

// sourceOf is what an event says of where its visit came from, under the names
// that sessions have.
func sourceOf(t *truth) (source []weir.Property) {
	for _, p := range t.properties {
		if p.Value.Type == weir.Null {
			continue
		}
		name := strings.TrimPrefix(p.Name, "$")
		switch {
		case strings.HasPrefix(name, "utm_"), name == "referrer", name == "landing_page":
			source = append(source, weir.Property{Name: name, Value: p.Value})
		case p.Name == "$page":
			source = append(source, weir.Property{Name: "landing_page", Value: p.Value})
		}
	}
	sortByName(source)
	return slices.CompactFunc(source, func(a, b weir.Property) bool { return a.Name == b.Name })
}

// load takes in the sessions of some identities in a stretch of time.
func (b *Batch) load(ctx context.Context, spans []state.Span) error {
	if len(spans) == 0 {
		return nil
	}
	loaded, err := b.tx.SessionsOf(ctx, spans)
	if err != nil {
		return fmt.Errorf("load sessions of %d users: %w", len(spans), err)
	}
	for _, s := range loaded {
		b.visits.meet(s)
	}
	return nil
}

// numberVisits gives new sessions their dense numbers.
func (b *Batch) numberVisits(ctx context.Context) error {
	fresh := map[weir.WorkspaceID][]*visit{}
	for _, v := range b.visits.byKey {
		if v.Number == 0 {
			fresh[v.Workspace] = append(fresh[v.Workspace], v)
		}
	}
	for ws, list := range fresh {
		slices.SortFunc(list, func(a, b *visit) int { return strings.Compare(a.ID, b.ID) })
		first, err := b.tx.Take(ctx, ws, state.SessionNumber, len(list))
		if err != nil {
			return fmt.Errorf("number %d sessions: %w", len(list), err)
		}
		for i, v := range list {
			v.Number = first + uint32(i)
		}
	}
	return nil
}
