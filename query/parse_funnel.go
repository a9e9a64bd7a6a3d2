package query

import (
	"math"
	"strconv"
	"strings"

	"github.com/weirhq/weir"
)

// Limits of one funnel.
const (
	MaxExclusions = 10
	MaxHeld       = 5            // properties of hold_constant
	MaxWindow     = 3_660 * aDay // about ten years
	MaxGrace      = 3_600        // seconds
)

const (
	aSecond weir.Micros = 1e6
	anHour              = 3_600 * aSecond
	aDay                = 24 * anHour
)

// preset is what a product that people come from has where a question says
// nothing.
type preset struct {
	window weir.Micros
	grace  float64 // seconds; only where the question allows grace
	effect string
}

func (p *parser) preset(n *node) preset {
	set := preset{window: 14 * aDay, effect: "end_attempt"}
	switch p.choice(n, "preset", "weir", []string{"weir", "mixpanel", "amplitude", "posthog"}, nil) {
	case "mixpanel":
		set.grace = 2
	case "amplitude":
		set.window, set.grace = aDay, 1
	case "posthog":
		set.effect = "leave_funnel"
	}
	return set
}

func (p *parser) funnel(n *node) *Funnel {
	p.fields(n, []string{"kind", "preset", "from", "to", "timezone", "week_starts", "filters", "steps", "window", "order", "entry",
		"counting", "grace_seconds", "ties", "exclude", "exclude_effect", "hold_constant", "breakdown", "series_by", "explain"}, nil)
	p.timezone(n)
	set := p.preset(n)
	question := p.where(n)
	f := &Funnel{Range: p.span(n), Steps: p.steps(n, question)}
	f.Window, f.WindowSession = p.window(n, set.window)
	f.Order = Order(p.which(n, "order", "ordered", "ordered", "strict", "unordered"))
	f.Entry = Entry(p.which(n, "entry", "best", "best", "first", "latest"))
	f.Counting = Counting(p.which(n, "counting", "users", "users", "totals", "sessions"))
	f.TiesStrict = p.which(n, "ties", "step_order", "step_order", "strict") == 1
	f.Grace = p.grace(n, set.grace, f)
	if f.Order == Strict {
		f.Others = Match{Where: question}
	}
	f.Exclude = p.exclusions(n, question, len(f.Steps))
	effect := p.choice(n, "exclude_effect", set.effect, []string{"end_attempt", "leave_funnel"}, nil)
	f.LeaveFunnel = effect == "leave_funnel" && len(f.Exclude) > 0
	for _, name := range p.names(n, "hold_constant", 0, MaxHeld, MaxName) {
		f.HoldConstant = append(f.HoldConstant, Ref{On: OnEvent, Name: name})
	}
	f.Breakdown = p.funnelBreakdown(n, len(f.Steps))
	f.By = p.seriesBy(n, f)
	p.unordered(n, f)
	return f
}

func (p *parser) steps(n *node, question Predicate) []Step {
	list := p.list(n, "steps")
	if len(list) < 2 || len(list) > MaxSteps {
		p.fail(n.child("steps"), "steps must be a list of 2 to %d steps.", MaxSteps)
		return nil
	}
	steps := make([]Step, 0, len(list))
	for i, one := range list {
		p.fields(one, []string{"event", "filters", "optional"}, nil)
		s := Step{Name: AnyEvent, Match: p.match(one, question), Optional: p.flag(one, "optional")}
		if len(s.Events) > 0 {
			s.Name = strings.Join(s.Events, ", ")
		}
		if i == 0 && s.Optional {
			p.fail(one.child("optional"), "The first step must not be optional: it is where people enter.")
		}
		steps = append(steps, s)
	}
	return steps
}

// window reads how long a way may take, or that it must stay in one session.
func (p *parser) window(n *node, fallback weir.Micros) (width weir.Micros, session bool) {
	w := n.get("window")
	if w == nil {
		return fallback, false
	}
	p.fields(w, []string{"value", "unit"}, nil)
	unit := p.choice(w, "unit", "", []string{"second", "minute", "hour", "day", "week", "month", "session"}, nil)
	if unit == "session" {
		if p.whole(w, "value", 1, 1, math.MaxInt32) != 1 {
			p.fail(w.child("value"), "The window is one session; leave value out.")
		}
		return 0, true
	}
	units := map[string]weir.Micros{"second": aSecond, "minute": 60 * aSecond, "hour": anHour, "day": aDay, "week": 7 * aDay, "month": 30 * aDay}
	one := max(units[unit], aSecond) // there is no unit after an error
	return weir.Micros(p.whole(w, "value", 0, 1, int(MaxWindow/one))) * one, false
}

// grace reads grace_seconds. Where it may not be, the preset's does not apply.
func (p *parser) grace(n *node, fallback float64, f *Funnel) weir.Micros {
	v := n.get("grace_seconds")
	if v == nil {
		if f.TiesStrict || f.Order == Unordered {
			return 0
		}
		return weir.Micros(fallback * float64(aSecond))
	}
	seconds, ok := v.number()
	switch {
	case !ok || seconds < 0 || seconds > MaxGrace:
		p.fail(v.path, "grace_seconds must be a number from 0 to %d.", MaxGrace)
		return 0
	case seconds > 0 && f.TiesStrict:
		p.fail(v.path, `With ties "strict" each step is later than the one before it; leave grace_seconds out.`)
	case seconds > 0 && f.Order == Unordered:
		p.fail(v.path, `With order "unordered" there is no order that grace_seconds could relax; leave it out.`)
	}
	return weir.Micros(math.Round(seconds * float64(aSecond)))
}

// exclusions reads what may not happen between two steps, which a question numbers
// from 1.
func (p *parser) exclusions(n *node, question Predicate, steps int) []Exclusion {
	list := p.list(n, "exclude")
	if len(list) > MaxExclusions {
		p.fail(n.child("exclude"), "exclude may have %d exclusions.", MaxExclusions)
		return nil
	}
	var all []Exclusion
	for _, one := range list {
		p.fields(one, []string{"event", "filters", "from_step", "to_step"}, nil)
		x := Exclusion{Match: p.match(one, question)}
		x.After = p.whole(one, "from_step", 1, 1, steps) - 1
		x.Before = p.whole(one, "to_step", steps, 1, steps) - 1
		if p.fault == nil && x.After >= x.Before {
			path := one.child("to_step")
			if one.get("to_step") == nil {
				path = one.child("from_step")
			}
			p.fail(path, "from_step must be a step before to_step; they are %d and %d.", x.After+1, x.Before+1)
		}
		all = append(all, x)
	}
	return all
}

// unordered refuses what has no meaning without an order.
func (p *parser) unordered(n *node, f *Funnel) {
	if p.fault != nil || f.Order != Unordered {
		return
	}
	for i, s := range f.Steps {
		if s.Optional {
			p.fail(n.get("steps").values[i].child("optional"), `With order "unordered" no step is optional; leave optional out.`)
		}
	}
	if f.TiesStrict {
		p.fail(n.child("ties"), `With order "unordered" ties cannot be "strict"; leave ties out.`)
	}
	if len(f.Exclude) > 0 {
		p.fail(n.child("exclude"), `With order "unordered" nothing lies between two steps; leave exclude out.`)
	}
}

// funnelBreakdown reads breakdown. A person has one value of a property, whichever
// step is looked at, so that its attribution has no meaning with on "user".
func (p *parser) funnelBreakdown(n *node, steps int) *FunnelBreakdown {
	one := n.get("breakdown")
	if one == nil {
		return nil
	}
	b := &FunnelBreakdown{Breakdown: p.groups(one, "attribution")}
	word, _ := p.text(one, "attribution", "first_touch")
	step, numbered := strings.CutPrefix(word, "step:")
	switch {
	case numbered:
		k, err := strconv.Atoi(step)
		if err != nil || k < 1 || k > steps || strconv.Itoa(k) != step {
			p.fail(one.child("attribution"), "attribution must name one of the steps, step:1 to step:%d; it is %q.", steps, clip(word))
		}
		b.Attribution, b.AtStep = TouchStep, k-1
	case word == "last_touch":
		b.Attribution = LastTouch
	case word == "all_steps":
		b.Attribution = AllSteps
	case word != "first_touch":
		p.fail(one.child("attribution"), "attribution must be one of first_touch, last_touch, step:N, all_steps; it is %q.", clip(word))
	}
	if b.By.On == OnUser {
		b.Attribution, b.AtStep = FirstTouch, 0
	}
	return b
}

// seriesBy reads the interval of conversion over time.
func (p *parser) seriesBy(n *node, f *Funnel) *Buckets {
	if n.get("series_by") == nil {
		return nil
	}
	c := p.calendar(n, "series_by", intervals())
	b := p.divided(n, "series_by", c, f.Range, c.Divide)
	var groups *Breakdown
	if f.Breakdown != nil {
		groups = &f.Breakdown.Breakdown
	}
	p.cells(n, "series_by", len(b.Labels)*len(f.Steps), groups)
	return &b
}
