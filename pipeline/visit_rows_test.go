package pipeline_test

import (
	"context"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/session"
)

// checkVisits holds what questions see of sessions against the state.
func (w *world) checkVisits() {
	w.t.Helper()
	ctx, view := context.Background(), w.state.View()
	persons := map[uint32]uint32{}
	try := func(err error) {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	try(view.Scan(ctx, ws, func(i *weir.Identity) error {
		persons[i.Number] = i.Person
		return nil
	}))
	channels := w.channels()
	var want, got []eventstore.Visit
	try(view.ScanSessions(ctx, ws, func(s *weir.Session) error {
		if s.Origin == weir.Attended {
			return nil
		}
		v := eventstore.Visit{
			Number: s.Number, ID: s.ID, Identity: s.Owner, Person: persons[s.Owner], Origin: s.Origin, StartedAt: s.StartedAt, Seconds: session.Duration(s),
			Pageviews: int64(session.Pageviews(s)), Interactions: int64(session.Interactions(s)), Bounced: session.Bounced(s), Source: attribution.SourceOf(s),
		}
		v.Channel = channels.Of(v.Source)
		want = append(want, v)
		return nil
	}))
	try(w.events.Visits(ctx, ws, func(v eventstore.Visit) error {
		got = append(got, v)
		return nil
	}))
	if !slices.Equal(got, want) {
		w.t.Fatalf("visits are\n%+v\nwant, of the state\n%+v", got, want)
	}
}

// channels are those of the world's rules.
func (w *world) channels() *attribution.Channels {
	w.t.Helper()
	if w.options.Rules == nil {
		channels, err := attribution.Default().Compile()
		if err != nil {
			w.t.Fatal(err)
		}
		return channels
	}
	rules, err := w.options.Rules(context.Background(), ws)
	if err != nil {
		w.t.Fatal(err)
	}
	return rules.Channels
}
