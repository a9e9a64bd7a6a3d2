package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/workspace"
)

// serveCommand is `weir serve`: all roles in one process on embedded engines, or some of
// them on servers that many processes share.
type serveCommand struct {
	Listen      string   `default:"127.0.0.1:8080" env:"WEIR_LISTEN" help:"Address of collector, API and dashboard."`
	AdminListen string   `default:"127.0.0.1:8081" env:"WEIR_ADMIN_LISTEN" help:"Address of /metrics and /debug/pprof; empty for none."`
	Data        string   `default:"./data" env:"WEIR_DATA" type:"path" help:"Directory of all embedded storage."`
	Role        []string `default:"all" env:"WEIR_ROLE" help:"Roles of this process: collector, worker, api."`
	Partitions  int      `default:"16" env:"WEIR_PARTITIONS" help:"Queue partitions of each lane, live items and history; fixed after the first start."`
	Memory      byteSize `default:"1GB" env:"WEIR_MEMORY" help:"Budget of the embedded engines."`
	MaxBacklog  byteSize `default:"64GB" env:"WEIR_MAX_BACKLOG" help:"Size of what waits in the queue; intake stops above it. RabbitMQ fixes it when its queues are made."`
	MinFree     byteSize `default:"1GB" env:"WEIR_MIN_FREE" help:"Room that must stay free on the disk; intake stops below it."`

	addresses

	Limits limits `embed:"" prefix:"limit-" envprefix:"WEIR_LIMIT_"`

	Bootstrap bootstrap `embed:"" prefix:"bootstrap-" envprefix:"WEIR_"`
}

// limits bound what senders send: CONTRACT §3.1.
type limits struct {
	Item         byteSize `default:"64KB" env:"ITEM" group:"Limits" help:"Size of an item."`
	Depth        int      `default:"32" env:"DEPTH" group:"Limits" help:"Nesting of an item."`
	Properties   int      `default:"512" env:"PROPERTIES" group:"Limits" help:"Members of an item's objects together."`
	Items        int      `default:"1000" env:"ITEMS" group:"Limits" help:"Items of a request."`
	Body         byteSize `default:"5MB" env:"BODY" group:"Limits" help:"Size of a request as it is sent."`
	Decompressed byteSize `default:"20MB" env:"DECOMPRESSED" group:"Limits" help:"Size of a request decompressed; at most 32MB."`
	Ratio        int      `default:"100" env:"RATIO" group:"Limits" help:"How much larger decompressed."`
}

func (l limits) item() item.Limits {
	return item.Limits{Bytes: int(l.Item), Depth: l.Depth, Properties: l.Properties}
}

func (l limits) request() collector.Limits {
	return collector.Limits{Items: l.Items, Body: int(l.Body), Decompressed: int(l.Decompressed), Ratio: l.Ratio, Item: l.item()}
}

// bootstrap is what must exist when the server has started.
type bootstrap struct {
	Workspace weir.WorkspaceID `env:"BOOTSTRAP_WORKSPACE" group:"Provisioning" help:"Workspace to create."`
	WriteKey  string           `env:"BOOTSTRAP_WRITE_KEY" group:"Provisioning" help:"Write key of that workspace, wk_…"`
	SecretKey string           `env:"BOOTSTRAP_SECRET_KEY" group:"Provisioning" help:"Secret key of that workspace, sk_…"`
	Timezone  string           `env:"BOOTSTRAP_TIMEZONE" group:"Provisioning" help:"Time zone of that workspace."`
	AdminKey  string           `env:"BOOTSTRAP_ADMIN_KEY" group:"Provisioning" help:"Key that may create workspaces."`
	Email     string           `env:"ADMIN_EMAIL" group:"Provisioning" help:"Owner of all workspaces."`
	Password  string           `env:"ADMIN_PASSWORD" group:"Provisioning" help:"Password of that owner."`
}

// check refuses what this process cannot be.
func (c *serveCommand) check() (roles, error) {
	r, err := readRoles(c.Role)
	if err == nil {
		err = c.addresses.check()
	}
	if err == nil {
		err = c.checkShared(r)
	}
	return r, err
}

// embedded reports whether the data directory has anything.
func (c *serveCommand) embedded(r roles) bool {
	return r.all() && !(c.onBroker() && c.onDatabase() && c.onClickHouse() && c.inBucket())
}

func (c *serveCommand) Run(ctx context.Context, t *terminal) error {
	does, err := c.check()
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		// Less collecting for some memory: what a batch makes is garbage soon.
		debug.SetGCPercent(300)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		// But more again when a question holds many rows.
		debug.SetMemoryLimit(max(int64(c.Memory), 256<<20))
	}
	logger := slog.New(slog.NewTextHandler(t.err, nil))
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// The listeners come first: a taken address is the likeliest mistake.
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	defer listener.Close()
	if c.embedded(does) {
		release, err := lock(c.Data)
		if err != nil {
			return err
		}
		defer release()
	}
	p, err := openParts(ctx, c, does, logger, registry)
	if err != nil {
		return err
	}
	err = p.serve(ctx, c, listener, registry, t.out)
	return errors.Join(err, p.close())
}

// lock makes the data directory this process's own.
func lock(data string) (release func(), err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("the data directory %s is in use by another weir; stop that one, or choose another with --data", data)
	}
	return func() { file.Close() }, nil
}

// drainTime bounds the end of the requests and then that of the collector:
// CONTRACT §1 promises ten seconds in all.
const drainTime = 4 * time.Second

// serve runs until ctx ends or a part fails, and then stops in the order in
// which items travel, so that nothing accepted is left half-way.
func (p *parts) serve(ctx context.Context, c *serveCommand, listener net.Listener, registry *prometheus.Registry, out io.Writer) error {
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	group, ctx := errgroup.WithContext(ctx)

	// Whoever finds the public address finds the other one too.
	var admin *http.Server
	if c.AdminListen != "" {
		adminListener, err := net.Listen("tcp", c.AdminListen)
		if err != nil {
			return fmt.Errorf("%w; choose another address with --admin-listen", err)
		}
		admin = adminServer(registry)
		group.Go(func() error { return ignoreClosed(admin.Serve(adminListener)) })
	}
	public := p.publicServer()
	group.Go(func() error { return ignoreClosed(public.Serve(listener)) })
	worked := make(chan struct{})
	group.Go(func() error {
		defer close(worked)
		return p.work(working)
	})
	group.Go(func() error {
		<-ctx.Done()
		p.logger.Info("stop")
		if p.dashboard != nil {
			p.dashboard.Close() // ends the live views, which would never end by themselves
		}
		err := errors.Join(p.endRequests(public), p.endIntake())
		stopWorking()
		<-worked
		if admin != nil {
			admin.Close()
		}
		return err
	})
	if !p.does.all() {
		p.logger.Info("ready", "roles", strings.Join(c.Role, ","), "listen", listener.Addr().String())
	} else if err := p.greet(ctx, c, listener.Addr().String(), out); err != nil {
		p.logger.Error("greet", "error", err)
	}
	return group.Wait()
}

// endRequests waits for the requests that are being answered. Those that take
// too long to be sent were not acknowledged: their senders send them again.
func (p *parts) endRequests(public *http.Server) error {
	bounded, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := public.Shutdown(bounded)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	p.logger.Warn("connections that would not end are closed")
	return public.Close()
}

// endIntake stores what the collector has taken.
func (p *parts) endIntake() error {
	if p.collector == nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return p.collector.Close(bounded)
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func adminServer(registry *prometheus.Registry) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
}

// defaultURL is where a server without flags is found.
const defaultURL = "http://127.0.0.1:8080"

// greet tells a newcomer what to do first.
func (p *parts) greet(ctx context.Context, c *serveCommand, addr string, out io.Writer) error {
	url := "http://" + reachable(addr)
	demo := "bin/weir demo"
	if url != defaultURL {
		demo += " --url " + url
	}
	if here, err := filepath.Abs("data"); err != nil || c.Data != here {
		demo += " --data " + c.Data
	}
	token, needed, err := p.directory.FirstRun(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nWeir is ready: %s\n", url)
	if needed {
		fmt.Fprintf(out, "\n  Create your account:  %s/welcome?token=%s\n  Fill it with a shop:  %s   (in a second terminal)\n", url, token, demo)
	}
	fmt.Fprintln(out)
	return nil
}

// reachable turns the address of a listener into one that a browser can open.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// provision makes what the flags ask for, and a workspace to begin with.
func provision(ctx context.Context, directory *workspace.Directory, b bootstrap) error {
	err := directory.Provision(ctx, workspace.Provision{
		Workspace: b.Workspace, WriteKey: b.WriteKey, SecretKey: b.SecretKey, Timezone: b.Timezone,
		AdminEmail: b.Email, AdminPassword: b.Password,
	})
	if err != nil {
		return err
	}
	all, err := directory.Workspaces(ctx)
	if err != nil || len(all) > 0 {
		return err
	}
	_, _, _, err = directory.CreateWorkspace(ctx, workspace.Workspace{ID: workspace.Default, Name: "My workspace"})
	return err
}
