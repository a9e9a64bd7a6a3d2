package sqlitequeue_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/sqlitequeue"
)

// TestGuard moves the free space below the guard and above it.
func TestGuard(t *testing.T) {
	for _, c := range []struct {
		name        string
		minFree     int64
		percent     int
		free, total int64
		full        bool
	}{
		{"defaults, enough", 0, 0, 2 << 30, 20 << 30, false},
		{"defaults, below 1 GB", 0, 0, 1<<30 - 1, 10 << 30, true},
		{"defaults, below 5 %", 0, 0, 4 << 30, 100 << 30, true},
		{"own minimum", 1000, -1, 999, 100 << 30, true},
		{"own percentage", -1, 50, 49 << 30, 100 << 30, true},
		{"no guard", -1, -1, 0, 100 << 30, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			free := c.free
			q, err := sqlitequeue.Open(t.Context(), t.TempDir(), &sqlitequeue.Options{
				MinFree: c.minFree, MinFreePercent: c.percent,
				Free: func(string) (int64, int64, error) { return free, c.total, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			body := []frame.Body{encode(t, 0, items(1))}
			if err := q.Append(t.Context(), body); errors.Is(err, queue.ErrFull) != c.full {
				t.Fatalf("got error %v", err)
			}
			free = c.total
			if err := q.Append(t.Context(), body); err != nil {
				t.Errorf("with space again: %v", err)
			}
		})
	}
}

// smallDisk is a directory on a disk of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "weirtest", dir).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// TestDiskFull fills the disk until not a byte is left: Append says so and
// stores nothing, what was stored stays, and with space everything works again
// without a restart.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t, "16m")
	// Two files of others that go away, one after the other.
	filler, reserve := filepath.Join(dir, "filler"), filepath.Join(dir, "reserve")
	for name, size := range map[string]int{filler: 6 << 20, reserve: 1 << 20} {
		if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	q := open(t, dir, &sqlitequeue.Options{Partitions: 1})
	defer func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}()
	body := []frame.Body{noise(t, 100_000)}
	stored := uint64(0)
	fill := func() {
		t.Helper()
		for {
			err := q.Append(t.Context(), body)
			if errors.Is(err, queue.ErrFull) {
				break
			}
			if err != nil {
				t.Fatalf("after %d: %v", stored, err)
			}
			stored++
		}
		lag, err := q.Lag(t.Context())
		if err != nil || lag.Head[0] != stored {
			t.Fatalf("head is %d, stored %d: %v", lag.Head[0], stored, err)
		}
	}
	fill()
	before := stored
	if before == 0 {
		t.Fatal("nothing was stored before the disk was full")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	fill()
	if stored <= before {
		t.Fatal("nothing was stored once there was space again")
	}
	c, err := q.Consume(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for got := uint64(0); got < stored; {
		deliveries, err := c.Receive(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range deliveries {
			if d.Damage != nil || d.Header.First != got+1 {
				t.Fatalf("got %d after %d: %v", d.Header.First, got, d.Damage)
			}
			got = d.Header.Last()
		}
		// The guard, which this test has turned off, is there to leave room for
		// this. Without any an ack is refused, and can be repeated.
		err = c.Ack(t.Context(), map[int]uint64{0: got})
		if errors.Is(err, queue.ErrFull) {
			if err := os.Remove(reserve); err != nil {
				t.Fatal(err)
			}
			err = c.Ack(t.Context(), map[int]uint64{0: got})
		}
		if err != nil {
			t.Fatalf("ack: %v", err)
		}
	}
	if err := q.Append(t.Context(), body); err != nil {
		t.Errorf("append after all was acknowledged: %v", err)
	}
}

// noise is a body of about size bytes that do not compress.
func noise(t testing.TB, size int) frame.Body {
	raw := make([]byte, size)
	x := uint32(2463534242)
	for i := range raw {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		raw[i] = byte(x)
	}
	return encode(t, 0, []weir.Record{{Workspace: "test", Raw: raw}})
}

func TestPartitionsAreFixed(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, &sqlitequeue.Options{Partitions: 5})
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := sqlitequeue.Open(t.Context(), dir, &sqlitequeue.Options{Partitions: 6})
	if err == nil || !strings.Contains(err.Error(), "--partitions=5") {
		t.Errorf("got error %v, want one that says what to do", err)
	}
	for _, n := range []int{0, 5} {
		q := open(t, dir, &sqlitequeue.Options{Partitions: n})
		if q.Partitions() != 5 {
			t.Errorf("asked for %d, got %d partitions", n, q.Partitions())
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, nil)
	defer q.Close()
	if _, err := sqlitequeue.Open(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got error %v", err)
	}
}

// TestStrangeDirectory uses a path with what means something in a URI.
func TestStrangeDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a?b#c%41 d&e=f")
	q := open(t, dir, nil)
	if err := q.Append(t.Context(), []frame.Body{encode(t, 0, items(1))}); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "queue.db")); err != nil {
		t.Error(err)
	}
}

// TestCloseFreesFiles makes sure that no file of the directory stays open.
func TestCloseFreesFiles(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, &sqlitequeue.Options{Partitions: 1})
	if err := q.Append(t.Context(), []frame.Body{encode(t, 0, items(1))}); err != nil {
		t.Fatal(err)
	}
	if _, err := drainAll(t, q); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	descriptors, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range descriptors {
		if name, err := os.Readlink(d); err == nil && strings.HasPrefix(name, dir) {
			t.Errorf("%s is still open", name)
		}
	}
}
