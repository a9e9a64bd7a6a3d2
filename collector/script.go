package collector

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// script is the browser SDK as it is served, compressed once.
type script struct {
	text, gzipped []byte
	etag          string // of text, without the quotes
}

func newScript(text []byte) *script {
	if len(text) == 0 {
		return nil
	}
	var compressed bytes.Buffer
	// Neither call fails: the level exists, and a Buffer takes everything.
	w, _ := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	_, _ = w.Write(text)
	_ = w.Close()
	sum := sha256.Sum256(text)
	return &script{text, compressed.Bytes(), hex.EncodeToString(sum[:12])}
}

// ServeHTTP answers with the script, or with 304 to who has it. The two forms
// have an ETag each, as a strong one stands for the bytes.
func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "The script can only be fetched.", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Cache-Control", "public, max-age=3600, stale-while-revalidate=86400")
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	body, etag := s.text, `"`+s.etag+`"`
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		body, etag = s.gzipped, `"`+s.etag+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if has(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) != "gzip" {
			continue
		}
		q := strings.TrimSpace(params)
		weight, err := strconv.ParseFloat(strings.TrimPrefix(q, "q="), 64)
		return q == "" || err == nil && weight > 0
	}
	return false
}

func has(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}
