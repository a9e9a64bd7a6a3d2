package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	cutFor   = flag.Duration("cut", 20*time.Second, "how long the network is cut")
	pauseFor = flag.Duration("pause", 25*time.Second, "how long a worker stands still")
)

// takeOver is how long the partitions of a worker that died may wait.
const takeOver = 15 * time.Second

// recovery is how long processing may need after a fault is over.
const recovery = 45 * time.Second

// report is a line of what the test prints.
type report struct {
	fault   string
	taken   time.Duration // from the fault, while it lasts, until others went on with all partitions; 0 if it is over at once
	goesOn  time.Duration // from the fault, or its end, until all partitions went on
	quiet   time.Duration // the longest time without an acknowledgement
	refused int
	tally
}

// Three collectors, three workers and an api under load. After each fault nothing that
// was acknowledged is lost or applied twice, and each user's items are in order.
func TestDistributedCrash(t *testing.T) {
	if *crashCycles < 1 {
		t.Skip("no cycles")
	}
	c := newCluster(t)
	for _, role := range []string{"collector", "collector", "worker", "worker", "api"} {
		c.add(role)
	}
	network := newNetwork(t, c) // with a collector and a worker of its own, if it can be made
	if network == nil {
		c.add("collector")
		c.add("worker")
	}
	c.start()
	n := newNumbered(c.api, 6)
	n.intake, n.pause = c.having("collector"), 100*time.Millisecond
	worker, collector := c.having("worker")[0], c.having("collector")[0]

	faults := []struct {
		name  string
		limit time.Duration
		do    func(t *testing.T, r *report) (since time.Time) // returns when processing has to go on from
	}{
		{"kill -9 of a worker", takeOver, func(*testing.T, *report) time.Time {
			worker.kill()
			return time.Now()
		}},
		{"restart of that worker", recovery, func(*testing.T, *report) time.Time {
			worker.start()
			return time.Now()
		}},
		{"kill -9 of a collector", takeOver, func(*testing.T, *report) time.Time {
			collector.kill()
			defer collector.launch()
			return time.Now()
		}},
		{"kill -9 of the api", recovery, func(*testing.T, *report) time.Time {
			c.api.kill()
			c.api.start()
			return time.Now()
		}},
		{"restart of the broker", recovery, func(t *testing.T, _ *report) time.Time {
			restartBroker(t)
			return time.Now()
		}},
		{"restart of the database", recovery, func(t *testing.T, _ *report) time.Time {
			restartDatabase(t)
			return time.Now()
		}},
		{"a worker that stands still", recovery, func(_ *testing.T, r *report) time.Time {
			since := time.Now()
			worker.freeze()
			r.taken = c.goesOn(recovery, since)
			if left := *pauseFor - time.Since(since); left > 0 {
				<-time.After(left)
			}
			worker.command.Process.Signal(syscall.SIGCONT)
			return time.Now()
		}},
		{"a cut of the network", recovery, func(t *testing.T, r *report) time.Time {
			if network == nil {
				missing(t, "needs root and ip of the package iproute2 to cut a network of its own")
			}
			since := time.Now()
			network.cut()
			r.taken = c.goesOn(recovery, since)
			if left := *cutFor - time.Since(since); left > 0 {
				<-time.After(left)
			}
			network.heal()
			return time.Now()
		}},
		{"SIGTERM of each, one after the other", recovery, func(t *testing.T, _ *report) time.Time {
			for _, s := range c.processes {
				began := time.Now()
				if err := s.stop(); err != nil {
					t.Errorf("%s ended with %v", s.name, err)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("the end of %s took %s", s.name, took)
				}
				s.start()
			}
			return time.Now()
		}},
	}
	var reports []report
	for cycle := range max(1, *crashCycles/25) {
		for i, f := range faults {
			t.Run(f.name, func(t *testing.T) {
				c.in(t)
				end := n.begin(t, cycle*len(faults)+i)
				n.offers(t, 200)
				n.mu.Lock()
				n.quiet, n.refused = 0, 0
				n.mu.Unlock()
				r := report{fault: f.name}
				since := f.do(t, &r)
				r.goesOn = c.goesOn(f.limit, since)
				end()
				r.quiet, r.refused = n.quiet, n.refused
				r.tally = n.verify(t)
				reports = append(reports, r)
			})
			if t.Failed() {
				break
			}
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-36s %9s %8s %8s %8s %12s %6s %8s %12s\n", "fault", "taken over", "goes on", "quiet", "refused", "acknowledged", "lost", "doubled", "out of order")
	for _, r := range reports {
		fmt.Fprintf(&table, "%-36s %8.1f s %6.1f s %6.1f s %8d %12d %6d %8d %12d\n", r.fault, r.taken.Seconds(), r.goesOn.Seconds(), r.quiet.Seconds(), r.refused, r.acked, r.lost, r.doubled, r.unordered)
	}
	t.Logf("%d faults:\n%s", len(reports), table.String())
}

// in makes a subtest the one that fails.
func (c *cluster) in(t *testing.T) {
	before := c.t
	set := func(t *testing.T) {
		c.t = t
		for _, s := range c.processes {
			s.t = t
		}
	}
	set(t)
	t.Cleanup(func() { set(before) })
}

// offers waits until so many more items are acknowledged.
func (n *numbered) offers(t *testing.T, more int) {
	t.Helper()
	before := n.count()
	eventually(t, 30*time.Second, "items are acknowledged", func() error {
		if n.count() < before+more {
			return errNotYet
		}
		return nil
	})
}

// restartBroker stops and starts RabbitMQ on its node.
func restartBroker(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("rabbitmqctl"); err != nil || os.Geteuid() != 0 || os.Getenv("WEIR_TEST_RABBITMQ_URL") != "" {
		missing(t, "needs root and rabbitmqctl to restart the broker of this machine")
	}
	for _, verb := range []string{"stop_app", "start_app"} {
		if err := command("rabbitmqctl", verb); err != nil {
			t.Fatal(err)
		}
	}
}

// restartDatabase restarts PostgreSQL, which drops all connections.
func restartDatabase(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("pg_ctlcluster"); err != nil || os.Geteuid() != 0 || os.Getenv("WEIR_TEST_POSTGRES_URL") != "" {
		missing(t, "needs root and pg_ctlcluster to restart the database of this machine")
	}
	version, name := databaseCluster(t)
	if err := command("pg_ctlcluster", "--skip-systemctl-redirect", "-m", "fast", version, name, "restart"); err != nil {
		t.Fatal(err)
	}
}

// databaseCluster is the PostgreSQL that listens where tests look for it.
func databaseCluster(t *testing.T) (version, name string) {
	t.Helper()
	out, err := exec.Command("pg_lsclusters", "--no-header").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "5432" {
			return fields[0], fields[1]
		}
	}
	missing(t, "needs a PostgreSQL of this machine at port 5432")
	return "", ""
}

// network is a network of its own for some processes, whose link can be cut: packets
// vanish.
type network struct {
	t    *testing.T
	name string // of the namespace
	link string // on this side
}

// newNetwork makes one with a collector and a worker in it, or returns nil.
func newNetwork(t *testing.T, c *cluster) *network {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Geteuid() != 0 {
		return nil
	}
	suffix := c.namespace[len(c.namespace)-8:]
	n := &network{t: t, name: "weir-" + suffix, link: "wt" + suffix}
	// One of 16,384 networks of four addresses.
	number := os.Getpid() % (1 << 14)
	here, there := fmt.Sprintf("10.213.%d.%d", number/64, number%64*4+1), fmt.Sprintf("10.213.%d.%d", number/64, number%64*4+2)
	if err := command("ip", "netns", "add", n.name); err != nil {
		t.Log(err)
		return nil
	}
	t.Cleanup(func() {
		if err := command("ip", "netns", "delete", n.name); err != nil { // and the link with it
			t.Error(err)
		}
	})
	for _, arguments := range []string{
		"link add " + n.link + " type veth peer name inside netns " + n.name,
		"address add " + here + "/30 dev " + n.link,
		"link set " + n.link + " up",
		"-n " + n.name + " address add " + there + "/30 dev inside",
		"-n " + n.name + " link set inside up",
		"-n " + n.name + " link set lo up",
	} {
		if err := command("ip", strings.Fields(arguments)...); err != nil {
			t.Fatal(err)
		}
	}
	passages := map[string]string{}
	reach := func(server string) string {
		if passages[server] == "" {
			passages[server] = newPassage(t, net.JoinHostPort(here, "0"), server).listen
		}
		return passages[server]
	}
	for i, role := range []string{"collector", "worker"} {
		s := c.addAt(role, net.JoinHostPort(there, fmt.Sprint(8080+i)), reach)
		s.through = []string{"ip", "netns", "exec", n.name}
	}
	return n
}

func (n *network) cut()  { n.set("down") }
func (n *network) heal() { n.set("up") }

func (n *network) set(state string) {
	n.t.Helper()
	if err := command("ip", "link", "set", n.link, state); err != nil {
		n.t.Fatal(err)
	}
}
