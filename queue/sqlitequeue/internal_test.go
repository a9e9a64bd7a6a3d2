package sqlitequeue

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
)

// TestPageLimit makes SQLite run out of pages, as it does on a full disk.
func TestPageLimit(t *testing.T) {
	q, err := Open(t.Context(), t.TempDir(), &Options{MinFree: -1, MinFreePercent: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	raw := make([]byte, 20_000)
	for i := range raw {
		raw[i] = byte(i * i >> 3)
	}
	body, err := frame.Encode(0, []weir.Record{{Workspace: "test", Raw: raw}})
	if err != nil {
		t.Fatal(err)
	}
	body.Data = append(body.Data, raw...) // need not be readable here
	limit := func(pages string) {
		if _, err := q.store.writer.ExecContext(t.Context(), "PRAGMA max_page_count="+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("50")
	stored := uint64(0)
	for err = nil; err == nil; stored++ {
		err = q.Append(t.Context(), []frame.Body{body, body})
	}
	stored = 2 * (stored - 1)
	if !errors.Is(err, queue.ErrFull) || errors.Is(err, ErrBroken) || stored == 0 {
		t.Fatalf("after %d got error %v", stored, err)
	}
	if lag, err := q.Lag(t.Context()); err != nil || lag.Head[0] != stored {
		t.Fatalf("head is %d, stored %d: %v", lag.Head[0], stored, err)
	}
	limit("1000")
	if err := q.Append(t.Context(), []frame.Body{body}); err != nil {
		t.Fatal(err)
	}
	c, err := q.Consume(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	var got uint64
	for got < stored+1 {
		deliveries, err := c.Receive(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range deliveries {
			if d.Damage != nil || d.Header.First != got+1 {
				t.Fatalf("got %d after %d: %v", d.Header.First, got, d.Damage)
			}
			got++
		}
	}
}

// TestPragmas makes sure that every connection is durable and that readers only
// read.
func TestPragmas(t *testing.T) {
	q, err := Open(t.Context(), t.TempDir(), &Options{MinFree: -1, MinFreePercent: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var level int
	if err := q.store.writer.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&level); err != nil || level != 2 {
		t.Errorf("writer: synchronous is %d: %v", level, err)
	}
	if err := q.store.readers.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&level); err != nil || level != 2 {
		t.Errorf("reader: synchronous is %d: %v", level, err)
	}
	if _, err := q.store.readers.ExecContext(t.Context(), "DELETE FROM frames"); err == nil {
		t.Error("a reader can write")
	}
}

// TestLogIsBounded appends several times the log's limit while nothing is
// acknowledged, and trims all of it afterwards.
func TestLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	q, err := Open(t.Context(), dir, &Options{Partitions: 1, MinFree: -1, MinFreePercent: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	body := frame.Body{Count: 1, Data: make([]byte, 1<<20)} // need not be readable here
	for range 20 {
		bodies := make([]frame.Body, 8)
		for i := range bodies {
			bodies[i] = body
		}
		if err := q.Append(t.Context(), bodies); err != nil {
			t.Fatal(err)
		}
	}
	size := func(name string) int64 {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	await := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s; the log has %d bytes, the file %d", what, size("queue.db-wal"), size("queue.db"))
			}
		}
	}
	await("the log was not written out", func() bool { return size("queue.db") > 100<<20 })
	// It is the next write that begins the log anew and cuts the file.
	appended := uint64(20 * 8)
	await("the log was not begun anew", func() bool {
		if err := q.Append(t.Context(), []frame.Body{{Count: 1, Data: make([]byte, 10)}}); err != nil {
			t.Fatal(err)
		}
		appended++
		return size("queue.db-wal") <= 40<<20
	})
	c, err := q.Consume(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for got := uint64(0); got < appended; {
		deliveries, err := c.Receive(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		got = deliveries[len(deliveries)-1].Header.Last()
		if err := c.Ack(t.Context(), map[int]uint64{0: got}); err != nil {
			t.Fatal(err)
		}
	}
	await("what is done with was not removed", func() bool {
		var left int
		err := q.store.readers.QueryRowContext(t.Context(), "SELECT count(*) FROM frames").Scan(&left)
		return err == nil && left == 1 // the newest stays
	})
	// What was freed is used again: the file does not grow.
	pages := func() (n int) {
		if err := q.store.readers.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := pages()
	for range 10 {
		if err := q.Append(t.Context(), []frame.Body{body, body, body, body}); err != nil {
			t.Fatal(err)
		}
	}
	if after := pages(); after > before {
		t.Errorf("the file grew from %d to %d pages although there was room in it", before, after)
	}
}
