package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/workspace"
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

func TestQuestionsUseTheSettingsOfConversions(t *testing.T) {
	w := newWorld(t)
	_, err := w.parts.Directory.ChangeSettings(t.Context(), "acme", func(s *workspace.Settings) error {
		s.Attribution = workspace.Attribution{LookbackDays: 12, HalfLifeDays: 3, AfterPrevious: true}
		s.Goals = []order.Goal{{Event: "signup", ValueProperty: "worth"}}
		s.Rates = []order.Rate{{Currency: "GBP", Rate: "1.25"}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var asked *query.Attribution
	w.events.ask = func(_ context.Context, _ weir.WorkspaceID, plan *query.Plan) (*query.Answer, error) {
		asked = plan.Attribution
		return &query.Answer{}, nil
	}
	w.do("viewer", "POST", askPath, `{"kind": "attribution", "conversion": {"event": "signup"}}`)
	const day = 24 * 3600 * 1_000_000
	if asked == nil || asked.Lookback != 12*day || asked.HalfLife != 3*day || !asked.AfterPrevious || asked.Goal.ValueProperty != "worth" || asked.Rates == nil {
		t.Errorf("asked %+v", asked)
	}
}

// What an engine says of a question is the user's to read, with a status that says
// what to do.
func TestEnginesRefuseQuestions(t *testing.T) {
	for _, c := range []struct {
		fault  weir.Error
		status int
	}{
		{weir.Error{Code: query.CodeTooLarge, Field: "breakdowns", Message: "The question needs too much memory."}, http.StatusUnprocessableEntity},
		{weir.Error{Code: query.CodeInvalid, Field: "sql", Message: "The statement cannot be run: there is no table x."}, http.StatusBadRequest},
	} {
		w := newWorld(t)
		w.events.ask = func(context.Context, weir.WorkspaceID, *query.Plan) (*query.Answer, error) {
			return nil, fmt.Errorf("ask: %w", &c.fault)
		}
		rec := w.do("viewer", "POST", askPath, trend)
		wantProblem(t, rec, c.status, c.fault.Code)
		var p Problem
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Field != c.fault.Field || p.Detail != c.fault.Message {
			t.Errorf("%v, and the problem is %+v, want field %q, detail %q", err, p, c.fault.Field, c.fault.Message)
		}
		if w.log.Len() > 0 {
			t.Errorf("logged: %s", w.log)
		}
	}
}

// The document has the kinds and fields that the parser has.
func TestQuestionsAreDescribedAsTheyAreRead(t *testing.T) {
	env := query.Env{Now: now}
	refused := func(question, before string) string {
		_, fault := query.Parse([]byte(question), env)
		if fault == nil {
			t.Fatalf("%s is no error", question)
		}
		_, words, ok := strings.Cut(fault.Message, before)
		if !ok {
			t.Fatalf("%s: %s", question, fault.Message)
		}
		words, _, _ = strings.Cut(words, ";")
		return strings.TrimSuffix(words, ".")
	}
	var kinds []string
	for _, q := range questionSchemas() {
		kinds = append(kinds, q.kind)
		read := strings.Split(refused(`{"kind": "`+q.kind+`", "unheard of": 1}`, "the fields are "), ", ")
		slices.Sort(read)
		if described := slices.Sorted(maps.Keys(q.schema.Properties)); !slices.Equal(described, read) {
			t.Errorf("%s is described with %v, and read with %v", q.kind, described, read)
		}
	}
	read := strings.Split(refused(`{"kind": "unheard of"}`, "one of "), ", ")
	slices.Sort(read)
	slices.Sort(kinds)
	if !slices.Equal(kinds, read) {
		t.Errorf("the kinds %v are described, and %v are read", kinds, read)
	}
}
