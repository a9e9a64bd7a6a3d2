package dashboard

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/session"
)

// Visit is one session of a person, or an impression.
type Visit struct {
	ID           string             `json:"id" doc:"As sent, or made by Weir." example:"derived:u-1:2026-10-01T13:00:00Z"`
	Number       uint32             `json:"number" doc:"Dense, per workspace."`
	Origin       string             `json:"origin" enum:"sent,derived,impression" doc:"sent: the client named it. derived: it is a run of events. impression: something was seen, and nobody came by it."`
	User         string             `json:"user" doc:"The id that it was sent under."`
	Device       string             `json:"device,omitempty"`
	StartedAt    weir.Micros        `json:"started_at,omitempty"`
	EndedAt      weir.Micros        `json:"ended_at,omitempty"`
	Seconds      float64            `json:"duration" doc:"Seconds."`
	Pageviews    int                `json:"pageviews"`
	Interactions int                `json:"interactions"`
	Bounced      bool               `json:"bounced"`
	Channel      string             `json:"channel" doc:"By the rules that are in force now."`
	Source       attribution.Source `json:"source"`
}

func newVisit(v *weir.Session, channels *attribution.Channels) Visit {
	out := Visit{
		ID: session.PublicID(v.ID), Number: v.Number, Origin: originName(v.Origin), User: v.User, Device: v.Device,
		StartedAt: v.StartedAt, EndedAt: v.EndedAt, Seconds: session.Duration(v),
		Pageviews: session.Pageviews(v), Interactions: session.Interactions(v), Bounced: session.Bounced(v),
		Source: attribution.SourceOf(v),
	}
	out.Channel = channels.Of(out.Source)
	return out
}

func originName(o weir.Origin) string {
	switch o {
	case weir.Derived:
		return "derived"
	case weir.Attended:
		return "attended"
	case weir.Impression:
		return "impression"
	}
	return "sent"
}

// visitsOf are a person's sessions and impressions; not the pools in which events
// of servers wait. ok is false if this server cannot tell.
func (s *Server) visitsOf(ctx context.Context, ws weir.WorkspaceID, members []*weir.Identity) (visits []*weir.Session, ok bool, err error) {
	if s.parts.Sessions == nil {
		return nil, false, nil
	}
	numbers := make([]uint32, len(members))
	for i, m := range members {
		numbers[i] = m.Number
	}
	visits, err = s.parts.Sessions.Sessions(ctx, ws, numbers)
	return slices.DeleteFunc(visits, func(v *weir.Session) bool { return v.Origin == weir.Attended }), true, err
}

// channels are the rules in force.
func (s *Server) channels(ctx context.Context, ws weir.WorkspaceID) (*attribution.Channels, error) {
	current, err := s.parts.Directory.Settings(ctx, ws)
	if err != nil {
		return nil, err
	}
	return current.Channels.Compile()
}

type journeyInput struct {
	Place
	ID    string `path:"id" maxLength:"1024" doc:"Any id of the person, or the number."`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"500"`
}

type sessionsOutput struct {
	Body struct {
		Sessions  []Visit `json:"sessions" nullable:"false"`
		Truncated bool    `json:"truncated,omitempty" doc:"There are more."`
	}
}

func (s *Server) listSessions(ctx context.Context, in *journeyInput) (*sessionsOutput, error) {
	members, err := s.knownPerson(ctx, in.Workspace, in.ID)
	if err != nil {
		return nil, s.fail(ctx, "read person", err)
	}
	visits, ok, err := s.visitsOf(ctx, in.Workspace, members)
	if err != nil {
		return nil, s.fail(ctx, "read sessions of person", err)
	}
	if !ok {
		return nil, newProblem(http.StatusServiceUnavailable, "no_sessions", "This server cannot list the visits of one person.")
	}
	channels, err := s.channels(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "read channels", err)
	}
	slices.SortFunc(visits, func(a, b *weir.Session) int {
		return -cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	out := &sessionsOutput{}
	out.Body.Truncated = len(visits) > in.Limit
	visits = visits[:min(len(visits), in.Limit)]
	out.Body.Sessions = make([]Visit, len(visits))
	for i, v := range visits {
		out.Body.Sessions[i] = newVisit(v, channels)
	}
	return out, nil
}

// Conversion is an order or a goal of a person, with what led to it.
type Conversion struct {
	ID        string      `json:"id" doc:"The kind and the id of the item." example:"order:o-1"`
	Goal      string      `json:"goal" doc:"order, or the event."`
	User      string      `json:"user" doc:"The id that it was sent under."`
	At        weir.Micros `json:"at"`
	Value     int64       `json:"value_cents" doc:"In the workspace's currency; as sent if it is unpriced."`
	Amount    int64       `json:"amount_cents" doc:"In the currency it was sent in."`
	Currency  string      `json:"currency"`
	Unpriced  bool        `json:"unpriced,omitempty" doc:"There is no rate for the currency: it counts, and its value in no sum."`
	Cancelled bool        `json:"cancelled,omitempty" doc:"It is kept, and counts nowhere."`
	Touches   []Touch     `json:"touches" nullable:"false" doc:"In order of time."`
}

// Touch is a visit's part in a conversion.
type Touch struct {
	Session uint32           `json:"session" doc:"The visit's number."`
	ID      string           `json:"id,omitempty" doc:"The visit's id, where this server can tell."`
	At      weir.Micros      `json:"at"`
	Channel string           `json:"channel"`
	Role    string           `json:"role" enum:"alone,initiator,assisting,closer"`
	Credits map[string]int64 `json:"credits" doc:"Cents, by model."`
}

// newConversion shows a conversion; visits, as far as they are known, name its
// touches.
func newConversion(c *weir.Conversion, currency string, visits map[uint32]*weir.Session) Conversion {
	out := Conversion{
		ID: c.ID, Goal: c.Goal, User: c.User, At: c.At, Value: c.Value, Amount: c.Amount, Currency: cmp.Or(c.Currency, currency),
		Unpriced: c.Unpriced, Cancelled: c.Cancelled, Touches: make([]Touch, len(c.Touches)),
	}
	models := attribution.Models()
	for i, t := range c.Touches {
		touch := Touch{Session: t.Session, At: t.At, Channel: t.Channel, Role: t.Role.String(), Credits: make(map[string]int64, len(models))}
		if v := visits[t.Session]; v != nil {
			touch.ID = session.PublicID(v.ID)
		}
		for m, cents := range t.Credits[:min(len(t.Credits), len(models))] {
			touch.Credits[string(models[m])] = cents
		}
		out.Touches[i] = touch
	}
	return out
}

func byNumber(visits []*weir.Session) map[uint32]*weir.Session {
	out := make(map[uint32]*weir.Session, len(visits))
	for _, v := range visits {
		out[v.Number] = v
	}
	return out
}

type conversionsOutput struct {
	Body struct {
		Conversions []Conversion `json:"conversions" nullable:"false"`
		Truncated   bool         `json:"truncated,omitempty" doc:"There are more."`
	}
}

func (s *Server) listConversions(ctx context.Context, in *journeyInput) (*conversionsOutput, error) {
	members, err := s.knownPerson(ctx, in.Workspace, in.ID)
	if err != nil {
		return nil, s.fail(ctx, "read person", err)
	}
	list, err := s.conversionsOf(ctx, in.Workspace, members)
	if err != nil {
		return nil, s.fail(ctx, "read conversions of person", err)
	}
	settings, err := s.parts.Directory.Settings(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "read settings", err)
	}
	visits, _, err := s.visitsOf(ctx, in.Workspace, members)
	if err != nil {
		return nil, s.fail(ctx, "read sessions of person", err)
	}
	named := byNumber(visits)
	list = slices.Clone(list)
	slices.Reverse(list)
	out := &conversionsOutput{}
	out.Body.Truncated = len(list) > in.Limit
	list = list[:min(len(list), in.Limit)]
	out.Body.Conversions = make([]Conversion, len(list))
	for i, c := range list {
		out.Body.Conversions[i] = newConversion(c, settings.Currency, named)
	}
	return out, nil
}
