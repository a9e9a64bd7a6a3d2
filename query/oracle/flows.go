package oracle

import (
	"cmp"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// visit is a node of a stream.
type visit struct {
	at   weir.Micros
	node string
}

// path is what a stream says: its nodes, and the step of the first of them.
type path struct {
	person uint32
	first  int
	visits []visit
	exits  bool // its last node goes on to ExitNode
}

// transition is an edge without its numbers.
type transition struct{ from, to query.Node }

// flows answers flows.
func (w *world) flows(f *query.Flows, x *query.Explain) *query.Answer {
	persons := map[uint32]bool{}
	lags := map[transition][]weir.Micros{} // an element for each path; of edges to the exit 0
	for _, p := range w.paths(f) {
		for _, t := range p.transitions() {
			lags[t.transition] = append(lags[t.transition], t.lag)
			if x != nil && (x.From == nil || *x.From == t.from) && (x.To == nil || *x.To == t.to) {
				persons[p.person] = true
			}
		}
	}
	if x != nil {
		return explained(persons)
	}
	edges := []query.Edge{}
	for t, all := range lags {
		e := query.Edge{From: t.from, To: t.to, Count: int64(len(all)), AvgSeconds: query.None}
		if t.to.Node != query.ExitNode {
			e.AvgSeconds, _ = averageAndMedian(all)
		}
		edges = append(edges, e)
	}
	byCount := func(a, b query.Edge) int { return cmp.Compare(b.Count, a.Count) }
	byStep := func(a, b query.Edge) int { return cmp.Compare(a.From.Step, b.From.Step) }
	byNodes := func(a, b query.Edge) int {
		return cmp.Or(cmp.Compare(a.From.Node, b.From.Node), cmp.Compare(a.To.Node, b.To.Node))
	}
	slices.SortFunc(edges, func(a, b query.Edge) int { return cmp.Or(byCount(a, b), byStep(a, b), byNodes(a, b)) })
	answer := &query.Answer{Edges: edges, Truncated: len(edges) > f.Limit}
	if answer.Truncated {
		answer.Edges = edges[:f.Limit]
	}
	slices.SortFunc(answer.Edges, func(a, b query.Edge) int { return cmp.Or(byStep(a, b), byCount(a, b), byNodes(a, b)) })
	return answer
}

// timed is a transition, and how long it took.
type timed struct {
	transition
	lag weir.Micros
}

// transitions are a path's edges.
func (p path) transitions() []timed {
	var all []timed
	for i, v := range p.visits {
		from := query.Node{Step: p.first + i, Node: v.node}
		switch {
		case i+1 < len(p.visits):
			next := p.visits[i+1]
			all = append(all, timed{transition{from, query.Node{Step: from.Step + 1, Node: next.node}}, next.at - v.at})
		case p.exits:
			all = append(all, timed{transition{from, query.Node{Step: from.Step + 1, Node: query.ExitNode}}, 0})
		}
	}
	return all
}

// paths are those of all streams.
func (w *world) paths(f *query.Flows) []path {
	streams := map[unit][]row{}
	for _, r := range w.matching(f.Match, f.Range) {
		who := unit{person: r.event.Person}
		if !f.PerUser {
			who.session = r.event.Session
		}
		streams[who] = append(streams[who], r)
	}
	var all []path
	for who, rows := range streams {
		slices.SortStableFunc(rows, byTime(nil))
		parts := [][]row{rows}
		if !f.PerUser && who.session == 0 {
			parts = apartBy(f.Gap, rows)
		}
		for _, part := range parts {
			p := pathOf(f, visitsOf(f, part))
			p.person = who.person
			all = append(all, p)
		}
	}
	return all
}

// apartBy divides rows, in order of time, where more than gap lies between two.
func apartBy(gap weir.Micros, rows []row) [][]row {
	var parts [][]row
	for i, r := range rows {
		if i == 0 || r.event.Time-rows[i-1].event.Time > gap {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], r)
	}
	return parts
}

// visitsOf are the nodes of a stream, in order.
func visitsOf(f *query.Flows, rows []row) []visit {
	var all []visit
	for _, r := range rows {
		node := text{of: r.event.Name}
		if f.Node != nil {
			node = r.text(*f.Node)
		}
		if !node.none && !slices.Contains(f.Exclude, node.of) {
			all = append(all, visit{r.event.Time, node.of})
		}
	}
	slices.SortFunc(all, func(a, b visit) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.node, b.node)) })
	return all
}

// pathOf is the path of a stream's nodes; it has none where a start or an end is
// asked for that is not there.
func pathOf(f *query.Flows, visits []visit) path {
	if f.Start != "" {
		first := slices.IndexFunc(visits, func(v visit) bool { return v.node == f.Start })
		if first < 0 {
			return path{}
		}
		visits = visits[first:]
	}
	if f.End != "" {
		last := len(visits) - 1
		for last >= 0 && visits[last].node != f.End {
			last--
		}
		visits = visits[:last+1]
	}
	p := path{first: 1, visits: visits}
	switch {
	case f.End != "" && f.Start == "":
		p.visits = visits[max(0, len(visits)-f.Steps):]
		p.first = f.Steps - len(p.visits) + 1
	case len(visits) > f.Steps:
		p.visits = visits[:f.Steps]
	}
	p.exits = f.End == "" && len(p.visits) < f.Steps
	return p
}
