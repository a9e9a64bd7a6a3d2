package dashboard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive/dirarchive"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/dashboard"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/pipeline"
	"github.com/weirhq/weir/queue/sqlitequeue"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/state/sqlitestate"
	"github.com/weirhq/weir/workspace"
)

// The whole way: items go in, are processed, and people act on what became of them.

type factory struct {
	*installation
	collector *collector.Collector
	hub       *live.Hub
	write     string // write key
}

func build(t *testing.T) *factory {
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
	control, err := sqlitestate.OpenControl(t.TempDir(), nil)
	check(err)
	t.Cleanup(func() { control.Close() })
	directory := workspace.New(control, nil)
	_, write, secret, err := directory.CreateWorkspace(ctx, workspace.Workspace{ID: ws, Timezone: "Europe/Paris", Currency: "EUR"})
	check(err)

	hub := live.NewHub()
	clock := func() time.Time { return day.Add(time.Hour) }
	p := pipeline.New(queue, raw, store, events, hub, &pipeline.Options{Gather: -1, Now: clock, Rules: rulesOf(directory)})
	working, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Run(working); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(running.Wait)
	t.Cleanup(stop)
	c := collector.New(queue, directory, &collector.Options{Outcomes: hub, Wait: time.Minute, Now: clock})
	t.Cleanup(func() { check(c.Close(context.Background())) })
	d, err := dashboard.New(dashboard.Parts{
		Directory: directory, Events: events, State: store.View(), Archive: raw, Queue: queue, Hub: hub, Intake: c, History: history{p},
	}, &dashboard.Options{Now: clock})
	check(err)
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	t.Cleanup(d.Close)
	return &factory{&installation{t, server, secret.Text, ""}, c, hub, write.Text}
}

func rulesOf(d *workspace.Directory) pipeline.Rulebook {
	return func(ctx context.Context, ws weir.WorkspaceID) (*pipeline.Rules, error) {
		s, err := d.Settings(ctx, ws)
		if err != nil {
			return nil, err
		}
		channels, err := s.Channels.Compile()
		if err != nil {
			return nil, err
		}
		rates, err := order.NewRates(s.Currency, s.Rates)
		return &pipeline.Rules{
			Revision: s.Revision, Sessions: session.Options{Gap: s.Sessions.Gap()},
			Attribution: attribution.Options{Lookback: s.Attribution.Lookback(), HalfLife: s.Attribution.HalfLife()},
			Channels:    channels, Goals: s.Goals, Rates: rates, Keys: s.ReconciliationKeys,
		}, err
	}
}

type history struct{ pipeline *pipeline.Pipeline }

func (h history) Progress(ctx context.Context, ws weir.WorkspaceID) (workspace.Progress, error) {
	p, err := h.pipeline.Progress(ctx, ws)
	return workspace.Progress(p), err
}

// send sends items and returns the status of each, once they are processed.
func (f *factory) send(key string, items ...string) (statuses []string) {
	f.t.Helper()
	body := fmt.Sprintf(`{"items": [%s]}`, strings.Join(items, ","))
	r := httptest.NewRequestWithContext(f.t.Context(), "POST", "/v1/items?wait=1", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	f.collector.ServeHTTP(w, r)
	var answer struct {
		Outcomes []struct{ Status string }
		Pending  int
	}
	if err := json.NewDecoder(w.Body).Decode(&answer); err != nil || w.Code != http.StatusOK || answer.Pending > 0 {
		f.t.Fatalf("status %d, %v, %+v", w.Code, err, answer)
	}
	for _, o := range answer.Outcomes {
		statuses = append(statuses, o.Status)
	}
	return statuses
}

// answer is what a path says, as JSON of sorted members.
func (f *factory) answer(path string) string {
	f.t.Helper()
	status, answer := f.call(f.key, "GET", "/api/v1/workspaces/acme"+path, "")
	text, err := json.MarshalIndent(answer, "", " ")
	if err != nil || status != http.StatusOK {
		f.t.Fatalf("%s: status %d, %v: %s", path, status, err, text)
	}
	return string(text)
}

func visitOf(user, id, source, at string) string {
	return fmt.Sprintf(`{"kind": "pageview", "pageview": {"external_id": "pv-%s", "created_at": %q, "title": "Home", "page_id": "https://shop.example/"},
		"user": {"external_id": %q}, "session": {"external_id": %q, "created_at": %q, "utm_source": %q, "utm_medium": "email"}}`, id, at, user, id, at, source)
}

func orderOf(user, id string, cents int) string {
	return fmt.Sprintf(`{"kind": "order", "order": {"external_id": %q, "created_at": "2026-10-02T09:30:00Z", "total_price": %d, "currency": "EUR"}, "user": {"external_id": %q, "is_authenticated": true, "created_at": "2026-10-01T00:00:00Z"}}`, id, cents, user)
}

// What two people did becomes what one did, and comes apart again to the last byte.
func TestMergeAndRetractThroughTheAPI(t *testing.T) {
	f := build(t)
	f.send(f.key, visitOf("a1", "s-1", "spring", "2026-10-02T09:00:00Z"), orderOf("jo", "o-1", 4200))
	paths := []string{"/users/a1", "/users/jo", "/users/jo/conversions", "/items/o-1"}
	before := map[string]string{}
	for _, path := range paths {
		before[path] = f.answer(path)
	}
	if strings.Contains(before["/users/jo/conversions"], "Email") {
		t.Fatal("a stranger's visit counts")
	}

	status, merged := f.call(f.key, "POST", "/api/v1/workspaces/acme/identities/merge", `{"from": "a1", "to": "jo"}`)
	if status != http.StatusOK || part(merged, "user.id") != "jo" {
		t.Fatalf("status %d, %v", status, merged)
	}
	edge := merged["edge"].(string)
	f.want("GET", "/users/a1", "", map[string]any{"id": "jo", "identities.#": 2, "identities.0.edges.0.id": edge, "identities.0.edges.0.status": "joined", "traits.$orders_ltv": 4200.0})
	f.want("GET", "/users/jo/conversions", "", map[string]any{"conversions.0.touches.0.channel": "Email", "conversions.0.touches.0.credits.linear": 4200.0})
	status, again := f.call(f.key, "POST", "/api/v1/workspaces/acme/identities/merge", `{"from": "jo", "to": "a1"}`)
	if status != http.StatusOK || again["edge"] != edge || again["created"] != false {
		t.Errorf("again: status %d, %v", status, again)
	}

	for range 2 {
		status, parted := f.call(f.key, "POST", "/api/v1/workspaces/acme/identities/"+edge+"/retract", "")
		if status != http.StatusOK || parted["retracted"] != true || part(parted, "users.#") != 2 {
			t.Fatalf("status %d, %v", status, parted)
		}
	}
	for _, path := range paths {
		after := f.answer(path)
		if path == "/users/a1" { // it still says what was taken back
			var was, is map[string]any
			if json.Unmarshal([]byte(before[path]), &was) != nil || json.Unmarshal([]byte(after), &is) != nil {
				t.Fatal("no JSON")
			}
			edges := part(is, "identities.0").(map[string]any)
			if part(edges, "edges.0.status") != "retracted" {
				t.Errorf("edges %v", edges)
			}
			edges["edges"] = []any{}
			if !reflect.DeepEqual(was, is) {
				t.Errorf("%s: was %v, is %v", path, was, is)
			}
			continue
		}
		if after != before[path] {
			t.Errorf("%s: was %s, is %s", path, before[path], after)
		}
	}
	// What was taken back never comes back: another merge is another edge.
	status, merged = f.call(f.key, "POST", "/api/v1/workspaces/acme/identities/merge", `{"from": "a1", "to": "jo"}`)
	if status != http.StatusOK || merged["edge"] == edge || part(merged, "user.id") != "jo" {
		t.Errorf("status %d, %v", status, merged)
	}
}

// A browser's order is kept, and counts once the workspace lets browsers send them.
func TestReplayThroughTheAPI(t *testing.T) {
	f := build(t)
	if got := f.send(f.write, orderOf("jo", "o-1", 4200)); !reflect.DeepEqual(got, []string{"rejected"}) {
		t.Fatalf("outcomes %v", got)
	}
	replay := func() (int, map[string]any) {
		return f.call(f.key, "POST", "/api/v1/workspaces/acme/items/replay", `{"status": "rejected", "kind": "order"}`)
	}
	if status, answer := replay(); status != http.StatusOK || answer["skipped"] != 1.0 || answer["replayed"] != 0.0 {
		t.Fatalf("status %d, %v", status, answer)
	}
	if status, answer := f.call(f.key, "PATCH", "/api/v1/workspaces/acme/settings", `{"browsers": {"may_send_orders": true, "may_link_known_users": false}}`); status != http.StatusOK {
		t.Fatalf("status %d, %v", status, answer)
	}
	for _, want := range []weir.Status{weir.Stored, weir.Duplicate} {
		outcomes := f.hub.Subscribe(ws)
		status, answer := replay()
		if status != http.StatusOK || answer["replayed"] != 1.0 {
			t.Fatalf("status %d, %v", status, answer)
		}
		m := <-outcomes.C
		outcomes.Close()
		if m.Outcome.Status != want || m.Outcome.Receipt != answer["receipt"] || !bytes.Contains(m.Raw, []byte("o-1")) {
			t.Errorf("outcome %+v, want %s", m.Outcome, want)
		}
	}
	f.want("GET", "/users/jo", "", map[string]any{"traits.$orders_count": 1.0, "traits.$orders_ltv": 4200.0})
	f.want("GET", "/items?kind=order&status=rejected", "", map[string]any{"items.#": 1, "items.0.code": "not_allowed"})
	f.want("GET", "/items/o-1", "", map[string]any{"conversion.value_cents": 4200.0})
}

// Settings reach what is processed after them.
func TestSettingsThroughTheAPI(t *testing.T) {
	f := build(t)
	for path, body := range map[string]string{
		"PATCH /settings": `{"goals": [{"event": "Lead", "value_property": "worth", "currency_property": "money"}], "rates": [{"currency": "USD", "rate": "0.5"}]}`,
		"PUT /channels":   `{"rules": [{"channel": "Letters", "all": [{"field": "medium", "op": "eq", "value": "email"}]}]}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		if status, answer := f.call(f.key, method, "/api/v1/workspaces/acme"+path, body); status != http.StatusOK {
			t.Fatalf("status %d, %v", status, answer)
		}
	}
	f.send(f.key, visitOf("jo", "s-1", "spring", "2026-10-02T09:00:00Z"), `{"kind": "custom_event", "custom_event": {"external_id": "l-1", "created_at": "2026-10-02T09:10:00Z", "label": "Lead", "properties": {"worth": 12.5, "money": "usd"}}, "user": {"external_id": "jo"}}`)
	f.want("GET", "/users/jo/conversions", "", map[string]any{
		"conversions.#": 1, "conversions.0.goal": "Lead", "conversions.0.value_cents": 625.0, "conversions.0.amount_cents": 1250.0, "conversions.0.currency": "USD",
		"conversions.0.touches.0.channel": "Letters", "conversions.0.touches.0.role": "alone",
	})
	f.want("GET", "/settings", "", map[string]any{"revision": 2.0, "goals.0.event": "Lead"})
}
