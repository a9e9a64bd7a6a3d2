package live

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// Log lists outcomes of a workspace, newest first; an eventstore.Store does.
type Log interface {
	Log(ctx context.Context, ws weir.WorkspaceID, filter eventstore.LogFilter) ([]weir.Outcome, error)
}

// Raw reads the record at a position; an archive.Archive does.
type Raw interface {
	Read(ctx context.Context, at weir.Position) (weir.Record, error)
}

// FollowOptions tune Follow. The zero value works.
type FollowOptions struct {
	Every  time.Duration    // between two looks at the log; default 250 ms
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: discard
}

// The bounds of a look.
const (
	followed = buffered         // outcomes of a workspace, as many as a listener can lag behind
	lookBack = 10 * time.Minute // received since: what is older has been seen, or is history
)

// Follow passes outcomes of other processes to the listeners of a hub, out of the log
// where workers write them, until ctx ends. It asks about nothing that nobody listens
// to. A listener gets what is logged after it has begun to listen; of more than a few
// hundred outcomes between two looks, the newest.
func Follow(ctx context.Context, hub *Hub, log Log, raw Raw, options *FollowOptions) {
	f := &follower{hub: hub, log: log, raw: raw, seen: map[weir.WorkspaceID]map[weir.Position]bool{}}
	if options != nil {
		f.options = *options
	}
	if f.options.Every == 0 {
		f.options.Every = 250 * time.Millisecond
	}
	if f.options.Now == nil {
		f.options.Now = time.Now
	}
	if f.options.Logger == nil {
		f.options.Logger = slog.New(slog.DiscardHandler)
	}
	ticker := time.NewTicker(f.options.Every)
	defer ticker.Stop()
	failing := false
	for {
		err := f.look(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			f.options.Logger.Error("follow outcomes", "error", err)
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

type follower struct {
	hub     *Hub
	log     Log
	raw     Raw
	options FollowOptions
	seen    map[weir.WorkspaceID]map[weir.Position]bool // by workspaces that are listened to
}

// look passes on what is new.
func (f *follower) look(ctx context.Context) error {
	workspaces, receipts := f.hub.listened()
	for ws := range f.seen {
		if !workspaces[ws] {
			delete(f.seen, ws)
		}
	}
	for ws := range workspaces {
		if err := f.lookAt(ctx, ws); err != nil {
			return err
		}
	}
	for receipt, ws := range receipts {
		outcomes, err := f.log.Log(ctx, ws, eventstore.LogFilter{Receipt: receipt, Limit: 1000})
		if err != nil {
			return err
		}
		f.hub.answer(outcomes)
	}
	return nil
}

// lookAt passes on what is new of a workspace. The first time nothing is: the listener
// has just come.
func (f *follower) lookAt(ctx context.Context, ws weir.WorkspaceID) error {
	since := weir.MicrosOf(f.options.Now().Add(-lookBack))
	outcomes, err := f.log.Log(ctx, ws, eventstore.LogFilter{From: since, Limit: followed})
	if err != nil {
		return err
	}
	seen, known := f.seen[ws], map[weir.Position]bool{}
	var messages []Message
	for _, o := range slices.Backward(outcomes) {
		known[o.Position] = true
		if seen == nil || seen[o.Position] {
			continue
		}
		m := Message{Workspace: ws, Outcome: o}
		if record, err := f.raw.Read(ctx, o.Position); err == nil { // else it is shown without
			m.Raw = record.Raw
		}
		messages = append(messages, m)
	}
	if len(seen) < 4*followed {
		maps.Copy(known, seen) // what an outcome that came late has pushed out is not new when it comes again
	}
	f.seen[ws] = known
	f.hub.show(messages)
	return nil
}
