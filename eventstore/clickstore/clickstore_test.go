package clickstore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/clickstore"
	"github.com/weirhq/weir/eventstore/clickstore/clicktest"
	"github.com/weirhq/weir/eventstore/storetest"
	"github.com/weirhq/weir/query"
)

var programs = flag.Int("programs", 0, "random programs held against the model; 0: 3, or 1 with -short")

func programsOrDefault() int {
	switch {
	case *programs > 0:
		return *programs
	case testing.Short():
		return 1
	}
	return 3
}

// prefixOf is a name for the databases of a test, which go with it.
func prefixOf(t testing.TB) string {
	t.Helper()
	prefix, address := fmt.Sprintf("weirtest%x", rand.Uint64()), clicktest.Server(t)
	t.Cleanup(func() {
		s, err := clickstore.Open(address, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		names, err := s.Databases(context.Background(), prefix)
		for _, name := range names {
			err = errors.Join(err, s.Exec(context.Background(), "DROP DATABASE `"+name+"` SYNC", nil))
		}
		if err != nil {
			t.Error(err)
		}
	})
	return prefix
}

func open(t testing.TB, prefix string, o clickstore.Options) *clickstore.Store {
	t.Helper()
	o.Prefix = prefix
	s, err := clickstore.Open(clicktest.Server(t), &o)
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
		prefix := prefixOf(t)
		h := &storetest.Harness{Store: open(t, prefix, clickstore.Options{}), Programs: programsOrDefault()}
		h.Reopen = func(t *testing.T) eventstore.Store {
			if err := h.Store.Close(); err != nil {
				t.Fatal(err)
			}
			h.Store = open(t, prefix, clickstore.Options{})
			return h.Store
		}
		return h
	})
}

func ofUser(name string) query.Ref { return query.Ref{On: query.OnUser, Name: name} }

// everything asks for all events, and for their people.
func everything() *query.Plan {
	return &query.Plan{Trends: &query.Trends{
		Period: query.Period{Buckets: query.Buckets{Edges: []weir.Micros{-1 << 60, 1 << 60}, Labels: []string{"all"}}},
		Series: []query.Series{{Name: "A", Measure: query.Total}, {Name: "B", Measure: query.Users}},
	}}
}
