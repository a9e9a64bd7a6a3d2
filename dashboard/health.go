package dashboard

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Check asks one dependency whether it works. Run returns soon after its
// context ends.
type Check struct {
	Name string
	// Run returns nil if the dependency works. The error goes to the log, not to
	// whoever asks: the answer needs no credentials.
	Run func(ctx context.Context) error
	// Optional says that intake goes on while the check fails.
	Optional bool
}

// HealthOptions say what readiness depends on besides the queue.
type HealthOptions struct {
	// Checks are run at the same time, each for up to 2 s.
	Checks []Check
	// FreeBytes is the room on the disk of the data; nil: not reported.
	FreeBytes func() (int64, error)
	// MinFreeBytes is the room below which the server is not ready. Default 0.
	MinFreeBytes int64
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// Logger; nil discards.
	Logger *slog.Logger
}

// Health answers GET /healthz, which is 200 while the process lives, and GET
// /readyz, which is 503 when intake must stop. It needs no credentials and says
// nothing that would. All roles mount it.
type Health struct {
	queue   Lagger
	options HealthOptions

	mu     sync.Mutex
	at     time.Time
	last   Readiness
	failed map[string]bool // what the log knows to be failing
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready        bool              `json:"ready"`
	Queue        *QueueLag         `json:"queue,omitempty"`
	Disk         *DiskSpace        `json:"disk,omitempty"`
	Dependencies map[string]string `json:"dependencies"` // ok or failing
}

// QueueLag is what is accepted and not processed yet.
type QueueLag struct {
	Records int64 `json:"records"`
	Bytes   int64 `json:"bytes"`
}

// DiskSpace is the room on the disk of the data.
type DiskSpace struct {
	FreeBytes int64 `json:"free_bytes"`
}

const (
	checkTimeout = 2 * time.Second
	// readinessKept bounds what asking costs, as anybody may ask.
	readinessKept = time.Second
)

// NewHealth looks at the queue and at what the options name.
func NewHealth(q Lagger, options *HealthOptions) *Health {
	h := &Health{queue: q, failed: map[string]bool{}}
	if options != nil {
		h.options = *options
	}
	if h.options.Now == nil {
		h.options.Now = time.Now
	}
	if h.options.Logger == nil {
		h.options.Logger = slog.New(slog.DiscardHandler)
	}
	return h
}

// ServeHTTP answers both paths.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/healthz" {
		_, _ = w.Write([]byte("{\"alive\":true}\n"))
		return
	}
	ready := h.Ready(r.Context())
	if !ready.Ready {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(ready) // the client may be gone
}

// Ready looks at everything. An answer is kept for a second.
func (h *Health) Ready(ctx context.Context) Readiness {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.options.Now()
	if !h.at.IsZero() && now.Sub(h.at) < readinessKept {
		return h.last
	}
	// Others wait for this answer: it must not depend on one client's patience.
	h.last = h.look(context.WithoutCancel(ctx))
	h.at = now
	return h.last
}

func (h *Health) look(ctx context.Context) Readiness {
	r := Readiness{Ready: true, Dependencies: map[string]string{}}
	checks := append([]Check{{Name: "queue", Run: func(ctx context.Context) error {
		lag, err := h.queue.Lag(ctx)
		if err == nil {
			r.Queue = &QueueLag{lag.Records, lag.Bytes}
		}
		return err
	}}}, h.options.Checks...)
	if h.options.FreeBytes != nil {
		checks = append(checks, Check{Name: "disk", Run: func(context.Context) error { return h.disk(&r) }})
	}
	errs := runChecks(ctx, checks)
	for i, c := range checks {
		r.Dependencies[c.Name] = "ok"
		if errs[i] != nil {
			r.Dependencies[c.Name] = "failing"
			r.Ready = r.Ready && c.Optional
		}
		h.report(c.Name, errs[i])
	}
	return r
}

func (h *Health) disk(r *Readiness) error {
	free, err := h.options.FreeBytes()
	if err != nil {
		return err
	}
	r.Disk = &DiskSpace{free}
	if free < h.options.MinFreeBytes {
		return errDiskFull
	}
	return nil
}

// runChecks waits for every check, so that none outlives the answer.
func runChecks(ctx context.Context, checks []Check) []error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	errs := make([]error, len(checks))
	var group sync.WaitGroup
	for i, c := range checks {
		group.Go(func() { errs[i] = c.Run(ctx) })
	}
	group.Wait()
	return errs
}

// report logs when something begins to fail and when it works again, not at
// every question.
func (h *Health) report(name string, err error) {
	switch {
	case err != nil && !h.failed[name]:
		h.options.Logger.Error("dependency is failing", "dependency", name, "error", err)
	case err == nil && h.failed[name]:
		h.options.Logger.Info("dependency works again", "dependency", name)
	}
	h.failed[name] = err != nil
}
