package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/workspace"
)

const (
	mergePath   = "/api/v1/workspaces/acme/identities/merge"
	mergeBody   = `{"from": "99", "to": "u1", "reason": "called us"}`
	aliasEdge   = "YW5vbi0x.94cd37842317a2dc" // anon-1 → u1, see fill
	retractPath = "/api/v1/workspaces/acme/identities/" + aliasEdge + "/retract"
)

// What is made here is an item like any other: valid, of a client that may say so,
// and with who said it and why.
func TestItemsOfIdentities(t *testing.T) {
	w := newWorld(t)
	key, err := w.parts.Directory.Keys(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if rec := w.do("admin", "POST", mergePath, mergeBody); rec.Code != 200 {
		t.Fatalf("status %d, body %s", rec.Code, rec.Body)
	}
	if rec := w.do("secret@acme", "POST", retractPath, `{"reason": "by mistake"}`); rec.Code != 200 {
		t.Fatalf("status %d, body %s", rec.Code, rec.Body)
	}
	want := []struct {
		source weir.SourceID
		user   string
		reason string
	}{{"dashboard", "99", "called us"}, {key[1].ID, "anon-1", "by mistake"}}
	if len(w.intake.records) != len(want) {
		t.Fatalf("%d items", len(w.intake.records))
	}
	for i, r := range w.intake.records {
		parsed, rejection := item.Parse(r.Raw, item.Limits{})
		if rejection != nil || parsed.ID == "" || parsed.CreatedAt != weir.MicrosOf(now) {
			t.Errorf("item %+v, %v", parsed, rejection)
		}
		if r.Workspace != "acme" || r.Client != weir.ClientServer || r.Source != want[i].source || r.UserID != want[i].user || r.ReceivedAt != weir.MicrosOf(now) || r.Receipt == "" || r.Rejected != nil {
			t.Errorf("record %+v", r)
		}
		if !strings.Contains(string(r.Raw), want[i].reason) {
			t.Errorf("the reason is not kept: %s", r.Raw)
		}
	}
}

// Ids of another workspace lead nowhere, and nothing is stored.
func TestIdentitiesOfAnotherTenant(t *testing.T) {
	w := newWorld(t)
	w.view.identities = append(w.view.identities, &weir.Identity{Workspace: "globex", ID: "g1", Number: 1, Person: 1, FirstSeen: 1})
	for _, body := range []string{`{"from": "99", "to": "u1"}`, `{"from": "g1", "to": "u1"}`, `{"from": "99", "to": "g1"}`} {
		wantProblem(t, w.do("other", "POST", "/api/v1/workspaces/globex/identities/merge", body), http.StatusNotFound, "unknown_user")
		wantProblem(t, w.do("other", "POST", mergePath, body), http.StatusNotFound, "unknown_workspace")
	}
	wantProblem(t, w.do("secret@globex", "POST", "/api/v1/workspaces/globex/identities/"+aliasEdge+"/retract", ""), http.StatusNotFound, "unknown_edge")
	wantProblem(t, w.do("secret@globex", "POST", retractPath, ""), http.StatusNotFound, "unknown_workspace")
	for _, path := range []string{"/items/2.8/replay", "/items/stuck/replay"} {
		wantProblem(t, w.do("secret@globex", "POST", "/api/v1/workspaces/globex"+path, ""), http.StatusNotFound, "unknown_item")
	}
	if rec := w.do("secret@globex", "POST", "/api/v1/workspaces/globex/items/replay", `{"status": "dead"}`); !strings.Contains(rec.Body.String(), `"replayed":0`) {
		t.Errorf("body %s", rec.Body)
	}
	for _, path := range []string{"/users/u1/sessions", "/users/u1/conversions", "/users/1"} {
		if rec := w.do("secret@globex", "GET", "/api/v1/workspaces/globex"+path, ""); strings.Contains(rec.Body.String(), "u1") || strings.Contains(rec.Body.String(), "anon-1") {
			t.Errorf("%s: %s", path, rec.Body)
		}
	}
	if len(w.intake.records) != 0 {
		t.Errorf("stored %+v", w.intake.records)
	}
}

// Whoever does not know within the bound what became of it is told so.
func TestMergeThatTakesLong(t *testing.T) {
	for name, work := range map[string]func(*world) func(weir.Record){
		"nobody works": func(*world) func(weir.Record) { return nil },
		"the user is busy": func(w *world) func(weir.Record) {
			return func(r weir.Record) { w.publish(weir.Outcome{Receipt: r.Receipt, Status: weir.Waiting}) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.wait = time.Millisecond
			w.intake.work = work(w)
			type answer struct {
				Edge    string
				Pending bool
				User    *User
			}
			rec := w.do("admin", "POST", mergePath, mergeBody)
			if a := decode[answer](t, rec.Body); rec.Code != http.StatusAccepted || !a.Pending || a.Edge == "" || a.User != nil {
				t.Errorf("status %d, %+v", rec.Code, a)
			}
			rec = w.do("admin", "POST", retractPath, "")
			if a := decode[answer](t, rec.Body); rec.Code != http.StatusAccepted || !a.Pending || a.Edge != aliasEdge {
				t.Errorf("status %d, %+v", rec.Code, a)
			}
			// Asking again is the same item again, which dedupe recognises.
			w.do("admin", "POST", mergePath, mergeBody)
			w.do("admin", "POST", retractPath, "")
			ids := map[string]bool{}
			for _, r := range w.intake.records {
				head, _ := item.Check(r.Raw, item.Limits{})
				ids[head.ID] = true
			}
			if len(w.intake.records) != 4 || len(ids) != 2 {
				t.Errorf("%d items with the ids %v", len(w.intake.records), ids)
			}
		})
	}
}

func TestMergeThatIsRefused(t *testing.T) {
	w := newWorld(t)
	if _, err := w.parts.Directory.ChangeSettings(t.Context(), "acme", func(s *workspace.Settings) error {
		s.BlockedIDs = []string{"99"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, w.do("admin", "POST", mergePath, mergeBody), http.StatusConflict, "edge_refused")
	if len(w.intake.records) != 0 {
		t.Fatal("an item of which it was clear that it joins nobody was stored")
	}
	// A person that is too large: known only once the item is applied.
	w = newWorld(t)
	stranger := w.view.identities[2]
	for i := range 999 {
		id := fmt.Sprintf("many-%03d", i)
		edge := weir.Edge{From: id, To: "99", At: 1, Item: "identity_merge:" + id, Rule: weir.RuleMerge}
		w.view.identities = append(w.view.identities, &weir.Identity{Workspace: "acme", ID: id, Number: uint32(10 + i), Person: 3, FirstSeen: 1, Edges: []weir.Edge{edge}})
		stranger.Incoming = append(stranger.Incoming, edge)
	}
	p := wantProblem(t, w.do("admin", "POST", mergePath, mergeBody), http.StatusConflict, "edge_refused")
	if !strings.Contains(p.Detail, "too many ids") || !strings.Contains(p.Detail, "The edge OTk.") {
		t.Errorf("detail %q", p.Detail)
	}
	// Again: the edge is there and still not followed.
	if again := wantProblem(t, w.do("admin", "POST", mergePath, mergeBody), http.StatusConflict, "edge_refused"); len(w.intake.records) != 1 {
		t.Errorf("stored again: %q", again.Detail)
	}
	// A worker that cannot apply it.
	w = newWorld(t)
	w.intake.work = func(r weir.Record) {
		w.publish(weir.Outcome{Receipt: r.Receipt, Status: weir.Dead, Message: "it failed again and again", Position: weir.At(1, 2)})
	}
	if p := wantProblem(t, w.do("admin", "POST", mergePath, mergeBody), http.StatusConflict, "not_applied"); !strings.Contains(p.Detail, "1.2") {
		t.Errorf("detail %q", p.Detail)
	}
}

func TestWhatCannotBeStored(t *testing.T) {
	requests := []struct{ path, body string }{
		{mergePath, mergeBody}, {retractPath, ""},
		{"/api/v1/workspaces/acme/items/2.8/replay", ""},
		{"/api/v1/workspaces/acme/items/replay", `{"status": "dead"}`},
	}
	for _, tt := range []struct {
		err         error
		code, retry string
		logged      bool
	}{
		{fmt.Errorf("submit: %w", queue.ErrFull), "queue_full", "5", false},
		{fmt.Errorf("submit: %w", queue.ErrClosed), "shutting_down", "1", false},
		{errors.New("hunter2"), "not_stored", "5", true},
	} {
		w := newWorld(t)
		w.intake.err = tt.err
		for _, r := range requests {
			w.log.Reset()
			rec := w.do("admin", "POST", r.path, r.body)
			p := wantProblem(t, rec, http.StatusServiceUnavailable, tt.code)
			if got := rec.Header().Get("Retry-After"); got != tt.retry || strings.Contains(p.Detail, "hunter2") || (w.log.Len() > 0) != tt.logged {
				t.Errorf("%s: Retry-After %q, %q, log %s", r.path, got, p.Detail, w.log)
			}
		}
	}
	w := newWorld(t)
	w.parts.Intake = nil
	for _, r := range requests {
		wantProblem(t, w.do("admin", "POST", r.path, r.body), http.StatusServiceUnavailable, "no_intake")
	}
}

// Of what an edge says, its receipt says what became of it.
func TestEdgesInReceipts(t *testing.T) {
	w := newWorld(t)
	receipt := func() (edges []Edge, text string) {
		rec := w.do("viewer", "GET", "/api/v1/workspaces/acme/items/o-1", "")
		var body struct{ Edges []Edge }
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || len(body.Edges) != 1 {
			t.Fatalf("%v: %s", err, rec.Body)
		}
		return body.Edges, rec.Body.String()
	}
	if edges, _ := receipt(); edges[0].Status != edgeJoined {
		t.Errorf("%+v", edges)
	}
	w.view.identities[0].Person = 77
	if edges, text := receipt(); edges[0].Status != edgeIgnored || !strings.Contains(text, "is not followed") {
		t.Errorf("%s", text)
	}
	w.view.identities[0].Retracted = []string{aliasEdge}
	if edges, text := receipt(); edges[0].Status != edgeRetracted || !strings.Contains(text, "was taken back") {
		t.Errorf("%s", text)
	}
}
