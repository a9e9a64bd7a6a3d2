package query

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// explain is the member explain, with the fields of a kind; nil if it is absent or
// something was wrong before.
func (p *parser) explain(n *node, fields ...string) *node {
	e := n.get("explain")
	if e == nil || p.fault != nil {
		return nil
	}
	p.fields(e, fields, nil)
	return e
}

// explainFunnel reads step, from 1, dropped (those who went no further than this
// step) and breakdown.
func (p *parser) explainFunnel(n *node, f *Funnel) *Explain {
	e := p.explain(n, "step", "dropped", "breakdown")
	if e == nil {
		return nil
	}
	x := &Explain{Step: p.whole(e, "step", 0, 1, len(f.Steps)) - 1, Dropped: p.flag(e, "dropped")}
	if x.Dropped && x.Step == len(f.Steps)-1 {
		p.fail(e.child("dropped"), "Nobody drops out at the last step; ask for an earlier step.")
	}
	x.Group = p.group(e, f.Breakdown != nil)
	if f.Breakdown != nil && x.Group == nil {
		p.fail(e.child("breakdown"), "breakdown is required: the group, as the answer names it, or null.")
	}
	return x
}

// explainRetention reads cohort, period and breakdown. Without period it asks for
// the whole cohort, without breakdown for the people of all groups.
func (p *parser) explainRetention(n *node, r *Retention) *Explain {
	e := p.explain(n, "cohort", "period", "breakdown")
	if e == nil {
		return nil
	}
	x := &Explain{Cohort: p.label(e, "cohort", r.Cohorts.Labels), Period: -1}
	if e.get("period") != nil {
		x.Period = p.whole(e, "period", 0, 0, r.Periods)
	}
	x.Group = p.group(e, r.Breakdown != nil)
	return x
}

// explainLifecycle reads bucket and state.
func (p *parser) explainLifecycle(n *node, l *Lifecycle) *Explain {
	e := p.explain(n, "bucket", "state")
	if e == nil {
		return nil
	}
	return &Explain{Bucket: p.label(e, "bucket", l.Buckets.Labels),
		State: p.choice(e, "state", "", []string{"new", "returning", "resurrected", "dormant"}, nil)}
}

// explainStickiness reads interval, one of the answer's intervals.
func (p *parser) explainStickiness(n *node, s *Stickiness) *Explain {
	e := p.explain(n, "interval")
	if e == nil {
		return nil
	}
	return &Explain{Intervals: p.whole(e, "interval", 0, 1, len(s.Buckets.Labels))}
}

// explainFlows reads from and to, the two ends of an edge.
func (p *parser) explainFlows(n *node, f *Flows) *Explain {
	e := p.explain(n, "from", "to")
	if e == nil {
		return nil
	}
	x := &Explain{From: p.end(e, "from", 1, f.Steps-1), To: p.end(e, "to", 2, f.Steps)}
	if p.fault == nil && x.To.Step != x.From.Step+1 {
		p.fail(e.child("to")+".step", "An edge goes from a step to the next; from.step is %d, so to.step must be %d.", x.From.Step, x.From.Step+1)
	}
	return x
}

// end is a node of an edge as the answer has it.
func (p *parser) end(n *node, name string, least, most int) *Node {
	v := n.get(name)
	if v == nil {
		p.fail(n.child(name), `%s is required: a node of the answer, {"step": …, "node": …}.`, name)
		return nil
	}
	p.fields(v, []string{"step", "node"}, nil)
	end := &Node{Step: p.whole(v, "step", 0, least, most)}
	text, given := p.text(v, "node", "")
	if !given {
		p.fail(v.child("node"), "node is required, as a string.")
	}
	end.Node = text
	return end
}

// explainDistribution reads bin, the place of a bin in the answer, from 0.
func (p *parser) explainDistribution(n *node, d *Distribution) *Explain {
	e := p.explain(n, "bin")
	if e == nil {
		return nil
	}
	return &Explain{Bin: p.whole(e, "bin", -1, 0, d.Bins-1)}
}

// label is the place of a member among the labels of buckets.
func (p *parser) label(n *node, name string, labels []string) int {
	word, given := p.text(n, name, "")
	i := slices.Index(labels, word)
	switch {
	case !given:
		p.fail(n.child(name), "%s is required: what the answer calls it, such as %q.", name, labels[0])
	case i < 0:
		p.fail(n.child(name), "There is no %s %q; they go from %q to %q.", name, clip(word), labels[0], labels[len(labels)-1])
	}
	return max(i, 0)
}

// group is the member breakdown: the text of a group, or null for the group
// without a value. It is nil if it is absent. Where the question has no breakdown
// it may only be null, as answers have it there, and is nil.
func (p *parser) group(n *node, divided bool) []*string {
	i := slices.Index(n.names, "breakdown")
	if i < 0 {
		return nil
	}
	v := n.values[i]
	switch {
	case v.kind != jsontext.KindNull && v.kind != jsontext.KindString:
		p.fail(v.path, "breakdown must be a string, the group as the answer names it, or null.")
	case !divided && v.kind == jsontext.KindString:
		p.fail(v.path, "The question has no breakdown; leave it out here too.")
	case divided && v.kind == jsontext.KindNull:
		return []*string{nil}
	case divided:
		return []*string{&v.text}
	}
	return nil
}
