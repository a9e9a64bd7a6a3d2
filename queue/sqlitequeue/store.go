package sqlitequeue

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/mattn/go-sqlite3"

	"github.com/weirhq/weir"
)

const (
	pageSize = 4096
	// walLimit is when the log is written into the database file, and the size
	// that the log's file keeps.
	walLimit = 32 << 20
	// applicationID is "weiq"; schemaVersion changes with the tables.
	applicationID = 0x77656971
	schemaVersion = 1

	maxSeq  = 1<<48 - 1
	seqBits = 48
)

const schema = `
CREATE TABLE frames (
	id INTEGER PRIMARY KEY,   -- partition<<48 | sequence number of the first record
	count INTEGER NOT NULL,   -- records
	before INTEGER NOT NULL,  -- bytes of all frames of the partition before this one
	frame BLOB,               -- NULL: these records are lost
	damage TEXT               -- how they were lost
);
CREATE TABLE positions (partition INTEGER PRIMARY KEY, mark BLOB NOT NULL);
CREATE TABLE positions_copy (partition INTEGER PRIMARY KEY, mark BLOB NOT NULL);`

// minVersion of SQLite: those before may corrupt the file when one connection
// restarts the log while another checkpoints.
const minVersion = 3051003

// store is the open database: one connection that writes and a few that read.
type store struct {
	file    string
	writers *sql.DB
	writer  *sql.Conn
	readers *sql.DB

	insert, ack, ackCopy, holding, oldest, remove *sql.Stmt // on writer
	rows, holdingRead, newest, following          *sql.Stmt // on readers
}

// pragmas are set on every connection and read back: a driver's default or a
// misspelt parameter must not decide about durability.
var pragmas = []struct{ name, value string }{
	{"journal_mode", "wal"},
	{"synchronous", "2"}, // FULL
	{"cell_size_check", "1"},
	{"busy_timeout", "5000"},
	{"wal_autocheckpoint", "0"}, // the maintenance does it, and sees its errors
	{"journal_size_limit", strconv.Itoa(walLimit)},
	{"secure_delete", "0"},
	{"mmap_size", "0"}, // an I/O error must be an error, not a signal
	{"trusted_schema", "0"},
}

// connector opens connections with the pragmas set, verified.
type connector struct {
	file     string
	readOnly bool
}

func (c connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

// dsn escapes what SQLite would read as the end of the path.
func (c connector) dsn() string { return "file:" + (&url.URL{Path: c.file}).EscapedPath() }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := (&sqlite3.SQLiteDriver{}).Open(c.dsn() + "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000")
	if err != nil {
		return nil, err
	}
	if err := c.prepare(conn.(*sqlite3.SQLiteConn)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (c connector) prepare(conn *sqlite3.SQLiteConn) error {
	for _, p := range pragmas {
		if _, err := conn.Exec("PRAGMA "+p.name+"="+p.value, nil); err != nil {
			return fmt.Errorf("set %s: %w", p.name, err)
		}
		got, err := readPragma(conn, p.name)
		if err != nil {
			return fmt.Errorf("read %s: %w", p.name, err)
		}
		if got != p.value {
			return fmt.Errorf("%s is %q after setting it to %q: refusing to run", p.name, got, p.value)
		}
	}
	if !c.readOnly {
		return nil
	}
	if _, err := conn.Exec("PRAGMA query_only=1", nil); err != nil {
		return fmt.Errorf("set query_only: %w", err)
	}
	return nil
}

func readPragma(conn *sqlite3.SQLiteConn, name string) (string, error) {
	rows, err := conn.Query("PRAGMA "+name, nil)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	row := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(row); errors.Is(err, io.EOF) || len(row) == 0 {
		return "", nil // without mmap support, mmap_size answers nothing
	} else if err != nil {
		return "", err
	}
	if text, ok := row[0].([]byte); ok {
		return string(text), nil
	}
	return fmt.Sprint(row[0]), nil
}

// openStore opens the file, which must hold a queue. It is damaged, as far as
// this function can see, if the error is one that isDamage knows.
func openStore(ctx context.Context, file string) (_ *store, err error) {
	if _, number, _ := sqlite3.Version(); number < minVersion {
		return nil, fmt.Errorf("SQLite %d is too old: at least %d is needed, since it may corrupt a log", number, minVersion)
	}
	s := &store{file: file}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.writers = sql.OpenDB(connector{file: file})
	s.writers.SetMaxOpenConns(1)
	if s.writer, err = s.writers.Conn(ctx); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := s.identify(ctx); err != nil {
		return nil, err
	}
	s.readers = sql.OpenDB(connector{file: file, readOnly: true})
	s.readers.SetMaxIdleConns(8) // no bound: a reader may need a second one
	return s, s.prepare(ctx)
}

// identify makes sure that this is a queue file of a version we know, and that
// it can be written.
func (s *store) identify(ctx context.Context) error {
	var id, version int
	if err := s.writer.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return fmt.Errorf("read application id: %w", err)
	}
	if err := s.writer.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if id != applicationID {
		return fmt.Errorf("application id is %x, not %x: %w", id, applicationID, errDamaged)
	}
	if version > schemaVersion && version < schemaVersion+100 {
		return fmt.Errorf("the file was written by a newer Weir (schema %d, this one knows %d): start that one", version, schemaVersion)
	}
	if version != schemaVersion {
		return fmt.Errorf("schema version is %d, not %d: %w", version, schemaVersion, errDamaged)
	}
	// A header that says read-only is met here and not at the first Append.
	return s.transact(func() error {
		_, err := s.writer.ExecContext(ctx, "PRAGMA user_version="+strconv.Itoa(schemaVersion))
		return err
	})
}

func (s *store) prepare(ctx context.Context) error {
	on := func(stmt **sql.Stmt, prepare func(context.Context, string) (*sql.Stmt, error), query string) error {
		var err error
		*stmt, err = prepare(ctx, query)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", query, err)
		}
		return nil
	}
	const holding = "SELECT id, count, before, length(frame) FROM frames WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1"
	w, r := s.writer.PrepareContext, s.readers.PrepareContext
	return errors.Join(
		on(&s.insert, w, "INSERT INTO frames (id, count, before, frame) VALUES (?, ?, ?, ?)"),
		on(&s.ack, w, "UPDATE positions SET mark = ? WHERE partition = ?"),
		on(&s.ackCopy, w, "UPDATE positions_copy SET mark = ? WHERE partition = ?"),
		on(&s.holding, w, holding),
		on(&s.oldest, w, "SELECT id, before FROM frames WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"),
		on(&s.remove, w, "DELETE FROM frames WHERE id BETWEEN ? AND ?"),
		on(&s.rows, r, "SELECT id, count, frame, damage FROM frames WHERE id BETWEEN ? AND ? ORDER BY id"),
		on(&s.holdingRead, r, holding),
		on(&s.newest, r, holding),
		on(&s.following, r, "SELECT min(id) FROM frames WHERE id BETWEEN ? AND ?"),
	)
}

// close releases everything. SQLite writes its log into the database file when
// the last connection closes.
func (s *store) close() error {
	var errs []error
	// database/sql does not keep account of statements made on a single
	// connection, and SQLite keeps the files of one with open statements open.
	for _, stmt := range []*sql.Stmt{s.insert, s.ack, s.ackCopy, s.holding, s.oldest, s.remove, s.rows, s.holdingRead, s.newest, s.following} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	if s.writers != nil {
		errs = append(errs, s.writers.Close())
	}
	return errors.Join(errs...)
}

// transact runs fn in one transaction on the writer. After an error nothing of
// it is stored, unless the error is of the disk. It is not cancelled: a commit
// whose outcome nobody waited for would be worse than a short wait.
func (s *store) transact(fn func() error) error {
	ctx := context.Background()
	if _, err := s.writer.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := fn()
	if err == nil {
		if _, err = s.writer.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// SQLite has rolled back by itself after some errors.
	if _, rollback := s.writer.ExecContext(ctx, "ROLLBACK"); rollback != nil && !strings.Contains(rollback.Error(), "no transaction is active") {
		return errors.Join(err, errStuck, fmt.Errorf("roll back: %w", rollback))
	}
	return err
}

// rowID is the id of the row whose frame begins with the sequence number.
func rowID(partition int, seq uint64) int64 { return int64(weir.At(partition, seq)) }

// row is what the table says of a frame without its bytes.
type row struct {
	id     int64
	count  int64
	before int64
	size   int64
}

func (r row) first() uint64 { return weir.Position(r.id).Seq() }
func (r row) last() uint64  { return r.first() + uint64(r.count) - 1 }

// rowAt is the last row of the partition that begins at or before the sequence
// number; ok is false if there is none.
func rowAt(stmt *sql.Stmt, partition int, seq uint64) (r row, ok bool, err error) {
	var size sql.NullInt64
	err = stmt.QueryRow(rowID(partition, 1), rowID(partition, min(seq, maxSeq))).Scan(&r.id, &r.count, &r.before, &size)
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, false, nil
	}
	r.size = size.Int64
	return r, err == nil, err
}

// checkpoint writes the log into the database file and says how many pages the
// log holds. PASSIVE goes on beside those who append, RESTART and TRUNCATE also
// make the next transaction begin the log anew and need the turn, and NOOP only
// counts.
func (s *store) checkpoint(ctx context.Context, on interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, mode string) (pages int, err error) {
	var busy, done int
	err = on.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &done)
	return pages, err
}
