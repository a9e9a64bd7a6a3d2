package s3archive

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	appendSeconds prometheus.Histogram
	frames        prometheus.Counter
	bytes         prometheus.Counter
	damaged       prometheus.Counter
	compacted     prometheus.Counter
	requests      *prometheus.CounterVec
	all           []prometheus.Collector
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		appendSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "weir_archive_append_seconds",
			Help:    "Time to make frames durable in the archive, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
		frames:    counter("weir_archive_frames_total", "Frames archived."),
		bytes:     counter("weir_archive_bytes_total", "Bytes archived, indexes included."),
		damaged:   counter("weir_archive_damaged_total", "Times damaged bytes were met in the archive."),
		compacted: counter("weir_archive_compacted_batches_total", "Batches that compaction has sorted into runs and deleted."),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weir_archive_requests_total",
			Help: "Requests to the object store, repeated ones included, by operation.",
		}, []string{"operation"}),
	}
	m.all = []prometheus.Collector{m.appendSeconds, m.frames, m.bytes, m.damaged, m.compacted, m.requests}
	return m
}

func (m *metrics) register(registerer prometheus.Registerer) error {
	if registerer == nil {
		return nil
	}
	for _, c := range m.all {
		if err := registerer.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister(registerer prometheus.Registerer) {
	if registerer == nil {
		return
	}
	for _, c := range m.all {
		registerer.Unregister(c)
	}
}

// counting counts requests as a bill does.
type counting struct {
	http.RoundTripper
	requests *prometheus.CounterVec
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	operation := "get"
	switch query := r.URL.Query(); {
	case r.Method == http.MethodDelete || query.Has("delete"):
		operation = "delete"
	case r.Method == http.MethodPut || r.Method == http.MethodPost:
		operation = "put"
	case query.Has("list-type") || query.Has("uploads"):
		operation = "list"
	}
	c.requests.WithLabelValues(operation).Inc()
	return c.RoundTripper.RoundTrip(r)
}
