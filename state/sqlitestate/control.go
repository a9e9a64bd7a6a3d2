package sqlitestate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

var _ workspace.Store = (*Control)(nil)

// Control keeps the documents of the control plane in control.db. It is a file
// of its own: it never waits for a micro-batch, a second process may open it
// (the command line beside a running server), and it survives when the state is
// thrown away to be rebuilt. All methods may be called concurrently.
type Control struct {
	file *file
	db   *sql.DB
}

// OpenControl opens or creates the control plane in a directory. Of the options,
// it uses the Logger.
func OpenControl(dir string, options *Options) (*Control, error) {
	o := options.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open control plane: %w", err)
	}
	f := &file{
		path:      filepath.Join(dir, "control.db"),
		folder:    "control",
		pageSize:  4096,
		cache:     4 << 20,
		checkUpTo: 512 << 20,
		damaged:   "restore it from a backup: it has the workspaces, keys and accounts, which nothing else has",
		log:       o.Logger,
	}
	if err := f.prepare(context.Background()); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite3", f.dsn())
	if err != nil {
		return nil, f.explain("open", err)
	}
	// Writers queue up in the database, readers do not wait; a few will do.
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	return &Control{file: f, db: db}, nil
}

// Close closes the file. It is idempotent.
func (c *Control) Close() error {
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("close control plane: %w", err)
	}
	return nil
}

// Get reads one document.
func (c *Control) Get(ctx context.Context, collection string, ws weir.WorkspaceID, id string) (workspace.Document, error) {
	doc := workspace.Document{ID: id}
	err := c.db.QueryRowContext(ctx, "SELECT revision, body FROM documents WHERE collection = ? AND workspace = ? AND id = ?",
		collection, string(ws), id).Scan(&doc.Revision, &doc.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return workspace.Document{}, fmt.Errorf("%s document %q: %w", collection, id, workspace.ErrNotFound)
	} else if err != nil {
		return workspace.Document{}, c.file.explain("read", err)
	}
	return doc, nil
}

// List reads a collection of a workspace, ordered by id.
func (c *Control) List(ctx context.Context, collection string, ws weir.WorkspaceID) ([]workspace.Document, error) {
	rows, err := c.db.QueryContext(ctx, "SELECT id, revision, body FROM documents WHERE collection = ? AND workspace = ? ORDER BY id",
		collection, string(ws))
	if err != nil {
		return nil, c.file.explain("read", err)
	}
	defer rows.Close()
	var out []workspace.Document
	for rows.Next() {
		var doc workspace.Document
		if err := rows.Scan(&doc.ID, &doc.Revision, &doc.Body); err != nil {
			return nil, c.file.explain("read", err)
		}
		out = append(out, doc)
	}
	if err := rows.Err(); err != nil {
		return nil, c.file.explain("read", err)
	}
	return out, nil
}

// Put writes a document, durably when it returns.
func (c *Control) Put(ctx context.Context, collection string, ws weir.WorkspaceID, doc workspace.Document) (workspace.Document, error) {
	if err := doc.Check(); err != nil {
		return workspace.Document{}, err
	}
	tx, err := c.db.BeginTx(ctx, nil) // IMMEDIATE, as the DSN says
	if err != nil {
		return workspace.Document{}, c.file.explain("write", err)
	}
	defer tx.Rollback() // nothing after Commit
	var present int64
	err = tx.QueryRowContext(ctx, "SELECT revision FROM documents WHERE collection = ? AND workspace = ? AND id = ?",
		collection, string(ws), doc.ID).Scan(&present)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return workspace.Document{}, c.file.explain("write", err)
	case doc.Revision == 0 && present != 0:
		return workspace.Document{}, fmt.Errorf("%s document %q: %w", collection, doc.ID, workspace.ErrExists)
	case doc.Revision != present:
		return workspace.Document{}, fmt.Errorf("%s document %q: %w", collection, doc.ID, workspace.ErrConflict)
	}
	if err := tx.QueryRowContext(ctx, "UPDATE revisions SET last = last + 1 RETURNING last").Scan(&doc.Revision); err != nil {
		return workspace.Document{}, c.file.explain("write", err)
	}
	if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO documents (collection, workspace, id, revision, body) VALUES (?, ?, ?, ?, ?)",
		collection, string(ws), doc.ID, doc.Revision, doc.Body); err != nil {
		return workspace.Document{}, c.file.explain("write", err)
	}
	if err := tx.Commit(); err != nil {
		return workspace.Document{}, c.file.explain("write", err)
	}
	return doc, nil
}

// Delete removes a document, if it is there.
func (c *Control) Delete(ctx context.Context, collection string, ws weir.WorkspaceID, id string) error {
	_, err := c.db.ExecContext(ctx, "DELETE FROM documents WHERE collection = ? AND workspace = ? AND id = ?", collection, string(ws), id)
	return c.file.explain("write", err)
}
