package duckstore

import (
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// What follows every commit is what the file has, as far as there is room for it.
func TestQuartersFollowTheRows(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	runs := 0
	rapid.Check(t, func(r *rapid.T) {
		runs++
		s.mostDays = rapid.SampledFrom([]int{5, mostDays}).Draw(r, "room")
		ws := weir.WorkspaceID(fmt.Sprint("run", runs))
		defer func() {
			if err := s.Drop(t.Context(), ws); err != nil {
				r.Fatal(err)
			}
		}()
		seq := uint64(0)
		event := func() weir.Event {
			at := weir.Micros(rapid.Int64Range(-3, 3).Draw(r, "quarter"))*quarterHour + weir.Micros(rapid.Int64Range(-2, 2).Draw(r, "off"))
			at += weir.Micros(rapid.SampledFrom([]int64{0, 0, -40, 20_000}).Draw(r, "day")) * oneDay
			return weir.Event{Position: weir.At(0, seq), Time: at, Name: rapid.SampledFrom([]string{"a", "b"}).Draw(r, "name"), Identity: 1, Person: 1}
		}
		for range rapid.IntRange(1, 4).Draw(r, "batches") {
			b := &eventstore.Batch{Applied: map[int]uint64{}}
			for range rapid.IntRange(0, 6).Draw(r, "events") {
				seq++
				b.Events = append(b.Events, event())
			}
			if seq > 1 && rapid.Bool().Draw(r, "replaces") {
				e := event()
				e.Position = weir.At(0, rapid.Uint64Range(1, seq-1).Draw(r, "replaced"))
				b.Events, b.Replaced = append(b.Events, e), append(b.Replaced, e.Position)
			}
			b.Applied[0] = seq
			if err := s.Write(t.Context(), ws, b); err != nil {
				r.Fatal(err)
			}
		}
		err := s.with(t.Context(), ws, "count", func(w *workspace) error {
			c, err := w.readCatalogue(t.Context())
			if err != nil {
				return err
			}
			got, want := some(w.catalogue.quarters), some(c.quarters)
			if got != nil && !maps.Equal(got, want) { // which may have forgotten days that have nothing left
				r.Fatalf("the memory counts %v, the file %v", got, want)
			}
			if w.catalogue.quarters.most == mostDays && got == nil {
				r.Fatal("nothing is counted")
			}
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
	})
}

// some are the quarters that have events; nil if they are not known.
func some(q *quarters) map[string]int32 {
	if q.days == nil {
		return nil
	}
	out := map[string]int32{}
	for key, counts := range q.days {
		for i, n := range counts {
			if n != 0 {
				out[fmt.Sprint(key, i)] = n
			}
		}
	}
	return out
}
