package dashboard

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// compress gzips JSON. Event streams are left alone, as a compressor would hold
// them back; the web build brings its own compressed form.
func compress(next http.Handler) (http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(1024),
		gzhttp.EnableZstd(false),
		gzhttp.ContentTypes([]string{jsonType, "application/problem+json", "application/openapi+json"}),
	)
	if err != nil {
		return nil, fmt.Errorf("configure compression: %w", err)
	}
	gzipped := wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, apiPrefix) && !strings.HasSuffix(r.URL.Path, "/live") {
			gzipped.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

const apiPrefix = "/api/"

// sameOrigin refuses writes that a page of another site sends: the browser adds
// the cookie to them. Programs send no origin and pass.
func (s *Server) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(newProblem(http.StatusForbidden, "cross_origin", "This request comes from a page of another site, and was refused."))
	return protection.Handler(next)
}

// The web application loads everything from here. Its component kit sets styles
// at run time, and has a small image inside of its style sheet.
const (
	appPolicy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	apiPolicy = "default-src 'none'; frame-ancestors 'none'"
)

// secureHeaders tells browsers to allow nothing that is not needed.
func (s *Server) secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		// The first-run link carries a token in its query: no other site is told.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if strings.HasPrefix(r.URL.Path, apiPrefix) {
			h.Set("Content-Security-Policy", apiPolicy)
			h.Set("Cache-Control", "no-store")
		} else {
			h.Set("Content-Security-Policy", appPolicy)
		}
		if s.secure(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// secure reports whether the person who asks uses TLS.
func (s *Server) secure(r *http.Request) bool { return s.options.Secure || r.TLS != nil }
