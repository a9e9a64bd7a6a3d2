package sqlitestate

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

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

// scanPage is how many rows a Scan reads at once: no longer than a few
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

// ScanSessions goes by the key.
func (v view) ScanSessions(ctx context.Context, ws weir.WorkspaceID, fn func(*weir.Session) error) error {
	const page = `SELECT key, id, owner, doc FROM sessions
		WHERE key > (SELECT (number << 32) | ? FROM workspaces WHERE id = ?) AND key < (SELECT (number + 1) << 32 FROM workspaces WHERE id = ?)
		ORDER BY key LIMIT ?`
	after := uint32(0)
	for {
		list, err := v.sessions(ctx, ws, page, int64(after), string(ws), string(ws), scanPage)
		if err != nil {
			return err
		}
		for _, s := range list {
			if err := fn(s); err != nil {
				return err
			}
		}
		if len(list) < scanPage {
			return nil
		}
		after = list[len(list)-1].Number
	}
}

// Sessions takes the identities as JSON, as Conversions does.
func (v view) Sessions(ctx context.Context, ws weir.WorkspaceID, identities []uint32) ([]*weir.Session, error) {
	numbers, err := json.Marshal(append([]uint32{}, identities...))
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return v.sessions(ctx, ws, `SELECT key, id, owner, doc FROM sessions
		WHERE owner IN (SELECT (number << 32) | value FROM workspaces, json_each(?) WHERE workspaces.id = ?) ORDER BY key`, string(numbers), string(ws))
}

// Session is the session with an id, or nil.
func (v view) Session(ctx context.Context, ws weir.WorkspaceID, id string) (*weir.Session, error) {
	list, err := v.sessions(ctx, ws, `SELECT key, id, owner, doc FROM sessions
		WHERE workspace = (SELECT number FROM workspaces WHERE id = ?) AND id = ?`, string(ws), id)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// ScanConversions goes by the index of ids, as Scan does.
func (v view) ScanConversions(ctx context.Context, ws weir.WorkspaceID, fn func(*weir.Conversion) error) error {
	const page = `SELECT id, owner, doc FROM conversions
		WHERE workspace = (SELECT number FROM workspaces WHERE id = ?) AND id >= ? AND (id > ? OR ?) ORDER BY id LIMIT ?`
	after, first := "", true
	for {
		list, err := v.conversions(ctx, ws, page, string(ws), after, after, first, scanPage)
		if err != nil {
			return err
		}
		for _, c := range list {
			if err := fn(c); err != nil {
				return err
			}
		}
		if len(list) < scanPage {
			return nil
		}
		after, first = list[len(list)-1].ID, false
	}
}

// Conversions takes the identities as JSON: a person has up to a thousand.
func (v view) Conversions(ctx context.Context, ws weir.WorkspaceID, identities []uint32) ([]*weir.Conversion, error) {
	numbers, err := json.Marshal(append([]uint32{}, identities...))
	if err != nil {
		return nil, fmt.Errorf("read conversions: %w", err)
	}
	list, err := v.conversions(ctx, ws, `SELECT id, owner, doc FROM conversions
		WHERE owner IN (SELECT (number << 32) | value FROM workspaces, json_each(?) WHERE workspaces.id = ?)`, string(numbers), string(ws))
	slices.SortFunc(list, func(a, b *weir.Conversion) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// Mark is a note of state.Changes.Marks.
func (v view) Mark(ctx context.Context, ws weir.WorkspaceID, name string) (value string, err error) {
	err = v.store.read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, `SELECT value FROM marks
			WHERE workspace = iif(?1 = '', 0, (SELECT number FROM workspaces WHERE id = ?1)) AND name = ?2`, string(ws), name).Scan(&value)
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read mark: %w", err)
	}
	return value, nil
}

// Workspaces lists those that the store has written for, sorted.
func (v view) Workspaces(ctx context.Context) (list []weir.WorkspaceID, err error) {
	err = v.rows(ctx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		list = append(list, weir.WorkspaceID(id))
		return err
	}, "SELECT id FROM workspaces ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read workspaces: %w", err)
	}
	return list, nil
}

// rows runs a query and calls fn to scan each of its rows.
func (v view) rows(ctx context.Context, fn func(*sql.Rows) error, query string, args ...any) error {
	return v.store.read(ctx, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := fn(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

func (v view) identities(ctx context.Context, ws weir.WorkspaceID, query string, args ...any) (out []*weir.Identity, err error) {
	err = v.rows(ctx, func(rows *sql.Rows) error {
		var key, person int64
		var id string
		var doc sql.RawBytes
		if err := rows.Scan(&key, &id, &person, &doc); err != nil {
			return err
		}
		identity, err := scanIdentity(ws, key, id, person, doc)
		out = append(out, identity)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read persons: %w", err)
	}
	return out, nil
}

func (v view) sessions(ctx context.Context, ws weir.WorkspaceID, query string, args ...any) (out []*weir.Session, err error) {
	err = v.rows(ctx, func(rows *sql.Rows) error {
		var key, owner int64
		var id string
		var doc sql.RawBytes
		if err := rows.Scan(&key, &id, &owner, &doc); err != nil {
			return err
		}
		session, err := scanSession(ws, key, id, owner, doc)
		out = append(out, session)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return out, nil
}

func (v view) conversions(ctx context.Context, ws weir.WorkspaceID, query string, args ...any) (out []*weir.Conversion, err error) {
	err = v.rows(ctx, func(rows *sql.Rows) error {
		var owner int64
		var id string
		var doc sql.RawBytes
		if err := rows.Scan(&id, &owner, &doc); err != nil {
			return err
		}
		conversion, err := scanConversion(ws, id, owner, doc)
		out = append(out, conversion)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read conversions: %w", err)
	}
	return out, nil
}
