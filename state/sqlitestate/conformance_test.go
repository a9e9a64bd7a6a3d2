package sqlitestate

import (
	"testing"

	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Test(t, func(t *testing.T) statetest.Harness {
		dir := t.TempDir()
		store := open(t, dir)
		return statetest.Harness{Store: store, Reopen: func(t *testing.T) state.Store {
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			store = open(t, dir)
			return store
		}}
	})
}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, &Options{Memory: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
