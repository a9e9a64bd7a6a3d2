package statetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

func (f *fixture) scanSessions(ws weir.WorkspaceID) (list []*weir.Session) {
	f.t.Helper()
	err := f.store.View().ScanSessions(f.ctx(), ws, func(s *weir.Session) error {
		list = append(list, s)
		return nil
	})
	if err != nil {
		f.t.Fatalf("scan sessions: %v", err)
	}
	return list
}

func (f *fixture) scanConversions(ws weir.WorkspaceID) (list []*weir.Conversion) {
	f.t.Helper()
	err := f.store.View().ScanConversions(f.ctx(), ws, func(c *weir.Conversion) error {
		list = append(list, c)
		return nil
	})
	if err != nil {
		f.t.Fatalf("scan conversions: %v", err)
	}
	return list
}

func (f *fixture) viewSession(ws weir.WorkspaceID, id string) *weir.Session {
	f.t.Helper()
	s, err := f.store.View().Session(f.ctx(), ws, id)
	if err != nil {
		f.t.Fatalf("read session: %v", err)
	}
	return s
}

func testViewSessions(t *testing.T, f *fixture) {
	const n = 1234
	changes := state.Changes{Sessions: []*weir.Session{session(other, "foreign", 7), session(other, "s5", 1<<32-1)}}
	var want []*weir.Session
	for i := range n {
		want = append(want, session(acme, fmt.Sprint("s", i*7919%n), uint32(i+1)))
		changes.Sessions = append(changes.Sessions, session(acme, fmt.Sprint("s", i*7919%n), uint32(i+1)))
	}
	want = append(want, session(acme, "", 1<<32-1))
	changes.Sessions = append(changes.Sessions, session(acme, "", 1<<32-1))
	slices.Reverse(changes.Sessions)
	f.write(changes)
	equal(t, "scan", f.scanSessions(acme), want)
	equal(t, "scan of the other workspace", f.scanSessions(other), []*weir.Session{session(other, "foreign", 7), session(other, "s5", 1<<32-1)})
	equal(t, "scan of an unknown workspace", len(f.scanSessions("nobody's")), 0)
	of := func(ws weir.WorkspaceID, identities ...uint32) []*weir.Session {
		t.Helper()
		list, err := f.store.View().Sessions(f.ctx(), ws, identities)
		if err != nil {
			t.Fatalf("read sessions: %v", err)
		}
		return list
	}
	equal(t, "sessions of identities", of(acme, 9, 2, 999_999), []*weir.Session{want[0], want[7]})
	equal(t, "sessions of nobody", len(of(acme)), 0)
	equal(t, "sessions of the other workspace", of(other, 8), []*weir.Session{session(other, "foreign", 7)})
	enough, calls := errors.New("enough"), 0
	err := f.store.View().ScanSessions(f.ctx(), acme, func(*weir.Session) error { calls++; return enough })
	wantErr(t, "scan whose fn fails", err, enough)
	equal(t, "calls", calls, 1)

	equal(t, "by id", f.viewSession(acme, "s5"), session(acme, "s5", f.sessionNumbers("s5")["s5"]))
	equal(t, "by the empty id", f.viewSession(acme, ""), session(acme, "", 1<<32-1))
	equal(t, "the other workspace's", f.viewSession(other, "s5"), session(other, "s5", 1<<32-1))
	equal(t, "unknown id", f.viewSession(acme, "foreign"), nil)
	equal(t, "unknown workspace", f.viewSession("nobody's", "s5"), nil)

	// A reader waits for no micro-batch and sees nothing of an open one.
	tx := f.begin(state.Need{Users: users(acme, "u"), Sessions: users(acme, "s5", "")})
	equal(t, "beside an open batch", f.viewSession(acme, "").ID, "")
	f.commit(tx, state.Changes{Sessions: []*weir.Session{session(acme, "later", 1<<32-1)}, RemovedSessions: users(acme, "s5")})
	equal(t, "removed", f.viewSession(acme, "s5"), nil)
	equal(t, "its id has changed", f.viewSession(acme, ""), nil)
	equal(t, "number of sessions", len(f.scanSessions(acme)), n)
}

func testViewConversions(t *testing.T, f *fixture) {
	const n = 1234
	early, late := conversion(acme, "", 2), conversion(acme, "z", 1)
	early.At, late.At = -1, noon*2
	want := []*weir.Conversion{early, late}
	for i := range n {
		want = append(want, conversion(acme, fmt.Sprint("c", i*7919%n), uint32(i%3+1)))
	}
	foreign := conversion(other, "c5", 1)
	f.write(state.Changes{Conversions: append(slices.Clone(want), foreign)})
	want = sortedConversions(want)
	equal(t, "scan", f.scanConversions(acme), want)
	equal(t, "scan of the other workspace", f.scanConversions(other), []*weir.Conversion{foreign})
	equal(t, "scan of an unknown workspace", len(f.scanConversions("nobody's")), 0)
	enough, calls := errors.New("enough"), 0
	err := f.store.View().ScanConversions(f.ctx(), acme, func(*weir.Conversion) error { calls++; return enough })
	wantErr(t, "scan whose fn fails", err, enough)
	equal(t, "calls", calls, 1)

	of := func(ws weir.WorkspaceID, identities ...uint32) []*weir.Conversion {
		t.Helper()
		list, err := f.store.View().Conversions(f.ctx(), ws, identities)
		if err != nil {
			t.Fatalf("read conversions: %v", err)
		}
		return list
	}
	list := of(acme, 1, 2, 1, 99)
	if !slices.IsSortedFunc(list, func(a, b *weir.Conversion) int { return int(min(max(a.At-b.At, -1), 1)) }) || list[0].ID != "" || list[len(list)-1].ID != "z" {
		t.Error("the conversions of identities are not in order of time")
	}
	two := slices.DeleteFunc(slices.Clone(want), func(c *weir.Conversion) bool { return c.Owner == 3 })
	equal(t, "of two identities", sortedConversions(list), two)
	equal(t, "of the other workspace", of(other, 1, 2, 3), []*weir.Conversion{foreign})
	for what, list := range map[string][]*weir.Conversion{
		"no identity": of(acme), "unknown identity": of(acme, 99), "unknown workspace": of("nobody's", 1),
	} {
		equal(t, what, len(list), 0)
	}
	f.write(state.Changes{RemovedConversions: users(acme, "z")})
	equal(t, "after one is removed", f.scanConversions(acme), want[:len(want)-1])
}

func testViewWorkspaces(t *testing.T, f *fixture) {
	list := func() []string {
		t.Helper()
		all, err := f.store.View().Workspaces(f.ctx())
		if err != nil {
			t.Fatal(err)
		}
		out := []string{}
		for _, ws := range all {
			out = append(out, string(ws))
		}
		return out
	}
	equal(t, "an empty store", list(), []string{})
	f.load(state.Need{Users: users("asked", "u"), Sessions: users("asked", "s"), Conversions: users("asked", "c")})
	f.write(state.Changes{
		RemovedSessions: users("asked", "s"), RemovedConversions: users("asked", "c"), Marks: map[state.Key]string{key("asked", "m"): "", key("", "m"): "of none"},
	})
	tx := f.begin(state.Need{})
	f.take(tx, "asked", state.SessionNumber, 3)
	_ = tx.Rollback()
	equal(t, "of whom only was asked", list(), []string{})
	f.write(state.Changes{Identities: []*weir.Identity{identity("of-an-identity", "u", 1)}, Sessions: []*weir.Session{session("of-a-session", "s", 1)}})
	f.write(state.Changes{Conversions: []*weir.Conversion{conversion("of-a-conversion", "c", 1)}, Marks: map[state.Key]string{key("of-a-mark", "m"): "x"}})
	f.reopen()
	equal(t, "all", list(), []string{"of-a-conversion", "of-a-mark", "of-a-session", "of-an-identity"})
}
