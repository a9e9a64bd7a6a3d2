package pipeline_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/pipeline"
	"github.com/weirhq/weir/pipeline/storytest"
	"github.com/weirhq/weir/session"
)

// drawRules makes up settings that shape history.
func drawRules(t *rapid.T, revision int64) *pipeline.Rules {
	all, err := storyRules(t, false)(context.Background(), ws)
	if err != nil {
		t.Fatal(err)
	}
	r := *all
	r.Revision, r.Keys = revision, nil
	if rapid.Bool().Draw(t, "no goals") {
		r.Goals = nil
	}
	if rapid.Bool().Draw(t, "no rates") {
		r.Rates = nil
	}
	if rapid.Bool().Draw(t, "own channels") {
		mapping := attribution.Mapping{Rules: []attribution.Rule{{Channel: "Google", All: []attribution.Condition{{Field: attribution.FieldSource, Op: attribution.Equal, Value: "google"}}}}}
		if r.Channels, err = mapping.Compile(); err != nil {
			t.Fatal(err)
		}
	}
	r.Sessions = session.Options{
		Gap:             rapid.SampledFrom([]weir.Micros{0, 5 * 60 * 1e6, 4 * 3600 * 1e6}).Draw(t, "gap"),
		SplitOnCampaign: rapid.Bool().Draw(t, "split"),
	}
	r.Attribution.AfterPrevious = rapid.Bool().Draw(t, "after previous")
	return &r
}

func ruledBy(r *pipeline.Rules) pipeline.Rulebook {
	return func(context.Context, weir.WorkspaceID) (*pipeline.Rules, error) { return r, nil }
}

// History that was derived by other rules becomes what it would have been by the
// new ones, also if the worker is killed while it is being derived.
func TestHistoryFollowsTheRules(t *testing.T) {
	checkStories(t, max(*stories/4, 1), embedded, func(t *rapid.T, reference *world, open func() *world) {
		story := storytest.DrawOf(t, 1, 4)
		before, after := drawRules(t, 1), drawRules(t, 2)
		seed := rapid.Uint64().Draw(t, "seed")
		var records []weir.Record
		for _, i := range story.Items {
			records = append(records, recordOf(i))
		}
		reference.options.Rules = ruledBy(after)
		reference.deliver(records)
		reference.drain()

		w := open()
		w.options.Rules = ruledBy(before)
		w.deliver(records)
		w.drain()
		w.options.Rules = ruledBy(after)
		w.reviewKilled(seed)
		if err := w.pipeline().Review(context.Background(), ws); err != nil {
			t.Fatal(err)
		}
		reference.differ(story.String(), reference.truth(), w.truth())
		p, err := w.pipeline().Progress(context.Background(), ws)
		if err != nil || p.Applied != 2 || p.Total != 0 {
			t.Fatalf("progress %+v, %v", p, err)
		}
	})
}

// reviewKilled begins a review that dies at one of its writes, perhaps.
func (w *world) reviewKilled(seed uint64) {
	w.t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.failAt(&faults{after: r.IntN(2) == 0, stop: cancel}, 1+r.Int64N(6), false)
	_ = w.pipeline().Review(ctx, ws) // it died, or had fewer writes
	w.wrap = nil
}
