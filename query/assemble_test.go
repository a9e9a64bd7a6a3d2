package query

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir"
)

func planOf(breakdowns []Breakdown, measures ...Measure) *Plan {
	t := &Trends{Breakdowns: breakdowns, Period: Period{Buckets: Buckets{Edges: []weir.Micros{0, 1, 2, 3}, Labels: []string{"a", "b", "c"}}}}
	for i, m := range measures {
		t.Series = append(t.Series, Series{Name: string(rune('A' + i)), Measure: m})
	}
	return &Plan{Trends: t}
}

// byProperty is one breakdown.
func byProperty() []Breakdown { return []Breakdown{{By: Ref{OnEvent, "p"}, Limit: 4}} }

// in is a series' line in groups of texts.
func in(series int, texts ...string) Line {
	l := Line{Series: series}
	for i, text := range texts {
		l.Groups[i] = GroupOf(text)
	}
	return l
}

// assembled is an answer without what only a store knows, as its JSON.
func assembled(t *testing.T, a *Assembler) string {
	t.Helper()
	answer, err := a.Answer()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(struct {
		Buckets   []string       `json:"buckets,omitzero"`
		Series    []SeriesAnswer `json:"series,omitzero"`
		Columns   []string       `json:"columns,omitzero"`
		Rows      []any          `json:"rows,omitzero"`
		Truncated bool           `json:"truncated,omitempty"`
	}{answer.Buckets, answer.Series, answer.Columns, answer.Rows, answer.Truncated})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func expectAssembled(t *testing.T, a *Assembler, want string) {
	t.Helper()
	if got := assembled(t, a); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAssembleFillsEmptyBuckets(t *testing.T) {
	a := NewAssembler(planOf(nil, Total, Users, Avg))
	a.Value(Line{}, 2, 5)
	a.Total(Line{Series: 1}, 2)
	a.Value(Line{Series: 1}, 0, 2)
	a.Value(Line{Series: 1}, 1, 1)
	expectAssembled(t, a, `{"buckets":["a","b","c"],"series":[`+
		`{"name":"A","period":"current","values":[0,0,5],"total":5},`+
		`{"name":"B","period":"current","values":[2,1,0],"total":2},`+
		`{"name":"C","period":"current","values":[null,null,null],"total":null}]}`)
}

// Between equal totals the text decides, null is after texts; the others stand last,
// whatever their total is.
func TestAssembleRanksGroups(t *testing.T) {
	a := NewAssembler(planOf(byProperty(), Total, Sum))
	for _, l := range []Line{{}, in(0, "b"), in(0, ""), in(0, OtherGroup)} {
		a.Total(l, 3)
	}
	a.Value(in(0, "top"), 1, 4) // in any order, and without a total
	a.Total(Line{Groups: Groups{Others}}, 9)
	a.Total(in(1, "nothing"), 0) // it is there, with a sum of 0
	expectAssembled(t, a, `{"buckets":["a","b","c"],"series":[`+
		`{"name":"A","breakdown":["top"],"period":"current","values":[0,4,0],"total":4},`+
		`{"name":"A","breakdown":[""],"period":"current","values":[0,0,0],"total":3},`+
		`{"name":"A","breakdown":["$other"],"period":"current","values":[0,0,0],"total":3},`+
		`{"name":"A","breakdown":["b"],"period":"current","values":[0,0,0],"total":3},`+
		`{"name":"A","breakdown":[null],"period":"current","values":[0,0,0],"total":3},`+
		`{"name":"A","breakdown":["$other"],"period":"current","values":[0,0,0],"total":9},`+
		`{"name":"B","breakdown":["nothing"],"period":"current","values":[0,0,0],"total":0}],"truncated":true}`)
}

// Formulas are computed for every group of the series that they name; constants
// apply to empty buckets too; x/0 and what is made of null are null.
func TestAssembleComputesFormulas(t *testing.T) {
	plan := planOf(byProperty(), Total, Total, Avg)
	for _, text := range []string{"A / B", "A * 2 + 1", "C + 1", "7"} {
		of, err := readExpression(text, map[string]int{"A": 0, "B": 1, "C": 2})
		if err != nil {
			t.Fatal(err)
		}
		plan.Trends.Formulas = append(plan.Trends.Formulas, Formula{Name: text, Of: of})
	}
	for i := range plan.Trends.Series {
		plan.Trends.Series[i].Hidden = true
	}
	a := NewAssembler(plan)
	a.Value(in(0, "x"), 0, 3)
	a.Value(in(0, "x"), 2, 1)
	a.Value(in(1, "x"), 0, 2)
	a.Value(in(1, "y"), 1, 2)
	a.Total(in(2, "z"), 0.5)
	a.Value(in(2, "z"), 1, 0.5)
	expectAssembled(t, a, `{"buckets":["a","b","c"],"series":[`+
		`{"name":"A / B","breakdown":["x"],"period":"current","values":[1.5,null,null],"total":2},`+
		`{"name":"A / B","breakdown":["y"],"period":"current","values":[null,0,null],"total":0},`+
		`{"name":"A * 2 + 1","breakdown":["x"],"period":"current","values":[7,1,3],"total":9},`+
		`{"name":"C + 1","breakdown":["z"],"period":"current","values":[null,1.5,null],"total":1.5}]}`)
}

// A moving mean leaves out nulls, and is of what a formula gives.
func TestAssembleMovingMeans(t *testing.T) {
	plan := planOf(nil, Total, Avg)
	plan.Trends.Rolling = 2
	plan.Trends.Formulas = []Formula{{Name: "F", Of: &Expression{Op: '/', Left: &Expression{Op: 's'}, Right: &Expression{Op: 's'}}}}
	a := NewAssembler(plan)
	a.Value(Line{}, 0, 4)
	a.Value(Line{}, 2, 1)
	a.Value(Line{Series: 1}, 1, 5)
	a.Total(Line{Series: 1}, 5)
	expectAssembled(t, a, `{"buckets":["a","b","c"],"series":[`+
		`{"name":"A","period":"current","values":[4,2,0.5],"total":5},`+
		`{"name":"B","period":"current","values":[null,5,5],"total":5},`+
		`{"name":"F","period":"current","values":[1,1,1],"total":1}]}`)
}

// The lines of the previous period follow, with their own buckets.
func TestAssemblePreviousPeriod(t *testing.T) {
	plan := planOf(nil, Total, Total)
	plan.Trends.Previous = &Period{Buckets: Buckets{Edges: []weir.Micros{-2, -1, 0}, Labels: []string{"y", "z"}}}
	a := NewAssembler(plan)
	a.Value(Line{Previous: true}, 1, 2)
	a.Value(Line{}, 1, 1)
	expectAssembled(t, a, `{"buckets":["a","b","c"],"series":[`+
		`{"name":"A","period":"current","values":[0,1,0],"total":1},`+
		`{"name":"B","period":"current","values":[0,0,0],"total":0},`+
		`{"name":"A","period":"previous","buckets":["y","z"],"values":[0,2],"total":2},`+
		`{"name":"B","period":"previous","buckets":["y","z"],"values":[0,0],"total":0}]}`)
}

func TestAssembleTable(t *testing.T) {
	plan := planOf([]Breakdown{{By: Ref{OnEvent, "p"}}, {By: Ref{OnUser, "q"}}}, Total, Avg)
	plan.Trends.Buckets = Buckets{Edges: []weir.Micros{0, 1}, Labels: []string{"all"}}
	plan.Trends.Rows = 3
	a := NewAssembler(plan)
	a.Total(in(0, "x", "y"), 1)
	a.Total(in(0, "x"), 1)
	a.Total(in(0, "a", "y"), 2)
	a.Total(in(1, "x"), -3)
	a.Total(in(1, "b", "b"), 5) // not in the first series: below all that are
	a.Total(Line{Groups: Groups{Others, GroupOf("y")}}, 100)
	expectAssembled(t, a, `{"columns":["p","q","A","B"],"rows":[["a","y",2,null],["x",null,1,-3],["x","y",1,null]],"truncated":true}`)
}

func TestAssembleKeepsTheHighestLines(t *testing.T) {
	a := NewAssembler(planOf([]Breakdown{{By: Ref{OnEvent, "p"}, Limit: 100}, {By: Ref{OnEvent, "q"}, Limit: 100}}, Total))
	for i := range MaxLines + 1 {
		a.Total(in(0, fmt.Sprint(i%100), fmt.Sprint(i/100)), Real(i))
	}
	answer, err := a.Answer()
	if err != nil || len(answer.Series) != MaxLines || !answer.Truncated || answer.Series[MaxLines-1].Total != 1 {
		t.Errorf("%d lines, truncated %v, error %v", len(answer.Series), answer.Truncated, err)
	}
}

func TestAssembleReportsMistakes(t *testing.T) {
	for _, c := range []struct {
		name string
		by   []Breakdown
		rows func(*Assembler)
		want string
	}{
		{"unknown series", nil, func(a *Assembler) { a.Value(in(1), 0, 1) }, "series 1 of 1"},
		{"negative series", nil, func(a *Assembler) { a.Total(in(-1), 1) }, "series -1 of 1"},
		{"unknown bucket", nil, func(a *Assembler) { a.Value(in(0), 3, 1) }, "bucket 3 of 3"},
		{"negative bucket", nil, func(a *Assembler) { a.Value(in(0), -1, 1) }, "bucket -1 of 3"},
		{"a bucket twice", byProperty(), func(a *Assembler) { a.Value(in(0, "x"), 0, 1); a.Value(in(0, "x"), 0, 1) }, "bucket 0 twice"},
		{"a total twice", byProperty(), func(a *Assembler) { a.Total(in(0, "x"), 1); a.Total(in(0, "x"), 1) }, "two totals"},
		{"a unique count without a total", byProperty(), func(a *Assembler) { a.Value(in(0, "x"), 0, 1) }, "no total"},
		{"a group without a breakdown", nil, func(a *Assembler) { a.Value(in(0, "x"), 0, 1) }, "cannot be"},
		{"a second group without a breakdown", byProperty(), func(a *Assembler) { a.Value(in(0, "x", "y"), 0, 1) }, "cannot be"},
		{"a null group with a text", byProperty(), func(a *Assembler) { a.Value(Line{Groups: Groups{{Text: "x"}}}, 0, 1) }, "cannot be"},
		{"others with a text", byProperty(), func(a *Assembler) { a.Value(Line{Groups: Groups{{Text: "x", Other: true}}}, 0, 1) }, "cannot be"},
		{"a period that was not asked for", nil, func(a *Assembler) { a.Value(Line{Previous: true}, 0, 1) }, "not asked for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := NewAssembler(planOf(c.by, Users))
			c.rows(a)
			if answer, err := a.Answer(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("answer %v, error %v, want %q", answer, err, c.want)
			}
		})
	}
}
