// Package workspacetest has the conformance suite of workspace.Store, and a
// Store in memory for the tests of those who use a workspace.Directory.
package workspacetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

// Test runs the suite. newStore makes an empty store, and closes it when the
// test ends.
func Test(t *testing.T, newStore func(t *testing.T) workspace.Store) {
	cases := []struct {
		name string
		run  func(*testing.T, workspace.Store)
	}{
		{"GetsWhatWasPut", testGet},
		{"CreatesOnce", testCreate},
		{"ChangesByRevision", testChange},
		{"ListsInOrder", testList},
		{"Deletes", testDelete},
		{"RevisionsAreNotUsedAgain", testRevisions},
		{"RefusesWhatIsNoDocument", testRefuses},
		{"OneOfManyWins", testConcurrent},
		{"BodiesBelongToTheCaller", testOwnership},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, newStore(t)) })
	}
}

func put(t *testing.T, s workspace.Store, collection string, ws weir.WorkspaceID, id string, revision int64, body string) workspace.Document {
	t.Helper()
	doc, err := s.Put(t.Context(), collection, ws, workspace.Document{ID: id, Revision: revision, Body: []byte(body)})
	if err != nil {
		t.Fatalf("put %s: %v", id, err)
	}
	if doc.ID != id || doc.Revision <= revision || string(doc.Body) != body {
		t.Fatalf("put %s at %d: got %s at %d with %s", id, revision, doc.ID, doc.Revision, doc.Body)
	}
	return doc
}

func want(t *testing.T, s workspace.Store, collection string, ws weir.WorkspaceID, id, body string) {
	t.Helper()
	doc, err := s.Get(t.Context(), collection, ws, id)
	if body == "" {
		if !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("get %s: got %s, %v; want ErrNotFound", id, doc.Body, err)
		}
		return
	}
	if err != nil || doc.ID != id || string(doc.Body) != body || doc.Revision <= 0 {
		t.Errorf("get %s: got %+v, %v; want %s", id, doc, err, body)
	}
}

func testGet(t *testing.T, s workspace.Store) {
	want(t, s, "c", "w", "id", "")
	ids := []string{"id", "Id", "ü", "'", "%", "a b", "\U0001F600", strings.Repeat("x", 512)}
	for i, id := range ids {
		put(t, s, "c", "w", id, 0, fmt.Sprintf(`{"n":%d}`, i))
	}
	for i, id := range ids {
		want(t, s, "c", "w", id, fmt.Sprintf(`{"n":%d}`, i))
	}
	want(t, s, "d", "w", "id", "")
	want(t, s, "c", "v", "id", "")
	want(t, s, "c", "", "id", "")
}

func testCreate(t *testing.T, s workspace.Store) {
	put(t, s, "c", "w", "id", 0, "1")
	_, err := s.Put(t.Context(), "c", "w", workspace.Document{ID: "id", Body: []byte("2")})
	if !errors.Is(err, workspace.ErrExists) {
		t.Errorf("create again: got %v, want ErrExists", err)
	}
	want(t, s, "c", "w", "id", "1")
	put(t, s, "c", "v", "id", 0, "3")
	put(t, s, "c", "", "id", 0, "4")
}

func testChange(t *testing.T, s workspace.Store) {
	first := put(t, s, "c", "w", "id", 0, "1")
	second := put(t, s, "c", "w", "id", first.Revision, "2")
	for _, revision := range []int64{first.Revision, second.Revision + 1} {
		_, err := s.Put(t.Context(), "c", "w", workspace.Document{ID: "id", Revision: revision, Body: []byte("3")})
		if !errors.Is(err, workspace.ErrConflict) {
			t.Errorf("change revision %d of %d: got %v, want ErrConflict", revision, second.Revision, err)
		}
	}
	_, err := s.Put(t.Context(), "c", "w", workspace.Document{ID: "none", Revision: 1, Body: []byte("3")})
	if !errors.Is(err, workspace.ErrConflict) {
		t.Errorf("change what is not there: got %v, want ErrConflict", err)
	}
	want(t, s, "c", "w", "id", "2")
	doc, err := s.Get(t.Context(), "c", "w", "id")
	if err != nil || doc.Revision != second.Revision {
		t.Errorf("revision read is %d, written %d (%v)", doc.Revision, second.Revision, err)
	}
}

func testList(t *testing.T, s workspace.Store) {
	for _, id := range []string{"b", "a", "é", "B", "10", "9"} {
		put(t, s, "c", "w", id, 0, `"`+id+`"`)
	}
	put(t, s, "d", "w", "z", 0, "1")
	put(t, s, "c", "v", "z", 0, "1")
	put(t, s, "c", "", "global", 0, "1")
	list := func(collection string, ws weir.WorkspaceID) string {
		t.Helper()
		docs, err := s.List(t.Context(), collection, ws)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, d := range docs {
			ids = append(ids, d.ID)
			if d.Revision <= 0 || !json.Valid(d.Body) {
				t.Errorf("listed %+v", d)
			}
		}
		return strings.Join(ids, " ")
	}
	if got := list("c", "w"); got != "10 9 B a b é" {
		t.Errorf("list: %s", got)
	}
	if got := list("c", ""); got != "global" {
		t.Errorf("list of no workspace: %s", got)
	}
	if got := list("none", "w"); got != "" {
		t.Errorf("list of an empty collection: %s", got)
	}
}

func testDelete(t *testing.T, s workspace.Store) {
	put(t, s, "c", "w", "id", 0, "1")
	put(t, s, "c", "v", "id", 0, "1")
	for range 2 {
		if err := s.Delete(t.Context(), "c", "w", "id"); err != nil {
			t.Fatal(err)
		}
	}
	want(t, s, "c", "w", "id", "")
	want(t, s, "c", "v", "id", "1")
}

func testRevisions(t *testing.T, s workspace.Store) {
	old := put(t, s, "c", "w", "id", 0, "1")
	if err := s.Delete(t.Context(), "c", "w", "id"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Put(t.Context(), "c", "w", workspace.Document{ID: "id", Revision: old.Revision, Body: []byte("2")})
	if !errors.Is(err, workspace.ErrConflict) {
		t.Errorf("change of a deleted document: got %v, want ErrConflict", err)
	}
	if fresh := put(t, s, "c", "w", "id", 0, "3"); fresh.Revision == old.Revision {
		t.Error("a new document has a deleted one's revision")
	}
}

func testRefuses(t *testing.T, s workspace.Store) {
	for _, doc := range []workspace.Document{
		{Body: []byte("1")},
		{ID: strings.Repeat("x", 513), Body: []byte("1")},
		{ID: "nul\x00", Body: []byte("1")},
		{ID: "bad\xff", Body: []byte("1")},
		{ID: "id"},
		{ID: "id", Body: []byte("{")},
		{ID: "id", Revision: -1, Body: []byte("1")},
	} {
		if _, err := s.Put(t.Context(), "c", "w", doc); err == nil {
			t.Errorf("put %q with %q at %d: no error", doc.ID, doc.Body, doc.Revision)
		}
	}
}

func testConcurrent(t *testing.T, s workspace.Store) {
	const workers, rounds = 6, 5
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for range rounds {
				for !increment(t, s) {
				}
			}
		})
	}
	wait.Wait()
	want(t, s, "c", "w", "counter", fmt.Sprint(workers*rounds))
}

// increment adds one to a counter, and reports whether nobody was quicker.
func increment(t *testing.T, s workspace.Store) bool {
	n := 0
	doc, err := s.Get(t.Context(), "c", "w", "counter")
	if err == nil {
		err = json.Unmarshal(doc.Body, &n)
	} else if errors.Is(err, workspace.ErrNotFound) {
		doc, err = workspace.Document{ID: "counter"}, nil
	}
	if err != nil {
		t.Error(err)
		return true
	}
	doc.Body = fmt.Append(nil, n+1)
	_, err = s.Put(t.Context(), "c", "w", doc)
	if err != nil && !errors.Is(err, workspace.ErrConflict) && !errors.Is(err, workspace.ErrExists) {
		t.Error(err)
		return true
	}
	return err == nil
}

func testOwnership(t *testing.T, s workspace.Store) {
	body := []byte(`"mine"`)
	if _, err := s.Put(t.Context(), "c", "w", workspace.Document{ID: "id", Body: body}); err != nil {
		t.Fatal(err)
	}
	copy(body, `"xxxx"`)
	doc, err := s.Get(context.WithoutCancel(t.Context()), "c", "w", "id")
	if err != nil {
		t.Fatal(err)
	}
	copy(doc.Body, `"yyyy"`)
	want(t, s, "c", "w", "id", `"mine"`)
}
