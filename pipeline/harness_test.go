package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/dirarchive"
	"github.com/weirhq/weir/dump"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/clickstore"
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
	"github.com/weirhq/weir/state/pgstate"
	"github.com/weirhq/weir/state/pgstate/pgtest"
	"github.com/weirhq/weir/state/sqlitestate"
)

const (
	ws         = weir.WorkspaceID("acme_test")
	partitions = 3
)

func (w *world) ctx() context.Context { return context.Background() }

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
	// processes is engines.processes.
	processes int
}

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// engines open the stores of a world in its directory.
type engines struct {
	state  func(t failer, dir string) state.Store
	events func(t failer, dir string) eventstore.Store
	// processes is how many work on the queue as if they were apart, with nothing in
	// common but the stores; 0 is 1.
	processes int
}

// embedded are the engines that the program brings along.
var embedded = engines{state: openSQLite, events: openEvents}

func newWorld(t testing.TB) *world { return openWorld(t, t.TempDir(), embedded, t.Cleanup) }

func openSQLite(t failer, dir string) state.Store {
	t.Helper()
	s, err := sqlitestate.Open(filepath.Join(dir, "state"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onPostgreSQL opens states in schemas of their own, which are dropped with them.
func onPostgreSQL(dsn string) func(failer, string) state.Store {
	return func(t failer, _ string) state.Store {
		t.Helper()
		schema := pgtest.Schema()
		s, err := pgstate.Open(context.Background(), &pgstate.Options{DSN: dsn, Schema: schema})
		if err != nil {
			t.Fatal(err)
		}
		return dropping{s, func() error { return pgtest.Drop(dsn, schema) }}
	}
}

// dropping is a store that is gone when it is closed.
type dropping struct {
	state.Store
	drop func() error
}

func (d dropping) Close() error { return errors.Join(d.Store.Close(), d.drop()) }

var namespaces atomic.Int64

// onClickHouse opens event stores in databases of their own, which are dropped with them.
func onClickHouse(url string) func(failer, string) eventstore.Store {
	return func(t failer, _ string) eventstore.Store {
		t.Helper()
		prefix := fmt.Sprintf("story_%d_%d", os.Getpid(), namespaces.Add(1))
		s, err := clickstore.Open(url, &clickstore.Options{Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		return droppingEvents{s}
	}
}

// droppingEvents is a store that is gone when it is closed.
type droppingEvents struct{ eventstore.Store }

func (d droppingEvents) Close() error {
	return errors.Join(d.Drop(context.Background(), ws), d.Store.Close())
}

func openEvents(t failer, dir string) eventstore.Store {
	t.Helper()
	e, err := duckstore.Open(filepath.Join(dir, "events"), &duckstore.Options{Memory: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func openWorld(t failer, dir string, with engines, cleanup func(func())) *world {
	t.Helper()
	e := with.events(t, dir)
	cleanup(func() { e.Close() })
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
	s := with.state(t, dir)
	cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close state: %v", err)
		}
	})
	return &world{t: t, queue: q, archive: a, state: s, events: e, hub: live.NewHub(), options: pipeline.Options{Gather: -1, RetryAfter: 10 * time.Millisecond}, processes: max(with.processes, 1)}
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

// send queues items, each group as one append.
func (w *world) send(groups ...[]string) {
	w.t.Helper()
	for _, raws := range groups {
		var records []weir.Record
		for _, raw := range raws {
			records = append(records, record(raw))
		}
		w.deliver(records)
	}
}

// deliver queues records as one append; the partition is of the user.
func (w *world) deliver(records []weir.Record) {
	w.t.Helper()
	byPartition := map[int][]weir.Record{}
	for _, r := range records {
		n := 0
		for _, c := range []byte(r.UserID) {
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
}

func (w *world) pipeline() *pipeline.Pipeline { return w.process(w.queue) }

// process is one of those that work on the queue.
func (w *world) process(q queue.Queue) *pipeline.Pipeline {
	s, e := w.state, w.events
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
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var group errgroup.Group
	for n := range w.processes {
		q := w.queue
		if w.processes > 1 {
			q = sharedQueue{q, n, w.processes}
		}
		p := w.process(q)
		group.Go(func() error { return p.Run(ctx) })
	}
	if !w.settled(ctx) {
		w.t.Fatal("not drained in time")
	}
	cancel()
	if err := group.Wait(); err != nil {
		w.t.Fatal(err)
	}
}

// sharedQueue gives a process every so manieth partition.
type sharedQueue struct {
	queue.Queue
	process, processes int
}

func (q sharedQueue) Consume(ctx context.Context, partitions []int) (queue.Consumer, error) {
	var mine []int
	for _, p := range partitions {
		if p%q.processes == q.process {
			mine = append(mine, p)
		}
	}
	if len(mine) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return q.Queue.Consume(ctx, mine)
}

// settled waits until the queue is empty; it reports whether that was before ctx
// ended.
func (w *world) settled(ctx context.Context) bool {
	w.t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for quiet := 0; ctx.Err() == nil; {
		if w.idle() {
			quiet++
		} else {
			quiet = 0
		}
		// An item that waits for another goes from the queue to the outbox and back: one
		// look at each may miss it.
		if quiet == 1 && w.processes == 1 || quiet == 2 {
			break
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return ctx.Err() == nil
}

// idle reports whether nothing is in the queue, nor in the outbox to come again.
func (w *world) idle() bool {
	lag, err := w.queue.Lag(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if lag.Records > 0 || w.processes == 1 {
		return lag.Records == 0
	}
	waiting, err := w.state.Outbox().Read(context.Background(), "pipeline.retry", 0, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(waiting) == 0
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
	return float64(answer.Series[0].Total)
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
	return identity.Join(members, nil)
}

// truth is all that is true of the workspace, as weir dump writes it.
func (w *world) truth() string {
	w.t.Helper()
	w.checkVisits()
	var out strings.Builder
	if err := dump.Write(context.Background(), &out, ws, w.state.View(), w.events); err != nil {
		w.t.Fatal(err)
	}
	return out.String()
}

// differ fails the test if two truths are not the same.
func (w *world) differ(context, want, got string) {
	w.t.Helper()
	if want == got {
		return
	}
	diff, _, err := dump.Compare(strings.NewReader(want), strings.NewReader(got))
	w.t.Fatalf("%s\nwant (-) and got (+) differ, %v:\n%s", context, err, diff)
}

var errInjected = errors.New("injected fault")
