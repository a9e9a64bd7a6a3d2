package statetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

func testViewPersons(t *testing.T, f *fixture) {
	f.persons()
	person := func(ws weir.WorkspaceID, id string) []string {
		t.Helper()
		list, err := f.store.View().Person(f.ctx(), ws, id)
		if err != nil {
			t.Fatal(err)
		}
		return ids(list)
	}
	number := func(ws weir.WorkspaceID, n uint32) []string {
		t.Helper()
		list, err := f.store.View().PersonByNumber(f.ctx(), ws, n)
		if err != nil {
			t.Fatal(err)
		}
		return ids(list)
	}
	equal(t, "by the first id", person(acme, "a1"), []string{"a1", "a2", "a3"})
	equal(t, "by another id", person(acme, "a3"), []string{"a1", "a2", "a3"})
	equal(t, "alone", person(acme, "b"), []string{"b"})
	equal(t, "unknown id", person(acme, "nobody"), []string{})
	equal(t, "unknown workspace", person(other, "a1"), []string{})
	equal(t, "by number", number(acme, 1), []string{"a1", "a2", "a3"})
	equal(t, "by the number of one who is alone", number(acme, 3), []string{"b"})
	equal(t, "by the number of a member", number(acme, 2), []string{})
	equal(t, "unknown number", number(acme, 77), []string{})
	equal(t, "other workspace's number", number(other, 1), []string{})

	list, err := f.store.View().Person(f.ctx(), acme, "b")
	if err != nil || len(list) != 1 {
		t.Fatalf("got %v, %v", list, err)
	}
	equal(t, "all of it", list[0], identity(acme, "b", 3))

	// A reader waits for no micro-batch and sees nothing of an open one.
	tx := f.begin(state.Need{Users: users(acme, "b")})
	equal(t, "beside an open batch", person(acme, "b"), []string{"b"})
	f.commit(tx, state.Changes{Identities: []*weir.Identity{identity(acme, "c", 9)}})
	equal(t, "after the commit", person(acme, "c"), []string{"c"})
}

func testViewScan(t *testing.T, f *fixture) {
	const n = 1234
	changes := state.Changes{Identities: []*weir.Identity{identity(other, "foreign", 1), identity(acme, "", n+1)}}
	want := []string{""}
	for i := range n {
		id := fmt.Sprintf("u%d", i*7919%n)
		want = append(want, id)
		changes.Identities = append(changes.Identities, identity(acme, id, uint32(i+1)))
	}
	slices.Sort(want)
	f.write(changes)
	var got []string
	scan := func(fn func(*weir.Identity) error) error { return f.store.View().Scan(f.ctx(), acme, fn) }
	if err := scan(func(i *weir.Identity) error { got = append(got, i.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("scan saw %d ids, want %d, in order", len(got), len(want))
	}
	enough := errors.New("enough")
	calls := 0
	wantErr(t, "scan whose fn fails", scan(func(*weir.Identity) error { calls++; return enough }), enough)
	equal(t, "calls", calls, 1)
	if err := f.store.View().Scan(f.ctx(), "unknown", func(*weir.Identity) error { return enough }); err != nil {
		t.Errorf("scan of an unknown workspace: %v", err)
	}
}

func testClose(t *testing.T, f *fixture) {
	if err := f.store.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := f.store.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := f.store.Begin(f.ctx(), state.Need{}); err == nil {
		t.Error("begin after close: no error")
	}
	if _, err := f.store.Seen().Lookup(f.ctx(), make([]state.ItemKey, 1)); err == nil {
		t.Error("look-up after close: no error")
	}
	if _, err := f.store.View().Person(f.ctx(), acme, "u"); err == nil {
		t.Error("read after close: no error")
	}
}
