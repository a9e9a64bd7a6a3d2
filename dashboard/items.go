package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

type listItemsInput struct {
	Place
	Status  string `query:"status" enum:"stored,duplicate,superseded,conflict,rejected,dead,waiting"`
	Kind    string `query:"kind" maxLength:"128"`
	User    string `query:"user" maxLength:"1024" doc:"The user id as it was sent."`
	Source  string `query:"source" maxLength:"128" doc:"The id of a key."`
	Item    string `query:"item" maxLength:"1024" doc:"The item's id."`
	Receipt string `query:"receipt" maxLength:"128"`
	From    string `query:"from" doc:"Received at or after: an instant (RFC 3339), or a date in the workspace's time zone."`
	To      string `query:"to" doc:"Received before an instant, or up to the end of a date."`
	Cursor  string `query:"cursor" doc:"next of the page before."`
	Limit   int    `query:"limit" default:"100" minimum:"1" maximum:"500"`
}

type itemsOutput struct {
	Body struct {
		Items []LogRow `json:"items" nullable:"false"`
		Next  string   `json:"next,omitempty" doc:"The cursor of the next page; absent on the last one."`
	}
}

func (s *Server) listItems(ctx context.Context, in *listItemsInput) (*itemsOutput, error) {
	filter, err := s.logFilter(ctx, in)
	if err != nil {
		return nil, s.fail(ctx, "read filter of the log", err)
	}
	rows, err := s.parts.Events.Log(ctx, in.Workspace, filter)
	if err != nil {
		return nil, s.fail(ctx, "read log", err)
	}
	out := &itemsOutput{}
	if len(rows) > in.Limit {
		rows = rows[:in.Limit]
		last := rows[in.Limit-1]
		out.Body.Next = cursor{last.ReceivedAt, last.Position}.String()
	}
	names := s.sourceNames(in.Workspace)
	out.Body.Items = make([]LogRow, len(rows))
	for i := range rows {
		out.Body.Items[i] = newRow(&rows[i], names.of(ctx, rows[i].Source))
	}
	return out, nil
}

func (s *Server) sourceNames(ws weir.WorkspaceID) *sourceNames {
	return &sourceNames{directory: s.parts.Directory, ws: ws, now: s.now}
}

func (s *Server) logFilter(ctx context.Context, in *listItemsInput) (eventstore.LogFilter, error) {
	f := eventstore.LogFilter{
		Receipt: in.Receipt, ItemID: in.Item, UserID: in.User,
		Kind: weir.Kind(in.Kind), Status: weir.Status(in.Status), Source: weir.SourceID(in.Source),
		Limit: in.Limit + 1, // one more says whether there is a next page
	}
	if in.Cursor != "" {
		c, err := parseCursor(in.Cursor)
		if err != nil {
			return f, err
		}
		f.Before, f.BeforeAt = c.position, c.at
	}
	if in.From == "" && in.To == "" {
		return f, nil
	}
	zone, err := s.zone(ctx, in.Workspace)
	if err != nil {
		return f, err
	}
	if f.From, err = instant("from", in.From, zone, 0); err != nil {
		return f, err
	}
	f.To, err = instant("to", in.To, zone, 1)
	return f, err
}

// instant reads an RFC 3339 instant, or the beginning of a date; a date's days
// are added to it, so that a range can include its last day.
func instant(field, s string, zone *time.Location, days int) (weir.Micros, error) {
	if s == "" {
		return 0, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return weir.MicrosOf(t), nil
	}
	t, err := time.ParseInLocation(time.DateOnly, s, zone)
	if err != nil {
		return 0, newProblem(http.StatusBadRequest, "invalid_field", "Give an instant such as 2026-10-01T12:00:00Z, or a date such as 2026-10-01.").in(field)
	}
	return weir.MicrosOf(t.AddDate(0, 0, days)), nil
}

// zone is the workspace's time zone.
func (s *Server) zone(ctx context.Context, id weir.WorkspaceID) (*time.Location, error) {
	ws, err := s.parts.Directory.Workspace(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read workspace: %w", err)
	}
	zone, err := time.LoadLocation(ws.Timezone)
	if err != nil {
		return nil, fmt.Errorf("load time zone of workspace: %w", err)
	}
	return zone, nil
}
