package pgledger_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/queue/rabbitqueue"
	"github.com/weirhq/weir/queue/rabbitqueue/ledgertest"
	"github.com/weirhq/weir/queue/rabbitqueue/pgledger"
)

func address() string {
	if value := os.Getenv("WEIR_TEST_POSTGRES_URL"); value != "" {
		return value
	}
	return "postgres://postgres@127.0.0.1:5432/test"
}

// connect makes a pool, and the name of a schema that is dropped when the test
// ends.
func connect(t *testing.T) (*pgxpool.Pool, string) {
	t.Helper()
	u, err := url.Parse(address())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", u.Host, 2*time.Second)
	if err != nil && os.Getenv("WEIR_TEST_SERVICES") == "required" {
		t.Fatalf("PostgreSQL does not answer: %v", err)
	} else if err != nil {
		t.Skipf("PostgreSQL does not answer at %s", u.Host)
	}
	conn.Close()
	pool, err := pgxpool.New(t.Context(), address())
	if err != nil {
		t.Fatal(err)
	}
	var id [6]byte
	_, _ = rand.Read(id[:])
	schema := "weirtest_" + hex.EncodeToString(id[:])
	t.Cleanup(func() {
		if _, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP SCHEMA IF EXISTS "+schema+" CASCADE"); err != nil {
			t.Errorf("drop schema: %v", err)
		}
		pool.Close()
	})
	return pool, schema
}

func open(t *testing.T, pool *pgxpool.Pool, schema string) *pgledger.Ledger {
	t.Helper()
	l, err := pgledger.Open(t.Context(), pool, &pgledger.Options{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestConformance(t *testing.T) {
	ledgertest.Test(t, func(t *testing.T) ledgertest.Harness {
		pool, schema := connect(t)
		return ledgertest.Harness{
			Ledger: open(t, pool, schema),
			Again:  func(t *testing.T) rabbitqueue.Ledger { return open(t, pool, schema) },
			Age: func(t *testing.T) {
				if _, err := pool.Exec(t.Context(), "UPDATE "+schema+".mark SET at = at - interval '61 minutes'"); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// Processes that start together make the tables once.
func TestOpenTogether(t *testing.T) {
	pool, schema := connect(t)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			if _, err := pgledger.Open(t.Context(), pool, &pgledger.Options{Schema: schema}); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
}

// A database that may lose what it has committed would give numbers twice.
func TestSynchronousCommit(t *testing.T) {
	_, schema := connect(t)
	config, err := pgxpool.ParseConfig(address())
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pgledger.Open(t.Context(), pool, &pgledger.Options{Schema: schema}); err == nil || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("got error %v, want one about synchronous_commit", err)
	}
}

func TestRetentionIsAnHour(t *testing.T) {
	pool, schema := connect(t)
	if _, err := pgledger.Open(t.Context(), pool, &pgledger.Options{Schema: schema, Retention: time.Minute}); err == nil {
		t.Error("a retention of a minute was accepted")
	}
}

// Frames that are to be forgotten are more than one statement takes.
func TestForgetMany(t *testing.T) {
	pool, schema := connect(t)
	l := open(t, pool, schema)
	const frames = 25_000
	if _, err := pool.Exec(t.Context(), "INSERT INTO "+schema+".partition VALUES (0, $1, $1)", frames); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "INSERT INTO "+schema+".frame SELECT 0, gen_random_uuid(), n, n, 1 FROM generate_series(1, $1::int) n", frames); err != nil {
		t.Fatal(err)
	}
	if err := l.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE "+schema+".mark SET at = at - interval '2 hours'"); err != nil {
		t.Fatal(err)
	}
	if err := l.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+schema+".frame").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d frames are left, %v", left, err)
	}
}
