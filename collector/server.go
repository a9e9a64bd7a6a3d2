package collector

import (
	"net/http"
	"time"
)

// NewServer is a server that hostile or broken clients cannot hold up: the
// header must arrive within 5 seconds and be at most 16 KB, the whole request
// within 15, and an idle connection ends after 60. Answers have 30 seconds;
// a handler that streams for longer moves its own deadline, with
// http.ResponseController.
func NewServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100},
	}
}
