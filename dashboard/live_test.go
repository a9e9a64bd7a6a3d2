package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/live"
)

const livePath = "/api/v1/workspaces/acme/live"

// reader is a browser that watches.
type reader struct {
	t        *testing.T
	response *http.Response
	lines    *bufio.Reader
}

func watch(t *testing.T, w *world, as string) *reader {
	t.Helper()
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	t.Cleanup(w.Close) // before the server waits for its connections
	request, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+livePath, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = w.credentials[as].Clone()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	r := &reader{t, response, bufio.NewReader(response.Body)}
	if response.StatusCode != 200 {
		return r
	}
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	if got := r.event(); got != "retry: 1000" {
		t.Errorf("first event %q", got)
	}
	return r
}

// event is the next event's lines, or "" at the end of the stream.
func (r *reader) event() string {
	r.t.Helper()
	var lines []string
	for {
		line, err := r.lines.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		if line == "" || err != nil {
			return strings.Join(lines, "\n")
		}
		lines = append(lines, line)
	}
}

func message(ws weir.WorkspaceID, seq uint64, raw string) live.Message {
	return live.Message{Workspace: ws, Raw: []byte(raw), Outcome: weir.Outcome{
		Position: weir.At(1, seq), ItemID: fmt.Sprint("i", seq), Status: weir.Stored, ReceivedAt: weir.MicrosOf(now), Size: len(raw),
	}}
}

func TestLive(t *testing.T) {
	w := newWorld(t)
	r := watch(t, w, "viewer")
	w.hub.Publish([]live.Message{
		message("globex", 1, `{"whose": "another workspace's"}`),
		message("acme", 2, "{\n\"kind\":\n\"pageview\"}"),
		message("acme", 3, "no\njson \xff"),
	})
	first := r.event()
	data, ok := strings.CutPrefix(first, "event: outcome\ndata: ")
	if !ok || strings.Contains(data, "\n") {
		t.Fatalf("event %q", first)
	}
	var row LiveRow
	if err := json.Unmarshal([]byte(data), &row); err != nil {
		t.Fatal(err)
	}
	if row.Position != "1.2" || row.ItemID != "i2" || string(row.Item) != `{"kind":"pageview"}` {
		t.Errorf("row %s", data)
	}
	if second := r.event(); !strings.Contains(second, `"raw":"no\njson `+"\uFFFD"+`"`) || strings.Contains(second, `"item":`) {
		t.Errorf("event %q", second)
	}
}

func TestLiveEndsWithTheSession(t *testing.T) {
	w := newWorld(t)
	r := watch(t, w, "viewer")
	if rec := w.do("admin", "POST", "/api/v1/sign-out", ""); rec.Code != http.StatusNoContent {
		t.Fatalf("sign out: %d", rec.Code)
	}
	w.hub.Publish([]live.Message{message("acme", 1, "{}")})
	if got := r.event(); !strings.HasPrefix(got, "event: outcome") {
		t.Fatalf("somebody else's sign-out: %q", got)
	}
	w.do("viewer", "POST", "/api/v1/sign-out", "")
	if got := r.event(); got != "" {
		t.Errorf("after the sign-out: %q", got)
	}
}

// Another process may take the right away: the heartbeat looks.
func TestLiveEndsWithTheRight(t *testing.T) {
	for name, take := range map[string]func(*world) error{
		"the session": func(w *world) error {
			_, token, _ := strings.Cut(w.credentials["viewer"].Get("Cookie"), "=")
			return w.parts.Directory.SignOut(t.Context(), token)
		},
		"the role": func(w *world) error {
			return w.parts.Directory.SetRole(t.Context(), "viewer@example.com", "acme", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.heartbeat = time.Millisecond
			r := watch(t, w, "viewer")
			for range 3 {
				if got := r.event(); got != ": ping" {
					t.Fatalf("before: %q", got)
				}
			}
			if err := take(w); err != nil {
				t.Fatal(err)
			}
			for got := r.event(); got != ""; got = r.event() {
				if got != ": ping" {
					t.Fatalf("after: %q", got)
				}
			}
		})
	}
}

func TestLiveEndsWithTheServer(t *testing.T) {
	w := newWorld(t)
	r := watch(t, w, "secret@acme")
	w.Close()
	if got := r.event(); got != "" {
		t.Errorf("after Close: %q", got)
	}
	wantProblem(t, w.do("viewer", "GET", livePath, ""), http.StatusServiceUnavailable, "shutting_down")
	w.Close() // again
}

func TestLiveForMembersOnly(t *testing.T) {
	w := newWorld(t)
	wantProblem(t, w.do("nobody", "GET", livePath, ""), 401, "not_signed_in")
	wantProblem(t, w.do("other", "GET", livePath, ""), 404, "unknown_workspace")
	wantProblem(t, w.do("secret@globex", "GET", livePath, ""), 404, "unknown_workspace")
	wantProblem(t, w.do("write@acme", "GET", livePath, ""), 403, "write_key")
	if rec := w.do("viewer", "HEAD", livePath, ""); rec.Code != 200 || rec.Body.Len() > 0 {
		t.Errorf("HEAD: %d %s", rec.Code, rec.Body)
	}
}

func TestLiveViewsAreLimited(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.StreamsAtOnce = 1 })
	r := watch(t, w, "viewer")
	rec := w.do("admin", "GET", livePath, "")
	wantProblem(t, rec, http.StatusServiceUnavailable, "busy")
	if rec.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.do("viewer", "POST", "/api/v1/sign-out", "")
	r.event() // the end
	// The place is free once the handler has returned.
	w.streams.mu.Lock()
	for len(w.streams.open) > 0 {
		w.streams.mu.Unlock()
		w.streams.mu.Lock()
	}
	w.streams.mu.Unlock()
	if got := watch(t, w, "admin").response.StatusCode; got != 200 {
		t.Errorf("after the first has ended: %d", got)
	}
}

// slowWriter lets one write through for every permit.
type slowWriter struct {
	permits chan struct{}
	written chan string
	header  http.Header
}

func (s *slowWriter) Header() http.Header { return s.header }
func (s *slowWriter) WriteHeader(int)     {}
func (s *slowWriter) Flush()              {}
func (s *slowWriter) Write(b []byte) (int, error) {
	<-s.permits
	s.written <- string(b)
	return len(b), nil
}

// A reader who is too slow loses the oldest, and is told how many.
func TestSlowReaderIsToldWhatItLost(t *testing.T) {
	w := newWorld(t)
	slow := &slowWriter{make(chan struct{}), make(chan string), http.Header{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	var counted float64
	e := &events{w: slow, control: http.NewResponseController(slow), names: w.sourceNames("acme"), lost: func(n float64) { counted += n }}
	go func() { done <- w.follow(ctx, e, "acme", func() error { return nil }) }()
	next := func() string { slow.permits <- struct{}{}; return <-slow.written }
	next() // retry

	const sent = 1000
	for i := range sent {
		w.hub.Publish([]live.Message{message("acme", uint64(i+1), "{}")})
	}
	var got, lost int
	var last string
	for last != "i1000" {
		text := next()
		name, data, _ := strings.Cut(strings.TrimSpace(text), "\ndata: ")
		switch name {
		case "event: lost":
			var l lostRows
			if err := json.Unmarshal([]byte(data), &l); err != nil {
				t.Fatal(err)
			}
			lost += int(l.Count)
		case "event: outcome":
			var row LiveRow
			if err := json.Unmarshal([]byte(data), &row); err != nil {
				t.Fatal(err)
			}
			got++
			last = row.ItemID
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got+lost != sent || lost == 0 || int(counted) != lost {
		t.Errorf("got %d and was told of %d lost (counted %v), of %d sent", got, lost, counted, sent)
	}
}

func TestHeartbeat(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		rec := httptest.NewRecorder()
		var refusal atomic.Value // of error
		e := &events{w: rec, control: http.NewResponseController(rec), names: w.sourceNames("acme"), lost: func(float64) {}}
		done := make(chan error, 1)
		go func() {
			done <- w.follow(t.Context(), e, "acme", func() error { err, _ := refusal.Load().(error); return err })
		}()
		time.Sleep(3*heartbeat + time.Second)
		synctest.Wait()
		if got := strings.Count(rec.Body.String(), ": ping\n\n"); got != 3 {
			t.Errorf("%d pings in 46 s, want 3", got)
		}
		// An error that is not about the reader's right ends nothing.
		refusal.Store(fmt.Errorf("read session: %w", context.DeadlineExceeded))
		time.Sleep(heartbeat)
		synctest.Wait()
		if got := strings.Count(rec.Body.String(), ": ping\n\n"); got != 4 {
			t.Errorf("%d pings, want 4", got)
		}
		// The right was taken away meanwhile, perhaps by another process.
		refusal.Store(fmt.Errorf("check: %w", errNotSignedIn()))
		time.Sleep(heartbeat)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
