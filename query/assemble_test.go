package query

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weirhq/weir"
)

func planOf(breakdown *Breakdown, measures ...Measure) *Plan {
	t := &Trends{Breakdown: breakdown, Buckets: Buckets{Edges: []weir.Micros{0, 1, 2, 3}, Labels: []string{"a", "b", "c"}}}
	for i, m := range measures {
		t.Series = append(t.Series, Series{Name: string(rune('A' + i)), Event: AnyEvent, Measure: m})
	}
	return &Plan{Trends: t}
}

// assembled is an answer without what only a store knows, as its JSON.
func assembled(t *testing.T, a *Assembler) string {
	t.Helper()
	answer, err := a.Answer()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(struct {
		Buckets   []string       `json:"buckets"`
		Series    []SeriesAnswer `json:"series"`
		Truncated bool           `json:"truncated,omitempty"`
	}{answer.Buckets, answer.Series, answer.Truncated})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAssembleFillsEmptyBuckets(t *testing.T) {
	a := NewAssembler(planOf(nil, Total, Users, Sessions))
	a.Value(0, Group{}, 2, 5)
	a.Total(1, Group{}, 2)
	a.Value(1, Group{}, 0, 2)
	a.Value(1, Group{}, 1, 1)
	want := `{"buckets":["a","b","c"],"series":[` +
		`{"name":"A","period":"current","values":[0,0,5],"total":5},` +
		`{"name":"B","period":"current","values":[2,1,0],"total":2},` +
		`{"name":"C","period":"current","values":[0,0,0],"total":0}]}`
	if got := assembled(t, a); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAssembleRanksGroups(t *testing.T) {
	a := NewAssembler(planOf(&Breakdown{By: Ref{OnEvent, "p"}, Limit: 4}, Total, Users))
	for _, g := range []Group{{}, GroupOf("b"), GroupOf(""), GroupOf("B"), GroupOf("zero")} {
		a.Total(0, g, 3)
	}
	a.Value(0, GroupOf("top"), 1, 4) // in any order, and without a total
	a.Total(1, GroupOf("none"), 0)
	// Between equal totals the text decides and null is last: it is cut off.
	want := `{"buckets":["a","b","c"],"series":[` +
		`{"name":"A","breakdown":["top"],"period":"current","values":[0,4,0],"total":4},` +
		`{"name":"A","breakdown":[""],"period":"current","values":[0,0,0],"total":3},` +
		`{"name":"A","breakdown":["B"],"period":"current","values":[0,0,0],"total":3},` +
		`{"name":"A","breakdown":["b"],"period":"current","values":[0,0,0],"total":3}],"truncated":true}`
	if got := assembled(t, a); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAssembleNullGroup(t *testing.T) {
	a := NewAssembler(planOf(&Breakdown{By: Ref{OnEvent, "p"}, Limit: 1}, Total))
	a.Value(0, Group{}, 0, 1)
	want := `{"buckets":["a","b","c"],"series":[{"name":"A","breakdown":[null],"period":"current","values":[1,0,0],"total":1}]}`
	if got := assembled(t, a); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAssembleReportsMistakes(t *testing.T) {
	by := &Breakdown{By: Ref{OnEvent, "p"}, Limit: 1}
	for _, c := range []struct {
		name string
		by   *Breakdown
		rows func(*Assembler)
		want string
	}{
		{"unknown series", nil, func(a *Assembler) { a.Value(1, Group{}, 0, 1) }, "series 1 of 1"},
		{"negative series", nil, func(a *Assembler) { a.Total(-1, Group{}, 1) }, "series -1 of 1"},
		{"unknown bucket", nil, func(a *Assembler) { a.Value(0, Group{}, 3, 1) }, "bucket 3 of 3"},
		{"negative bucket", nil, func(a *Assembler) { a.Value(0, Group{}, -1, 1) }, "bucket -1 of 3"},
		{"a bucket twice", by, func(a *Assembler) { a.Value(0, GroupOf("x"), 0, 1); a.Value(0, GroupOf("x"), 0, 1) }, "bucket 0 twice"},
		{"a total twice", by, func(a *Assembler) { a.Total(0, GroupOf("x"), 1); a.Total(0, GroupOf("x"), 1) }, "two totals"},
		{"a unique count without a total", by, func(a *Assembler) { a.Value(0, GroupOf("x"), 0, 1) }, "no total"},
		{"a group without a breakdown", nil, func(a *Assembler) { a.Value(0, GroupOf("x"), 0, 1) }, "cannot be"},
		{"a null group with a text", by, func(a *Assembler) { a.Value(0, Group{Text: "x"}, 0, 1) }, "cannot be"},
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
