package statetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// testModel commits random changes and compares the store with a map.
func testModel(t *testing.T, f *fixture) {
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++ // a workspace for each program: the store stays the same
		ws := weir.WorkspaceID(fmt.Sprint("w", round))
		identities, sessions := map[string]*weir.Identity{}, map[string]*weir.Session{}
		var last [2]uint32
		id := rapid.StringMatching(`[a-f]{1,2}`)
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			wanted := rapid.SliceOfN(id, 0, 12).Draw(t, "ids")
			tx, err := f.store.Begin(f.ctx(), state.Need{Users: users(ws, wanted...), Sessions: users(ws, wanted...)})
			if err != nil {
				t.Fatal(err)
			}
			compareSnapshot(t, tx.Snapshot(), wanted, identities, sessions)
			if rapid.IntRange(0, 3).Draw(t, "give up") == 0 {
				if err := tx.Rollback(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			var changes state.Changes
			for _, id := range slices.Compact(slices.Sorted(slices.Values(wanted))) {
				i := identities[id]
				var number uint32
				if i != nil {
					number = i.Number
				} else {
					number, err = tx.Take(f.ctx(), ws, state.IdentityNumber, 1)
					if err != nil || number != last[0]+1 {
						t.Fatalf("take: got %d, %v; want %d", number, err, last[0]+1)
					}
					last[0] = number
				}
				i = identity(ws, id, number)
				// Persons are the first members of sets that change at random.
				i.Person = uint32(rapid.IntRange(1, int(number)).Draw(t, "person"))
				if root := byNumberOf(identities, i.Person); root == nil || root.Person != root.Number {
					i.Person = number
				}
				if hasMembers(identities, number) {
					i.Person = number
				}
				i.LastSeen = weir.Micros(rapid.Int64().Draw(t, "last seen"))
				identities[id] = i
				changes.Identities = append(changes.Identities, i)
				if sessions[id] == nil {
					last[1]++
					if n, err := tx.Take(f.ctx(), ws, state.SessionNumber, 1); err != nil || n != last[1] {
						t.Fatalf("take: got %d, %v; want %d", n, err, last[1])
					}
					sessions[id] = session(ws, id, last[1])
					changes.Sessions = append(changes.Sessions, sessions[id])
				}
			}
			if err := tx.Commit(f.ctx(), changes); err != nil {
				t.Fatal(err)
			}
		}
	})
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

// compareSnapshot derives from the model what Begin must have loaded.
func compareSnapshot(t *rapid.T, got *state.Snapshot, wanted []string, identities map[string]*weir.Identity, sessions map[string]*weir.Session) {
	persons := map[uint32]bool{}
	wantSessions := map[string]bool{}
	for _, id := range wanted {
		if i := identities[id]; i != nil {
			persons[i.Person] = true
		}
		if sessions[id] != nil {
			wantSessions[id] = true
		}
	}
	var want []*weir.Identity
	for _, i := range identities {
		if persons[i.Person] {
			want = append(want, i)
		}
	}
	list := byNumber(slices.Collect(maps.Values(got.Identities)))
	if fmt.Sprint(ids(list)) != fmt.Sprint(ids(want)) {
		t.Fatalf("need of %v: loaded %v, want %v", wanted, ids(list), ids(want))
	}
	for n, i := range byNumber(want) {
		if show(list[n]) != show(i) {
			t.Fatalf("got %s, want %s", show(list[n]), show(i))
		}
	}
	if len(got.Sessions) != len(wantSessions) {
		t.Fatalf("need of %v: loaded %d sessions, want %d", wanted, len(got.Sessions), len(wantSessions))
	}
}
