package duckstore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/storetest"
)

// changing is batch i of a history in which everything that is written changes
// later: identities move, sessions too, versions are replaced, people come and go.
func changing(random *rand.Rand, i int) *eventstore.Batch {
	const each = 200
	b := &eventstore.Batch{AsOf: weir.Micros(i + 1), Applied: map[int]uint64{0: uint64((i + 1) * each)}}
	number := func() uint32 { return uint32(random.IntN(60*(i+1)) + 1) }
	for k := range each {
		n := i*each + k
		p := weir.At(0, uint64(n+1))
		e := weir.Event{Position: p, Time: weir.Micros(n), Name: fmt.Sprint("event ", n%3), Identity: number(), Session: uint32(n), Origin: weir.Origin(n % 3)}
		e.Person = e.Identity
		e.Properties = []weir.Property{{Name: fmt.Sprint("p", random.IntN(30)), Value: weir.Num(float64(n))}, {Name: "text", Value: weir.Text(fmt.Sprint("text of event ", n))}}
		b.Events = append(b.Events, e)
		b.Log = append(b.Log, weir.Outcome{Position: p, ReceivedAt: weir.Micros(n), Kind: weir.KindPageview, ItemID: fmt.Sprint(n)})
	}
	for range 20 {
		b.Moves = append(b.Moves, eventstore.Move{Identity: number(), Person: number(), From: 0, To: 1 << 40})
		from := weir.Micros(random.IntN((i + 1) * each))
		b.Sessions = append(b.Sessions, eventstore.SessionMove{Identity: number(), Origin: weir.Origin(random.IntN(3)), From: from, To: from + each, Session: number()})
		b.Replaced = append(b.Replaced, weir.At(0, uint64(random.IntN((i+1)*each)+1)))
		b.People = append(b.People, weir.Person{Number: number(), Traits: []weir.Property{{Name: "n", Value: weir.Num(float64(i))}}})
		b.Gone = append(b.Gone, number())
	}
	return b
}

func rowsOf(t *testing.T, s eventstore.Store) (out []eventstore.Row) {
	t.Helper()
	err := s.Scan(t.Context(), "acme", eventstore.ScanFilter{}, func(row eventstore.Row) error {
		out = append(out, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What is in the files once Write has returned is all that was written, wherever
// the process dies afterwards, and writing goes on from there.
func TestFilesHoldWhatWasWritten(t *testing.T) {
	for _, o := range []*Options{nil, {CheckpointBytes: 1}} { // the log holds everything, or next to nothing
		dir := t.TempDir()
		o := o.withDefaults()
		o.OnLost = func(_ weir.WorkspaceID, err error) { t.Errorf("lost: %v", err) }
		s, model, random := openStore(t, dir, &o), storetest.NewModel(), rand.New(rand.NewPCG(5, 6))
		for i := range 12 {
			b := changing(random, i)
			for _, s := range []eventstore.Store{s, model} {
				if err := s.Write(t.Context(), "acme", b); err != nil {
					t.Fatal(err)
				}
			}
			if i%3 > 0 {
				continue
			}
			after := t.TempDir()
			w, err := s.acquire(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			w.writer.Lock() // no checkpoint while the files are copied, as if it were at one instant
			for _, name := range []string{"acme.duckdb", "acme.duckdb.wal"} {
				text, err := os.ReadFile(filepath.Join(dir, name))
				if err == nil {
					err = os.WriteFile(filepath.Join(after, name), text, 0o600)
				}
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
			w.writer.Unlock()
			s.release(w, nil)
			again := openStore(t, after, &o)
			for range 2 { // the batch comes again
				if got, want := rowsOf(t, again), rowsOf(t, model); !reflect.DeepEqual(got, want) {
					t.Fatalf("after batch %d there are %d rows, want %d; or they are not the same", i, len(got), len(want))
				}
				if err := again.Write(t.Context(), "acme", &eventstore.Batch{AsOf: b.AsOf, Applied: b.Applied, Events: nil, Log: b.Log, Moves: b.Moves, Sessions: b.Sessions, People: b.People, Gone: b.Gone}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// More rows at one instant than a scan holds are read in pages, and time is cut
// until no part has too many.
func TestScanIsBounded(t *testing.T) {
	s, model, random := openStore(t, t.TempDir(), nil), storetest.NewModel(), rand.New(rand.NewPCG(7, 8))
	for i := range 3 {
		b := changing(random, i)
		for k := range b.Events {
			e := &b.Events[k]
			e.Time = weir.Micros([]int{0, 0, 0, 0, 0, 1, 2, 3, 1_000_000, 1_000_000, 1_000_000, 1_000_001, k * k * k}[random.IntN(13)])
			b.Log[k].Kind, b.Log[k].ItemID = []weir.Kind{"", weir.KindOrder, weir.KindPageview}[k%3], fmt.Sprint(random.IntN(9))
		}
		for _, s := range []eventstore.Store{s, model} {
			if err := s.Write(t.Context(), "acme", b); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := rowsOf(t, model)
	for _, s.scanRows = range []int64{1, 7, 100, 599, 1000} {
		if got := rowsOf(t, s); !reflect.DeepEqual(got, want) {
			t.Errorf("in parts of %d: %d rows, want %d; or they are not the same", s.scanRows, len(got), len(want))
		}
	}
}
