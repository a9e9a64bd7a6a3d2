package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/workspace"
)

const (
	// heartbeat keeps proxies from closing a quiet stream, and is when a stream
	// looks whether its reader may still read.
	heartbeat = 15 * time.Second
	// patience is how long a reader may take to take what is written. After it
	// the stream ends; the browser opens a new one.
	patience = 10 * time.Second
	// burst is how many outcomes are written before they are sent off.
	burst = 64
)

// LiveRow is the data of an outcome event.
type LiveRow struct {
	LogRow
	Item json.RawMessage `json:"item,omitempty" doc:"The item as it was sent."`
	Raw  string          `json:"raw,omitempty" doc:"The item as it was sent, if that is no JSON."`
}

// lostRows is the data of a lost event.
type lostRows struct {
	Count int64 `json:"count"`
}

// eventStream describes the answer, for which huma has no type.
func eventStream(o *huma.Operation) {
	o.Responses["200"] = &huma.Response{
		Description: "Events: `outcome`, whose data is a row of the log with `item` (or `raw`); `lost`, whose data is " +
			"`{\"count\": n}`, when the reader was too slow and the oldest rows were dropped. A comment every 15 s.",
		Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
}

// watch streams outcomes until the client goes away, signs out or loses its
// right, or the server shuts down.
func (s *Server) watch(ctx context.Context, in *placeInput) (*huma.StreamResponse, error) {
	st, end, err := s.streams.begin(ctx, in.Workspace, callerOf(ctx).session)
	if err != nil {
		s.metrics.refused.WithLabelValues("live").Inc()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer end()
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // proxies must pass events on at once
		if r.Method == http.MethodHead {
			return
		}
		s.metrics.streams.Inc()
		defer s.metrics.streams.Dec()
		e := &events{w: w, control: http.NewResponseController(w), names: s.sourceNames(in.Workspace), lost: s.metrics.lost.Add}
		// Errors of writing mean that the reader is gone: there is nobody to tell.
		_ = s.follow(st, e, in.Workspace, func() error {
			_, err := s.check(r, policy{member, workspace.RoleViewer})
			return err
		})
	}}, nil
}

// follow writes outcomes until ctx ends, writing fails or allowed objects.
func (s *Server) follow(ctx context.Context, e *events, ws weir.WorkspaceID, allowed func() error) error {
	subscription := s.parts.Hub.Subscribe(ws)
	defer subscription.Close()
	if err := e.begin(); err != nil {
		return err
	}
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
			var denied *Problem
			if err := allowed(); errors.As(err, &denied) {
				return nil
			}
			if err := e.ping(subscription.Lost()); err != nil {
				return err
			}
		case m := <-subscription.C:
			if err := e.outcomes(ctx, m, subscription); err != nil {
				return err
			}
		}
	}
}

// events writes server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	names   *sourceNames
	lost    func(float64)
}

func (e *events) begin() error {
	e.deadline()
	e.w.WriteHeader(http.StatusOK)
	if _, err := fmt.Fprint(e.w, "retry: 1000\n\n"); err != nil {
		return err
	}
	return e.control.Flush()
}

// outcomes writes a message and those that wait behind it.
func (e *events) outcomes(ctx context.Context, m live.Message, from *live.Subscription) error {
	e.deadline()
	if err := e.reportLost(from.Lost()); err != nil {
		return err
	}
	for written := 1; ; written++ {
		row := LiveRow{LogRow: newRow(&m.Outcome, e.names.of(ctx, m.Outcome.Source))}
		row.Item, row.Raw = payload(m.Raw)
		if err := e.event("outcome", row); err != nil {
			return err
		}
		if written == burst {
			return e.control.Flush()
		}
		select {
		case m = <-from.C:
		default:
			return e.control.Flush()
		}
	}
}

func (e *events) ping(lost int64) error {
	e.deadline()
	if err := e.reportLost(lost); err != nil {
		return err
	}
	if _, err := fmt.Fprint(e.w, ": ping\n\n"); err != nil {
		return err
	}
	return e.control.Flush()
}

func (e *events) reportLost(n int64) error {
	if n == 0 {
		return nil
	}
	e.lost(float64(n))
	return e.event("lost", lostRows{n})
}

// event writes one event. The data is JSON on one line, as json.Marshal compacts
// raw JSON too.
func (e *events) event(name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	_, err = fmt.Fprintf(e.w, "event: %s\ndata: %s\n\n", name, text)
	return err
}

// deadline gives the reader until then to take what is written next. It
// replaces the server's limit on the whole answer, which a stream would exceed.
func (e *events) deadline() {
	// Where there is no connection, in tests, there is no deadline either.
	_ = e.control.SetWriteDeadline(time.Now().Add(patience))
}

// streams knows the live views that are open.
type streams struct {
	gate *gate

	mu     sync.Mutex
	closed bool
	open   map[*stream]struct{}
}

type stream struct {
	session string // "" if opened with a key
	cancel  context.CancelFunc
}

func newStreams(limit int) *streams {
	return &streams{gate: newGate(limit, 0), open: map[*stream]struct{}{}}
}

// begin returns the context of a new stream; end must be called when it is over.
func (s *streams) begin(ctx context.Context, ws weir.WorkspaceID, session string) (_ context.Context, end func(), err error) {
	leave, ok := s.gate.enter(ctx, ws)
	if !ok {
		return nil, nil, newProblem(http.StatusServiceUnavailable, "busy", "This workspace has too many live views open. Close one.").retry(5 * time.Second)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		leave()
		return nil, nil, newProblem(http.StatusServiceUnavailable, "shutting_down", "The server is shutting down.").retry(time.Second)
	}
	ctx, cancel := context.WithCancel(ctx)
	st := &stream{session, cancel}
	s.open[st] = struct{}{}
	return ctx, func() {
		cancel()
		leave()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, st)
	}, nil
}

// endSession ends the streams of somebody who signs out.
func (s *streams) endSession(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.open {
		if st.session == session {
			st.cancel()
		}
	}
}

// close ends all streams, and refuses new ones.
func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for st := range s.open {
		st.cancel()
	}
}
