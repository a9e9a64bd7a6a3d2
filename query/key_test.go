package query_test

import (
	"testing"

	"github.com/weirhq/weir/query"
)

func TestKeyTellsPlansApart(t *testing.T) {
	a := &query.Compare{Property: query.Ref{On: query.OnEvent, Name: "a"}, Op: query.IsSet}
	b := &query.Compare{Property: query.Ref{On: query.OnEvent, Name: "b"}, Op: query.IsSet}
	where := func(p query.Predicate) *query.Plan {
		return &query.Plan{Lifecycle: &query.Lifecycle{Match: query.Match{Where: p}}}
	}
	plans := []*query.Plan{
		{}, {Lifecycle: &query.Lifecycle{}}, {Stickiness: &query.Stickiness{}}, {SQL: &query.SQL{Text: "ab"}}, {SQL: &query.SQL{Text: "a"}},
		where(a), where(b), where(query.All{a, b}), where(query.Any{a, b}), where(query.All{b, a}), where(query.Not{Of: a}), where(query.All{query.All{a}, b}),
		{Lifecycle: &query.Lifecycle{Match: query.Match{Events: []string{"a", "b"}}}}, {Lifecycle: &query.Lifecycle{Match: query.Match{Events: []string{"a;1:b"}}}},
		{Lifecycle: &query.Lifecycle{}, Explain: &query.Explain{}}, {Lifecycle: &query.Lifecycle{}, Explain: &query.Explain{Bucket: 1}},
	}
	seen := map[any]int{}
	for i, p := range plans {
		key := p.Key()
		if other, ok := seen[key]; ok {
			t.Errorf("plans %d and %d have the same key", other, i)
		}
		seen[key] = i
		if p.Key() != key {
			t.Errorf("plan %d has two keys", i)
		}
	}
	if one, same := where(query.All{a, b}), where(query.All{a, b}); one.Key() != same.Key() {
		t.Error("equal plans have different keys")
	}
}
