// Package pgtest finds the PostgreSQL server for tests and gives each a schema of its
// own. Tests that need one are skipped where there is none, and fail if the environment
// variable WEIR_TEST_SERVICES is "required".
package pgtest

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

// Server is the address of the server: WEIR_TEST_POSTGRES_URL, or the database test of
// the user postgres on this machine.
func Server(t testing.TB) string {
	t.Helper()
	dsn := cmp.Or(os.Getenv("WEIR_TEST_POSTGRES_URL"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
	if err := Exec(dsn, "SELECT 1"); err != nil {
		if os.Getenv("WEIR_TEST_SERVICES") == "required" {
			t.Fatalf("PostgreSQL is required: %v", err)
		}
		t.Skip("needs PostgreSQL; name one in WEIR_TEST_POSTGRES_URL")
	}
	return dsn
}

// Schema is a name that no schema has. The caller drops the schema.
func Schema() string { return "weir_test_" + strings.ToLower(rand.Text()[:12]) }

// Drop removes a schema and all that is in it, if it is there.
func Drop(dsn, schema string) error {
	return Exec(dsn, "DROP SCHEMA IF EXISTS "+pgx.Identifier{schema}.Sanitize()+" CASCADE")
}

// Named is a DSN whose connections pg_stat_activity shows under a name.
func Named(dsn, name string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&application_name=" + name
	}
	return dsn + "?application_name=" + name
}

// Exec runs a statement on a connection of its own.
func Exec(dsn, statement string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement, args...)
	return err
}
