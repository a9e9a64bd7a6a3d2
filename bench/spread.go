package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/weirhq/weir/eventstore/clickstore/chdbserver"
)

// Where the servers are that the section "spread" needs, unless the environment says.
const (
	defaultBroker   = "amqp://guest:guest@127.0.0.1:5672/"
	defaultDatabase = "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"
	spreadItems     = 200_000
	liveRate        = 1000 // items a second beside a backlog
)

// spread is an installation on servers: RabbitMQ and PostgreSQL as they are found, an S3
// gateway and ClickHouse's engine as processes of this program's.
type spread struct {
	broker, database string
	namespace        string
	folder           string
	events, archive  string // addresses; "" until they are started
	stops            []func()
}

// measureSpread runs the pipeline on RabbitMQ and PostgreSQL: in one process, in roles on
// ClickHouse with one worker and with two, and with a backlog of history beside live items.
func measureSpread(ctx context.Context, o options, t *table) error {
	s := &spread{broker: or("WEIR_TEST_RABBITMQ_URL", defaultBroker), database: or("WEIR_TEST_POSTGRES_URL", defaultDatabase)}
	if err := s.find(ctx); err != nil {
		t.add("on RabbitMQ and PostgreSQL", "≥ 10,000 items/s", "not measured: %v", err)
		return nil
	}
	defer s.stop()
	if err := s.measureOne(ctx, o, t); err != nil {
		return err
	}
	if err := s.startServers(); err != nil {
		t.add("the same in roles, on ClickHouse", "≥ 10,000 items/s", "not measured: %v", err)
		return nil
	}
	for workers := 1; workers <= 2; workers++ {
		if err := s.measureRoles(ctx, o, t, workers); err != nil {
			return err
		}
	}
	return s.measureBacklog(ctx, o, t)
}

func or(variable, value string) string {
	if v := os.Getenv(variable); v != "" {
		return v
	}
	return value
}

// find makes sure that broker and database are there.
func (s *spread) find(ctx context.Context) error {
	conn, err := amqp.Dial(s.broker)
	if err != nil {
		return fmt.Errorf("RabbitMQ: %w", err)
	}
	db, err := pgx.Connect(ctx, s.database)
	if err != nil {
		return errors.Join(fmt.Errorf("PostgreSQL: %w", err), conn.Close())
	}
	return errors.Join(conn.Close(), db.Close(ctx))
}

// fresh begins with empty stores under another name.
func (s *spread) fresh(ctx context.Context) {
	s.clean(ctx)
	s.namespace = fmt.Sprintf("bench%d", time.Now().UnixNano()/1e6)
}

// clean drops what the last measurement has made on broker and database.
func (s *spread) clean(ctx context.Context) {
	if s.namespace == "" {
		return
	}
	if db, err := pgx.Connect(ctx, s.database); err == nil {
		for _, schema := range []string{"", "_control", "_queue"} {
			_, _ = db.Exec(ctx, "DROP SCHEMA IF EXISTS "+s.namespace+schema+" CASCADE")
		}
		_ = db.Close(ctx)
	}
	conn, err := amqp.Dial(s.broker)
	if err != nil {
		return
	}
	defer conn.Close()
	if ch, err := conn.Channel(); err == nil {
		_, _ = ch.QueueDelete(s.namespace+".dead", false, false, false)
		for p := range 32 {
			_, _ = ch.QueueDelete(fmt.Sprintf("%s.p%02d", s.namespace, p), false, false, false)
		}
		for _, exchange := range []string{"", ".dead", ".members"} {
			_ = ch.ExchangeDelete(s.namespace+exchange, false, false)
		}
	}
}

func (s *spread) stop() {
	s.clean(context.Background())
	for _, stop := range s.stops {
		stop()
	}
}

// flags are those of every process.
func (s *spread) flags(roles string) []string {
	flags := []string{"serve", "--queue=" + s.broker, "--state=" + s.database, "--namespace=" + s.namespace}
	if roles != "" {
		flags = append(flags, "--role="+roles, "--events="+s.events, "--archive="+s.archive)
	}
	return flags
}

// measureOne has all roles in one process, on the embedded event store.
func (s *spread) measureOne(ctx context.Context, o options, t *table) error {
	s.fresh(ctx)
	all, err := startServer(ctx, o.binary, s.flags("")...)
	if err != nil {
		return err
	}
	defer all.stop()
	f := fleet{send: all, workers: []*server{all}, ask: all}
	return f.measure(ctx, t, "whole pipeline on RabbitMQ and PostgreSQL, one process")
}

// measureRoles has a collector, workers and an api.
func (s *spread) measureRoles(ctx context.Context, o options, t *table, workers int) error {
	f, err := s.start(ctx, o, workers)
	if err != nil {
		return err
	}
	defer f.stop()
	return f.measure(ctx, t, fmt.Sprintf("the same in roles, on ClickHouse's engine, %d workers", workers))
}

// fleet is a running installation.
type fleet struct {
	send    *server // a collector
	workers []*server
	ask     *server // an api
}

func (s *spread) start(ctx context.Context, o options, workers int) (f *fleet, err error) {
	s.fresh(ctx)
	f = &fleet{}
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	if f.send, err = startServer(ctx, o.binary, s.flags("collector")...); err != nil {
		return f, err
	}
	if f.ask, err = startServer(ctx, o.binary, s.flags("api")...); err != nil {
		return f, err
	}
	for range workers {
		w, err := startServer(ctx, o.binary, s.flags("worker")...)
		if err != nil {
			return f, err
		}
		f.workers = append(f.workers, w)
	}
	return f, nil
}

func (f *fleet) stop() {
	for _, s := range append([]*server{f.send, f.ask}, f.workers...) {
		if s != nil {
			s.stop()
		}
	}
}

// measure sends a mix, and counts from the first item to the last one that a question
// counts.
func (f *fleet) measure(ctx context.Context, t *table, what string) error {
	r, elapsed, err := through(ctx, f.send, f.workers, f.ask, load{Items: spreadItems, Run: 40}, 0)
	if err != nil {
		return err
	}
	var used time.Duration
	for _, w := range f.workers {
		d, err := w.processor()
		if err != nil {
			return err
		}
		used += d
	}
	t.add(what, "≥ 10,000 items/s", "%.0f items/s (%d items; %.0f µs of the workers' processor time per item)",
		float64(r.Accepted)/elapsed.Seconds(), r.Accepted, used.Seconds()*1e6/float64(r.Accepted))
	return nil
}

// measureBacklog fills the lane of history while no worker runs, and then sends live items
// beside its draining.
func (s *spread) measureBacklog(ctx context.Context, o options, t *table) error {
	f, err := s.start(ctx, o, 0)
	if err != nil {
		return err
	}
	defer f.stop()
	backlog, err := load{Addr: f.send.addr, Key: secretKey, Batch: 50, Clients: 8, Items: o.backlog, Time: time.Hour, Run: 41, Mix: true, Lane: "history"}.start(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	w, err := startServer(ctx, o.binary, s.flags("worker")...)
	if err != nil {
		return err
	}
	f.workers = []*server{w}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan result, 1)
	go func() {
		r, _ := load{Addr: f.send.addr, Key: secretKey, Batch: 10, Clients: 4, Rate: liveRate, Time: time.Hour, Run: 42}.start(ctx)
		sent <- r
	}()
	var fresh []time.Duration
	for n := 0; ; n++ {
		// A question costs more here than where it is asked in the same process: it is not
		// asked all the time.
		d, err := probe(ctx, f.send, f.ask, n, 50*time.Millisecond)
		if err != nil {
			return err
		}
		fresh = append(fresh, d)
		time.Sleep(500 * time.Millisecond)
		done, err := w.processed()
		if err != nil {
			return err
		}
		if done >= backlog.Accepted {
			break
		}
	}
	took := time.Since(begun)
	t.add(fmt.Sprintf("a backlog of %d items of history drains beside %d live items/s", backlog.Accepted, liveRate), "≥ 5 times the live rate; live ≤ 2 s fresh",
		"%.0f items/s; live items fresh after p50 %s, p99 %s, worst %s (%d probes)", float64(backlog.Accepted)/took.Seconds(),
		ms(quantile(fresh, 0.5)), ms(quantile(fresh, 0.99)), ms(quantile(fresh, 1)), len(fresh))
	cancel()
	<-sent
	return nil
}

// startServers starts an S3 gateway and ClickHouse's engine.
func (s *spread) startServers() (err error) {
	gateways, err := filepath.Glob("bin/tools/versitygw-*")
	library := findLibrary()
	switch {
	case err != nil:
		return err
	case len(gateways) == 0:
		return errors.New("no S3 server; make test-tools builds one")
	case library == "":
		return errors.New("no engine of ClickHouse; make chdb installs it")
	}
	if s.folder, err = os.MkdirTemp("", "weir-bench-spread-"); err != nil {
		return err
	}
	s.stops = append(s.stops, func() { os.RemoveAll(s.folder) })
	in := func(name string) string { return filepath.Join(s.folder, name) }
	for _, dir := range []string{"iam", "sidecar", "objects/weir", "clickhouse"} {
		if err := os.MkdirAll(in(dir), 0o700); err != nil {
			return err
		}
	}
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	gateway := exec.Command(gateways[len(gateways)-1], "--port", addr, "--access", "weir", "--secret", "weir-secret", "--quiet",
		"--keep-alive", "--iam-dir", in("iam"), "posix", "--sidecar", in("sidecar"), in("objects"))
	gateway.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := gateway.Start(); err != nil {
		return fmt.Errorf("start the S3 gateway: %w", err)
	}
	s.stops = append([]func(){func() { _ = gateway.Process.Kill(); _ = gateway.Wait() }}, s.stops...)
	os.Setenv("AWS_ACCESS_KEY_ID", "weir")
	os.Setenv("AWS_SECRET_ACCESS_KEY", "weir-secret")
	s.archive = "s3://weir/raw?endpoint=" + addr + "&insecure=1&path_style=1&region=us-east-1"
	return s.startEngine(library, in("clickhouse"))
}

// startEngine starts ClickHouse's engine behind its HTTP interface.
func (s *spread) startEngine(library, folder string) error {
	self, err := selfPath()
	if err != nil {
		return err
	}
	engine := exec.Command(self, "chdbserver", library, folder)
	engine.Stderr = os.Stderr
	in, err := engine.StdinPipe()
	if err != nil {
		return err
	}
	out, err := engine.StdoutPipe()
	if err != nil {
		return err
	}
	if err := engine.Start(); err != nil {
		return err
	}
	s.stops = append([]func(){func() { _ = in.Close(); _ = engine.Wait() }}, s.stops...)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("start ClickHouse's engine: %w", err)
	}
	s.events = strings.TrimSpace(line)
	return nil
}

// chdbProcess is ClickHouse's engine behind its HTTP interface, until its input ends.
func chdbProcess(args []string) error {
	if len(args) != 2 {
		return errors.New("chdbserver: want the library and a folder")
	}
	return chdbserver.Run(args[0], args[1], os.Stdin, os.Stdout)
}
