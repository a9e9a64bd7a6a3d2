package pgstate

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// View reads persons on connections of its own: it waits for no micro-batch.
func (s *Store) View() state.View { return view{s} }

// view's statements see one commit each.
type view struct{ store *Store }

// read runs a query and scans each of its rows.
func read[T any](ctx context.Context, s *Store, scan func(pgx.Rows) (T, error), query string, args ...any) (out []T, err error) {
	err = repeat(func() error {
		out = nil
		rows, err := s.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		return each(rows, func(rows pgx.Rows) error {
			v, err := scan(rows)
			out = append(out, v)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// exec runs a statement that may be run twice.
func (s *Store) exec(ctx context.Context, statement string, args ...any) error {
	return repeat(func() error {
		_, err := s.pool.Exec(ctx, statement, args...)
		return err
	})
}

// list reads all that a query finds in a workspace, whose number is its first argument.
func list[T any](ctx context.Context, s *Store, what string, ws weir.WorkspaceID, scan func(pgx.Rows) (T, error), query string, args ...any) (out []T, err error) {
	number, ok, err := s.find(ctx, ws)
	if err != nil || !ok {
		return nil, s.explain("read "+what, err)
	}
	if out, err = read(ctx, s, scan, query, append([]any{number}, args...)...); err != nil {
		return nil, s.explain("read "+what, err)
	}
	return out, nil
}

const (
	identityColumns = "d.workspace, d.number, d.id, d.person, d.doc"
	// membersOf are a person's identities. Its first has the person's number.
	membersOf = ` SELECT ` + identityColumns + ` FROM p JOIN identity_documents d ON d.workspace = $1 AND d.number = p.person
		UNION ALL
		SELECT ` + identityColumns + ` FROM p JOIN members m ON m.workspace = $1 AND m.person = p.person
		JOIN identity_documents d ON d.workspace = $1 AND d.number = m.number
		ORDER BY number`
)

func (v view) identities(ctx context.Context, ws weir.WorkspaceID, query string, args ...any) ([]*weir.Identity, error) {
	return list(ctx, v.store, "persons", ws, v.store.scanIdentity, query, args...)
}

func (v view) Person(ctx context.Context, ws weir.WorkspaceID, id string) ([]*weir.Identity, error) {
	return v.identities(ctx, ws, "WITH p AS (SELECT person FROM identities WHERE workspace = $1 AND id = $2)"+membersOf, []byte(id))
}

func (v view) PersonByNumber(ctx context.Context, ws weir.WorkspaceID, person uint32) ([]*weir.Identity, error) {
	out, err := v.identities(ctx, ws, "WITH p AS (SELECT $2::int8 AS person)"+membersOf, int64(person))
	// The number of an identity that belongs to another is no person's.
	if len(out) > 0 && out[0].Person != person {
		return nil, err
	}
	return out, err
}

// scanPage is how many rows a Scan reads at once. fn is called with no connection
// taken.
const scanPage = 500

// scan calls fn for page after page. next makes the arguments that a page begins
// behind.
func scan[T any](after []any, page func(args ...any) ([]T, error), next func(T) []any, fn func(T) error) error {
	for {
		items, err := page(after...)
		if err != nil {
			return err
		}
		for _, i := range items {
			if err := fn(i); err != nil {
				return err
			}
		}
		if len(items) < scanPage {
			return nil
		}
		after = next(items[len(items)-1])
	}
}

// beginning is behind nothing: the first id may be empty.
var beginning = []any{[]byte{}, true}

func behind(id string) []any { return []any{[]byte(id), false} }

// Scan sees every identity that is there all the time; what is written while it
// runs may or may not be seen.
func (v view) Scan(ctx context.Context, ws weir.WorkspaceID, fn func(*weir.Identity) error) error {
	const query = "SELECT " + identityColumns + ` FROM identities i JOIN identity_documents d ON d.workspace = i.workspace AND d.number = i.number
		WHERE i.workspace = $1 AND i.id >= $2 AND (i.id > $2 OR $3) ORDER BY i.id LIMIT 500`
	return scan(beginning,
		func(args ...any) ([]*weir.Identity, error) { return v.identities(ctx, ws, query, args...) },
		func(i *weir.Identity) []any { return behind(i.ID) }, fn)
}

func (v view) sessions(ctx context.Context, ws weir.WorkspaceID, query string, args ...any) ([]*weir.Session, error) {
	return list(ctx, v.store, "sessions", ws, func(rows pgx.Rows) (*weir.Session, error) {
		session, _, _, err := v.store.scanSession(rows)
		return session, err
	}, query, args...)
}

const selectSessions = "SELECT " + sessionColumns + " FROM sessions s JOIN session_documents d ON d.workspace = s.workspace AND d.number = s.number WHERE s.workspace = $1 AND "

// ScanSessions goes by the key.
func (v view) ScanSessions(ctx context.Context, ws weir.WorkspaceID, fn func(*weir.Session) error) error {
	return scan([]any{int64(0)},
		func(args ...any) ([]*weir.Session, error) {
			return v.sessions(ctx, ws, selectSessions+"s.number > $2 ORDER BY s.number LIMIT 500", args...)
		},
		func(s *weir.Session) []any { return []any{int64(s.Number)} }, fn)
}

func (v view) Sessions(ctx context.Context, ws weir.WorkspaceID, identities []uint32) ([]*weir.Session, error) {
	return v.sessions(ctx, ws, selectSessions+"s.owner = ANY($2::int8[]) ORDER BY s.number", wide(identities))
}

func wide(numbers []uint32) []int64 {
	out := make([]int64, len(numbers))
	for n, i := range numbers {
		out[n] = int64(i)
	}
	return out
}

// Session is the session with an id, or nil.
func (v view) Session(ctx context.Context, ws weir.WorkspaceID, id string) (*weir.Session, error) {
	found, err := v.sessions(ctx, ws, selectSessions+"s.id = $2", []byte(id))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

func (v view) conversions(ctx context.Context, ws weir.WorkspaceID, query string, args ...any) ([]*weir.Conversion, error) {
	return list(ctx, v.store, "conversions", ws, v.store.scanConversion, query, args...)
}

const selectConversions = "SELECT " + conversionColumns + " FROM conversions c JOIN conversion_documents d ON d.workspace = c.workspace AND d.id = c.id WHERE c.workspace = $1 AND "

// ScanConversions goes by the index of ids, as Scan does.
func (v view) ScanConversions(ctx context.Context, ws weir.WorkspaceID, fn func(*weir.Conversion) error) error {
	return scan(beginning,
		func(args ...any) ([]*weir.Conversion, error) {
			return v.conversions(ctx, ws, selectConversions+"c.id >= $2 AND (c.id > $2 OR $3) ORDER BY c.id LIMIT 500", args...)
		},
		func(c *weir.Conversion) []any { return behind(c.ID) }, fn)
}

func (v view) Conversions(ctx context.Context, ws weir.WorkspaceID, identities []uint32) ([]*weir.Conversion, error) {
	out, err := v.conversions(ctx, ws, selectConversions+"c.owner = ANY($2::int8[])", wide(identities))
	slices.SortFunc(out, func(a, b *weir.Conversion) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) })
	return out, err
}

// Mark is a note of state.Changes.Marks.
func (v view) Mark(ctx context.Context, ws weir.WorkspaceID, name string) (string, error) {
	number := int32(0)
	if ws != "" {
		n, ok, err := v.store.find(ctx, ws)
		if err != nil || !ok {
			return "", v.store.explain("read mark", err)
		}
		number = n
	}
	values, err := read(ctx, v.store, scanText, "SELECT value FROM marks WHERE workspace = $1 AND name = $2", number, []byte(name))
	if err != nil || len(values) == 0 {
		return "", v.store.explain("read mark", err)
	}
	return values[0], nil
}

// Workspaces lists those that the store has written for, sorted.
func (v view) Workspaces(ctx context.Context) (out []weir.WorkspaceID, err error) {
	ids, err := read(ctx, v.store, scanText, "SELECT id FROM workspaces WHERE written ORDER BY id")
	if err != nil {
		return nil, v.store.explain("read workspaces", err)
	}
	for _, id := range ids {
		out = append(out, weir.WorkspaceID(id))
	}
	return out, nil
}

func scanText(rows pgx.Rows) (string, error) {
	var text []byte
	err := rows.Scan(&text)
	return string(text), err
}
