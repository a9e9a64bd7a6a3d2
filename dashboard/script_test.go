package dashboard

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestScripts plays the requests of testdata/*.txtar and compares the answers.
//
// A script is pairs of files "request" and "response". A request is its first
// line, headers, an empty line and the body. The header "As" says whose
// credentials are sent (see world.credentials); "Keep: name" keeps the cookie of
// the answer as the credentials of that name. In a response, what is made at
// random is replaced by its kind.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	script, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	var out []txtar.File
	for i, f := range script.Files {
		if f.Name != "request" {
			continue
		}
		got := w.play(t, f.Data)
		out = append(out, f, txtar.File{Name: "response", Data: got})
		if *update {
			continue
		}
		if i+1 >= len(script.Files) || script.Files[i+1].Name != "response" {
			t.Fatalf("request without a response:\n%s", f.Data)
		}
		if want := script.Files[i+1].Data; !bytes.Equal(got, want) {
			t.Errorf("request:\n%s\ngot:\n%s\nwant:\n%s", f.Data, got, want)
		}
	}
	if *update {
		script.Files = out
		if err := os.WriteFile(file, txtar.Format(script), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// play sends one request and writes down the answer.
func (w *world) play(t *testing.T, request []byte) []byte {
	t.Helper()
	reader := bufio.NewReader(bytes.NewReader(request))
	line, _ := reader.ReadString('\n')
	method, path, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok {
		t.Fatalf("first line of a request: %q", line)
	}
	header := http.Header{}
	for {
		line, err := reader.ReadString('\n')
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			break
		}
		header.Set(name, value)
		if err != nil {
			break
		}
	}
	body, _ := io.ReadAll(reader)
	r := httptest.NewRequest(method, path, bytes.NewReader(bytes.TrimSpace(body)))
	if len(body) > 0 {
		r.Header.Set("Content-Type", jsonType)
	}
	as, keep := header.Get("As"), header.Get("Keep")
	header.Del("As")
	header.Del("Keep")
	for _, from := range []http.Header{w.credentials[as], header} {
		for name, values := range from {
			r.Header[name] = values
		}
	}
	rec := w.serve(r)
	if keep != "" {
		for _, c := range rec.Result().Cookies() {
			w.credentials[keep] = http.Header{"Cookie": {c.Name + "=" + c.Value}}
		}
	}
	return describeAnswer(rec)
}

// shown are the headers that a script looks at.
var shown = []string{"Content-Type", "Set-Cookie", "Retry-After", "Allow", "WWW-Authenticate", "Cache-Control"}

var random = []struct {
	pattern *regexp.Regexp
	kind    string
}{
	{regexp.MustCompile(`ss_[0-9A-Za-z]{43}`), "SESSION"},
	{regexp.MustCompile(`key_[0-9A-Za-z]{12}`), "KEY-ID"},
	{regexp.MustCompile(`wk_[0-9A-Za-z]{24}`), "WRITE-KEY"},
	{regexp.MustCompile(`sk_[0-9A-Za-z]{49}`), "SECRET-KEY"},
	{regexp.MustCompile(`\.[0-9]{1,6}Z`), "Z"},
	{regexp.MustCompile(`(wk|sk)_…[0-9A-Za-z]{4}`), "HINT"},
}

func describeAnswer(rec *httptest.ResponseRecorder) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%d %s\n", rec.Code, http.StatusText(rec.Code))
	for _, name := range shown {
		for _, value := range rec.Header().Values(name) {
			fmt.Fprintf(&out, "%s: %s\n", name, value)
		}
	}
	if rec.Body.Len() > 0 {
		out.WriteString("\n")
		if json.Indent(&out, bytes.TrimSpace(rec.Body.Bytes()), "", "  ") != nil {
			out.Write(bytes.TrimSpace(rec.Body.Bytes()))
		}
		out.WriteString("\n")
	}
	text := out.String()
	for _, r := range random {
		text = r.pattern.ReplaceAllString(text, r.kind)
	}
	return []byte(text)
}

func TestOpenAPIDocument(t *testing.T) {
	w := newWorld(t)
	rec := w.do("nobody", "GET", "/api/openapi.json", "")
	if got := rec.Header().Get("Content-Type"); rec.Code != 200 || got != "application/openapi+json" {
		t.Fatalf("status %d, content type %q", rec.Code, got)
	}
	const file = "testdata/openapi.json"
	got := append(rec.Body.Bytes(), '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the document has changed; look at the difference after running the test with -update")
	}
}
