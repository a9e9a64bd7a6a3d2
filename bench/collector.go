package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/queue/sqlitequeue"
	control "github.com/weirhq/weir/workspace"
)

func selfPath() (string, error) { return os.Executable() }

// oneKey knows one key: what a directory answers from its cache.
type oneKey struct{}

func (oneKey) Authenticate(_ context.Context, text string) (control.Grant, error) {
	if text != secretKey {
		return control.Grant{}, control.ErrUnknownKey
	}
	return control.Grant{Workspace: control.Workspace{ID: workspace}, Key: "bench", Client: weir.ClientServer}, nil
}

// collectorProcess is the collector in front of the real queue, alone: what a
// process with the collector's role does. Nothing reads the queue.
func collectorProcess(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	q, err := sqlitequeue.Open(ctx, filepath.Join(os.Getenv("WEIR_DATA"), "queue"), &sqlitequeue.Options{Partitions: 32})
	if err != nil {
		return err
	}
	defer q.Close()
	c := collector.New(q, oneKey{}, nil)
	defer c.Close(context.WithoutCancel(ctx))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/", c)
	server := collector.NewServer(mux)
	server.Addr = os.Getenv("WEIR_LISTEN")
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ended, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ended); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
