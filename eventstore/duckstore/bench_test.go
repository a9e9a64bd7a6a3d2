package duckstore_test

import (
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

var benchEvents = flag.Int("events", 300_000, "events that BenchmarkAsk asks about; its targets are for 10000000")

const (
	benchPeople = 200_000
	benchDays   = 30
	benchStart  = weir.Micros(1_790_812_800e6) // 2026-10-01
)

// traffic makes batches as a shop would send them: mostly page views, people by
// a power law, sessions of about five events, eight properties, times that rise
// with a few stragglers; an outcome per event and the people of the batch.
type traffic struct {
	random *rand.Rand
	total  int // of all events, over which the days are spread
	n      int
}

func newTraffic(total int) *traffic {
	return &traffic{random: rand.New(rand.NewPCG(1, 2)), total: total}
}

func (g *traffic) batch(size int, log, people bool) *eventstore.Batch {
	b := &eventstore.Batch{Applied: map[int]uint64{}}
	seen := map[uint32]bool{}
	for range size {
		e := g.event()
		b.Events = append(b.Events, e)
		p := e.Position.Partition()
		b.Applied[p] = max(b.Applied[p], e.Position.Seq())
		b.AsOf = e.Time
		if log {
			b.Log = append(b.Log, weir.Outcome{
				Position: e.Position, Receipt: fmt.Sprintf("rcp_%020d", g.n/50), Index: g.n % 50, Kind: weir.KindCustomEvent, Name: e.Name,
				ItemID: fmt.Sprintf("%016x-%016x", g.random.Uint64(), g.random.Uint64()), UserID: fmt.Sprintf("user-%d", e.Identity), Person: e.Person,
				Source: "key_web", ReceivedAt: e.Time, Time: e.Time, Status: weir.Stored, Size: 400 + g.random.IntN(300),
			})
		}
		if people && !seen[e.Person] {
			seen[e.Person] = true
			b.People = append(b.People, weir.Person{
				Number: e.Person, ID: fmt.Sprintf("user-%d", e.Identity), CreatedAt: benchStart, FirstSeen: benchStart, LastSeen: e.Time,
				Traits: []weir.Property{{Name: "country", Value: weir.Text(fmt.Sprintf("C%d", e.Person%40))}, {Name: "plan", Value: weir.Text([]string{"free", "pro", "team"}[e.Person%3])}},
			})
		}
	}
	return b
}

func (g *traffic) event() weir.Event {
	r := g.random
	at := benchStart + weir.Micros(float64(g.n)/float64(g.total)*benchDays*86400e6)
	if r.IntN(20) == 0 {
		at -= weir.Micros(r.Int64N(2 * 3600e6))
	}
	share := r.Float64()
	person := 1 + uint32(benchPeople*share*share)
	e := weir.Event{
		Position: weir.At(g.n%8, uint64(g.n/8+1)), Time: at, Name: "pageview", Identity: person, Person: person, Session: uint32(g.n/5 + 1),
		Properties: []weir.Property{
			{Name: "$browser", Value: weir.Text([]string{"Chrome", "Safari", "Firefox", "Edge"}[person%4])},
			{Name: "$country", Value: weir.Text(fmt.Sprintf("C%d", person%40))},
			{Name: "$device_type", Value: weir.Text([]string{"desktop", "mobile"}[person%2])},
			{Name: "$os", Value: weir.Text([]string{"Windows", "iOS", "Android", "macOS", "Linux"}[person%5])},
			{Name: "$page", Value: weir.Text(fmt.Sprintf("https://shop.example/p/%d", r.IntN(500)))},
			{Name: "$title", Value: weir.Text(fmt.Sprintf("Product %d", r.IntN(500)))},
			{Name: "duration", Value: weir.Num(float64(r.IntN(300)))},
			{Name: "bounced", Value: weir.Boolean(r.IntN(3) == 0)},
		},
	}
	if r.IntN(100) >= 55 {
		e.Name = fmt.Sprintf("Event %02d", r.IntN(21))
		e.Properties[6] = weir.Property{Name: "amount", Value: weir.Num(float64(r.IntN(10_000)) / 100)}
	}
	g.n++
	return e
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		size        int
		log, people bool
	}{{50, false, false}, {50, true, false}, {50, true, true}, {5000, false, false}, {5000, true, false}, {5000, false, true}, {5000, true, true}} {
		b.Run(fmt.Sprintf("batch=%d/log=%v/people=%v", c.size, c.log, c.people), func(b *testing.B) {
			s := open(b, b.TempDir(), nil)
			g := newTraffic(1_000_000)
			if err := s.Write(b.Context(), "acme", g.batch(1000, c.log, c.people)); err != nil { // makes tables and columns
				b.Fatal(err)
			}
			worst, total := time.Duration(0), time.Duration(0)
			b.ResetTimer()
			for b.Loop() {
				b.StopTimer()
				batch := g.batch(c.size, c.log, c.people)
				b.StartTimer()
				start := time.Now()
				if err := s.Write(b.Context(), "acme", batch); err != nil {
					b.Fatal(err)
				}
				took := time.Since(start)
				worst, total = max(worst, took), total+took
			}
			b.ReportMetric(float64(b.N*c.size)/total.Seconds(), "events/s")
			b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
		})
	}
}

// BenchmarkLog reads the log as people and programs do, over -events rows.
func BenchmarkLog(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, nil)
	g := newTraffic(*benchEvents)
	var first, last *eventstore.Batch
	for n := 0; n < *benchEvents; n += 50_000 {
		last = g.batch(min(50_000, *benchEvents-n), true, false)
		if first == nil {
			first = last
		}
		last.Events = nil
		if err := s.Write(b.Context(), "acme", last); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	size := folderSize(b, dir)
	s = open(b, dir, nil)
	for _, q := range []struct {
		name   string
		filter eventstore.LogFilter
	}{
		{"newest", eventstore.LogFilter{}},
		{"position", eventstore.LogFilter{Position: first.Log[7].Position}},
		{"newest item", eventstore.LogFilter{ItemID: last.Log[7].ItemID, Limit: 1}},
		{"oldest item", eventstore.LogFilter{ItemID: first.Log[7].ItemID, Limit: 1}},
		{"no such item", eventstore.LogFilter{ItemID: "nothing"}},
		{"busy user", eventstore.LogFilter{UserID: "user-1"}},
		{"no such status", eventstore.LogFilter{Status: weir.Dead}},
	} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Log(b.Context(), "acme", q.filter); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size)/float64(*benchEvents), "B/row")
		})
	}
}

// BenchmarkAsk asks the questions that the design has targets for. Give it
// -events=10000000 for those, and some minutes.
func BenchmarkAsk(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, nil)
	g := newTraffic(*benchEvents)
	for n := 0; n < *benchEvents; n += 50_000 {
		if err := s.Write(b.Context(), "acme", g.batch(min(50_000, *benchEvents-n), false, n%1_000_000 == 0)); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	size := folderSize(b, dir)
	s = open(b, dir, nil)
	commits := weir.Micros(0)
	for _, q := range []struct{ name, question string }{
		{"trend of one event", `"series":[{"event":"pageview"}]`},
		{"trend of a rare event", `"series":[{"event":"Event 07"}]`},
		{"trend of all", `"series":[{"event":"*"}]`},
		{"trend in Paris", `"timezone":"Europe/Paris","series":[{"event":"pageview"}]`},
		{"trend by hour", `"interval":"hour","series":[{"event":"pageview"}]`},
		{"users of one event", `"series":[{"event":"pageview","measure":"users"}]`},
		{"users of all", `"series":[{"event":"*","measure":"users"}]`},
		{"sessions of all", `"series":[{"event":"*","measure":"sessions"}]`},
		{"by country", `"series":[{"event":"*"}],"breakdowns":[{"property":"$country"}]`},
		{"by page", `"series":[{"event":"*"}],"breakdowns":[{"property":"$page"}]`},
		{"by number", `"series":[{"event":"*"}],"breakdowns":[{"property":"amount"}]`},
		{"users by country", `"series":[{"event":"*","measure":"users"}],"breakdowns":[{"property":"$country"}]`},
		{"users by user's plan", `"series":[{"event":"pageview","measure":"users"}],"breakdowns":[{"property":"plan","on":"user"}]`},
		{"filter by text", `"series":[{"event":"pageview","filters":[{"property":"$country","op":"in","value":["C1","C2"]}]}]`},
		{"filter by contains", `"series":[{"event":"pageview","filters":[{"property":"$page","op":"contains","value":"/P/7"}]}]`},
		{"by three", `"series":[{"event":"*"}],"breakdowns":[{"property":"$country"},{"property":"$device_type"},{"property":"$os"}]`},
		{"weekly active", `"series":[{"event":"*","measure":"weekly_active"}]`},
		{"median", `"series":[{"event":"pageview","measure":"median","property":"duration"}]`},
		{"funnel of 3 steps", `"kind":"funnel","steps":[{"event":"pageview"},{"event":"Event 01"},{"event":"Event 02"}]`},
		{"funnel of 12 steps", `"kind":"funnel","steps":[{"event":"pageview"},{"event":"Event 01"},{"event":"Event 02"},{"event":"Event 03"},{"event":"Event 04"},{"event":"Event 05"},{"event":"Event 06"},{"event":"Event 07"},{"event":"Event 08"},{"event":"Event 09"},{"event":"Event 10"},{"event":"Event 11"}]`},
		{"funnel by country", `"kind":"funnel","steps":[{"event":"pageview","filters":[{"property":"duration","op":"gt","value":150}]},{"event":"Event 01"},{"event":"Event 02"}],"breakdown":{"property":"$country"}`},
		{"retention, first time", `"kind":"retention","start":{"event":"pageview"},"return":{"event":"*"},"periods":29`},
		{"retention, recurring", `"kind":"retention","start":{"event":"Event 01"},"return":{"event":"Event 02"},"cohort":"recurring","periods":29`},
		{"lifecycle", `"kind":"lifecycle","event":"*"`},
		{"stickiness", `"kind":"stickiness","event":"*"`},
		{"flows", `"kind":"flows","event":"*","per":"session"`},
		{"events per person", `"kind":"distribution","event":"*"`},
		{"filter by user", `"series":[{"event":"pageview","filters":[{"property":"plan","on":"user","op":"neq","value":"pro"}]}]`},
	} {
		b.Run(q.name, func(b *testing.B) {
			kind := ""
			if !strings.Contains(q.question, `"kind"`) {
				kind = `"kind":"trends",`
			}
			plan, fault := query.Parse([]byte(`{"from":"2026-10-01","to":"2026-10-30",`+kind+q.question+`}`), query.Env{Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)})
			if fault != nil {
				b.Fatal(fault)
			}
			best := time.Hour
			for b.Loop() {
				commits++ // or the answer is the one before
				if err := s.Write(b.Context(), "acme", &eventstore.Batch{AsOf: benchStart + 40*86400e6 + commits}); err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				if _, err := s.Ask(b.Context(), "acme", plan); err != nil {
					b.Fatal(err)
				}
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(best.Microseconds())/1000, "best-ms")
			b.ReportMetric(float64(size)/float64(*benchEvents), "B/event")
		})
	}
}

// folderSize is the sum of the sizes of all files, in bytes.
func folderSize(b *testing.B, dir string) (sum int64) {
	b.Helper()
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
	if err != nil {
		b.Fatal(err)
	}
	return sum
}
