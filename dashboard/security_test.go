package dashboard

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/workspace"
)

func TestPagesOfOtherSitesWriteNothing(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name, method, origin, site string
		refused                    bool
	}{
		{"another site", "POST", "https://evil.example", "cross-site", true},
		{"another host of the site", "POST", "https://evil.example.com", "same-site", true},
		{"a browser that only sends the origin", "POST", "https://evil.example", "", true},
		{"a sandboxed page", "POST", "null", "", true},
		{"delete", "DELETE", "https://evil.example", "cross-site", true},
		{"the application", "POST", "http://example.com", "same-origin", false},
		{"the application without TLS", "POST", "http://example.com", "", false},
		{"a program", "POST", "", "", false},
		{"reading is the browser's to guard", "GET", "https://evil.example", "cross-site", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := "/api/v1/workspaces/acme/keys"
			if tt.method == "DELETE" {
				path += "/key_x"
			}
			r := httptest.NewRequest(tt.method, path, strings.NewReader(`{"kind": "write"}`))
			r.Header = w.credentials["admin"].Clone()
			r.Header.Set("Content-Type", jsonType)
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			if tt.site != "" {
				r.Header.Set("Sec-Fetch-Site", tt.site)
			}
			rec := w.serve(r)
			if tt.refused {
				wantProblem(t, rec, http.StatusForbidden, "cross_origin")
			} else if rec.Code >= 400 {
				t.Errorf("status %d, body %s", rec.Code, rec.Body)
			}
			for name := range rec.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("the API has no CORS, but sent %s", name)
				}
			}
		})
	}
}

// A form of another site cannot set this type; a program may send any.
func TestCookiesNeedTheTypeOfJSON(t *testing.T) {
	w := newWorld(t)
	for as, want := range map[string]int{"admin": http.StatusUnsupportedMediaType, "secret@acme": http.StatusCreated} {
		r := httptest.NewRequest("POST", "/api/v1/workspaces/acme/keys", strings.NewReader(`{"kind": "write"}`))
		r.Header = w.credentials[as].Clone()
		r.Header.Set("Content-Type", "text/plain")
		if rec := w.serve(r); rec.Code != want {
			t.Errorf("%s: status %d, want %d; body %s", as, rec.Code, want, rec.Body)
		}
	}
}

func TestCookies(t *testing.T) {
	tests := []struct {
		name    string
		options func(*Options)
		tls     bool
		want    string
	}{
		{"plain", func(*Options) {}, false, "weir_session=ss_*; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax"},
		{"TLS", func(*Options) {}, true, "__Host-weir=ss_*; Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax"},
		{"TLS in front", func(o *Options) { o.Secure = true }, false, "__Host-weir=ss_*; Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.options)
			request := func(method, path, body, cookie string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, path, strings.NewReader(body))
				r.Header.Set("Content-Type", jsonType)
				if cookie != "" {
					r.Header.Set("Cookie", cookie)
				}
				if tt.tls {
					r.TLS = &tls.ConnectionState{}
				}
				return w.serve(r)
			}
			rec := request("POST", "/api/v1/sign-in", `{"email": "viewer@example.com", "password": "`+password+`"}`, "")
			pair, attributes, _ := strings.Cut(rec.Header().Get("Set-Cookie"), ";")
			name, token, _ := strings.Cut(pair, "=")
			if got := name + "=" + token[:3] + "*;" + attributes; got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if rec := request("GET", "/api/v1/me", "", pair); rec.Code != 200 {
				t.Errorf("with the cookie: %d", rec.Code)
			}
			// A cookie that could have come over plain HTTP does not count over TLS.
			if name == secureCookie {
				wantProblem(t, request("GET", "/api/v1/me", "", plainCookie+"="+token), 401, "not_signed_in")
			}
			if got := rec.Header().Get("Strict-Transport-Security") != ""; got != (name == secureCookie) {
				t.Errorf("HSTS sent: %v", got)
			}
			if rec := request("POST", "/api/v1/sign-out", "", pair); rec.Code != 204 {
				t.Errorf("sign out: %d", rec.Code)
			}
			wantProblem(t, request("GET", "/api/v1/me", "", pair), 401, "not_signed_in")
		})
	}
}

func TestSecurityHeaders(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/", "/assets/none.js", "/api/v1/me", "/api/nothing", "/readyz"} {
		h := get(w, path).Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || h.Get("Cross-Origin-Opener-Policy") != "same-origin" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %v", path, h)
		}
		if script := h.Get("Content-Security-Policy"); strings.Contains(script, "unsafe-eval") || strings.Contains(script, "script-src 'self' '") {
			t.Errorf("%s: %s", path, script)
		}
		if api := strings.HasPrefix(path, apiPrefix); api != (h.Get("Cache-Control") == "no-store") && path == "/api/v1/me" {
			t.Errorf("%s: Cache-Control %q", path, h.Get("Cache-Control"))
		}
	}
}

func TestJSONIsCompressed(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		c := w.events.catalogue["acme"]
		c.Events = append(c.Events, eventstore.EventName{Name: fmt.Sprint("event ", i)})
	}
	r := httptest.NewRequest("GET", "/api/v1/workspaces/acme/events/names", nil)
	r.Header = w.credentials["viewer"].Clone()
	r.Header.Set("Accept-Encoding", "gzip")
	if rec := w.serve(r); rec.Header().Get("Content-Encoding") != "gzip" || rec.Code != 200 {
		t.Errorf("status %d, headers %v", rec.Code, rec.Header())
	}
}

func TestFirstRun(t *testing.T) {
	directory := workspace.New(&memoryDocuments{docs: map[[3]string]workspace.Document{}}, nil)
	token, needed, err := directory.FirstRun(t.Context())
	if err != nil || !needed {
		t.Fatal(needed, err)
	}
	server, err := New(Parts{Directory: directory, Events: &memoryEvents{}, State: &memoryView{}, Archive: &memoryArchive{}, Queue: &memoryQueue{}, Hub: live.NewHub()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	w := &world{Server: server, credentials: map[string]http.Header{}}
	if rec := w.do("", "GET", "/api/v1/setup", ""); strings.TrimSpace(rec.Body.String()) != `{"needed":true}` {
		t.Fatalf("before: %s", rec.Body)
	}
	body := `{"token": "` + token + `", "email": "Jo@Example.com", "password": "` + password + `"}`
	if p := wantProblem(t, w.do("", "POST", "/api/v1/setup", strings.Replace(body, password, "short", 1)), 400, "invalid_field"); p.Field != "password" {
		t.Errorf("field %q", p.Field)
	}
	rec := w.do("", "POST", "/api/v1/setup", body)
	if rec.Code != 200 || rec.Header().Get("Set-Cookie") == "" || !strings.Contains(rec.Body.String(), `"email":"jo@example.com"`) {
		t.Fatalf("status %d, body %s", rec.Code, rec.Body)
	}
	wantProblem(t, w.do("", "POST", "/api/v1/setup", body), 403, "wrong_token")
	cookie, _, _ := strings.Cut(rec.Header().Get("Set-Cookie"), ";")
	w.credentials["jo"] = http.Header{"Cookie": {cookie}}
	// There is no workspace yet, so there is no owner of one either.
	if rec := w.do("jo", "POST", "/api/v1/workspaces", `{"id": "acme"}`); rec.Code != 201 {
		t.Fatalf("status %d, body %s", rec.Code, rec.Body)
	}
	if rec := w.do("jo", "GET", "/api/v1/workspaces/acme/keys", ""); rec.Code != 200 {
		t.Errorf("status %d, body %s", rec.Code, rec.Body)
	}
	if rec := w.do("", "GET", "/api/v1/setup", ""); strings.TrimSpace(rec.Body.String()) != `{"needed":false}` {
		t.Errorf("after: %s", rec.Body)
	}
}

func TestGuessesAreLimited(t *testing.T) {
	w := newWorld(t)
	guess := func(email, address string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/api/v1/sign-in", strings.NewReader(`{"email": "`+email+`", "password": "guess"}`))
		r.Header.Set("Content-Type", jsonType)
		r.RemoteAddr = address
		return w.serve(r)
	}
	for range 5 {
		wantProblem(t, guess("viewer@example.com", "192.0.2.1:1"), 401, "wrong_password")
	}
	// One account, from wherever.
	wantProblem(t, guess("viewer@example.com", "192.0.2.2:1"), 429, "too_many_attempts")
	// One address, for whichever account; the ports are not addresses.
	for i := range 15 {
		guess("no address", fmt.Sprint("192.0.2.1:", i+2))
	}
	rec := guess("owner@example.com", "192.0.2.1:99")
	wantProblem(t, rec, 429, "too_many_attempts")
	if rec.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantProblem(t, guess("owner@example.com", "192.0.2.3:99"), 401, "wrong_password")
}

func TestNetworkOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1/32", "192.0.2.1": "192.0.2.1/32", "[::ffff:192.0.2.1]:80": "192.0.2.1/32",
		"[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64", "2001:db8:1:2:ffff::": "2001:db8:1:2::/64", "[fe80::1%eth0]:80": "fe80::/64",
		"made up": "invalid Prefix", "": "invalid Prefix",
	} {
		if got := networkOf(address).String(); got != want {
			t.Errorf("networkOf(%q) = %s, want %s", address, got, want)
		}
	}
}

func TestAttemptsAreForgottenAndBounded(t *testing.T) {
	clock := now
	a := newAttempts(func() time.Time { return clock })
	for range attemptsPerMinute {
		if _, ok := a.allow("192.0.2.1"); !ok {
			t.Fatal("refused too early")
		}
	}
	if wait, ok := a.allow("192.0.2.1"); ok || wait <= 0 || wait > time.Minute {
		t.Errorf("allowed %v, wait %v", ok, wait)
	}
	for i := range attemptsKept + 1000 {
		a.allow(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	if len(a.count) != attemptsKept {
		t.Errorf("%d addresses are kept, want %d", len(a.count), attemptsKept)
	}
	clock = clock.Add(time.Minute)
	if _, ok := a.allow("192.0.2.1"); !ok || len(a.count) != 1 {
		t.Errorf("a minute later: allowed %v, %d kept", ok, len(a.count))
	}
}
