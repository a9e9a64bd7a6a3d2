package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/query"
)

const (
	people   = 200_000
	days     = 30
	names    = 22
	rowBatch = 50_000
)

// measureQuestions asks the event store itself, warm, the median of seven.
func measureQuestions(ctx context.Context, o options, t *table) error {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	store, err := duckstore.Open(dir, &duckstore.Options{Memory: 1 << 30})
	if err != nil {
		return err
	}
	defer store.Close()
	start := time.Now()
	if err := fill(ctx, store, o.events); err != nil {
		return err
	}
	elapsed := time.Since(start)
	if err := store.Close(); err != nil { // a checkpoint: what is on disk is all there is
		return err
	}
	size, err := folderSize(dir)
	if err != nil {
		return err
	}
	if store, err = duckstore.Open(dir, &duckstore.Options{Memory: 1 << 30}); err != nil {
		return err
	}
	defer store.Close()
	t.add(fmt.Sprintf("write %dM events", o.events/1_000_000), "", "%.0f events/s", float64(o.events)/elapsed.Seconds())
	t.add("event table on disk", "≤ 40 bytes/event", "%.1f bytes/event", float64(size)/float64(o.events))
	for _, q := range []struct{ what, target, question string }{
		{"daily trend of one event", "≤ 40 ms", `"interval":"day","series":[{"name":"A","event":"Event 01","measure":"total"}]`},
		{"daily trend of all events", "≤ 40 ms", `"interval":"day","series":[{"name":"A","event":"*","measure":"total"}]`},
		{"daily trend in a zone with a DST change", "≤ 40 ms", `"timezone":"Europe/Paris","interval":"day","series":[{"name":"A","event":"Event 01","measure":"total"}]`},
		{"daily unique people, most frequent event", "≤ 150 ms", `"interval":"day","series":[{"name":"A","event":"Event 00","measure":"users"}]`},
		{"daily unique people, all events", "", `"interval":"day","series":[{"name":"A","event":"*","measure":"users"}]`},
		{"breakdown of all events by a property", "", `"interval":"day","series":[{"name":"A","event":"*","measure":"total"}],"breakdowns":[{"property":"plan","on":"event","limit":10}]`},
		{"one event filtered by a text and a number", "", `"interval":"day","series":[{"name":"A","event":"Event 01","measure":"total","filters":[{"property":"plan","op":"eq","value":"pro"},{"property":"amount","op":"gt","value":50}]}]`},
	} {
		text := `{"kind":"trends","from":"2026-10-01","to":"2026-10-30",` + q.question + `}`
		plan, problem := query.Parse([]byte(text), query.Env{Now: time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC), Location: time.UTC})
		if problem != nil {
			return problem
		}
		var took []time.Duration
		for n := range 8 { // the first warms up
			start := time.Now()
			answer, err := store.Ask(ctx, workspace, plan)
			if err != nil {
				return err
			}
			if len(answer.Series) == 0 {
				return fmt.Errorf("%s: no series in the answer", q.what)
			}
			if n > 0 {
				took = append(took, time.Since(start))
			}
		}
		t.add(q.what+", "+strconv.Itoa(o.events/1_000_000)+"M events", q.target, "%s", ms(quantile(took, 0.5)))
	}
	return nil
}

// fill writes events as they would arrive: roughly in order of time, a few late,
// half of all from a tenth of the people.
func fill(ctx context.Context, store eventstore.Store, events int) error {
	random := rand.New(rand.NewPCG(1, 2))
	from := weir.MicrosOf(time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC))
	span := weir.Micros(days * 24 * time.Hour / time.Microsecond)
	plans := []string{"free", "free", "free", "pro", "team"}
	var seq uint64
	rows := make([]weir.Event, 0, rowBatch)
	for n := range events {
		seq++
		at := from + weir.Micros(float64(span)*float64(n)/float64(events))
		if random.IntN(20) == 0 {
			at = max(from, at-weir.Micros(random.Int64N(int64(2*time.Hour/time.Microsecond))))
		}
		person := uint32(1 + random.IntN(people))
		if random.IntN(2) == 0 {
			person = uint32(1 + random.IntN(people/10))
		}
		name := min(random.IntN(names), random.IntN(names), random.IntN(names))
		rows = append(rows, weir.Event{
			Position: weir.At(0, seq), Time: at, Name: fmt.Sprintf("Event %02d", name), Identity: person, Person: person,
			Session: person*4 + uint32(n*4/events),
			Properties: []weir.Property{
				{Name: "$browser", Value: weir.Text([]string{"Chrome", "Safari", "Firefox", "Edge"}[person%4])},
				{Name: "$page", Value: weir.Text("https://shop.example/p/" + strconv.Itoa(random.IntN(500)))},
				{Name: "amount", Value: weir.Num(float64(random.IntN(10_000)) / 100)},
				{Name: "plan", Value: weir.Text(plans[person%5])},
			},
		})
		if len(rows) == rowBatch || n == events-1 {
			batch := &eventstore.Batch{Applied: map[int]uint64{0: seq}, AsOf: at, Events: rows}
			if err := store.Write(ctx, workspace, batch); err != nil {
				return err
			}
			rows = slices.Delete(rows, 0, len(rows))
		}
	}
	return nil
}

func folderSize(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
