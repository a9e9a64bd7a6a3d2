package journey

import (
	"math/bits"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// funnel counts how far people come. A person's events are divided into streams and,
// if the window is a session, those into parts; each part is asked for its ways:
//
//   - funnel_walk.go takes every step at the first event that may be it. That is
//     right if only the order of the steps matters;
//   - funnel_search.go finds ways by the definition, whatever the options;
//   - funnel_set.go is for steps in any order.
type funnel struct {
	plan    *query.Funnel
	explain *query.Explain
	funnelRules

	// Of the person at hand; used again.
	who     Person
	texts   *Texts
	streams division
	keys    heldKeys
	unit    []unitWay
	groups  map[int32]int // place in unit by group, if the unit has several streams

	// Of the stream at hand; used again.
	events   []Event
	excluded [][]weir.Micros // of each exclusion: when its events are
	others   []int32         // with Strict: the events of Others
	simple   bool            // the order of the steps is all that matters
	sessions division
	parts    []funnelPart
	search   funnelSearch
	match    stepMatch

	tally funnelTally
}

// funnelRules are a plan as the finders of ways need it. Bit i of marks is step i;
// the exclusions come after the steps.
type funnelRules struct {
	steps    int
	all      uint32 // the marks of all steps
	optional uint32
	anySteps bool // Unordered
	strict   bool
	distinct bool // TiesStrict
	grace    weir.Micros
	exclude  []query.Exclusion
	other    uint32 // the mark of Others
	// anchors has for each step the exclusions whose event After may be taken for it
	// in a way, bit by bit: no step between it and After must be in the way.
	anchors [query.MaxSteps]uint32
}

// unitWay is a way that may count for a person or a session in a group.
type unitWay struct {
	group int32
	way   funnelWay
}

const (
	minTime = query.TimeMin
	maxTime = query.TimeMax
)

func newFunnel(p *query.Funnel, explain *query.Explain) fold {
	f := &funnel{plan: p, explain: explain}
	f.steps = len(p.Steps)
	f.all = 1<<f.steps - 1
	f.anySteps = p.Order == query.Unordered
	if !f.anySteps {
		f.strict, f.distinct, f.exclude = p.Order == query.Strict, p.TiesStrict, p.Exclude
		if !p.TiesStrict {
			f.grace = p.Grace
		}
		for i, s := range p.Steps[1:] {
			if s.Optional {
				f.optional |= 2 << i
			}
		}
	}
	for i, x := range f.exclude {
		for step := x.After; step >= 0; step-- {
			f.anchors[step] |= 1 << i
			if f.optional>>step&1 == 0 {
				break
			}
		}
	}
	if f.strict {
		f.other = 1 << (f.steps + len(f.exclude))
	}
	f.excluded = make([][]weir.Micros, len(f.exclude))
	f.tally = newFunnelTally(p, explain)
	return f
}

// request asks for step 1 in the range, and for the rest where an attempt that
// started in it may reach. With a session as the window that has no end.
func (f *funnel) request() *Request {
	p := f.plan
	end := maxTime
	if !p.WindowSession && p.Window < maxTime-p.Range.To {
		end = p.Range.To + p.Window
	}
	behind := query.Span{From: p.Range.From, To: end}
	around := query.Span{From: p.Range.From - f.grace, To: end}
	r := &Request{Sessions: p.WindowSession || p.Counting == query.CountSessions}
	for i, s := range p.Steps {
		span := around
		if i == 0 && !f.anySteps {
			span = p.Range
		}
		r.Marks = append(r.Marks, Mark{Match: s.Match, Span: span})
	}
	for _, x := range f.exclude {
		span := around
		if x.After == 0 {
			span = behind
		}
		r.Marks = append(r.Marks, Mark{Match: x.Match, Span: span})
	}
	if f.strict {
		r.Marks = append(r.Marks, Mark{Match: p.Others, Span: around})
	}
	// An attempt that fails ends with the last event of its session, whichever that is.
	if p.WindowSession && (p.Counting == query.CountTotals || p.LeaveFunnel) && len(r.Marks) < MaxMarks {
		r.Marks = append(r.Marks, Mark{Span: behind})
	}
	if f.ofEvent() {
		r.Texts = append(r.Texts, p.Breakdown.By)
	}
	for _, h := range p.HoldConstant {
		if h.On != query.OnUser { // who has one value all along
			r.Texts = append(r.Texts, h)
		}
	}
	return r
}

// ofEvent reports whether the breakdown's value is that of an event.
func (f *funnel) ofEvent() bool {
	return f.plan.Breakdown != nil && f.plan.Breakdown.By.On != query.OnUser
}

func (f *funnel) trait() *query.Ref {
	if b := f.plan.Breakdown; b != nil && b.By.On == query.OnUser {
		return &b.By
	}
	return nil
}

func (f *funnel) add(who Person, events []Event, t *Texts) {
	f.who, f.texts = who, t
	first, last := f.heldTexts()
	bySession := f.plan.Counting == query.CountSessions
	if first == last && !bySession {
		f.stream(events, false)
		return
	}
	f.keys.of(t, first, last)
	f.streams.divide(events, func(e *Event) (uint64, bool) {
		key := uint64(0)
		if first < last {
			key = uint64(f.keys.key(e.Values))
		}
		if bySession {
			key |= uint64(e.Session) << 32
		}
		return key, e.Session != 0 || !bySession
	})
	for f.streams.next() {
		// Streams of one person, or session, stand one after the other.
		if f.streams.key>>32 != f.streams.before>>32 {
			f.settle()
		}
		f.stream(f.streams.run, first < last)
	}
	f.settle()
}

// heldTexts are the first of the texts by which streams are divided, and the end of
// them.
func (f *funnel) heldTexts() (first, last int) {
	if f.ofEvent() {
		last = 1
		if f.plan.Breakdown.Attribution != query.AllSteps {
			first = 1
		}
	}
	for _, h := range f.plan.HoldConstant {
		if h.On != query.OnUser {
			last++
		}
	}
	return first, last
}

// stream counts a stream's ways; if it is one of several of a unit, settle does.
func (f *funnel) stream(events []Event, several bool) {
	f.prepare(events)
	if len(f.exclude) > 0 && f.plan.LeaveFunnel && f.leaves() {
		return
	}
	var w funnelWay
	switch {
	case f.plan.Counting == query.CountTotals:
		for after := minTime; f.nextAttempt(after, false, &w); after = f.endOf(&w) {
			f.tally.count(f.who.Number, f.group(&w), &w)
		}
	case !f.counted(&w):
	case several:
		f.keep(f.group(&w), &w)
	default:
		f.tally.count(f.who.Number, f.group(&w), &w)
	}
}

// prepare takes a stream for the finders.
func (f *funnel) prepare(events []Event) {
	f.events = events
	f.simple = !f.strict && f.optional == 0 && !f.anySteps
	f.search.left = searchLimit
	if f.strict {
		f.others = f.others[:0]
		for i := range events {
			if events[i].Marks&f.other != 0 {
				f.others = append(f.others, int32(i))
			}
		}
	}
	if len(f.exclude) > 0 {
		for i := range f.excluded {
			f.excluded[i] = f.excluded[i][:0]
		}
		marks := (uint32(1)<<len(f.exclude) - 1) << f.steps
		for i := range events {
			for m := events[i].Marks & marks; m != 0; m &= m - 1 {
				x := bits.TrailingZeros32(m) - f.steps
				f.excluded[x] = append(f.excluded[x], events[i].At)
				f.simple = false
			}
		}
	}
	f.divideParts()
}

// keep notes a way of one of several streams of a unit: of those of the same group
// one counts.
func (f *funnel) keep(group int32, w *funnelWay) {
	if f.groups == nil {
		f.groups = map[int32]int{}
	}
	place, ok := f.groups[group]
	switch {
	case !ok:
		f.groups[group] = len(f.unit)
		f.unit = append(f.unit, unitWay{group, *w})
	case f.better(w, &f.unit[place].way):
		f.unit[place].way = *w
	}
}

// settle counts the ways of a unit.
func (f *funnel) settle() {
	if len(f.unit) == 0 {
		return
	}
	for i := range f.unit {
		f.tally.count(f.who.Number, f.unit[i].group, &f.unit[i].way)
	}
	f.unit = f.unit[:0]
	clear(f.groups)
}

// group is the number of a way's group: of the person's trait, or of the text of the
// event that says it.
func (f *funnel) group(w *funnelWay) int32 {
	b := f.plan.Breakdown
	switch {
	case b == nil:
		return 0
	case b.By.On == query.OnUser:
		return f.who.Trait
	}
	value := func(step int) int32 { return f.texts.Of(f.events[w.event[step]].Values, 0) }
	switch b.Attribution {
	case query.AllSteps:
		return value(0)
	case query.TouchStep:
		if w.taken>>b.AtStep&1 == 0 {
			return NoText
		}
		return value(b.AtStep)
	}
	group := int32(NoText)
	for m := w.taken; m != 0; m &= m - 1 {
		if v := value(bits.TrailingZeros32(m)); v != NoText {
			group = v
			if b.Attribution == query.FirstTouch {
				break
			}
		}
	}
	return group
}

func (f *funnel) answer(t *Texts) *query.Answer { return f.tally.answer(t) }
