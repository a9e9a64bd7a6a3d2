package sqlitestate

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"

	"github.com/weirhq/weir"
)

//go:embed migrations
var migrations embed.FS

// migrate brings a database to the newest schema, which is that of the embedded
// folder. It refuses one that a newer Weir has written: older code would read
// it wrong.
func migrate(ctx context.Context, db *sql.DB, folder, path string, log *slog.Logger) error {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName("schema_version"), goose.WithSlog(log), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	present, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if present > newest {
		return &weir.Error{
			Code:    "schema_too_new",
			Message: fmt.Sprintf("%s was written by a newer Weir (schema %d, this one knows %d); start that version, or restore a backup", path, present, newest),
		}
	}
	// Two processes may start at once: the one that comes second finds the
	// work done.
	if _, err := provider.Up(ctx); err != nil && !errors.Is(err, goose.ErrAlreadyApplied) {
		return fmt.Errorf("migrate schema: %w", err)
	}
	return nil
}
