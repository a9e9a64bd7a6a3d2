package pgstate

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	waited, held, synced  prometheus.Histogram
	identities, sessions  prometheus.Counter
	conversions, repeated prometheus.Counter
	seenLookups, seenPuts prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "weir", Subsystem: "state", Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), // 1 ms to 8 s
		})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "weir", Subsystem: "state", Name: name, Help: help})
	}
	m := &metrics{
		waited:      histogram("wait_seconds", "Seconds until a micro-batch had its users locked and loaded."),
		held:        histogram("transaction_seconds", "Seconds from the start of a micro-batch's transaction to its commit."),
		synced:      histogram("commit_seconds", "Seconds of committing what was written."),
		seenLookups: histogram("seen_lookup_seconds", "Seconds of one look-up of many items in the index of seen items."),
		seenPuts:    histogram("seen_put_seconds", "Seconds of one synced write to the index of seen items."),
		identities:  counter("identities_written_total", "Identities written."),
		sessions:    counter("sessions_written_total", "Sessions written."),
		conversions: counter("conversions_written_total", "Conversions written."),
		repeated:    counter("begins_repeated_total", "Transactions begun again, after a lost connection or a deadlock, or because a person had grown."),
	}
	if r != nil {
		r.MustRegister(m.waited, m.held, m.synced, m.seenLookups, m.seenPuts, m.identities, m.sessions, m.conversions, m.repeated)
	}
	return m
}
