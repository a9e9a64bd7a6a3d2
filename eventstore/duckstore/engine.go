package duckstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// scratchDir is where the engine spills what does not fit in memory.
const scratchDir = "scratch"

// engine is one DuckDB instance, to which workspaces' files are attached, so
// that all of them share one memory limit and one set of threads.
type engine struct {
	connector *duckdb.Connector
	db        *sql.DB
	census    *census
	// dead says that the engine refuses all further work, after an error that
	// it could not undo; it is replaced once nobody uses it. gone is closed then.
	dead bool
	gone chan struct{}
}

// startEngine starts an instance without any database of its own, which cannot
// reach files outside dir, load code, or be talked into either.
func startEngine(dir string, o *Options) (*engine, error) {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	e := &engine{connector: connector, db: sql.OpenDB(connector), census: &census{}, gone: make(chan struct{})}
	settings := []string{
		fmt.Sprintf("SET memory_limit = '%dMiB'", max(o.Memory>>21, 64)),
		fmt.Sprintf("SET threads = %d", o.Threads),
		"SET temp_directory = " + quoteText(filepath.Join(dir, scratchDir)),
		"SET max_temp_directory_size = '16GB'",
		// Rows have no order of their own: questions ask for the one they need.
		"SET preserve_insertion_order = false",
		// Checkpoints are ours to choose (maintain.go).
		"SET checkpoint_threshold = '1TB'",
		// Nor is a file that turns out to be damaged written to when it is closed.
		"PRAGMA disable_checkpoint_on_shutdown",
		"SET TimeZone = 'UTC'",
		"SET allowed_directories = [" + quoteText(dir+string(filepath.Separator)) + "]",
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allow_community_extensions = false",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	}
	for _, set := range settings {
		if _, err := e.db.ExecContext(context.Background(), set); err != nil {
			return nil, errors.Join(fmt.Errorf("start engine: %s: %w", set, err), e.close())
		}
	}
	for _, register := range []func(context.Context, *sql.DB) error{e.census.register, registerGiveRows} {
		if err := register(context.Background(), e.db); err != nil {
			return nil, errors.Join(fmt.Errorf("start engine: %w", err), e.close())
		}
	}
	return e, nil
}

func (e *engine) close() error {
	return errors.Join(e.db.Close(), e.connector.Close())
}

// isFatal reports whether the engine refuses all further work after err.
func isFatal(err error) bool {
	var d *duckdb.Error
	return errors.As(err, &d) && (d.Type == duckdb.ErrorTypeFatal || strings.Contains(d.Msg, "previous fatal error"))
}

// needsReattach reports whether the engine refuses further work on one file
// after err. A checkpoint that found no space on the disk is such an error.
func needsReattach(err error) bool {
	var d *duckdb.Error
	return errors.As(err, &d) && strings.Contains(d.Msg, "has been invalidated")
}

// quoteText makes an SQL string of s. Values of questions are bound instead;
// this is for statements that take no parameters.
func quoteText(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// quoteName makes an SQL identifier of s. It is the one place where names of
// tables and columns enter SQL.
func quoteName(s string) string {
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
