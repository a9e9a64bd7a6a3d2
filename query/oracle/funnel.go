package oracle

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// funnel is a question, and what it found in the world.
type funnel struct {
	*query.Funnel
	world *world
}

// stream is the events among which ways are looked for.
type stream struct {
	who    unit
	value  text // of the breakdown, with AllSteps
	events []*member
}

// unit is what counts once: a person, or a person's session.
type unit struct{ person, session uint32 }

// member is an event of a stream, and what it is to the funnel.
type member struct {
	row
	at       weir.Micros
	session  uint32
	rank     int    // its place in the stream; alike for events that differ in nothing the funnel reads
	steps    []bool // which steps it matches
	other    bool   // whether Strict forbids it between two steps
	excludes []bool // which exclusions it matches
}

// streams divides the world's events.
func (f *funnel) streams() []*stream {
	found := map[string]*stream{}
	var all []*stream
	for _, e := range f.world.events {
		r := f.world.row(e)
		who := unit{person: e.Person}
		if f.Counting == query.CountSessions {
			if e.Session == 0 {
				continue
			}
			who.session = e.Session
		}
		value := text{none: true}
		key := strconv.Itoa(int(who.person)) + "." + strconv.Itoa(int(who.session))
		if f.allSteps() {
			value = r.text(f.Breakdown.By)
			key += quoted(value)
		}
		for _, by := range f.HoldConstant {
			key += quoted(r.text(by))
		}
		if found[key] == nil {
			found[key] = &stream{who: who, value: value}
			all = append(all, found[key])
		}
		found[key].events = append(found[key].events, f.member(r))
	}
	for _, s := range all {
		f.order(s)
	}
	return all
}

// quoted tells every text, and none, apart.
func quoted(t text) string {
	if t.none {
		return ",null"
	}
	return "," + strconv.Quote(t.of)
}

func (f *funnel) member(r row) *member {
	m := &member{row: r, at: r.event.Time, session: r.event.Session, other: r.matches(f.Others)}
	for _, s := range f.Steps {
		m.steps = append(m.steps, r.matches(s.Match))
	}
	for _, x := range f.Exclude {
		m.excludes = append(m.excludes, r.matches(x.Match))
	}
	return m
}

// order puts a stream's events in order of time; those of the same time by the
// breakdown's property, then by those held constant, then by their session.
func (f *funnel) order(s *stream) {
	var by []query.Ref
	if f.Breakdown != nil {
		by = append(by, f.Breakdown.By)
	}
	by = append(by, f.HoldConstant...)
	compare := func(a, b *member) int {
		c := cmp.Compare(a.at, b.at)
		for _, ref := range by {
			c = cmp.Or(c, a.text(ref).compare(b.text(ref)))
		}
		return cmp.Or(c, cmp.Compare(a.session, b.session))
	}
	slices.SortStableFunc(s.events, compare)
	for i, e := range s.events {
		e.rank = i
		if i > 0 && compare(s.events[i-1], e) == 0 {
			e.rank = s.events[i-1].rank
		}
	}
}

func (f *funnel) allSteps() bool {
	return f.Breakdown != nil && f.Breakdown.Attribution == query.AllSteps
}

// optional reports whether a step, from 0, may be left out.
func (f *funnel) optional(step int) bool {
	return step > 0 && f.Order != query.Unordered && f.Steps[step].Optional
}

// starts are the times at which attempts begin, ascending.
func (f *funnel) starts(s *stream) []weir.Micros {
	var all []weir.Micros
	for _, e := range s.events {
		matches := e.steps[0] || f.Order == query.Unordered && slices.Contains(e.steps, true)
		if matches && f.Range.From <= e.at && e.at < f.Range.To {
			all = append(all, e.at)
		}
	}
	return slices.Compact(all) // they are in order of time
}

// attempt is the best of all ways of a stream that have the same start.
type attempt struct {
	stream *stream
	start  weir.Micros
	way    way
	value  text // of the breakdown
}

// attempts are those of a stream, in order of their starts.
func (f *funnel) attempts(s *stream) []attempt {
	var all []attempt
	for _, start := range f.starts(s) {
		a := attempt{stream: s, start: start}
		f.ways(s, start, func(w way) {
			if a.way == nil || f.compareWays(w, a.way) < 0 {
				a.way = slices.Clone(w)
			}
		})
		a.value = f.valueOf(a)
		all = append(all, a)
	}
	return all
}

// valueOf is the breakdown's value of an attempt, none without a breakdown.
func (f *funnel) valueOf(a attempt) text {
	value := text{none: true}
	switch b := f.Breakdown; {
	case b == nil:
	case b.By.On == query.OnUser:
		value = a.way.taken()[0].text(b.By)
	case b.Attribution == query.AllSteps:
		value = a.stream.value
	case b.Attribution == query.TouchStep:
		if e := a.way[b.AtStep]; e != nil {
			value = e.text(b.By)
		}
	default:
		events := a.way.taken()
		if b.Attribution == query.LastTouch {
			slices.Reverse(events)
		}
		for _, e := range events {
			if t := e.text(b.By); value.none {
				value = t
			}
		}
	}
	return value
}

// counted are the attempts that count.
func (f *funnel) counted() []attempt {
	if f.Counting == query.CountTotals {
		var all []attempt
		for _, s := range f.streams() {
			if attempts := f.attempts(s); !f.left(attempts) {
				all = append(all, f.apart(attempts)...)
			}
		}
		return all
	}
	// A stream gives one attempt; of those of one unit with the same value, one counts.
	type once struct {
		who   unit
		value text
	}
	picked := map[once][]attempt{}
	for _, s := range f.streams() {
		attempts := f.attempts(s)
		if len(attempts) == 0 || f.left(attempts) {
			continue
		}
		a := f.pick(attempts)
		picked[once{s.who, a.value}] = append(picked[once{s.who, a.value}], a)
	}
	var all []attempt
	for _, attempts := range picked {
		all = append(all, f.pick(attempts))
	}
	return all
}

// pick is the attempt that counts of several: by Entry, and then that of the better
// way.
func (f *funnel) pick(attempts []attempt) attempt {
	return slices.MinFunc(attempts, func(a, b attempt) int {
		var c int
		switch f.Entry {
		case query.EntryFirst:
			c = cmp.Compare(a.start, b.start)
		case query.EntryLatest:
			c = cmp.Compare(b.start, a.start)
		default:
			c = cmp.Or(cmp.Compare(b.way.depth(), a.way.depth()), cmp.Compare(a.start, b.start))
		}
		return cmp.Or(c, f.compareWays(a.way, b.way))
	})
}

// apart are the attempts of which none begins before the one before it has ended.
func (f *funnel) apart(attempts []attempt) []attempt {
	var all []attempt
	for _, a := range attempts {
		if len(all) == 0 || a.start > f.end(all[len(all)-1]) {
			all = append(all, a)
		}
	}
	return all
}

// end is when an attempt is over.
func (f *funnel) end(a attempt) weir.Micros {
	last := a.way.latest()
	if a.way[len(f.Steps)-1] != nil {
		return last
	}
	end := f.windowEnd(a)
	if f.LeaveFunnel || f.Order == query.Unordered {
		return end // exclusions end no attempt
	}
	for _, e := range a.stream.events {
		if e.at > last && e.at <= end && f.forbidsNext(a.way, e) {
			return e.at
		}
	}
	return end
}

// windowEnd is the last instant at which an attempt's window holds an event: with
// WindowSession that of the session's last event of the stream.
func (f *funnel) windowEnd(a attempt) weir.Micros {
	if !f.WindowSession {
		return a.start + f.Window
	}
	end := a.start
	if session := a.way.taken()[0].session; session != 0 {
		for _, e := range a.stream.events {
			if e.session == session {
				end = max(end, e.at)
			}
		}
	}
	return end
}

// forbidsNext reports whether an event behind a way keeps it from a step that could
// come next: the one after its last, or one after optional ones.
func (f *funnel) forbidsNext(w way, e *member) bool {
	for step := w.depth(); step < len(f.Steps); step++ {
		for i, x := range f.Exclude {
			if e.excludes[i] && x.After < step && step <= x.Before {
				return true
			}
		}
		if !f.optional(step) {
			break
		}
	}
	return false
}

// reaches reports whether a way has come as far as a step: no step up to it that is not
// optional is missing.
func (f *funnel) reaches(w way, step int) bool {
	for i := range step + 1 {
		if w[i] == nil && !f.Steps[i].Optional {
			return false
		}
	}
	return true
}

// left reports whether a stream of these attempts is out of the funnel: with
// LeaveFunnel, if an exclusion's event lies where it would forbid any of their ways.
func (f *funnel) left(attempts []attempt) bool {
	if !f.LeaveFunnel || f.Order == query.Unordered {
		return false
	}
	for _, a := range attempts {
		for i, x := range f.Exclude {
			if !f.reaches(a.way, x.After) {
				continue // it never came as far as the step
			}
			after := a.way.lastUpTo(x.After).at
			for _, e := range a.stream.events {
				inside := e.at <= f.windowEnd(a)
				if a.way.depth() > x.Before {
					inside = e.at < a.way.lastUpTo(x.Before).at
				}
				if e.excludes[i] && e.at > after && inside {
					return true
				}
			}
		}
	}
	return false
}
