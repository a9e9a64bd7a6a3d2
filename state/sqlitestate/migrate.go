package sqlitestate

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/weirhq/weir"
)

//go:embed migrations
var migrations embed.FS

// migrate brings a database to the newest schema, which is that of the embedded
// folder. It refuses one that a newer Weir has written, as older code would read
// it wrong, and one in a form that there are no migrations from.
func (f *file) migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations/"+f.folder)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName("schema_version"), goose.WithSlog(f.log), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	present, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	var form int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&form); err != nil {
		return fmt.Errorf("read form: %w", err)
	}
	if present > newest || form > f.form {
		return &weir.Error{
			Code: "schema_too_new",
			Message: fmt.Sprintf("%s was written by a newer Weir (schema %d, form %d; this one knows %d, %d); start that version, or restore a backup",
				f.path, present, form, newest, f.form),
		}
	}
	if present > 0 && form < f.form {
		return outdated(f.path)
	}
	// Two processes may start at once: the one that comes second finds the
	// work done.
	if _, err := provider.Up(ctx); err != nil && !errors.Is(err, goose.ErrAlreadyApplied) {
		return fmt.Errorf("migrate schema: %w", err)
	}
	return nil
}

// outdated refuses what an older Weir has written in a form that this one does
// not read.
func outdated(path string) error {
	return &weir.Error{
		Code:    "state_outdated",
		Message: path + " was written by an older Weir, in a form that this one does not read; stop the server and run `weir rebuild`, which sets it aside and makes it anew from the archive",
	}
}
