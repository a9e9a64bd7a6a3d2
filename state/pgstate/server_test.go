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
