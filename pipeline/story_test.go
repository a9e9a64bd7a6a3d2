package pipeline_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/clickstore/clicktest"
	"github.com/weirhq/weir/eventstore/storetest"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/pipeline"
	"github.com/weirhq/weir/pipeline/storytest"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/state/pgstate/pgtest"
)

var stories = flag.Int("stories", 200, "made-up histories that TestOneTruth tells in every way")

// storyRules are settings by which stories reach all rules.
func storyRules(t failer, split bool) pipeline.Rulebook {
	t.Helper()
	rates, err := order.NewRates("EUR", []order.Rate{{Currency: storytest.Foreign, From: storytest.Start, Rate: "0.905"}})
	if err != nil {
		t.Fatal(err)
	}
	rules := pipeline.DefaultRules()
	rules.Goals = []order.Goal{{Event: storytest.Goal, ValueProperty: storytest.GoalValue, CurrencyProperty: storytest.GoalCurrency}}
	rules.Rates = rates
	rules.Keys = []string{storytest.KeyField}
	rules.Sessions = session.Options{SplitOnCampaign: split}
	rules.Attribution = attribution.Options{AfterPrevious: split}
	return func(context.Context, weir.WorkspaceID) (*pipeline.Rules, error) { return rules, nil }
}

// recordOf is an item of a story as the collector stores it.
func recordOf(i storytest.Item) weir.Record {
	head, rejected := item.Check([]byte(i.Raw), item.Limits{})
	return weir.Record{
		Workspace: ws, Source: "story", Client: i.Client, Receipt: "rcp_story", ReceivedAt: i.Received, SentAt: i.SentAt,
		UserID: head.UserID, Rejected: rejected, Raw: []byte(i.Raw),
	}
}

// resent is the same item sent again, later and by the same clock.
func resent(r weir.Record, later weir.Micros) weir.Record {
	r.ReceivedAt += later
	if r.SentAt != 0 {
		r.SentAt += later
	}
	return r
}

// telling is a way to tell a story.
type telling struct {
	name string
	repeats, shuffled,
	rebatched, killed bool
	workers int
}

var tellings = []telling{
	{name: "every item 1 to 3 times", repeats: true},
	{name: "shuffled", shuffled: true},
	{name: "other batches and workers", shuffled: true, repeats: true, rebatched: true, workers: 3},
	{name: "killed", rebatched: true, killed: true},
	{name: "everything at once", shuffled: true, repeats: true, rebatched: true, killed: true, workers: 2},
}

// tell delivers a story to a world and says what it did.
func (w *world) tell(records []weir.Record, how telling, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 11))
	var told []weir.Record
	for _, record := range records {
		told = append(told, record)
		for n := r.IntN(3); how.repeats && n > 0; n-- {
			told = append(told, resent(record, weir.Micros(r.IntN(3))*3600*1e6))
		}
	}
	if how.shuffled {
		r.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
	}
	w.options.Workers = max(how.workers, 1)
	var log strings.Builder
	for len(told) > 0 {
		n := len(told)
		if how.rebatched {
			n = min(1+r.IntN(8), len(told))
			w.options.Items = 1 + r.IntN(8)
		}
		w.deliver(told[:n])
		for _, record := range told[:n] {
			fmt.Fprintf(&log, "  %s %s\n", record.ReceivedAt, record.Raw)
		}
		told = told[n:]
		switch {
		case how.killed && r.IntN(2) == 0:
			at, after, turned := 1+r.Int64N(9), r.IntN(2) == 0, r.IntN(2) == 0
			fmt.Fprintf(&log, "kill at write %d, after it %v, partitions backwards %v, batches of %d\n", at, after, turned, w.options.Items)
			w.dieAt(at, after, turned)
		case how.rebatched && r.IntN(3) == 0:
			fmt.Fprintf(&log, "drain in batches of %d by %d workers\n", w.options.Items, w.options.Workers)
			w.drain()
		}
	}
	w.turned = how.killed && r.IntN(2) == 0
	w.drain()
	w.turned = false
	return log.String()
}

// The heart of the promise: the same set of items gives the same truth, however it
// arrives, and a rebuild gives it again.
func TestOneTruth(t *testing.T) { checkOneTruth(t, *stories, embedded) }

// The same truth on other engines: what is told there is held against the embedded ones.
func TestOneTruthOnPostgreSQL(t *testing.T) {
	checkOneTruth(t, max(*stories/10, 1), engines{state: onPostgreSQL(pgtest.Server(t)), events: openEvents})
}

// The same truth again by processes that have nothing in common but the stores.
func TestOneTruthByProcessesApart(t *testing.T) {
	checkOneTruth(t, max(*stories/10, 1), engines{state: onPostgreSQL(pgtest.Server(t)), events: onClickHouse(clicktest.Server(t)), processes: partitions})
}

func checkOneTruth(t *testing.T, checks int, with engines) {
	t.Helper()
	checkStories(t, checks, with, func(t *rapid.T, reference *world, open func() *world) {
		story := storytest.DrawOf(t, 1, 4)
		split := rapid.Bool().Draw(t, "other settings")
		seed := rapid.Uint64().Draw(t, "seed")
		var records []weir.Record
		for _, i := range story.Items {
			records = append(records, recordOf(i))
		}
		reference.options.Rules = storyRules(t, split)
		reference.deliver(records)
		reference.drain()
		want := reference.truth()
		how := tellings[rapid.IntRange(0, len(tellings)-1).Draw(t, "telling")]
		w := open()
		w.options.Rules = reference.options.Rules
		trace := w.tell(records, how, seed)
		w.differ(fmt.Sprintf("%s; in order:\n%s\nas told:\n%s", how.name, story, trace), want, w.truth())
		switch seed % 4 {
		case 0:
			if err := w.pipeline().Rebuild(context.Background(), ws); err != nil {
				t.Fatal(err)
			}
			w.differ(fmt.Sprintf("after a rebuild of the rows; in order:\n%s\nas told:\n%s", story, trace), want, w.truth())
		case 1:
			again := open()
			again.archive, again.options = w.archive, w.options
			if err := again.pipeline().RebuildAll(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			again.differ(fmt.Sprintf("after a rebuild of everything; in order:\n%s\nas told:\n%s", story, trace), want, again.truth())
		}
	})
}

// A merge that is taken back, at any point of a history, leaves what would have
// been without it.
func TestMergeThenRetractIsAsIfNeverMerged(t *testing.T) {
	checkStories(t, max(*stories/5, 1), embedded, func(t *rapid.T, reference *world, open func() *world) {
		story := storytest.DrawOf(t, 1, 3)
		seed := rapid.Uint64().Draw(t, "seed")
		var records []weir.Record
		for _, i := range story.Items {
			records = append(records, recordOf(i))
		}
		without := reference
		without.options.Rules = storyRules(t, false)
		without.deliver(records)
		without.drain()

		from := rapid.SampledFrom([]string{"a0", "a1", "u0"}).Draw(t, "from")
		to := rapid.SampledFrom([]string{"u1", "u2", "a2"}).Draw(t, "to")
		merge := weir.Edge{From: from, To: to, Item: "identity_merge:undone", Rule: weir.RuleMerge}
		last := records[len(records)-1].ReceivedAt
		item := func(raw string) weir.Record {
			return recordOf(storytest.Item{Raw: raw, Received: last, Client: weir.ClientServer})
		}
		undone := []weir.Record{
			item(fmt.Sprintf(`{"kind":"identity_merge","identity_merge":{"external_id":"undone","created_at":%q,"from_user_external_id":%q,"to_user_external_id":%q}}`, last, from, to)),
			item(fmt.Sprintf(`{"kind":"identity_retract","identity_retract":{"external_id":"undo","created_at":%q,"edge":%q}}`, last, merge.ID())),
		}
		at := rapid.IntRange(0, len(records)).Draw(t, "merged at")
		back := rapid.IntRange(at, len(records)).Draw(t, "taken back at")
		with := slices.Concat(records[:at], undone[:1], records[at:back], undone[1:], records[back:])
		w := open()
		w.options.Rules = without.options.Rules
		trace := w.tell(with, telling{rebatched: true}, seed)
		without.differ(fmt.Sprintf("merge of %s and %s; as told:\n%s", from, to, trace), without.truth(), w.truth())
	})
}

// checkStories runs a property over fresh worlds. The reference keeps its state in the
// embedded engine and its events in the model that event stores are held against, the
// others keep theirs in the engines given. A
// failing story is shrunk by rapid, which also prints the flag that repeats it.
func checkStories(t *testing.T, checks int, with engines, property func(t *rapid.T, reference *world, open func() *world)) {
	t.Helper()
	if err := flag.Set("rapid.checks", fmt.Sprint(checks)); err != nil {
		t.Fatal(err)
	}
	all, worlds := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		var closers []func()
		defer func() {
			for i := len(closers) - 1; i >= 0; i-- {
				closers[i]()
			}
		}()
		open := func(with engines) *world {
			worlds++
			dir := filepath.Join(all, fmt.Sprint(worlds))
			if err := os.Mkdir(dir, 0o700); err != nil {
				rt.Fatal(err)
			}
			closers = append(closers, func() { os.RemoveAll(dir) }) // there are hundreds
			return openWorld(rt, dir, with, func(f func()) { closers = append(closers, f) })
		}
		model := engines{state: openSQLite, events: func(failer, string) eventstore.Store { return storetest.NewModel() }}
		property(rt, open(model), func() *world { return open(with) })
	})
}
