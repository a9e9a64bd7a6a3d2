package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/dirarchive"
	"github.com/weirhq/weir/archive/s3archive"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/clickstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/pgstate"
	"github.com/weirhq/weir/state/sqlitestate"
	"github.com/weirhq/weir/workspace"
)

// A data directory has, each in a folder of its own:
const (
	queueFolder   = "queue"
	archiveFolder = "archive" // unless --archive names another
	controlFolder = "control" // the control plane
	derivedFolder = "derived" // state and events: all that weir rebuild makes anew
	rebuiltFolder = "rebuilt" // what it is being made in
)

// derived are the stores of what is derived from the archive. They lie in one
// folder, so that a rebuild can take the place of both in one step.
type derived struct {
	state  state.Store
	events eventstore.Store
}

// openDerived opens the stores, embedded ones in a folder. The budget goes to the engine
// that answers questions for the greater part. onLost may be nil.
func openDerived(ctx context.Context, at *stores, dir string, memory byteSize, logger *slog.Logger, metrics prometheus.Registerer, onLost func(weir.WorkspaceID, error)) (*derived, error) {
	s, err := openState(ctx, at, dir, memory, logger.With("part", "state"), metrics)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	e, err := openEvents(at, dir, memory, logger.With("part", "events"), metrics, onLost)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open event store: %w", err), s.Close())
	}
	return &derived{s, e}, nil
}

func openState(ctx context.Context, at *stores, dir string, memory byteSize, logger *slog.Logger, metrics prometheus.Registerer) (state.Store, error) {
	if at.onDatabase() {
		// Where the events are in the data directory, one process alone can have them.
		return pgstate.Open(ctx, &pgstate.Options{DSN: at.State, Schema: at.Namespace, Alone: !at.onClickHouse(), Logger: logger, Metrics: metrics})
	}
	return sqlitestate.Open(filepath.Join(dir, "state"), &sqlitestate.Options{Memory: int64(memory) / 4, Logger: logger, Metrics: metrics})
}

func openEvents(at *stores, dir string, memory byteSize, logger *slog.Logger, metrics prometheus.Registerer, onLost func(weir.WorkspaceID, error)) (eventstore.Store, error) {
	if at.onClickHouse() {
		return clickstore.Open(at.clickhouse(), &clickstore.Options{
			Prefix: at.Namespace, Cluster: at.Cluster, Memory: int64(memory), Logger: logger, Metrics: metrics,
		})
	}
	return duckstore.Open(filepath.Join(dir, "events"), &duckstore.Options{
		Memory: int64(memory) / 2, Logger: logger, Metrics: metrics, OnLost: onLost,
	})
}

func (d *derived) Close() error { return errors.Join(d.events.Close(), d.state.Close()) }

// openControl opens the control plane.
func openControl(ctx context.Context, at *stores, data string, logger *slog.Logger) (*workspace.Directory, io.Closer, error) {
	logger = logger.With("part", "workspace")
	var store workspace.Store
	var done io.Closer
	if at.onDatabase() {
		control, err := pgstate.OpenControl(ctx, &pgstate.Options{DSN: at.State, Schema: at.Namespace + "_control", Logger: logger})
		if err != nil {
			return nil, nil, err
		}
		store, done = control, control
	} else {
		control, err := sqlitestate.OpenControl(filepath.Join(data, controlFolder), &sqlitestate.Options{Logger: logger})
		if err != nil {
			return nil, nil, err
		}
		store, done = control, control
	}
	return workspace.New(store, &workspace.Options{Logger: logger}), done, nil
}

// openArchive opens the archive, which is in the data directory unless the address names
// another place.
func openArchive(ctx context.Context, at *addresses, data string, logger *slog.Logger) (archive.Archive, error) {
	logger = logger.With("part", "archive")
	if at.inBucket() {
		o, err := at.bucket()
		if err != nil {
			return nil, err
		}
		o.Logger = logger
		return s3archive.Open(ctx, o)
	}
	dir := at.Archive
	if dir == "" {
		dir = filepath.Join(data, archiveFolder)
	}
	a, err := dirarchive.Open(dir, &dirarchive.Options{Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	return a, nil
}

// offline is what commands have in common that work on the data of a server which
// does not run.
type offline struct {
	Data   string   `default:"./data" env:"WEIR_DATA" type:"path" help:"Data directory of the server, which must be stopped."`
	Memory byteSize `default:"1GB" env:"WEIR_MEMORY" help:"Budget of the embedded engines."`
}

// begin makes the data directory this process's own.
func (o offline) begin(t *terminal) (logger *slog.Logger, release func(), err error) {
	if _, err := os.Stat(filepath.Join(o.Data, queueFolder)); err != nil {
		return nil, nil, fmt.Errorf("%s is no data directory of Weir: %w; name it with --data", o.Data, err)
	}
	if release, err = lock(o.Data); err != nil {
		return nil, nil, err
	}
	return warnings(t), release, nil
}

// warnings is a logger for commands, which say themselves what goes well.
func warnings(t *terminal) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
