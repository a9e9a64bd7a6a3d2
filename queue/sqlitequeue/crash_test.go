package sqlitequeue_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue/sqlitequeue"
)

// The test binary starts itself with these flags as the process that is killed,
// or whose fsyncs fail.
var (
	helperDir  = flag.String("helper.dir", "", "run TestHelper on the queue in this directory")
	helperMost = flag.Int("helper.most", 0, "appends after which TestHelper ends; 0 is none")
	helperFrom = flag.Int("helper.from", 0, "the number of TestHelper's first append")
)

// TestHelper appends numbered records to two partitions and writes each number
// to its standard output once it is durable, and "failed" for each that failed.
func TestHelper(t *testing.T) {
	if *helperDir == "" {
		t.Skip("runs as a process of other tests only")
	}
	q := open(t, *helperDir, &sqlitequeue.Options{Partitions: 2})
	for i := *helperFrom; *helperMost == 0 || i < *helperFrom+*helperMost; i++ {
		var bodies []frame.Body
		for p := range 2 {
			bodies = append(bodies, encode(t, p, []weir.Record{{Workspace: "test", Raw: fmt.Append(nil, i)}}))
		}
		if err := q.Append(t.Context(), bodies); err != nil {
			fmt.Println("failed", i, strings.ReplaceAll(err.Error(), "\n", " "))
			if !errors.Is(err, sqlitequeue.ErrBroken) {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // a caller that backs off
			continue
		}
		fmt.Println("stored", i)
	}
	if err := q.Close(); err != nil {
		fmt.Println("failed to close:", err)
	}
}

func helper(dir string, from, most int, before ...string) *exec.Cmd {
	args := append(before, os.Args[0], "-test.run=^TestHelper$",
		"-helper.dir="+dir, fmt.Sprint("-helper.from=", from), fmt.Sprint("-helper.most=", most))
	return exec.Command(args[0], args[1:]...)
}

// contents reads all of a queue without acknowledging it: how often each number
// occurs in each partition.
func contents(t *testing.T, dir string) [2]map[string]int {
	t.Helper()
	q := open(t, dir, nil)
	defer func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}()
	lag, err := q.Lag(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := q.Consume(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := [2]map[string]int{{}, {}}
	for n := int64(0); n < lag.Records; {
		deliveries, err := c.Receive(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range deliveries {
			if d.Damage != nil {
				t.Fatalf("damage: %v", d.Damage)
			}
			f, err := frame.Decode(d.Frame)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range f.Records {
				got[f.Partition][string(r.Raw)]++
				n++
			}
		}
	}
	return got
}

// TestKill kills the process again and again: all that was stored is there
// once, in both partitions, and nothing is reported as damaged.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	stored := map[string]bool{}
	random := rand.New(rand.NewPCG(3, 4))
	from := 0
	for range 8 {
		cmd := helper(dir, from, 0)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := random.IntN(300); lines.Scan(); n-- {
			if number, ok := strings.CutPrefix(lines.Text(), "stored "); ok {
				stored[number] = true
			}
			if n == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		from += 1000
		got := contents(t, dir)
		for p := range got {
			for number := range stored {
				if got[p][number] != 1 {
					t.Fatalf("partition %d holds %s %d times", p, number, got[p][number])
				}
			}
			if extra := len(got[p]) - len(stored); extra < 0 || extra > 8 {
				t.Fatalf("partition %d holds %d numbers, %d were stored", p, len(got[p]), len(stored))
			}
		}
		if len(got[0]) != len(got[1]) {
			t.Fatalf("an append is in one partition only: %d and %d numbers", len(got[0]), len(got[1]))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "quarantine")); err == nil {
		t.Error("a kill was taken for damage")
	}
	t.Logf("%d appends stored over 8 kills", len(stored))
}

// TestFailedFsync lets fsyncs fail with EIO: no append is answered as stored
// that is not, and the queue works again by itself.
func TestFailedFsync(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace, which makes fsync fail, is not installed")
	}
	if out, err := exec.Command(strace, "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v: %s", err, out)
	}
	dir := t.TempDir()
	contents(t, prepare(t, dir))
	cmd := helper(dir, 0, 300, strace, "-f", "-o", os.DevNull, "-e", "trace=fsync,fdatasync",
		"-e", "inject=fsync,fdatasync:error=EIO:when=20+23")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	stored, failed, recovered := []string{}, 0, false
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(line, "stored "); ok {
			stored = append(stored, strings.TrimSpace(number))
			recovered = failed > 0
		} else if strings.HasPrefix(line, "failed ") {
			failed++
		}
	}
	if failed == 0 || !recovered {
		t.Fatalf("%d appends failed, %d stored, recovered %v:\n%s", failed, len(stored), recovered, text)
	}
	got := contents(t, dir)
	for p := range got {
		for _, number := range stored {
			if got[p][number] != 1 {
				t.Fatalf("partition %d holds %s %d times", p, number, got[p][number])
			}
		}
	}
	t.Logf("%d appends stored, %d failed", len(stored), failed)
}

// prepare makes the queue beforehand: fsyncs that fail when it is made keep it
// from starting, as they should.
func prepare(t *testing.T, dir string) string {
	q := open(t, dir, &sqlitequeue.Options{Partitions: 2})
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}
