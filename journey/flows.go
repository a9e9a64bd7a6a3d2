package journey

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// flows counts the transitions of paths. Nodes have numbers of the fold's own: one more
// than that of the text among Event.Values. So the texts are looked at once each, and
// not for every event.
type flows struct {
	plan    *query.Flows
	explain *query.Explain
	known   []flowNode         // by number, less one
	exit    flowNode           // the node that paths end in
	edges   []map[uint64]int32 // by step, from 0, and edgeKey: the place in totals
	totals  []transitions
	persons []uint32 // with explain

	// Of the person at hand; used again.
	visits []visit
	path   []visit
	asked  bool // explain asks for one of the person's transitions
}

// flowNumber is the number of a node.
type flowNumber int32

const (
	flowExit    flowNumber = 0
	flowLeftOut flowNumber = -1 // no node, or an excluded one
)

// flowNode is what is known of a node.
type flowNode struct {
	number flowNumber
	is     flowRole
}

// flowRole are the parts that a node can play.
type flowRole uint8

const (
	flowKnown flowRole = 1 << iota // the others are decided
	flowStart
	flowEnd
	flowFrom // explain asks for an edge from it
	flowTo   // and to it
)

// visit is an event of a path.
type visit struct {
	at      weir.Micros
	session uint32
	flowNode
}

// transitions are those of one edge.
type transitions struct {
	count int64
	// The time between in microseconds, of 128 bits: a million paths of a year are
	// more than 64 hold.
	high, low uint64
}

func newFlows(p *query.Flows, explain *query.Explain) fold {
	f := &flows{plan: p, explain: explain, persons: []uint32{}}
	f.edges = make([]map[uint64]int32, p.Steps)
	for i := range f.edges {
		f.edges[i] = map[uint64]int32{}
	}
	f.exit = flowNode{flowExit, f.explainRole(query.ExitNode)}
	return f
}

func (f *flows) request() *Request {
	node := EventName
	if f.plan.Node != nil {
		node = *f.plan.Node
	}
	return &Request{Marks: []Mark{{Match: f.plan.Match, Span: f.plan.Range}}, Texts: []query.Ref{node}, Sessions: !f.plan.PerUser}
}

func (f *flows) trait() *query.Ref { return nil }

// add relies on the order of a person's events: those of the same time stand by their
// only text, which is the node's.
func (f *flows) add(who Person, events []Event, t *Texts) {
	f.visits = f.visits[:0]
	ordered := true
	for i := range events {
		e := &events[i]
		v := visit{at: e.At, session: e.Session, flowNode: f.node(e.Values, t)}
		if f.plan.PerUser {
			v.session = 1 // one stream
		}
		ordered = ordered && (i == 0 || f.visits[i-1].session <= v.session)
		f.visits = append(f.visits, v)
	}
	if !ordered {
		slices.SortStableFunc(f.visits, func(a, b visit) int { return cmp.Compare(a.session, b.session) })
	}
	f.asked = false
	start := 0
	for i := 1; i <= len(f.visits); i++ {
		if i == len(f.visits) || f.divides(&f.visits[i-1], &f.visits[i]) {
			f.stream(f.visits[start:i])
			start = i
		}
	}
	if f.asked {
		f.persons = append(f.persons, who.Number)
	}
}

// divides reports whether a stream ends between two events that follow one another.
func (f *flows) divides(a, b *visit) bool {
	if a.session != b.session {
		return true
	}
	return a.session == 0 && b.at-a.at > f.plan.Gap
}

// node is that of an event with such values.
func (f *flows) node(values int32, t *Texts) flowNode {
	if int(values) >= len(f.known) {
		f.known = slices.Grow(f.known, int(values)+1-len(f.known))[:values+1]
	}
	n := &f.known[values]
	if n.is&flowKnown == 0 {
		*n = f.decide(values, t)
	}
	return *n
}

// decide looks at the text of a node.
func (f *flows) decide(values int32, t *Texts) flowNode {
	leftOut := flowNode{flowLeftOut, flowKnown}
	number := t.Of(values, 0)
	if number == NoText {
		return leftOut
	}
	text := t.Text(number)
	if slices.Contains(f.plan.Exclude, text) {
		return leftOut
	}
	n := flowNode{flowNumber(values) + 1, flowKnown | f.explainRole(text)}
	if text == query.ExitNode {
		n.number = flowExit // the answer could not tell them apart
	}
	if text == f.plan.Start {
		n.is |= flowStart
	}
	if text == f.plan.End {
		n.is |= flowEnd
	}
	return n
}

// explainRole says whether explain asks for an edge from or to a node.
func (f *flows) explainRole(text string) flowRole {
	e, role := f.explain, flowRole(0)
	if e == nil || e.From == nil || e.To == nil || e.To.Step != e.From.Step+1 {
		return role
	}
	if e.From.Node == text {
		role |= flowFrom
	}
	if e.To.Node == text {
		role |= flowTo
	}
	return role
}

// stream counts the path of a stream.
func (f *flows) stream(visits []visit) {
	f.path = f.path[:0]
	started := f.plan.Start == ""
	end := 0 // of the path, behind the last node at which it may end
	for i := range visits {
		v := &visits[i]
		if v.number == flowLeftOut {
			continue
		}
		if !started && v.is&flowStart == 0 {
			continue
		}
		started = true
		f.path = append(f.path, *v)
		if v.is&flowEnd != 0 {
			end = len(f.path)
		}
		if f.plan.End == "" && len(f.path) == f.plan.Steps {
			break // the rest is of no path
		}
	}
	path, first := f.path, 0
	if f.plan.End != "" {
		path = path[:end]
	}
	switch {
	case f.plan.End != "" && f.plan.Start == "":
		path = path[max(0, end-f.plan.Steps):]
		first = f.plan.Steps - len(path)
	case len(path) > f.plan.Steps:
		path = path[:f.plan.Steps]
	}
	for i := 1; i < len(path); i++ {
		f.count(first+i-1, path[i-1].flowNode, path[i].flowNode, path[i].at-path[i-1].at)
	}
	if n := len(path); f.plan.End == "" && n > 0 && n < f.plan.Steps {
		f.count(n-1, path[n-1].flowNode, f.exit, 0)
	}
}

// count counts a transition at a step, from 0.
func (f *flows) count(step int, from, to flowNode, between weir.Micros) {
	key := edgeKey(from.number, to.number)
	place, ok := f.edges[step][key]
	if !ok {
		place = int32(len(f.totals))
		f.edges[step][key] = place
		f.totals = append(f.totals, transitions{})
	}
	edge := &f.totals[place]
	edge.count++
	var carry uint64
	edge.low, carry = bits.Add64(edge.low, uint64(between), 0)
	edge.high += carry
	if from.is&flowFrom != 0 && to.is&flowTo != 0 && step+1 == f.explain.From.Step {
		f.asked = true
	}
}

// edgeKey is two nodes as one number, which a map finds faster than a pair.
func edgeKey(from, to flowNumber) uint64 { return uint64(from)<<32 | uint64(to) }

// seconds is the mean time between.
func (n *transitions) seconds() query.Real {
	sum := float64(n.low)
	if n.high > 0 {
		sum += float64(n.high) * (1 << 64)
	}
	return query.Real(sum / (float64(n.count) * 1e6))
}

// rankedEdge is an edge with the places of its nodes in the order of their texts.
type rankedEdge struct {
	step, from, to int
	*transitions
}

func (f *flows) answer(t *Texts) *query.Answer {
	if f.explain != nil {
		slices.Sort(f.persons)
		return &query.Answer{Persons: f.persons}
	}
	texts, rank := f.rankedNodes(t)
	var edges []rankedEdge
	for step, of := range f.edges {
		for key, place := range of {
			edges = append(edges, rankedEdge{step, rank[key>>32], rank[uint32(key)], &f.totals[place]})
		}
	}
	slices.SortFunc(edges, func(a, b rankedEdge) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.step, b.step), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	a := &query.Answer{Edges: []query.Edge{}}
	if len(edges) > f.plan.Limit {
		edges, a.Truncated = edges[:f.plan.Limit], true
	}
	// Within a step they are in order already.
	slices.SortStableFunc(edges, func(a, b rankedEdge) int { return cmp.Compare(a.step, b.step) })
	for _, e := range edges {
		edge := query.Edge{
			From: query.Node{Step: e.step + 1, Node: texts[e.from]}, To: query.Node{Step: e.step + 2, Node: texts[e.to]},
			Count: e.count, AvgSeconds: query.None,
		}
		if edge.To.Node != query.ExitNode {
			edge.AvgSeconds = e.seconds()
		}
		a.Edges = append(a.Edges, edge)
	}
	return a
}

// rankedNodes is the texts of all nodes in their order, and by number the place in it.
func (f *flows) rankedNodes(t *Texts) (texts []string, rank []int) {
	type named struct {
		number flowNumber
		text   string
	}
	nodes := []named{{flowExit, query.ExitNode}}
	for values, n := range f.known {
		if n.number > flowExit {
			nodes = append(nodes, named{n.number, t.Text(t.Of(int32(values), 0))})
		}
	}
	slices.SortFunc(nodes, func(a, b named) int { return strings.Compare(a.text, b.text) })
	texts, rank = make([]string, len(nodes)), make([]int, len(f.known)+1)
	for i, n := range nodes {
		texts[i], rank[n.number] = n.text, i
	}
	return texts, rank
}
