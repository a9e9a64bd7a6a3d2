package dashboard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/identity"
)

type listItemsInput struct {
	Place
	Status  string `query:"status" enum:"stored,duplicate,superseded,conflict,rejected,dead"`
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

type getItemInput struct {
	Place
	Position string `path:"position" maxLength:"1024" doc:"partition.sequence, or an item's id: the newest with that id." example:"3.1042"`
}

type itemOutput struct {
	Body struct {
		Row   LogRow          `json:"row"`
		Item  json.RawMessage `json:"item,omitempty" doc:"The item as it was sent."`
		Raw   string          `json:"raw,omitempty" doc:"The item as it was sent, if that is no JSON."`
		Steps []Step          `json:"steps" nullable:"false"`
	}
}

// Step is one thing that happened to an item.
type Step struct {
	Name   string      `json:"name" enum:"received,outcome,person,event"`
	At     weir.Micros `json:"at,omitempty"`
	Detail string      `json:"detail"`
}

func (s *Server) getItem(ctx context.Context, in *getItemInput) (*itemOutput, error) {
	outcome, err := s.findItem(ctx, in.Workspace, in.Position)
	if err != nil {
		return nil, s.fail(ctx, "find item", err)
	}
	record, missing, err := s.rawItem(ctx, in.Workspace, outcome.Position)
	if err != nil {
		return nil, s.fail(ctx, "read raw item", err)
	}
	var members []*weir.Identity
	if outcome.Person != 0 {
		members, err = s.personOf(ctx, in.Workspace, outcome)
		if err != nil {
			return nil, s.fail(ctx, "read person of item", err)
		}
	}
	source := s.sourceNames(in.Workspace).of(ctx, outcome.Source)
	out := &itemOutput{}
	out.Body.Row = newRow(outcome, source)
	out.Body.Item, out.Body.Raw = payload(record.Raw)
	out.Body.Steps = steps(outcome, &record, missing, source, members)
	return out, nil
}

// findItem looks in the log, where an item's outcome is written in the same
// batch as its effects: before that there is nothing to show.
func (s *Server) findItem(ctx context.Context, ws weir.WorkspaceID, name string) (*weir.Outcome, error) {
	filters := []eventstore.LogFilter{{ItemID: name, Limit: 1}}
	if position, err := weir.ParsePosition(name); err == nil && position.String() == name {
		// An item's id may look like a position; positions come first.
		filters = append([]eventstore.LogFilter{{Position: position, Limit: 1}}, filters...)
	}
	for _, f := range filters {
		rows, err := s.parts.Events.Log(ctx, ws, f)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			return &rows[0], nil
		}
	}
	return nil, newProblem(http.StatusNotFound, "unknown_item",
		"The log has no such item. One that was accepted a moment ago may still wait in the queue: ask again in a second.")
}

// rawItem reads the bytes from the archive. What the archive cannot give is no
// error here, as the outcome is worth showing without it; missing says why.
func (s *Server) rawItem(ctx context.Context, ws weir.WorkspaceID, at weir.Position) (record weir.Record, missing string, err error) {
	record, err = s.parts.Archive.Read(ctx, at)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return weir.Record{}, "The archive does not have the raw item.", nil
	case errors.Is(err, frame.ErrCorrupt):
		s.log.ErrorContext(ctx, "archive is damaged", "position", at, "error", err)
		return weir.Record{}, "The raw item is damaged in the archive.", nil
	case err != nil:
		return weir.Record{}, "", err
	case record.Workspace != ws:
		// The log and the archive disagree: never show one tenant's item to another.
		s.log.ErrorContext(ctx, "archive has another workspace's item at a position of the log", "position", at, "workspace", ws)
		return weir.Record{}, "The archive does not have the raw item.", nil
	}
	return record, "", nil
}

// personOf is the person that the item belongs to now: persons merge, and the
// number of the outcome is of the time when it was processed.
func (s *Server) personOf(ctx context.Context, ws weir.WorkspaceID, o *weir.Outcome) ([]*weir.Identity, error) {
	if o.UserID != "" {
		return s.parts.State.Person(ctx, ws, o.UserID)
	}
	return s.parts.State.PersonByNumber(ctx, ws, o.Person)
}

func steps(o *weir.Outcome, record *weir.Record, missing, source string, members []*weir.Identity) []Step {
	out := []Step{
		{"received", o.ReceivedAt, receivedDetail(o, record, missing, source)},
		{"outcome", 0, outcomeDetail(o)},
	}
	if len(members) > 0 {
		out = append(out, Step{"person", 0, personDetail(members)})
	}
	if o.Name != "" && o.Status == weir.Stored {
		out = append(out, Step{"event", o.Time, eventDetail(o, record)})
	}
	return out
}

func receivedDetail(o *weir.Outcome, record *weir.Record, missing, source string) string {
	key := "a write key"
	if record.Client == weir.ClientServer {
		key = "a secret key"
	}
	if missing != "" {
		key = "a key"
	}
	detail := fmt.Sprintf("Sent with %s of %s", key, cmp.Or(source, string(o.Source), "an unknown source"))
	if o.Receipt != "" {
		detail += fmt.Sprintf(", as number %d of request %s", o.Index+1, o.Receipt)
	}
	detail += "."
	if missing != "" {
		detail += " " + missing
	}
	return detail
}

func outcomeDetail(o *weir.Outcome) string {
	var detail string
	switch o.Status {
	case weir.Stored:
		detail = "Applied."
	case weir.Duplicate:
		detail = "This version was applied before; nothing changed."
	case weir.Superseded:
		detail = "A newer version was applied before; nothing changed."
	case weir.Conflict:
		detail = "Another content of the same version won."
	case weir.Rejected:
		detail = "Rejected, and kept."
	case weir.Dead:
		detail = "Its processing failed again and again; it is kept."
	default:
		detail = string(o.Status) + "."
	}
	if o.Message != "" {
		detail += " " + sentence(o.Message)
	}
	switch n := len(o.Warnings); {
	case n == 1:
		detail += " One field was set aside: " + o.Warnings[0].Field + "."
	case n > 1:
		detail += fmt.Sprintf(" %d fields were set aside.", n)
	}
	return detail
}

func personDetail(members []*weir.Identity) string {
	p := identity.Join(members)
	detail := fmt.Sprintf("Belongs to %s (person %d)", p.ID, p.Number)
	if len(p.IDs) > 1 {
		detail += ", who is also known as " + others(p.IDs, p.ID)
	}
	return detail + "."
}

// others lists a few ids besides one.
func others(ids []string, besides string) string {
	const shown = 3
	var names []string
	for _, id := range ids {
		if id != besides {
			names = append(names, id)
		}
	}
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

func eventDetail(o *weir.Outcome, record *weir.Record) string {
	detail := fmt.Sprintf("Counts as the event %s.", o.Name)
	if record.SentAt == 0 {
		return detail
	}
	// Below two seconds it is the network, not the clock (SEMANTICS §1).
	if off := o.ReceivedAt.Time().Sub(record.SentAt.Time()); off.Abs() >= 2*time.Second {
		detail += fmt.Sprintf(" The sender's clock said %s when it was %s; the event's time is corrected by that.", record.SentAt, o.ReceivedAt)
	}
	return detail
}
