package pgstate

import (
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// server is the address of the test server, from WEIR_TEST_POSTGRES_URL or the usual
// one. Tests are skipped without it, unless WEIR_TEST_SERVICES=required.
func server(t testing.TB) string {
	t.Helper()
	dsn := cmp.Or(os.Getenv("WEIR_TEST_POSTGRES_URL"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		if os.Getenv("WEIR_TEST_SERVICES") == "required" {
			t.Fatalf("PostgreSQL is required: %v", err)
		}
		t.Skip("needs PostgreSQL; name one in WEIR_TEST_POSTGRES_URL")
	}
	_ = conn.Close(ctx)
	return dsn
}

// testOptions names a schema that is dropped when the test ends, and an application
// that is this test's alone.
func testOptions(t testing.TB) *Options {
	t.Helper()
	dsn := server(t)
	name := "weir_test_" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() { admin(t, dsn, "DROP SCHEMA IF EXISTS "+name+" CASCADE") })
	joint := "?"
	if strings.Contains(dsn, "?") {
		joint = "&"
	}
	return &Options{DSN: dsn + joint + "application_name=" + name, Schema: name}
}

// admin runs a statement on a connection of its own.
func admin(t testing.TB, dsn, statement string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement, args...); err != nil {
		t.Errorf("%s: %v", statement, err)
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
