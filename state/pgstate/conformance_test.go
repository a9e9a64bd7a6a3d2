package pgstate

import (
	"testing"

	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Test(t, func(t *testing.T) statetest.Harness {
		options := testOptions(t)
		store := open(t, options)
		return statetest.Harness{
			Store: store,
			Reopen: func(t *testing.T) state.Store {
				if err := store.Close(); err != nil {
					t.Fatal(err)
				}
				store = open(t, options)
				return store
			},
			Second: func(t *testing.T) state.Store { return open(t, options) },
		}
	})
}
