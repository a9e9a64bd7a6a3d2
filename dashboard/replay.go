package dashboard

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/workspace"
)

type replayItemOutput struct {
	Body struct {
		Receipt string `json:"receipt" doc:"By which the log shows the new delivery."`
	}
}

// replayItem delivers an item again. An item that was applied is recognised, and
// changes nothing.
func (s *Server) replayItem(ctx context.Context, in *getItemInput) (*replayItemOutput, error) {
	outcome, err := s.findItem(ctx, in.Workspace, in.Position)
	if err != nil {
		return nil, s.fail(ctx, "find item", err)
	}
	r, err := s.newReplay(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "replay item", err)
	}
	reason, err := r.add(ctx, outcome.Position)
	if err != nil {
		return nil, s.fail(ctx, "read raw item", err)
	}
	if reason != nil {
		return nil, reason
	}
	if err := r.flush(ctx); err != nil {
		return nil, s.fail(ctx, "replay item", err)
	}
	out := &replayItemOutput{}
	out.Body.Receipt = r.receipt
	return out, nil
}

// replay collects the records that are delivered again by one request.
type replay struct {
	server   *Server
	ws       weir.WorkspaceID
	browsers workspace.Browsers
	receipt  string
	records  []weir.Record // that are not stored yet
	added    int
}

func (s *Server) newReplay(ctx context.Context, ws weir.WorkspaceID) (*replay, error) {
	if s.parts.Intake == nil {
		return nil, errNoIntake()
	}
	settings, err := s.parts.Directory.Settings(ctx, ws)
	if err != nil {
		return nil, err
	}
	return &replay{server: s, ws: ws, browsers: settings.Browsers, receipt: s.parts.Intake.NewReceipt()}, nil
}

// add reads an item from the archive and judges it anew. What is said of its
// receipt stays, so that its times come out the same. The reason says why it
// cannot be delivered again.
func (r *replay) add(ctx context.Context, at weir.Position) (reason *Problem, err error) {
	record, missing, err := r.server.rawItem(ctx, r.ws, at)
	if err != nil {
		return nil, err
	}
	if missing != "" {
		return newProblem(http.StatusConflict, "raw_item_missing", missing), nil
	}
	r.server.parts.Intake.Judge(&record, r.browsers)
	if why := record.Rejected; why != nil {
		return newProblem(http.StatusConflict, "still_rejected", "The item would be rejected again, with the code "+why.Code+": "+sentence(why.Message)).in(why.Field), nil
	}
	record.Receipt, record.Index = r.receipt, r.added
	r.records = append(r.records, record)
	r.added++
	return nil, nil
}

func (r *replay) flush(ctx context.Context) error {
	if len(r.records) == 0 {
		return nil
	}
	err := r.server.submit(ctx, r.records)
	r.records = r.records[:0]
	return err
}

type replayItemsInput struct {
	Place
	Body struct {
		Status  string `json:"status,omitempty" enum:"stored,duplicate,superseded,conflict,rejected,dead,waiting" doc:"Default: rejected and dead."`
		Kind    string `json:"kind,omitempty" maxLength:"128"`
		User    string `json:"user,omitempty" maxLength:"1024" doc:"The user id as it was sent."`
		Source  string `json:"source,omitempty" maxLength:"128" doc:"The id of a key."`
		Item    string `json:"item,omitempty" maxLength:"1024" doc:"The item's id."`
		Receipt string `json:"receipt,omitempty" maxLength:"128"`
		From    string `json:"from,omitempty" doc:"Received at or after: an instant (RFC 3339), or a date in the workspace's time zone."`
		To      string `json:"to,omitempty" doc:"Received before an instant, or up to the end of a date."`
		Cursor  string `json:"cursor,omitempty" doc:"next of the call before."`
		Limit   int    `json:"limit,omitempty" minimum:"1" maximum:"10000" default:"1000" doc:"Rows of the log to look at."`
	}
}

type replayItemsOutput struct {
	Body struct {
		Receipt  string `json:"receipt" doc:"By which the log shows the new deliveries."`
		Replayed int    `json:"replayed"`
		Skipped  int    `json:"skipped" doc:"Items that would be rejected again, or that the archive does not have."`
		More     bool   `json:"more" doc:"There may be others: go on with next as the cursor."`
		Next     string `json:"next,omitempty"`
	}
}

// replayPage is how many rows of the log are read, and items stored, at once.
const replayPage = 200

// replayItems goes through the log as far as its limit and its time allow.
func (s *Server) replayItems(ctx context.Context, in *replayItemsInput) (*replayItemsOutput, error) {
	b := &in.Body
	if b.Status == "" && b.Kind == "" && b.User == "" && b.Source == "" && b.Item == "" && b.Receipt == "" && b.From == "" && b.To == "" {
		return nil, newProblem(http.StatusBadRequest, "missing_filter", "Say which items, for example {\"status\": \"dead\"}.")
	}
	filter, err := s.logFilter(ctx, &listItemsInput{
		Place: in.Place, Status: b.Status, Kind: b.Kind, User: b.User, Source: b.Source, Item: b.Item, Receipt: b.Receipt,
		From: b.From, To: b.To, Cursor: b.Cursor,
	})
	if err != nil {
		return nil, s.fail(ctx, "read filter of the log", err)
	}
	leave, ok := s.queries.enter(ctx, in.Workspace)
	if !ok {
		s.metrics.refused.WithLabelValues("replay").Inc()
		return nil, errBusy()
	}
	defer leave()
	r, err := s.newReplay(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "replay items", err)
	}
	out := &replayItemsOutput{}
	out.Body.Receipt = r.receipt
	begun := time.Now() // durations are measured by the real clock
	for left := b.Limit; ; {
		rows, more, err := s.replayable(ctx, in.Workspace, filter, min(left, replayPage))
		if err != nil {
			return nil, s.fail(ctx, "read log", err)
		}
		for i := range rows {
			reason, err := r.add(ctx, rows[i].Position)
			if err != nil {
				return nil, s.fail(ctx, "read raw item", err)
			}
			if reason != nil {
				out.Body.Skipped++
			}
		}
		if err := r.flush(ctx); err != nil {
			return nil, s.fail(ctx, "replay items", err)
		}
		out.Body.Replayed, left = r.added, left-len(rows)
		if !more {
			return out, nil
		}
		last := rows[len(rows)-1]
		filter.Before, filter.BeforeAt = last.Position, last.ReceivedAt
		if left == 0 || time.Since(begun) > s.options.QueryTimeout/2 {
			out.Body.More, out.Body.Next = true, cursor{last.ReceivedAt, last.Position}.String()
			return out, nil
		}
	}
}

// replayable lists the next rows of the log: those of the filter's status, or of
// those that stand for items which were not applied.
func (s *Server) replayable(ctx context.Context, ws weir.WorkspaceID, filter eventstore.LogFilter, limit int) (rows []weir.Outcome, more bool, err error) {
	statuses := []weir.Status{filter.Status}
	if filter.Status == "" {
		statuses = []weir.Status{weir.Rejected, weir.Dead}
	}
	filter.Limit = limit + 1
	for _, filter.Status = range statuses {
		list, err := s.parts.Events.Log(ctx, ws, filter)
		if err != nil {
			return nil, false, err
		}
		rows = append(rows, list...)
	}
	slices.SortFunc(rows, func(a, b weir.Outcome) int {
		return -cmp.Or(cmp.Compare(a.ReceivedAt, b.ReceivedAt), cmp.Compare(a.Position, b.Position))
	})
	if len(rows) > limit {
		return rows[:limit], true, nil
	}
	return rows, false, nil
}
