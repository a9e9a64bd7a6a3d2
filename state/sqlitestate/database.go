package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

// minSQLite is the first version without the bug that could corrupt a database
// when its WAL was reset by one connection while another wrote.
const minSQLite = 3_051_003

// busyTimeout is how long a connection waits for another process.
const busyTimeout = 5 * time.Second

// file is one database file and how it is opened.
type file struct {
	path     string
	folder   string // of migrations
	form     int    // what the first migration says that the file is: an older one is refused
	pageSize int    // bytes; of a new file
	cache    int64  // bytes of page cache per connection
	// checkUpTo is the size in bytes up to which a file is checked as a whole
	// when it is opened.
	checkUpTo int64
	// damaged says what to do when the file is.
	damaged string
	log     *slog.Logger
}

// dsn names the file and what every connection sets. Drivers differ in their
// defaults, and SQLite's own is to be asked for each: verify reads them back.
func (f *file) dsn(more ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: f.path}).EscapedPath()}
	q := url.Values{}
	q.Set("_busy_timeout", fmt.Sprint(busyTimeout.Milliseconds()))
	q.Set("_journal_mode", "WAL")
	q.Set("_synchronous", "FULL")
	q.Set("_cache_size", fmt.Sprint(-f.cache/1024))
	q.Set("_txlock", "immediate")
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// prepare makes the file if it is missing, checks it, and brings its schema up
// to date.
func (f *file) prepare(ctx context.Context) error {
	if _, version, _ := sqlite3.Version(); version < minSQLite {
		return fmt.Errorf("open %s: SQLite %d is too old; build with 3.51.3 or newer", f.path, version)
	}
	if err := f.create(); err != nil {
		return f.explain("create", err)
	}
	db, err := sql.Open("sqlite3", f.dsn())
	if err != nil {
		return f.explain("open", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if err := verify(ctx, db); err != nil {
		return f.explain("open", err)
	}
	if err := f.check(ctx, db); err != nil {
		return f.explain("check", err)
	}
	if err := f.migrate(ctx, db); err != nil {
		return f.explain("open", err)
	}
	return nil
}

// create sets what cannot be changed once there are tables.
func (f *file) create() error {
	if info, err := os.Stat(f.path); err == nil && info.Size() > 0 {
		return nil
	}
	db, err := sql.Open("sqlite3", f.dsn("_journal_mode", "DELETE"))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.Exec(fmt.Sprintf("PRAGMA page_size = %d; PRAGMA journal_mode = WAL", f.pageSize))
	return err
}

// verify reads the durability back: a setting that was not understood is
// silently ignored.
func verify(ctx context.Context, db *sql.DB) error {
	var mode string
	var synchronous int
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous); err != nil {
		return err
	}
	const full = 2
	if mode != "wal" || synchronous != full {
		return fmt.Errorf("journal_mode is %s and synchronous is %d; need wal and %d: does the file system support shared memory?", mode, synchronous, full)
	}
	return nil
}

// check reads a whole file of moderate size; a larger one would delay the
// start, and damage in it shows when it is read.
func (f *file) check(ctx context.Context, db *sql.DB) error {
	if info, err := os.Stat(f.path); err != nil || info.Size() > f.checkUpTo {
		return err
	}
	var result string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&result); err != nil {
		return err
	}
	if result != "ok" {
		return fmt.Errorf("%s: %w", result, errCorrupt)
	}
	return nil
}

// explain gives an error of SQLite the meaning that the contract knows.
func (f *file) explain(operation string, err error) error {
	var e sqlite3.Error
	var user *weir.Error
	switch {
	case err == nil || errors.As(err, &user):
		return err
	case errors.Is(err, document.ErrMalformed):
		return f.damage(operation, err)
	case !errors.As(err, &e):
		return fmt.Errorf("%s %s: %w", operation, f.path, err)
	case e.Code == sqlite3.ErrFull:
		return fmt.Errorf("%s %s: %w (%w)", operation, f.path, state.ErrFull, err)
	case isDamage(err):
		return f.damage(operation, err)
	}
	return fmt.Errorf("%s %s: %w", operation, f.path, err)
}

func (f *file) damage(operation string, err error) error {
	return &weir.Error{
		Code:    "state_damaged",
		Message: fmt.Sprintf("%s is damaged; %s", f.path, f.damaged),
		Err:     fmt.Errorf("%s: %w (%w)", operation, state.ErrDamaged, err),
	}
}

// errCorrupt is what SQLite itself says of a damaged file.
var errCorrupt error = sqlite3.Error{Code: sqlite3.ErrCorrupt}

func isDamage(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB)
}

// isBroken reports whether the connection that gave the error must not be used
// again. After a failed fsync nobody knows which pages the kernel still has:
// opening anew reads what the disk has.
func isBroken(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrIoErr || e.Code == sqlite3.ErrCantOpen || isDamage(err)) ||
		err != nil && strings.Contains(err.Error(), "bad connection")
}
