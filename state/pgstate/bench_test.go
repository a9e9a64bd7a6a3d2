package pgstate

import (
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

// benchSize is a number from the environment: what stands in a report was measured on
// more rows than an ordinary run has patience for.
func benchSize(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

// BenchmarkMicroBatch is statetest's, by as many workers as its name says.
func BenchmarkMicroBatch(b *testing.B) {
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			statetest.BenchmarkMicroBatch(b, open(b, testOptions(b)), benchSize("WEIR_BENCH_PEOPLE", 100_000), workers)
		})
	}
}

// BenchmarkSeen looks 5,000 items up, of which 2 % were seen, and puts them. Ids are
// random.
func BenchmarkSeen(b *testing.B) {
	size := benchSize("WEIR_BENCH_SEEN", 500_000)
	s := open(b, testOptions(b))
	r := rand.New(rand.NewPCG(1, 2))
	batch := func() ([]state.ItemKey, []state.Entry) {
		keys, entries := make([]state.ItemKey, 5000), make([]state.Entry, 5000)
		for i := range keys {
			keys[i] = state.ItemKey{Workspace: "w", Kind: weir.KindPageview, ID: fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())}
			entries[i] = state.Entry{Position: weir.Position(r.Uint32()), Version: 1_700_000_000_000_000, Hash: r.Uint64()}
		}
		return keys, entries
	}
	var old []state.ItemKey
	fill := time.Now()
	for range size / 5000 {
		keys, entries := batch()
		old = append(old, keys[:10]...)
		if err := s.Seen().Put(b.Context(), keys, nil, entries); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("filled with %d keys at %.0f keys/s", size, float64(size)/time.Since(fill).Seconds())
	var lookups, puts []time.Duration
	for b.Loop() {
		keys, entries := batch()
		for i := range 100 {
			keys[i*50] = old[r.IntN(len(old))]
		}
		start := time.Now()
		found, err := s.Seen().Lookup(b.Context(), keys)
		if err != nil {
			b.Fatal(err)
		}
		lookups = append(lookups, time.Since(start))
		if found[0].Position == 0 {
			b.Fatal("a seen item was not found")
		}
		start = time.Now()
		if err := s.Seen().Put(b.Context(), keys, nil, entries); err != nil {
			b.Fatal(err)
		}
		puts = append(puts, time.Since(start))
	}
	for name, list := range map[string][]time.Duration{"lookup": lookups, "put": puts} {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2])/1e6, name+"-ms-p50")
		b.ReportMetric(float64(list[len(list)*95/100])/1e6, name+"-ms-p95")
	}
}
