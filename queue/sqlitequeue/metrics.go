package sqlitequeue

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	appendSeconds prometheus.Histogram
	records       prometheus.Counter
	frames        prometheus.Counter
	bytes         prometheus.Counter
	full          prometheus.Counter
	damaged       prometheus.Counter
	repairs       prometheus.Counter
	all           []prometheus.Collector
}

func newMetrics(registerer prometheus.Registerer, backlog func() (records, bytes int64)) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m := &metrics{
		appendSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "weir_queue_append_seconds",
			Help:    "Time to make an append durable, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		records: counter("weir_queue_records_total", "Records appended."),
		frames:  counter("weir_queue_frames_total", "Frames appended."),
		bytes:   counter("weir_queue_bytes_total", "Bytes of frames appended."),
		full:    counter("weir_queue_full_total", "Appends refused because the backlog or the disk was full."),
		damaged: counter("weir_queue_damaged_total", "Frames or ranges of sequence numbers found damaged."),
		repairs: counter("weir_queue_repairs_total", "Times the queue file was closed after an error, checked and opened again."),
	}
	m.all = []prometheus.Collector{
		m.appendSeconds, m.records, m.frames, m.bytes, m.full, m.damaged, m.repairs,
		gauge("weir_queue_backlog_records", "Records appended and not acknowledged.", func() float64 { r, _ := backlog(); return float64(r) }),
		gauge("weir_queue_backlog_bytes", "Bytes of frames appended and not acknowledged.", func() float64 { _, b := backlog(); return float64(b) }),
	}
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
