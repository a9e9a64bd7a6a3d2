package sqlitestate

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// patient waits for those who are held as long as it takes.
func patient(t *testing.T, wait time.Duration) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state"), &Options{Memory: 32 << 20, LockWait: wait})
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

func TestBeginWaitsForWhoIsHeld(t *testing.T) {
	s := patient(t, time.Hour)
	user := state.Key{Workspace: "w", ID: "u"}
	release, err := s.Hold(t.Context(), []state.Key{user})
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan error)
	go func() {
		tx, err := s.Begin(t.Context(), state.Need{Users: []state.Key{user}})
		if err == nil {
			if len(tx.Snapshot().Contended) > 0 {
				err = errors.New("the user is contended although there is time to wait")
			}
			err = errors.Join(err, tx.Rollback())
		}
		begun <- err
	}()
	// Meanwhile others have the store.
	for n := range 20 {
		if err := commitOne(t, s, uint32(n+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	release()
	if err := <-begun; err != nil {
		t.Error(err)
	}
}

// A context that ends while Begin waits ends the wait, not with a Tx that nobody
// is there for.
func TestBeginEndsWithContext(t *testing.T) {
	s := patient(t, time.Hour)
	user := state.Key{Workspace: "w", ID: "u"}
	release, err := s.Hold(t.Context(), []state.Key{user})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Begin(ctx, state.Need{Users: []state.Key{user}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := commitOne(t, s, 1, 1); err != nil {
		t.Error(err)
	}
}

func TestContendedIsNotWritten(t *testing.T) {
	s := patient(t, -1)
	first := &weir.Identity{Workspace: "w", ID: "first", Number: 1, Person: 1}
	member := &weir.Identity{Workspace: "w", ID: "member", Number: 2, Person: 1}
	end := func(tx state.Tx, err error, changes state.Changes) error {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return tx.Commit(t.Context(), changes)
	}
	tx, err := s.Begin(t.Context(), state.Need{})
	if err := end(tx, err, state.Changes{Identities: []*weir.Identity{first, member}}); err != nil {
		t.Fatal(err)
	}
	release, err := s.Hold(t.Context(), []state.Key{{Workspace: "w", ID: "member"}})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	tx, err = s.Begin(t.Context(), state.Need{Users: []state.Key{{Workspace: "w", ID: "first"}}})
	err = end(tx, err, state.Changes{Identities: []*weir.Identity{first}})
	if err == nil || !strings.Contains(err.Error(), "held by somebody else") {
		t.Errorf("got %v", err)
	}
}

func TestHoldAfterClose(t *testing.T) {
	s := patient(t, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(t.Context(), []state.Key{{ID: "u"}}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}
