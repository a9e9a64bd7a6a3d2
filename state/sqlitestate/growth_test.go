package sqlitestate

import (
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/statetest"
)

// BenchmarkSeenGrowth is what the index of seen items costs as it grows: to
// WEIR_BENCH_SEEN ids in micro-batches of 5,000, each looked up and then put, of
// which 5 % were seen at any time before. It prints a row for each
// WEIR_BENCH_STEP ids. Run it with -benchtime 1x; 50 million ids take some 20
// minutes:
//
//	WEIR_BENCH_SEEN=50000000 go test ./state/sqlitestate -run '^$' -bench SeenGrowth -benchtime 1x -timeout 2h
func BenchmarkSeenGrowth(b *testing.B) {
	size, step := benchSize(b, "WEIR_BENCH_SEEN", 1_000_000), benchSize(b, "WEIR_BENCH_STEP", 5_000_000)
	step = min(step, size)
	for b.Loop() {
		dir := b.TempDir()
		s, err := Open(dir, nil)
		if err != nil {
			b.Fatal(err)
		}
		g := &growth{b: b, seen: s.Seen(), r: rand.New(rand.NewPCG(1, 2))}
		fmt.Printf("%9s %8s %9s %9s %9s %9s %8s %8s\n", "ids", "items/s", "look-up", "put", "cpu us/it", "written", "memory", "disk")
		var rates []float64
		for g.size < size {
			rates = append(rates, g.grow(step, dir))
		}
		b.ReportMetric(rates[len(rates)-1], "items/s-last")
		b.ReportMetric(rates[len(rates)-1]/rates[0], "last/first")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

type growth struct {
	b    *testing.B
	seen state.Seen
	r    *rand.Rand
	size int // ids in the index
}

// grow adds ids, prints what that cost, and returns the items per second.
func (g *growth) grow(step int, dir string) float64 {
	const batch, known = 5000, 250
	ctx := context.Background()
	keys, entries := make([]state.ItemKey, batch), make([]state.Entry, batch)
	var lookups, puts time.Duration
	items, cpu, written := 0, statetest.CPUTime(g.b), writtenBytes()
	for until := g.size + step; g.size < until; g.size += batch - known {
		for i := range keys {
			n := g.size + i
			if i >= batch-known {
				n = g.r.IntN(max(g.size, 1))
			}
			keys[i] = state.ItemKey{Workspace: "w", Kind: weir.KindPageview, ID: numberedUUID(n)}
			entries[i] = state.Entry{Position: weir.Position(n + 1), Version: 1_700_000_000_000_000 + weir.Micros(n), Hash: uint64(n) * 0x9e3779b97f4a7c15, At: 1_700_000_000_000_000 + weir.Micros(n)}
		}
		start := time.Now()
		found, err := g.seen.Lookup(ctx, keys)
		if err != nil {
			g.b.Fatal(err)
		}
		lookups += time.Since(start)
		for i := range keys {
			if seen := found[i].Position != 0; g.size > 0 && seen != (i >= batch-known) {
				g.b.Fatalf("item %d of the batch at %d: seen is %v", i, g.size, seen)
			}
		}
		start = time.Now()
		if err := g.seen.Put(ctx, keys, nil, entries); err != nil {
			g.b.Fatal(err)
		}
		puts += time.Since(start)
		items += batch
	}
	rate := float64(items) / (lookups + puts).Seconds()
	fmt.Printf("%9d %8.0f %6.2f ms %6.2f ms %9.2f %6d MB %5d MB %5d MB\n", g.size, rate,
		lookups.Seconds()*1e3*batch/float64(items), puts.Seconds()*1e3*batch/float64(items), (statetest.CPUTime(g.b)-cpu).Seconds()*1e6/float64(items),
		(writtenBytes()-written)>>20, processMemory()>>20, diskUsage(g.b, dir)>>20)
	return rate
}

// numberedUUID has nothing of the order of the numbers, so that ids that were
// put can be named again without keeping them.
func numberedUUID(n int) string {
	x, y := uint64(n)*2+1, uint64(n)*2+2
	for _, v := range []*uint64{&x, &y} {
		*v = *v ^ *v>>30
		*v *= 0xbf58476d1ce4e5b9
		*v = *v ^ *v>>27
		*v *= 0x94d049bb133111eb
		*v = *v ^ *v>>31
	}
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], x)
	binary.BigEndian.PutUint64(raw[8:], y)
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
}

// processMemory is what the process has in memory that is its own, in bytes; 0
// where the system does not tell.
func processMemory() int64 { return procNumber("/proc/self/status", "RssAnon:") << 10 }

// writtenBytes is what the process has sent to disks, in bytes; 0 where the
// system does not tell.
func writtenBytes() int64 { return procNumber("/proc/self/io", "write_bytes:") }

func procNumber(path, name string) (n int64) {
	text, _ := os.ReadFile(path)
	if _, after, found := strings.Cut(string(text), "\n"+name); found {
		_, _ = fmt.Sscan(after, &n)
	}
	return n
}

func diskUsage(b *testing.B, dir string) (sum int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, e := d.Info(); e == nil {
				sum += info.Size()
			}
		}
		return nil // files come and go
	})
	if err != nil {
		b.Fatal(err)
	}
	return sum
}
