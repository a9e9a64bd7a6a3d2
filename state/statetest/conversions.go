package statetest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// conversionsOf loads conversions in a transaction of its own and orders them.
func (f *fixture) conversionsOf(of ...state.Span) []*weir.Conversion {
	f.t.Helper()
	tx := f.begin(state.Need{})
	defer tx.Rollback()
	list, err := tx.ConversionsOf(f.ctx(), of)
	if err != nil {
		f.t.Fatalf("load conversions: %v", err)
	}
	return sortedConversions(list)
}

func sortedConversions(list []*weir.Conversion) []*weir.Conversion {
	return slices.SortedFunc(slices.Values(list), func(a, b *weir.Conversion) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.ID, b.ID))
	})
}

func conversionIDs(list []*weir.Conversion) []string {
	out := []string{}
	for _, c := range list {
		out = append(out, c.ID)
	}
	slices.Sort(out)
	return out
}

func testConversionsAreWhole(t *testing.T, f *fixture) {
	full := conversion(acme, "order:1", 6)
	bare := &weir.Conversion{Workspace: acme, ID: "bare"}
	extreme := &weir.Conversion{
		Workspace: acme, ID: "extreme", Owner: math.MaxUint32, At: math.MinInt64, Value: math.MinInt64, Amount: math.MaxInt64, Unpriced: true,
		Fields: []weir.Property{{Name: "flag", Value: weir.Boolean(false)}, {Name: "items", Value: weir.Raw(`[{"sku":"ü"}]`)}, {Name: "none"}, {Name: "number", Value: weir.Num(-1e300)}},
	}
	for role := weir.Alone; role <= weir.Closer; role++ {
		extreme.Touches = append(extreme.Touches, weir.Touch{Session: math.MaxUint32 - uint32(role), At: math.MaxInt64, Channel: role.String(), Role: role, Credits: []int64{-1, math.MinInt64, math.MaxInt64}})
	}
	extreme.Touches = append(extreme.Touches, weir.Touch{})
	cancelled := &weir.Conversion{Workspace: acme, ID: "cancelled", Cancelled: true}
	want := []*weir.Conversion{full, bare, extreme, cancelled}
	f.write(state.Changes{Conversions: want})
	f.reopen()
	got := f.load(state.Need{Conversions: users(acme, "order:1", "bare", "extreme", "cancelled", "bare", "unknown")}).Conversions
	equal(t, "number of conversions", len(got), len(want))
	for _, c := range want {
		equal(t, c.ID, got[key(acme, c.ID)], c)
	}
	equal(t, "by the owner", f.conversionsOf(always(6), always(math.MaxUint32)), []*weir.Conversion{extreme, full})
}

func testConversionsOf(t *testing.T, f *fixture) {
	foreign := conversion(other, "a", 1)
	changes := state.Changes{Conversions: []*weir.Conversion{conversion(acme, "b", 1), conversion(acme, "a", 1), conversion(acme, "c", 2), foreign}}
	const many = 1303
	for n := range many {
		changes.Conversions = append(changes.Conversions, conversion(acme, fmt.Sprint("many", n), uint32(1000+n)))
	}
	f.write(changes)
	f.reopen()
	for _, c := range []struct {
		what string
		of   []state.Span
		want []string
	}{
		{"nothing asked", nil, []string{}},
		{"times have no meaning", []state.Span{span(1, 5, -5)}, []string{"a", "b"}},
		{"an owner twice", []state.Span{span(1, 0, 0), span(2, 0, 0), always(1)}, []string{"a", "b", "c"}},
		{"unknown owner", []state.Span{always(99)}, []string{}},
		{"unknown workspace", []state.Span{{Workspace: "nobody's", Identity: 1}}, []string{}},
		{"both workspaces", []state.Span{{Workspace: other, Identity: 1}, span(2, 0, 0)}, []string{"a", "c"}},
	} {
		equal(t, c.what, conversionIDs(f.conversionsOf(c.of...)), c.want)
	}
	equal(t, "other workspace", f.conversionsOf(state.Span{Workspace: other, Identity: 1}), []*weir.Conversion{foreign})
	var spans []state.Span
	for n := range many {
		spans = append(spans, always(uint32(1000+many-1-n)))
	}
	equal(t, "many owners", f.conversionsOf(spans...), sortedConversions(changes.Conversions[4:]))
	tx := f.begin(state.Need{})
	_ = tx.Rollback()
	if _, err := tx.ConversionsOf(f.ctx(), []state.Span{always(1)}); err == nil {
		t.Error("load conversions after the end: no error")
	}
}

// testConversionsChange: whether a conversion was loaded, by its key or by its
// owner, or not, what is committed replaces it.
func testConversionsChange(t *testing.T, f *fixture) {
	c, stays := conversion(acme, "c", 1), conversion(acme, "stays", 1)
	foreign := conversion(other, "c", 1)
	f.write(state.Changes{Conversions: []*weir.Conversion{c, stays, foreign}})
	load := map[string]func() state.Tx{
		"not loaded":    func() state.Tx { return f.begin(state.Need{}) },
		"loaded by key": func() state.Tx { return f.begin(state.Need{Conversions: users(acme, "c")}) },
		"loaded by owner": func() state.Tx {
			tx := f.begin(state.Need{})
			if list, err := tx.ConversionsOf(f.ctx(), []state.Span{always(c.Owner)}); err != nil || len(list) == 0 {
				t.Fatalf("load conversions: got %v, %v", list, err)
			}
			return tx
		},
	}
	for what, begin := range load {
		change := func(how string, fn func()) {
			t.Helper()
			tx := begin()
			fn()
			f.commit(tx, state.Changes{Conversions: []*weir.Conversion{c}})
			equal(t, what+", "+how, f.load(state.Need{Conversions: users(acme, "c")}).Conversions[key(acme, "c")], c)
		}
		change("cancelled", func() { c.Cancelled, c.Touches = !c.Cancelled, nil })
		former := c.Owner
		change("another owner", func() { c.Owner++ })
		equal(t, what+", of the new owner", conversionIDs(f.conversionsOf(always(c.Owner))), []string{"c"})
		equal(t, what+", of the former owner", slices.Contains(conversionIDs(f.conversionsOf(always(former))), "c"), false)

		f.commit(begin(), state.Changes{RemovedConversions: slices.Concat(users(acme, "c", "unknown", "c"), users("nobody's", "c"))})
		f.reopen()
		equal(t, what+", removed", len(f.load(state.Need{Conversions: users(acme, "c")}).Conversions), 0)
		equal(t, what+", removed of its owner", len(f.conversionsOf(always(c.Owner))), 0)
		f.write(state.Changes{Conversions: []*weir.Conversion{c}})
		f.commit(begin(), state.Changes{Conversions: []*weir.Conversion{c}, RemovedConversions: users(acme, "c")})
		equal(t, what+", removed and written", f.conversionsOf(always(c.Owner)), []*weir.Conversion{c})
	}
	equal(t, "untouched", f.conversionsOf(always(1)), []*weir.Conversion{stays})
	equal(t, "of the other workspace", f.conversionsOf(state.Span{Workspace: other, Identity: 1}), []*weir.Conversion{foreign})
}

func (f *fixture) mark(ws weir.WorkspaceID, name string) string {
	f.t.Helper()
	value, err := f.store.View().Mark(f.ctx(), ws, name)
	if err != nil {
		f.t.Fatalf("read mark: %v", err)
	}
	return value
}

func testMarks(t *testing.T, f *fixture) {
	equal(t, "no mark", f.mark(acme, "m"), "")
	equal(t, "no mark of no workspace", f.mark("", "m"), "")
	f.write(state.Changes{Marks: map[state.Key]string{key(acme, "m"): "one", key(acme, "n"): "nul\x00ü", key("", "m"): "of none", key(acme, ""): "nameless"}})
	f.reopen()
	equal(t, "set", f.mark(acme, "m"), "one")
	equal(t, "any text", f.mark(acme, "n"), "nul\x00ü")
	equal(t, "any name", f.mark(acme, ""), "nameless")
	equal(t, "of no workspace", f.mark("", "m"), "of none")
	equal(t, "other workspace", f.mark(other, "m"), "")
	equal(t, "other name", f.mark("", "n"), "")
	f.write(state.Changes{Marks: map[state.Key]string{key(acme, "m"): "two", key(acme, "n"): "", key(other, "m"): "theirs", key("nobody's", "m"): "", key("", "unknown"): ""}})
	equal(t, "replaced", f.mark(acme, "m"), "two")
	equal(t, "removed", f.mark(acme, "n"), "")
	equal(t, "other workspace", f.mark(other, "m"), "theirs")
	equal(t, "untouched", f.mark("", "m"), "of none")
	f.write(state.Changes{Marks: map[state.Key]string{key("", "m"): ""}})
	equal(t, "removed of no workspace", f.mark("", "m"), "")
	equal(t, "untouched", f.mark(acme, "m"), "two")
}
