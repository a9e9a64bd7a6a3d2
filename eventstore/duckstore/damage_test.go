package duckstore_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/query"
)

var (
	damages    = flag.Int("damages", 12, "how many damaged copies of a workspace TestDamage opens")
	damageSeed = flag.Uint64("damage-seed", 0, "seed of TestDamage; 0: another one each time")
)

const eventsPerBatch = 400

// batch is the n-th batch, from 0: events with properties, people and a log.
func batch(n int) *eventstore.Batch {
	b := &eventstore.Batch{Applied: map[int]uint64{0: uint64((n + 1) * eventsPerBatch)}, AsOf: weir.Micros(n + 1)}
	for i := range eventsPerBatch {
		k := n*eventsPerBatch + i
		p := weir.At(0, uint64(k+1))
		b.Events = append(b.Events, weir.Event{
			Position: p, Time: weir.Micros(k) * 1e6, Name: fmt.Sprint("event ", k%7), Identity: uint32(k%50 + 1), Person: uint32(k%50 + 1), Session: uint32(k/5 + 1),
			Properties: []weir.Property{
				{Name: "text", Value: weir.Text(fmt.Sprintf("%x", k*7919))}, {Name: "number", Value: weir.Num(float64(k))}, {Name: "list", Value: weir.Raw(`["a","b"]`)},
			},
		})
		b.Log = append(b.Log, weir.Outcome{Position: p, ReceivedAt: weir.Micros(k) * 1e6, ItemID: fmt.Sprint("item", k), Status: weir.Stored})
	}
	for i := range 20 {
		b.People = append(b.People, weir.Person{Number: uint32(i + n), ID: fmt.Sprint("user", i+n)})
	}
	return b
}

var everything = &query.Plan{Trends: &query.Trends{
	Period:     query.Period{Buckets: query.Buckets{Edges: []weir.Micros{0, 1 << 50}, Labels: []string{"all"}}},
	Series:     []query.Series{{Name: "A", Measure: query.Total}},
	Breakdowns: []query.Breakdown{{By: query.Ref{On: query.OnEvent, Name: "list"}, Limit: 10}},
}}

// use asks and writes as a server does. It returns how many events there are,
// and how many positions say that there should be.
func use(t *testing.T, s *duckstore.Store) (events, positions uint64, err error) {
	answer, err := s.Ask(t.Context(), "acme", everything)
	if err != nil {
		return 0, 0, err
	}
	if len(answer.Series) > 0 {
		events = uint64(answer.Series[0].Total)
	}
	if _, err := s.Log(t.Context(), "acme", eventstore.LogFilter{ItemID: "nothing"}); err != nil {
		return 0, 0, err
	}
	for _, name := range []string{"text", "number"} {
		if _, err := s.Values(t.Context(), "acme", query.Ref{On: query.OnEvent, Name: name}, "", 10); err != nil {
			return 0, 0, err
		}
	}
	return events, answer.AsOf.Positions[0], nil
}

// files makes a workspace whose rows are partly in the file and partly in the
// write-ahead log, and returns the files' contents.
func files(t *testing.T) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir, nil)
	for n := range 5 {
		if err := s.Write(t.Context(), "acme", batch(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil { // a checkpoint
		t.Fatal(err)
	}
	s = open(t, dir, &duckstore.Options{CheckpointEvery: time.Hour})
	for n := 5; n < 8; n++ {
		if err := s.Write(t.Context(), "acme", batch(n)); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string][]byte{}
	for _, name := range []string{"acme.duckdb", "acme.duckdb.wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name)) // as a crash would leave it
		if err != nil {
			t.Fatal(err)
		}
		out[name] = data
	}
	return out
}

// Files as a crash leaves them have every batch that was written.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	for name, data := range files(t) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, &duckstore.Options{OnLost: func(_ weir.WorkspaceID, err error) { t.Errorf("lost: %v", err) }})
	events, positions, err := use(t, s)
	if err != nil || events != 8*eventsPerBatch || positions != events {
		t.Errorf("%d events, positions say %d, %v; want %d", events, positions, err, 8*eventsPerBatch)
	}
}

// spoil damages bytes at a random place, in one of the ways that disks do, and
// says how.
func spoil(r *rand.Rand, data []byte) ([]byte, string) {
	data = slices.Clone(data)
	at := r.IntN(len(data))
	if r.IntN(3) == 0 {
		at = r.IntN(min(len(data), 16384)) // where headers are
	}
	switch r.IntN(4) {
	case 0:
		bit := r.IntN(8)
		data[at] ^= 1 << bit
		return data, fmt.Sprintf("bit %d of byte %d flipped", bit, at)
	case 1:
		n := min(512<<r.IntN(4), len(data)-at)
		clear(data[at : at+n])
		return data, fmt.Sprintf("%d bytes from %d zeroed", n, at)
	case 2:
		n := min(1+r.IntN(64), len(data)-at)
		for i := range n {
			data[at+i] = byte(r.Uint32())
		}
		return data, fmt.Sprintf("%d bytes from %d overwritten", n, at)
	}
	return data[:at], fmt.Sprintf("cut to %d bytes", at)
}

// Whatever happens to the files, the store opens, says so, and works; and what it
// answers without having said so is true.
func TestDamage(t *testing.T) {
	seed := *damageSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d of %d copies", seed, *damages)
	r := rand.New(rand.NewPCG(seed, 0))
	good := files(t)
	names := slices.Sorted(maps.Keys(good))
	for i := range *damages {
		dir := t.TempDir()
		name := names[r.IntN(len(names))]
		data, how := spoil(r, good[name])
		how = name + ": " + how
		if *damages > 100 {
			fmt.Fprintln(os.Stderr, i, how) // the last one before a crash
		}
		for n, original := range good {
			if n == name {
				original = data
			}
			if err := os.WriteFile(filepath.Join(dir, n), original, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		openDamaged(t, dir, how)
	}
}

func writeNine(t *testing.T, s *duckstore.Store) error {
	for n := range 9 {
		if err := s.Write(t.Context(), "acme", batch(n)); err != nil {
			return err
		}
	}
	return nil
}

func openDamaged(t *testing.T, dir, how string) {
	t.Helper()
	var lost atomic.Int32
	s, err := duckstore.Open(dir, &duckstore.Options{OnLost: func(weir.WorkspaceID, error) { lost.Add(1) }})
	if err != nil {
		t.Fatalf("%s: %v", how, err)
	}
	// What a read meets is an error of that read, and of none after it.
	var events, positions uint64
	for range 3 {
		if events, positions, err = use(t, s); err == nil {
			break
		}
		if lost.Load() == 0 {
			t.Logf("%s: %v", how, err)
		}
	}
	if err != nil {
		t.Errorf("%s: still %v", how, err)
	}
	if events != positions {
		t.Errorf("%s: there are %d events, positions say %d", how, events, positions)
	}
	if lost.Load() == 0 && positions < 5*eventsPerBatch {
		t.Errorf("%s: rows are lost (%d of at least %d) and nobody was told", how, positions, 5*eventsPerBatch)
	}
	if lost.Load() > 0 {
		entries, err := os.ReadDir(filepath.Join(dir, "quarantine"))
		if err != nil || len(entries) == 0 {
			t.Errorf("%s: nothing is in quarantine: %v", how, err)
		}
	}
	err = writeNine(t, s)
	if err != nil { // a write may be the first to meet the damage; then it starts again
		t.Logf("%s: %v", how, err)
		err = writeNine(t, s)
	}
	if err != nil {
		t.Errorf("%s: %v", how, err)
	}
	if events, _, err = use(t, s); err != nil || events != 9*eventsPerBatch {
		t.Errorf("%s: %d events after writing all again, %v", how, events, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: close: %v", how, err)
	}
}
