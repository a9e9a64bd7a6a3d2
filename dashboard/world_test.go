package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/workspace"
)

const (
	password = "correct horse battery"
	adminKey = "sk_operator"
	// canary stands in everything that belongs to the workspace acme.
	canary = "canary"
)

// world is a server with two workspaces: acme, which has people of every role,
// and globex, which must never see anything of acme's.
type world struct {
	*Server
	events  *memoryEvents
	view    *memoryView
	archive *memoryArchive
	queue   *memoryQueue
	intake  *memoryIntake
	history *memoryHistory
	hub     *live.Hub
	log     *bytes.Buffer

	credentials map[string]http.Header // by name; see newWorld
}

var now = time.Date(2026, 10, 2, 12, 0, 0, 0, time.UTC)

// newWorld is a world of its own for every test.
func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := &world{
		events: &memoryEvents{ask: func(context.Context, weir.WorkspaceID, *query.Plan) (*query.Answer, error) {
			return &query.Answer{
				Buckets: []string{"2026-10-02"}, AsOf: query.AsOf{Time: weir.MicrosOf(now), Positions: map[int]uint64{3: 1042}},
				Series: []query.SeriesAnswer{{Name: "A", Period: "current", Values: []query.Real{3}, Total: 3}},
			}, nil
		}},
		view: &memoryView{}, archive: &memoryArchive{}, hub: live.NewHub(), log: &bytes.Buffer{},
		queue:  &memoryQueue{lag: queue.Lag{Records: 7, Bytes: 700}},
		intake: &memoryIntake{}, history: &memoryHistory{},
	}
	all, err := population()
	if err != nil {
		t.Fatal(err)
	}
	w.credentials = maps.Clone(all.credentials)
	directory := workspace.New(all.docs.clone(), &workspace.Options{Now: ticking(now.Add(time.Millisecond))})
	options := Options{AdminKey: adminKey, Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(w.log, nil))}
	for _, f := range change {
		f(&options)
	}
	w.Server, err = New(Parts{
		Directory: directory, Events: w.events, State: w.view, Archive: w.archive, Queue: w.queue, Hub: w.hub, Intake: w.intake, History: w.history, Truth: &oneLine{}, Sessions: w.view,
	}, &options)
	if err != nil {
		t.Fatal(err)
	}
	w.intake.work = w.work
	w.wait = time.Minute
	t.Cleanup(w.Close)
	w.fill()
	return w
}

// ticking is a clock that moves on a little each time: what the directory makes
// is ordered by time.
func ticking(from time.Time) func() time.Time {
	var ticks atomic.Int64
	return func() time.Time { return from.Add(time.Duration(ticks.Add(1)) * time.Microsecond) }
}

// population makes the workspaces, keys and people of all worlds, once: hashing
// passwords is slow on purpose.
var population = sync.OnceValues(populate)

// inhabitants are what population makes.
type inhabitants struct {
	docs        *memoryDocuments
	credentials map[string]http.Header
}

func populate() (*inhabitants, error) {
	ctx := context.Background()
	docs := &memoryDocuments{docs: map[[3]string]workspace.Document{}}
	d := workspace.New(docs, &workspace.Options{Now: ticking(now)})
	credentials := map[string]http.Header{"nobody": {}, "operator": bearer(adminKey)}
	for _, id := range []weir.WorkspaceID{"acme", "globex"} {
		_, write, secret, err := d.CreateWorkspace(ctx, workspace.Workspace{ID: id, Name: strings.ToUpper(string(id)), Timezone: "Europe/Paris", Currency: "EUR"})
		if err != nil {
			return nil, err
		}
		credentials["write@"+string(id)] = bearer(write.Text)
		credentials["secret@"+string(id)] = bearer(secret.Text)
	}
	people := []struct {
		name string
		in   map[weir.WorkspaceID]workspace.Role
	}{
		{"viewer", map[weir.WorkspaceID]workspace.Role{"acme": workspace.RoleViewer}},
		{"analyst", map[weir.WorkspaceID]workspace.Role{"acme": workspace.RoleAnalyst}},
		{"admin", map[weir.WorkspaceID]workspace.Role{"acme": workspace.RoleAdmin}},
		{"owner", map[weir.WorkspaceID]workspace.Role{"acme": workspace.RoleOwner}},
		{"other", map[weir.WorkspaceID]workspace.Role{"globex": workspace.RoleOwner}},
	}
	for _, p := range people {
		email := p.name + "@example.com"
		if _, err := d.CreateAccount(ctx, email, password, p.in); err != nil {
			return nil, err
		}
		token, err := d.OpenSession(ctx, email)
		if err != nil {
			return nil, err
		}
		credentials[p.name] = http.Header{"Cookie": {plainCookie + "=" + token}}
	}
	return &inhabitants{docs, credentials}, nil
}

// fill gives acme a purchase, a rejected item, and a person of two identities.
func (w *world) fill() {
	at := func(seconds int) weir.Micros { return weir.MicrosOf(now.Add(time.Duration(seconds) * time.Second)) }
	bought := weir.Outcome{
		Position: weir.At(3, 1042), Receipt: "rcp_1", Index: 0, Kind: weir.KindCustomEvent, ItemID: "purchase-" + canary, Name: "Purchase",
		UserID: "u1", Person: 1, Source: "key_web", ReceivedAt: at(-10), Time: at(-11), Status: weir.Stored, Size: 52,
		Warnings: []weir.Rejection{{Code: "invalid_field", Field: "custom_event.number_value", Message: "not a number"}},
	}
	broken := weir.Outcome{
		Position: weir.At(0, 9), Receipt: "rcp_2", Index: 4, ReceivedAt: at(-5), Source: "key_web", UserID: canary,
		Status: weir.Rejected, Code: "invalid_json", Message: "the item is no JSON", Size: 9,
	}
	old := bought
	old.Position, old.ItemID, old.ReceivedAt, old.Status, old.Warnings = weir.At(3, 7), "older", at(-86400), weir.Duplicate, nil
	w.events.log = map[weir.WorkspaceID][]weir.Outcome{"acme": {bought, broken, old}}
	w.events.catalogue = map[weir.WorkspaceID]*eventstore.Catalogue{"acme": {
		Events:     []eventstore.EventName{{Name: "Purchase", Count: 41, First: at(-86400), Last: at(-11)}, {Name: canary, Count: 1}},
		Properties: []eventstore.PropertyName{{Name: "plan", On: query.OnUser, Types: []string{"string"}}, {Name: "amount", On: query.OnEvent, Types: []string{"number"}}},
	}}
	w.events.values = map[weir.WorkspaceID][]string{"acme": {"pro", canary, "free"}}
	w.archive.records = map[weir.Position]weir.Record{
		bought.Position: {Workspace: "acme", Client: weir.ClientPublic, SentAt: at(-3610), Raw: []byte(`{"kind": "custom_event", "custom_event": {"label": "Purchase"}}`)},
		broken.Position: {Workspace: "acme", Client: weir.ClientServer, Raw: []byte("{\"kind\xff")},
	}
	known := &weir.Identity{Workspace: "acme", ID: "u1", Number: 2, Person: 1, Authenticated: true, CreatedAt: at(-90000), FirstSeen: at(-90000), LastSeen: at(-11)}
	known.Traits.Set(weir.Stamp{At: at(-50), Item: "x"}, weir.Property{Name: "email", Value: weir.Text(canary + "@example.com")}, weir.Property{Name: "age", Value: weir.Num(41)})
	anonymous := &weir.Identity{
		Workspace: "acme", ID: "anon-1", Number: 1, Person: 1, FirstSeen: at(-99999), LastSeen: at(-100),
		Edges: []weir.Edge{{From: "anon-1", To: "u1", At: at(-100), Item: "user_alias:a1", Rule: weir.RuleAlias}},
	}
	w.view.identities = []*weir.Identity{anonymous, known, {Workspace: "acme", ID: "99", Number: 3, Person: 3, FirstSeen: at(-1), LastSeen: at(-1)}}
	w.fillHistory(at)
}

// fillHistory gives the person of acme an order with the visit that led to it, an
// item that could not be processed, an e-mail address that joins, and a merge that
// was taken back. Of the ghost nothing is known but its id.
func (w *world) fillHistory(at func(int) weir.Micros) {
	anonymous, known, stranger := w.view.identities[0], w.view.identities[1], w.view.identities[2]
	ordered := weir.Outcome{
		Position: weir.At(3, 3), Receipt: "rcp_0", Kind: weir.KindOrder, ItemID: "o-1", Name: "order", UserID: "u1", Person: 1,
		Source: "key_shop", ReceivedAt: at(-100000), Time: at(-100001), Status: weir.Stored, Size: 199,
	}
	dead := weir.Outcome{
		Position: weir.At(2, 8), Receipt: "rcp_0", Kind: weir.KindCustomEvent, ItemID: "stuck", UserID: "99",
		Source: "key_web", ReceivedAt: at(-200000), Status: weir.Dead, Code: "processing_failed", Message: "it took too long", Size: 150,
	}
	w.events.log["acme"] = append(w.events.log["acme"], ordered, dead)
	w.events.rows = map[weir.WorkspaceID][]eventstore.Row{"acme": {
		{Event: weir.Event{Position: ordered.Position, Time: ordered.Time, Name: "order", Identity: 2, Person: 1, Session: 5}, Kind: weir.KindOrder, ItemID: "o-1"},
	}}
	w.archive.records[ordered.Position] = weir.Record{
		Workspace: "acme", Source: "key_shop", Client: weir.ClientServer, Receipt: "rcp_0", ReceivedAt: at(-100000), SentAt: at(-100000), UserID: "u1",
		Raw: []byte(`{"kind": "order", "order": {"external_id": "o-1", "created_at": "2026-10-01T08:13:19Z", "total_price": 4200}, "user": {"external_id": "u1", "is_authenticated": true, "anonymous_id": "anon-1"}}`),
	}
	w.archive.records[dead.Position] = weir.Record{
		Workspace: "acme", Source: "key_web", Client: weir.ClientPublic, Receipt: "rcp_0", ReceivedAt: at(-200000), SentAt: at(-200001), UserID: "99",
		Raw: []byte(`{"kind": "custom_event", "custom_event": {"external_id": "stuck", "created_at": "2026-09-30T04:26:40Z", "label": "Lead"}, "user": {"external_id": "99"}}`),
	}
	visit := &weir.Session{Workspace: "acme", ID: "s1", Number: 5, User: "anon-1", Owner: 1, StartedAt: at(-100060), EndedAt: at(-100000)}
	visit.Fields.Set(weir.Stamp{}, weir.Property{Name: "utm_source", Value: weir.Text("newsletter")}, weir.Property{Name: "utm_medium", Value: weir.Text("email")})
	visit.Points = []weir.Point{{Item: 1, At: at(-100060), Flags: weir.PointPageview | weir.PointInteractive | weir.PointEvent}, {Item: 2, At: at(-100000), Flags: weir.PointInteractive | weir.PointEvent}}
	w.view.sessions = []*weir.Session{visit, {Workspace: "acme", ID: session.PoolID("u1", at(0)), Number: 6, Origin: weir.Attended, User: "u1", Owner: 2}}
	w.view.conversions = []*weir.Conversion{{
		Workspace: "acme", ID: "order:o-1", Goal: "order", User: "u1", Owner: 2, At: at(-100001), Value: 4200, Amount: 4200,
		Touches: []weir.Touch{{Session: 5, At: at(-100060), Channel: "Email", Role: weir.Alone, Credits: slices.Repeat([]int64{4200}, len(attribution.Models()))}},
	}}
	known.Converts = true
	anonymous.Edges = append([]weir.Edge{{From: "anon-1", To: "u1", At: at(-100001), Item: "order:o-1", Rule: weir.RuleItem}}, anonymous.Edges...)
	key := identity.KeyEdges("u1", known.Traits.Properties(), []string{"email"}, at(-50), identity.Blocklist{})[0]
	known.Edges = []weir.Edge{key}
	undone := weir.Edge{From: "99", To: "u1", At: at(-60), Item: "identity_merge:m-1", Rule: weir.RuleMerge}
	stranger.Edges, stranger.Retracted = []weir.Edge{undone}, []string{undone.ID()}
	w.view.identities = append(w.view.identities,
		&weir.Identity{Workspace: "acme", ID: key.To, Number: 4, Person: 1, Key: true},
		&weir.Identity{Workspace: "acme", ID: "ghost", Number: 5, Person: 5})
}

// work does with an item of identities what a worker does, and tells those who
// wait.
func (w *world) work(r weir.Record) {
	o := weir.Outcome{Position: weir.At(0, uint64(1000+len(w.intake.records))), Receipt: r.Receipt, Index: r.Index, UserID: r.UserID, ReceivedAt: r.ReceivedAt, Status: weir.Stored}
	parsed, _ := item.Parse(r.Raw, item.Limits{})
	o.Kind, o.ItemID = parsed.Kind, parsed.ID
	find := func(id string) *weir.Identity {
		return memberOf(slices.DeleteFunc(slices.Clone(w.view.identities), func(i *weir.Identity) bool { return i.Workspace != r.Workspace }), id)
	}
	switch {
	case parsed.Kind == weir.KindMerge:
		edge := weir.Edge{From: parsed.Alias.From, To: parsed.Alias.To, At: parsed.CreatedAt, Item: string(parsed.Kind) + ":" + parsed.ID, Rule: weir.RuleMerge}
		identity.Connect(find(edge.From), find(edge.To), edge)
	case parsed.Retracts != "":
		identity.Retract(find(r.UserID), parsed.Retracts)
	}
	persons, refused := identity.Resolve(w.view.identities)
	for i, number := range persons {
		i.Person = number
	}
	for _, refusal := range refused {
		if refusal.Edge.Item == string(o.Kind)+":"+o.ItemID {
			o.Warnings = append(o.Warnings, weir.Rejection{Code: "edge_refused", Message: "The two ids were not joined: " + refusal.Reason + "."})
		}
	}
	w.publish(o)
}

func (w *world) publish(o weir.Outcome) {
	w.hub.Publish([]live.Message{{Workspace: "acme", Outcome: o}})
}

func bearer(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }

// do sends a request as somebody.
func (w *world) do(as, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", jsonType)
	}
	for name, values := range w.credentials[as] {
		r.Header[name] = values
	}
	return w.serve(r)
}

func (w *world) serve(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec
}

// problem reads an error answer, and fails if it is none.
func problem(t *testing.T, rec *httptest.ResponseRecorder) Problem {
	t.Helper()
	var p Problem
	if got := rec.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("status %d, content type %q, want a problem document; body %s", rec.Code, got, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != rec.Code || p.Code == "" || p.Detail == "" || p.Title == "" || p.Type == "" {
		t.Errorf("incomplete problem document: %s", rec.Body)
	}
	return p
}

func wantProblem(t *testing.T, rec *httptest.ResponseRecorder, status int, code string) Problem {
	t.Helper()
	if rec.Code != status {
		t.Fatalf("status %d, want %d; body %s", rec.Code, status, rec.Body)
	}
	p := problem(t, rec)
	if p.Code != code {
		t.Errorf("code %q, want %q", p.Code, code)
	}
	return p
}

func decode[T any](t *testing.T, r io.Reader) T {
	t.Helper()
	var v T
	if err := json.NewDecoder(r).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
