// Package collector takes items in over HTTP: POST /v1/items and the short
// format, CONTRACT §3.1 and §3.2.
//
// A request is read, decompressed and split into items; its key says whose they
// are; each item is given a verdict; and all of them, the rejected ones too, are
// appended to the queue together with those of other requests. The answer 200
// means that the items are durable. Every other answer means that nothing of
// the request was stored, and 503 and 429 that it is to be sent again.
//
// Memory is bounded: what requests hold at once is counted, and a request that
// would exceed the bound is answered 503.
package collector

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
	"github.com/weirhq/weir/collector/protocol/native"
	"github.com/weirhq/weir/collector/protocol/short"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/workspace"
)

// Outcomes tells what became of a request's items. *live.Hub is one.
type Outcomes interface {
	Await(ws weir.WorkspaceID, receipt string, n int) *live.Waiter
}

// Options of a collector. The zero value is ready to use.
type Options struct {
	Limits Limits
	Groups GroupLimits

	// Memory bounds what all requests in flight hold together, in bytes;
	// default 64 MiB. Above it requests are answered 503.
	Memory int64

	// Rate bounds the items per second of each key, and Burst those at once;
	// beyond them requests are answered 429. Default: no bound, and a burst of
	// five seconds.
	Rate  float64
	Burst int

	// Allow reports whether a key may send items of a kind; one that may not has
	// them rejected (and kept). Default: public keys may not send orders nor join
	// known users, unless the workspace lets them.
	Allow func(*workspace.Grant, weir.Kind) bool

	// Ready returns an error while no items must be taken, for example because
	// the disk is nearly full. The error's text is told to the senders. Default:
	// always ready.
	Ready func() error

	// Outcomes serves ?wait=1; nil if items are not processed in this process,
	// and then the parameter is refused.
	Outcomes Outcomes
	// Wait is the longest that ?wait=1 waits; default 10 s.
	Wait time.Duration

	Script []byte // what /weir.js serves; none = 404

	Now        func() time.Time      // default time.Now
	NewReceipt func() string         // default: unique, beginning with "rcp_", and sorting by time
	NewItemID  func() string         // default: unique, beginning with "evt_", and sorting by time
	Logger     *slog.Logger          // default: discard
	Registerer prometheus.Registerer // of metrics; nil = not registered
}

// Limits of one request. Zero fields mean the defaults.
type Limits struct {
	Body         int         // bytes as received; default 5 MiB
	Decompressed int         // bytes; default 20 MiB, at most 32 MiB, as a request must fit in a frame
	Ratio        int         // decompressed to received, above 64 KiB; default 100
	Items        int         // default 1,000
	Item         item.Limits // of each item; beyond them an item is rejected
}

// GroupLimits bound what is stored by one append to the queue. A request that
// is larger is stored by itself. Zero fields mean the defaults.
type GroupLimits struct {
	Bytes int // of raw items; default 8 MiB
	Items int // default 20,000
}

func (o *Options) orDefaults() *Options {
	filled := Options{}
	if o != nil {
		filled = *o
	}
	o = &filled
	orDefault(&o.Limits.Body, 5<<20)
	orDefault(&o.Limits.Decompressed, 20<<20)
	o.Limits.Decompressed = min(o.Limits.Decompressed, 32<<20)
	orDefault(&o.Limits.Ratio, 100)
	orDefault(&o.Limits.Items, 1000)
	orDefault(&o.Groups.Bytes, 8<<20)
	orDefault(&o.Groups.Items, 20_000)
	orDefault(&o.Memory, 64<<20)
	orDefault(&o.Burst, int(5*o.Rate))
	orDefault(&o.Wait, 10*time.Second)
	if o.Allow == nil {
		o.Allow = publicMaySend
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewReceipt == nil {
		o.NewReceipt = func() string { return newName("rcp_", o.Now()) }
	}
	if o.NewItemID == nil {
		o.NewItemID = func() string { return newName("evt_", o.Now()) }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Collector is an http.Handler for the addresses of Paths. Its methods may be
// called concurrently.
type Collector struct {
	keys          Keys
	options       *Options
	log           *slog.Logger
	memory        *memory
	decompressors *decompressors
	limiter       *limiter // nil = no bound
	committer     *committer
	script        *script // nil = none
	metrics       *metrics
	requests      sync.Pool
}

// New starts a collector that appends to q. Close ends it; q stays open.
func New(q queue.Queue, keys Keys, options *Options) *Collector {
	o := options.orDefaults()
	c := &Collector{
		keys: keys, options: o, log: o.Logger,
		memory:        &memory{limit: o.Memory},
		decompressors: newDecompressors(),
		script:        newScript(o.Script),
	}
	if o.Rate > 0 {
		c.limiter = &limiter{rate: o.Rate, burst: float64(max(o.Burst, 1)), buckets: map[source]*bucket{}}
	}
	c.metrics = newMetrics(o.Registerer, func() float64 { return float64(c.memory.used.Load()) })
	c.committer = newCommitter(q, o, c.metrics)
	return c
}

// Close stores what was received and refuses what comes later with 503. When
// ctx ends, it gives up on a queue that does not answer and returns the
// context's error.
func (c *Collector) Close(ctx context.Context) error { return c.committer.close(ctx) }

// adapter reads a body into batch; now is when it was received.
type adapter func(c *Collector, body []byte, now weir.Micros, batch *protocol.Batch) error

func readNative(c *Collector, body []byte, _ weir.Micros, batch *protocol.Batch) error {
	return native.Read(body, c.options.Limits.Items, batch)
}

func readShort(call short.Call) adapter {
	return func(c *Collector, body []byte, now weir.Micros, batch *protocol.Batch) error {
		return short.Read(call, body, short.Options{Limit: c.options.Limits.Items, Now: now, NewID: c.options.NewItemID}, batch)
	}
}

// Paths lists the addresses that the collector serves.
func Paths() []string {
	return []string{
		"/v1/items", "/live", "/data",
		"/v1/track", "/track", "/v1/identify", "/identify", "/v1/alias", "/alias",
		"/weir.js",
	}
}

func adapterOf(path string) adapter {
	switch strings.TrimSuffix(path, "/") {
	case "/v1/items", "/live", "/data":
		return readNative
	case "/v1/track", "/track":
		return readShort(short.Track)
	case "/v1/identify", "/identify":
		return readShort(short.Identify)
	case "/v1/alias", "/alias":
		return readShort(short.Alias)
	}
	return nil
}

// ServeHTTP serves the addresses of Paths. There is no redirect, for a trailing
// slash or anything else: some senders take one for success.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/weir.js" && c.script != nil {
		c.script.ServeHTTP(w, r)
		return
	}
	openTo(w, r)
	read := adapterOf(r.URL.Path)
	switch {
	case read == nil:
		(&failure{status: http.StatusNotFound, code: "not_found", message: "Items are sent to /v1/items."}).write(w)
	case r.Method == http.MethodOptions:
		c.preflight(w, r)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST, OPTIONS")
		(&failure{status: http.StatusMethodNotAllowed, code: "method_not_allowed", message: "Items are sent with POST."}).write(w)
	default:
		c.receive(w, r, read)
	}
}
