package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/dashboard"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/pipeline"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/rabbitqueue"
	"github.com/weirhq/weir/queue/rabbitqueue/pgledger"
	"github.com/weirhq/weir/queue/sqlitequeue"
	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/workspace"
)

// parts are the running server: what ARCHITECTURE.md draws, from top to bottom.
type parts struct {
	does      roles
	logger    *slog.Logger
	queue     queue.Queue
	archive   archive.Archive
	state     state.Store
	events    eventstore.Store
	hub       *live.Hub
	directory *workspace.Directory
	rules     *rulebook
	collector *collector.Collector
	pipeline  *pipeline.Pipeline
	dashboard *dashboard.Server
	health    *dashboard.Health
	lost      *lost
	closers   []io.Closer // in order of opening
}

// openParts opens the engines and connects the parts. If one fails, those that
// are open are closed.
func openParts(ctx context.Context, c *serveCommand, does roles, logger *slog.Logger, registry *prometheus.Registry) (*parts, error) {
	p := &parts{does: does, logger: logger, hub: live.NewHub()}
	err := p.openEngines(ctx, c, registry)
	if err == nil {
		err = provision(ctx, p.directory, c.Bootstrap)
	}
	if err == nil {
		err = p.connect(c, registry)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// connect makes the parts that the roles have.
func (p *parts) connect(c *serveCommand, registry *prometheus.Registry) error {
	health := &dashboard.HealthOptions{Logger: p.logger.With("part", "health"), Checks: p.checks()}
	if c.embedded(p.does) {
		health.FreeBytes, health.MinFreeBytes = func() (int64, error) { return free(c.Data) }, int64(c.MinFree)
	}
	p.health = dashboard.NewHealth(p.queue, health)
	if p.does.worker || p.does.api { // which asks how far history is
		p.pipeline = pipeline.New(p.queue, p.archive, p.state, p.events, p.hub, &pipeline.Options{
			Rules: p.rules.of, Logger: p.logger.With("part", "pipeline"), Registerer: registry,
		})
	}
	if p.does.collector || p.does.api { // which takes in what people do there
		o := &collector.Options{
			Limits: c.Limits.request(), Memory: int64(c.Memory) / 16, Script: sdk.Script(), Logger: p.logger.With("part", "collector"), Registerer: registry,
		}
		if p.events != nil { // else nobody here knows what becomes of items
			o.Outcomes = p.hub
		}
		p.collector = collector.New(p.queue, p.directory, o)
	}
	if !p.does.api {
		return nil
	}
	var err error
	p.dashboard, err = dashboard.New(dashboard.Parts{
		Directory: p.directory, Events: p.events, State: p.state.View(), Archive: p.archive, Queue: p.queue, Hub: p.hub,
		Intake: p.collector, History: progressOf{p.pipeline}, Truth: truthOf{p}, Sessions: p.state.View(),
	}, &dashboard.Options{
		AdminKey: c.Bootstrap.AdminKey, Version: version(), Logger: p.logger.With("part", "dashboard"), Metrics: registry, Health: p.health,
	})
	return err
}

// checks say what works besides the queue. Intake goes on without the control plane: what
// is remembered of keys goes on.
func (p *parts) checks() []dashboard.Check {
	return []dashboard.Check{{Name: "control", Optional: true, Run: func(ctx context.Context) error {
		_, err := p.directory.Workspaces(ctx)
		return err
	}}}
}

// openEngines opens the stores that the roles need: embedded ones each in a folder of
// its own.
func (p *parts) openEngines(ctx context.Context, c *serveCommand, registry *prometheus.Registry) (err error) {
	in := func(name string) string { return filepath.Join(c.Data, name) }
	if p.queue, err = p.openQueue(ctx, c, registry); err != nil {
		return fmt.Errorf("open queue: %w", err)
	}
	p.closers = append(p.closers, p.queue)
	directory, control, err := openControl(ctx, &c.stores, c.Data, p.logger)
	if err != nil {
		return err
	}
	p.directory, p.rules, p.closers = directory, newRulebook(directory), append(p.closers, control)
	if !p.does.worker && !p.does.api {
		return nil
	}
	if p.archive, err = openArchive(ctx, &c.addresses, c.Data, p.logger); err != nil {
		return err
	}
	p.closers = append(p.closers, p.archive)
	if !c.onClickHouse() {
		if p.lost, err = openLost(in(filepath.Join(derivedFolder, "lost"))); err != nil {
			return fmt.Errorf("open list of rebuilds: %w", err)
		}
	}
	d, err := openDerived(ctx, &c.stores, in(derivedFolder), c.Memory, p.logger, registry, func(ws weir.WorkspaceID, cause error) {
		p.logger.Error("lost event rows; they will be derived from the archive again", "workspace", ws, "error", cause)
		if err := p.lost.add(ws); err != nil {
			p.logger.Error("note the rebuild", "workspace", ws, "error", err)
		}
	})
	if err != nil {
		return err
	}
	p.state, p.events, p.closers = d.state, d.events, append(p.closers, d)
	return nil
}

func (p *parts) openQueue(ctx context.Context, c *serveCommand, registry *prometheus.Registry) (queue.Queue, error) {
	logger := p.logger.With("part", "queue")
	if !c.onBroker() {
		return sqlitequeue.Open(ctx, filepath.Join(c.Data, queueFolder), &sqlitequeue.Options{
			Partitions: 2 * c.Partitions, MaxBacklog: int64(c.MaxBacklog), MinFree: int64(c.MinFree), Logger: logger, Registerer: registry,
		})
	}
	o := &rabbitqueue.Options{Prefix: c.Namespace, Partitions: 2 * c.Partitions, MaxBacklog: int64(c.MaxBacklog), Logger: logger, Registerer: registry}
	if p.does.worker || p.does.api { // a collector goes on without the database
		pool, err := pgxpool.New(ctx, c.State)
		if err != nil {
			return nil, fmt.Errorf("connect to the ledger: %w", err)
		}
		p.closers = append(p.closers, closer(pool.Close))
		if o.Ledger, err = pgledger.Open(ctx, pool, &pgledger.Options{Schema: c.Namespace + "_queue"}); err != nil {
			return nil, err
		}
	}
	return rabbitqueue.Open(ctx, c.brokerURLs(), o)
}

// closer closes what cannot fail at it.
type closer func()

func (c closer) Close() error {
	c()
	return nil
}

// close closes the engines, the last opened first.
func (p *parts) close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i].Close())
	}
	p.closers = nil
	return errors.Join(errs...)
}

// publicServer answers collector, API and dashboard on one address, as far as the roles
// have them, and all roles about their health.
func (p *parts) publicServer() *http.Server {
	mux := http.NewServeMux()
	if p.does.collector {
		for _, path := range collector.Paths() {
			mux.Handle(path, p.collector)
		}
	}
	if p.dashboard != nil {
		mux.Handle("/", p.dashboard)
	} else {
		mux.Handle("GET /healthz", p.health)
		mux.Handle("GET /readyz", p.health)
	}
	server := collector.NewServer(mux)
	server.ErrorLog = slog.NewLogLogger(p.logger.With("part", "http").Handler(), slog.LevelDebug)
	return server
}

// work processes the queue, and in between derives what was lost, and history by
// new settings. Without the role it follows what others do.
func (p *parts) work(ctx context.Context) error {
	if !p.does.worker {
		if p.events != nil {
			live.Follow(ctx, p.hub, p.events, p.archive, &live.FollowOptions{Logger: p.logger.With("part", "live")})
		}
		return nil
	}
	var group errgroup.Group
	group.Go(func() error { return p.pipeline.Run(ctx) })
	group.Go(func() error {
		p.review(ctx)
		return nil
	})
	if p.lost == nil {
		return group.Wait()
	}
	group.Go(func() error {
		p.lost.work(ctx, func(ws weir.WorkspaceID) error {
			err := p.pipeline.Rebuild(ctx, ws)
			if err != nil && ctx.Err() == nil {
				p.logger.Error("rebuild", "workspace", ws, "error", err)
			}
			return err
		})
		return nil
	})
	return group.Wait()
}

func free(dir string) (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, fmt.Errorf("measure free disk: %w", err)
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// lost lists the workspaces whose event rows must be derived again. Each is a
// file, so that a crash does not forget it.
type lost struct {
	dir  string
	wake chan struct{}

	mu   sync.Mutex
	anew map[weir.WorkspaceID]bool // added since their rebuild began
}

// rebuildPause is how long work waits before it tries again what failed.
const rebuildPause = time.Minute

func openLost(dir string) (*lost, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l := &lost{dir: dir, wake: make(chan struct{}, 1), anew: map[weir.WorkspaceID]bool{}}
	l.wake <- struct{}{} // what a former process has left
	return l, nil
}

// add notes a workspace, durably.
func (l *lost) add(ws weir.WorkspaceID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.anew[ws] = true
	defer func() {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}()
	file, err := os.Create(filepath.Join(l.dir, string(ws)))
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	dir, err := os.Open(l.dir) // the name is in the directory
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// work calls rebuild for what is listed, as it comes, until ctx ends. What
// fails is tried again after a pause, or at the next start.
func (l *lost) work(ctx context.Context, rebuild func(weir.WorkspaceID) error) {
	pause := time.NewTicker(rebuildPause)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-pause.C:
		}
		entries, err := os.ReadDir(l.dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			ws := weir.WorkspaceID(e.Name())
			l.begin(ws)
			if ctx.Err() == nil && rebuild(ws) == nil {
				l.done(ws)
			}
		}
	}
}

func (l *lost) begin(ws weir.WorkspaceID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.anew, ws)
}

// done takes a workspace off the list, unless it was lost once more meanwhile:
// then what was derived before that is gone.
func (l *lost) done(ws weir.WorkspaceID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.anew[ws] {
		_ = os.Remove(filepath.Join(l.dir, string(ws))) // else it is done once more
	}
}
