package dashboard

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/workspace"
)

// Edge says that two ids are the same person, and why.
type Edge struct {
	ID     string        `json:"id" doc:"By which it is retracted."`
	From   string        `json:"from"`
	To     string        `json:"to" doc:"The other id; of a reconciliation key, the value that both have."`
	Key    string        `json:"key,omitempty" doc:"The reconciliation key, if that is what joins."`
	At     weir.Micros   `json:"at,omitempty" doc:"When the item happened that says so."`
	Item   string        `json:"item,omitempty" doc:"The kind and the id of that item."`
	Rule   weir.EdgeRule `json:"rule" doc:"user_alias, item, merge, or key: and the name of a reconciliation key."`
	Status EdgeStatus    `json:"status" enum:"joined,ignored,retracted" doc:"joined: both ids are one person. ignored: it is kept and not followed, as an earlier one counts or the person would be too large. retracted: it was taken back."`
}

// EdgeStatus is what an edge does.
type EdgeStatus string

// What an edge can do.
const (
	edgeJoined    EdgeStatus = "joined"
	edgeIgnored   EdgeStatus = "ignored"
	edgeRetracted EdgeStatus = "retracted"
)

// edgesOf are the edges that leave an identity, retracted ones included. Members
// are all identities of its person.
func edgesOf(i *weir.Identity, members []*weir.Identity) []Edge {
	out := make([]Edge, len(i.Edges))
	for n, e := range i.Edges {
		out[n] = newEdge(e, i, members)
	}
	return out
}

func newEdge(e weir.Edge, from *weir.Identity, members []*weir.Identity) Edge {
	out := Edge{ID: e.ID(), From: e.From, To: e.To, At: e.At, Item: e.Item, Rule: e.Rule, Status: edgeIgnored}
	if key, value, ok := identity.KeyOf(e.To); ok {
		out.Key, out.To = key, value
	}
	switch {
	case retracted(from, out.ID):
		out.Status = edgeRetracted
	case memberOf(members, e.To) != nil:
		out.Status = edgeJoined
	}
	return out
}

func retracted(from *weir.Identity, edge string) bool {
	_, found := slices.BinarySearch(from.Retracted, edge)
	return found
}

func memberOf(members []*weir.Identity, id string) *weir.Identity {
	for _, m := range members {
		if m.ID == id {
			return m
		}
	}
	return nil
}

type mergeInput struct {
	Place
	Body struct {
		From   string `json:"from" minLength:"1" maxLength:"512" doc:"An id as it was sent."`
		To     string `json:"to" minLength:"1" maxLength:"512" doc:"Another id of the same person."`
		Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why, for those who wonder later."`
	}
}

type mergeOutput struct {
	Status int
	Body   struct {
		Edge    string `json:"edge" doc:"By which the merge can be retracted."`
		Created bool   `json:"created" doc:"false: the two were merged before, and nothing was done."`
		Pending bool   `json:"pending,omitempty" doc:"It is stored and will be applied, but was not within 10 seconds."`
		User    *User  `json:"user,omitempty" doc:"The person that both are now; absent while it is pending."`
	}
}

// merge says that two ids are one person: it makes an item that says so, and waits
// until it is applied.
func (s *Server) merge(ctx context.Context, in *mergeInput) (*mergeOutput, error) {
	from, err := s.mergeable(ctx, in.Workspace, "from", in.Body.From)
	if err != nil {
		return nil, s.fail(ctx, "read person", err)
	}
	to, err := s.mergeable(ctx, in.Workspace, "to", in.Body.To)
	if err != nil {
		return nil, s.fail(ctx, "read person", err)
	}
	settings, err := s.parts.Directory.Settings(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "read settings", err)
	}
	if reason, ok := identity.Allowed(from.ID, to.ID, identity.NewBlocklist(settings.BlockedIDs)); !ok {
		return nil, errEdgeRefused(reason + ".")
	}
	out := &mergeOutput{Status: http.StatusOK}
	edge, exists := mergeEdge(from, to)
	out.Body.Edge, out.Body.Created = edge.ID(), !exists
	if !exists {
		outcome, err := s.act(ctx, in.Workspace, weir.KindMerge, mergeItem{
			ID: mergeID(edge), CreatedAt: s.now().UTC().Format(time.RFC3339Nano), From: edge.From, To: edge.To, Reason: in.Body.Reason,
		})
		if err != nil {
			return nil, s.fail(ctx, "merge identities", err)
		}
		if outcome == nil {
			out.Status, out.Body.Pending = http.StatusAccepted, true
			return out, nil
		}
		if i := slices.IndexFunc(outcome.Warnings, func(w weir.Rejection) bool { return w.Code == "edge_refused" }); i >= 0 {
			return nil, errEdgeRefused(outcome.Warnings[i].Message + " " + keptEdge(out.Body.Edge))
		}
	}
	members, err := s.personByID(ctx, in.Workspace, from.ID)
	if err != nil {
		return nil, s.fail(ctx, "read person", err)
	}
	if memberOf(members, to.ID) == nil {
		return nil, errEdgeRefused("The two ids are not one person although they were merged, most likely as that person would have too many ids. " + keptEdge(out.Body.Edge))
	}
	user, err := s.user(ctx, in.Workspace, members)
	if err != nil {
		return nil, s.fail(ctx, "read person", err)
	}
	out.Body.User = &user
	return out, nil
}

func errEdgeRefused(reason string) *Problem {
	return newProblem(http.StatusConflict, "edge_refused", sentence(reason))
}

func keptEdge(id string) string {
	return "The edge " + id + " is kept, and is followed once it can be; retract it if it should not."
}

// mergeable is an identity by its id. One that was never seen is refused, as it
// would most likely be a mistake in writing.
func (s *Server) mergeable(ctx context.Context, ws weir.WorkspaceID, field, id string) (*weir.Identity, error) {
	members, err := s.personByID(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	if i := memberOf(members, id); i != nil {
		return i, nil
	}
	return nil, errUnknownUser().in(field)
}

// mergeEdge is the edge of a merge of two identities, and whether it exists. It is
// the same whoever asks how often at once; after a retraction it is another one, as
// what was taken back never comes back.
func mergeEdge(from, to *weir.Identity) (e weir.Edge, exists bool) {
	for _, pair := range [][2]*weir.Identity{{from, to}, {to, from}} {
		for _, e := range identity.Live(pair[0]) {
			if e.Rule == weir.RuleMerge && e.To == pair[1].ID {
				return e, true
			}
		}
	}
	for n := uint64(0); ; n++ {
		h := sha256.New()
		for _, id := range []string{from.ID, to.ID} {
			h.Write(binary.AppendUvarint(nil, uint64(len(id))))
			h.Write([]byte(id))
		}
		h.Write(binary.AppendUvarint(nil, n))
		e := weir.Edge{From: from.ID, To: to.ID, Rule: weir.RuleMerge, Item: mergePrefix + "api-" + hex.EncodeToString(h.Sum(nil)[:12])}
		if !retracted(from, e.ID()) {
			return e, false
		}
	}
}

// mergePrefix is what the item of an edge begins with before the item's id.
const mergePrefix = string(weir.KindMerge) + ":"

func mergeID(e weir.Edge) string { return e.Item[len(mergePrefix):] }

// mergeItem and retractItem are the payloads of the items that are made here.
type mergeItem struct {
	ID        string `json:"external_id"`
	CreatedAt string `json:"created_at"`
	From      string `json:"from_user_external_id"`
	To        string `json:"to_user_external_id"`
	Reason    string `json:"reason,omitempty"`
}

type retractItem struct {
	ID        string `json:"external_id"`
	CreatedAt string `json:"created_at"`
	Edge      string `json:"edge"`
	Reason    string `json:"reason,omitempty"`
}

type retractInput struct {
	Place
	Edge string `path:"edge" maxLength:"1024" doc:"The edge's id."`
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why, for those who wonder later."`
	} `required:"false"`
}

type retractOutput struct {
	Status int
	Body   struct {
		Edge      string `json:"edge"`
		Retracted bool   `json:"retracted" doc:"true unless it is pending."`
		Pending   bool   `json:"pending,omitempty" doc:"It is stored and will be applied, but was not within 10 seconds."`
		Users     []User `json:"users" nullable:"false" doc:"Who the two ids belong to now; one person, if something else joins them too. Empty while it is pending."`
	}
}

// retract takes an edge back, for ever. Doing it again changes nothing.
func (s *Server) retract(ctx context.Context, in *retractInput) (*retractOutput, error) {
	from, to, err := s.findEdge(ctx, in.Workspace, in.Edge)
	if err != nil {
		return nil, s.fail(ctx, "find edge", err)
	}
	out := &retractOutput{Status: http.StatusOK}
	out.Body.Edge, out.Body.Users = in.Edge, []User{}
	if !retracted(from, in.Edge) {
		sum := sha256.Sum256([]byte(in.Edge))
		payload := retractItem{ID: "api-" + hex.EncodeToString(sum[:12]), CreatedAt: s.now().UTC().Format(time.RFC3339Nano), Edge: in.Edge}
		if in.Body != nil {
			payload.Reason = in.Body.Reason
		}
		outcome, err := s.act(ctx, in.Workspace, weir.KindRetract, payload)
		if err != nil {
			return nil, s.fail(ctx, "retract edge", err)
		}
		if outcome == nil {
			out.Status, out.Body.Pending = http.StatusAccepted, true
			return out, nil
		}
	}
	out.Body.Retracted = true
	out.Body.Users, err = s.ends(ctx, in.Workspace, from.ID, to)
	if err != nil {
		return nil, s.fail(ctx, "read persons", err)
	}
	return out, nil
}

// findEdge finds the identity that an edge leaves, and the id that it leads to: ""
// for one that was retracted and never came.
func (s *Server) findEdge(ctx context.Context, ws weir.WorkspaceID, edge string) (from *weir.Identity, to string, err error) {
	unknown := newProblem(http.StatusNotFound, "unknown_edge", "There is no such edge. …/users/{id} lists the edges of a person.")
	id, err := weir.EdgeFrom(edge)
	if err != nil {
		return nil, "", unknown
	}
	members, err := s.parts.State.Person(ctx, ws, id)
	if err != nil {
		return nil, "", err
	}
	if from = memberOf(members, id); from == nil {
		return nil, "", unknown
	}
	if i := slices.IndexFunc(from.Edges, func(e weir.Edge) bool { return e.ID() == edge }); i >= 0 {
		return from, from.Edges[i].To, nil
	}
	if retracted(from, edge) {
		return from, "", nil
	}
	return nil, "", unknown
}

// ends are the persons of two ids.
func (s *Server) ends(ctx context.Context, ws weir.WorkspaceID, ids ...string) ([]User, error) {
	users := []User{}
	for _, id := range ids {
		members, err := s.parts.State.Person(ctx, ws, id)
		if err != nil {
			return nil, err
		}
		if members = somebody(members); len(members) == 0 {
			continue
		}
		user, err := s.user(ctx, ws, members)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(users, func(u User) bool { return u.Number == user.Number }) {
			users = append(users, user)
		}
	}
	return users, nil
}

// act makes an item that somebody wants here, stores it and waits for what becomes
// of it. The outcome is nil if that is not known yet.
func (s *Server) act(ctx context.Context, ws weir.WorkspaceID, kind weir.Kind, payload any) (*weir.Outcome, error) {
	if s.parts.Intake == nil {
		return nil, errNoIntake()
	}
	raw, err := json.Marshal(map[string]any{"kind": kind, string(kind): payload})
	if err != nil {
		return nil, fmt.Errorf("write item: %w", err)
	}
	record := weir.Record{
		Workspace: ws, Source: sourceOf(ctx), Client: weir.ClientServer, Receipt: s.parts.Intake.NewReceipt(),
		ReceivedAt: weir.MicrosOf(s.now()), Raw: raw,
	}
	s.parts.Intake.Judge(&record, workspace.Browsers{})
	if r := record.Rejected; r != nil {
		return nil, newProblem(http.StatusBadRequest, r.Code, sentence(r.Message)).in(r.Field)
	}
	waiter := s.parts.Hub.Await(ws, record.Receipt, 1)
	defer waiter.Cancel()
	if err := s.submit(ctx, []weir.Record{record}); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	// If the time is over, the answer says so.
	outcomes, _ := waiter.Wait(limited)
	if len(outcomes) == 0 || outcomes[0].Status == weir.Waiting {
		return nil, nil
	}
	switch o := &outcomes[0]; o.Status {
	case weir.Rejected, weir.Dead:
		return nil, newProblem(http.StatusConflict, "not_applied", "The item "+o.Position.String()+" was not applied: "+sentence(o.Message))
	default:
		return o, nil
	}
}

// sourceOf names who acts: the key, or people.
func sourceOf(ctx context.Context) weir.SourceID {
	if c := callerOf(ctx); c.kind == byKey {
		return c.grant.Key
	}
	return peopleSource
}

// peopleSource is the source of items that people make here.
const peopleSource weir.SourceID = "dashboard"

func errNoIntake() *Problem {
	return newProblem(http.StatusServiceUnavailable, "no_intake", "This server does not take items in. Ask one that does.")
}

// submit stores records, and says what to do if it cannot.
func (s *Server) submit(ctx context.Context, records []weir.Record) error {
	err := s.parts.Intake.Submit(ctx, records)
	switch {
	case errors.Is(err, queue.ErrFull):
		return newProblem(http.StatusServiceUnavailable, "queue_full", "Items arrive faster than they are processed, or the disk is full. Try again later.").retry(5 * time.Second)
	case errors.Is(err, queue.ErrClosed):
		return newProblem(http.StatusServiceUnavailable, "shutting_down", "The server is shutting down.").retry(time.Second)
	case err != nil && ctx.Err() == nil:
		s.log.ErrorContext(ctx, "items are not stored", "error", err)
		return newProblem(http.StatusServiceUnavailable, "not_stored", "This could not be stored. Try again later.").retry(5 * time.Second)
	}
	return err
}
