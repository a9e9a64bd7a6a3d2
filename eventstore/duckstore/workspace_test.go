package duckstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

func openStore(t *testing.T, dir string, o *Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// oneEvent is the batch with one event, at a sequence number.
func oneEvent(seq int) *eventstore.Batch {
	return &eventstore.Batch{
		Applied: map[int]uint64{0: uint64(seq)}, AsOf: weir.Micros(seq),
		Events: []weir.Event{{Position: weir.At(0, uint64(seq)), Time: 1, Name: "a", Identity: 1, Person: 1, Properties: []weir.Property{{Name: "p", Value: weir.Num(float64(seq))}}}},
	}
}

func count(t *testing.T, s *Store, ws weir.WorkspaceID) float64 {
	t.Helper()
	answer, err := s.Ask(t.Context(), ws, &query.Plan{Trends: &query.Trends{
		Period: query.Period{Buckets: query.Buckets{Edges: []weir.Micros{0, 10}, Labels: []string{"all"}}},
		Series: []query.Series{{Match: query.Match{Events: []string{"a"}}, Measure: query.Total}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return float64(answer.Series[0].Total)
}

// More workspaces are in use than may stay open, by several at once.
func TestWorkspacesComeAndGo(t *testing.T) {
	s := openStore(t, t.TempDir(), &Options{OpenWorkspaces: 2})
	const workspaces, batches = 6, 5
	var wait sync.WaitGroup
	for k := range workspaces {
		wait.Go(func() {
			for n := range batches {
				if err := s.Write(t.Context(), weir.WorkspaceID(fmt.Sprint("ws", k)), oneEvent(n+1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	for k := range workspaces {
		if n := count(t, s, weir.WorkspaceID(fmt.Sprint("ws", k))); n != batches {
			t.Errorf("workspace %d has %v events, want %d", k, n, batches)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.open); n > 2 {
		t.Errorf("%d workspaces are open, the bound is 2", n)
	}
}

// An engine that refuses further work is replaced.
func TestEngineIsReplaced(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	for n := range 3 {
		for _, ws := range []weir.WorkspaceID{"one", "two"} {
			if err := s.Write(t.Context(), ws, oneEvent(n+1)); err != nil {
				t.Fatal(err)
			}
		}
		old := s.engine
		err := s.with(t.Context(), "one", "break", func(*workspace) error {
			return &duckdb.Error{Type: duckdb.ErrorTypeFatal, Msg: "FATAL Error: database has been invalidated"}
		})
		if err == nil {
			t.Fatal("an error got lost")
		}
		for _, ws := range []weir.WorkspaceID{"one", "two"} {
			if got := count(t, s, ws); got != float64(n+1) {
				t.Errorf("workspace %s has %v events after its engine broke, want %d", ws, got, n+1)
			}
		}
		if s.engine == old {
			t.Error("the engine is still the old one")
		}
	}
}

func TestNewerFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	if err := s.Write(t.Context(), "acme", oneEvent(1)); err != nil {
		t.Fatal(err)
	}
	err := s.with(t.Context(), "acme", "age", func(w *workspace) error {
		return w.exec(t.Context(), fmt.Sprintf("UPDATE %s.meta SET value = '%d'", w.schema, schemaVersion+1))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, &Options{OnLost: func(_ weir.WorkspaceID, err error) { t.Errorf("a newer file is taken for damaged: %v", err) }})
	for range 2 {
		if _, err := s.Applied(t.Context(), "acme"); !errors.Is(err, errNewer) || !strings.Contains(err.Error(), "newer version of Weir") {
			t.Errorf("a file of a newer version: %v", err)
		}
	}
	if err := s.Write(t.Context(), "other", oneEvent(1)); err != nil {
		t.Errorf("another workspace: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "acme.duckdb")); err != nil {
		t.Error(err)
	}
}

// The write-ahead log is cut as it grows, while writes go on.
func TestCheckpoints(t *testing.T) {
	s := openStore(t, t.TempDir(), &Options{CheckpointBytes: 64 << 10})
	for n := range 40 {
		b := oneEvent(n*100 + 100)
		for k := range 99 {
			e := b.Events[0]
			e.Position = weir.At(0, uint64(n*100+k+1))
			b.Events = append(b.Events, e)
		}
		if err := s.Write(t.Context(), "acme", b); err != nil {
			t.Fatal(err)
		}
	}
	// The goroutine that checkpoints needs the writer's lock: once it had it after
	// the last write, the log is short.
	for long := true; long; {
		err := s.with(t.Context(), "acme", "look at", func(w *workspace) error {
			w.writer.Lock()
			defer w.writer.Unlock()
			long = w.logLength() >= 64<<10
			return t.Context().Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, s, "acme"); n != 4000 {
		t.Errorf("there are %v events, want 4000", n)
	}
}
