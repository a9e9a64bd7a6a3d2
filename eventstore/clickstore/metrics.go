package clickstore

import "github.com/prometheus/client_golang/prometheus"

// metrics are those of one Store, all workspaces together: a label per workspace
// would grow without bound.
type metrics struct {
	writes    prometheus.Histogram
	rows      *prometheus.CounterVec // by table
	questions prometheus.Histogram
	cached    prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		writes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "weir_eventstore_write_seconds", Help: "Time to write a batch, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weir_eventstore_rows_total", Help: "Rows written, by table: events, people or log; deleted: event rows that a newer version replaced.",
		}, []string{"table"}),
		questions: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "weir_eventstore_question_seconds", Help: "Time to answer a question, waiting for its turn included, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
		cached: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weir_eventstore_cached_answers_total", Help: "Questions answered from an earlier answer, as nothing was written since.",
		}),
	}
	if r != nil {
		r.MustRegister(m.writes, m.rows, m.questions, m.cached)
	}
	return m
}
