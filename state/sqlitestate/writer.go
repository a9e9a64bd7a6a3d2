package sqlitestate

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/mattn/go-sqlite3"
)

// writer is the one connection that writes. It stands below database/sql, whose
// locks and conversions cost as much as a small statement does. Used by the
// holder of the Store's turn only.
type writer struct {
	conn       *sqlite3.SQLiteConn
	statements map[string]*sqlite3.SQLiteStmt
	args       []driver.NamedValue // reused
}

func openWriter(f *file) (*writer, error) {
	// The checkpointer decides when the WAL goes into the file, not a commit.
	conn, err := (&sqlite3.SQLiteDriver{}).Open(f.dsn())
	if err != nil {
		return nil, f.explain("open", err)
	}
	w := &writer{conn: conn.(*sqlite3.SQLiteConn), statements: map[string]*sqlite3.SQLiteStmt{}}
	if err := w.run(fmt.Sprintf("PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = %d", walKept)); err != nil {
		_ = w.conn.Close()
		return nil, f.explain("open", err)
	}
	return w, nil
}

func (w *writer) close() error {
	for _, s := range w.statements {
		_ = s.Close() // reports the last error of the statement again
	}
	return w.conn.Close()
}

// run executes a statement without arguments and results, once.
func (w *writer) run(query string) error {
	_, err := w.conn.Exec(query, nil)
	return err
}

func (w *writer) prepare(query string) (*sqlite3.SQLiteStmt, error) {
	if s := w.statements[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	w.statements[query] = s.(*sqlite3.SQLiteStmt)
	return w.statements[query], nil
}

func (w *writer) named(args []driver.Value) []driver.NamedValue {
	w.args = w.args[:0]
	for i, a := range args {
		w.args = append(w.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return w.args
}

// exec runs a prepared statement and returns how many rows it changed. It gets
// no context: the driver would start a goroutine for each. Statements here take
// microseconds.
func (w *writer) exec(query string, args ...driver.Value) (int64, error) {
	s, err := w.prepare(query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(context.Background(), w.named(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query runs a prepared statement and calls fn for each row. The row's values
// are fn's to keep; the slice is not.
func (w *writer) query(query string, args []driver.Value, fn func(row []driver.Value) error) (err error) {
	s, err := w.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), w.named(args))
	if err != nil {
		return err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
	}
}
