package collector_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/workspace"
)

// processed is a hub whose worker publishes at once what becomes of the first
// items of each request.
type processed struct {
	*live.Hub
	outcomes []weir.Outcome
}

func (p processed) Await(ws weir.WorkspaceID, receipt string, n int) *live.Waiter {
	w := p.Hub.Await(ws, receipt, n)
	for i, o := range p.outcomes {
		o.Receipt, o.Position = receipt, weir.At(0, uint64(i+1))
		p.Publish([]live.Message{{Outcome: o}})
	}
	return w
}

func TestWaitingForOutcomes(t *testing.T) {
	hub := processed{live.NewHub(), []weir.Outcome{
		{Index: 1, Kind: weir.KindCustomEvent, Status: weir.Duplicate},
		{Index: 0, Kind: weir.KindCustomEvent, Status: weir.Stored},
	}}
	c, _ := setup(t, &collector.Options{Outcomes: hub, Wait: time.Minute})
	w := post(c, "/v1/items?wait=1", "wk_web", envelope(event("1", "u"), event("1", "u")))
	got := read(t, w)
	if w.Code != http.StatusOK || len(got.Outcomes) != 2 || got.Outcomes[0].Status != "stored" || got.Outcomes[1].Status != "duplicate" || got.Pending == nil || *got.Pending != 0 {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	w = post(c, "/v1/items?wait=1", "wk_web", envelope())
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"outcomes":[],"pending":0`) {
		t.Errorf("no items: answer %d %s", w.Code, w.Body)
	}
}

func TestWaitingInVain(t *testing.T) {
	hub := processed{live.NewHub(), []weir.Outcome{{Status: weir.Stored}}}
	c, q := setup(t, &collector.Options{Outcomes: hub, Wait: time.Millisecond})
	w := post(c, "/v1/items?wait=1", "wk_web", envelope(event("1", "u"), event("2", "u")))
	got := read(t, w)
	if w.Code != http.StatusOK || len(got.Outcomes) != 1 || *got.Pending != 1 || len(q.records()) != 2 {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}

func TestNotReady(t *testing.T) {
	var problem error
	c, q := setup(t, &collector.Options{Ready: func() error { return problem }})
	problem = errors.New("the disk has 900 MB left")
	w := post(c, "/v1/items", "wk_web", envelope(event("1", "u")))
	if got := read(t, w); w.Code != 503 || got.Error != "not_ready" || w.Header().Get("Retry-After") == "" || len(q.records()) > 0 {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	problem = nil
	if w := post(c, "/v1/items", "wk_web", envelope(event("1", "u"))); w.Code != http.StatusOK {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}

func TestRateOfAKey(t *testing.T) {
	now := noon
	c, q := setup(t, &collector.Options{Rate: 10, Burst: 20, Now: func() time.Time { return now }})
	send := func(key string, n int) (int, string) {
		items := make([]string, n)
		for i := range items {
			items[i] = event(fmt.Sprint(i), "u")
		}
		w := post(c, "/v1/items", key, envelope(items...))
		return w.Code, w.Header().Get("Retry-After")
	}
	for i, step := range []struct {
		passed time.Duration
		key    string
		items  int
		status int
		retry  string
	}{
		{0, "wk_web", 20, 200, ""},                     // the burst
		{0, "wk_web", 1, 429, "1"},                     //
		{0, "wk_web", 15, 429, "2"},                    // 1.5 s, rounded up
		{0, "sk_server", 20, 200, ""},                  // another key
		{time.Second, "wk_web", 10, 200, ""},           //
		{0, "wk_web", 1, 429, "1"},                     //
		{time.Minute, "wk_web", 50, 200, ""},           // more than the burst passes a full bucket,
		{2 * time.Second, "wk_web", 1, 429, "2"},       // which is in debt then
		{time.Second, "wk_web", 0, 200, ""},            // nothing is not too much: the debt is paid
		{100 * time.Millisecond, "wk_web", 1, 200, ""}, //
	} {
		now = now.Add(step.passed)
		if status, retry := send(step.key, step.items); status != step.status || retry != step.retry {
			t.Errorf("step %d: answer %d, Retry-After %q", i, status, retry)
		}
	}
	if n := len(q.records()); n != 20+20+10+50+1 {
		t.Errorf("%d records stored", n)
	}
}

func TestWorkspaceMayAllowOrders(t *testing.T) {
	c, q := setup(t, &collector.Options{Allow: func(g *workspace.Grant, kind weir.Kind) bool {
		return g.Key == "web" && kind == weir.KindOrder
	}})
	order := `{"kind":"order","order":{"external_id":"o","created_at":"2026-11-21T11:59:59Z"},"user":{"external_id":"u"}}`
	got := read(t, post(c, "/v1/items", "wk_web", envelope(order, event("1", "u"))))
	if got.Accepted != 1 || len(got.Rejected) != 1 || got.Rejected[0].Index != 1 || len(q.records()) != 2 {
		t.Errorf("answer %+v", got)
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	c, _ := setup(t, &collector.Options{Registerer: registry})
	post(c, "/v1/items", "wk_web", envelope(event("1", "u"), `{}`))
	post(c, "/v1/items", "wk_web", []byte("{"))
	post(c, "/v1/items", "wk_nobody", nil)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
		if f.GetName() == "weir_collector_memory_bytes" && f.GetMetric()[0].GetGauge().GetValue() != 0 {
			t.Errorf("requests that are over hold %v bytes", f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	want := map[string]int{
		"weir_collector_requests_total": 3, "weir_collector_items_total": 2, "weir_collector_bytes_total": 2,
		"weir_collector_group_items": 1, "weir_collector_append_seconds": 2, "weir_collector_memory_bytes": 1, "weir_collector_request_seconds": 1,
	}
	if !maps.Equal(series, want) {
		t.Errorf("series %v, want %v", series, want)
	}
}
