package dashboard

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirhq/weir/workspace"
)

// request fills in a route's path, for acme, and gives it a body that is good
// enough to be read.
func (rt route) request() (method, path, body string) {
	method = rt.method
	if method == "" {
		method = "GET"
	}
	path = strings.NewReplacer("{ws}", "acme", "{position}", "3.1042", "{property}", "plan", "{id}", "u1", "{kind}", "pageview", "{edge}", "YW5vbi0x.0123456789abcdef").Replace(rt.path)
	if method == "POST" || method == "PUT" || method == "PATCH" {
		body = "{}"
	}
	return method, path, body
}

// guarded are the routes that ask who is calling.
func (w *world) guarded() []route {
	var out []route
	for _, rt := range w.router.routes {
		// The live view lasts; it has tests of its own, and the policy is the same.
		if rt.policy.who != anybody && !strings.HasSuffix(rt.path, "/live") {
			out = append(out, rt)
		}
	}
	return out
}

func TestEveryRouteDeclaresItsPolicy(t *testing.T) {
	w := newWorld(t)
	public := map[string]bool{
		"/": true, "/api/": true, "/api": true, "/healthz": true, "/readyz": true, "/api/openapi.json": true,
		"/api/v1/setup": true, "/api/v1/sign-in": true, "/api/v1/sign-out": true,
	}
	for _, rt := range w.router.routes {
		switch p := rt.policy; {
		case p.who == nobody:
			t.Errorf("%s %s declares no policy", rt.method, rt.path)
		case p.who == anybody && !public[rt.path]:
			t.Errorf("%s %s is open to anybody; if it must be, list it here", rt.method, rt.path)
		case strings.Contains(rt.path, "{ws}") != (p.who == member):
			t.Errorf("%s %s: routes of a workspace, and only those, are for its members", rt.method, rt.path)
		case p.who == member && rank(p.role) == 0:
			t.Errorf("%s %s names no role", rt.method, rt.path)
		}
	}
	if len(w.router.routes) < 20 {
		t.Errorf("only %d routes; does the test still see them?", len(w.router.routes))
	}
}

// A parameter that a handler does not declare would silently be empty in it.
func TestPathParametersAreRead(t *testing.T) {
	w := newWorld(t)
	var document struct {
		Paths map[string]map[string]struct{ Parameters []struct{ Name, In string } }
	}
	if err := json.Unmarshal(w.document, &document); err != nil {
		t.Fatal(err)
	}
	for path, methods := range document.Paths {
		for method, operation := range methods {
			for _, match := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
				declared := false
				for _, p := range operation.Parameters {
					declared = declared || p.In == "path" && p.Name == match[1]
				}
				if !declared {
					t.Errorf("%s %s does not read {%s}", method, path, match[1])
				}
			}
		}
	}
}

func TestRouteWithoutPolicyIsClosed(t *testing.T) {
	w := newWorld(t)
	huma.Register(newAPI(w.router, ""), huma.Operation{Method: "GET", Path: "/api/v1/workspaces/{ws}/forgotten"}, w.listKeys)
	for _, as := range []string{"owner", "secret@acme", "operator"} {
		wantProblem(t, w.do(as, "GET", "/api/v1/workspaces/acme/forgotten", ""), http.StatusForbidden, "forbidden")
	}
}

func TestRolesAndRoutes(t *testing.T) {
	w := newWorld(t)
	roles := map[string]workspace.Role{
		"viewer": workspace.RoleViewer, "analyst": workspace.RoleAnalyst, "admin": workspace.RoleAdmin, "owner": workspace.RoleOwner, "secret@acme": roleOfKey,
	}
	for _, rt := range w.guarded() {
		method, path, body := rt.request()
		for as, role := range roles {
			want := rt.policy.who == person && as != "secret@acme" ||
				rt.policy.who == owner && as == "owner" ||
				rt.policy.who == member && rank(role) >= rank(rt.policy.role)
			rec := w.do(as, method, path, body)
			if got := rec.Code != http.StatusForbidden && rec.Code != http.StatusUnauthorized; got != want {
				t.Errorf("%s %s %s: let in %v, want %v; body %s", as, method, path, got, want, rec.Body)
			}
			if rec.Code >= 500 {
				t.Errorf("%s %s %s: status %d, body %s", as, method, path, rec.Code, rec.Body)
			}
		}
	}
}

func TestWithoutCredentials(t *testing.T) {
	w := newWorld(t)
	for _, rt := range w.guarded() {
		method, path, body := rt.request()
		wantProblem(t, w.do("nobody", method, path, body), http.StatusUnauthorized, "not_signed_in")
	}
}

func TestWriteKeyReadsNothing(t *testing.T) {
	w := newWorld(t)
	for _, rt := range w.guarded() {
		method, path, body := rt.request()
		wantProblem(t, w.do("write@acme", method, path, body), http.StatusForbidden, "write_key")
	}
}

// Whoever belongs to another workspace is told that there is none, and sees
// nothing of it.
func TestTenantsAreApart(t *testing.T) {
	w := newWorld(t)
	for _, rt := range w.guarded() {
		if rt.policy.who != member {
			continue
		}
		method, path, body := rt.request()
		for _, as := range []string{"other", "secret@globex", "operator"} {
			rec := w.do(as, method, path, body)
			wantProblem(t, rec, http.StatusNotFound, "unknown_workspace")
			absent := w.do(as, method, strings.Replace(path, "/acme/", "/absent/", 1), body)
			if rec.Body.String() != absent.Body.String() {
				t.Errorf("%s %s as %s tells whether a workspace exists: %s, %s", method, path, as, rec.Body, absent.Body)
			}
		}
		// In their own workspace, acme's ids lead nowhere.
		rec := w.do("secret@globex", method, strings.Replace(path, "/acme/", "/globex/", 1), body)
		if strings.Contains(rec.Body.String(), canary) {
			t.Errorf("%s %s shows acme's data to globex: %s", method, path, rec.Body)
		}
	}
}

func TestWhereKeysMayStand(t *testing.T) {
	w := newWorld(t)
	secret := strings.TrimPrefix(w.credentials["secret@acme"].Get("Authorization"), "Bearer ")
	session := w.credentials["owner"].Get("Cookie")
	const path = "/api/v1/workspaces/acme/keys"
	basic := func(user string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":")) }
	tests := []struct {
		name, path, authorization, cookie string
		want                              int
	}{
		{"bearer", path, "Bearer " + secret, "", 200},
		{"lower case", path, "bearer " + secret, "", 200},
		{"basic", path, basic(secret), "", 200},
		{"query", path + "?key=" + secret, "", "", 200},
		{"unknown", path, "Bearer sk_made_up", "", 401},
		{"empty", path, "Bearer ", "", 401},
		{"unknown scheme", path, "Digest " + secret, "", 401},
		{"a cookie does not make a wrong key good", path, "Bearer sk_made_up", session, 401},
		{"an unknown scheme hides no cookie", path, "Digest x", session, 401},
		{"cookie", path, "", session, 200},
		{"wrong cookie", path, "", plainCookie + "=made-up", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tt.path, nil)
			r.Header.Set("Authorization", tt.authorization)
			if tt.authorization == "" {
				r.Header.Del("Authorization")
			}
			if tt.cookie != "" {
				r.Header.Set("Cookie", tt.cookie)
			}
			if rec := w.serve(r); rec.Code != tt.want {
				t.Errorf("status %d, want %d; body %s", rec.Code, tt.want, rec.Body)
			}
		})
	}
}

func TestRevokedKeyIsUnknown(t *testing.T) {
	w := newWorld(t)
	key, err := w.parts.Directory.CreateKey(t.Context(), "acme", workspace.SecretKey, "short-lived", nil)
	if err != nil {
		t.Fatal(err)
	}
	w.credentials["short-lived"] = bearer(key.Text)
	if rec := w.do("short-lived", "GET", "/api/v1/workspaces/acme/keys", ""); rec.Code != 200 {
		t.Fatalf("status %d before", rec.Code)
	}
	if rec := w.do("admin", "DELETE", "/api/v1/workspaces/acme/keys/"+string(key.ID), ""); rec.Code != http.StatusNoContent || rec.Body.Len() > 0 {
		t.Fatalf("revoke: status %d, body %s", rec.Code, rec.Body)
	}
	wantProblem(t, w.do("short-lived", "GET", "/api/v1/workspaces/acme/keys", ""), http.StatusUnauthorized, "unknown_key")
}
