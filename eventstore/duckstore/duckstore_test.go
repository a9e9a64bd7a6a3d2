package duckstore_test

import (
	"flag"
	"testing"

	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/eventstore/storetest"
)

var programs = flag.Int("programs", 0, "random programs held against the model; 0: the suite's default")

func open(t testing.TB, dir string, o *duckstore.Options) *duckstore.Store {
	t.Helper()
	s, err := duckstore.Open(dir, o)
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

func TestStore(t *testing.T) {
	storetest.Test(t, func(t *testing.T) *storetest.Harness {
		dir := t.TempDir()
		h := &storetest.Harness{Store: open(t, dir, nil), Programs: *programs}
		h.Reopen = func(t *testing.T) eventstore.Store {
			if err := h.Store.Close(); err != nil {
				t.Fatal(err)
			}
			h.Store = open(t, dir, nil)
			return h.Store
		}
		return h
	})
}
