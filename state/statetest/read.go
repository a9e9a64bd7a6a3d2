package statetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
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

func items(n int) (keys []state.ItemKey, entries []state.Entry) {
	for i := range n {
		keys = append(keys, state.ItemKey{Workspace: acme, Kind: weir.KindPageview, ID: fmt.Sprint("item-", i*7919)})
		entries = append(entries, state.Entry{Position: weir.At(i%16, uint64(i+1)), Version: weir.Micros(i - 5), Hash: uint64(i) << 50})
	}
	return keys, entries
}

func (f *fixture) lookup(keys []state.ItemKey) []state.Entry {
	f.t.Helper()
	entries, err := f.store.Seen().Lookup(f.ctx(), keys)
	if err != nil {
		f.t.Fatalf("look up: %v", err)
	}
	return entries
}

func (f *fixture) put(keys []state.ItemKey, entries []state.Entry) {
	f.t.Helper()
	if err := f.store.Seen().Put(f.ctx(), keys, entries); err != nil {
		f.t.Fatalf("put: %v", err)
	}
}

func testSeen(t *testing.T, f *fixture) {
	keys, entries := items(3000)
	equal(t, "an empty index", f.lookup(keys), make([]state.Entry, len(keys)))
	equal(t, "no keys", len(f.lookup(nil)), 0)
	f.put(nil, nil)
	f.put(keys[:2000], entries[:2000])
	f.reopen()
	want := slices.Concat(entries[:2000], make([]state.Entry, 1000))
	equal(t, "half of it", f.lookup(keys), want)

	// Replaced, and asked for in another order and twice.
	entries[7].Version, entries[7].Hash = 1<<60, 1<<63+1
	f.put(keys[7:8], entries[7:8])
	equal(t, "replaced", f.lookup([]state.ItemKey{keys[9], keys[7], keys[2500], keys[7]}),
		[]state.Entry{entries[9], entries[7], {}, entries[7]})
	if err := f.store.Seen().Put(f.ctx(), keys[:2], entries[:1]); err == nil {
		t.Error("two keys and one entry: no error")
	}
}

func testSeenKeysApart(t *testing.T, f *fixture) {
	keys := []state.ItemKey{
		{Workspace: "a", Kind: "b", ID: "c"}, {Workspace: "b", Kind: "b", ID: "c"}, {Workspace: "a", Kind: "c", ID: "c"}, {Workspace: "a", Kind: "b", ID: "d"},
		{Workspace: "ab", Kind: "", ID: "c"}, {Workspace: "", Kind: "ab", ID: "c"}, {Workspace: "a", Kind: "", ID: "bc"}, {Workspace: "a", Kind: "b", ID: "c\x00"}, {},
	}
	var entries []state.Entry
	for i := range keys {
		entries = append(entries, state.Entry{Position: weir.Position(i + 1)})
	}
	f.put(keys, entries)
	equal(t, "entries", f.lookup(keys), entries)
}

func testSeenByMany(t *testing.T, f *fixture) {
	keys, entries := items(2000)
	var wait sync.WaitGroup
	const workers = 4
	for w := range workers {
		wait.Go(func() {
			for n := w * 100; n < len(keys); n += workers * 100 {
				if err := f.store.Seen().Put(f.ctx(), keys[n:n+100], entries[n:n+100]); err != nil {
					t.Error(err)
				}
				got, err := f.store.Seen().Lookup(f.ctx(), keys[n:n+100])
				if err != nil || !slices.Equal(got, entries[n:n+100]) {
					t.Errorf("worker %d does not find what it put: %v", w, err)
				}
			}
		})
	}
	wait.Wait()
	equal(t, "all", f.lookup(keys), entries)
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
