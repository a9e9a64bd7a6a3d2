package pgstate

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// Many processes may start at once, where there is nothing yet.
func TestManyOpenAtOnce(t *testing.T) {
	options := testOptions(t)
	options.MaxConns = 4
	const openers = 8
	var wait sync.WaitGroup
	var stores [openers]*Store
	for n := range stores {
		wait.Go(func() {
			s, err := Open(t.Context(), options)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			stores[n] = s
			commit(t, begin(t, s, state.Need{Users: users("u"), Partitions: []int{n}}), state.Changes{Applied: map[int]uint64{n: 1}})
		})
	}
	wait.Wait()
	for _, s := range stores {
		if s == nil {
			continue
		}
		tx := begin(t, s, state.Need{Partitions: []int{0, openers - 1}})
		if a := tx.Snapshot().Applied; a[0] != 1 || a[openers-1] != 1 {
			t.Errorf("positions are %v", a)
		}
		_ = tx.Rollback()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What another version of Weir has written is refused, with what to do about it.
func TestOpenRefusesOtherVersions(t *testing.T) {
	for code, statement := range map[string]string{
		"schema_too_new ": "INSERT INTO state_version (version_id, is_applied) VALUES (99999, true)",
		"schema_too_new":  "UPDATE form SET number = 99",
		"state_outdated":  "UPDATE form SET number = 1",
	} {
		options := testOptions(t)
		s := open(t, options)
		if _, err := s.pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), options)
		var told *weir.Error
		if !errors.As(err, &told) || told.Code != strings.TrimSpace(code) || !strings.Contains(told.Message, options.Schema) {
			t.Errorf("%s: got %v", statement, err)
		}
	}
}

func TestOpenSaysWhereItCannotConnect(t *testing.T) {
	_, err := Open(t.Context(), &Options{DSN: "postgres://nobody:secret@127.0.0.1:1/none"})
	var told *weir.Error
	if !errors.As(err, &told) || told.Code != "state_unavailable" || !strings.Contains(told.Message, "127.0.0.1:1") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if _, err := Open(t.Context(), &Options{DSN: "postgres://nobody:secret@[/none"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an address that is none: got %v", err)
	}
}

// Every connection answers for what it has acknowledged, whatever the role's default.
func TestConnectionsAreDurable(t *testing.T) {
	options := testOptions(t)
	options.DSN += "&synchronous_commit=off"
	s := open(t, options)
	for name, want := range map[string]string{
		"synchronous_commit": "on", "default_transaction_isolation": "read committed", "statement_timeout": "30s", "lock_timeout": "5s",
		"idle_in_transaction_session_timeout": "10s",
	} {
		var got string
		if err := s.transactions.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
}
