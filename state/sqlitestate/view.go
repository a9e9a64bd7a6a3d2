package sqlitestate

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir"
)

// view reads on the Store's readers. Each method's statement sees one commit.
type view struct{ store *Store }

// members finds a person's identities by a query for its key.
func members(person string) string {
	return "WITH p (person) AS (" + person + `)
		SELECT key, id, person, doc FROM identities WHERE key IN p
		UNION ALL
		SELECT key, id, person, doc FROM identities WHERE person IN p AND person <> key
		ORDER BY key`
}

func (v view) Person(ctx context.Context, ws weir.WorkspaceID, id string) ([]*weir.Identity, error) {
	return v.identities(ctx, ws, members(`SELECT person FROM identities
		WHERE workspace = (SELECT number FROM workspaces WHERE id = ?) AND id = ?`), string(ws), id)
}

func (v view) PersonByNumber(ctx context.Context, ws weir.WorkspaceID, person uint32) ([]*weir.Identity, error) {
	out, err := v.identities(ctx, ws, members("SELECT (number << 32) | ? FROM workspaces WHERE id = ?"), int64(person), string(ws))
	// The number of an identity that belongs to another is no person's.
	if len(out) > 0 && out[0].Person != person {
		return nil, err
	}
	return out, err
}

// scanPage is how many identities Scan reads at once: no longer than a few
// milliseconds, since a long read keeps the WAL from shrinking.
const scanPage = 500

// Scan sees every identity that is there all the time; what is written while it
// runs may or may not be seen.
func (v view) Scan(ctx context.Context, ws weir.WorkspaceID, fn func(*weir.Identity) error) error {
	const page = `SELECT key, id, person, doc FROM identities
		WHERE workspace = (SELECT number FROM workspaces WHERE id = ?) AND id >= ? AND (id > ? OR ?) ORDER BY id LIMIT ?`
	after, first := "", true
	for {
		list, err := v.identities(ctx, ws, page, string(ws), after, after, first, scanPage)
		if err != nil {
			return err
		}
		for _, i := range list {
			if err := fn(i); err != nil {
				return err
			}
		}
		if len(list) < scanPage {
			return nil
		}
		after, first = list[len(list)-1].ID, false
	}
}

func (v view) identities(ctx context.Context, ws weir.WorkspaceID, query string, args ...any) (out []*weir.Identity, err error) {
	err = v.store.read(ctx, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key, person int64
			var id string
			var doc sql.RawBytes
			if err := rows.Scan(&key, &id, &person, &doc); err != nil {
				return err
			}
			identity, err := scanIdentity(ws, key, id, person, doc)
			if err != nil {
				return err
			}
			out = append(out, identity)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read persons: %w", err)
	}
	return out, nil
}
