package sqlitestate

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/statetest"
)

// benchSize is a number from the environment: what stands in the report was
// measured on more rows than an ordinary run has patience for.
func benchSize(b *testing.B, name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

func uuid(r *rand.Rand) string {
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", r.Uint32(), r.Uint32()&0xffff, r.Uint32()&0xfff, r.Uint32()&0x3fff|0x8000, r.Uint64()&0xffffffffffff)
}

// BenchmarkMicroBatch is statetest's.
func BenchmarkMicroBatch(b *testing.B) {
	s, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	statetest.BenchmarkMicroBatch(b, s, benchSize(b, "WEIR_BENCH_PEOPLE", 100_000), 1)
}

// BenchmarkSeen looks 5,000 items up, of which 2 % were seen, and puts them. Ids
// are random.
func BenchmarkSeen(b *testing.B) {
	size := benchSize(b, "WEIR_BENCH_SEEN", 500_000)
	s, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r := rand.New(rand.NewPCG(1, 2))
	ctx := context.Background()
	batch := func(n int) ([]state.ItemKey, []state.Entry) {
		keys, entries := make([]state.ItemKey, n), make([]state.Entry, n)
		for i := range keys {
			keys[i] = state.ItemKey{Workspace: "w", Kind: weir.KindPageview, ID: uuid(r)}
			entries[i] = state.Entry{Position: weir.Position(r.Uint32()), Version: 1_700_000_000_000_000, Hash: r.Uint64()}
		}
		return keys, entries
	}
	var old []state.ItemKey
	fill := time.Now()
	for n := 0; n < size; n += 5000 {
		keys, entries := batch(5000)
		old = append(old, keys[:10]...)
		if err := s.Seen().Put(ctx, keys, nil, entries); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("filled with %d keys at %.0f keys/s", size, float64(size)/time.Since(fill).Seconds())
	var lookups, puts []time.Duration
	for b.Loop() {
		keys, entries := batch(5000)
		for i := range 100 {
			keys[i*50] = old[r.IntN(len(old))]
		}
		start := time.Now()
		found, err := s.Seen().Lookup(ctx, keys)
		if err != nil {
			b.Fatal(err)
		}
		lookups = append(lookups, time.Since(start))
		if found[0].Position == 0 {
			b.Fatal("a seen item was not found")
		}
		start = time.Now()
		if err := s.Seen().Put(ctx, keys, nil, entries); err != nil {
			b.Fatal(err)
		}
		puts = append(puts, time.Since(start))
	}
	report := func(name string, list []time.Duration) {
		slices.SortFunc(list, cmp.Compare)
		b.ReportMetric(float64(list[len(list)/2])/1e6, name+"-ms-p50")
		b.ReportMetric(float64(list[len(list)*95/100])/1e6, name+"-ms-p95")
	}
	report("lookup", lookups)
	report("put", puts)
}
