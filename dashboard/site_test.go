package dashboard

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func builtWorld(t *testing.T) *world {
	return newWorld(t, func(o *Options) {
		o.Web = fstest.MapFS{
			"index.html":             {Data: []byte("<!doctype html><title>Weir</title>")},
			"favicon.svg":            {Data: []byte("<svg/>")},
			"assets/index-abc123.js": {Data: []byte("console.log(1);\n" + strings.Repeat("// padding\n", 200))},
			"assets/font.woff2":      {Data: bytes.Repeat([]byte{1, 2, 3}, 1000)},
		}
	})
}

func get(w *world, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return w.serve(r)
}

func TestSite(t *testing.T) {
	w := builtWorld(t)
	tests := []struct{ path, contains, mediaType, cache string }{
		{"/", "<title>Weir", "text/html; charset=utf-8", cacheRevalidate},
		{"/index.html", "<title>Weir", "text/html; charset=utf-8", cacheRevalidate},
		{"/insights/new?x=1", "<title>Weir", "text/html; charset=utf-8", cacheRevalidate},
		{"/welcome?token=abc", "<title>Weir", "text/html; charset=utf-8", cacheRevalidate},
		{"/apiary", "<title>Weir", "text/html; charset=utf-8", cacheRevalidate},
		{"/favicon.svg", "<svg/>", "image/svg+xml", cacheRevalidate},
		{"/assets/index-abc123.js", "console.log", "text/javascript; charset=utf-8", cacheForever},
		{"/assets/font.woff2", "\x01\x02\x03", "font/woff2", cacheForever},
	}
	for _, tt := range tests {
		rec := get(w, tt.path)
		h := rec.Header()
		if rec.Code != 200 || !strings.Contains(rec.Body.String(), tt.contains) || h.Get("Content-Type") != tt.mediaType || h.Get("Cache-Control") != tt.cache || h.Get("ETag") == "" {
			t.Errorf("%s: status %d, headers %v, body %.60s", tt.path, rec.Code, h, rec.Body)
		}
	}
}

func TestPartOfAnOlderBuildIsNotThePage(t *testing.T) {
	rec := get(builtWorld(t), "/assets/index-old.js")
	if rec.Code != http.StatusNotFound || strings.Contains(rec.Body.String(), "<title>") || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, headers %v, body %s", rec.Code, rec.Header(), rec.Body)
	}
}

func TestSiteIsReadOnly(t *testing.T) {
	rec := builtWorld(t).do("nobody", "POST", "/insights", "{}")
	wantProblem(t, rec, http.StatusMethodNotAllowed, "method_not_allowed")
	if rec.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow %q", rec.Header().Get("Allow"))
	}
}

func TestSiteCompressesAndRevalidates(t *testing.T) {
	w := builtWorld(t)
	const path = "/assets/index-abc123.js"
	plain := get(w, path)
	zipped := get(w, path, "Accept-Encoding", "br, gzip;q=0.8")
	if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Header().Get("Vary") != "Accept-Encoding" || plain.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatalf("headers %v, %v", zipped.Header(), plain.Header())
	}
	if zipped.Header().Get("ETag") == plain.Header().Get("ETag") {
		t.Error("two forms with one tag")
	}
	reader, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(reader)
	if err != nil || !bytes.Equal(data, plain.Body.Bytes()) {
		t.Errorf("unzipped %d bytes, want %d; %v", len(data), plain.Body.Len(), err)
	}
	for _, header := range []string{"", "identity", "gzip;q=0"} {
		if rec := get(w, path, "Accept-Encoding", header); rec.Header().Get("Content-Encoding") != "" {
			t.Errorf("Accept-Encoding %q got %v", header, rec.Header())
		}
	}
	tag := zipped.Header().Get("ETag")
	again := get(w, path, "Accept-Encoding", "gzip", "If-None-Match", `"other", W/`+tag)
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != tag {
		t.Errorf("status %d, headers %v", again.Code, again.Header())
	}
	if rec := get(w, "/favicon.svg", "Accept-Encoding", "gzip"); rec.Header().Get("Content-Encoding") != "" {
		t.Error("a file of six bytes is compressed")
	}
	if rec := w.do("nobody", "HEAD", "/", ""); rec.Code != 200 || rec.Body.Len() > 0 || rec.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: status %d, headers %v", rec.Code, rec.Header())
	}
}

func TestWithoutBuildThePageSaysWhatToDo(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Web = fstest.MapFS{} })
	if rec := get(w, "/"); rec.Code != 200 || !strings.Contains(rec.Body.String(), "make web") {
		t.Errorf("status %d, body %s", rec.Code, rec.Body)
	}
}

// The embedded build is whatever was built before this binary, if anything.
func TestEmbeddedBuild(t *testing.T) {
	if rec := get(newWorld(t), "/"); rec.Code != 200 || !strings.Contains(rec.Body.String(), "Weir") {
		t.Errorf("status %d, body %s", rec.Code, rec.Body)
	}
}
