package pipeline_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/pipeline"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/state"
)

// failingAck refuses the first acknowledgement, as a queue does whose disk is
// full for a moment.
type failingAck struct {
	queue.Queue
	refused atomic.Bool
}

func (q *failingAck) Consume(ctx context.Context, p []int) (queue.Consumer, error) {
	c, err := q.Queue.Consume(ctx, p)
	return failingAckConsumer{c, q}, err
}

type failingAckConsumer struct {
	queue.Consumer
	queue *failingAck
}

func (c failingAckConsumer) Ack(ctx context.Context, upTo map[int]uint64) error {
	if !c.queue.refused.Swap(true) {
		return errInjected
	}
	return c.Consumer.Ack(ctx, upTo)
}

// A worker whose acknowledgement fails takes the batch again by itself.
func TestFailedAcknowledgementDoesNotStopTheWork(t *testing.T) {
	w := newWorld(t)
	w.options.Items = 1
	w.wrap = func(w *world) (queue.Queue, state.Store, eventstore.Store) {
		return &failingAck{Queue: w.queue}, w.state, w.events
	}
	for i := range 5 {
		w.send([]string{custom(fmt.Sprint(i), "u", "Good", "")})
	}
	w.drain()
	if got := w.ask("Good", "total", ""); got != 5 {
		t.Errorf("%v events", got)
	}
}

// slowSeen answers the second look-up only when the batch that was being
// written when it was asked is over and done with.
type slowSeen struct {
	state.Store
	lookups  atomic.Int64
	answered chan struct{} // closed when the second look-up has its answer
	written  chan struct{} // closed when the first batch is done
}

func (s *slowSeen) Seen() state.Seen { return s }

func (s *slowSeen) Lookup(ctx context.Context, keys []state.ItemKey) ([]state.Entry, error) {
	entries, err := s.index().Lookup(ctx, keys)
	if s.lookups.Add(1) == 2 {
		close(s.answered)
		<-s.written
		for range 10_000 {
			runtime.Gosched() // the batch is taken off the list right after it was published
		}
	}
	return entries, err
}

func (s *slowSeen) Put(ctx context.Context, keys []state.ItemKey, before, entries []state.Entry) error {
	<-s.answered
	return s.index().Put(ctx, keys, before, entries)
}

func (s *slowSeen) Claim(ctx context.Context, items []state.Claim) ([]state.ItemKey, error) {
	return s.index().Claim(ctx, items)
}

func (s *slowSeen) Release(ctx context.Context, upTo map[int]uint64) error {
	return s.index().Release(ctx, upTo)
}

func (s *slowSeen) index() state.Seen { return s.Store.Seen() }

// A version that arrives while the one before it is being written replaces it,
// at whatever moment the writing ends.
func TestBatchThatEndsDuringALookUpIsNotForgotten(t *testing.T) {
	w := newWorld(t)
	w.options.Items = 1
	slow := &slowSeen{Store: w.state, answered: make(chan struct{}), written: make(chan struct{})}
	w.wrap = func(w *world) (queue.Queue, state.Store, eventstore.Store) { return w.queue, slow, w.events }
	listener := w.hub.Subscribe(ws)
	defer listener.Close()
	go func() {
		<-listener.C
		close(slow.written)
	}()
	w.send([]string{custom("x", "u", "Good", "")}, []string{custom("x", "u", "Good", "")})
	w.drain()
	if got := w.ask("Good", "total", ""); got != 1 {
		t.Errorf("%v events of one item", got)
	}
	if got, want := w.statuses("x"), "stored duplicate"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func aliasAt(from, to string, minute int) string {
	return fmt.Sprintf(`{"kind":"user_alias","user_alias":{"from_user_external_id":%q,"to_user_external_id":%q,"created_at":"2026-10-01T11:%02d:00Z"}}`, from, to, minute)
}

func known(id string) string {
	return fmt.Sprintf(`{"kind":"user","user":{"external_id":%q,"is_authenticated":true,"created_at":"2026-10-01T11:00:00Z","me":%q}}`, id, id)
}

// A person that an earlier edge or a sign-in divides is divided in the event
// rows as well, also if the worker dies between the state and the rows.
func TestDeathWhileAPersonIsDividedLeavesNoRowBehind(t *testing.T) {
	for name, divide := range map[string]string{
		"by an earlier edge": aliasAt("a", "c", 10),
		"by a sign-in":       known("a"),
	} {
		t.Run(name, func(t *testing.T) {
			before := []string{custom("1", "a", "Looked", ""), custom("2", "b", "Bought", ""), known("b"), known("c"), aliasAt("a", "b", 20)}
			reference := newWorld(t)
			reference.send(before)
			reference.drain()
			reference.send([]string{divide})
			reference.drain()
			want := reference.truth()

			w := newWorld(t)
			w.send(before)
			w.drain()
			w.send([]string{divide})
			w.dieAt(2, false, false) // after the state, before the rows
			w.drain()
			if got := w.truth(); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if got := w.ask("*", "users", ""); got != 2 {
				t.Errorf("%v people, want 2", got)
			}
		})
	}
}

// dieAt runs a pipeline that dies at its n-th write, before or after it is done.
func (w *world) dieAt(n int64, after, turned bool) {
	w.t.Helper()
	w.die(&faults{after: after}, n, turned)
}

// die runs a pipeline that dies at the n-th write that the faults count.
func (w *world) die(f *faults, n int64, turned bool) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.stop = cancel
	w.failAt(f, n, turned)
	done := make(chan error, 1)
	p := w.pipeline()
	go func() { done <- p.Run(ctx) }()
	w.settled(ctx)
	cancel()
	<-done
	w.wrap = nil
}

// failAt puts faults between pipelines and their stores.
func (w *world) failAt(f *faults, n int64, turned bool) {
	f.left.Store(n)
	w.wrap = func(w *world) (queue.Queue, state.Store, eventstore.Store) {
		q := w.queue
		if turned {
			q = backwards{q}
		}
		return faultyQueue{q, f}, faultyState{w.state, f}, faultyEvents{w.events, f}
	}
}

// backwards is a queue whose consumers see the last partition first. Order
// between partitions is promised nowhere.
type backwards struct{ queue.Queue }

func (q backwards) Consume(ctx context.Context, partitions []int) (queue.Consumer, error) {
	if partitions == nil {
		for p := range q.Partitions() {
			partitions = append(partitions, p)
		}
	}
	partitions = slices.Clone(partitions)
	slices.Reverse(partitions)
	return q.Queue.Consume(ctx, partitions)
}

// Two versions of an item in two partitions leave one row, also if a worker dies
// with the row of the first and the next one meets the second before the first.
func TestVersionsInTwoPartitionsLeaveOneRowAfterADeath(t *testing.T) {
	version := func(user, updated string) string {
		return `{"kind":"pageview","pageview":{"external_id":"pv","created_at":"2026-10-01T11:00:00Z","updated_at":"` + updated + `"},"user":{"external_id":"` + user + `"}}`
	}
	w := newWorld(t)
	w.options.Items = 1
	// 'c' is 99, of partition 0; 'b' is 98, of partition 2.
	w.send([]string{version("c", "2026-10-01T11:00:01Z")}, []string{version("b", "2026-10-01T11:00:02Z")})
	w.die(&faults{of: "seen"}, 1, false) // with the first one's row, without its entry in the index
	if got := w.ask("pageview", "total", ""); got != 1 {
		t.Fatalf("%v rows to begin with", got)
	}
	w.turned = true
	w.drain()
	if got := w.ask("pageview", "total", ""); got != 1 {
		t.Errorf("%v rows of one item", got)
	}
}

// What makes a step panic before the items are read, or while they are, costs
// no neighbour either.
func TestPoisonInEarlyStepsIsSetAside(t *testing.T) {
	for name, spoil := range map[string]func(b *pipeline.Batch, n int){
		"hook":     func(*pipeline.Batch, int) { panic("cannot stomach this") },
		"validate": func(b *pipeline.Batch, n int) { b.Entries[n] = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.options.Tries = 1
			w.options.Steps = []pipeline.Step{{Number: 2, Name: "enrich", Run: func(_ context.Context, b *pipeline.Batch) error {
				for n, e := range b.Entries {
					if strings.Contains(string(e.Record.Raw), "poison") {
						spoil(b, n)
					}
				}
				return nil
			}}}
			w.send([]string{custom("1", "u", "Good", ""), custom("poison", "u", "Good", ""), custom("2", "u", "Good", "")})
			w.drain()
			if got := w.ask("Good", "total", ""); got != 2 {
				t.Errorf("%v neighbours", got)
			}
			list, err := w.events.Log(t.Context(), ws, logOf(weir.Dead))
			if err != nil || len(list) != 1 {
				t.Errorf("dead: %+v, %v", list, err)
			}
		})
	}
}

// What a sender may put into an item harms nothing but the item.
func TestHostileItemsHarmNoNeighbour(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	w := newWorld(t)
	items := []string{
		custom("1", "u", "Good", ""),
		custom("h1", "u", "Bad", `"a\u0000b":"c\u0000d","":1,"Plan":1,"plan":"x","PLAN":true,"plan ":[]`),
		custom("h2", "u", "Bad", `"n":1e400,"m":-1e-400,"z":-0,"big":123456789012345678901234567890`),
		custom("h3", "u", "Bad", `"l":[[[[1,"\u0000",null,{}]]]],"o":{"\"; drop table events; --":"'"}`),
		custom("h4", "u", "Bad'; --", `"`+long+`":1`),
		custom("h5", "u", "Bad", `"v":"`+long+`"`),
		`{"kind":"app_` + long + `","app_` + long + `":{"external_id":"1","created_at":"2026-10-01T11:00:00Z"},"user":{"external_id":"u"}}`,
		`{"kind":"app_\u0000","app_\u0000":{"external_id":"1","created_at":"2026-10-01T11:00:00Z"},"user":{"external_id":"u"}}`,
		`{"kind":"pageview","pageview":{"external_id":"p","created_at":"9999-12-31T23:59:59Z","updated_at":"9999-12-31T23:59:59Z"},"user":{"external_id":"u","created_at":"9999-12-31T23:59:59Z"},"session":{"external_id":"s","duration":1e300}}`,
		`{"kind":"pageview","pageview":{"external_id":"q","created_at":"2026-10-01T11:00:00Z","page_id":{},"$page":1,"title":[]},"user":{"external_id":"u","traits":[1],"` + "\\u2028" + `":"\ud83d\ude00"},"session":{"external_id":"s","user_external_id":"other","device_external_id":[]},"device":{"external_id":"d","user_agent":{"a":1},"language":[1]}}`,
		`{"kind":"user_alias","user_alias":{"from_user_external_id":"u","to_user_external_id":"u","to_user_is_authenticated":true}}`,
		`{"kind":"user_alias","user_alias":{"from_user_external_id":"` + strings.Repeat("0", 512) + `","to_user_external_id":"null"}}`,
		`{"kind":"user_alias","user_alias":null}`, `[]`, ``, `{`, `"`, `{"kind":"user","user":{}}`, "\xff", `{"kind":"user","user":{"external_id":"\ud800","created_at":"2026-10-01T11:00:00Z"}}`,
		custom("2", "u", "Good", ""),
	}
	w.send(items)
	w.drain()
	if got := w.ask("Good", "total", ""); got != 2 {
		t.Errorf("%v neighbours", got)
	}
	if got := w.ask("Bad", "total", `[{"property":"plan","op":"eq","value":"x"},{"property":"PLAN","op":"eq","value":"true"},{"property":"Plan","op":"eq","value":1}]`); got != 1 {
		t.Errorf("names that differ in case: %v", got)
	}
	before := w.truth()
	if err := w.pipeline().Rebuild(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	if after := w.truth(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// A trait that is said again later, or cleared before it was set, holds against
// what is older and comes afterwards, also if nothing else changes meanwhile.
func TestTraitsSaidAgainHoldAgainstOlderOnes(t *testing.T) {
	said := func(id, plan string, minute int) string {
		return fmt.Sprintf(`{"kind":"pageview","pageview":{"external_id":%q,"created_at":"2026-10-01T11:00:00Z"},"user":{"external_id":"u","updated_at":"2026-10-01T11:%02d:00Z","traits":{"plan":%s}}}`, id, minute, plan)
	}
	for _, c := range []struct{ first, second string }{{`"pro"`, `"pro"`}, {`null`, `null`}} {
		w := newWorld(t)
		for n, i := range []string{said("1", c.first, 10), said("2", c.second, 30), said("3", `"free"`, 20)} {
			w.send([]string{i})
			w.drain()
			if plan := fmt.Sprint(w.person("u").Traits); n == 2 && strings.Contains(plan, "free") {
				t.Errorf("%s at 10, %s at 30, free at 20: %s", c.first, c.second, plan)
			}
		}
	}
}

// A trait that one identity of a person says again may hold against that of
// another one from then on, although its own did not change.
func TestTraitSaidAgainByOneIdentityCountsForThePerson(t *testing.T) {
	said := func(id, user, plan string, minute int) string {
		return fmt.Sprintf(`{"kind":"pageview","pageview":{"external_id":%q,"created_at":"2026-10-01T11:00:00Z"},"user":{"external_id":%q,"updated_at":"2026-10-01T11:%02d:00Z","traits":{"plan":%q}}}`, id, user, minute, plan)
	}
	w := newWorld(t)
	for _, i := range []string{said("1", "visitor", "free", 10), said("2", "known", "pro", 20), aliasAt("visitor", "known", 20), said("3", "visitor", "free", 30)} {
		w.send([]string{i})
		w.drain()
	}
	if got := w.ask("pageview", "total", `[{"property":"plan","on":"user","op":"eq","value":"free"}]`); got != 3 {
		t.Errorf("questions see %v events of somebody free, want 3", got)
	}
}
