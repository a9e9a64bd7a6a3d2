package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// gate stands between an import and the server. While it is shut it lets requests
// through and keeps the answers back: what is stored then is not acknowledged.
type gate struct {
	*httptest.Server

	mu    sync.Mutex
	open  int // answers that still go through; -1 = all
	full  chan struct{}
	items int // that were sent
}

func newGate(t *testing.T, to string) *gate {
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the import was killed
		}
		var request struct{ Items []json.RawMessage }
		if err := json.Unmarshal(body, &request); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		kept := httptest.NewRecorder()
		proxy.ServeHTTP(kept, r)
		if !g.passes(len(request.Items)) {
			<-r.Context().Done()
			return
		}
		for name, values := range kept.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(kept.Code)
		w.Write(kept.Body.Bytes())
	}))
	t.Cleanup(g.Close)
	return g
}

// shutAfter lets some answers through; the channel is closed when one more waits.
func (g *gate) shutAfter(answers int) (full chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.full, g.items = answers, make(chan struct{}), 0
	return g.full
}

func (g *gate) passes(items int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.items += items
	switch {
	case g.open < 0:
		return true
	case g.open == 0:
		if g.full != nil {
			close(g.full)
			g.full = nil
		}
		return false
	}
	g.open--
	return true
}

func (g *gate) sent() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.items
}

// An import that is stopped, and then killed, each time with requests stored
// that were not acknowledged, goes on where it was; in the end every line is
// stored exactly once.
func TestImportGoesOnAndStoresEachLineOnce(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.start()
	g := newGate(t, s.url)
	const each, files = 8000, 3
	folder := t.TempDir()
	for file := range files {
		exportSegment(t, filepath.Join(folder, fmt.Sprintf("part-%d.json.gz", file)), file*each, each)
	}
	args := []string{"import", "--url", g.URL, "--key", testSecretKey, folder}

	full := g.shutAfter(10)
	interrupted := startProgram(t, args...)
	<-full
	interrupted.Process.Signal(syscall.SIGTERM)
	if err := interrupted.Wait(); err == nil || !strings.Contains(interrupted.text(), "run the same command again") {
		t.Fatalf("interrupted: %v, %s", err, interrupted.text())
	}

	full = g.shutAfter(10)
	killed := startProgram(t, args...)
	<-full
	killed.Process.Kill()
	killed.Wait()
	if !strings.Contains(killed.text(), "were imported before; going on from there") {
		t.Errorf("the second run began anew: %s", killed.text())
	}

	g.shutAfter(-1)
	out, code := runProgram(t, nil, args...)
	if code != exitOK || !strings.Contains(out, fmt.Sprintf("%d items of %d lines are imported", each*files, each*files)) {
		t.Fatalf("code %d, %s", code, out)
	}
	if n := g.sent(); n >= each*files {
		t.Errorf("the last run sent %d items: it began anew", n)
	}
	imported(t, s, each*files)

	g.shutAfter(-1)
	if out, code := runProgram(t, nil, args...); code != exitOK || g.sent() != 0 {
		t.Errorf("once more: code %d, %d items sent, %s", code, g.sent(), out)
	}
	if out, code := runProgram(t, nil, append(args, "--restart")...); code != exitOK || g.sent() != each*files {
		t.Errorf("begun anew: code %d, %d items sent, %s", code, g.sent(), out)
	}
	imported(t, s, each*files)
}

func exportSegment(t *testing.T, path string, from, count int) {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for n := from; n < from+count; n++ {
		fmt.Fprintf(z, `{"type":"track","event":"Imported","messageId":"m-%d","anonymousId":"a-%d","timestamp":"2024-09-10T20:%02d:%02d.000Z","properties":{"n":%d}}`+"\n", n, n%500, n/60%60, n%60, n)
	}
	if err := errors.Join(z.Close(), os.WriteFile(path, out.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// imported waits until everything is processed and checks that so many events are
// stored, each once, at the times that they had.
func imported(t *testing.T, s *serverProcess, want int) {
	t.Helper()
	s.settled(time.Minute)
	logged, err := s.logged("custom_event")
	if err != nil {
		t.Fatal(err)
	}
	for id, rows := range logged {
		if countOf(rows, "stored") != 1 {
			t.Fatalf("%s: %v", id, rows)
		}
	}
	var answer struct{ Series []struct{ Values []int } }
	question := `{"kind":"trends","from":"2024-09-10","to":"2024-09-10","interval":"day","timezone":"UTC","series":[{"name":"A","event":"Imported","measure":"total"}]}`
	if _, err := s.call("POST", "/api/v1/workspaces/"+testWorkspace+"/query", question, &answer); err != nil {
		t.Fatal(err)
	}
	if len(logged) != want || len(answer.Series) != 1 || len(answer.Series[0].Values) != 1 || answer.Series[0].Values[0] != want {
		t.Errorf("%d lines are stored and counted as %+v; want %d", len(logged), answer.Series, want)
	}
}

type startedProgram struct {
	*exec.Cmd
	log *output
}

func startProgram(t *testing.T, args ...string) startedProgram {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := startedProgram{exec.Command(self, args...), &output{}}
	p.Env = append(os.Environ(), asWeir+"=1")
	p.Stdout, p.Stderr = p.log, p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	return p
}

func (p startedProgram) text() string {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.log.text.String()
}

// Rejected lines are counted and kept with the reason, whoever rejects them, and
// cost no other line anything.
func TestImportKeepsRejectedLines(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.start()
	folder := t.TempDir()
	path := filepath.Join(folder, "events.jsonl")
	text := `{"event":"Imported","properties":{"time":1726000001,"distinct_id":"u1","$insert_id":"1"}}
not json
{"event":"Imported","properties":{"time":1726000002,"distinct_id":"u1","$insert_id":"2"}}
{"event":"Imported","properties":{"time":1726000003,"distinct_id":"u1","$insert_id":"` + strings.Repeat("3", 600) + `"}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"import", "--url", s.url, "--key", testSecretKey, path}
	for range 2 { // a second run finds everything done
		out, code := runProgram(t, nil, args...)
		if code != exitOK || !strings.Contains(out, "2 items of 4 lines are imported") || !strings.Contains(out, "2 lines were rejected") {
			t.Fatalf("code %d, %s", code, out)
		}
	}
	found, err := filepath.Glob(filepath.Join(folder, ".weir-import-*.rejected.jsonl"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	kept, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for line := range strings.Lines(string(kept)) {
		var r struct {
			Source, Code, Field, Line string
			Offset                    int
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Source != path || !strings.HasPrefix(text[r.Offset:], r.Line) || r.Line == "" {
			t.Errorf("%+v", r)
		}
		reasons = append(reasons, r.Code+" "+r.Field)
	}
	if got := strings.Join(reasons, ", "); got != "invalid_json , invalid_field custom_event.external_id" {
		t.Error(got)
	}
}

func TestImportReadsTheStandardInput(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.start()
	p := exec.Command(os.Args[0], "import", "--url", s.url, "--key", testSecretKey, "-")
	p.Env = append(os.Environ(), asWeir+"=1")
	p.Dir = t.TempDir()
	p.Stdin = strings.NewReader(`{"event_type":"Imported","uuid":"1","user_id":"ann","device_id":"d1","event_time":"2024-09-10 20:26:41.020000"}`)
	out, err := p.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "2 items of 1 lines are imported") {
		t.Fatalf("%v, %s", err, out)
	}
	if left, err := os.ReadDir(p.Dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	imported(t, s, 1)
}

// answers plays a server that answers what it is told to.
type answers struct {
	mu   sync.Mutex
	list []func(w http.ResponseWriter, items int)
	got  []int // items of each request
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct{ Items []json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = append(a.got, len(request.Items))
	answer := a.list[min(len(a.got), len(a.list))-1]
	answer(w, len(request.Items))
}

func says(status int, body string) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, _ int) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func takesUpTo(limit int) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, items int) {
		if items > limit {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		fmt.Fprintf(w, `{"accepted":%d,"rejected":[{"index":0,"code":"bad","message":"No."}]}`, items-1)
	}
}

func TestImportSender(t *testing.T) {
	all := func(w http.ResponseWriter, items int) { fmt.Fprintf(w, `{"accepted":%d,"rejected":[]}`, items) }
	items := [][]byte{[]byte(`{}`), []byte(`{}`), []byte(`{}`)}
	for name, c := range map[string]struct {
		list     []func(http.ResponseWriter, int)
		requests string
		rejected string
		fails    string
	}{
		"tries again after 503":            {list: []func(http.ResponseWriter, int){says(503, `{"message":"Full."}`), all}, requests: "[3 3]"},
		"tries again after 500":            {list: []func(http.ResponseWriter, int){says(500, ``), all}, requests: "[3 3]"},
		"halves what is too large":         {list: []func(http.ResponseWriter, int){takesUpTo(1)}, requests: "[3 1 2 1 1]", rejected: "[0 1 2]"},
		"gives an item that is too large":  {list: []func(http.ResponseWriter, int){takesUpTo(0)}, requests: "[3 1 2 1 1]", rejected: "[0 1 2]"},
		"stops at a key that is not taken": {list: []func(http.ResponseWriter, int){says(401, `{"message":"Unknown key."}`)}, requests: "[3]", fails: "does not take the key: Unknown key; give"},
		"stops at what is not Weir":        {list: []func(http.ResponseWriter, int){says(200, `<html>`)}, requests: "[3]", fails: "is it Weir?"},
		"stops at numbers that are wrong":  {list: []func(http.ResponseWriter, int){says(200, `{"accepted":2}`)}, requests: "[3]", fails: "is it Weir?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &answers{list: c.list}
			server := httptest.NewServer(a)
			defer server.Close()
			sender := importSender{url: server.URL, client: server.Client()}
			verdicts, err := sender.send(t.Context(), items)
			if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%v; want %q", err, c.fails)
			}
			var rejected []int
			for _, v := range verdicts {
				rejected = append(rejected, v.Index)
			}
			if got := fmt.Sprint(a.got); got != c.requests {
				t.Errorf("requests %s, want %s", got, c.requests)
			}
			if got := fmt.Sprint(rejected); got != c.rejected && len(rejected) > 0 || len(rejected) == 0 && c.rejected != "" {
				t.Errorf("rejected %s, want %s", got, c.rejected)
			}
		})
	}
}

func TestImportWaitsNoLongerThanItsContext(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	sender := importSender{url: server.URL, client: server.Client()}
	if _, err := sender.send(ctx, [][]byte{[]byte(`{}`)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
