package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/dirarchive"
	"github.com/weirhq/weir/dashboard"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/queue/sqlitequeue"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/sqlitestate"
	"github.com/weirhq/weir/workspace"
)

// The API over the embedded engines: what was written there is what is answered.

const ws weir.WorkspaceID = "acme"

var day = time.Date(2026, 10, 2, 9, 0, 0, 0, time.UTC)

type installation struct {
	t      *testing.T
	server *httptest.Server
	key    string
	other  string // key of another workspace
}

func install(t *testing.T) *installation {
	t.Helper()
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := sqlitestate.Open(t.TempDir(), nil)
	check(err)
	t.Cleanup(func() { store.Close() })
	events, err := duckstore.Open(t.TempDir(), &duckstore.Options{Memory: 256 << 20})
	check(err)
	t.Cleanup(func() { events.Close() })
	queue, err := sqlitequeue.Open(ctx, t.TempDir(), &sqlitequeue.Options{Partitions: 4})
	check(err)
	t.Cleanup(func() { queue.Close() })

	raw, err := dirarchive.Open(t.TempDir(), nil)
	check(err)
	t.Cleanup(func() { raw.Close() })
	check(fillArchive(ctx, raw))

	control, err := sqlitestate.OpenControl(t.TempDir(), nil)
	check(err)
	t.Cleanup(func() { control.Close() })
	directory := workspace.New(control, nil)
	_, _, secret, err := directory.CreateWorkspace(ctx, workspace.Workspace{ID: ws, Timezone: "Europe/Paris", Currency: "EUR"})
	check(err)
	_, _, other, err := directory.CreateWorkspace(ctx, workspace.Workspace{ID: "globex"})
	check(err)
	check(populateState(ctx, store))
	check(events.Write(ctx, ws, batch()))

	d, err := dashboard.New(dashboard.Parts{
		Directory: directory, Events: events, State: store.View(), Archive: raw, Queue: queue, Hub: live.NewHub(),
	}, &dashboard.Options{Now: func() time.Time { return day.Add(time.Hour) }})
	check(err)
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	t.Cleanup(d.Close)
	return &installation{t, server, secret.Text, other.Text}
}

// fillArchive writes the raw items of the batch but for the last, as one frame.
func fillArchive(ctx context.Context, a archive.Archive) error {
	var records []weir.Record
	for range 3 {
		records = append(records, weir.Record{Workspace: ws, Client: weir.ClientServer, ReceivedAt: weir.MicrosOf(day), Raw: []byte(`{"kind":"custom_event"}`)})
	}
	body, err := frame.Encode(2, records)
	if err != nil {
		return err
	}
	return a.Append(ctx, []frame.Sealed{frame.Seal(body, 1, weir.MicrosOf(day))})
}

// populateState writes a person with two identities, and one with one.
func populateState(ctx context.Context, store state.Store) error {
	identities := []*weir.Identity{
		{Workspace: ws, ID: "anon", Number: 1, Person: 1, FirstSeen: weir.MicrosOf(day), LastSeen: weir.MicrosOf(day)},
		{Workspace: ws, ID: "jo", Number: 2, Person: 1, Authenticated: true, CreatedAt: weir.MicrosOf(day), FirstSeen: weir.MicrosOf(day), LastSeen: weir.MicrosOf(day)},
		{Workspace: ws, ID: "max/ü", Number: 3, Person: 3, FirstSeen: weir.MicrosOf(day), LastSeen: weir.MicrosOf(day)},
	}
	identities[0].Edges = []weir.Edge{{From: "anon", To: "jo", At: weir.MicrosOf(day), Item: "user_alias a", Rule: weir.RuleAlias}}
	identities[1].Traits.Set(weir.Stamp{At: 1, Item: "i"}, weir.Property{Name: "plan", Value: weir.Text("Pro")})
	var need state.Need
	for _, i := range identities {
		need.Users = append(need.Users, state.Key{Workspace: ws, ID: i.ID})
	}
	tx, err := store.Begin(ctx, need)
	if err != nil {
		return err
	}
	return errors.Join(tx.Commit(ctx, state.Changes{Identities: identities}), tx.Rollback())
}

func batch() *eventstore.Batch {
	b := &eventstore.Batch{Applied: map[int]uint64{2: 4}, AsOf: weir.MicrosOf(day.Add(time.Minute))}
	b.People = []weir.Person{
		{Number: 1, ID: "jo", FirstSeen: weir.MicrosOf(day), IDs: []string{"anon", "jo"}, Traits: []weir.Property{{Name: "plan", Value: weir.Text("Pro")}}},
		{Number: 3, ID: "max/ü", FirstSeen: weir.MicrosOf(day), IDs: []string{"max/ü"}},
	}
	users := []string{"jo", "jo", "max/ü"}
	persons := []uint32{1, 1, 3}
	for i, user := range users {
		at := weir.MicrosOf(day.Add(time.Duration(i) * time.Minute))
		position := weir.At(2, uint64(i+1))
		b.Events = append(b.Events, weir.Event{
			Position: position, Time: at, Name: "Purchase", Identity: uint32(i + 1), Person: persons[i],
			Properties: []weir.Property{{Name: "amount", Value: weir.Num(float64(i))}},
		})
		b.Log = append(b.Log, weir.Outcome{
			Position: position, Receipt: "rcp_1", Index: i, Kind: weir.KindCustomEvent, ItemID: "item/" + user, Name: "Purchase",
			UserID: user, Person: persons[i], ReceivedAt: at, Time: at, Status: weir.Stored, Size: 23,
		})
	}
	b.Log = append(b.Log, weir.Outcome{
		Position: weir.At(2, 4), Receipt: "rcp_2", ReceivedAt: weir.MicrosOf(day.Add(time.Hour)), Status: weir.Rejected,
		Code: "invalid_field", Field: "pageview.external_id", Message: "it is missing", Size: 2,
	})
	return b
}

// call asks as a key and reads the answer into any JSON.
func (i *installation) call(key, method, path, body string) (int, map[string]any) {
	i.t.Helper()
	request, err := http.NewRequestWithContext(i.t.Context(), method, i.server.URL+path, strings.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		i.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		i.t.Fatalf("%s %s: status %d: %v", method, path, response.StatusCode, err)
	}
	return response.StatusCode, answer
}

// want compares parts of an answer, named by their path.
func (i *installation) want(method, path, body string, parts map[string]any) {
	i.t.Helper()
	status, answer := i.call(i.key, method, "/api/v1/workspaces/acme"+path, body)
	if status != http.StatusOK {
		i.t.Errorf("%s %s: status %d, %v", method, path, status, answer)
		return
	}
	for at, want := range parts {
		if got := part(answer, at); got != want {
			i.t.Errorf("%s %s: %s is %v, want %v; whole answer %v", method, path, at, got, want, answer)
		}
	}
}

// part follows names and indexes; "#" counts.
func part(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			if name == "#" {
				return len(x)
			}
			if n := int(name[0] - '0'); n < len(x) {
				v = x[n]
			} else {
				return nil
			}
		default:
			return nil
		}
	}
	return v
}

func TestOverTheEmbeddedEngines(t *testing.T) {
	i := install(t)
	i.want("POST", "/query", `{"kind": "trends", "from": "2026-10-02", "to": "2026-10-02", "interval": "day",
		"series": [{"event": "Purchase", "measure": "users"}], "breakdowns": [{"property": "plan", "on": "user"}]}`,
		map[string]any{"buckets.0": "2026-10-02", "series.#": 2, "series.0.total": 1.0, "as_of.positions.2": 4.0})
	i.want("GET", "/items", "", map[string]any{"items.#": 4, "items.0.status": "rejected", "items.0.field": "pageview.external_id", "items.3.position": "2.1", "next": nil})
	i.want("GET", "/items?limit=3", "", map[string]any{"items.#": 3, "items.2.position": "2.2"})
	i.want("GET", "/items?status=stored&user=jo&kind=custom_event&receipt=rcp_1", "", map[string]any{"items.#": 2})
	i.want("GET", "/items?from=2026-10-02T10:00:00Z", "", map[string]any{"items.#": 1})
	i.want("GET", "/items/2.1", "", map[string]any{"row.user_id": "jo", "item.kind": "custom_event", "steps.#": 4, "steps.2.detail": "Belongs to jo (person 1), who is also known as anon."})
	i.want("GET", "/items/2.4", "", map[string]any{"row.status": "rejected", "item": nil, "raw": nil, "steps.#": 2})
	i.want("GET", "/items/item%2Fmax%2F%C3%BC", "", map[string]any{"row.position": "2.3", "steps.1.name": "outcome"})
	i.want("GET", "/events/names", "", map[string]any{"events.0.name": "Purchase", "events.0.count": 3.0, "events.0.first_seen": "2026-10-02T09:00:00Z"})
	i.want("GET", "/properties?on=event", "", map[string]any{"properties.#": 1, "properties.0.name": "amount", "properties.0.types.0": "number"})
	i.want("GET", "/properties/plan/values?on=user&contains=pr", "", map[string]any{"values.0": "Pro", "values.#": 1})
	i.want("GET", "/usage", "", map[string]any{"events": 3.0, "items_today": 3.0, "queue_lag": 0.0})
	i.want("GET", "/users", "", map[string]any{"users.#": 2, "users.0.id": "max/ü"})
	i.want("GET", "/users?search=PRO", "", map[string]any{"users.#": 1, "users.0.id": "jo", "users.0.traits.plan": "Pro"})
	i.want("GET", "/users/anon", "", map[string]any{"id": "jo", "number": 1.0, "identities.#": 2, "identities.0.edges.0.to": "jo"})
	i.want("GET", "/users/max%2F%C3%BC", "", map[string]any{"number": 3.0})
	if _, answer := i.call("", "GET", "/readyz", ""); answer["ready"] != true || part(answer, "queue.records") != 0.0 {
		t.Errorf("readyz: %v", answer)
	}
}

func TestTenantsAreApartInTheEmbeddedEngines(t *testing.T) {
	i := install(t)
	for _, path := range []string{"/items", "/items/2.1", "/items/item%2Fjo", "/events/names", "/properties", "/properties/plan/values", "/users", "/users/jo", "/users/1", "/usage", "/keys"} {
		status, answer := i.call(i.other, "GET", "/api/v1/workspaces/acme"+path, "")
		if status != http.StatusNotFound || answer["code"] != "unknown_workspace" {
			t.Errorf("%s: status %d, %v", path, status, answer)
		}
		_, answer = i.call(i.other, "GET", "/api/v1/workspaces/globex"+path, "")
		text, _ := json.Marshal(answer)
		for _, theirs := range []string{"jo", "Pro", "Purchase", "anon"} {
			if strings.Contains(string(text), `"`+theirs+`"`) {
				t.Errorf("%s shows %s: %s", path, theirs, text)
			}
		}
	}
	_, answer := i.call(i.other, "POST", "/api/v1/workspaces/globex/query", `{"kind": "trends", "from": "2026-10-02", "to": "2026-10-02", "series": [{"event": "*"}]}`)
	if got := part(answer, "series.0.total"); got != 0.0 {
		t.Errorf("globex counts %v events", got)
	}
}
