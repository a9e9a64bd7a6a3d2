package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

const (
	askPath = "/api/v1/workspaces/acme/query"
	trend   = `{"kind": "trends", "from": "2026-10-02", "to": "2026-10-02", "series": [{"event": "Purchase"}]}`
)

func TestQuestionsCountInTheWorkspacesZone(t *testing.T) {
	w := newWorld(t)
	var asked *query.Plan
	w.events.ask = func(_ context.Context, ws weir.WorkspaceID, plan *query.Plan) (*query.Answer, error) {
		if ws != "acme" {
			t.Errorf("asked of %q", ws)
		}
		asked = plan
		return &query.Answer{}, nil
	}
	w.do("viewer", "POST", askPath, trend)
	paris := weir.MicrosOf(time.Date(2026, 10, 1, 22, 0, 0, 0, time.UTC))
	if got := asked.Trends.Buckets.Edges[0]; got != paris {
		t.Errorf("the day begins at %v, want %v", got, paris)
	}
	w.do("viewer", "GET", "/api/v1/workspaces/acme/usage", "")
	if got := asked.Trends.Buckets.Edges; got[0] != paris || got[1] != paris+86_400_000_000 {
		t.Errorf("today is %v, want it to begin at %v", got, paris)
	}
}

func TestQuestionsAreLimited(t *testing.T) {
	w := newWorld(t)
	w.queries.patience = 0
	started, release, done := make(chan struct{}), make(chan struct{}), make(chan int)
	w.events.ask = func(context.Context, weir.WorkspaceID, *query.Plan) (*query.Answer, error) {
		started <- struct{}{}
		<-release
		return &query.Answer{}, nil
	}
	ask := func(as, ws string) {
		done <- w.do(as, "POST", "/api/v1/workspaces/"+ws+"/query", trend).Code
	}
	for range 4 {
		go ask("viewer", "acme")
		<-started
	}
	rec := w.do("viewer", "POST", askPath, trend)
	wantProblem(t, rec, http.StatusServiceUnavailable, "busy")
	if rec.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", rec.Header().Get("Retry-After"))
	}
	wantProblem(t, w.do("viewer", "GET", "/api/v1/workspaces/acme/users?search=x", ""), http.StatusServiceUnavailable, "busy")
	go ask("other", "globex") // another workspace is not held up
	<-started
	close(release)
	for range 5 {
		if code := <-done; code != 200 {
			t.Errorf("status %d", code)
		}
	}
	if len(w.queries.rooms) != 0 {
		t.Errorf("left behind: %v", w.queries.rooms)
	}
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, time.Second)
		leave, ok := g.enter(t.Context(), "acme")
		if !ok {
			t.Fatal("refused an empty room")
		}
		start := time.Now()
		if _, ok := g.enter(t.Context(), "acme"); ok || time.Since(start) != time.Second {
			t.Errorf("let in %v after %v, want a refusal after a second", ok, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, ok := g.enter(ctx, "acme"); ok {
			t.Error("let in who is gone")
		}

		results := make(chan bool)
		for range crowd {
			go func() {
				leave, ok := g.enter(t.Context(), "acme")
				results <- ok
				if ok {
					leave()
				}
			}()
		}
		synctest.Wait()
		start = time.Now()
		if _, ok := g.enter(t.Context(), "acme"); ok || time.Since(start) != 0 {
			t.Errorf("let in %v after %v, want a refusal at once: too many wait", ok, time.Since(start))
		}
		leave()
		for range crowd { // one after the other
			if !<-results {
				t.Error("who waited was refused although there was room")
			}
		}
		synctest.Wait()
		if len(g.rooms) != 0 {
			t.Errorf("left behind: %v", g.rooms)
		}
	})
}

func TestQuestionsEndInTime(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.QueryTimeout = time.Millisecond })
	w.events.ask = func(ctx context.Context, _ weir.WorkspaceID, _ *query.Plan) (*query.Answer, error) {
		<-ctx.Done()
		return nil, errors.New("interrupted") // engines have their own words
	}
	wantProblem(t, w.do("viewer", "POST", askPath, trend), http.StatusGatewayTimeout, "question_timeout")
}

func TestQuestionsEndWithTheClient(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.events.ask = func(ctx context.Context, _ weir.WorkspaceID, _ *query.Plan) (*query.Answer, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r := httptest.NewRequestWithContext(ctx, "POST", askPath, strings.NewReader(trend))
	r.Header = w.credentials["viewer"].Clone()
	if rec := w.serve(r); rec.Code != statusClientGone {
		t.Errorf("status %d", rec.Code)
	}
	if w.log.Len() > 0 {
		t.Errorf("a client who leaves is no fault: %s", w.log)
	}
}

func TestFaultsAreLoggedAndNotShown(t *testing.T) {
	w := newWorld(t)
	w.events.ask = func(context.Context, weir.WorkspaceID, *query.Plan) (*query.Answer, error) {
		return nil, errors.New("password of the database is hunter2")
	}
	rec := w.do("viewer", "POST", askPath, trend)
	wantProblem(t, rec, http.StatusInternalServerError, "internal")
	if strings.Contains(rec.Body.String(), "hunter2") {
		t.Errorf("shown: %s", rec.Body)
	}
	if strings.Count(w.log.String(), "hunter2") != 1 {
		t.Errorf("log: %s", w.log)
	}

	w.log.Reset()
	w.events.ask = func(context.Context, weir.WorkspaceID, *query.Plan) (*query.Answer, error) { panic("hunter2") }
	rec = w.do("viewer", "POST", askPath, trend)
	wantProblem(t, rec, http.StatusInternalServerError, "internal")
	if strings.Contains(rec.Body.String(), "hunter2") || !strings.Contains(w.log.String(), "hunter2") {
		t.Errorf("shown: %s, log: %s", rec.Body, w.log)
	}
	if len(w.queries.rooms) != 0 {
		t.Errorf("a fault holds a place: %v", w.queries.rooms)
	}
}

func TestTooLargeQuestion(t *testing.T) {
	w := newWorld(t)
	wantProblem(t, w.do("viewer", "POST", askPath, strings.Repeat(" ", query.MaxQuestion+10)), http.StatusRequestEntityTooLarge, "too_large")
}
