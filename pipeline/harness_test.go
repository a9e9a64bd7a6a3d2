package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/dirarchive"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/pipeline"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/sqlitequeue"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/sqlitestate"
)

const (
	ws         = weir.WorkspaceID("acme_test")
	partitions = 3
)

var received = weir.MicrosOf(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC))

// world is a pipeline between real engines.
type world struct {
	t       failer
	queue   queue.Queue
	archive archive.Archive
	state   state.Store
	events  eventstore.Store
	hub     *live.Hub
	// wrap, if set, stands between the pipeline and its stores.
	wrap    func(*world) (queue.Queue, state.Store, eventstore.Store)
	options pipeline.Options
	turned  bool // the pipeline's consumers look at the last partition first
	sent    int
}

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

func newWorld(t testing.TB) *world { return openWorld(t, t.TempDir(), t.Cleanup) }

func openWorld(t failer, dir string, cleanup func(func())) *world {
	t.Helper()
	q, err := sqlitequeue.Open(context.Background(), filepath.Join(dir, "queue"), &sqlitequeue.Options{Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	cleanup(func() { q.Close() })
	a, err := dirarchive.Open(filepath.Join(dir, "archive"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cleanup(func() { a.Close() })
	s, err := sqlitestate.Open(filepath.Join(dir, "state"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cleanup(func() { s.Close() })
	e, err := duckstore.Open(filepath.Join(dir, "events"), &duckstore.Options{Memory: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	cleanup(func() { e.Close() })
	return &world{t: t, queue: q, archive: a, state: s, events: e, hub: live.NewHub(), options: pipeline.Options{Gather: -1}}
}

// record is an item as the collector stores it.
func record(raw string) weir.Record {
	head, rejected := item.Check([]byte(raw), item.Limits{})
	return weir.Record{
		Workspace: ws, Source: "test", Receipt: "rcp_1", ReceivedAt: received, UserID: head.UserID, Rejected: rejected, Raw: []byte(raw),
	}
}

func custom(id, user, label, properties string) string {
	return fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":%q,"created_at":"2026-10-01T11:00:00Z","label":%q,"properties":{%s}},"user":{"external_id":%q}}`, id, label, properties, user)
}

// send queues items, each group as one append; the partition is of the user.
func (w *world) send(groups ...[]string) {
	w.t.Helper()
	for _, raws := range groups {
		byPartition := map[int][]weir.Record{}
		for _, raw := range raws {
			r := record(raw)
			n := 0
			for _, c := range r.UserID {
				n += int(c)
			}
			byPartition[n%partitions] = append(byPartition[n%partitions], r)
		}
		var bodies []frame.Body
		for partition := range partitions {
			if len(byPartition[partition]) == 0 {
				continue
			}
			body, err := frame.Encode(partition, byPartition[partition])
			if err != nil {
				w.t.Fatal(err)
			}
			bodies = append(bodies, body)
		}
		if err := w.queue.Append(context.Background(), bodies); err != nil {
			w.t.Fatal(err)
		}
		w.sent += len(raws)
	}
}

func (w *world) pipeline() *pipeline.Pipeline {
	q, s, e := w.queue, w.state, w.events
	if w.wrap != nil {
		q, s, e = w.wrap(w)
	}
	if w.turned {
		q = backwards{q}
	}
	options := w.options
	return pipeline.New(q, w.archive, s, e, w.hub, &options)
}

// drain runs a pipeline until everything that was sent is acknowledged.
func (w *world) drain() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	p := w.pipeline()
	go func() { done <- p.Run(ctx) }()
	if !w.settled(ctx) {
		w.t.Fatal("not drained within a minute")
	}
	cancel()
	if err := <-done; err != nil {
		w.t.Fatal(err)
	}
}

// settled waits until the queue is empty; it reports whether that was before ctx
// ended.
func (w *world) settled(ctx context.Context) bool {
	w.t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for ctx.Err() == nil {
		lag, err := w.queue.Lag(context.Background())
		if err != nil {
			w.t.Fatal(err)
		}
		if lag.Records == 0 {
			break
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return ctx.Err() == nil
}

// ask counts an event; filters is JSON.
func (w *world) ask(event, measure, filters string) float64 {
	w.t.Helper()
	if filters == "" {
		filters = "[]"
	}
	question := fmt.Sprintf(`{"kind":"trends","from":"2020-01-01","to":"2027-01-01","interval":"year","series":[{"name":"A","event":%q,"measure":%q,"filters":%s}]}`, event, measure, filters)
	plan, problem := query.Parse([]byte(question), query.Env{Now: received.Time(), Location: time.UTC})
	if problem != nil {
		w.t.Fatal(problem)
	}
	answer, err := w.events.Ask(context.Background(), ws, plan)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(answer.Series) != 1 {
		w.t.Fatalf("%d series", len(answer.Series))
	}
	return answer.Series[0].Total
}

// outcomes lists the log by item id, oldest first.
func (w *world) outcomes(id string) []weir.Outcome {
	w.t.Helper()
	list, err := w.events.Log(context.Background(), ws, eventstore.LogFilter{ItemID: id, Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b weir.Outcome) int { return int(a.Position.Seq()) - int(b.Position.Seq()) })
	return list
}

func (w *world) statuses(id string) string {
	var out []string
	for _, o := range w.outcomes(id) {
		out = append(out, string(o.Status))
	}
	return strings.Join(out, " ")
}

// person is the person that an id belongs to.
func (w *world) person(id string) weir.Person {
	w.t.Helper()
	members, err := w.state.View().Person(context.Background(), ws, id)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(members) == 0 {
		w.t.Fatalf("nobody is known as %s", id)
	}
	return identity.Join(members)
}

// truth is all that does not depend on the order of arrival: the people, and
// what questions count of each.
func (w *world) truth() string {
	w.t.Helper()
	var lines []string
	seen := map[string]bool{}
	err := w.state.View().Scan(context.Background(), ws, func(i *weir.Identity) error {
		p := w.person(i.ID)
		if !seen[p.ID] {
			seen[p.ID] = true
			lines = append(lines, fmt.Sprintf("person %s = %v traits %v first %s last %s created %s", p.ID, p.IDs, p.Traits, p.FirstSeen, p.LastSeen, p.CreatedAt))
			own := fmt.Sprintf(`[{"property":"who","op":"in","value":["%s"]}]`, strings.Join(p.IDs, `","`))
			lines = append(lines, fmt.Sprintf("rows of %s: %v of %v people in %v sessions", p.ID, w.ask("*", "total", own), w.ask("*", "users", own), w.ask("*", "sessions", own)))
		}
		lines = append(lines, fmt.Sprintf("identity %s authenticated %v edges %v", i.ID, i.Authenticated, i.Edges))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	catalogue, err := w.events.Catalogue(context.Background(), ws)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range catalogue.Events {
		if total := w.ask(e.Name, "total", ""); total > 0 { // a name stays when its last row is replaced
			lines = append(lines, fmt.Sprintf("event %s: %v of %v people in %v sessions", e.Name, total, w.ask(e.Name, "users", ""), w.ask(e.Name, "sessions", "")))
		}
	}
	lines = append(lines, fmt.Sprintf("all people: %v", w.ask("*", "users", "")))
	for plan := range 3 {
		lines = append(lines, fmt.Sprintf("plan p%d: %v", plan, w.ask("*", "users", fmt.Sprintf(`[{"property":"plan","on":"user","op":"eq","value":"p%d"}]`, plan))))
	}
	for v := range 9 {
		lines = append(lines, fmt.Sprintf("v is %d: %v", v, w.ask("*", "total", fmt.Sprintf(`[{"property":"v","op":"eq","value":%d}]`, v))))
	}
	for _, filter := range []string{`[{"property":"plan","on":"user","op":"eq","value":"pro"}]`, `[{"property":"v","op":"gte","value":2}]`} {
		lines = append(lines, fmt.Sprintf("%s: %v of %v", filter, w.ask("*", "total", filter), w.ask("*", "users", filter)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

var errInjected = errors.New("injected fault")
