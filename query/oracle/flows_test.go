package oracle_test

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

func flows(t testing.TB, change ...func(*query.Flows)) query.Plan {
	f := &query.Flows{Range: span(t, "10-01T0:00", "11-01T0:00"), Steps: 5, Limit: 100, Gap: 30 * minute}
	for _, c := range change {
		c(f)
	}
	return query.Plan{Flows: f}
}

func perUser(f *query.Flows) { f.PerUser = true }

func ends(start, end string) func(*query.Flows) {
	return func(f *query.Flows) { f.Start, f.End = start, end }
}

func steps(n int) func(*query.Flows) { return func(f *query.Flows) { f.Steps = n } }

// edges writes flows: "1 a → b: 2 60s".
func edges(plan query.Plan, events []weir.Event) []string {
	var out []string
	for _, e := range oracle.Ask(&plan, events, nil).Edges {
		text := fmt.Sprintf("%d %s → %s: %d", e.From.Step, e.From.Node, e.To.Node, e.Count)
		if e.To.Step != e.From.Step+1 {
			text += " to a wrong step"
		}
		if e.AvgSeconds == e.AvgSeconds {
			text += fmt.Sprintf(" %vs", e.AvgSeconds)
		}
		out = append(out, text)
	}
	return out
}

func TestWorkedExampleFlows(t *testing.T) {
	events := story(t,
		"1: a 0:00 session=1, b 0:01 session=1, c 0:03 session=1, a 5:00 session=2, b 5:03 session=2",
		"2: b 0:00 session=3, a 0:01 session=3",
		"3: a 9-30T23:59 session=4, c 0:00 session=4, z 11-01T0:00 session=4")
	plan := flows(t)
	lookAlike(t, edges(plan, events), "1 a → b: 2 120s", "1 b → a: 1 60s", "1 c → $exit: 1",
		"2 a → $exit: 1", "2 b → $exit: 1", "2 b → c: 1 120s", "3 c → $exit: 1")
	node := func(step int, name string) *query.Node { return &query.Node{Step: step, Node: name} }
	for _, c := range []struct {
		from, to *query.Node
		want     string
	}{{node(1, "a"), node(2, "b"), "[1]"}, {node(1, "b"), node(2, "a"), "[2]"}, {node(1, "c"), node(2, "$exit"), "[3]"}, {node(2, "a"), node(3, "b"), "[]"}, {node(2, "b"), node(3, "$exit"), "[1]"}, {node(2, "a"), node(3, "$exit"), "[2]"}, {nil, nil, "[1 2 3]"}} {
		if got := persons(plan, events, nil, query.Explain{From: c.from, To: c.to}); got != c.want {
			t.Errorf("%v → %v: %s, want %s", c.from, c.to, got, c.want)
		}
	}
	// A path of as many nodes as there are steps does not go on to the exit.
	lookAlike(t, edges(flows(t, steps(2)), events), "1 a → b: 2 120s", "1 b → a: 1 60s", "1 c → $exit: 1")
	some := flows(t, func(f *query.Flows) { f.Match = match("a", "c") })
	lookAlike(t, edges(some, events), "1 a → $exit: 2", "1 a → c: 1 180s", "1 c → $exit: 1", "2 c → $exit: 1")
}

// Without sessions a gap begins another stream; by user it does not.
func TestWorkedExampleFlowStreams(t *testing.T) {
	events := story(t, "1: a 0:00, b 0:30, c 1:00:01, d 1:10 session=1, e 1:11 session=2")
	lookAlike(t, edges(flows(t), events), "1 a → b: 1 1800s", "1 c → $exit: 1", "1 d → $exit: 1", "1 e → $exit: 1", "2 b → $exit: 1")
	lookAlike(t, edges(flows(t, perUser), events), "1 a → b: 1 1800s", "2 b → c: 1 1801s", "3 c → d: 1 599s", "4 d → e: 1 60s")
	lookAlike(t, edges(flows(t, func(f *query.Flows) { f.Gap = hour }), events), "1 a → b: 1 1800s", "1 d → $exit: 1", "1 e → $exit: 1", "2 b → c: 1 1801s", "3 c → $exit: 1")
}

func TestWorkedExampleFlowNodes(t *testing.T) {
	events := story(t, "1: view 0:00 page=/x, view 0:01, view 0:02 page=/y, view 0:02 page=/b, view 0:03 page=/y")
	pages := func(f *query.Flows) { f.Node = &query.Ref{On: query.OnEvent, Name: "page"} }
	lookAlike(t, edges(flows(t, pages), events), "1 /x → /b: 1 120s", "2 /b → /y: 1 0s", "3 /y → /y: 1 60s", "4 /y → $exit: 1")
	lookAlike(t, edges(flows(t, pages, func(f *query.Flows) { f.Exclude = []string{"/b"} }), events), "1 /x → /y: 1 120s", "2 /y → /y: 1 60s", "3 /y → $exit: 1")
}

func TestWorkedExampleFlowEnds(t *testing.T) {
	events := story(t, "1: x 0:00, a 0:01, b 0:02, a 0:03, z 0:04, b 0:05", "2: b 0:00, x 0:01")
	lookAlike(t, edges(flows(t, ends("a", "")), events), "1 a → b: 1 60s", "2 b → a: 1 60s", "3 a → z: 1 60s", "4 z → b: 1 60s")
	lookAlike(t, edges(flows(t, ends("z", "")), events), "1 z → b: 1 60s", "2 b → $exit: 1")
	// The end is always the last step.
	lookAlike(t, edges(flows(t, ends("", "b"), steps(3)), events), "1 a → z: 1 60s", "2 z → b: 1 60s")
	lookAlike(t, edges(flows(t, ends("", "x"), steps(3)), events), "2 b → x: 1 60s")
	lookAlike(t, edges(flows(t, ends("a", "z")), events), "1 a → b: 1 60s", "2 b → a: 1 60s", "3 a → z: 1 60s")
	lookAlike(t, edges(flows(t, ends("a", "z"), steps(2)), events), "1 a → b: 1 60s")
	lookAlike(t, edges(flows(t, ends("z", "a")), events)) // no end after the start
	lookAlike(t, edges(flows(t, ends("a", "a")), events), "1 a → b: 1 60s", "2 b → a: 1 60s")
	lookAlike(t, edges(flows(t, ends("z", "z")), events))
}

func TestWorkedExampleFlowLimit(t *testing.T) {
	events := story(t, "1: c 0:00, d 0:01", "2: a 0:00, b 0:01, d 0:02", "3: a 0:00, b 0:01, d 0:02", "4: b 0:00, b 0:01")
	plan := flows(t, func(f *query.Flows) { f.Limit = 4 })
	// Among edges of one path the earlier steps go first.
	lookAlike(t, edges(plan, events), "1 a → b: 2 60s", "1 b → b: 1 60s", "2 b → d: 2 60s", "3 d → $exit: 2")
	if !oracle.Ask(&plan, events, nil).Truncated {
		t.Error("edges were cut, and the answer does not say so")
	}
	plan = flows(t)
	if oracle.Ask(&plan, events, nil).Truncated {
		t.Error("nothing was cut, and the answer says so")
	}
}

func distribution(t testing.TB, bins int, property string) query.Plan {
	d := &query.Distribution{Match: match("order"), Range: span(t, "10-01T0:00", "11-01T0:00"), Bins: bins}
	if property != "" {
		d.Property = &query.Ref{On: query.OnEvent, Name: property}
	}
	return query.Plan{Distribution: d}
}

func bars(t testing.TB, plan query.Plan, events []weir.Event) []string {
	a := oracle.Ask(&plan, events, nil)
	out := []string{jsonOf(t, a.Stats)}
	for _, b := range a.Bins {
		out = append(out, fmt.Sprintf("%v to %v: %d", b.From, b.To, b.Count))
	}
	return out
}

func TestWorkedExampleDistribution(t *testing.T) {
	events := story(t, "1: order 0:00 v=0, order 0:01 v=10, order 0:02 v=x, order 0:03, other 0:04 v=99", "2: order 0:00 v=2.5, order 0:01 v=5", "3: order 9-30T0:00 v=99, order 0:00 v=4, order 11-01T0:00 v=99")
	wide := distribution(t, 4, "v")
	lookAlike(t, bars(t, wide, events), `{"count":5,"min":0,"max":10,"average":4.3,"median":4}`,
		"0 to 2.5: 1", "2.5 to 5: 2", "5 to 7.5: 1", "7.5 to 10: 1")
	for bin, want := range []string{"[1]", "[2 3]", "[2]", "[1]"} {
		if got := persons(wide, events, nil, query.Explain{Bin: bin}); got != want {
			t.Errorf("bin %d: %s, want %s", bin, got, want)
		}
	}
	// Texts that read as numbers count, lists do not.
	events = story(t, "1: order 0:00, order 0:01, order 0:02")
	events[0].Properties = propertiesOf(t, `{"v": "7"}`)
	events[1].Properties = propertiesOf(t, `{"v": [7]}`)
	events[2].Properties = propertiesOf(t, `{"v": 9}`)
	lookAlike(t, bars(t, distribution(t, 2, "v"), events), `{"count":2,"min":7,"max":9,"average":8,"median":8}`, "7 to 7: 1", "9 to 9: 1")
	lookAlike(t, bars(t, distribution(t, 1, "v"), events), `{"count":2,"min":7,"max":9,"average":8,"median":8}`, "7 to 9: 2")
	// One value that is not whole is a bin as well.
	lookAlike(t, bars(t, distribution(t, 3, "v"), story(t, "1: order 0:00 v=0.5")), `{"count":1,"min":0.5,"max":0.5,"average":0.5,"median":0.5}`, "0.5 to 0.5: 1")
	lookAlike(t, bars(t, distribution(t, 3, "v"), story(t, "1: order 0:00 v=-0")), `{"count":1,"min":0,"max":0,"average":0,"median":0}`, "0 to 0: 1")
	lookAlike(t, bars(t, distribution(t, 3, "v"), nil), `{"count":0,"min":null,"max":null,"average":null,"median":null}`)
}

// Without a property it is how many events each person has.
func TestWorkedExampleDistributionOfCounts(t *testing.T) {
	events := story(t, "1: order 0:00, order 0:01, order 0:02", "2: order 0:00", "3: order 0:00, order 9-30T0:00", "4: other 0:00")
	plan := distribution(t, 10, "")
	lookAlike(t, bars(t, plan, events), `{"count":3,"min":1,"max":3,"average":1.6666666666666667,"median":1}`, "1 to 1: 2", "3 to 3: 1")
	if got := persons(plan, events, nil, query.Explain{Bin: 0}); got != "[2 3]" {
		t.Errorf("bin 0: %s", got)
	}
}
