package dashboard

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/workspace"
)

func TestProgressOfHistory(t *testing.T) {
	w := newWorld(t)
	if rec := w.do("admin", "PATCH", "/api/v1/workspaces/acme/settings", `{"blocked_ids": ["x"]}`); rec.Code != 200 {
		t.Fatalf("status %d, body %s", rec.Code, rec.Body)
	}
	progress := func(path string) *Progress {
		rec := w.do("viewer", "GET", "/api/v1/workspaces/acme"+path, "")
		if rec.Code != http.StatusOK {
			t.Fatalf("status %d, body %s", rec.Code, rec.Body)
		}
		return decode[struct{ Progress *Progress }](t, rec.Body).Progress
	}
	for _, path := range []string{"/settings", "/channels"} {
		w.history.progress = workspace.Progress{Revision: 1, Applied: 0, Done: 30, Total: 120}
		if got := progress(path); got == nil || *got != (Progress{1, 0, false, 30, 120}) {
			t.Errorf("%s: %+v", path, got)
		}
		w.history.progress = workspace.Progress{Revision: 1, Applied: 1}
		if got := progress(path); got == nil || !got.Complete {
			t.Errorf("%s: %+v", path, got)
		}
		w.history.err = errors.New("hunter2")
		wantProblem(t, w.do("viewer", "GET", "/api/v1/workspaces/acme"+path, ""), http.StatusInternalServerError, "internal")
		w.history.err = nil
	}
	w.parts.History = nil
	if got := progress("/settings"); got != nil {
		t.Errorf("nobody knows, but the answer says %+v", got)
	}
}

func TestChannelsAreThoseThatShipUntilOthersAreSet(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v1/workspaces/acme/channels"
	type answer struct {
		ChannelRules
		Shipped  bool `json:"is_default"`
		Revision int64
	}
	ask := func(as, method, body string) answer {
		rec := w.do(as, method, path, body)
		if rec.Code != http.StatusOK {
			t.Fatalf("%s: status %d, body %s", method, rec.Code, rec.Body)
		}
		return decode[answer](t, rec.Body)
	}
	shipped := attribution.Default()
	first := ask("viewer", "GET", "")
	if !first.Shipped || len(first.Rules) != len(shipped.Rules) || first.Default != shipped.Default || first.Revision != 0 {
		t.Errorf("at first: %+v", first)
	}
	// What was read can be set: the same rules, but the workspace's own from now on.
	text, err := json.Marshal(first.ChannelRules)
	if err != nil {
		t.Fatal(err)
	}
	if got := ask("admin", "PUT", string(text)); got.Shipped || len(got.Rules) != len(shipped.Rules) || got.Revision != 1 {
		t.Errorf("set: %+v", got)
	}
	if got := ask("admin", "DELETE", ""); !got.Shipped || got.Revision != 2 {
		t.Errorf("reset: %+v", got)
	}
	if got := ask("admin", "DELETE", ""); got.Revision != 2 {
		t.Errorf("reset again: %+v", got)
	}
}

func TestSchemasListEveryKind(t *testing.T) {
	w := newWorld(t)
	rec := w.do("viewer", "GET", "/api/v1/workspaces/acme/schemas", "")
	got := decode[struct{ Schemas []item.Schema }](t, rec.Body)
	if rec.Code != http.StatusOK || len(got.Schemas) != len(item.Schemas()) {
		t.Fatalf("status %d, %d schemas", rec.Code, len(got.Schemas))
	}
	for _, schema := range got.Schemas {
		rec := w.do("viewer", "GET", "/api/v1/workspaces/acme/schemas/"+string(schema.Kind), "")
		if one := decode[item.Schema](t, rec.Body); rec.Code != http.StatusOK || one.Kind != schema.Kind || len(one.Fields) == 0 {
			t.Errorf("%s: status %d, %d fields", schema.Kind, rec.Code, len(one.Fields))
		}
	}
}

// A process that has no list of visits says so, and shows conversions without their
// names.
func TestWithoutSessions(t *testing.T) {
	w := newWorld(t)
	w.parts.Sessions = nil
	wantProblem(t, w.do("viewer", "GET", "/api/v1/workspaces/acme/users/u1/sessions", ""), http.StatusServiceUnavailable, "no_sessions")
	for path, says := range map[string]string{"users/u1/conversions": `"session":5,"at"`, "items/o-1": "Is in visit number 5."} {
		if rec := w.do("viewer", "GET", "/api/v1/workspaces/acme/"+path, ""); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), says) {
			t.Errorf("%s: status %d, body %s", path, rec.Code, rec.Body)
		}
	}
}
