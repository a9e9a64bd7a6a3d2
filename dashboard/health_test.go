package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/queue"
)

func TestHealth(t *testing.T) {
	clock := now
	var free int64 = 1 << 30
	var stateErr, indexErr error
	q := &memoryQueue{lag: queue.Lag{Records: 12, Bytes: 3456}}
	log := &bytes.Buffer{}
	h := NewHealth(q, &HealthOptions{
		Checks: []Check{
			{Name: "state", Run: func(context.Context) error { return stateErr }},
			{Name: "events", Run: func(context.Context) error { return indexErr }, Optional: true},
		},
		FreeBytes:    func() (int64, error) { return free, nil },
		MinFreeBytes: 1 << 20,
		Now:          func() time.Time { return clock },
		Logger:       slog.New(slog.NewTextHandler(log, nil)),
	})
	ask := func() (int, Readiness, string) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/readyz", nil))
		text := rec.Body.String()
		var r Readiness
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		return rec.Code, r, text
	}

	code, _, text := ask()
	want := `{"ready":true,"queue":{"records":12,"bytes":3456},"disk":{"free_bytes":1073741824},"dependencies":{"disk":"ok","events":"ok","queue":"ok","state":"ok"}}` + "\n"
	if code != 200 || text != want {
		t.Errorf("status %d, body %s", code, text)
	}

	stateErr = errors.New("connect to postgres://weir:hunter2@db: refused")
	if code, _, _ = ask(); code != 200 {
		t.Errorf("within a second the answer is kept; status %d", code)
	}
	clock = clock.Add(time.Second)
	code, r, text := ask()
	if code != http.StatusServiceUnavailable || r.Ready || r.Dependencies["state"] != "failing" || strings.Contains(text, "hunter2") {
		t.Errorf("status %d, body %s", code, text)
	}
	clock = clock.Add(time.Second)
	ask()
	stateErr, indexErr = nil, errors.New("rebuilding")
	clock = clock.Add(time.Second)
	if code, r, text = ask(); code != 200 || r.Dependencies["events"] != "failing" {
		t.Errorf("status %d, body %s", code, text)
	}
	if got := strings.Count(log.String(), "dependency is failing"); got != 2 {
		t.Errorf("each failure is logged when it begins, and no more; got %d:\n%s", got, log)
	}
	free = 1000
	clock = clock.Add(time.Second)
	if code, r, text = ask(); code != http.StatusServiceUnavailable || r.Disk.FreeBytes != 1000 {
		t.Errorf("status %d, body %s", code, text)
	}
	free = 1 << 30
	q.err = queue.ErrClosed
	clock = clock.Add(time.Second)
	if code, r, text = ask(); code != http.StatusServiceUnavailable || r.Queue != nil {
		t.Errorf("status %d, body %s", code, text)
	}

	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/healthz", nil))
	if rec.Code != 200 {
		t.Errorf("healthz says %d while the process lives", rec.Code)
	}
}
