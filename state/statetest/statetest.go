// Package statetest is the conformance suite of the state.Store contract. A
// driver passes it whole:
//
//	func TestConformance(t *testing.T) {
//		statetest.Test(t, func(t *testing.T) statetest.Harness { … })
//	}
package statetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// Harness is one empty store and what a test may do to it.
type Harness struct {
	Store state.Store
	// Reopen closes the store and opens it again over the same data. Nil if the
	// driver keeps nothing.
	Reopen func(t *testing.T) state.Store
	// Second opens the same data once more, as another process would. Nil if the data
	// belong to one process.
	Second func(t *testing.T) state.Store
}

// Test runs the suite. newHarness makes an empty store for each case, and closes
// it when the test ends.
func Test(t *testing.T, newHarness func(t *testing.T) Harness) {
	cases := []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"EmptyStore", testEmptyStore},
		{"ReadsBackWhatWasCommitted", testReadsBack},
		{"IdentitiesAreWhole", testIdentitiesAreWhole},
		{"SessionsAreWhole", testSessionsAreWhole},
		{"ConversionsAreWhole", testConversionsAreWhole},
		{"LoadsWholePersons", testLoadsWholePersons},
		{"PersonsPart", testPersonsPart},
		{"WorkspacesAreApart", testWorkspacesAreApart},
		{"AnyTextIsAnID", testAnyTextIsAnID},
		{"ManyAtOnce", testManyAtOnce},
		{"SessionsOfSpans", testSessionsOf},
		{"SessionsOfManySpans", testSessionsOfMany},
		{"SessionsOfThoseWhoChange", testSessionsOfChanged},
		{"SessionsChangeTheirIDs", testSessionIDs},
		{"SessionsAreRemoved", testSessionsRemoved},
		{"ConversionsOfOwners", testConversionsOf},
		{"ConversionsChange", testConversionsChange},
		{"Marks", testMarks},
		{"RollbackLeavesNoTrace", testRollback},
		{"FailedCommitLeavesNoTrace", testFailedCommit},
		{"TransactionsEndOnce", testEndsOnce},
		{"SnapshotBelongsToTheCaller", testSnapshotIsOwned},
		{"PositionsOnlyAdvance", testPositions},
		{"WorkersAreFenced", testFenced},
		{"CountersAreDense", testCounters},
		{"WaitingEndsWithContext", testWaitingEnds},
		{"HeldUsersAreContended", testHoldContends},
		{"HeldMembersHoldTheirPersons", testHoldPersons},
		{"HoldsWaitForEachOther", testHoldsWait},
		{"HoldsWaitForTransactions", testHoldWaitsForTx},
		{"HoldsOfMany", testHoldsOfMany},
		{"ModelOfRandomCommits", testModel},
		{"ViewOfPersons", testViewPersons},
		{"ViewScansInOrder", testViewScan},
		{"ViewOfSessions", testViewSessions},
		{"ViewOfConversions", testViewConversions},
		{"ViewOfWorkspaces", testViewWorkspaces},
		{"SeenRemembers", testSeen},
		{"SeenRemembersAll", testSeenEntries},
		{"SeenKeysAreApart", testSeenKeysApart},
		{"SeenByMany", testSeenByMany},
		{"SeenByAnotherProcess", testSeenByAnother},
		{"ClaimsKeepOthersAway", testClaims},
		{"CommitsRise", testCommits},
		{"OutboxKeepsOrder", testOutbox},
		{"OutboxHasItsCause", testOutboxHasItsCause},
		{"CloseIsIdempotent", testClose},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t)
			c.run(t, &fixture{t: t, harness: h, store: h.Store})
		})
	}
}

const (
	acme  weir.WorkspaceID = "acme"
	other weir.WorkspaceID = "other"
)

// fixture does the common steps and fails the test where they fail.
type fixture struct {
	t       *testing.T
	harness Harness
	store   state.Store
}

func (f *fixture) ctx() context.Context { return f.t.Context() }

// reopen does so if the driver can, so that the case sees what is durable.
func (f *fixture) reopen() {
	f.t.Helper()
	if f.harness.Reopen != nil {
		f.store = f.harness.Reopen(f.t)
	}
}

func (f *fixture) begin(need state.Need) state.Tx {
	f.t.Helper()
	tx, err := f.store.Begin(f.ctx(), need)
	if err != nil {
		f.t.Fatalf("begin: %v", err)
	}
	return tx
}

func (f *fixture) commit(tx state.Tx, changes state.Changes) {
	f.t.Helper()
	if err := tx.Commit(f.ctx(), changes); err != nil {
		f.t.Fatalf("commit: %v", err)
	}
}

// write commits in a transaction of its own.
func (f *fixture) write(changes state.Changes) {
	f.t.Helper()
	f.commit(f.begin(state.Need{Partitions: slices.Collect(maps.Keys(changes.Applied))}), changes)
}

// load begins, reads and rolls back.
func (f *fixture) load(need state.Need) *state.Snapshot {
	f.t.Helper()
	tx := f.begin(need)
	snapshot := tx.Snapshot()
	if err := tx.Rollback(); err != nil {
		f.t.Fatalf("roll back: %v", err)
	}
	return snapshot
}

func (f *fixture) take(tx state.Tx, ws weir.WorkspaceID, c state.Counter, n int) uint32 {
	f.t.Helper()
	first, err := tx.Take(f.ctx(), ws, c, n)
	if err != nil {
		f.t.Fatalf("take: %v", err)
	}
	return first
}

// noon is a time as items have it; microseconds before and after it must tell.
const noon weir.Micros = 1_700_000_000_000_001

// identity is one that is its own person, with something in every field.
func identity(ws weir.WorkspaceID, id string, number uint32) *weir.Identity {
	i := &weir.Identity{
		Workspace: ws, ID: id, Number: number, Person: number,
		Authenticated: number%2 == 0, Key: number%3 == 0, Converts: number%5 == 0, Attends: number%7 == 0,
		CreatedAt: noon + weir.Micros(number), FirstSeen: -5, LastSeen: weir.Micros(number),
		Edges: []weir.Edge{
			{From: id, To: "known", At: noon, Item: "user_alias/x", Rule: weir.RuleAlias},
			{From: id, To: id, At: -6, Item: "", Rule: weir.RuleKey + "email"},
		},
		Devices:   []weir.Device{{ID: "d1", CreatedAt: 3, FirstSeen: 5}, {ID: "d2"}},
		Incoming:  []weir.Edge{{From: "other", To: id, Item: "order/1", Rule: weir.RuleItem}},
		Retracted: []string{"ZQ.1", "ZQ.2"},
	}
	i.Traits.Set(weir.Stamp{At: 1, Item: "item-1"},
		weir.Property{Name: "plan", Value: weir.Text("pro")},
		weir.Property{Name: "age", Value: weir.Num(float64(number) + 0.5)},
		weir.Property{Name: "vip", Value: weir.Boolean(true)},
		weir.Property{Name: "tags", Value: weir.Raw(`["a",{"b":null}]`)})
	i.Traits.Set(weir.Stamp{At: 2, Item: "item-2"}, weir.Property{Name: "gone"})
	i.Devices[0].Fields.Set(weir.Stamp{At: 1, Item: "item-1"}, weir.Property{Name: "language", Value: weir.Text("fr")})
	return i
}

func session(ws weir.WorkspaceID, id string, number uint32) *weir.Session {
	s := &weir.Session{
		Workspace: ws, ID: id, Number: number, Origin: weir.Origin(number % 4), User: "user-" + id, Owner: number + 1, Device: "device",
		StartedAt: noon - 10, EndedAt: noon + weir.Micros(number),
		Points: []weir.Point{
			{Item: uint64(number), At: noon, Lead: 10, Flags: weir.PointPageview | weir.PointInteractive | weir.PointEvent,
				Source: []weir.Property{{Name: "utm_source", Value: weir.Text("news")}}},
			{Item: 1 << 63, At: noon + weir.Micros(number)},
		},
	}
	s.Fields.Set(weir.Stamp{At: 3, Item: "item-3"}, weir.Property{Name: "utm_source", Value: weir.Text("news")})
	return s
}

// conversion is one with something in every field.
func conversion(ws weir.WorkspaceID, id string, owner uint32) *weir.Conversion {
	return &weir.Conversion{
		Workspace: ws, ID: id, Goal: "order", User: "user-" + id, Owner: owner, At: noon + weir.Micros(owner),
		Value: 12_345, Currency: "USD", Amount: 13_579, Unpriced: owner%2 == 0, Cancelled: owner%3 == 0,
		Fields: []weir.Property{{Name: "sku", Value: weir.Text("a-1")}, {Name: "total_price", Value: weir.Num(123.45)}},
		Touches: []weir.Touch{
			{Session: owner, At: noon - 5, Channel: "email", Role: weir.Initiator, Credits: []int64{12_345, 0, 6_173}},
			{Session: owner + 1, At: noon, Channel: "direct", Role: weir.Closer, Credits: []int64{0, 12_345, 6_172}},
		},
	}
}

func key(ws weir.WorkspaceID, id string) state.Key { return state.Key{Workspace: ws, ID: id} }

func users(ws weir.WorkspaceID, ids ...string) (out []state.Key) {
	for _, id := range ids {
		out = append(out, key(ws, id))
	}
	return out
}

// ids lists the ids of identities, in order.
func ids(list []*weir.Identity) []string {
	out := []string{}
	for _, i := range list {
		out = append(out, i.ID)
	}
	slices.Sort(out)
	return out
}

func loaded(s *state.Snapshot) []string {
	return ids(slices.Collect(maps.Values(s.Identities)))
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

func show(v any) string {
	switch x := v.(type) {
	case *weir.Identity:
		return fmt.Sprintf("%+v", *x)
	case *weir.Session:
		return fmt.Sprintf("%+v", *x)
	case *weir.Conversion:
		return fmt.Sprintf("%+v", *x)
	}
	return fmt.Sprintf("%+v", v)
}

func wantErr(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got error %v, want %v", what, err, target)
	}
}
