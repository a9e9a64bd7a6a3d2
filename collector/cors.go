package collector

import (
	"net/http"

	"github.com/weirhq/weir/workspace"
)

// preflightAge is how long a browser may remember what it was told about an
// address, in seconds. Browsers cap it at one or two hours.
const preflightAge = "7200"

// openTo lets a page of the request's origin read the answer, whatever the
// answer is: a script that cannot read an error takes it for a broken network
// and sends again for ever. No cookie is ever read here, so any origin may be
// told; the opaque origin "null" is not, as it stands for no page.
func openTo(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
}

// closeTo takes back what openTo said.
func closeTo(w http.ResponseWriter) {
	h := w.Header()
	for _, name := range []string{"Origin", "Credentials", "Methods", "Headers"} {
		h.Del("Access-Control-Allow-" + name)
	}
	h.Del("Access-Control-Expose-Headers")
	h.Del("Access-Control-Max-Age")
}

// allows reports whether the key's list of origins admits the request.
func allows(grant *workspace.Grant, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || grant.Allows(origin)
}

// preflight answers what a browser asks before it sends. Only a key in the
// address is known by then; without one, the request itself will be judged.
func (c *Collector) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Access-Control-Request-Headers")
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		h.Set("Access-Control-Max-Age", preflightAge)
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
		}
	}
	if text := headerKey(r); text != "" {
		if grant, err := c.keys.Authenticate(r.Context(), text); err == nil && !allows(&grant, r) {
			closeTo(w)
		}
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}
