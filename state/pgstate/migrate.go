package pgstate

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state/document"
)

//go:embed migrations
var migrations embed.FS

// migrate makes the schema if it is missing and brings it to the newest version, which
// is that of the embedded folder. It refuses one that a newer Weir has written, as
// older code would read it wrong. Of several processes that start at once one works
// and the others find the work done: an advisory lock of the session, which is let go
// when the process dies.
func (d *database) migrate(ctx context.Context, config *pgx.ConnConfig, folder string) error {
	db := stdlib.OpenDB(*config)
	defer db.Close()
	lock, err := db.Conn(ctx)
	if err != nil {
		return d.unreachable(config, err)
	}
	defer lock.Close()
	if _, err := lock.ExecContext(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", "weir migrate "+d.schema); err != nil {
		return fmt.Errorf("migrate schema: %w", err)
	}
	// Asked first: a role may be allowed to use a schema and not to make one.
	var exists bool
	if err := lock.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", d.schema).Scan(&exists); err != nil {
		return fmt.Errorf("look for schema %s: %w", d.schema, err)
	}
	if !exists {
		if _, err := lock.ExecContext(ctx, "CREATE SCHEMA "+pgx.Identifier{d.schema}.Sanitize()); err != nil {
			return fmt.Errorf("make schema %s: %w", d.schema, err)
		}
	}
	if err := d.durable(ctx, lock, config); err != nil {
		return err
	}
	if err := d.migrateTables(ctx, db, folder); err != nil {
		return err
	}
	if _, err := lock.ExecContext(ctx, "SELECT pg_advisory_unlock_all()"); err != nil {
		return fmt.Errorf("migrate schema: %w", err)
	}
	return nil
}

func (d *database) migrateTables(ctx context.Context, db *sql.DB, folder string) error {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(folder+"_version"), goose.WithSlog(d.log), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	present, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if present > newest {
		return d.tooNew(fmt.Sprintf("schema version %d; this one knows %d", present, newest))
	}
	if _, err := provider.Up(ctx); err != nil && !errors.Is(err, goose.ErrAlreadyApplied) {
		return fmt.Errorf("migrate schema: %w", err)
	}
	if folder != "state" {
		return nil
	}
	var form int
	if err := db.QueryRowContext(ctx, "SELECT number FROM form").Scan(&form); err != nil {
		return fmt.Errorf("read form: %w", err)
	}
	switch {
	case form > document.Version:
		return d.tooNew(fmt.Sprintf("documents of form %d; this one knows %d", form, document.Version))
	case form < document.Version:
		return &weir.Error{
			Code:    "state_outdated",
			Message: fmt.Sprintf("schema %s of the database was written by an older Weir, in a form that this one does not read; drop it, and make the state anew from the archive", d.schema),
		}
	}
	return nil
}

func (d *database) tooNew(why string) error {
	return &weir.Error{
		Code:    "schema_too_new",
		Message: fmt.Sprintf("schema %s of the database was written by a newer Weir (%s); start that version, or restore a backup", d.schema, why),
	}
}

func (d *database) unreachable(config *pgx.ConnConfig, err error) error {
	return &weir.Error{
		Code:    "state_unavailable",
		Message: fmt.Sprintf("the database %s at %s:%d does not take the connection; is it running, and are its address, user and password right?", config.Database, config.Host, config.Port),
		Err:     err,
	}
}

// durable sees to it that what is committed is on the disk when it is answered. A
// stricter setting, as waiting for a replica, is left alone.
func (d *database) durable(ctx context.Context, conn *sql.Conn, config *pgx.ConnConfig) error {
	var commit, fsync string
	if err := conn.QueryRowContext(ctx, "SELECT current_setting('synchronous_commit'), current_setting('fsync')").Scan(&commit, &fsync); err != nil {
		return fmt.Errorf("read settings of the database: %w", err)
	}
	if commit == "off" {
		config.RuntimeParams["synchronous_commit"] = "on"
	}
	if fsync == "off" {
		d.log.WarnContext(ctx, "the database runs with fsync off: what it has acknowledged is lost when its machine stops")
	}
	return nil
}
