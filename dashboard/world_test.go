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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/queue"
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
				Series: []query.SeriesAnswer{{Name: "A", Period: "current", Values: []float64{3}, Total: 3}},
			}, nil
		}},
		view: &memoryView{}, archive: &memoryArchive{}, hub: live.NewHub(), log: &bytes.Buffer{},
		queue: &memoryQueue{lag: queue.Lag{Records: 7, Bytes: 700}},
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
	w.Server, err = New(Parts{directory, w.events, w.view, w.archive, w.queue, w.hub}, &options)
	if err != nil {
		t.Fatal(err)
	}
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
		Edges: []weir.Edge{{From: "anon-1", To: "u1", At: at(-100), Item: "user_alias a1", Rule: weir.RuleAlias}},
	}
	w.view.identities = []*weir.Identity{anonymous, known, {Workspace: "acme", ID: "99", Number: 3, Person: 3, FirstSeen: at(-1), LastSeen: at(-1)}}
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
