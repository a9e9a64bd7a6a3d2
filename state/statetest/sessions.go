package statetest

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// span is a stretch of an identity's time in acme.
func span(identity uint32, from, to weir.Micros) state.Span {
	return state.Span{Workspace: acme, Identity: identity, From: from, To: to}
}

func always(identity uint32) state.Span {
	return span(identity, math.MinInt64, math.MaxInt64)
}

// sessionsOf loads sessions in a transaction of its own and orders them.
func (f *fixture) sessionsOf(of ...state.Span) []*weir.Session {
	f.t.Helper()
	tx := f.begin(state.Need{})
	defer tx.Rollback()
	list, err := tx.SessionsOf(f.ctx(), of)
	if err != nil {
		f.t.Fatalf("load sessions: %v", err)
	}
	return sortedSessions(list)
}

func sortedSessions(list []*weir.Session) []*weir.Session {
	return slices.SortedFunc(slices.Values(list), func(a, b *weir.Session) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Number, b.Number))
	})
}

func sessionIDs(list []*weir.Session) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, s.ID)
	}
	slices.Sort(out)
	return out
}

func testSessionsAreWhole(t *testing.T, f *fixture) {
	full := session(acme, "full", 1)
	full.Points = append(full.Points,
		weir.Point{Item: math.MaxUint64, At: math.MinInt64, Lead: -1, Flags: math.MaxUint8, Source: []weir.Property{
			{Name: "flag", Value: weir.Boolean(true)}, {Name: "list", Value: weir.Raw(`[1]`)}, {Name: "none"}, {Name: "number", Value: weir.Num(-0.5)}, {Name: "text", Value: weir.Text("")},
		}})
	bare := &weir.Session{Workspace: acme, ID: "bare", Number: 2}
	extreme := &weir.Session{Workspace: acme, ID: "extreme", Number: math.MaxUint32, Owner: math.MaxUint32, Origin: weir.Impression, StartedAt: math.MinInt64, EndedAt: math.MaxInt64}
	want := []*weir.Session{full, bare, extreme}
	f.write(state.Changes{Sessions: want})
	f.reopen()
	got := f.load(state.Need{Sessions: users(acme, "full", "bare", "extreme", "full", "unknown")}).Sessions
	equal(t, "number of sessions", len(got), len(want))
	for _, s := range want {
		equal(t, s.ID, got[key(acme, s.ID)], s)
	}
	equal(t, "by the owner", f.sessionsOf(always(full.Owner), always(extreme.Owner)), []*weir.Session{full, extreme})
}

// stretch is a session of an owner from one time to another.
func stretch(id string, number, owner uint32, from, to weir.Micros) *weir.Session {
	s := session(acme, id, number)
	s.Owner, s.StartedAt, s.EndedAt = owner, from, to
	return s
}

func testSessionsOf(t *testing.T, f *fixture) {
	const hour = 3600e6
	foreign := stretch("foreign", 1, 1, noon, noon)
	foreign.Workspace = other
	f.write(state.Changes{Sessions: []*weir.Session{ // of every origin
		stretch("a", 1, 1, noon, noon+10),
		stretch("b", 2, 1, noon+10, noon+20),
		stretch("c", 3, 1, noon+40, noon+40),
		stretch("d", 4, 1, noon+2*hour, noon+5*hour),
		stretch("past", 5, 1, -10, -5),
		stretch("nothing", 6, 1, 0, 0),
		stretch("another's", 7, 2, -hour, noon+9*hour),
		foreign,
	}})
	f.reopen()
	for _, c := range []struct {
		what string
		of   []state.Span
		want []string
	}{
		{"nothing asked", nil, []string{}},
		{"all", []state.Span{always(1)}, []string{"a", "b", "c", "d", "nothing", "past"}},
		{"where two meet", []state.Span{span(1, noon+10, noon+10)}, []string{"a", "b"}},
		{"a microsecond later", []state.Span{span(1, noon+11, noon+39)}, []string{"b"}},
		{"up to a start", []state.Span{span(1, noon+21, noon+40)}, []string{"c"}},
		{"from an end", []state.Span{span(1, noon+40, noon+hour)}, []string{"c"}},
		{"between", []state.Span{span(1, noon+41, noon+2*hour-1)}, []string{}},
		{"after all", []state.Span{span(1, noon+5*hour+1, math.MaxInt64)}, []string{}},
		{"before all", []state.Span{span(1, math.MinInt64, -11)}, []string{}},
		{"within one", []state.Span{span(1, noon+3*hour, noon+4*hour)}, []string{"d"}},
		{"before 1970", []state.Span{span(1, -5, -1)}, []string{"past"}},
		{"without a time", []state.Span{span(1, 0, 0)}, []string{"nothing"}},
		{"found by two spans", []state.Span{span(1, noon, noon+10), span(1, noon+10, noon+40), span(1, noon, noon+10)}, []string{"a", "b", "c"}},
		{"two owners", []state.Span{span(1, noon, noon), span(2, noon+9*hour, noon+9*hour)}, []string{"a", "another's"}},
		{"unknown owner", []state.Span{always(99)}, []string{}},
		{"other workspace", []state.Span{{Workspace: other, Identity: 1, From: noon, To: noon}}, []string{"foreign"}},
		{"both workspaces", []state.Span{{Workspace: other, Identity: 1, From: noon, To: noon}, span(1, noon, noon)}, []string{"a", "foreign"}},
		{"unknown workspace", []state.Span{{Workspace: "nobody's", Identity: 1, From: math.MinInt64, To: math.MaxInt64}}, []string{}},
	} {
		equal(t, c.what, sessionIDs(f.sessionsOf(c.of...)), c.want)
	}
	tx := f.begin(state.Need{})
	_ = tx.Rollback()
	if _, err := tx.SessionsOf(f.ctx(), []state.Span{always(1)}); err == nil {
		t.Error("load sessions after the end: no error")
	}
}

func testSessionsOfMany(t *testing.T, f *fixture) {
	const owners, each = 1303, 3
	var changes state.Changes
	var spans []state.Span
	for n := range owners * each {
		owner := uint32(n%owners) + 1
		at := noon + weir.Micros(n/owners)*1000
		changes.Sessions = append(changes.Sessions, stretch(fmt.Sprint("s", n), uint32(n+1), owner, at, at+10))
	}
	for n := owners; n > 0; n-- {
		spans = append(spans, span(uint32(n), noon+1010, noon+2000))
	}
	f.write(changes)
	equal(t, "sessions", f.sessionsOf(spans...), sortedSessions(changes.Sessions[owners:]))
}

// testSessionsOfChanged: spans follow what a session has become.
func testSessionsOfChanged(t *testing.T, f *fixture) {
	const day = 24 * 3600e6
	s := stretch("s", 1, 1, noon, noon+10)
	f.write(state.Changes{Sessions: []*weir.Session{s}})
	change := func(what string, need state.Need, fn func()) {
		t.Helper()
		tx := f.begin(need)
		fn()
		f.commit(tx, state.Changes{Sessions: []*weir.Session{s}})
		equal(t, what, f.sessionsOf(always(s.Owner)), []*weir.Session{s})
	}
	for _, need := range []state.Need{{}, {Sessions: users(acme, "s")}} { // not loaded, and loaded
		change("longer", need, func() { s.StartedAt -= day; s.EndedAt += 2 * day })
		equal(t, "its new start", sessionIDs(f.sessionsOf(span(s.Owner, s.StartedAt, s.StartedAt))), []string{"s"})
		equal(t, "its new end", sessionIDs(f.sessionsOf(span(s.Owner, s.EndedAt, s.EndedAt))), []string{"s"})
		change("shorter", need, func() { s.StartedAt += day; s.EndedAt -= 2 * day })
		equal(t, "its former start", len(f.sessionsOf(span(s.Owner, s.StartedAt-day, s.StartedAt-1))), 0)
		equal(t, "its former end", len(f.sessionsOf(span(s.Owner, s.EndedAt+1, s.EndedAt+2*day))), 0)
		former := s.Owner
		change("of another owner", need, func() { s.Owner, s.User = s.Owner+1, "another" })
		equal(t, "of the former owner", len(f.sessionsOf(always(former))), 0)
	}
	// Loaded by its owner only.
	tx := f.begin(state.Need{})
	list, err := tx.SessionsOf(f.ctx(), []state.Span{always(s.Owner)})
	if err != nil || len(list) != 1 {
		t.Fatalf("load sessions: got %v, %v", list, err)
	}
	list[0].Owner, list[0].EndedAt = 77, noon+day
	f.commit(tx, state.Changes{Sessions: list})
	equal(t, "of the last owner", f.sessionsOf(span(77, noon+day, noon+day)), list)
}

// sessionNumbers says which number each id has.
func (f *fixture) sessionNumbers(ids ...string) map[string]uint32 {
	f.t.Helper()
	out := map[string]uint32{}
	for k, s := range f.load(state.Need{Sessions: users(acme, ids...)}).Sessions {
		if s.ID != k.ID {
			f.t.Errorf("session %q is under the key %q", s.ID, k.ID)
		}
		out[k.ID] = s.Number
	}
	return out
}

// testSessionIDs: what is derived takes its id from its first event, and its
// number stays.
func testSessionIDs(t *testing.T, f *fixture) {
	all := []string{"a", "b", "c", "d", "e"}
	for _, loaded := range []bool{false, true} {
		f.write(state.Changes{Sessions: []*weir.Session{session(acme, "a", 1), session(acme, "b", 2), session(acme, "c", 3)}, RemovedSessions: users(acme, all...)})
		commit := func(what string, want map[string]uint32, changes state.Changes) {
			t.Helper()
			need := state.Need{}
			if loaded {
				need.Sessions = users(acme, all...)
			}
			tx := f.begin(need)
			f.commit(tx, changes)
			f.reopen()
			equal(t, what, f.sessionNumbers(all...), want)
			total := 0
			for number := range uint32(6) {
				total += len(f.sessionsOf(always(number + 1)))
			}
			equal(t, what+": sessions of all owners", total, len(want))
		}
		commit("another id", map[string]uint32{"d": 1, "b": 2, "c": 3}, state.Changes{Sessions: []*weir.Session{session(acme, "d", 1)}})
		commit("another id, and the former is removed", map[string]uint32{"e": 1, "b": 2, "c": 3},
			state.Changes{Sessions: []*weir.Session{session(acme, "e", 1)}, RemovedSessions: users(acme, "d")})
		commit("two change theirs", map[string]uint32{"b": 1, "e": 2, "c": 3}, state.Changes{Sessions: []*weir.Session{session(acme, "b", 1), session(acme, "e", 2)}})
		commit("the id of one that is no more", map[string]uint32{"c": 1, "e": 2},
			state.Changes{Sessions: []*weir.Session{session(acme, "c", 1)}, RemovedSessions: users(acme, "c", "b")})
		commit("the id of one that is no more, under a new number", map[string]uint32{"c": 4, "e": 2},
			state.Changes{Sessions: []*weir.Session{session(acme, "c", 4)}, RemovedSessions: users(acme, "c")})
		commit("removed and written", map[string]uint32{"c": 4, "e": 2},
			state.Changes{Sessions: []*weir.Session{session(acme, "e", 2)}, RemovedSessions: users(acme, "e")})
		commit("round and round", map[string]uint32{"e": 4, "c": 5, "a": 2},
			state.Changes{Sessions: []*weir.Session{session(acme, "c", 5), session(acme, "a", 2), session(acme, "e", 4)}})

		tx := f.begin(state.Need{})
		if err := tx.Commit(f.ctx(), state.Changes{Sessions: []*weir.Session{session(acme, "b", 6), session(acme, "a", 1)}}); err == nil {
			t.Error("an id was given to two sessions")
		}
		equal(t, "after a commit that failed", f.sessionNumbers(all...), map[string]uint32{"e": 4, "c": 5, "a": 2})
	}
}

func testSessionsRemoved(t *testing.T, f *fixture) {
	foreign := session(other, "a", 1)
	f.write(state.Changes{Sessions: []*weir.Session{session(acme, "a", 1), session(acme, "b", 2), foreign}})
	tx := f.begin(state.Need{Sessions: users(acme, "a")})
	f.commit(tx, state.Changes{RemovedSessions: slices.Concat(users(acme, "a", "unknown", "a"), users("nobody's", "a"))})
	f.reopen()
	equal(t, "left", f.sessionNumbers("a", "b"), map[string]uint32{"b": 2})
	equal(t, "of its owner", len(f.sessionsOf(always(2))), 0)
	equal(t, "the other workspace's", f.load(state.Need{Sessions: users(other, "a")}).Sessions[key(other, "a")], foreign)
	f.write(state.Changes{RemovedSessions: users(acme, "b")}) // not loaded
	equal(t, "left", slices.Collect(maps.Keys(f.sessionNumbers("a", "b"))), nil)
	f.write(state.Changes{Sessions: []*weir.Session{session(acme, "a", 2)}})
	equal(t, "again", f.sessionNumbers("a", "b"), map[string]uint32{"a": 2})
}
