package sqlitestate

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
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

// benchIdentity has a document of about 600 bytes, from three items.
func benchIdentity(id string, number uint32, at int) *weir.Identity {
	i := &weir.Identity{Workspace: "w", ID: id, Number: number, Person: number, CreatedAt: 1, FirstSeen: 1, LastSeen: weir.Micros(at)}
	for n := range 12 {
		i.Traits.Set(weir.Stamp{At: weir.Micros(1_700_000_000_000_000 + at + n%3), Item: fmt.Sprintf("0192f0c1-5b7e-7cc3-98c4-%012d", at+n%3)},
			weir.Property{Name: fmt.Sprintf("trait_%02d", n), Value: weir.Text("some value of a usual length")})
	}
	return i
}

func benchSession(id, user string, number uint32, at int) *weir.Session {
	s := &weir.Session{Workspace: "w", ID: id, Number: number, User: user, Device: "1aaa54ea-6f2d-4c2b-8a50-0f1e5a0f3a77", StartedAt: 1, LastSeen: weir.Micros(at)}
	for n := range 8 {
		s.Fields.Set(weir.Stamp{At: weir.Micros(at), Item: "0192f0c1-5b7e-7cc3-98c4-dc0c0c07398d"},
			weir.Property{Name: fmt.Sprintf("utm_%d", n), Value: weir.Text("campaign value")})
	}
	return s
}

// BenchmarkMicroBatch is what 5,000 items that touch 1,500 people cost: people
// with random ids who are drawn from all that there are, each with a session of
// which most are new. An op is Begin and Commit.
func BenchmarkMicroBatch(b *testing.B) {
	people := benchSize(b, "WEIR_BENCH_PEOPLE", 100_000)
	s, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r := rand.New(rand.NewPCG(1, 2))
	ids := make([]string, people)
	for n := 0; n < people; n += 5000 {
		var changes state.Changes
		for k := n; k < min(n+5000, people); k++ {
			ids[k] = uuid(r)
			changes.Identities = append(changes.Identities, benchIdentity(ids[k], uint32(k+1), 0))
		}
		benchCommit(b, s, state.Need{}, func(state.Tx) state.Changes { return changes })
	}
	const touched = 1500
	current := make([]string, touched) // sessions that go on
	var took, begin []time.Duration
	var cpu time.Duration
	at := 0
	for b.Loop() {
		at++
		need := state.Need{Partitions: []int{at % 16}}
		for n := range touched {
			if n%3 > 0 || at == 1 {
				current[n] = uuid(r)
			}
			need.Users = append(need.Users, state.Key{Workspace: "w", ID: ids[r.IntN(people)]})
			need.Sessions = append(need.Sessions, state.Key{Workspace: "w", ID: current[n]})
		}
		start, spent := time.Now(), cpuTime(b)
		begun, err := s.Begin(context.Background(), need)
		if err != nil {
			b.Fatal(err)
		}
		begin = append(begin, time.Since(start))
		foldStart, foldSpent := time.Now(), cpuTime(b)
		changes := benchFold(b, begun, need, at)
		fold := time.Since(foldStart)
		spent += cpuTime(b) - foldSpent
		if err := begun.Commit(context.Background(), changes); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start)-fold)
		cpu += cpuTime(b) - spent
	}
	slices.Sort(took)
	slices.Sort(begin)
	b.ReportMetric(float64(took[len(took)/2])/1e6, "ms-p50")
	b.ReportMetric(float64(took[len(took)*95/100])/1e6, "ms-p95")
	b.ReportMetric(float64(begin[len(begin)/2])/1e6, "ms-begin-p50")
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	b.ReportMetric(float64(len(took))*5000/sum.Seconds(), "items/s")
	b.ReportMetric(float64(cpu)/float64(len(took))/1e6, "ms-cpu")
}

// cpuTime is what the process has used, checkpoints included: unlike the time on
// the clock, it says much the same on a busy machine.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchFold changes what was loaded, and makes what was not.
func benchFold(b *testing.B, tx state.Tx, need state.Need, at int) state.Changes {
	snapshot := tx.Snapshot()
	changes := state.Changes{Applied: map[int]uint64{need.Partitions[0]: uint64(at)}}
	for _, i := range snapshot.Identities {
		changes.Identities = append(changes.Identities, benchIdentity(i.ID, i.Number, at))
	}
	first, err := tx.Take(context.Background(), "w", state.SessionNumber, len(need.Sessions)-len(snapshot.Sessions))
	if err != nil {
		b.Fatal(err)
	}
	for n, k := range need.Sessions {
		number := first
		if known := snapshot.Sessions[k]; known != nil {
			number = known.Number
		} else {
			first++
		}
		changes.Sessions = append(changes.Sessions, benchSession(k.ID, need.Users[n].ID, number, at))
	}
	return changes
}

func benchCommit(b *testing.B, s *Store, need state.Need, fold func(state.Tx) state.Changes) {
	tx, err := s.Begin(context.Background(), need)
	if err != nil {
		b.Fatal(err)
	}
	if err := tx.Commit(context.Background(), fold(tx)); err != nil {
		b.Fatal(err)
	}
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
		if err := s.Seen().Put(ctx, keys, entries); err != nil {
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
		if found[0] == (state.Entry{}) {
			b.Fatal("a seen item was not found")
		}
		start = time.Now()
		if err := s.Seen().Put(ctx, keys, entries); err != nil {
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
