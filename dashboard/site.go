package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// static holds the web build in static/dist, if there was one when the binary
// was built.
//
//go:embed all:static
var static embed.FS

// site serves the web build: a single-page application, which routes on the
// client's side.
type site struct {
	files map[string]*asset // by path, without the leading slash
	index *asset
}

// asset is a file with all that is needed to answer for it.
type asset struct {
	data      []byte
	mediaType string
	etag      string
	cache     string
	gzipped   func() []byte // nil if compression does not pay
}

// hashed is the folder in which the names of files change with their content.
const hashed = "assets/"

const (
	cacheForever    = "public, max-age=31536000, immutable"
	cacheRevalidate = "no-cache" // keep, and ask whether it is still the same
)

// newSite reads the build. Without an index.html it answers with a page that
// says how to make one.
func newSite(build fs.FS) (*site, error) {
	if build == nil {
		sub, err := fs.Sub(static, "static/dist")
		if err != nil {
			return nil, fmt.Errorf("open web build: %w", err)
		}
		build = sub
	}
	s := &site{files: map[string]*asset{}}
	err := fs.WalkDir(build, ".", func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == "." {
			return nil // nothing was built
		}
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(build, name)
		if err != nil {
			return err
		}
		s.files[name] = newAsset(name, data)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read web build: %w", err)
	}
	s.index = s.files["index.html"]
	if s.index == nil {
		s.index = newAsset("index.html", []byte(notBuilt))
	}
	return s, nil
}

func newAsset(name string, data []byte) *asset {
	sum := sha256.Sum256(data)
	a := &asset{
		data:      data,
		mediaType: mediaType(name),
		etag:      `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		cache:     cacheRevalidate,
	}
	if strings.HasPrefix(name, hashed) {
		a.cache = cacheForever
	}
	if len(data) >= 1024 && compressible(a.mediaType) {
		// At the first request, so that start-up does not wait for it.
		a.gzipped = sync.OnceValue(func() []byte { return deflate(data) })
	}
	return a
}

// mediaType does not rely on the machine's table for what a build contains.
func mediaType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map", ".webmanifest":
		return jsonType
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".txt", ".md":
		return "text/plain; charset=utf-8"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}

func compressible(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/") || mediaType == jsonType || mediaType == "image/svg+xml"
}

// deflate is the gzip form, or nil if it is not smaller.
func deflate(data []byte) []byte {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := w.Write(data); err != nil {
		return nil
	}
	if w.Close() != nil || buf.Len() >= len(data) {
		return nil
	}
	return bytes.Clone(buf.Bytes())
}

// ServeHTTP answers with the file at the path; any other path is a page of the
// application.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		errMethod(http.MethodGet, http.MethodHead).ServeHTTP(w, r)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if a := s.files[name]; a != nil {
		a.ServeHTTP(w, r)
		return
	}
	if strings.HasPrefix(name, hashed) {
		// A page of an older build asks for a part that is gone. The application
		// must not be taken for it.
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "This file is not part of the present build. Reload the page.", http.StatusNotFound)
		return
	}
	s.index.ServeHTTP(w, r)
}

func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, etag := a.data, a.etag
	if a.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			if z := a.gzipped(); z != nil {
				// Another form, another tag: the two must not be mixed in a cache.
				body, etag = z, strings.TrimSuffix(a.etag, `"`)+`-gz"`
				h.Set("Content-Encoding", "gzip")
			}
		}
	}
	h.Set("ETag", etag)
	h.Set("Cache-Control", a.cache)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone
	}
}

// acceptsGzip reads Accept-Encoding as far as browsers use it: a q of 0 refuses.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name != "gzip" && name != "*" {
			continue
		}
		q, weighted := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !weighted || err == nil && weight > 0
	}
	return false
}

// matches compares weakly, as If-None-Match asks.
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == etag || part == "*" {
			return true
		}
	}
	return false
}

const notBuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Weir</title>
<h1>Weir is running</h1>
<p>This binary was built without the web application. Run <code>make web</code>, then build it again.
<p>The collector and the <a href="/api/openapi.json">API</a> work.
</html>
`
