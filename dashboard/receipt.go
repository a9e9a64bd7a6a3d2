package dashboard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/item"
)

type getItemInput struct {
	Place
	Position string `path:"position" maxLength:"1024" doc:"partition.sequence, or an item's id: the newest with that id." example:"3.1042"`
}

type itemOutput struct {
	Body struct {
		Row        LogRow          `json:"row"`
		Item       json.RawMessage `json:"item,omitempty" doc:"The item as it was sent."`
		Raw        string          `json:"raw,omitempty" doc:"The item as it was sent, if that is no JSON."`
		Session    *Visit          `json:"session,omitempty" doc:"The visit that the event is in now."`
		Conversion *Conversion     `json:"conversion,omitempty" doc:"The conversion that the item is now."`
		Edges      []Edge          `json:"edges,omitempty" doc:"What the item says of who is who."`
		Steps      []Step          `json:"steps" nullable:"false"`
	}
}

// Step is one thing that happened to an item.
type Step struct {
	Name   string      `json:"name" enum:"received,outcome,person,event,session,conversion,edge"`
	At     weir.Micros `json:"at,omitempty"`
	Detail string      `json:"detail"`
}

// effects are what is there now because of an item, as far as it can be found.
type effects struct {
	members    []*weir.Identity
	person     weir.Person
	event      *eventstore.Row
	visit      *Visit
	conversion *Conversion
	edges      []Edge
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
	found, err := s.effectsOf(ctx, in.Workspace, outcome, &record)
	if err != nil {
		return nil, s.fail(ctx, "read effects of item", err)
	}
	source := s.sourceNames(in.Workspace).of(ctx, outcome.Source)
	out := &itemOutput{}
	out.Body.Row = newRow(outcome, source)
	out.Body.Item, out.Body.Raw = payload(record.Raw)
	out.Body.Session, out.Body.Conversion, out.Body.Edges = found.visit, found.conversion, found.edges
	out.Body.Steps = steps(outcome, &record, missing, source, found)
	return out, nil
}

// effectsOf looks up what is there now. An item that was not applied has no effects.
func (s *Server) effectsOf(ctx context.Context, ws weir.WorkspaceID, o *weir.Outcome, record *weir.Record) (*effects, error) {
	found := &effects{}
	if o.Person == 0 {
		return found, nil
	}
	var err error
	if found.members, err = s.personOf(ctx, ws, o); err != nil {
		return nil, err
	}
	if found.edges, err = s.edgesSaid(ctx, ws, o, record); err != nil || len(found.members) == 0 {
		return found, err
	}
	if found.person, err = s.person(ctx, ws, found.members); err != nil {
		return nil, err
	}
	visits, _, err := s.visitsOf(ctx, ws, found.members)
	if err != nil {
		return nil, err
	}
	known := byNumber(visits)
	if err := s.placeEvent(ctx, ws, o, found, known); err != nil {
		return nil, err
	}
	conversions, err := s.conversionsOf(ctx, ws, found.members)
	if err != nil {
		return nil, err
	}
	for _, c := range conversions {
		if c.ID != string(o.Kind)+":"+o.ItemID {
			continue
		}
		settings, err := s.parts.Directory.Settings(ctx, ws)
		if err != nil {
			return nil, err
		}
		shown := newConversion(c, settings.Currency, known)
		found.conversion = &shown
	}
	return found, nil
}

// placeEvent finds the row of the event that the item is, and the visit that it is
// in. The row stands at the time of the newest version: the receipt of an older one
// may not find it.
func (s *Server) placeEvent(ctx context.Context, ws weir.WorkspaceID, o *weir.Outcome, found *effects, visits map[uint32]*weir.Session) error {
	if o.Name == "" || o.Time == 0 {
		return nil
	}
	filter := eventstore.ScanFilter{Names: []string{o.Name}, From: o.Time, To: o.Time + 1}
	err := s.parts.Events.Scan(ctx, ws, filter, func(r eventstore.Row) error {
		if r.Kind == o.Kind && r.ItemID == o.ItemID {
			found.event = &r
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) || found.event == nil {
		return err
	}
	visit := visits[found.event.Session]
	if visit == nil {
		return nil
	}
	channels, err := s.channels(ctx, ws)
	if err != nil {
		return err
	}
	shown := newVisit(visit, channels)
	found.visit = &shown
	return nil
}

// edgesSaid are the edges that the item says: they leave the id that it names as
// the other one.
func (s *Server) edgesSaid(ctx context.Context, ws weir.WorkspaceID, o *weir.Outcome, record *weir.Record) ([]Edge, error) {
	// Its bytes were taken once, whatever the limits are now.
	parsed, rejection := item.Parse(record.Raw, item.Limits{Bytes: math.MaxInt, Depth: math.MaxInt, Properties: math.MaxInt})
	if rejection != nil {
		return nil, nil
	}
	from := ""
	switch {
	case parsed.Alias != nil:
		from = parsed.Alias.From
	case parsed.User != nil:
		from = parsed.User.AnonymousID
	}
	if from == "" {
		return nil, nil
	}
	members, err := s.parts.State.Person(ctx, ws, from)
	if err != nil {
		return nil, err
	}
	i := memberOf(members, from)
	if i == nil {
		return nil, nil
	}
	return slices.DeleteFunc(edgesOf(i, members), func(e Edge) bool { return e.Item != string(o.Kind)+":"+o.ItemID }), nil
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
		return s.personByID(ctx, ws, o.UserID)
	}
	return s.personByNumber(ctx, ws, o.Person)
}

func steps(o *weir.Outcome, record *weir.Record, missing, source string, found *effects) []Step {
	out := []Step{
		{"received", o.ReceivedAt, receivedDetail(o, record, missing, source)},
		{"outcome", 0, outcomeDetail(o)},
	}
	if len(found.members) > 0 {
		out = append(out, Step{"person", 0, personDetail(&found.person)})
	}
	for _, e := range found.edges {
		out = append(out, Step{"edge", e.At, edgeDetail(e)})
	}
	if o.Name != "" && o.Status == weir.Stored {
		out = append(out, Step{"event", o.Time, eventDetail(o, record)})
	}
	if detail := sessionDetail(found); detail != "" {
		out = append(out, Step{"session", 0, detail})
	}
	if c := found.conversion; c != nil {
		out = append(out, Step{"conversion", c.At, conversionDetail(c)})
	}
	return out
}

func edgeDetail(e Edge) string {
	detail := fmt.Sprintf("Says that %s and %s are one person", e.From, e.To)
	switch e.Status {
	case edgeRetracted:
		return detail + ", which was taken back."
	case edgeIgnored:
		return detail + ", which is not followed: an earlier one counts, or the person would have too many ids."
	}
	return detail + "."
}

func sessionDetail(found *effects) string {
	switch {
	case found.event == nil:
		return ""
	case found.visit != nil:
		return fmt.Sprintf("Is in the visit %s, which came by %s.", found.visit.ID, found.visit.Channel)
	case found.event.Session != 0:
		return fmt.Sprintf("Is in visit number %d.", found.event.Session)
	case found.event.Origin == weir.Attended:
		return "Came from a server while no visit was open: it is in none."
	}
	return ""
}

func conversionDetail(c *Conversion) string {
	switch {
	case c.Cancelled:
		return "Is a conversion that was cancelled: it counts nowhere."
	case c.Unpriced:
		return fmt.Sprintf("Is a conversion of %s %s, for which the workspace has no rate%s.", units(c.Amount), c.Currency, touchesDetail(c))
	}
	return fmt.Sprintf("Is a conversion worth %s%s.", units(c.Value), touchesDetail(c))
}

func touchesDetail(c *Conversion) string {
	switch n := len(c.Touches); n {
	case 0:
		return ", to which no visit led"
	case 1:
		return ", to which one visit led, by " + c.Touches[0].Channel
	default:
		return fmt.Sprintf(", to which %d visits led, the first by %s and the last by %s", n, c.Touches[0].Channel, c.Touches[n-1].Channel)
	}
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
		detail = "A newer version was applied before; of this one only those fields count that the newer ones leave out."
	case weir.Conflict:
		detail = "The same version has come with other content. Their fields are merged one by one, and where both say something, the same one wins however they arrive."
	case weir.Rejected:
		detail = "Rejected, and kept."
	case weir.Dead:
		detail = "Its processing failed again and again; it is kept, and can be replayed."
	case weir.Waiting:
		detail = "Its user was busy; it comes again in a few seconds, as another delivery."
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

func personDetail(p *weir.Person) string {
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

// units writes cents as units of the currency: 82290 is "822.90".
func units(cents int64) string {
	sign := ""
	if cents < 0 {
		sign = "-"
	}
	return fmt.Sprintf("%s%d.%02d", sign, magnitude(cents)/100, magnitude(cents)%100)
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}
