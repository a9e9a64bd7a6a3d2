package pipeline

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/state"
)

// stir is a stretch of time in which something of an identity's events changes
// that name no session.
type stir struct {
	stretch
	puts    []weir.Point
	removes []uint64
}

// stirs are those of the events of clients, whose sessions are derived, and those
// of servers, which attend the sessions of others.
type stirs struct{ derived, attended map[*person]*stir }

func (s *stir) put(p weir.Point)   { s.puts = append(s.puts, p) }
func (s *stir) remove(item uint64) { s.removes = append(s.removes, item) }

func stirOf(of map[*person]*stir, i *person, at weir.Micros) *stir {
	s := of[i]
	if s == nil {
		s = &stir{}
		of[i] = s
	}
	s.reach(at)
	return s
}

// stretch is a stretch of time, both ends included. The zero stretch is empty.
type stretch struct {
	from, to weir.Micros
	any      bool
}

// always is a stretch that has all times, with room for a gap at both ends.
var always = stretch{from: math.MinInt64 / 4, to: math.MaxInt64 / 4, any: true}

func (s *stretch) reach(t weir.Micros) {
	if !s.any {
		s.from, s.to, s.any = t, t, true
	}
	s.from, s.to = min(s.from, t), max(s.to, t)
}

func (s *stretch) join(other stretch) {
	if other.any {
		s.reach(other.from)
		s.reach(other.to)
	}
}

func inOrder(of map[*person]*stir) []*person {
	return slices.SortedFunc(maps.Keys(of), cmpNumbers)
}

func cmpNumbers(a, b *person) int {
	return cmp.Or(strings.Compare(string(a.Workspace), string(b.Workspace)), cmp.Compare(a.Number, b.Number))
}

const day = weir.Micros(24 * time.Hour / time.Microsecond)

// stirAll derives all sessions of those anew whose history is reviewed.
func (b *Batch) stirAll(s stirs) {
	for _, key := range b.review {
		if i := b.touched[key]; i != nil && !i.Key {
			s.derived[i] = &stir{stretch: always}
		}
	}
}

// loadAround loads the sessions that the batch's events without one may belong
// to, join or part.
func (b *Batch) loadAround(ctx context.Context, s stirs) error {
	var spans []state.Span
	for i, at := range s.derived {
		spans = append(spans, b.around(i, at))
	}
	for i, at := range s.attended {
		spans = append(spans, state.Span{Workspace: i.Workspace, Identity: i.Number, From: at.from - day, To: at.to + day})
	}
	if err := b.load(ctx, spans); err != nil {
		return err
	}
	spans = spans[:0]
	for i, at := range s.derived { // what they ask for depends on what was found
		if b.rules[i.Workspace].Sessions.SplitOnCampaign {
			spans = append(spans, b.around(i, at))
		}
	}
	return b.load(ctx, spans)
}

// around is the stretch whose derived sessions a stir may change, as far as they
// are loaded.
func (b *Batch) around(i *person, at *stir) state.Span {
	span := state.Span{Workspace: i.Workspace, Identity: i.Number, From: at.from, To: at.to}
	if at.stretch == always {
		return span
	}
	options := b.rules[i.Workspace].Sessions
	var found []*weir.Session
	if options.SplitOnCampaign {
		low, _ := session.Reach(at.from, nil, options)
		_, high := session.Reach(at.to, nil, options)
		for _, v := range b.visits.of(i.numbered()) {
			if v.Origin == weir.Derived && v.EndedAt >= low && v.StartedAt <= high {
				found = append(found, v.Session)
			}
		}
	}
	span.From, _ = session.Reach(at.from, found, options)
	_, span.To = session.Reach(at.to, found, options)
	return span
}

// derive cuts the events of an identity that name no session into visits anew,
// around those that the batch brings or takes.
func (b *Batch) derive(i *person, s *stir) {
	options := b.rules[i.Workspace].Sessions
	span := b.around(i, s)
	var near []*visit
	for _, v := range b.visits.of(i.numbered()) {
		if v.Origin == weir.Derived && v.StartedAt <= span.To && v.EndedAt >= span.From {
			near = append(near, v)
		}
	}
	existing := b.putPoints(i, s, near, options)
	d := session.Derive(i.ID, i.Number, i.Workspace, existing, options)
	b.take(near, d)
	brought := map[uint64]bool{}
	for _, point := range s.puts {
		brought[point.Item] = true
	}
	for _, run := range d.Sessions {
		for _, point := range run.Points {
			if brought[point.Item] {
				b.visits.holders[holder{i.numbered(), point.Item}] = run
			}
		}
	}
	moves := d.Moves
	if b.again { // the moves of the first time may not have reached the rows
		for _, run := range d.Sessions {
			moves = append(moves, session.Move{Owner: i.Number, From: run.StartedAt, To: run.EndedAt, Session: run})
		}
	}
	for _, m := range moves {
		if !m.New || b.again {
			b.move(i.Workspace, m, weir.Derived)
		}
	}
}

// putPoints takes the points out that went and puts those in that came, and
// returns what is to be derived anew.
func (b *Batch) putPoints(i *person, s *stir, near []*visit, options session.Options) []*weir.Session {
	existing := make([]*weir.Session, 0, len(near)+1)
	for _, v := range near {
		for _, item := range s.removes {
			v.changed = session.Remove(v.Session, item) || v.changed
		}
		existing = append(existing, v.Session)
	}
	rest := &weir.Session{Workspace: i.Workspace, User: i.ID, Owner: i.Number, Origin: weir.Derived}
	for _, point := range s.puts {
		if at := session.Near(existing, point.At, options); at != nil {
			v := b.visits.byKey[keyOfSession(at)]
			v.changed = session.Put(at, point) || v.changed
		} else {
			session.Put(rest, point)
		}
	}
	if len(rest.Points) > 0 {
		existing = append(existing, rest)
	}
	return existing
}

// take makes the sessions that were derived the batch's.
func (b *Batch) take(near []*visit, d session.Derivation) {
	before := make(map[uint32]*visit, len(near)) // by number
	changed := map[*weir.Session]bool{}
	for _, s := range d.Changed {
		changed[s] = true
	}
	for _, v := range near {
		before[v.Number] = v
		changed[v.Session] = changed[v.Session] || v.changed
		b.visits.drop(v)
		b.visits.gone[keyOfSession(v.Session)] = v
	}
	for _, run := range d.Sessions {
		key := keyOfSession(run)
		v := &visit{Session: run, changed: changed[run]}
		if old := before[run.Number]; run.Number != 0 && old != nil {
			v.loaded, v.fields = old.loaded, old.fields
			v.told = old.told || !slices.Equal(old.fields.Properties(), run.Fields.Properties())
		}
		if old := b.visits.gone[key]; old != nil && old.Number == run.Number {
			delete(b.visits.gone, key) // the document stays
		}
		b.visits.put(v)
	}
}

// pool keeps the events of servers by identity and day.
func (b *Batch) pool(i *person, s *stir) {
	for _, v := range b.visits.of(i.numbered()) {
		if v.Origin != weir.Attended {
			continue
		}
		for _, item := range s.removes {
			v.changed = session.Remove(v.Session, item) || v.changed
		}
	}
	for _, point := range s.puts {
		v := b.visits.named(state.Key{Workspace: i.Workspace, ID: session.PoolID(i.ID, point.At)}, weir.Attended, i)
		v.changed = session.Put(v.Session, point) || v.changed
	}
	if !i.Attends {
		i.Attends, i.changed = true, true
	}
}

// attend finds the open session of servers' events: of those that the batch
// brings, and of all others of the person where its visits have changed.
func (b *Batch) attend(ctx context.Context, attended map[*person]*stir) error {
	type scope struct {
		*circle
		stirred stretch // where visits have changed
		whole   stretch // and where events came
	}
	var scopes []scope
	var spans []state.Span
	shifts := b.shifts()
	for _, c := range b.circles() {
		if !slices.ContainsFunc(c.members, func(i *person) bool { return i.Attends }) {
			continue
		}
		s := scope{circle: c}
		if c.changed || b.again || len(b.review) > 0 {
			s.stirred = always
		}
		for _, i := range c.members {
			s.stirred.join(shifts[i.numbered()])
			if came := attended[i]; came != nil {
				s.whole.join(came.stretch)
			}
		}
		s.whole.join(s.stirred)
		if !s.whole.any {
			continue
		}
		scopes = append(scopes, s)
		gap := b.rules[c.ws].Sessions.Idle()
		for _, i := range c.members {
			spans = append(spans, state.Span{Workspace: c.ws, Identity: i.Number, From: s.whole.from - gap, To: s.whole.to})
		}
	}
	if err := b.load(ctx, spans); err != nil {
		return err
	}
	for _, s := range scopes {
		b.open(s.circle, s.stirred, attended)
	}
	return nil
}

// shifts are the stretches of time in which a session may be open now that was not
// before, or the other way round, by owner.
func (b *Batch) shifts() map[numbered]stretch {
	out := map[numbered]stretch{}
	note := func(v *visit, owner uint32, times ...weir.Micros) {
		at := numbered{v.Workspace, owner}
		s, gap := out[at], b.rules[v.Workspace].Sessions.Idle()
		for i := 0; i < len(times); i += 2 {
			s.reach(times[i])
			s.reach(times[i+1] + gap)
		}
		out[at] = s
	}
	for _, v := range b.visits.byKey {
		switch {
		case !isVisit(v.Session):
		case v.loaded == nil:
			note(v, v.Owner, v.StartedAt, v.EndedAt)
		case *v.loaded != bounds{v.StartedAt, v.EndedAt, v.Owner}:
			note(v, v.Owner, v.StartedAt, v.EndedAt, v.loaded.start, v.loaded.end)
			note(v, v.loaded.owner, v.loaded.start, v.loaded.end)
		}
	}
	for _, v := range b.visits.gone {
		if isVisit(v.Session) && v.loaded != nil {
			note(v, v.loaded.owner, v.loaded.start, v.loaded.end)
		}
	}
	return out
}

// open puts the events of servers of a person into the session that is open at
// their time.
func (b *Batch) open(c *circle, stirred stretch, attended map[*person]*stir) {
	options := b.rules[c.ws].Sessions
	sessions := b.visits.ofCircle(c, isVisit)
	for _, i := range c.members {
		if came := attended[i]; came != nil {
			for _, point := range came.puts {
				b.visits.holders[holder{i.numbered(), point.Item}] = session.Open(sessions, point.At, options)
			}
		}
	}
	if !stirred.any {
		return
	}
	var pools []*weir.Session
	for _, pool := range b.visits.ofCircle(c, func(s *weir.Session) bool { return s.Origin == weir.Attended }) {
		part := &weir.Session{Owner: pool.Owner}
		for _, point := range pool.Points {
			if point.At >= stirred.from && point.At <= stirred.to {
				part.Points = append(part.Points, point)
			}
		}
		if len(part.Points) > 0 {
			pools = append(pools, part)
		}
	}
	for _, m := range session.Attend(pools, sessions, options) {
		b.move(c.ws, m, weir.Attended)
	}
}

func (b *Batch) move(ws weir.WorkspaceID, m session.Move, origin weir.Origin) {
	b.visits.moves[ws] = append(b.visits.moves[ws], move{
		eventstore.SessionMove{Identity: m.Owner, Origin: origin, From: m.From, To: m.To}, m.Session,
	})
}
