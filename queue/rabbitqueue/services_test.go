package rabbitqueue_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/weirhq/weir/queue/queuetest"
	"github.com/weirhq/weir/queue/rabbitqueue"
	"github.com/weirhq/weir/queue/rabbitqueue/pgledger"
)

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func rabbitURL() string {
	return environment("WEIR_TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672/")
}
func postgresURL() string {
	return environment("WEIR_TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/test")
}

// need skips the test if a service does not answer, or fails it where services
// are required.
func need(t testing.TB, service, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	conn, err := net.DialTimeout("tcp", u.Host, 2*time.Second)
	if err == nil {
		conn.Close()
		return
	}
	if os.Getenv("WEIR_TEST_SERVICES") == "required" {
		t.Fatalf("%s does not answer: %v", service, err)
	}
	t.Skipf("%s does not answer at %s", service, u.Host)
}

// bench is a queue's name on the broker and its ledger, for one test.
type bench struct {
	prefix string
	ledger *pgledger.Ledger
	pool   *pgxpool.Pool
}

// newBench takes everything away when the test ends.
func newBench(t testing.TB) *bench {
	t.Helper()
	need(t, "RabbitMQ", rabbitURL())
	need(t, "PostgreSQL", postgresURL())
	var id [6]byte
	_, _ = rand.Read(id[:])
	b := &bench{prefix: "weirtest-" + hex.EncodeToString(id[:])}
	schema := "weirtest_" + hex.EncodeToString(id[:])
	pool, err := pgxpool.New(t.Context(), postgresURL())
	if err != nil {
		t.Fatal(err)
	}
	b.pool = pool
	t.Cleanup(func() {
		if _, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP SCHEMA IF EXISTS "+schema+" CASCADE"); err != nil {
			t.Errorf("drop schema: %v", err)
		}
		pool.Close()
	})
	if b.ledger, err = pgledger.Open(t.Context(), pool, &pgledger.Options{Schema: schema}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.remove(t) })
	return b
}

// channel is a channel of the test's own.
func (b *bench) channel(t testing.TB) (*amqp.Channel, func()) {
	t.Helper()
	conn, err := amqp.Dial(rabbitURL())
	if err != nil {
		t.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch, func() { conn.Close() }
}

// remove deletes the queue from the broker.
func (b *bench) remove(t testing.TB) {
	t.Helper()
	ch, done := b.channel(t)
	defer done()
	names := []string{b.prefix + ".dead"}
	for _, key := range []string{"p00", "p01", "p02", "p03", "p04", "p05", "p06", "p07"} {
		names = append(names, b.prefix+"."+key)
	}
	for _, name := range names { // what is not there is deleted too
		if _, err := ch.QueueDelete(name, false, false, false); err != nil {
			t.Errorf("delete queue: %v", err)
			return
		}
	}
	for _, name := range []string{b.prefix, b.prefix + ".dead", b.prefix + ".members"} {
		if err := ch.ExchangeDelete(name, false, false); err != nil {
			t.Errorf("delete exchange: %v", err)
			return
		}
	}
}

// open opens the queue with the bench's ledger and queuetest.Partitions.
func (b *bench) open(t testing.TB, change func(*rabbitqueue.Options)) *rabbitqueue.Queue {
	t.Helper()
	return b.openAt(t, rabbitURL(), change)
}

func (b *bench) openAt(t testing.TB, address string, change func(*rabbitqueue.Options)) *rabbitqueue.Queue {
	t.Helper()
	options := &rabbitqueue.Options{Prefix: b.prefix, Partitions: queuetest.Partitions, Ledger: b.ledger, Prefetch: 300}
	if change != nil {
		change(options)
	}
	q, err := rabbitqueue.Open(t.Context(), []string{address}, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return q
}
