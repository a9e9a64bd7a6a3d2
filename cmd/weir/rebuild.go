package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir/pipeline"
)

// rebuildCommand is `weir rebuild`: it sets the state and the event files aside
// and derives them again from the archive. The server must not be running.
type rebuildCommand struct {
	Data    string   `default:"./data" env:"WEIR_DATA" type:"path" help:"Data directory of the server, which must be stopped."`
	Archive string   `env:"WEIR_ARCHIVE" type:"path" placeholder:"DATA/archive" help:"Directory of the raw frames."`
	Memory  byteSize `default:"1GB" env:"WEIR_MEMORY" help:"Budget of the embedded engines."`
}

func (c *rebuildCommand) Run(ctx context.Context, t *terminal) error {
	if _, err := os.Stat(filepath.Join(c.Data, "queue")); err != nil {
		return fmt.Errorf("%s is no data directory of Weir: %w; name it with --data", c.Data, err)
	}
	release, err := lock(c.Data)
	if err != nil {
		return err
	}
	defer release()
	aside, err := setAside(c.Data, time.Now())
	if err != nil {
		return err
	}
	p := &parts{logger: slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	serve := &serveCommand{Data: c.Data, Archive: c.Archive, Memory: c.Memory, MinFree: 1}
	err = p.openEngines(ctx, serve, prometheus.NewRegistry())
	if err == nil {
		report := progress(t.err)
		start := time.Now()
		items := 0
		err = pipeline.New(p.queue, p.archive, p.state, p.events, p.hub, &pipeline.Options{Logger: p.logger}).RebuildAll(ctx, func(n int) {
			items = n
			if report != nil {
				report("%d items", n)
			}
		})
		if err == nil {
			fmt.Fprintf(t.out, "%d items derived again in %.1f s. What was there before is in %s; remove it when all is well.\n", items, time.Since(start).Seconds(), aside)
		}
	}
	if err = errors.Join(err, p.close()); err != nil {
		return fmt.Errorf("%w\nWhat was there before is in %s", err, aside)
	}
	return nil
}

// setAside moves what can be derived into a folder of its own. The control plane
// cannot be derived, and stays.
func setAside(data string, now time.Time) (aside string, err error) {
	aside = filepath.Join(data, "before-rebuild-"+now.UTC().Format("20060102T150405.000"))
	for _, pattern := range []string{"state/state.db*", "state/seen", "events"} {
		found, err := filepath.Glob(filepath.Join(data, pattern))
		if err != nil {
			return "", err
		}
		for _, path := range found {
			to, err := filepath.Rel(data, path)
			if err != nil {
				return "", err
			}
			to = filepath.Join(aside, to)
			if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.Rename(path, to)); err != nil {
				return "", fmt.Errorf("set %s aside: %w", path, err)
			}
		}
	}
	return aside, nil
}
