package pgstate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

var _ workspace.Store = (*Control)(nil)

// Control keeps the documents of the control plane. They are in a schema of their own,
// which survives when that of the state is dropped to be made anew. All methods may be
// called concurrently, also by several processes.
type Control struct {
	database
	pool *pgxpool.Pool
}

// controlConns bounds the connections: documents are small, and read by key.
const controlConns = 4

// OpenControl connects to the control plane, and makes or migrates its schema. Of the
// options, it uses the DSN, Schema, Logger and the timeouts.
func OpenControl(ctx context.Context, options *Options) (*Control, error) {
	o := options.withDefaults()
	if options == nil || options.Schema == "" {
		o.Schema = "weir_control"
	}
	c := &Control{database: database{schema: o.Schema, log: o.Logger}}
	config, err := c.prepare(ctx, o, "control")
	if err != nil {
		return nil, err
	}
	config.MaxConns = controlConns
	if c.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, c.explain("open control plane", err)
	}
	return c, nil
}

// Close closes the connections. It is idempotent.
func (c *Control) Close() error {
	c.pool.Close()
	return nil
}

// Get reads one document.
func (c *Control) Get(ctx context.Context, collection string, ws weir.WorkspaceID, id string) (workspace.Document, error) {
	doc := workspace.Document{ID: id}
	err := c.pool.QueryRow(ctx, "SELECT revision, body FROM documents WHERE collection = $1 AND workspace = $2 AND id = $3",
		collection, string(ws), id).Scan(&doc.Revision, &doc.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		return workspace.Document{}, fmt.Errorf("%s document %q: %w", collection, id, workspace.ErrNotFound)
	} else if err != nil {
		return workspace.Document{}, c.explain("read document", err)
	}
	return doc, nil
}

// List reads a collection of a workspace, ordered by id.
func (c *Control) List(ctx context.Context, collection string, ws weir.WorkspaceID) (out []workspace.Document, err error) {
	rows, err := c.pool.Query(ctx, "SELECT id, revision, body FROM documents WHERE collection = $1 AND workspace = $2 ORDER BY id", collection, string(ws))
	if err != nil {
		return nil, c.explain("read documents", err)
	}
	err = each(rows, func(rows pgx.Rows) error {
		var doc workspace.Document
		err := rows.Scan(&doc.ID, &doc.Revision, &doc.Body)
		out = append(out, doc)
		return err
	})
	if err != nil {
		return nil, c.explain("read documents", err)
	}
	return out, nil
}

// Put writes a document, durably when it returns. Each case is one statement, which
// says by the number of its rows whether the document was as expected.
func (c *Control) Put(ctx context.Context, collection string, ws weir.WorkspaceID, doc workspace.Document) (workspace.Document, error) {
	if err := doc.Check(); err != nil {
		return workspace.Document{}, err
	}
	query, refused := "INSERT INTO documents (collection, workspace, id, revision, body) VALUES ($1, $2, $3, nextval('revisions'), $4) ON CONFLICT DO NOTHING RETURNING revision", workspace.ErrExists
	args := []any{collection, string(ws), doc.ID, doc.Body}
	if doc.Revision != 0 {
		query, refused = "UPDATE documents SET revision = nextval('revisions'), body = $4 WHERE collection = $1 AND workspace = $2 AND id = $3 AND revision = $5 RETURNING revision", workspace.ErrConflict
		args = append(args, doc.Revision)
	}
	err := c.pool.QueryRow(ctx, query, args...).Scan(&doc.Revision)
	if errors.Is(err, pgx.ErrNoRows) {
		return workspace.Document{}, fmt.Errorf("%s document %q: %w", collection, doc.ID, refused)
	} else if err != nil {
		return workspace.Document{}, c.explain("write document", err)
	}
	return doc, nil
}

// Delete removes a document, if it is there.
func (c *Control) Delete(ctx context.Context, collection string, ws weir.WorkspaceID, id string) error {
	_, err := c.pool.Exec(ctx, "DELETE FROM documents WHERE collection = $1 AND workspace = $2 AND id = $3", collection, string(ws), id)
	return c.explain("write document", err)
}
