package pgstate

import (
	"context"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/pgstate/pgtest"
)

// testOptions names a schema that is dropped when the test ends, and an application
// that is this test's alone.
func testOptions(t testing.TB) *Options {
	t.Helper()
	dsn, name := pgtest.Server(t), pgtest.Schema()
	t.Cleanup(func() {
		if err := pgtest.Drop(dsn, name); err != nil {
			t.Error(err)
		}
	})
	return &Options{DSN: pgtest.Named(dsn, name), Schema: name}
}

// cut ends connections of a store, those of which an expression is true, and waits until
// they are gone.
func cut(t testing.TB, o *Options, which string) {
	t.Helper()
	err := pgtest.Exec(pgtest.Server(t), "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1 AND "+which, o.Schema)
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, options *Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), options)
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

// begin and commit fail the test where they fail.
func begin(t testing.TB, s *Store, need state.Need) state.Tx {
	t.Helper()
	tx, err := s.Begin(context.Background(), need)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return tx
}

func commit(t testing.TB, tx state.Tx, changes state.Changes) {
	t.Helper()
	if err := tx.Commit(context.Background(), changes); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

const ws = weir.WorkspaceID("acme")

func users(ids ...string) (out []state.Key) {
	for _, id := range ids {
		out = append(out, state.Key{Workspace: ws, ID: id})
	}
	return out
}

func identity(id string, number, person uint32) *weir.Identity {
	return &weir.Identity{Workspace: ws, ID: id, Number: number, Person: person}
}

// waitFor asks the database until a condition holds of it.
func waitFor(t testing.TB, s *Store, what, condition string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		var holds bool
		if err := s.pool.QueryRow(ctx, "SELECT "+condition, args...).Scan(&holds); err != nil {
			t.Fatalf("wait for %s: %v", what, err)
		}
		if holds {
			return
		}
	}
}

// waitForWaiting waits until so many connections of the test wait for a row.
func waitForWaiting(t testing.TB, s *Store, n int) {
	t.Helper()
	waitFor(t, s, "somebody to wait", "count(*) = $1 FROM pg_stat_activity WHERE application_name = $2 AND wait_event_type = 'Lock'", n, s.schema)
}
