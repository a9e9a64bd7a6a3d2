package session

import (
	"cmp"
	"slices"

	"github.com/weirhq/weir"
)

// Derivation is what Derive found.
type Derivation struct {
	// Sessions are all runs, in order of time. Those with Number 0 are to be given
	// one.
	Sessions []*weir.Session
	// Changed are those of Sessions that must be stored because of Derive. Sessions
	// that the caller itself has changed, and finds in Sessions, must be stored too.
	Changed []*weir.Session
	// Gone are those of the sessions given whose document must be removed before
	// Changed is stored. A number may live on under another id, and an id under
	// another number.
	Gone []*weir.Session
	// Moves are the stretches of event rows whose session has another number than
	// before: at most one for each run. They do not overlap.
	Moves []Move
}

// Move says which session the events of an identity that lie in a stretch of time,
// both ends included, belong to.
type Move struct {
	Owner    uint32 // the identity's Number
	From, To weir.Micros
	Session  *weir.Session // nil: none
	// New says that all of these events had no session before. Who writes their rows
	// with their session need not move them.
	New bool
}

// Derive cuts the points of an identity's derived sessions into maximal runs whose
// gaps are at most opts.Gap, at midnight or not, and makes each run a session.
//
// existing are sessions as they are stored, but for points that came and went by
// Put and Remove. A new point may stand in any of them; Near says where it costs
// least, and a session with Number 0, last in the list, takes what is near none. If
// an item has points in several of them, the last in the list counts. Reach says
// which sessions must be among them. A point's Lead must be 0.
//
// A run keeps the smallest number of those whose points it has, if no run before it
// took that number. Sessions of the list become the results where they are the same
// by id and number. Of points in one instant none is parted from the others.
func Derive(user string, owner uint32, ws weir.WorkspaceID, existing []*weir.Session, opts Options) Derivation {
	d := deriver{user: user, owner: owner, ws: ws, existing: existing, stays: make([]bool, len(existing))}
	if len(existing) == 1 && isSurelyOneRun(existing[0], opts) {
		d.keep(existing[0])
	} else {
		d.pool()
		for rest := d.pooled; len(rest) > 0; {
			n := d.cut(rest, opts)
			d.run(rest[:n])
			rest = rest[n:]
		}
	}
	for i, s := range existing {
		if s.Number != 0 && !d.stays[i] {
			d.out.Gone = append(d.out.Gone, s)
		}
	}
	return d.out
}

type deriver struct {
	user     string
	owner    uint32
	ws       weir.WorkspaceID
	existing []*weir.Session
	points   [][]weir.Point // of existing, as they were given
	taken    []bool         // whether a run has the number
	stays    []bool         // whether the document stays
	pooled   []place
	out      Derivation
}

// place is where a point stood, and what orders it.
type place struct {
	at             weir.Micros
	item           uint64
	session, index int32
}

// pool gathers all points in order of time, each item once.
func (d *deriver) pool() {
	n := 0
	d.points = make([][]weir.Point, len(d.existing))
	d.taken = make([]bool, len(d.existing))
	for i, s := range d.existing {
		d.points[i] = s.Points
		n += len(s.Points)
	}
	d.pooled = make([]place, 0, n)
	for i, points := range d.points {
		for k := range points {
			d.pooled = append(d.pooled, place{points[k].At, points[k].Item, int32(i), int32(k)})
		}
	}
	if len(d.existing) > 1 {
		slices.SortFunc(d.pooled, func(a, b place) int {
			return cmp.Or(cmp.Compare(a.item, b.item), cmp.Compare(b.session, a.session))
		})
		d.pooled = d.once(d.pooled)
	}
	slices.SortFunc(d.pooled, func(a, b place) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Compare(a.item, b.item)
	})
}

// once leaves of the points of an item the one that counts. Where an earlier
// session has that very point it is taken as that session's, so that putting a
// point again changes nothing.
func (d *deriver) once(sorted []place) []place {
	kept := sorted[:0]
	for _, p := range sorted {
		if n := len(kept); n == 0 || kept[n-1].item != p.item {
			kept = append(kept, p)
		} else if samePoint(*d.point(kept[n-1]), *d.point(p)) {
			kept[n-1] = p
		}
	}
	return kept
}

func (d *deriver) point(p place) *weir.Point { return &d.points[p.session][p.index] }

// cut counts the points of the first run.
func (d *deriver) cut(pooled []place, opts Options) int {
	gap := opts.Idle()
	campaign := ""
	for start := 0; start < len(pooled); {
		end := start + 1
		for end < len(pooled) && pooled[end].at == pooled[start].at {
			end++
		}
		if start > 0 && pooled[start].at-pooled[start-1].at > gap {
			return start
		}
		if opts.SplitOnCampaign {
			if next := d.campaign(pooled[start:end]); next != "" {
				if campaign != "" && next != campaign {
					return start
				}
				campaign = next
			}
		}
		start = end
	}
	return len(pooled)
}

// campaign is what the first point that names one names.
func (d *deriver) campaign(of []place) string {
	for _, p := range of {
		for _, source := range d.point(p).Source {
			if source.Name == "utm_campaign" && source.Value.String() != "" {
				return source.Value.String()
			}
		}
	}
	return ""
}

// run makes a session of a run.
func (d *deriver) run(pooled []place) {
	holder := -1
	for _, p := range pooled {
		i := int(p.session)
		if n := d.existing[i].Number; n != 0 && !d.taken[i] && (holder < 0 || n < d.existing[holder].Number) {
			holder = i
		}
	}
	var number uint32
	var session *weir.Session
	if holder >= 0 {
		d.taken[holder] = true
		number = d.existing[holder].Number
		if isDerivedID(d.existing[holder].ID, d.user, pooled[0].at) {
			session, d.stays[holder] = d.existing[holder], true
		}
	}
	points, changed := d.pointsOf(pooled, holder)
	if session == nil {
		session, changed = &weir.Session{ID: DerivedID(d.user, pooled[0].at), Number: number}, true
	}
	session.Points, session.StartedAt, session.EndedAt = points, pooled[0].at, pooled[len(pooled)-1].at
	var source []weir.Property
	for _, p := range pooled {
		if source = d.point(p).Source; len(source) > 0 {
			break
		}
	}
	d.add(session, source, changed)
	d.move(session, pooled)
}

// pointsOf lists the points of a run as a session has them, and reports whether
// they are others than the holder's.
func (d *deriver) pointsOf(pooled []place, holder int) (points []weir.Point, changed bool) {
	if holder >= 0 && len(pooled) == len(d.points[holder]) &&
		!slices.ContainsFunc(pooled, func(p place) bool { return int(p.session) != holder }) {
		return d.points[holder], false
	}
	points = make([]weir.Point, len(pooled))
	for i, p := range pooled {
		points[i] = *d.point(p)
	}
	slices.SortFunc(points, func(a, b weir.Point) int { return cmp.Compare(a.Item, b.Item) })
	return points, holder < 0 || !slices.EqualFunc(points, d.points[holder], samePoint)
}

// move lists the stretch of a run whose events had another session's number.
func (d *deriver) move(session *weir.Session, pooled []place) {
	m := Move{Owner: d.owner, Session: session, New: true}
	for _, p := range pooled {
		before := d.existing[p.session].Number
		if before == session.Number && before != 0 {
			continue
		}
		if m.From == 0 {
			m.From = p.at
		}
		m.To = p.at
		m.New = m.New && before == 0
	}
	if m.From != 0 {
		d.out.Moves = append(d.out.Moves, m)
	}
}

// add completes a run's session and lists it.
func (d *deriver) add(s *weir.Session, source []weir.Property, changed bool) {
	if s.Workspace != d.ws || s.Origin != weir.Derived || s.User != d.user || s.Owner != d.owner {
		s.Workspace, s.Origin, s.User, s.Owner = d.ws, weir.Derived, d.user, d.owner
		changed = true
	}
	if describe(s, source) {
		changed = true
	}
	d.out.Sessions = append(d.out.Sessions, s)
	if changed {
		d.out.Changed = append(d.out.Changed, s)
	}
}

// describe makes the fields of a session say where the visit came from, all of
// them at one stamp, so that equal visits have equal documents.
func describe(s *weir.Session, source []weir.Property) (changed bool) {
	same := s.Fields.Len() == len(source)
	for i := 0; same && i < len(source); i++ {
		v, ok := s.Fields.Get(source[i].Name)
		same = ok && v == source[i].Value
	}
	if same {
		return false
	}
	var fields weir.Fields
	for _, p := range source {
		if p.Value.Type != weir.Null {
			fields.Write(weir.Stamp{}, p)
		}
	}
	changed = !slices.Equal(fields.Properties(), s.Fields.Properties())
	s.Fields = fields
	return changed
}

// keep is run for the only session, whose points are one run.
func (d *deriver) keep(s *weir.Session) {
	first := -1 // earliest that says where the visit came from
	for i := range s.Points {
		if len(s.Points[i].Source) == 0 {
			continue
		}
		if first < 0 || cmp.Or(cmp.Compare(s.Points[i].At, s.Points[first].At), cmp.Compare(s.Points[i].Item, s.Points[first].Item)) < 0 {
			first = i
		}
	}
	var source []weir.Property
	if first >= 0 {
		source = s.Points[first].Source
	}
	if s.Number != 0 && isDerivedID(s.ID, d.user, s.StartedAt) {
		d.stays[0] = true
		d.add(s, source, false)
		return
	}
	session := &weir.Session{ID: DerivedID(d.user, s.StartedAt), Number: s.Number, StartedAt: s.StartedAt, EndedAt: s.EndedAt, Points: s.Points}
	d.add(session, source, true)
	if s.Number == 0 {
		d.out.Moves = append(d.out.Moves, Move{Owner: d.owner, From: s.StartedAt, To: s.EndedAt, Session: session, New: true})
	}
}

func isDerivedID(id, user string, start weir.Micros) bool {
	var room [128]byte
	return string(appendDerivedID(room[:0], user, start)) == id
}

// isSurelyOneRun tells of most sessions without sorting their points that nothing
// parts them: if every stretch of half a gap has a point, no gap is too long.
func isSurelyOneRun(s *weir.Session, opts Options) bool {
	if len(s.Points) == 0 || opts.SplitOnCampaign {
		return false
	}
	half := max(opts.Idle()/2, 1)
	var has [16]uint64
	stretches := int64((s.EndedAt-s.StartedAt)/half) + 1
	if stretches > int64(len(has))*64 {
		return false
	}
	found := int64(0)
	for i := range s.Points {
		n := (s.Points[i].At - s.StartedAt) / half
		if has[n/64]&(1<<(n%64)) == 0 {
			has[n/64] |= 1 << (n % 64)
			found++
		}
	}
	return found == stretches
}

// Reach says which sessions Derive must be given when a point comes or goes at a
// time: all derived ones of the identity that start by to and end at or after from.
// The caller asks first with nothing found. With SplitOnCampaign it asks once more
// with the sessions of that stretch, as what a visit ends with decides whether the
// next one is another.
func Reach(at weir.Micros, found []*weir.Session, opts Options) (from, to weir.Micros) {
	gap := opts.Idle()
	from, to = at-gap, at+gap
	if opts.SplitOnCampaign {
		for _, s := range found {
			from, to = min(from, s.StartedAt-gap), max(to, s.EndedAt+gap)
		}
	}
	return from, to
}

// Near is the derived session that a point at a time is part of, or would be: the
// latest started of those that have begun by the end of the gap after it and have
// not ended before the gap before it; nil if there is none.
func Near(sessions []*weir.Session, at weir.Micros, opts Options) *weir.Session {
	var near *weir.Session
	for _, s := range sessions {
		if s.Origin != weir.Derived || len(s.Points) == 0 || s.StartedAt > at+opts.Idle() || s.EndedAt < at-opts.Idle() {
			continue
		}
		if near == nil || s.StartedAt > near.StartedAt {
			near = s
		}
	}
	return near
}
