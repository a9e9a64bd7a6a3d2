package statetest

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// testModel commits random changes and compares the store with a model: maps.
func testModel(t *testing.T, f *fixture) {
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++ // a workspace for each program: the store stays the same
		m := &model{
			ws: weir.WorkspaceID(fmt.Sprint("w", round)), identities: map[string]*weir.Identity{}, sessions: map[uint32]*weir.Session{},
			conversions: map[string]*weir.Conversion{}, marks: map[string]string{},
		}
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			wanted := rapid.SliceOfN(modelID(), 0, 12).Draw(t, "ids")
			keys := users(m.ws, wanted...)
			tx, err := f.store.Begin(f.ctx(), state.Need{Users: keys, Sessions: keys, Conversions: keys})
			if err != nil {
				t.Fatal(err)
			}
			m.compareSnapshot(t, tx.Snapshot(), wanted)
			if rapid.Bool().Draw(t, "ask for owners") {
				m.compareOwners(t, f, tx)
			}
			if rapid.IntRange(0, 3).Draw(t, "give up") == 0 {
				if err := tx.Rollback(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			next := m.clone()
			changes := state.Changes{Identities: next.changeIdentities(t, f, tx, wanted)}
			next.changeSessions(t, f, tx)
			next.changeConversions(t)
			m.diff(t, next, &changes)
			if err := tx.Commit(f.ctx(), changes); err != nil {
				t.Fatal(err)
			}
			m = next
		}
		m.compareView(t, f)
	})
}

// modelID draws ids of which there are few, so that they meet.
func modelID() *rapid.Generator[string] { return rapid.StringMatching(`[a-f]{1,2}`) }

type model struct {
	ws          weir.WorkspaceID
	identities  map[string]*weir.Identity
	sessions    map[uint32]*weir.Session
	conversions map[string]*weir.Conversion
	marks       map[string]string
	last        [2]uint32
}

// clone shares the documents: who changes one makes another.
func (m *model) clone() *model {
	return &model{m.ws, maps.Clone(m.identities), maps.Clone(m.sessions), maps.Clone(m.conversions), maps.Clone(m.marks), m.last}
}

func (m *model) take(t *rapid.T, f *fixture, tx state.Tx, c state.Counter) uint32 {
	m.last[c]++
	if n, err := tx.Take(f.ctx(), m.ws, c, 1); err != nil || n != m.last[c] {
		t.Fatalf("take: got %d, %v; want %d", n, err, m.last[c])
	}
	return m.last[c]
}

func (m *model) changeIdentities(t *rapid.T, f *fixture, tx state.Tx, wanted []string) (changed []*weir.Identity) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(wanted))) {
		var number uint32
		if i := m.identities[id]; i != nil {
			number = i.Number
		} else {
			number = m.take(t, f, tx, state.IdentityNumber)
		}
		i := identity(m.ws, id, number)
		// Persons are the first members of sets that change at random.
		i.Person = uint32(rapid.IntRange(1, int(number)).Draw(t, "person"))
		if root := byNumberOf(m.identities, i.Person); root == nil || root.Person != root.Number || hasMembers(m.identities, number) {
			i.Person = number
		}
		i.LastSeen = weir.Micros(rapid.Int64().Draw(t, "last seen"))
		m.identities[id] = i
		changed = append(changed, i)
	}
	return changed
}

func (m *model) sessionOf(id string) *weir.Session {
	for _, s := range m.sessions {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// changeSessions makes sessions, gives them other ids, owners and times, and
// removes some. Who has an id that another gets is removed.
func (m *model) changeSessions(t *rapid.T, f *fixture, tx state.Tx) {
	for range rapid.IntRange(0, 6).Draw(t, "sessions") {
		id := modelID().Draw(t, "session")
		holder := m.sessionOf(id)
		number := uint32(rapid.IntRange(0, int(m.last[state.SessionNumber])).Draw(t, "number"))
		switch {
		case rapid.IntRange(0, 4).Draw(t, "remove") == 0:
			delete(m.sessions, number)
			continue
		case number == 0:
			number = m.take(t, f, tx, state.SessionNumber)
		}
		if holder != nil {
			delete(m.sessions, holder.Number)
		}
		from := weir.Micros(rapid.IntRange(0, 40).Draw(t, "from"))
		s := stretch(id, number, uint32(rapid.IntRange(1, 4).Draw(t, "owner")), from, from+weir.Micros(rapid.IntRange(0, 20).Draw(t, "length")))
		s.Workspace = m.ws
		m.sessions[number] = s
	}
}

func (m *model) changeConversions(t *rapid.T) {
	for range rapid.IntRange(0, 4).Draw(t, "conversions") {
		id := modelID().Draw(t, "conversion")
		if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
			delete(m.conversions, id)
			continue
		}
		c := conversion(m.ws, id, uint32(rapid.IntRange(1, 4).Draw(t, "owner")))
		c.Value = rapid.Int64().Draw(t, "value")
		m.conversions[id] = c
	}
	for range rapid.IntRange(0, 2).Draw(t, "marks") {
		m.marks[modelID().Draw(t, "mark")] = rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "text")
	}
}

// diff says how the one becomes the other. That a session which has another id is
// no more under the former one may be said, or not.
func (m *model) diff(t *rapid.T, next *model, changes *state.Changes) {
	for number, s := range next.sessions {
		if m.sessions[number] != s {
			changes.Sessions = append(changes.Sessions, s)
		}
	}
	for number, s := range m.sessions {
		if now := next.sessions[number]; now == nil || now.ID != s.ID && number%2 == 0 {
			changes.RemovedSessions = append(changes.RemovedSessions, key(m.ws, s.ID))
		}
	}
	for id, c := range next.conversions {
		if m.conversions[id] != c {
			changes.Conversions = append(changes.Conversions, c)
		}
	}
	for id := range m.conversions {
		if next.conversions[id] == nil {
			changes.RemovedConversions = append(changes.RemovedConversions, key(m.ws, id))
		}
	}
	changes.Marks = map[state.Key]string{}
	for name, text := range next.marks {
		changes.Marks[key(m.ws, name)] = text
	}
	if rapid.Bool().Draw(t, "backwards") {
		slices.Reverse(changes.Sessions)
	}
}

func byNumberOf(identities map[string]*weir.Identity, number uint32) *weir.Identity {
	for _, i := range identities {
		if i.Number == number {
			return i
		}
	}
	return nil
}

func hasMembers(identities map[string]*weir.Identity, number uint32) bool {
	for _, i := range identities {
		if i.Person == number && i.Number != number {
			return true
		}
	}
	return false
}

func same[T any](t *rapid.T, what string, got, want T) {
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

// compareSnapshot derives from the model what Begin must have loaded.
func (m *model) compareSnapshot(t *rapid.T, got *state.Snapshot, wanted []string) {
	persons := map[uint32]bool{}
	sessions, conversions, identities := map[state.Key]*weir.Session{}, map[state.Key]*weir.Conversion{}, map[state.Key]*weir.Identity{}
	for _, id := range wanted {
		if i := m.identities[id]; i != nil {
			persons[i.Person] = true
		}
		if s := m.sessionOf(id); s != nil {
			sessions[key(m.ws, id)] = s
		}
		if c := m.conversions[id]; c != nil {
			conversions[key(m.ws, id)] = c
		}
	}
	for _, i := range m.identities {
		if persons[i.Person] {
			identities[key(m.ws, i.ID)] = i
		}
	}
	same(t, "identities", got.Identities, identities)
	same(t, "sessions", got.Sessions, sessions)
	same(t, "conversions", got.Conversions, conversions)
	same(t, "contended", got.Contended, nil)
}

// compareOwners asks for the sessions and conversions of some owners.
func (m *model) compareOwners(t *rapid.T, f *fixture, tx state.Tx) {
	var spans []state.Span
	for range rapid.IntRange(0, 4).Draw(t, "spans") {
		from := weir.Micros(rapid.IntRange(-5, 65).Draw(t, "from"))
		spans = append(spans, state.Span{
			Workspace: m.ws, Identity: uint32(rapid.IntRange(1, 5).Draw(t, "owner")), From: from, To: from + weir.Micros(rapid.IntRange(0, 30).Draw(t, "length")),
		})
	}
	var sessions []*weir.Session
	for _, s := range m.sessions {
		if slices.ContainsFunc(spans, func(span state.Span) bool {
			return span.Identity == s.Owner && s.EndedAt >= span.From && s.StartedAt <= span.To
		}) {
			sessions = append(sessions, s)
		}
	}
	var conversions []*weir.Conversion
	for _, c := range m.conversions {
		if slices.ContainsFunc(spans, func(span state.Span) bool { return span.Identity == c.Owner }) {
			conversions = append(conversions, c)
		}
	}
	gotSessions, err := tx.SessionsOf(f.ctx(), spans)
	if err != nil {
		t.Fatal(err)
	}
	gotConversions, err := tx.ConversionsOf(f.ctx(), spans)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "sessions of owners", sortedSessions(gotSessions), sortedSessions(sessions))
	same(t, "conversions of owners", sortedConversions(gotConversions), sortedConversions(conversions))
}

// compareView reads all that the store has in the end.
func (m *model) compareView(t *rapid.T, f *fixture) {
	var all []*weir.Identity
	err := f.store.View().Scan(f.ctx(), m.ws, func(i *weir.Identity) error {
		all = append(all, i)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := slices.SortedFunc(maps.Values(m.identities), func(a, b *weir.Identity) int { return cmp.Compare(a.ID, b.ID) })
	same(t, "all identities", all, want)
	same(t, "all sessions", f.scanSessions(m.ws), sortedSessions(slices.Collect(maps.Values(m.sessions))))
	same(t, "all conversions", f.scanConversions(m.ws), sortedConversions(slices.Collect(maps.Values(m.conversions))))
	for name, text := range m.marks {
		same(t, "mark", f.mark(m.ws, name), text)
	}
}
