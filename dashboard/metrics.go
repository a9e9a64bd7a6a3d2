package dashboard

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	duration *prometheus.HistogramVec
	streams  prometheus.Gauge
	lost     prometheus.Counter
	refused  *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "weir_dashboard_request_seconds", Help: "Time to answer a request of the API or the web application, in seconds.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "status"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "weir_dashboard_live_streams", Help: "Live views that are open.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weir_dashboard_live_lost_total", Help: "Outcomes that slow live views did not get.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weir_dashboard_refused_total", Help: "Requests refused because too many ran at once, by what they asked for.",
		}, []string{"what"}),
	}
	if registerer != nil {
		registerer.MustRegister(m.duration, m.streams, m.lost, m.refused)
	}
	return m
}

// measure times a route, and bounds the time. Labels are patterns, never paths: paths name
// workspaces and people.
func (s *Server) measure(pattern string, next http.Handler) http.Handler {
	if strings.HasSuffix(pattern, "/live") {
		return next // lasts as long as somebody looks
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now() // durations are measured by the real clock
		if strings.Contains(pattern, apiPrefix) {
			// A question may take longer than a server gives to answers in general.
			// Where there is no connection, in tests, there is no deadline either.
			_ = http.NewResponseController(w).SetWriteDeadline(start.Add(s.options.QueryTimeout + patience))
		}
		rec := &statusRecorder{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		if rec.status == 0 {
			rec.status = http.StatusOK
		}
		s.metrics.duration.WithLabelValues(pattern, strconv.Itoa(rec.status)).Observe(time.Since(start).Seconds())
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
