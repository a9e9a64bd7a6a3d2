package pgstate

import (
	"context"
	"testing"
	"time"

	"github.com/weirhq/weir/state"
)

// contended asks a store which of its users it does not get.
func contended(t *testing.T, s *Store, ids ...string) int {
	t.Helper()
	tx := begin(t, s, state.Need{Users: users(ids...)})
	defer tx.Rollback()
	return len(tx.Snapshot().Contended)
}

// Processes see each other's holds, and their releases.
func TestHoldsOfOtherProcesses(t *testing.T) {
	options := testOptions(t)
	options.LockWait = time.Minute // or until they are free
	one, two := open(t, options), open(t, options)
	options.LockWait = -1
	impatient := open(t, options)
	release, err := one.Hold(t.Context(), users("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	if n := contended(t, impatient, "a", "b", "c"); n != 2 {
		t.Errorf("%d users are contended, want 2", n)
	}
	got := make(chan int)
	go func() { got <- contended(t, two, "a", "c") }()
	second := make(chan error)
	go func() {
		again, err := two.Hold(context.Background(), users("b", "c"))
		if err == nil {
			again()
		}
		second <- err
	}()
	release() // whether they wait already or come later, they get what they need
	if n := <-got; n != 0 {
		t.Errorf("%d users are contended after the release", n)
	}
	if err := <-second; err != nil {
		t.Errorf("hold after the release: %v", err)
	}
	waitFor(t, one, "nobody to be held", "count(*) = 0 FROM holds")
}

// Whoever died holds nothing for long; whoever lives does, for as long as they like.
func TestHoldsExpireWithTheirHolder(t *testing.T) {
	options := testOptions(t)
	options.HoldExpiry = time.Second
	options.LockWait = -1
	alive, dead := open(t, options), open(t, options)
	if _, err := alive.Hold(t.Context(), users("kept")); err != nil {
		t.Fatal(err)
	}
	release, err := dead.Hold(t.Context(), users("left"))
	if err != nil {
		t.Fatal(err)
	}
	dead.stop() // as if it was killed: nobody says any more that it lives
	dead.stopped.Wait()
	waitFor(t, alive, "the dead one's hold to expire", "EXISTS (SELECT FROM holds WHERE expires < clock_timestamp())")
	if n := contended(t, alive, "left", "kept"); n != 1 {
		t.Errorf("%d users are contended, want the one whose holder lives", n)
	}
	// Somebody else may hold them now, and the former holder does not take that away.
	again, err := alive.Hold(t.Context(), users("left"))
	if err != nil {
		t.Fatal(err)
	}
	release()
	dead.renewHolds(t.Context())
	if n := contended(t, alive, "left"); n != 1 {
		t.Error("one who came back has taken the hold of another away")
	}
	again()
}

// Closing lets all go at once.
func TestCloseLetsGo(t *testing.T) {
	options := testOptions(t)
	one, two := open(t, options), open(t, options)
	release, err := one.Hold(t.Context(), users("a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	release()
	if n := contended(t, two, "a"); n != 0 {
		t.Error("held by a store that is closed")
	}
	if _, err := one.Hold(t.Context(), users("a")); err == nil {
		t.Error("hold after close: no error")
	}
}
