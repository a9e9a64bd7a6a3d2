package journey

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// flowsOf is a question by session, of events of any name.
func flowsOf() *query.Flows {
	return &query.Flows{Range: wide, Steps: 5, Limit: 100, Gap: 30 * minuteLong}
}

// walk is a person's events, written "a b:20 c": a name, and how many minutes after
// the one before (10 if it is not said), in a session.
func walk(person, session uint32, text string) (all []deed) {
	at := clock("2026-10-05 10:00")
	for i, word := range strings.Fields(text) {
		name, minutes, said := strings.Cut(word, ":")
		if i > 0 || said {
			n := 10
			if said {
				fmt.Sscan(minutes, &n)
			}
			at += weir.Micros(n) * minuteLong
		}
		all = append(all, deed{person: person, at: at, name: name, session: session})
	}
	return all
}

// edges writes edges as "1 a>b 2 600": step, nodes, count and average, if there is one.
func edges(a *query.Answer) []string {
	lines := []string{}
	for _, e := range a.Edges {
		line := fmt.Sprintf("%d %s>%s %d", e.From.Step, e.From.Node, e.To.Node, e.Count)
		if e.To.Step != e.From.Step+1 {
			line += fmt.Sprint(" to step ", e.To.Step)
		}
		if e.AvgSeconds == e.AvgSeconds {
			line += fmt.Sprint(" ", float64(e.AvgSeconds))
		}
		lines = append(lines, line)
	}
	return lines
}

func wantEdges(t *testing.T, what string, deeds []deed, p *query.Flows, want ...string) {
	t.Helper()
	same(t, what, edges(ask(t, &diary{deeds: deeds}, &query.Plan{Flows: p})), append([]string{}, want...))
}

func TestFlowsCountTransitionsOfSessions(t *testing.T) {
	deeds := slices.Concat(walk(1, 1, "a b c"), walk(2, 2, "a b:20"), walk(2, 3, "a c"))
	wantEdges(t, "edges", deeds, flowsOf(),
		"1 a>b 2 900", "1 a>c 1 600", "2 b>$exit 1", "2 b>c 1 600", "2 c>$exit 1", "3 c>$exit 1")
}

func TestAFlowOfAllStepsHasNoExit(t *testing.T) {
	p := flowsOf()
	p.Steps = 3
	wantEdges(t, "edges", slices.Concat(walk(1, 1, "a b c"), walk(2, 2, "a b c d")), p, "1 a>b 2 600", "2 b>c 2 600")
	p.Steps = 1
	wantEdges(t, "edges of one step", walk(1, 1, "a b c"), p)
}

func TestInterleavedSessionsAreStreamsOfTheirOwn(t *testing.T) {
	deeds := slices.Concat(walk(1, 9, "a b"), walk(1, 4, "x:5 y"))
	wantEdges(t, "by session", deeds, flowsOf(), "1 a>b 1 600", "1 x>y 1 600", "2 b>$exit 1", "2 y>$exit 1")
	p := flowsOf()
	p.PerUser = true
	wantEdges(t, "by person", deeds, p, "1 a>x 1 300", "2 x>b 1 300", "3 b>y 1 300", "4 y>$exit 1")
}

func TestWithoutASessionAGapDividesAPersonsEvents(t *testing.T) {
	deeds := walk(1, 0, "a b:30 c:31")
	wantEdges(t, "edges", deeds, flowsOf(), "1 a>b 1 1800", "1 c>$exit 1", "2 b>$exit 1")
	p := flowsOf()
	p.Gap = 31 * minuteLong
	wantEdges(t, "with a longer gap", deeds, p, "1 a>b 1 1800", "2 b>c 1 1860", "3 c>$exit 1")
	p = flowsOf()
	p.PerUser = true
	wantEdges(t, "by person", deeds, p, "1 a>b 1 1800", "2 b>c 1 1860", "3 c>$exit 1")
	for i := range deeds {
		deeds[i].session = 1
	}
	wantEdges(t, "in a session", deeds, flowsOf(), "1 a>b 1 1800", "2 b>c 1 1860", "3 c>$exit 1")
}

func TestEventsOfASessionDoNotJoinThoseWithout(t *testing.T) {
	deeds := slices.Concat(walk(1, 0, "a b:40"), walk(1, 1, "x:20"))
	wantEdges(t, "edges", deeds, flowsOf(), "1 a>$exit 1", "1 b>$exit 1", "1 x>$exit 1")
}

func TestWhatIsLeftOutStillKeepsAVisitTogether(t *testing.T) {
	p := flowsOf()
	p.Exclude = []string{"x", "y"}
	wantEdges(t, "edges", walk(1, 0, "a x:20 b:20 y"), p, "1 a>b 1 2400", "2 b>$exit 1")
}

func TestNodesAreAPropertyAndWhatHasNoneIsLeftOut(t *testing.T) {
	page := func(name string) map[string]string { return map[string]string{"$page": name} }
	deeds := walk(1, 1, "view view ping view")
	deeds[0].props, deeds[1].props, deeds[3].props = page("/"), page(""), page("/buy")
	p := flowsOf()
	p.Node = new(onEvent("$page"))
	wantEdges(t, "edges", deeds, p, "1 /> 1 600", "2 >/buy 1 1200", "3 /buy>$exit 1")
	p.Match = query.Match{Events: []string{"view"}, Where: where("$page", "/", "/buy")}
	wantEdges(t, "edges of some pages", deeds, p, "1 />/buy 1 1800", "2 /buy>$exit 1")
}

func TestEventsOfOneTimeStandInOrderOfTheirText(t *testing.T) {
	for _, text := range []string{"x:0 c:5 a:0 b:0", "x:0 b:5 c:0 a:0"} {
		wantEdges(t, text, walk(1, 1, text), flowsOf(), "1 x>a 1 300", "2 a>b 1 0", "3 b>c 1 0", "4 c>$exit 1")
	}
}

func TestAFlowBeginsAtTheFirstStart(t *testing.T) {
	p := flowsOf()
	p.Start = "s"
	deeds := slices.Concat(walk(1, 1, "a s b s c"), walk(2, 2, "a b"))
	wantEdges(t, "edges", deeds, p, "1 s>b 1 600", "2 b>s 1 600", "3 s>c 1 600", "4 c>$exit 1")
	p.Steps = 2
	wantEdges(t, "first steps", deeds, p, "1 s>b 1 600")
}

func TestAFlowToAnEndIsTheLastStepsBeforeIt(t *testing.T) {
	p := flowsOf()
	p.End, p.Steps = "e", 3
	deeds := slices.Concat(walk(1, 1, "a b e c e d"), walk(2, 2, "c e"), walk(3, 3, "a b"), walk(4, 4, "e"))
	wantEdges(t, "edges", deeds, p, "1 e>c 1 600", "2 c>e 2 600")
}

func TestAFlowFromStartToEndIsTheFirstStepsOfIt(t *testing.T) {
	p := flowsOf()
	p.Start, p.End = "s", "e"
	deeds := slices.Concat(walk(1, 1, "e s a e s b e c"), walk(2, 2, "e s"), walk(3, 3, "s a"))
	wantEdges(t, "edges", deeds, p, "1 s>a 1 600", "2 a>e 1 600", "3 e>s 1 600", "4 s>b 1 600")
	p.Steps = 3
	wantEdges(t, "first steps", deeds, p, "1 s>a 1 600", "2 a>e 1 600")
	p.Steps, p.End = 9, "s"
	wantEdges(t, "from start to start", walk(1, 1, "a s b s c"), p, "1 s>b 1 600", "2 b>s 1 600")
	wantEdges(t, "one alone", walk(1, 1, "a s b"), p)
}

func TestTheHighestEdgesAreAnsweredByStep(t *testing.T) {
	var deeds []deed
	for i, text := range []string{"a b a", "a b a", "b c", "b a", "c a"} {
		deeds = append(deeds, walk(uint32(i), uint32(i+1), text)...)
	}
	p := flowsOf()
	all := []string{
		"1 a>b 2 600", "1 b>a 1 600", "1 b>c 1 600", "1 c>a 1 600",
		"2 a>$exit 2", "2 b>a 2 600", "2 c>$exit 1", "3 a>$exit 2",
	}
	wantEdges(t, "all", deeds, p, all...)
	for _, c := range []struct {
		limit int
		want  []string
	}{
		{5, []string{all[0], all[1], all[4], all[5], all[7]}},
		{3, []string{all[0], all[4], all[5]}},
		{8, all},
	} {
		p.Limit = c.limit
		a := ask(t, &diary{deeds: deeds}, &query.Plan{Flows: p})
		same(t, fmt.Sprint("the highest ", c.limit), edges(a), c.want)
		same(t, "truncated", a.Truncated, c.limit < 8)
	}
	if a := ask(t, &diary{}, &query.Plan{Flows: p}); a.Edges == nil || a.Truncated {
		t.Errorf("of nothing: %+v", a)
	}
}

func TestFlowsLookAtTheirRangeAlone(t *testing.T) {
	p := flowsOf()
	p.Range = query.Span{From: clock("2026-10-05 10:10"), To: clock("2026-10-05 10:30")}
	wantEdges(t, "edges", walk(1, 1, "a b c d"), p, "1 b>c 1 600", "2 c>$exit 1")
}

func TestANodeThatIsCalledExitIsTheExit(t *testing.T) {
	deeds := slices.Concat(walk(1, 1, "a $exit b"), walk(2, 2, "a"))
	wantEdges(t, "edges", deeds, flowsOf(), "1 a>$exit 2", "2 $exit>b 1 600", "3 b>$exit 1")
}

func TestTheMeanTimeIsExactBeyond64Bits(t *testing.T) {
	n := transitions{count: 4, high: 3, low: 1 << 63}
	if got, want := n.seconds(), query.Real(3.5*(1<<64)/4/1e6); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	f := newFlows(flowsOf(), nil).(*flows)
	for range 5 {
		f.count(0, flowNode{number: 1}, flowNode{number: 2}, 1<<62)
	}
	if got, want := f.totals[0].seconds(), query.Real(float64(1<<62)/1e6); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestExplainOfFlowsNamesWhoTookTheEdge(t *testing.T) {
	deeds := slices.Concat(walk(7, 1, "a b c"), walk(7, 2, "a b"), walk(2, 3, "a b"), walk(3, 4, "x a b"))
	node := func(step int, name string) *query.Node { return &query.Node{Step: step, Node: name} }
	for _, c := range []struct {
		from, to *query.Node
		want     []uint32
	}{
		{node(1, "a"), node(2, "b"), []uint32{2, 7}},
		{node(2, "a"), node(3, "b"), []uint32{3}},
		{node(2, "b"), node(3, query.ExitNode), []uint32{2, 7}},
		{node(2, "b"), node(3, "c"), []uint32{7}},
		{node(1, "a"), node(3, "b"), []uint32{}},
		{node(1, "b"), node(2, "a"), []uint32{}},
		{node(1, "a"), nil, []uint32{}},
	} {
		a := ask(t, &diary{deeds: deeds}, &query.Plan{Flows: flowsOf(), Explain: &query.Explain{From: c.from, To: c.to}})
		same(t, fmt.Sprint(c.from, c.to), a.Persons, c.want)
	}
}

// slowFlows counts the edges of each path, written as edges writes them.
func slowFlows(p *query.Flows, d *diary) []string {
	var all []deed
	for _, e := range d.deeds {
		if e.at >= p.Range.From && e.at < p.Range.To {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b deed) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.name, b.name)) })
	paths := map[[3]uint32][]deed{}
	lastAlone, alone := map[uint32]weir.Micros{}, map[uint32]uint32{}
	for _, e := range all {
		key := [3]uint32{e.person, e.session}
		if p.PerUser {
			key[1] = 0
		} else if e.session == 0 {
			if at, some := lastAlone[e.person]; some && e.at-at > p.Gap {
				alone[e.person]++
			}
			lastAlone[e.person], key[2] = e.at, alone[e.person]
		}
		if !slices.Contains(p.Exclude, e.name) {
			paths[key] = append(paths[key], e)
		}
	}
	counts, sums := map[query.Edge]int64{}, map[query.Edge]weir.Micros{}
	for _, path := range paths {
		first := 1
		if p.Start != "" {
			i := slices.IndexFunc(path, func(e deed) bool { return e.name == p.Start })
			if i < 0 {
				continue
			}
			path = path[i:]
		}
		if p.End != "" {
			for len(path) > 0 && path[len(path)-1].name != p.End {
				path = path[:len(path)-1]
			}
			if p.Start == "" {
				path = path[max(0, len(path)-p.Steps):]
				first = p.Steps - len(path) + 1
			}
		}
		path = path[:min(len(path), p.Steps)]
		if p.End == "" && len(path) > 0 && len(path) < p.Steps {
			path = append(slices.Clone(path), deed{name: query.ExitNode})
		}
		for i := range max(0, len(path)-1) {
			key := query.Edge{From: query.Node{Step: first + i, Node: path[i].name}, To: query.Node{Step: first + i + 1, Node: path[i+1].name}}
			counts[key]++
			sums[key] += path[i+1].at - path[i].at
		}
	}
	a := &query.Answer{}
	for e, count := range counts {
		sum := sums[e]
		e.Count, e.AvgSeconds = count, query.None
		if e.To.Node != query.ExitNode {
			e.AvgSeconds = query.Real(float64(sum) / float64(count) / 1e6)
		}
		a.Edges = append(a.Edges, e)
	}
	byNames := func(a, b query.Edge) int {
		return cmp.Or(cmp.Compare(a.From.Node, b.From.Node), cmp.Compare(a.To.Node, b.To.Node))
	}
	slices.SortFunc(a.Edges, func(a, b query.Edge) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.From.Step, b.From.Step), byNames(a, b))
	})
	a.Edges = a.Edges[:min(len(a.Edges), p.Limit)]
	slices.SortFunc(a.Edges, func(a, b query.Edge) int {
		return cmp.Or(cmp.Compare(a.From.Step, b.From.Step), cmp.Compare(b.Count, a.Count), byNames(a, b))
	})
	return edges(a)
}

func TestFlowsAreWhatLookingAtEachPathCounts(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for range 1000 {
		d := &diary{}
		for range random.IntN(50) {
			d.deeds = append(d.deeds, deed{
				person: random.Uint32N(4), at: clock("2026-10-05 10:00") + weir.Micros(random.Int64N(60))*7*minuteLong,
				name: string(rune('a' + random.IntN(4))), session: random.Uint32N(3),
			})
		}
		p := flowsOf()
		p.Range.To = clock("2026-10-05 15:00")
		p.Steps, p.Limit, p.PerUser = 1+random.IntN(5), 1+random.IntN(20), random.IntN(2) == 0
		p.Start, p.End = []string{"", "a"}[random.IntN(2)], []string{"", "a", "b"}[random.IntN(3)]
		if random.IntN(3) == 0 {
			p.Exclude = []string{"c"}
		}
		same(t, fmt.Sprintf("%+v of %+v", p, d.deeds), edges(ask(t, d, &query.Plan{Flows: p})), slowFlows(p, d))
		if t.Failed() {
			return
		}
	}
}

func BenchmarkFlows(b *testing.B) {
	for _, c := range []struct {
		name   string
		change func(*query.Flows)
	}{
		{"session", func(*query.Flows) {}},
		{"user", func(p *query.Flows) { p.PerUser = true }},
		{"end", func(p *query.Flows) { p.End = "/page/000" }},
	} {
		p := flowsOf()
		c.change(p)
		b.Run(c.name, func(b *testing.B) { benchFold(b, &query.Plan{Flows: p}) })
	}
}
