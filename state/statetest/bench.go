package statetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

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

// benchBase is when the people of the benchmark begin to come.
const benchBase weir.Micros = 1_700_000_000_000_000

const benchHour weir.Micros = 3600e6

// benchSession has a dozen points, the last of them at a time.
func benchSession(id, user string, owner, number uint32, at weir.Micros) *weir.Session {
	s := &weir.Session{Workspace: "w", ID: id, Number: number, User: user, Owner: owner, Device: "1aaa54ea-6f2d-4c2b-8a50-0f1e5a0f3a77", StartedAt: at - benchHour/6, EndedAt: at}
	for n := range 12 {
		s.Points = append(s.Points, weir.Point{Item: uint64(n+1) * 0x1234_5678_9abc_def1, At: s.StartedAt + weir.Micros(n)*50_123_456, Flags: weir.PointPageview | weir.PointEvent})
	}
	for n := range 8 {
		s.Fields.Set(weir.Stamp{At: at, Item: "0192f0c1-5b7e-7cc3-98c4-dc0c0c07398d"},
			weir.Property{Name: fmt.Sprintf("utm_%d", n), Value: weir.Text("campaign value")})
	}
	return s
}

// benchConversion has a few touches, with a credit by each model.
func benchConversion(id, user string, owner uint32, at weir.Micros) *weir.Conversion {
	c := &weir.Conversion{Workspace: "w", ID: id, Goal: "order", User: user, Owner: owner, At: at, Value: 9_900, Currency: "EUR", Amount: 9_900,
		Fields: []weir.Property{{Name: "currency", Value: weir.Text("EUR")}, {Name: "items", Value: weir.Raw(`[{"external_id":"1","name":"some article","price":9900,"quantity":1}]`)}, {Name: "total_price", Value: weir.Num(9900)}}}
	for n := range 3 {
		c.Touches = append(c.Touches, weir.Touch{Session: owner + uint32(n), At: at - weir.Micros(3-n)*benchHour, Channel: "organic-search", Role: weir.Assisting, Credits: []int64{0, 9900, 3300, 1100, 1980, 3300, 990, 1980, 9900}})
	}
	return c
}

// benchPeople is a store with people, each of whom has come once, and every tenth
// of whom has bought something.
type benchPeople struct {
	b       *testing.B
	store   state.Store
	r       *rand.Rand
	ids     []string
	worker  int // who draws every workers-th of the people, and has partitions of its own
	workers int
	batches int
	current []string // sessions that go on
	owners  []int    // whose they are
	times   benchTimes
}

// benchTimes are how long the parts of each batch took.
type benchTimes struct{ took, begin, load, commit []time.Duration }

func newBenchPeople(b *testing.B, s state.Store, people int) *benchPeople {
	p := &benchPeople{b: b, store: s, r: rand.New(rand.NewPCG(1, 2)), ids: make([]string, people)}
	for n := 0; n < people; n += 5000 {
		tx, err := s.Begin(context.Background(), state.Need{})
		if err != nil {
			b.Fatal(err)
		}
		count := min(5000, people-n)
		for c := range state.SessionNumber + 1 {
			if _, err := tx.Take(context.Background(), "w", c, count); err != nil {
				b.Fatal(err)
			}
		}
		var changes state.Changes
		for k := n; k < n+count; k++ {
			number, at := uint32(k+1), benchBase+weir.Micros(p.r.Int64N(int64(24*20*benchHour)))
			p.ids[k] = uuid(p.r)
			changes.Identities = append(changes.Identities, benchIdentity(p.ids[k], number, 0))
			changes.Sessions = append(changes.Sessions, benchSession(uuid(p.r), p.ids[k], number, number, at))
			if k%10 == 0 {
				changes.Conversions = append(changes.Conversions, benchConversion("order:"+uuid(p.r), p.ids[k], number, at))
			}
		}
		if err := tx.Commit(context.Background(), changes); err != nil {
			b.Fatal(err)
		}
	}
	return p
}

// What a micro-batch of 5,000 items touches.
const (
	benchTouched = 1500 // people, each with a session of which one in three is known
	benchDerived = 500  // of them send no sessions: those around are looked for
	benchBuyers  = 150  // of them order: what led to it is looked for
	benchGone    = 20   // sessions that were joined to others
)

// need names people who are drawn from all that there are.
func (p *benchPeople) need() state.Need {
	p.batches++
	need := state.Need{Partitions: []int{p.batches%16*p.workers + p.worker}}
	for n := range benchTouched {
		if p.batches == 1 {
			p.current, p.owners = append(p.current, ""), append(p.owners, 0)
		}
		if n%3 > 0 || p.batches == 1 {
			p.current[n], p.owners[n] = uuid(p.r), p.r.IntN(len(p.ids)/p.workers)*p.workers+p.worker
		}
		need.Users = append(need.Users, state.Key{Workspace: "w", ID: p.ids[p.owners[n]]})
		need.Sessions = append(need.Sessions, state.Key{Workspace: "w", ID: p.current[n]})
		if n < benchBuyers {
			need.Conversions = append(need.Conversions, state.Key{Workspace: "w", ID: "order:" + uuid(p.r)})
		}
	}
	return need
}

// load asks for what the batch's people have besides.
func (p *benchPeople) load(tx state.Tx, now weir.Micros) (around []*weir.Session, bought []*weir.Conversion) {
	var near, back []state.Span
	for n := range benchTouched {
		owner := uint32(p.owners[n] + 1)
		if n < benchDerived {
			near = append(near, state.Span{Workspace: "w", Identity: owner, From: now - benchHour/2, To: now + benchHour/2})
		}
		if n < 2*benchBuyers {
			back = append(back, state.Span{Workspace: "w", Identity: owner, From: now - 30*24*benchHour, To: now})
		}
	}
	if _, err := tx.SessionsOf(context.Background(), near); err != nil {
		p.b.Error(err)
	}
	bought, err := tx.ConversionsOf(context.Background(), back)
	if err != nil {
		p.b.Error(err)
	}
	if around, err = tx.SessionsOf(context.Background(), back); err != nil {
		p.b.Error(err)
	}
	return around, bought
}

// fold changes what was loaded, and makes what was not.
func (p *benchPeople) fold(tx state.Tx, need state.Need, now weir.Micros, around []*weir.Session, bought []*weir.Conversion) state.Changes {
	snapshot := tx.Snapshot()
	changes := state.Changes{Applied: map[int]uint64{need.Partitions[0]: uint64(p.batches)}, Conversions: bought}
	for _, i := range snapshot.Identities {
		changes.Identities = append(changes.Identities, benchIdentity(i.ID, i.Number, p.batches))
	}
	first, err := tx.Take(context.Background(), "w", state.SessionNumber, len(need.Sessions)-len(snapshot.Sessions))
	if err != nil {
		p.b.Error(err)
	}
	for n, k := range need.Sessions {
		number := first
		if known := snapshot.Sessions[k]; known != nil {
			number = known.Number
		} else {
			first++
		}
		changes.Sessions = append(changes.Sessions, benchSession(k.ID, need.Users[n].ID, uint32(p.owners[n]+1), number, now))
	}
	for n, k := range need.Conversions {
		changes.Conversions = append(changes.Conversions, benchConversion(k.ID, need.Users[n].ID, uint32(p.owners[n]+1), now))
	}
	for _, s := range around[:min(benchGone, len(around))] {
		if _, goesOn := snapshot.Sessions[state.Key{Workspace: "w", ID: s.ID}]; !goesOn {
			changes.RemovedSessions = append(changes.RemovedSessions, state.Key{Workspace: "w", ID: s.ID})
		}
	}
	return changes
}

// BenchmarkMicroBatch is what 5,000 items that touch 1,500 people cost in an empty
// store: people with random ids who are drawn from all that there are. An op is
// everything from Begin to the end of Commit, without what the rules do between.
// Workers share the ops, and have people of their own, as those that share the
// partitions of a queue do.
func BenchmarkMicroBatch(b *testing.B, store state.Store, people, workers int) {
	base := newBenchPeople(b, store, people)
	var list []*benchPeople
	for w := range workers {
		list = append(list, &benchPeople{
			b: b, store: store, r: rand.New(rand.NewPCG(3, uint64(w))), ids: base.ids, worker: w, workers: workers,
		})
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	b.ResetTimer()
	start, spent := time.Now(), CPUTime(b)
	for _, p := range list {
		wait.Go(func() {
			for next.Add(1) <= int64(b.N) {
				p.batch()
			}
		})
	}
	wait.Wait()
	elapsed := time.Since(start)
	spent = CPUTime(b) - spent
	var all benchTimes
	for _, p := range list {
		all.took, all.begin = append(all.took, p.times.took...), append(all.begin, p.times.begin...)
		all.load, all.commit = append(all.load, p.times.load...), append(all.commit, p.times.commit...)
	}
	for name, times := range map[string][]time.Duration{"": all.took, "begin-": all.begin, "load-": all.load, "commit-": all.commit} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2])/1e6, name+"ms-p50")
	}
	b.ReportMetric(float64(all.took[len(all.took)*95/100])/1e6, "ms-p95")
	b.ReportMetric(float64(b.N)*5000/elapsed.Seconds(), "items/s")
	b.ReportMetric(float64(spent)/float64(b.N)/1e6, "cpu-ms")
}

func (p *benchPeople) batch() {
	now := benchBase + weir.Micros(21*24+p.batches)*benchHour
	need := p.need()
	start := time.Now()
	tx, err := p.store.Begin(context.Background(), need)
	if err != nil {
		p.b.Error(err)
		return
	}
	begun := time.Now()
	around, bought := p.load(tx, now)
	loaded := time.Now()
	changes := p.fold(tx, need, now, around, bought)
	folded := time.Now()
	if err := tx.Commit(context.Background(), changes); err != nil {
		p.b.Error(err)
		return
	}
	end := time.Now()
	t := &p.times
	t.begin, t.load, t.commit = append(t.begin, begun.Sub(start)), append(t.load, loaded.Sub(begun)), append(t.commit, end.Sub(folded))
	t.took = append(t.took, loaded.Sub(start)+end.Sub(folded))
}

// CPUTime is what this process has used: unlike the time on the clock, it says much
// the same on a busy machine.
func CPUTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
