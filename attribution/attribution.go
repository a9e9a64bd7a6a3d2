// Package attribution holds the rules of SEMANTICS §5: which visits and
// impressions led to a conversion, what channel each came by, what part it
// played, and how many of the conversion's cents each model gives it.
//
// The rules are functions of what they are given: the order of conversions and
// sessions does not matter, and every machine computes the same cents.
package attribution

import (
	"cmp"
	"slices"

	"github.com/weirhq/weir"
)

const day = weir.Micros(24 * 60 * 60 * 1e6)

// MaxTouches bounds the touches of a conversion: of more, the first and the last
// MaxTouches-1 count. No person has so many; programs that pose as one do, and
// must not make documents without end.
const MaxTouches = 1000

// Options are a workspace's settings. The zero value means the defaults.
type Options struct {
	// Lookback is how long before a conversion a touch may lie, that long
	// included. Default 30 days.
	Lookback weir.Micros
	// HalfLife is of the model time_decay. Default 7 days.
	HalfLife weir.Micros
	// AfterPrevious leaves out touches that are not later than the person's
	// previous conversion, of whatever goal. A session serves one conversion then:
	// one that began before the previous conversion does not count for the next,
	// even if that happens in it. Of conversions at the same instant none is
	// previous to another.
	AfterPrevious bool
}

// Window is Lookback with its default.
func (o Options) Window() weir.Micros { return o.orDefaults().Lookback }

func (o Options) orDefaults() Options {
	if o.Lookback <= 0 {
		o.Lookback = 30 * day
	}
	if o.HalfLife <= 0 {
		o.HalfLife = 7 * day
	}
	return o
}

// Attribute sets the touches of conversions and returns those whose touches are
// not what they were, in order of time. It takes all conversions and all
// sessions of one person, each once and in any order.
//
// The touches of a conversion are the person's sessions, sent or derived, that
// began within the look-back and not after the conversion, and the impressions
// of that time, of which only the first of the same source, medium and campaign
// counts. Those that begin at the same instant are in order of session ID. A
// cancelled conversion has no touches and is not previous to any; a session that
// has not begun (StartedAt 0) does not count.
func Attribute(conversions []*weir.Conversion, sessions []*weir.Session, channels *Channels, o Options) (changed []*weir.Conversion) {
	o = o.orDefaults()
	conversions = slices.Clone(conversions)
	slices.SortFunc(conversions, func(a, b *weir.Conversion) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID))
	})
	p := path{points: touchpoints(sessions), channels: channels, options: o}
	p.begin()
	var previous Previous
	for _, c := range conversions {
		var touches []weir.Touch
		if !c.Cancelled {
			touches = p.touches(c, previous.Of(c.At))
		}
		if !slices.EqualFunc(touches, c.Touches, same) {
			c.Touches = touches
			changed = append(changed, c)
		}
	}
	return changed
}

func same(a, b weir.Touch) bool {
	return a.Session == b.Session && a.At == b.At && a.Channel == b.Channel && a.Role == b.Role && slices.Equal(a.Credits, b.Credits)
}

// touchpoint is a session that may lead to conversions. What needs its source
// is found out once, when a conversion first asks.
type touchpoint struct {
	*weir.Session
	read    bool
	channel string
	direct  bool
	seen    Seen
}

func touchpoints(sessions []*weir.Session) []touchpoint {
	points := make([]touchpoint, 0, len(sessions))
	for _, s := range sessions {
		if s.Origin != weir.Attended && s.StartedAt > 0 {
			points = append(points, touchpoint{Session: s})
		}
	}
	slices.SortFunc(points, func(a, b touchpoint) int {
		return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return points
}

func (t *touchpoint) learn(channels *Channels) {
	if t.read {
		return
	}
	source := SourceOf(t.Session)
	t.read, t.channel, t.direct, t.seen = true, channels.Of(source), source.Direct(), SeenOf(source)
}

// path is a person's touchpoints in order, with memory for the work on one
// conversion after the other.
type path struct {
	points   []touchpoint
	channels *Channels
	options  Options
	all      Path // of points

	of      []int // places of those that count for the conversion
	times   []weir.Micros
	direct  []bool
	credits []int64
	sharer  sharer
}

func (p *path) begin() {
	p.all = Path{Times: make([]weir.Micros, len(p.points)), Seen: func(i int) Seen {
		p.points[i].learn(p.channels)
		return p.points[i].seen
	}}
	for i := range p.points {
		p.all.Times[i] = p.points[i].StartedAt
	}
}

// touches are those of one conversion; previous is the time of the one before it.
func (p *path) touches(c *weir.Conversion, previous weir.Micros) []weir.Touch {
	p.of = p.all.Touches(p.of[:0], c.At, previous, p.options)
	if len(p.of) == 0 {
		return nil
	}
	models, n := Models(), len(p.of)
	all := make([]int64, n*len(models))
	touches := make([]weir.Touch, n)
	p.times, p.direct = p.times[:0], p.direct[:0]
	for i, place := range p.of {
		t := &p.points[place]
		p.times, p.direct = append(p.times, t.StartedAt), append(p.direct, t.direct)
		touches[i] = weir.Touch{
			Session: t.Number, At: t.StartedAt, Channel: t.channel, Role: RoleOf(i, n),
			Credits: all[i*len(models) : (i+1)*len(models) : (i+1)*len(models)],
		}
	}
	p.credits = slices.Grow(p.credits[:0], n)[:n]
	for m, model := range models {
		p.sharer.credits(p.credits, c.Value, p.times, p.direct, c.At, model, p.options.HalfLife)
		for i, cents := range p.credits {
			touches[i].Credits[m] = cents
		}
	}
	return touches
}
