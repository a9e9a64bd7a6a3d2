package workspace

import (
	"strings"
	"testing"
	"time"
)

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
	// Made with the reference implementation: argon2id, m=64 KiB, t=2, p=1.
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
