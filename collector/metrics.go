package collector

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
	items    *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	group    prometheus.Histogram
	appends  *prometheus.HistogramVec

	accepted, rejected prometheus.Counter
	wire, text         prometheus.Counter
	ok                 prometheus.Counter
	stored, refused    prometheus.Observer
}

func newMetrics(r prometheus.Registerer, held func() float64) *metrics {
	const subsystem = "weir_collector_"
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: subsystem + name, Help: help}, []string{label})
	}
	latency := prometheus.ExponentialBuckets(0.0005, 2, 15) // to 8 s
	m := &metrics{
		requests: counter("requests_total", "Requests with items, by the status of the answer.", "status"),
		seconds:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: subsystem + "request_seconds", Help: "Time from a request's header to its answer, in seconds.", Buckets: latency}),
		items:    counter("items_total", "Items stored, by verdict: accepted, or rejected and kept.", "verdict"),
		bytes:    counter("bytes_total", "Bytes of bodies: as received (wire) and decompressed (text).", "form"),
		group:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: subsystem + "group_items", Help: "Items stored by one append to the queue.", Buckets: prometheus.ExponentialBuckets(1, 4, 9)}),
		appends:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: subsystem + "append_seconds", Help: "Time of one append to the queue, in seconds, by result.", Buckets: latency}, []string{"result"}),
	}
	m.accepted, m.rejected = m.items.WithLabelValues("accepted"), m.items.WithLabelValues("rejected")
	m.wire, m.text = m.bytes.WithLabelValues("wire"), m.bytes.WithLabelValues("text")
	m.ok = m.requests.WithLabelValues("200")
	m.stored, m.refused = m.appends.WithLabelValues("stored"), m.appends.WithLabelValues("error")
	if r != nil {
		r.MustRegister(m.requests, m.seconds, m.items, m.bytes, m.group, m.appends,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: subsystem + "memory_bytes", Help: "Memory held by requests in flight, in bytes."}, held))
	}
	return m
}

func (m *metrics) answered(status int, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	if status == 200 {
		m.ok.Inc()
		return
	}
	m.requests.WithLabelValues(strconv.Itoa(status)).Inc()
}

func (m *metrics) appended(items int, took time.Duration, err error) {
	if err != nil {
		m.refused.Observe(took.Seconds())
		return
	}
	m.stored.Observe(took.Seconds())
	m.group.Observe(float64(items))
}
