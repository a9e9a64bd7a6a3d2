package statetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

func testEmptyStore(t *testing.T, f *fixture) {
	s := f.load(state.Need{Users: users(acme, "u1", "u2"), Sessions: users(acme, "s1"), Conversions: users(acme, "c1"), Partitions: []int{0, 7}})
	if len(s.Identities)+len(s.Sessions)+len(s.Conversions)+len(s.Contended) > 0 {
		t.Errorf("an empty store knows %v, %v, %v and %v", s.Identities, s.Sessions, s.Conversions, s.Contended)
	}
	equal(t, "positions", s.Applied, map[int]uint64{0: 0, 7: 0})
	if s := f.load(state.Need{}); s.Identities == nil || s.Sessions == nil || s.Conversions == nil || s.Applied == nil {
		t.Error("a map of the snapshot is nil; callers write to it")
	}
}

func testReadsBack(t *testing.T, f *fixture) {
	one, two := identity(acme, "u1", 1), identity(acme, "u2", 2)
	bare := &weir.Identity{Workspace: acme, ID: "bare", Number: 3, Person: 3}
	first := session(acme, "s1", 1)
	f.write(state.Changes{
		Identities: []*weir.Identity{two, one, bare}, Sessions: []*weir.Session{first},
		Applied: map[int]uint64{3: 42},
	})
	f.reopen()
	need := state.Need{Users: users(acme, "u2", "u1", "bare", "u1", "nobody"), Sessions: users(acme, "s1", "nothing"), Partitions: []int{3, 4, 3}}
	s := f.load(need)
	equal(t, "identities", loaded(s), []string{"bare", "u1", "u2"})
	equal(t, "first", s.Identities[key(acme, "u1")], one)
	equal(t, "second", s.Identities[key(acme, "u2")], two)
	equal(t, "bare", s.Identities[key(acme, "bare")], bare)
	equal(t, "session", s.Sessions[key(acme, "s1")], first)
	equal(t, "number of sessions", len(s.Sessions), 1)
	equal(t, "positions", s.Applied, map[int]uint64{3: 42, 4: 0})

	// A document replaces the one before, whether or not it was loaded.
	one.Traits.Set(weir.Stamp{At: 9, Item: "later"}, weir.Property{Name: "plan", Value: weir.Text("free")})
	one.Edges = nil
	first.User = "u2"
	tx := f.begin(state.Need{Users: users(acme, "u1")})
	f.commit(tx, state.Changes{Identities: []*weir.Identity{one}, Sessions: []*weir.Session{first}})
	s = f.load(need)
	equal(t, "replaced", s.Identities[key(acme, "u1")], one)
	equal(t, "untouched", s.Identities[key(acme, "u2")], two)
	equal(t, "replaced session", s.Sessions[key(acme, "s1")], first)
}

// testIdentitiesAreWhole: every field, whatever its value, and each flag by
// itself.
func testIdentitiesAreWhole(t *testing.T, f *fixture) {
	var want []*weir.Identity
	for flags := range 16 {
		want = append(want, &weir.Identity{
			Workspace: acme, ID: fmt.Sprint("flags", flags), Number: uint32(flags + 1), Person: uint32(flags + 1),
			Authenticated: flags&1 != 0, Key: flags&2 != 0, Converts: flags&4 != 0, Attends: flags&8 != 0,
		})
	}
	extreme := identity(acme, "extreme", math.MaxUint32)
	extreme.CreatedAt, extreme.FirstSeen, extreme.LastSeen = math.MinInt64, math.MaxInt64, math.MinInt64
	extreme.Edges, extreme.Incoming, extreme.Retracted = nil, nil, nil
	for n := range 300 {
		other := fmt.Sprint("other", n)
		extreme.Edges = append(extreme.Edges, weir.Edge{From: "extreme", To: other, At: weir.Micros(n), Item: other, Rule: weir.RuleMerge})
		extreme.Incoming = append(extreme.Incoming, weir.Edge{From: other, To: "extreme", At: -weir.Micros(n), Rule: weir.RuleKey + weir.EdgeRule(other)})
		extreme.Retracted = append(extreme.Retracted, extreme.Edges[n].ID())
	}
	extreme.Incoming = append(extreme.Incoming, weir.Edge{}, weir.Edge{From: "neither end", To: "is its own", At: math.MinInt64})
	want = append(want, extreme)
	f.write(state.Changes{Identities: want})
	f.reopen()
	var need state.Need
	for _, i := range want {
		need.Users = append(need.Users, key(acme, i.ID))
	}
	got := f.load(need).Identities
	for _, i := range want {
		equal(t, i.ID, got[key(acme, i.ID)], i)
	}
}

// persons writes a1+a2+a3 as one person and b as another.
func (f *fixture) persons() {
	f.t.Helper()
	a1, a2, a3, b := identity(acme, "a1", 1), identity(acme, "a2", 2), identity(acme, "a3", 4), identity(acme, "b", 3)
	a2.Person, a3.Person = 1, 1
	f.write(state.Changes{Identities: []*weir.Identity{a1, a2, a3, b}})
}

func testLoadsWholePersons(t *testing.T, f *fixture) {
	f.persons()
	for need, want := range map[string][]string{
		"a1": {"a1", "a2", "a3"}, "a2": {"a1", "a2", "a3"}, "a3": {"a1", "a2", "a3"}, "b": {"b"},
	} {
		equal(t, "need of "+need, loaded(f.load(state.Need{Users: users(acme, need)})), want)
	}
	equal(t, "need of two", loaded(f.load(state.Need{Users: users(acme, "a3", "b")})), []string{"a1", "a2", "a3", "b"})
}

func testPersonsPart(t *testing.T, f *fixture) {
	f.persons()
	// The first identity leaves: the others are a person under another number.
	tx := f.begin(state.Need{Users: users(acme, "a1")})
	a2, a3 := tx.Snapshot().Identities[key(acme, "a2")], tx.Snapshot().Identities[key(acme, "a3")]
	a2.Person, a3.Person = 2, 2
	f.commit(tx, state.Changes{Identities: []*weir.Identity{a2, a3}})
	equal(t, "the one that left", loaded(f.load(state.Need{Users: users(acme, "a1")})), []string{"a1"})
	equal(t, "the others", loaded(f.load(state.Need{Users: users(acme, "a3")})), []string{"a2", "a3"})
}

func testWorkspacesAreApart(t *testing.T, f *fixture) {
	mine, theirs := identity(acme, "u", 1), identity(other, "u", 1)
	theirs.Traits = weir.Fields{}
	second := identity(other, "v", 2)
	second.Person = 1
	f.write(state.Changes{
		Identities: []*weir.Identity{mine, theirs, second},
		Sessions:   []*weir.Session{session(acme, "s", 1), session(other, "s", 1)},
		// Named alike, of owners of one number.
		Conversions: []*weir.Conversion{conversion(acme, "c", 1), conversion(other, "c", 1)},
	})
	s := f.load(state.Need{Users: users(acme, "u", "v"), Sessions: users(other, "s"), Conversions: users(other, "c")})
	equal(t, "identities of acme", loaded(s), []string{"u"})
	equal(t, "mine", s.Identities[key(acme, "u")], mine)
	equal(t, "sessions", s.Sessions, map[state.Key]*weir.Session{key(other, "s"): session(other, "s", 1)})
	equal(t, "conversions", s.Conversions, map[state.Key]*weir.Conversion{key(other, "c"): conversion(other, "c", 1)})
	equal(t, "theirs", f.load(state.Need{Users: users(other, "v")}).Identities[key(other, "u")], theirs)

	tx := f.begin(state.Need{})
	f.take(tx, acme, state.IdentityNumber, 5)
	equal(t, "the other's counter", f.take(tx, other, state.IdentityNumber, 1), 1)
	_ = tx.Rollback()
}

func testAnyTextIsAnID(t *testing.T, f *fixture) {
	strange := []string{
		"", " ", "U", "u", "ü", "u\u0308", "nul\x00inside", "nul\x00other", "'; DROP TABLE identities; --", "%", "a\nb",
		`"quoted"`, "1", "01", "1.0", "\U0001F600", "null", strings.Repeat("long", 2000),
	}
	var changes state.Changes
	for n, id := range strange {
		changes.Identities = append(changes.Identities, identity(acme, id, uint32(n+1)))
		changes.Sessions = append(changes.Sessions, session(acme, id, uint32(n+1)))
		changes.Conversions = append(changes.Conversions, conversion(acme, id, uint32(n+1)))
	}
	f.write(changes)
	s := f.load(state.Need{Users: users(acme, strange...), Sessions: users(acme, strange...), Conversions: users(acme, strange...)})
	for n, id := range strange {
		if i := s.Identities[key(acme, id)]; i == nil || i.Number != uint32(n+1) {
			t.Errorf("identity %.20q: got %v", id, i)
		}
		if x := s.Sessions[key(acme, id)]; x == nil || x.Number != uint32(n+1) {
			t.Errorf("session %.20q: got %v", id, x)
		}
		if c := s.Conversions[key(acme, id)]; c == nil || c.Owner != uint32(n+1) {
			t.Errorf("conversion %.20q: got %v", id, c)
		}
	}
	equal(t, "a prefix", len(f.load(state.Need{Users: users(acme, "nul")}).Identities), 0)
}

func testManyAtOnce(t *testing.T, f *fixture) {
	const n = 3007
	var changes state.Changes
	var need state.Need
	for i := n; i > 0; i-- { // not in order
		one := identity(acme, fmt.Sprint("u", i), uint32(i))
		one.Person = uint32((i-1)/3*3 + 1) // persons of three
		changes.Identities = append(changes.Identities, one)
		changes.Sessions = append(changes.Sessions, session(acme, fmt.Sprint("s", i), uint32(i)))
		changes.Conversions = append(changes.Conversions, conversion(acme, fmt.Sprint("c", i), uint32(i)))
		need.Conversions = append(need.Conversions, key(acme, fmt.Sprint("c", i)), key(acme, fmt.Sprint("none", i)))
		if i%3 == 0 || i == n {
			need.Users = append(need.Users, key(acme, one.ID))
		}
		need.Sessions = append(need.Sessions, key(acme, fmt.Sprint("s", i)), key(acme, fmt.Sprint("none", i)))
	}
	f.write(changes)
	s := f.load(need)
	equal(t, "identities", len(s.Identities), n)
	equal(t, "sessions", len(s.Sessions), n)
	equal(t, "conversions", len(s.Conversions), n)
	for _, want := range changes.Identities {
		if got := s.Identities[key(acme, want.ID)]; got == nil || got.Number != want.Number || got.Person != want.Person {
			t.Fatalf("identity %s: got %v", want.ID, got)
		}
	}
}

func testRollback(t *testing.T, f *fixture) {
	tx := f.begin(state.Need{Partitions: []int{1}})
	f.take(tx, acme, state.SessionNumber, 3)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Errorf("second rollback: %v", err)
	}
	if err := tx.Commit(f.ctx(), state.Changes{Identities: []*weir.Identity{identity(acme, "u", 1)}, Applied: map[int]uint64{1: 5}}); err == nil {
		t.Error("commit after rollback: no error")
	}
	s := f.load(state.Need{Users: users(acme, "u"), Partitions: []int{1}})
	equal(t, "identities", len(s.Identities), 0)
	equal(t, "position", s.Applied[1], 0)
}

// everything is a change of every sort to what testFailedCommit has written.
func everything() state.Changes {
	return state.Changes{
		Identities:         []*weir.Identity{identity(acme, "u3", 3), identity("fresh", "u", 1)},
		Sessions:           []*weir.Session{session(acme, "s2", 1), session(acme, "s3", 3)},
		Conversions:        []*weir.Conversion{conversion(acme, "c1", 9), conversion(acme, "c3", 3)},
		RemovedSessions:    users(acme, "s4"),
		RemovedConversions: users(acme, "c4"),
		Marks:              map[state.Key]string{key(acme, "m1"): "changed", key(acme, "m2"): "", key("", "m3"): "new"},
		Outbox:             []state.Effect{effect("mail", 1)},
		Applied:            map[int]uint64{1: 6},
	}
}

func testFailedCommit(t *testing.T, f *fixture) {
	before := state.Changes{
		Identities:  []*weir.Identity{identity(acme, "u1", 1)},
		Sessions:    []*weir.Session{session(acme, "s1", 1), session(acme, "s4", 4)},
		Conversions: []*weir.Conversion{conversion(acme, "c1", 1), conversion(acme, "c4", 4)},
		Marks:       map[state.Key]string{key(acme, "m1"): "one", key(acme, "m2"): "two"},
		Applied:     map[int]uint64{1: 5},
	}
	f.write(before)
	unchanged := func(what string) {
		t.Helper()
		s := f.load(state.Need{Users: slices.Concat(users(acme, "u1", "u2", "u3"), users("fresh", "u")), Partitions: []int{1}})
		equal(t, what+": identities", loaded(s), []string{"u1"})
		equal(t, what+": position", s.Applied[1], 5)
		equal(t, what+": sessions", f.scanSessions(acme), before.Sessions)
		equal(t, what+": conversions", f.scanConversions(acme), before.Conversions)
		equal(t, what+": marks", []string{f.mark(acme, "m1"), f.mark(acme, "m2"), f.mark("", "m3")}, []string{"one", "two", ""})
		effects, _ := f.waiting("mail", 0, 10)
		equal(t, what+": effects", len(effects), 0)
		list, err := f.store.View().Workspaces(f.ctx())
		if err != nil || !slices.Equal(list, []weir.WorkspaceID{acme}) {
			t.Errorf("%s: workspaces are %v, %v", what, list, err)
		}
	}
	for what, spoil := range map[string]func(*state.Changes){
		"a number that another identity has": func(c *state.Changes) { c.Identities = append(c.Identities, identity(acme, "u2", 1)) },
		"an identity without a number":       func(c *state.Changes) { c.Identities = append(c.Identities, identity(acme, "u2", 0)) },
		"a session without a number":         func(c *state.Changes) { c.Sessions = append(c.Sessions, session(acme, "s9", 0)) },
		"an id for two sessions":             func(c *state.Changes) { c.Sessions = append(c.Sessions, session(acme, "s3", 9)) },
		"an effect without a topic":          func(c *state.Changes) { c.Outbox = append(c.Outbox, effect("", 2)) },
		"a position that nobody asked for":   func(c *state.Changes) { c.Applied[2] = 1 },
	} {
		tx := f.begin(state.Need{Partitions: []int{1}, Sessions: users(acme, "s1", "s4"), Conversions: users(acme, "c1")})
		f.take(tx, "fresh", state.IdentityNumber, 1)
		changes := everything()
		spoil(&changes)
		if err := tx.Commit(f.ctx(), changes); err == nil {
			t.Errorf("%s: no error", what)
		}
		if err := tx.Rollback(); err != nil {
			t.Errorf("%s: rollback after it: %v", what, err)
		}
		unchanged(what)
	}
	canceled, cancel := context.WithCancel(f.ctx())
	tx := f.begin(state.Need{Partitions: []int{1}})
	cancel()
	wantErr(t, "commit with a context that has ended", tx.Commit(canceled, everything()), context.Canceled)
	unchanged("a context that has ended")
	f.reopen()
	unchanged("after opening again")
	f.write(everything()) // which is sound
	equal(t, "position in the end", f.load(state.Need{Partitions: []int{1}}).Applied[1], 6)
}

func testEndsOnce(t *testing.T, f *fixture) {
	tx := f.begin(state.Need{})
	f.commit(tx, state.Changes{Identities: []*weir.Identity{identity(acme, "u", 1)}})
	if err := tx.Rollback(); err != nil {
		t.Errorf("rollback after commit: %v", err)
	}
	if err := tx.Commit(f.ctx(), state.Changes{}); err == nil {
		t.Error("second commit: no error")
	}
	if _, err := tx.Take(f.ctx(), acme, state.IdentityNumber, 1); err == nil {
		t.Error("take after commit: no error")
	}
	equal(t, "identities", len(f.load(state.Need{Users: users(acme, "u")}).Identities), 1)
}

func testSnapshotIsOwned(t *testing.T, f *fixture) {
	f.persons()
	tx := f.begin(state.Need{Users: users(acme, "b"), Partitions: []int{0}})
	s := tx.Snapshot()
	if tx.Snapshot() != s {
		t.Error("Snapshot gave another value at the second call")
	}
	// As a worker does: new identities are put beside the loaded ones.
	number := f.take(tx, acme, state.IdentityNumber, 1) + 100
	fresh := identity(acme, "fresh", number)
	s.Identities[key(acme, "fresh")] = fresh
	s.Sessions[key(acme, "fresh")] = session(acme, "fresh", 1)
	s.Applied[0] = 99
	f.commit(tx, state.Changes{
		Identities: []*weir.Identity{fresh}, Sessions: []*weir.Session{s.Sessions[key(acme, "fresh")]}, Applied: map[int]uint64{0: 7},
	})
	again := f.load(state.Need{Users: users(acme, "fresh"), Sessions: users(acme, "fresh"), Partitions: []int{0}})
	equal(t, "new identity", again.Identities[key(acme, "fresh")], fresh)
	equal(t, "new session", len(again.Sessions), 1)
	equal(t, "position", again.Applied[0], 7)
}

func testPositions(t *testing.T, f *fixture) {
	f.write(state.Changes{Applied: map[int]uint64{0: 10, 32767: 1<<48 - 1}})
	f.write(state.Changes{Applied: map[int]uint64{0: 9}})
	f.reopen()
	s := f.load(state.Need{Partitions: []int{0, 1, 32767}})
	equal(t, "positions", s.Applied, map[int]uint64{0: 10, 1: 0, 32767: 1<<48 - 1})
}

// testFenced lets workers advance the same position from where they found it.
// Whether they wait for each other or the later is fenced, no advance is lost, and
// of who was fenced nothing is there.
func testFenced(t *testing.T, f *fixture) {
	const workers, rounds = 4, 10
	var won [workers]int
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for round := range rounds {
				tx, err := f.store.Begin(f.ctx(), state.Need{Partitions: []int{5}})
				if err != nil {
					t.Errorf("begin: %v", err)
					return
				}
				at := tx.Snapshot().Applied[5]
				mine := fmt.Sprintf("%d of %d", round, w)
				err = tx.Commit(f.ctx(), state.Changes{
					Conversions: []*weir.Conversion{conversion(acme, mine, uint32(w+1))},
					Marks:       map[state.Key]string{key(acme, "last"): mine},
					Applied:     map[int]uint64{5: at + 1},
				})
				if err == nil {
					won[w]++
				} else if !errors.Is(err, state.ErrFenced) {
					t.Errorf("commit: %v", err)
				}
			}
		})
	}
	wait.Wait()
	total := 0
	for w, n := range won {
		total += n
		equal(t, fmt.Sprint("conversions of worker ", w), len(f.conversionsOf(always(uint32(w+1)))), n)
	}
	equal(t, "position", f.load(state.Need{Partitions: []int{5}}).Applied[5], uint64(total))
	if total == 0 {
		t.Error("no worker ever got through")
	}
	if last := f.mark(acme, "last"); f.load(state.Need{Conversions: users(acme, last)}).Conversions[key(acme, last)] == nil {
		t.Errorf("the mark %q is of a batch that was fenced", last)
	}
}

func testCounters(t *testing.T, f *fixture) {
	tx := f.begin(state.Need{})
	equal(t, "first", f.take(tx, acme, state.IdentityNumber, 3), 1)
	equal(t, "second", f.take(tx, acme, state.IdentityNumber, 1), 4)
	equal(t, "sessions", f.take(tx, acme, state.SessionNumber, 2), 1)
	equal(t, "none", f.take(tx, acme, state.SessionNumber, 0), 3)
	f.commit(tx, state.Changes{})
	f.reopen()
	tx = f.begin(state.Need{})
	equal(t, "after a commit", f.take(tx, acme, state.IdentityNumber, 10), 5)
	_ = tx.Rollback()
	tx = f.begin(state.Need{})
	if n := f.take(tx, acme, state.IdentityNumber, 1); n != 5 && n != 15 {
		t.Errorf("after a rollback: got %d, want 5 (given again) or 15 (never)", n)
	}
	equal(t, "sessions", f.take(tx, acme, state.SessionNumber, 1), 3)
	f.commit(tx, state.Changes{})
}

func testWaitingEnds(t *testing.T, f *fixture) {
	tx := f.begin(state.Need{Users: users(acme, "u")})
	ctx, cancel := context.WithCancel(f.ctx())
	cancel()
	if second, err := f.store.Begin(ctx, state.Need{Users: users(acme, "u")}); err == nil {
		t.Error("begin with a context that has ended: no error")
		_ = second.Rollback()
	}
	f.commit(tx, state.Changes{})
	f.load(state.Need{Users: users(acme, "u")})
}
