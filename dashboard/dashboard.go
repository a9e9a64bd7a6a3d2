// Package dashboard is the JSON API and the web application of Weir: the
// reading side, beside the collector's writing side.
//
// The API is described by the OpenAPI document that it serves at
// /api/openapi.json. Every route declares who may use it; one piece of code
// decides (policy.go), and a route that declares nothing is closed. Errors are
// problem documents of RFC 9457 with a stable code. There is no CORS: other
// sites cannot read the API, and their writes are refused.
//
// Everything that is not below /api/ is the web application, built by Vite from
// web/ into static/dist and embedded here.
package dashboard

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/workspace"
)

// Parts are what the dashboard shows and acts on. All are required but those that
// say otherwise.
type Parts struct {
	Directory *workspace.Directory
	Events    eventstore.Store
	State     state.View
	Archive   archive.Archive
	Queue     Lagger
	Hub       *live.Hub
	// Intake stores the items that people make here. nil: merges and replays are
	// answered 503.
	Intake Intake
	// History says how far the past follows the settings. nil: nobody knows.
	History History
	// Truth writes dumps. nil: there are none.
	Truth Truth
	// Sessions lists people's visits. nil: they are not shown.
	Sessions Sessions
}

// Intake takes items in that come from no sender. *collector.Collector is one.
type Intake interface {
	NewReceipt() string
	// Judge gives a record its verdict and its user, as if it arrived now in a
	// workspace that lets browsers do so much.
	Judge(r *weir.Record, browsers workspace.Browsers)
	// Submit returns when the records are durable. The error wraps queue.ErrFull or
	// queue.ErrClosed where that is the reason.
	Submit(ctx context.Context, records []weir.Record) error
}

// History derives the past again in the background when settings change.
type History interface {
	Progress(ctx context.Context, ws weir.WorkspaceID) (workspace.Progress, error)
}

// Sessions lists the sessions of identities, by their numbers and in any order.
type Sessions interface {
	Sessions(ctx context.Context, ws weir.WorkspaceID, identities []uint32) ([]*weir.Session, error)
}

// Lagger is what the dashboard asks of the queue.
type Lagger interface {
	Lag(ctx context.Context) (queue.Lag, error)
}

// Options are what can be chosen. nil, and every zero field, is a good choice.
type Options struct {
	// AdminKey may create workspaces, and nothing else. Empty: no key may.
	AdminKey string
	// Secure says that people reach the server over TLS although it is spoken by
	// something in front: cookies are then bound to it.
	Secure bool
	// ClientAddr is the address that the limit on sign-ins counts by. nil: the
	// address of the connection, as headers can be forged. Set it behind a proxy.
	ClientAddr func(*http.Request) string
	// Health answers /healthz and /readyz. nil: one that looks at the queue.
	Health *Health
	// Web is the web build, with index.html at its root. nil: the embedded one.
	Web fs.FS
	// Version is shown in the OpenAPI document. Default "dev".
	Version string
	// QueryTimeout ends a question that takes longer. Default 30 s.
	QueryTimeout time.Duration
	// QueriesAtOnce bounds the questions that a workspace may have running. More
	// wait for a second, and are then refused with 503. Default 4.
	QueriesAtOnce int
	// StreamsAtOnce bounds the live views that a workspace may have open.
	// Default 32.
	StreamsAtOnce int
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// Logger; nil discards.
	Logger *slog.Logger
	// Metrics is where metrics are registered; nil: nowhere.
	Metrics prometheus.Registerer
}

// Server answers the API and serves the web application. It is an
// http.Handler for the whole of a listener that the collector does not claim.
type Server struct {
	parts    Parts
	options  Options
	log      *slog.Logger
	now      func() time.Time
	handler  http.Handler
	router   *router
	document []byte // the OpenAPI document
	adminKey [sha256.Size]byte
	metrics  *metrics
	signIns  *attempts
	queries  *gate
	streams  *streams

	heartbeat time.Duration
	wait      time.Duration // for the outcome of what people do here
}

// New builds the server. It fails only if the web build cannot be read.
func New(parts Parts, options *Options) (*Server, error) {
	o := withDefaults(options)
	s := &Server{
		parts:     parts,
		options:   o,
		log:       o.Logger,
		now:       o.Now,
		adminKey:  sha256.Sum256([]byte(o.AdminKey)),
		metrics:   newMetrics(o.Metrics),
		signIns:   newAttempts(o.Now),
		queries:   newGate(o.QueriesAtOnce, turn),
		streams:   newStreams(o.StreamsAtOnce),
		heartbeat: heartbeat,
		wait:      10 * time.Second,
	}
	if s.options.Health == nil {
		s.options.Health = NewHealth(parts.Queue, &HealthOptions{Logger: o.Logger, Now: o.Now})
	}
	site, err := newSite(o.Web)
	if err != nil {
		return nil, err
	}
	s.router = &router{server: s, mux: http.NewServeMux()}
	if err := s.routes(site); err != nil {
		return nil, err
	}
	s.handler, err = s.chain(s.router)
	return s, err
}

// turn is how long a question may wait for another one to end.
const turn = time.Second

func withDefaults(options *Options) Options {
	var o Options
	if options != nil {
		o = *options
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ClientAddr == nil {
		o.ClientAddr = func(r *http.Request) string { return r.RemoteAddr }
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.QueryTimeout == 0 {
		o.QueryTimeout = 30 * time.Second
	}
	if o.QueriesAtOnce == 0 {
		o.QueriesAtOnce = 4
	}
	if o.StreamsAtOnce == 0 {
		o.StreamsAtOnce = 32
	}
	return o
}

// ServeHTTP may be called concurrently.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the live views, which would otherwise keep a server from shutting
// down. New ones are refused. It is idempotent; http.Server.RegisterOnShutdown
// is the place for it.
func (s *Server) Close() { s.streams.close() }

// isAdminKey compares digests, so that the time taken says nothing.
func (s *Server) isAdminKey(text string) bool {
	if s.options.AdminKey == "" {
		return false
	}
	got := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(got[:], s.adminKey[:]) == 1
}

// chain is what every request passes, outermost last.
func (s *Server) chain(h http.Handler) (http.Handler, error) {
	h, err := compress(h)
	if err != nil {
		return nil, err
	}
	return s.recover(s.secureHeaders(s.sameOrigin(h))), nil
}

// recover keeps a fault in one handler from being answered with silence.
func (s *Server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			if aborted, _ := fault.(error); errors.Is(aborted, http.ErrAbortHandler) || r.Context().Err() != nil {
				panic(http.ErrAbortHandler) // the client is gone
			}
			s.log.ErrorContext(r.Context(), "panic in a handler", "fault", fault, "path", r.URL.Path, "stack", string(debug.Stack()))
			errInternal().ServeHTTP(w, r) // does nothing good if the answer had begun, and no harm
		}()
		next.ServeHTTP(w, r)
	})
}
