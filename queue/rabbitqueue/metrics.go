package rabbitqueue

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir/queue"
)

type metrics struct {
	appendSeconds prometheus.Histogram
	records       prometheus.Counter
	frames        prometheus.Counter
	bytes         prometheus.Counter
	full          prometheus.Counter
	unconfirmed   prometheus.Counter
	lost          prometheus.Counter
	damaged       prometheus.Counter
	again         prometheus.Counter
	yields        prometheus.Counter
	lag           atomic.Pointer[measured]
	all           []prometheus.Collector
}

// measured is what the queue's maintenance has found.
type measured struct {
	records, bytes int64
	dead           int
}

// newMetrics registers the gauges only where they are measured.
func newMetrics(registerer prometheus.Registerer, gauges bool) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		appendSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "weir_queue_append_seconds",
			Help:    "Time to make an append durable, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		records:     counter("weir_queue_records_total", "Records appended."),
		frames:      counter("weir_queue_frames_total", "Frames appended."),
		bytes:       counter("weir_queue_bytes_total", "Bytes of frames appended."),
		full:        counter("weir_queue_full_total", "Appends refused because the backlog was full or the broker short of memory or disk."),
		unconfirmed: counter("weir_queue_unconfirmed_total", "Appends that failed for another reason, such as a lost connection; their frames may be stored."),
		lost:        counter("weir_queue_connections_lost_total", "Connections to the broker that were lost or could not be made."),
		damaged:     counter("weir_queue_damaged_total", "Frames delivered as damage: damaged, foreign, missing, or given too often."),
		again:       counter("weir_queue_redelivered_total", "Frames given to a caller that may have been given before."),
		yields:      counter("weir_queue_yields_total", "Partitions given up for the end of the line, so that another worker has its share or since frames had waited too long."),
	}
	m.lag.Store(&measured{})
	m.all = []prometheus.Collector{
		m.appendSeconds, m.records, m.frames, m.bytes, m.full, m.unconfirmed, m.lost, m.damaged, m.again, m.yields,
	}
	if gauges {
		gauge := func(name, help string, value func(*measured) float64) {
			m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
				func() float64 { return value(m.lag.Load()) }))
		}
		gauge("weir_queue_backlog_records", "Records appended and not acknowledged, estimated.", func(l *measured) float64 { return float64(l.records) })
		gauge("weir_queue_backlog_bytes", "Bytes of frames appended and not acknowledged, estimated.", func(l *measured) float64 { return float64(l.bytes) })
		gauge("weir_queue_dead_letters", "Messages that could not be processed and wait for an operator.", func(l *measured) float64 { return float64(l.dead) })
	}
	if registerer == nil {
		return m, nil
	}
	for i, c := range m.all {
		if err := registerer.Register(c); err != nil {
			for _, registered := range m.all[:i] {
				registerer.Unregister(registered)
			}
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// refused counts an append that failed.
func (m *metrics) refused(err error) {
	if errors.Is(err, queue.ErrFull) {
		m.full.Inc()
		return
	}
	m.unconfirmed.Inc()
}

func (m *metrics) unregister(registerer prometheus.Registerer) {
	if registerer == nil {
		return
	}
	for _, c := range m.all {
		registerer.Unregister(c)
	}
}
