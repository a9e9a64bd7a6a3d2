package sqlitestate

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

func filterKey(n int) (key [seenKeySize]byte) {
	return document.HashItem(state.ItemKey{ID: fmt.Sprint(n)})
}

func TestFilterHasWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFilter(rapid.Int64Range(0, 1000).Draw(t, "size"))
		keys := rapid.SliceOf(rapid.Map(rapid.SliceOfN(rapid.Byte(), seenKeySize, seenKeySize), func(b []byte) [seenKeySize]byte {
			return [seenKeySize]byte(b)
		})).Draw(t, "keys")
		for _, key := range keys {
			f.add(&key)
		}
		for _, key := range keys {
			if !f.mayHave(&key) {
				t.Fatalf("%x was added and is not there", key)
			}
		}
	})
}

func TestFilterIsSeldomWrong(t *testing.T) {
	const keys = 80_000
	f := newFilter(keys * roomyBits / 8)
	for n := range keys {
		key := filterKey(n)
		f.add(&key)
	}
	known := f.keys.Load()
	for n := range keys { // which changes nothing
		key := filterKey(n)
		f.add(&key)
	}
	if got := f.keys.Load(); got != known || got > keys || got < keys*98/100 {
		t.Errorf("%d keys were counted, then %d, of %d", known, got, keys)
	}
	wrong := 0
	for n := range keys {
		key := filterKey(keys + n)
		if f.mayHave(&key) {
			wrong++
		}
	}
	if wrong == 0 || wrong > keys*2/100 {
		t.Errorf("%d of %d new keys may have been added, want about 1 %%", wrong, keys)
	}
}

func TestFilterSize(t *testing.T) {
	for _, c := range []struct{ keys, limit, want int64 }{
		{0, 64 << 20, 1 << 20},
		{800_000, 64 << 20, 1 << 20},
		{900_000, 64 << 20, 4 << 20},
		{10_000_000, 64 << 20, 16 << 20},
		{14_000_000, 64 << 20, 64 << 20},
		{1 << 40, 64 << 20, 64 << 20}, // more than it is good for
		{0, 3 << 20, 3 << 20},
	} {
		if got := filterSize(c.keys, c.limit); got != c.want {
			t.Errorf("size for %d keys of at most %d: got %d, want %d", c.keys, c.limit, got, c.want)
		}
	}
}

// awaitFilter waits until no filter is being filled.
func awaitFilter(s *Seen) *filter {
	s.fills.Wait()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.filter
}

// A filter that has become too small is replaced while items come and are looked
// up: what was put is found at every moment.
func TestFilterGrows(t *testing.T) {
	s := open(t, t.TempDir()).seen
	small := awaitFilter(s)
	s.mu.Lock()
	s.filter = newFilter(64) // of one line: crowded after 52 keys
	s.mu.Unlock()
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for n := range 40 {
				var keys []state.ItemKey
				for i := range 50 {
					keys = append(keys, state.ItemKey{ID: fmt.Sprint(worker, n, i)})
				}
				entries := make([]state.Entry, len(keys))
				for i := range entries {
					entries[i].Position = 1
				}
				if err := s.Put(t.Context(), keys, nil, entries); err != nil {
					t.Error(err)
				}
				got, err := s.Lookup(t.Context(), keys)
				if err != nil {
					t.Error(err)
				}
				for i, e := range got {
					if e.Position != 1 {
						t.Errorf("item %v was put and is not found", keys[i])
					}
				}
			}
		})
	}
	wait.Wait()
	if f := awaitFilter(s); f == nil || f.size() != small.size() || f.keys.Load() < 4*40*50*98/100 {
		t.Errorf("the filter was not replaced: %+v", f)
	}
}

// After a start the filter is made of what is in the index; new items are found
// whether that is done or not.
func TestFilterAfterStart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	keys, entries := make([]state.ItemKey, 20_000), make([]state.Entry, 20_000)
	for i := range keys {
		keys[i], entries[i] = state.ItemKey{ID: fmt.Sprint(i)}, state.Entry{Position: 1}
	}
	if err := s.Seen().Put(t.Context(), keys[:10_000], nil, entries[:10_000]); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if err := s.Seen().Put(t.Context(), keys[10_000:], nil, entries[10_000:]); err != nil {
		t.Fatal(err)
	}
	for _, moment := range []string{"at once", "when the filter is full"} {
		found, err := s.Seen().Lookup(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range found {
			if e.Position != 1 {
				t.Fatalf("%s: item %d is not found", moment, i)
			}
		}
		awaitFilter(s.seen)
	}
	if got := awaitFilter(s.seen).keys.Load(); got < 20_000*98/100 {
		t.Errorf("the filter has %d keys of %d", got, len(keys))
	}
}

// Without a filter, as its table was damaged, the index still works.
func TestFilterOfDamagedIndex(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	keys := fillSeen(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "seen", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no table: %v", err)
	}
	overwrite(t, tables[0], 20_000, 10)
	s = open(t, dir)
	if f := awaitFilter(s.seen); f != nil {
		t.Fatal("a filter was made of an index that cannot be read")
	}
	fresh := []state.ItemKey{{ID: "fresh"}}
	if err := s.Seen().Put(t.Context(), fresh, nil, []state.Entry{{Position: 5}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Seen().Lookup(t.Context(), fresh); err != nil || got[0].Position != 5 {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = s.Seen().Lookup(t.Context(), keys)
	checkDamaged(t, err, filepath.Join(dir, "seen"))
}
