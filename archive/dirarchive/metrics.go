package dirarchive

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	appendSeconds prometheus.Histogram
	frames        prometheus.Counter
	bytes         prometheus.Counter
	damaged       prometheus.Counter
	all           []prometheus.Collector
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		appendSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "weir_archive_append_seconds",
			Help:    "Time to make frames durable in the archive, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		frames:  counter("weir_archive_frames_total", "Frames archived."),
		bytes:   counter("weir_archive_bytes_total", "Bytes of frames archived."),
		damaged: counter("weir_archive_damaged_total", "Times damaged bytes were met in the archive."),
	}
	m.all = []prometheus.Collector{m.appendSeconds, m.frames, m.bytes, m.damaged}
	if registerer == nil {
		return m, nil
	}
	for _, c := range m.all {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) unregister(registerer prometheus.Registerer) {
	if registerer == nil {
		return
	}
	for _, c := range m.all {
		registerer.Unregister(c)
	}
}
