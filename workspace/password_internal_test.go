package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
)

// oneAccount is a store with an account that has a decoy for a password.
type oneAccount struct{ Store }

func (oneAccount) Get(_ context.Context, collection string, _ weir.WorkspaceID, id string) (Document, error) {
	if collection != accounts || id != "known@example.com" {
		return Document{}, ErrNotFound
	}
	body, err := json.Marshal(storedAccount{Account: Account{Email: id}, PasswordHash: decoyHash()})
	return Document{ID: id, Revision: 1, Body: body}, err
}

// A sign-in waits for a slot before it hashes: no more are at it at once than
// there are slots. One with an unknown address hashes too, which is what takes
// the time.
func TestHashingTakesASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(oneAccount{}, nil)
		for range cap(d.hashing) {
			d.hashing <- struct{}{}
		}
		for _, email := range []string{"known@example.com", "unknown@example.com"} {
			done := make(chan error, 1)
			go func() {
				_, err := d.SignIn(t.Context(), email, "wrong password")
				done <- err
			}()
			synctest.Wait()
			select {
			case err := <-done:
				t.Fatalf("%s: did not wait for a slot: %v", email, err)
			default:
			}
			<-d.hashing
			if err := <-done; !errors.Is(err, ErrWrongPassword) {
				t.Errorf("%s: got %v", email, err)
			}
			d.hashing <- struct{}{}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.SignIn(ctx, "unknown@example.com", "wrong password"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waited for ever: %v", err)
		}
	})
}

// A hash that says other parameters is understood, and marked to be made anew.
func TestPHC(t *testing.T) {
	d := New(nil, nil)
	hash, err := d.hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	ok, stale, err := d.matches(t.Context(), "correct horse battery", hash)
	if !ok || stale || err != nil {
		t.Errorf("own hash: %v, %v, %v", ok, stale, err)
	}
	// Of the reference implementation's own tests.
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	ok, stale, err = d.matches(t.Context(), "password", reference)
	if !ok || !stale || err != nil {
		t.Errorf("reference hash: %v, %v, %v", ok, stale, err)
	}
	weak := strings.Replace(hash, "m=19456,t=2,p=1", "m=64,t=1,p=1", 1)
	ok, stale, err = d.matches(t.Context(), "correct horse battery", weak)
	if ok || !stale || err != nil {
		t.Errorf("other parameters: %v, %v, %v", ok, stale, err)
	}
	for _, bad := range []string{
		"", "x", "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1$$", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$!",
	} {
		if _, _, err := d.matches(t.Context(), "x", bad); err == nil {
			t.Errorf("hash %q: no error", bad)
		}
	}
}

func TestLimiterIsBounded(t *testing.T) {
	var l limiter
	l.init(perMinute)
	now := time.Unix(0, 0)
	name := func(n int) string { return strings.Repeat("x", n%7) + time.Duration(n).String() }
	for n := range maxLimited + 10 {
		if got := l.allow(name(n), now); got != (n < maxLimited) {
			t.Fatalf("account %d: got %v", n, got)
		}
	}
	if len(l.full) > maxLimited {
		t.Errorf("%d accounts are remembered", len(l.full))
	}
	if !l.allow("later", now.Add(time.Minute)) || len(l.full) != 1 {
		t.Errorf("after a minute: %d accounts are remembered", len(l.full))
	}
}
