package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/weirhq/weir/eventstore/clickstore"
	"github.com/weirhq/weir/eventstore/clickstore/clicktest"
	"github.com/weirhq/weir/state/pgstate/pgtest"
)

// missing skips a test for what is not there, or fails it where that is required.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("WEIR_TEST_SERVICES") == "required" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// The cluster's queue has so many partitions for what is live, and as many for history.
const clusterPartitions = 4

// cluster is an installation of Weir on servers: the RabbitMQ and PostgreSQL of this
// machine, which others use too, and a ClickHouse and an object storage of its own.
type cluster struct {
	t         *testing.T
	namespace string
	broker    string // addresses, as the processes are given them
	database  string
	events    string
	archive   string
	env       []string // of all processes, after those that newServer gives
	processes []*serverProcess
	api       *serverProcess // the first that has the role
}

const (
	bucketName = "weir"
	bucketKey  = "weir"
	bucketPass = "weir-secret"
)

// newCluster starts what a cluster needs; add adds processes. All is taken away when the
// test ends.
func newCluster(t *testing.T, env ...string) *cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("takes a minute")
	}
	c := &cluster{t: t, namespace: pgtest.Schema(), broker: rabbitURL()}
	c.needBroker()
	c.database = pgtest.Server(t)
	t.Cleanup(c.dropDatabase)
	c.events = clicktest.Server(t)
	t.Cleanup(c.dropEvents)
	c.archive = startBucket(t)
	c.env = append([]string{
		"AWS_ACCESS_KEY_ID=" + bucketKey, "AWS_SECRET_ACCESS_KEY=" + bucketPass,
		"WEIR_NAMESPACE=" + c.namespace, fmt.Sprintf("WEIR_PARTITIONS=%d", clusterPartitions), "WEIR_MEMORY=256MB",
	}, env...)
	return c
}

func rabbitURL() string {
	if url := os.Getenv("WEIR_TEST_RABBITMQ_URL"); url != "" {
		return url
	}
	return "amqp://guest:guest@127.0.0.1:5672/"
}

// needBroker makes sure that the broker answers, and deletes there what the test makes.
func (c *cluster) needBroker() {
	c.t.Helper()
	conn, err := amqp.Dial(c.broker)
	if err != nil {
		missing(c.t, fmt.Sprintf("needs RabbitMQ; name one in WEIR_TEST_RABBITMQ_URL: %v", err))
	}
	conn.Close()
	c.t.Cleanup(func() {
		err := c.onBroker(func(ch *amqp.Channel) error {
			for i := range 2 * clusterPartitions { // what is not there is deleted too
				if _, err := ch.QueueDelete(fmt.Sprintf("%s.p%02d", c.namespace, i), false, false, false); err != nil {
					return err
				}
			}
			if _, err := ch.QueueDelete(c.namespace+".dead", false, false, false); err != nil {
				return err
			}
			for _, name := range []string{"", ".dead", ".members"} {
				if err := ch.ExchangeDelete(c.namespace+name, false, false); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			c.t.Errorf("take queues away: %v", err)
		}
	})
}

func (c *cluster) onBroker(do func(*amqp.Channel) error) error {
	conn, err := amqp.Dial(c.broker)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	return do(ch)
}

func (c *cluster) dropDatabase() {
	for _, schema := range []string{c.namespace, c.namespace + "_control", c.namespace + "_queue"} {
		if err := pgtest.Drop(c.database, schema); err != nil {
			c.t.Errorf("take schema away: %v", err)
		}
	}
}

func (c *cluster) dropEvents() {
	s, err := clickstore.Open(c.events, &clickstore.Options{Prefix: c.namespace})
	if err == nil {
		err = errors.Join(s.Drop(context.Background(), testWorkspace), s.Close())
	}
	if err != nil {
		c.t.Errorf("take events away: %v", err)
	}
}

// startBucket is the address of an empty bucket, as --archive has it.
func startBucket(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("WEIR_TEST_S3_SERVER")
	if found, _ := filepath.Glob("../../bin/tools/versitygw-*"); binary == "" && len(found) > 0 {
		binary = found[len(found)-1]
	}
	if binary == "" {
		missing(t, "no S3 server: run `make test-tools`, or set WEIR_TEST_S3_SERVER to the program versitygw")
	}
	dir, endpoint := t.TempDir(), freeAddr(t)
	for _, sub := range []string{"objects", "sidecar", "iam"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	server := exec.Command(binary, "--port", endpoint, "--access", bucketKey, "--secret", bucketPass, "--quiet", "--keep-alive",
		"--iam-dir", filepath.Join(dir, "iam"), "posix", "--sidecar", filepath.Join(dir, "sidecar"), filepath.Join(dir, "objects"))
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log output
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	client, err := minio.New(endpoint, &minio.Options{Creds: credentials.NewStaticV4(bucketKey, bucketPass, "")})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the S3 server has a bucket", func() error {
		return client.MakeBucket(t.Context(), bucketName, minio.MakeBucketOptions{})
	})
	return "s3://" + bucketName + "/archive?region=us-east-1&insecure=1&path_style=1&endpoint=" + endpoint
}

// stores are the environment of commands that read what the cluster has derived.
func (c *cluster) stores() []string {
	return []string{"WEIR_STATE=" + c.database, "WEIR_EVENTS=" + c.events, "WEIR_NAMESPACE=" + c.namespace}
}

// add prepares a process with a role.
func (c *cluster) add(role string) *serverProcess {
	c.t.Helper()
	return c.addAt(role, freeAddr(c.t), func(address string) string { return address })
}

// addAt prepares one that listens at an address and reaches servers, host:port, at
// others.
func (c *cluster) addAt(role, addr string, reach func(string) string) *serverProcess {
	c.t.Helper()
	at := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			c.t.Fatal(err)
		}
		if query := u.Query(); query.Has("endpoint") {
			query.Set("endpoint", reach(query.Get("endpoint")))
			u.RawQuery = query.Encode()
		} else {
			u.Host = reach(u.Host)
		}
		return u.String()
	}
	env := append([]string{
		"WEIR_ROLE=" + role, "WEIR_QUEUE=" + at(c.broker), "WEIR_STATE=" + at(c.database), "WEIR_EVENTS=" + at(c.events), "WEIR_ARCHIVE=" + at(c.archive),
	}, c.env...)
	s := newServerAt(c.t, addr, "", env...)
	s.name = fmt.Sprintf("%s %d", role, len(c.having(role))+1)
	c.processes = append(c.processes, s)
	if strings.Contains(role, "api") && c.api == nil {
		c.api = s
	}
	if role == "collector" {
		s.client.Timeout = 10 * time.Second // more than it takes to answer 503
	}
	return s
}

// having are the processes with a role.
func (c *cluster) having(role string) (found []*serverProcess) {
	for _, s := range c.processes {
		if strings.HasPrefix(s.name, role+" ") {
			found = append(found, s)
		}
	}
	return found
}

// start starts all at once.
func (c *cluster) start() {
	c.t.Helper()
	for _, s := range c.processes {
		s.launch()
	}
	for _, s := range c.processes {
		s.answers()
	}
}

// stop stops all in the order in which items travel.
func (c *cluster) stop() {
	c.t.Helper()
	for _, s := range c.processes {
		if err := s.stop(); err != nil {
			c.t.Errorf("%s ended with %v", s.name, err)
		}
	}
}

// goesOn waits until items are in the log, of every partition, that were received since,
// and says how long after since that is.
func (c *cluster) goesOn(limit time.Duration, since time.Time) time.Duration {
	c.t.Helper()
	eventually(c.t, limit, "all partitions go on", func() error {
		var page struct{ Items []logRow }
		path := "/api/v1/workspaces/" + testWorkspace + "/items?limit=500&from=" + url.QueryEscape(since.UTC().Format(time.RFC3339Nano))
		if _, err := c.api.call("GET", path, nil, &page); err != nil {
			return err
		}
		partitions := map[string]bool{}
		for _, row := range page.Items {
			partition, _, _ := strings.Cut(row.Position, ".")
			partitions[partition] = true
		}
		if len(partitions) < clusterPartitions {
			return fmt.Errorf("only %d of %d partitions", len(partitions), clusterPartitions)
		}
		return nil
	})
	return time.Since(since)
}

// passage forwards connections to a server, and can be closed and opened again: what
// goes through it then finds no server.
type passage struct {
	t       *testing.T
	listen  string
	target  string
	closing sync.WaitGroup

	mu          sync.Mutex
	listener    net.Listener
	connections map[net.Conn]bool
}

// newPassage opens one from an address, host:port, to a server.
func newPassage(t *testing.T, listen, target string) *passage {
	t.Helper()
	p := &passage{t: t, listen: listen, target: target, connections: map[net.Conn]bool{}}
	p.open()
	t.Cleanup(p.close)
	return p
}

func (p *passage) open() {
	p.t.Helper()
	listener, err := net.Listen("tcp", p.listen)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listen, p.listener = listener.Addr().String(), listener
	p.closing.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			p.closing.Go(func() { p.forward(from) })
		}
	})
}

// forward copies both ways until one side ends.
func (p *passage) forward(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer to.Close()
	p.mu.Lock()
	if p.listener == nil {
		p.mu.Unlock()
		return
	}
	p.connections[from], p.connections[to] = true, true
	p.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			_, err := io.Copy(way[0], way[1])
			if half, ok := way[0].(*net.TCPConn); ok && err == nil {
				_ = half.CloseWrite() // the other way may go on
				return
			}
			from.Close()
			to.Close()
		})
	}
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.connections, from)
	delete(p.connections, to)
}

func (p *passage) close() {
	p.mu.Lock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	for connection := range p.connections {
		connection.Close()
	}
	p.mu.Unlock()
	p.closing.Wait()
}

// command runs a program to its end.
func command(name string, arguments ...string) error {
	out, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(arguments, " "), err, out)
	}
	return nil
}

var errNotYet = errors.New("not yet")
