package sqlitestate

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/mattn/go-sqlite3"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// commitOne writes one identity and moves partition 0.
func commitOne(t *testing.T, s *Store, number uint32, size int) error {
	t.Helper()
	tx, err := s.Begin(t.Context(), state.Need{Partitions: []int{0}})
	if err != nil {
		return err
	}
	i := &weir.Identity{Workspace: "w", ID: fmt.Sprint("u", number), Number: number, Person: number}
	i.Traits.Set(weir.Stamp{}, weir.Property{Name: "filling", Value: weir.Text(strings.Repeat("x", size))})
	return tx.Commit(t.Context(), state.Changes{Identities: []*weir.Identity{i}, Applied: map[int]uint64{0: uint64(number)}})
}

func applied(t *testing.T, s *Store) uint64 {
	t.Helper()
	tx, err := s.Begin(t.Context(), state.Need{Partitions: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	return tx.Snapshot().Applied[0]
}

func TestFullDiskPasses(t *testing.T) {
	s := open(t, t.TempDir())
	if err := commitOne(t, s, 1, 10); err != nil {
		t.Fatal(err)
	}
	// SQLite says "full" of its own limit as it does of the disk's.
	limit := func(pages int) {
		t.Helper()
		if err := s.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer s.release()
		if err := s.writer.run(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(30)
	for range 3 {
		if err := commitOne(t, s, 2, 1<<20); !errors.Is(err, state.ErrFull) {
			t.Fatalf("commit to a full disk: %v", err)
		}
	}
	if got := applied(t, s); got != 1 {
		t.Errorf("position is %d, want 1", got)
	}
	limit(1 << 30)
	if err := commitOne(t, s, 2, 1<<20); err != nil {
		t.Errorf("commit after there is room: %v", err)
	}
}

func TestFullDiskOfSeenPasses(t *testing.T) {
	s := open(t, t.TempDir())
	keys, entries := []state.ItemKey{{Workspace: "w", ID: "i"}}, []state.Entry{{Position: 1}}
	free := s.seen.free
	s.seen.free = func() (uint64, error) { return seenRoom - 1, nil }
	if err := s.Seen().Put(t.Context(), keys, nil, entries); !errors.Is(err, state.ErrFull) {
		t.Errorf("put on a full disk: %v", err)
	}
	s.seen.free = free
	if err := s.Seen().Put(t.Context(), keys, nil, entries); err != nil {
		t.Errorf("put after there is room: %v", err)
	}
	if info, err := os.Stat(s.seen.ballast.path); err != nil || info.Size() != ballastSize {
		t.Errorf("ballast: %v, %v", info, err)
	}
}

// After an I/O error the connections are replaced, and what was committed before
// is there.
func TestReopensAfterIOError(t *testing.T) {
	s := open(t, t.TempDir())
	if err := commitOne(t, s, 1, 10); err != nil {
		t.Fatal(err)
	}
	begun, err := s.Begin(t.Context(), state.Need{})
	if err != nil {
		t.Fatal(err)
	}
	failed := begun.(*tx)
	broken := sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrFsync}
	if err := failed.abort("commit", broken); !errors.As(err, new(sqlite3.Error)) {
		t.Errorf("got %v", err)
	}
	if s.writer != nil {
		t.Fatal("the connection is kept after a failed fsync")
	}
	if _, err := s.View().Person(t.Context(), "w", "u1"); err == nil {
		t.Error("read while closed: no error")
	}
	if got := applied(t, s); got != 1 {
		t.Errorf("position is %d, want 1", got)
	}
	if list, err := s.View().Person(t.Context(), "w", "u1"); err != nil || len(list) != 1 {
		t.Errorf("read after opening again: %v, %v", list, err)
	}
	if err := commitOne(t, s, 2, 10); err != nil {
		t.Error(err)
	}
}

func TestDamageIsExplained(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"no database":  func(t *testing.T, path string) { overwrite(t, path, 0, 100) },
		"a page":       func(t *testing.T, path string) { overwrite(t, path, 20*pageSize, 5*pageSize) },
		"cut off":      func(t *testing.T, path string) { cut(t, path, 10*pageSize+7) },
		"other schema": func(t *testing.T, path string) { execute(t, path, "DROP TABLE positions") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			for n := range 200 {
				if err := commitOne(t, s, uint32(n+1), 600); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "state.db")
			damage(t, path)
			s, err := Open(dir, nil)
			if name == "other schema" {
				// The file is sound; what is missing shows when it is asked for.
				if err == nil {
					defer s.Close()
					t.Fatal("open without the table of positions: no error")
				}
				return
			}
			checkDamaged(t, err, path)
			// And not only the first time.
			_, err = Open(dir, nil)
			checkDamaged(t, err, path)
		})
	}
}

// fillSeen puts items and sees that they are in tables.
func fillSeen(t *testing.T, s *Store) (keys []state.ItemKey) {
	t.Helper()
	for n := range 2000 {
		keys = append(keys, state.ItemKey{Workspace: "w", ID: fmt.Sprint(n)})
	}
	if err := s.Seen().Put(t.Context(), keys, nil, make([]state.Entry, len(keys))); err != nil {
		t.Fatal(err)
	}
	if err := s.seen.db.Flush(); err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestDamagedSeenIsExplained(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	keys := fillSeen(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "seen", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no table: %v", err)
	}
	for _, table := range tables {
		overwrite(t, table, 1000, 3000)
	}
	s, err = Open(dir, nil)
	if err == nil {
		defer s.Close()
		_, err = s.Seen().Lookup(t.Context(), keys)
	}
	checkDamaged(t, err, filepath.Join(dir, "seen"))
}

func checkDamaged(t *testing.T, err error, path string) {
	t.Helper()
	var user *weir.Error
	if !errors.Is(err, state.ErrDamaged) || !errors.As(err, &user) {
		t.Fatalf("got %v, want a *weir.Error that wraps ErrDamaged", err)
	}
	if user.Code != "state_damaged" || !strings.Contains(user.Message, path) || !strings.Contains(user.Message, "weir rebuild") {
		t.Errorf("the error does not say what to do: %v", user)
	}
}

func overwrite(t *testing.T, path string, offset int64, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, n), offset); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, filepath.Join(dir, "state.db"), "INSERT INTO schema_version (version_id, is_applied) VALUES (99, 1)")
	_, err := Open(dir, nil)
	var user *weir.Error
	if !errors.As(err, &user) || user.Code != "schema_too_new" || !strings.Contains(user.Message, "newer Weir") {
		t.Errorf("got %v", err)
	}
}

// There is no way from an older form to this one, other than from the archive.
func TestOlderFormIsRefused(t *testing.T) {
	for name, age := range map[string]func(t *testing.T, dir string){
		"state.db": func(t *testing.T, dir string) {
			execute(t, filepath.Join(dir, "state.db"), "PRAGMA user_version = 0")
		},
		"seen": func(t *testing.T, dir string) {
			db, err := pebble.Open(filepath.Join(dir, "seen"), &pebble.Options{FormatMajorVersion: pebble.FormatNewest, Logger: quiet{slog.New(slog.DiscardHandler)}})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Delete([]byte(formKey), pebble.Sync), db.Set(make([]byte, seenKeySize), make([]byte, 24), pebble.Sync), db.Close()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := t.TempDir()
		s := open(t, dir)
		if err := commitOne(t, s, 1, 1); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		age(t, dir)
		_, err := Open(dir, nil)
		var user *weir.Error
		if !errors.As(err, &user) || user.Code != "state_outdated" || !strings.Contains(user.Message, filepath.Join(dir, name)) || !strings.Contains(user.Message, "weir rebuild") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// state.db and seen/ are of use together only.
func TestOneOfTwoIsRefused(t *testing.T) {
	fill := func(t *testing.T, dir string) {
		t.Helper()
		s := open(t, dir)
		if err := commitOne(t, s, 1, 1); err != nil {
			t.Fatal(err)
		}
		if err := s.Seen().Put(t.Context(), []state.ItemKey{{ID: "i"}}, nil, []state.Entry{{Position: 1}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, dir, pattern string) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("nothing to remove: %v", err)
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"no state.db": func(t *testing.T, dir string) { remove(t, dir, "state.db*") },
		"no seen":     func(t *testing.T, dir string) { remove(t, dir, "seen") },
		"seen of another": func(t *testing.T, dir string) {
			other := t.TempDir()
			fill(t, other)
			remove(t, dir, "seen")
			if err := os.Rename(filepath.Join(other, "seen"), filepath.Join(dir, "seen")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := t.TempDir()
		fill(t, dir)
		spoil(t, dir)
		for range 2 { // and not only the first time
			_, err := Open(dir, nil)
			var user *weir.Error
			if !errors.Is(err, state.ErrDamaged) || !errors.As(err, &user) || user.Code != "state_incomplete" || !strings.Contains(user.Message, "weir rebuild") {
				t.Errorf("%s: got %v", name, err)
			}
		}
		remove(t, dir, "state.db*") // both: a new beginning
		remove(t, dir, "seen")
		fill(t, dir)
	}
	// Before anything was written, either may be made anew.
	dir := t.TempDir()
	for _, name := range []string{"seen", "state.db*"} {
		if err := open(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		remove(t, dir, name)
	}
	fill(t, dir)
}

// A document that cannot be read is damage like any other.
func TestDamagedDocumentIsExplained(t *testing.T) {
	for name, damage := range map[string]string{"cut off": "UPDATE identities SET doc = CAST(substr(doc, 1, 9) AS BLOB)", "other form": "UPDATE identities SET doc = CAST(x'01' || substr(doc, 2) AS BLOB)"} {
		dir := t.TempDir()
		s := open(t, dir)
		if err := commitOne(t, s, 1, 1); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "state.db")
		execute(t, path, damage)
		s = open(t, dir)
		_, err := s.Begin(t.Context(), state.Need{Users: []state.Key{{Workspace: "w", ID: "u1"}}})
		checkDamaged(t, err, path)
		_, err = s.View().Person(t.Context(), "w", "u1")
		checkDamaged(t, err, path)
		if err := commitOne(t, s, 2, 1); err != nil {
			t.Errorf("%s: others cannot be written: %v", name, err)
		}
	}
}

func TestOneProcessOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := Open(dir, nil)
	var user *weir.Error
	if !errors.As(err, &user) || user.Code != "data_in_use" {
		t.Errorf("second open: got %v", err)
	}
	if err := commitOne(t, s, 1, 1); err != nil {
		t.Error(err)
	}
}

func TestDurabilityIsSet(t *testing.T) {
	s := open(t, t.TempDir())
	var synchronous, page int64
	for pragma, into := range map[string]*int64{"synchronous": &synchronous, "page_size": &page} {
		if err := s.read(t.Context(), func(db *sql.DB) error { return db.QueryRow("PRAGMA " + pragma).Scan(into) }); err != nil {
			t.Fatal(err)
		}
	}
	if synchronous != 2 || page != pageSize {
		t.Errorf("synchronous is %d, page_size %d", synchronous, page)
	}
	err := s.read(t.Context(), func(db *sql.DB) error {
		_, err := db.Exec("DELETE FROM positions")
		return err
	})
	if err == nil {
		t.Error("a reader can write")
	}
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestWALIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.wal = walLimits{save: (2 << 20) / pageSize, restart: (6 << 20) / pageSize}
	const each, commits = 1 << 20, 60
	for n := range commits {
		if err := commitOne(t, s, uint32(n+1), each); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "state.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > each*commits/2 {
		t.Errorf("WAL has %d bytes of %d that were written", info.Size(), each*commits)
	}
}
