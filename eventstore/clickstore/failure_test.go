package clickstore_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/clickstore"
	"github.com/weirhq/weir/eventstore/clickstore/clicktest"
	"github.com/weirhq/weir/eventstore/storetest"
)

// gate stands between a store and its server: it counts requests from the moment that it
// is armed, and does something with one of them.
type gate struct {
	address string
	mu      sync.Mutex
	until   int // requests before the one; below 0: it is not armed
	met     bool
	act     func(forward func(http.ResponseWriter), w http.ResponseWriter)
}

func newGate(t *testing.T) *gate {
	t.Helper()
	target, err := url.Parse(clicktest.Server(t))
	if err != nil {
		t.Fatal(err)
	}
	user := target.User
	target.User = nil
	proxy := httputil.NewSingleHostReverseProxy(target)
	g := &gate{until: -1}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forward := func(w http.ResponseWriter) { proxy.ServeHTTP(w, r) }
		g.mu.Lock()
		act := g.act
		hit := g.until == 0
		if g.until >= 0 {
			g.until--
		}
		g.met = g.met || hit
		g.mu.Unlock()
		if hit {
			act(forward, w)
		} else {
			forward(w)
		}
	}))
	t.Cleanup(front.Close)
	u, err := url.Parse(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = user
	g.address = u.String()
	return g
}

// arm makes the gate act on the request after so many.
func (g *gate) arm(after int, act func(forward func(http.ResponseWriter), w http.ResponseWriter)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until, g.act, g.met = after, act, false
}

// hit reports whether the request came.
func (g *gate) hit() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = -1
	return g.met
}

// cut closes the connection without an answer.
func cut(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// contents is all that a store has of a workspace.
type contents struct {
	Rows    []eventstore.Row
	Visits  []eventstore.Visit
	Applied map[int]uint64
	People  []string
}

func contentsOf(t *testing.T, s eventstore.Store, ws weir.WorkspaceID) contents {
	t.Helper()
	out := contents{Rows: []eventstore.Row{}}
	err := s.Scan(t.Context(), ws, eventstore.ScanFilter{}, func(row eventstore.Row) error {
		if len(row.Properties) == 0 {
			row.Properties = nil
		}
		out.Rows = append(out.Rows, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Visits(t.Context(), ws, func(v eventstore.Visit) error { out.Visits = append(out.Visits, v); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if out.Applied, err = s.Applied(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	if out.Applied == nil {
		out.Applied = map[int]uint64{}
	}
	people, err := s.Values(t.Context(), ws, ofUser("says"), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	out.People = append([]string{}, people...)
	return out
}

func compare(t *testing.T, what string, s, model eventstore.Store, ws weir.WorkspaceID) {
	t.Helper()
	got, want := contentsOf(t, s, ws), contentsOf(t, model, ws)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: there are\n%+v, want\n%+v", what, got, want)
	}
}

// first is a batch that brings some rows, and second one that changes all kinds of them,
// as a worker and its successor say it.
func first() *eventstore.Batch {
	b := &eventstore.Batch{Applied: map[int]uint64{0: 4, 1: 1}, AsOf: 1, Commit: 1}
	for seq := range uint64(4) {
		b.Events = append(b.Events, weir.Event{Position: weir.At(0, seq+1), Time: weir.Micros(10 + seq), Name: "a", Identity: uint32(seq%2) + 1, Person: uint32(seq%2) + 1, Origin: weir.Derived, Session: 1})
	}
	b.Events = append(b.Events, weir.Event{Position: weir.At(1, 1), Time: 20, Name: "b", Identity: 3, Person: 3})
	b.People = []weir.Person{person(1, "one"), person(2, "two"), person(3, "three")}
	b.Visits = []eventstore.Visit{visit(1, 1, 1), visit(2, 2, 2), visit(3, 3, 3)}
	return b
}

func second(commit uint64, says string) *eventstore.Batch {
	property := []weir.Property{{Name: "says", Value: weir.Text(says)}, {Name: "list", Value: weir.Raw(`["` + says + `",5]`)}}
	b := &eventstore.Batch{Applied: map[int]uint64{0: 6}, AsOf: weir.Micros(commit), Commit: commit}
	b.Events = []weir.Event{
		{Position: weir.At(0, 5), Time: 12, Name: "a", Identity: 1, Person: 1, Properties: property, Origin: weir.Derived, Session: 1},
		{Position: weir.At(0, 6), Time: 16, Name: says, Identity: 4, Person: 4, Properties: property},
		{Position: weir.At(0, 3), Time: 17, Name: says, Identity: 1, Person: 1},
	}
	for _, e := range b.Events[:2] {
		b.Log = append(b.Log, weir.Outcome{Position: e.Position, ReceivedAt: 1, Kind: weir.KindPageview, ItemID: "item"})
	}
	b.Replaced = []weir.Position{weir.At(0, 2), weir.At(0, 3)}
	b.Moves = []eventstore.Move{{Identity: 2, Person: uint32(commit), From: 0, To: 100}}
	b.Sessions = []eventstore.SessionMove{{Identity: 1, Origin: weir.Derived, From: 10, To: 11, Session: uint32(commit) + 10}}
	b.People, b.Gone = []weir.Person{person(1, says)}, []uint32{2}
	v := visit(1, 1, 1)
	v.Channel = says
	b.Visits, b.VisitsGone, b.VisitsOf = []eventstore.Visit{v}, []uint32{2}, []uint32{3}
	return b
}

func person(number uint32, says string) weir.Person {
	return weir.Person{Number: number, ID: says, Traits: []weir.Property{{Name: "says", Value: weir.Text(says)}}}
}

func visit(number, identity, person uint32) eventstore.Visit {
	return eventstore.Visit{Number: number, ID: fmt.Sprint("v", number), Identity: identity, Person: person, StartedAt: 10, Origin: weir.Derived}
}

func write(t *testing.T, ws weir.WorkspaceID, b *eventstore.Batch, stores ...eventstore.Store) {
	t.Helper()
	for _, s := range stores {
		if err := s.Write(t.Context(), ws, b); err != nil {
			t.Fatal(err)
		}
	}
}

// step is by how many requests the next trial's fault comes later.
func step() int {
	if testing.Short() {
		return 3
	}
	return 1
}

// A write that breaks off anywhere, with what it asked of the server done or not, is
// written again, by the same store or another, and is there once.
func TestWriteThatBreaksOff(t *testing.T) {
	g, prefix := newGate(t), prefixOf(t)
	options := clickstore.Options{Prefix: prefix}
	s, err := clickstore.Open(g.address, &options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	other := open(t, prefix, clickstore.Options{})
	for mode, act := range map[string]func(func(http.ResponseWriter), http.ResponseWriter){
		"asked": func(_ func(http.ResponseWriter), w http.ResponseWriter) { cut(w) },
		"done": func(forward func(http.ResponseWriter), w http.ResponseWriter) {
			forward(httptest.NewRecorder())
			cut(w)
		},
	} {
		for k := 0; ; k += step() {
			ws, model := weir.WorkspaceID(fmt.Sprint(mode, "-", k)), storetest.NewModel()
			write(t, ws, first(), s, model)
			b := second(2, "second")
			g.arm(k, act)
			err := s.Write(t.Context(), ws, b)
			if !g.hit() {
				if err != nil || k < 8 {
					t.Fatalf("%s: request %d did not come: %v", mode, k, err)
				}
				break
			}
			if err == nil {
				t.Fatalf("%s: a write whose request %d was lost has no error", mode, k)
			}
			again := eventstore.Store(s)
			if k%2 == 1 {
				again = other
				b.Commit = 3 // its state has committed it anew
			}
			write(t, ws, b, again, model)
			what := fmt.Sprintf("request %d lost once %s", k, mode)
			compare(t, what, again, model, ws)
			later := &eventstore.Batch{Applied: map[int]uint64{1: 2}, Commit: 4, Events: []weir.Event{{Position: weir.At(1, 2), Time: 30, Name: "later", Identity: 4, Person: 4}}}
			write(t, ws, later, s, model)
			compare(t, what+", and a batch later", s, model, ws)
		}
	}
}

// A worker that was taken for dead goes on with what it was about to write when its
// successor has written the same positions, and more: the successor's holds.
func TestZombie(t *testing.T) {
	g, prefix := newGate(t), prefixOf(t)
	options := clickstore.Options{Prefix: prefix}
	zombie, err := clickstore.Open(g.address, &options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { zombie.Close() })
	successor := open(t, prefix, clickstore.Options{})
	for _, numbered := range []bool{true, false} {
		for k := 1; ; k += step() { // the first request asks how far the workspace is written
			ws, model := weir.WorkspaceID(fmt.Sprintf("zombie-%v-%d", numbered, k)), storetest.NewModel()
			a, b, c := first(), second(2, "zombie"), second(3, "successor")
			c.Events = slices.Delete(c.Events, 1, 2) // which the successor takes for none
			c.Events = append(c.Events, weir.Event{Position: weir.At(0, 7), Time: 18, Name: "more", Identity: 1, Person: 1})
			c.Applied[0] = 7
			if !numbered {
				a.Commit, b.Commit, c.Commit = 0, 0, 0
			}
			write(t, ws, a, zombie, model)
			reached, goOn := make(chan struct{}), make(chan struct{})
			g.arm(k, func(forward func(http.ResponseWriter), w http.ResponseWriter) {
				close(reached)
				<-goOn
				forward(w)
			})
			ended := make(chan error, 1)
			go func() { ended <- zombie.Write(t.Context(), ws, b) }()
			select {
			case err := <-ended:
				if err != nil || k < 8 {
					t.Fatalf("request %d did not come: %v", k, err)
				}
			case <-reached:
				write(t, ws, c, successor)
				close(goOn)
				if err := <-ended; err != nil {
					t.Fatal(err) // it does not know that it is dead
				}
				write(t, ws, c, model)
				compare(t, fmt.Sprintf("numbered %v, zombie held at request %d", numbered, k), successor, model, ws)
				continue
			}
			g.hit()
			break
		}
	}
}

// Of two batches that say something of the same people, visits, identities and events the
// one of the later commit holds, also if it is written first.
func TestOrderOfCommits(t *testing.T) {
	prefix := prefixOf(t)
	one, two := open(t, prefix, clickstore.Options{}), open(t, prefix, clickstore.Options{})
	model := storetest.NewModel()
	write(t, "order", first(), one, model)
	earlier, later := second(2, "earlier"), second(3, "later")
	earlier.Applied, earlier.Events, earlier.Log = map[int]uint64{1: 2}, []weir.Event{{Position: weir.At(1, 2), Time: 20, Name: "c", Identity: 9, Person: 9}}, nil
	write(t, "order", later, two)
	write(t, "order", earlier, one)
	write(t, "order", earlier, model)
	write(t, "order", later, model)
	compare(t, "the later commit first", one, model, "order")
}

// Two workers write their partitions to one workspace at the same time, while others ask.
func TestTwoWriters(t *testing.T) {
	prefix := prefixOf(t)
	reader, model := open(t, prefix, clickstore.Options{}), storetest.NewModel()
	const batches, each = 15, 10
	var wait sync.WaitGroup
	done := make(chan struct{})
	for partition := range 2 {
		s := open(t, prefix, clickstore.Options{})
		var all []*eventstore.Batch
		for i := range batches {
			b := &eventstore.Batch{Applied: map[int]uint64{partition: uint64((i + 1) * each)}, AsOf: 1}
			for k := range each {
				n := uint32(partition*1000 + i*each + k + 1)
				b.Events = append(b.Events, weir.Event{Position: weir.At(partition, uint64(i*each+k+1)), Time: weir.Micros(k), Name: "a", Identity: n, Person: n, Properties: []weir.Property{{Name: fmt.Sprint("p", i), Value: weir.Num(float64(k))}}})
			}
			person := uint32(partition*1000 + 1)
			b.Moves = []eventstore.Move{{Identity: person + uint32(i*each), Person: person, From: 0, To: 100}}
			b.People = []weir.Person{{Number: person, ID: fmt.Sprint(i), Traits: []weir.Property{{Name: "says", Value: weir.Num(float64(i))}}}}
			all = append(all, b)
			write(t, "shared", b, model)
		}
		wait.Go(func() {
			for _, b := range all {
				if err := s.Write(t.Context(), "shared", b); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	go func() { wait.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		answer, err := reader.Ask(t.Context(), "shared", everything())
		if err != nil {
			t.Fatal(err)
		}
		n0, n1 := answer.AsOf.Positions[0], answer.AsOf.Positions[1]
		if got := uint64(answer.Series[0].Total); got != n0+n1 {
			t.Fatalf("as of %v there are %d events", answer.AsOf.Positions, got)
		}
		users := uint64(0)
		for _, n := range []uint64{n0, n1} {
			if n > 0 {
				users += n - n/each + 1 // the first of each batch is of one person
			}
		}
		if got := uint64(answer.Series[1].Total); got != users {
			t.Fatalf("as of %v there are %d users, want %d", answer.AsOf.Positions, got, users)
		}
	}
	compare(t, "in the end", reader, model, "shared")
}

// A workspace that another process drops and writes anew is known for what it is.
func TestDroppedByAnother(t *testing.T) {
	prefix := prefixOf(t)
	one, two := open(t, prefix, clickstore.Options{}), open(t, prefix, clickstore.Options{})
	write(t, "dropped", first(), one)
	contentsOf(t, two, "dropped")
	if err := two.Drop(t.Context(), "dropped"); err != nil {
		t.Fatal(err)
	}
	model := storetest.NewModel()
	compare(t, "nothing", one, model, "dropped")
	// Other people behind the same numbers.
	b := first()
	b.Events[0].Person = 7
	write(t, "dropped", b, two, model)
	write(t, "dropped", second(5, "anew"), one, model)
	compare(t, "written by both", one, model, "dropped")
}

// A server that is gone without a word does not hold up who asked it for ever.
func TestSilentServer(t *testing.T) {
	g, options := newGate(t), clickstore.Options{Prefix: prefixOf(t), Timeout: 2 * time.Second}
	s, err := clickstore.Open(g.address, &options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	write(t, "silent", first(), open(t, options.Prefix, clickstore.Options{}))
	if _, err := s.Applied(t.Context(), "silent"); err != nil { // it has seen the tables
		t.Fatal(err)
	}
	for what, call := range map[string]func() error{
		"a write":    func() error { return s.Write(t.Context(), "silent", second(2, "second")) },
		"a question": func() error { _, err := s.Ask(t.Context(), "silent", everything()); return err },
	} {
		over := make(chan struct{})
		g.arm(1, func(_ func(http.ResponseWriter), w http.ResponseWriter) {
			<-over
			cut(w)
		})
		err := call()
		close(over)
		if !g.hit() || err == nil || !strings.Contains(err.Error(), "has not answered") {
			t.Errorf("%s that nobody answers ends with %v", what, err)
		}
	}
}

// Numbers of commits are lower than versions of the clock: what was written by the one is
// not gone on with by the other.
func TestNumbersAfterTheClock(t *testing.T) {
	s, b := open(t, prefixOf(t), clickstore.Options{}), first()
	b.Commit = 0
	write(t, "clock", b, s)
	if err := s.Write(t.Context(), "clock", second(2, "second")); err == nil || !strings.Contains(err.Error(), "rebuild") {
		t.Errorf("it was taken: %v", err)
	}
}
