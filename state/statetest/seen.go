package statetest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

func items(n int) (keys []state.ItemKey, entries []state.Entry) {
	for i := range n {
		keys = append(keys, state.ItemKey{Workspace: acme, Kind: weir.KindPageview, ID: fmt.Sprint("item-", i*7919)})
		entries = append(entries, state.Entry{Position: weir.At(i%16, uint64(i+1)), Version: weir.Micros(i - 5), Hash: uint64(i) << 50, At: weir.Micros(2*i - 9)})
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
	if err := f.store.Seen().Put(f.ctx(), keys, nil, entries); err != nil {
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
	if err := f.store.Seen().Put(f.ctx(), keys[:2], nil, entries[:1]); err == nil {
		t.Error("two keys and one entry: no error")
	}
}

// testSeenEntries: every field, whatever its value, of entries in one call.
func testSeenEntries(t *testing.T, f *fixture) {
	entries := []state.Entry{
		{Position: 1},
		{Position: math.MaxInt64, Version: math.MaxInt64, Hash: math.MaxUint64, At: math.MinInt64, Doc: []byte{0}},
		{Position: 2, Version: math.MinInt64, At: math.MaxInt64},
		{Position: 3, Version: noon, Hash: 1, At: noon - 3600e6},
		{Position: 4, Version: noon, At: noon, Doc: bytes.Repeat([]byte("versions"), 20_000)},
		{Position: 5, Doc: []byte("short")},
	}
	keys, _ := items(len(entries))
	f.put(keys, entries)
	f.reopen()
	got := f.lookup(keys)
	equal(t, "entries", got, entries)
	got[5].Doc[0] = 'S' // it is the caller's
	equal(t, "again", f.lookup(keys[5:]), entries[5:])

	// What they say together may become more, or nothing.
	entries[0].Doc, entries[4].Doc, entries[5].Doc = []byte("new"), nil, []byte("longer than it was")
	f.put(keys, entries)
	equal(t, "replaced", f.lookup(keys), entries)
	// Of one key twice in a call, the later counts.
	f.put([]state.ItemKey{keys[0], keys[0]}, []state.Entry{{Position: 8}, {Position: 9, Hash: 9}})
	equal(t, "twice", f.lookup(keys[:1]), []state.Entry{{Position: 9, Hash: 9}})
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
				if err := f.store.Seen().Put(f.ctx(), keys[n:n+100], nil, entries[n:n+100]); err != nil {
					t.Error(err)
				}
				got, err := f.store.Seen().Lookup(f.ctx(), keys[n:n+100])
				if err != nil || !reflect.DeepEqual(got, entries[n:n+100]) {
					t.Errorf("worker %d does not find what it put: %v", w, err)
				}
			}
		})
	}
	wait.Wait()
	equal(t, "all", f.lookup(keys), entries)
}

// testSeenByAnother: what another process has put since is not overwritten unseen.
func testSeenByAnother(t *testing.T, f *fixture) {
	if f.harness.Second == nil {
		t.Skip("the data belong to one process")
	}
	second := f.harness.Second(t).Seen()
	keys, entries := items(3)
	before := f.lookup(keys)
	if err := second.Put(f.ctx(), keys[1:2], before[1:2], entries[1:2]); err != nil {
		t.Fatal(err)
	}
	mine := []state.Entry{{Position: 70}, {Position: 71, Doc: []byte("mine")}, {Position: 72}}
	if err := f.store.Seen().Put(f.ctx(), keys, before, mine); !errors.Is(err, state.ErrMoved) {
		t.Errorf("put over what another has put: %v, want ErrMoved", err)
	}
	before = f.lookup(keys)
	equal(t, "after that", before, []state.Entry{{}, entries[1], {}})
	if err := f.store.Seen().Put(f.ctx(), keys, before, mine); err != nil {
		t.Fatal(err)
	}
	equal(t, "in the end", f.lookup(keys), mine)
	if err := f.store.Seen().Put(f.ctx(), keys, before, mine); err != nil {
		t.Errorf("put again what was put: %v", err)
	}
	// Every part of an entry is looked at.
	for _, change := range []func(*state.Entry){
		func(e *state.Entry) { e.Position++ }, func(e *state.Entry) { e.Version++ }, func(e *state.Entry) { e.Hash++ },
		func(e *state.Entry) { e.At++ }, func(e *state.Entry) { e.Doc = []byte("other") },
	} {
		wrong := slices.Clone(mine)
		change(&wrong[1])
		if err := second.Put(f.ctx(), keys, wrong, entries); !errors.Is(err, state.ErrMoved) {
			t.Errorf("put over %+v, which is not there: %v, want ErrMoved", wrong[1], err)
		}
	}
}

// testCommits: of transactions that have the same users, the later has the greater
// number, whoever begins it.
func testCommits(t *testing.T, f *fixture) {
	last := uint64(0)
	next := func(store state.Store) {
		t.Helper()
		tx, err := store.Begin(f.ctx(), state.Need{Users: users(acme, "ann")})
		if err != nil {
			t.Fatal(err)
		}
		number := tx.Snapshot().Commit
		if number <= last {
			t.Errorf("commit %d comes after %d", number, last)
		}
		last = number
		if err := tx.Commit(f.ctx(), state.Changes{Identities: []*weir.Identity{identity(acme, "ann", 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	next(f.store)
	next(f.store)
	if f.harness.Second != nil {
		second := f.harness.Second(t)
		next(second)
		next(f.store)
		next(second)
	}
	f.reopen()
	next(f.store)
}

// testClaims: an item is one partition's until it is released, all of a call or none.
func testClaims(t *testing.T, f *fixture) {
	if f.harness.Second == nil {
		t.Skip("the data belong to one process")
	}
	first, second := f.store.Seen(), f.harness.Second(t).Seen()
	keys, _ := items(3)
	claim := func(by state.Seen, partition int, seq uint64, want []state.ItemKey, of ...state.ItemKey) {
		t.Helper()
		var claims []state.Claim
		for _, k := range of {
			claims = append(claims, state.Claim{ItemKey: k, At: weir.At(partition, seq)})
		}
		busy, err := by.Claim(f.ctx(), claims)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "busy", busy, want)
	}
	release := func(by state.Seen, upTo map[int]uint64) {
		t.Helper()
		if err := by.Release(f.ctx(), upTo); err != nil {
			t.Fatal(err)
		}
	}
	claim(first, 1, 5, nil)
	claim(first, 1, 5, nil, keys[0], keys[1])
	claim(first, 1, 5, nil, keys[1], keys[0]) // again
	claim(second, 2, 7, []state.ItemKey{keys[1]}, keys[1], keys[2])
	claim(first, 1, 6, nil, keys[2]) // of which the second has got nothing
	release(first, map[int]uint64{1: 5, 2: 100})
	claim(second, 2, 7, nil, keys[1], keys[0])
	claim(second, 2, 8, []state.ItemKey{keys[2]}, keys[2])
	// The first dies, and the second takes its partition over: with what it has claimed.
	claim(second, 1, 6, nil, keys[2])
	release(second, map[int]uint64{1: 6})
	claim(first, 3, 1, nil, keys[2])
	// A later delivery in the same partition keeps an item for longer.
	claim(second, 2, 9, nil, keys[1])
	release(second, map[int]uint64{2: 8})
	claim(first, 3, 2, []state.ItemKey{keys[1]}, keys[1])
	release(second, map[int]uint64{2: 9})
	claim(first, 3, 2, nil, keys[1])
}
