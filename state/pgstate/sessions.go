package pgstate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

// sessionRow is what the columns say of a session.
type sessionRow struct {
	id             string
	owner          int64
	ended, started int32
}

const sessionColumns = "s.workspace, s.number, s.id, s.owner, s.ended, s.started, d.doc"

const loadSessions = "SELECT " + sessionColumns + ` FROM unnest($1::int4[], $2::bytea[]) AS k (workspace, id)
	JOIN sessions s ON s.workspace = k.workspace AND s.id = k.id
	JOIN session_documents d ON d.workspace = s.workspace AND d.number = s.number`

// The rows of the index are few and narrow: most that do not fit are never read.
const loadSpans = "SELECT " + sessionColumns + `, k.place FROM unnest($1::int4[], $2::int8[], $3::int8[], $4::int8[]) WITH ORDINALITY AS k (workspace, owner, low, high, place)
	JOIN sessions s ON s.workspace = k.workspace AND s.owner = k.owner AND s.ended >= (k.low >> 32)::int4 AND s.started <= (k.high >> 32)::int4
	JOIN session_documents d ON d.workspace = s.workspace AND d.number = s.number`

// coarse is a time as the index has it: in units of 2^32 microseconds.
func coarse(t weir.Micros) int32 { return int32(int64(t) >> 32) }

func rowOf(s *weir.Session) sessionRow {
	return sessionRow{s.ID, int64(s.Owner), coarse(s.EndedAt), coarse(s.StartedAt)}
}

// scanSession reads a row of sessionColumns, and what more was selected.
func (s *Store) scanSession(rows pgx.Rows, more ...any) (*weir.Session, numbered, sessionRow, error) {
	var at numbered
	var row sessionRow
	var id, doc pgtype.DriverBytes
	if err := rows.Scan(append([]any{&at.workspace, &at.number, &id, &row.owner, &row.ended, &row.started, &doc}, more...)...); err != nil {
		return nil, at, row, err
	}
	row.id = string(id)
	session := &weir.Session{Workspace: s.known.name(at.workspace), ID: row.id, Number: uint32(at.number), Owner: uint32(row.owner)}
	if err := document.ReadSession(doc, session); err != nil {
		return nil, at, row, fmt.Errorf("read session %q: %w", row.id, err)
	}
	return session, at, row, nil
}

// scanSession also remembers what the columns say.
func (t *tx) scanSession(rows pgx.Rows) (*weir.Session, error) {
	session, at, row, err := t.store.scanSession(rows)
	if err == nil {
		t.sessions[at] = row
	}
	return session, err
}

// SessionsOf asks for all spans at once, in order of their owners.
func (t *tx) SessionsOf(ctx context.Context, of []state.Span) ([]*weir.Session, error) {
	if t.done {
		return nil, fmt.Errorf("load sessions: %w", errDone)
	}
	spans, workspaces, owners, err := t.spans(ctx, of)
	if err != nil || len(spans) == 0 {
		return nil, t.store.explain("load sessions", err)
	}
	low, high := make([]int64, len(spans)), make([]int64, len(spans))
	for n, s := range spans {
		low[n], high[n] = int64(s.From), int64(s.To)
	}
	rows, err := t.conn.Query(ctx, loadSpans, workspaces, owners, low, high)
	if err != nil {
		return nil, t.store.explain("load sessions", err)
	}
	var out []*weir.Session
	found := map[numbered]bool{} // by several spans, perhaps
	err = each(rows, func(rows pgx.Rows) error {
		var place int64
		session, at, row, err := t.store.scanSession(rows, &place)
		if err != nil {
			return err
		}
		t.sessions[at] = row
		span := spans[place-1]
		if !found[at] && session.EndedAt >= span.From && session.StartedAt <= span.To {
			found[at] = true
			out = append(out, session)
		}
		return nil
	})
	if err != nil {
		return nil, t.store.explain("load sessions", err)
	}
	slices.SortFunc(out, compareSessions)
	return out, nil
}

func compareSessions(a, b *weir.Session) int {
	return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Number, b.Number))
}

// spans sorts what is asked for, and leaves out workspaces that nothing was ever
// written for.
func (t *tx) spans(ctx context.Context, of []state.Span) (spans []state.Span, workspaces []int32, owners []int64, err error) {
	spans = slices.Clone(of)
	slices.SortFunc(spans, func(a, b state.Span) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Identity, b.Identity), cmp.Compare(a.From, b.From))
	})
	kept := spans[:0]
	for _, s := range spans {
		number, ok, err := t.store.find(ctx, s.Workspace)
		if err != nil {
			return nil, nil, nil, err
		}
		if ok {
			kept, workspaces, owners = append(kept, s), append(workspaces, number), append(owners, int64(s.Identity))
		}
	}
	return kept, workspaces, owners, nil
}

const (
	removeSessions = `WITH gone AS (
			DELETE FROM sessions s USING unnest($1::int4[], $2::bytea[]) AS k (workspace, id)
			WHERE s.workspace = k.workspace AND s.id = k.id RETURNING s.workspace, s.number
		)
		DELETE FROM session_documents d USING gone WHERE d.workspace = gone.workspace AND d.number = gone.number`
	// A session that gets another id gives the former one up before any other may have
	// it.
	renameSessions = `DELETE FROM sessions s USING unnest($1::int4[], $2::int8[], $3::bytea[]) AS k (workspace, number, id)
		WHERE s.workspace = k.workspace AND s.number = k.number AND s.id <> k.id`
	writeSessionRows = `INSERT INTO sessions AS s (workspace, number, id, owner, ended, started)
		SELECT * FROM unnest($1::int4[], $2::int8[], $3::bytea[], $4::int8[], $5::int4[], $6::int4[]) ORDER BY 1, 2
		ON CONFLICT (workspace, number) DO UPDATE SET owner = excluded.owner, ended = excluded.ended, started = excluded.started
		WHERE (s.owner, s.ended, s.started) <> (excluded.owner, excluded.ended, excluded.started)`
	writeSessionDocuments = `INSERT INTO session_documents (workspace, number, doc)
		SELECT * FROM unnest($1::int4[], $2::int8[], $3::bytea[]) ORDER BY 1, 2
		ON CONFLICT (workspace, number) DO UPDATE SET doc = excluded.doc`
)

// writeSessions queues what changes sessions. Of several with one number, the last
// counts.
func (t *tx) writeSessions(batch *pgx.Batch, sessions []*weir.Session, removed []state.Key) error {
	if len(removed) > 0 {
		k := t.store.columns(sortedKeys(removed))
		batch.Queue(removeSessions, k.workspaces, k.ids)
		gone := map[state.Key]bool{}
		for _, key := range removed {
			gone[key] = true
		}
		for at, row := range t.sessions {
			if gone[state.Key{Workspace: t.store.known.name(at.workspace), ID: row.id}] {
				delete(t.sessions, at)
			}
		}
	}
	last := make(map[numbered]*weir.Session, len(sessions))
	order := make([]numbered, 0, len(sessions))
	for _, s := range sessions {
		if s.Number == 0 {
			return fmt.Errorf("session %q has no number", s.ID)
		}
		workspace := t.workspace(s.Workspace)
		at := numbered{workspace, int64(s.Number)}
		if last[at] == nil {
			order = append(order, at)
		}
		last[at] = s
	}
	slices.SortFunc(order, compareNumbered)
	var rows sessionList
	var docs documentList
	var renamed nameList
	for _, at := range order {
		s := last[at]
		doc, err := document.AppendSession(nil, s)
		if err != nil {
			return fmt.Errorf("session %q: %w", s.ID, err)
		}
		docs.add(at, doc)
		columns := rowOf(s)
		known, found := t.sessions[at]
		if found && known == columns {
			continue
		}
		if found && known.id != s.ID || !found && !t.isTaken(state.SessionNumber, at.workspace, at.number) {
			renamed.add(at, s.ID)
		}
		rows.add(at, columns)
	}
	if len(renamed.numbers) > 0 {
		batch.Queue(renameSessions, renamed.workspaces, renamed.numbers, renamed.ids)
	}
	if len(rows.numbers) > 0 {
		batch.Queue(writeSessionRows, rows.workspaces, rows.numbers, rows.ids, rows.owners, rows.ended, rows.started)
	}
	if len(docs.numbers) > 0 {
		batch.Queue(writeSessionDocuments, docs.workspaces, docs.numbers, docs.docs)
	}
	return nil
}

func compareNumbered(a, b numbered) int {
	return cmp.Or(cmp.Compare(a.workspace, b.workspace), cmp.Compare(a.number, b.number))
}

// The columns of statements that write.

type numberList struct {
	workspaces []int32
	numbers    []int64
}

func (l *numberList) add(at numbered) {
	l.workspaces, l.numbers = append(l.workspaces, at.workspace), append(l.numbers, at.number)
}

type nameList struct {
	numberList
	ids [][]byte
}

func (l *nameList) add(at numbered, id string) {
	l.numberList.add(at)
	l.ids = append(l.ids, []byte(id))
}

type sessionList struct {
	nameList
	owners         []int64
	ended, started []int32
}

func (l *sessionList) add(at numbered, row sessionRow) {
	l.nameList.add(at, row.id)
	l.owners, l.ended, l.started = append(l.owners, row.owner), append(l.ended, row.ended), append(l.started, row.started)
}

type documentList struct {
	numberList
	docs [][]byte
}

func (l *documentList) add(at numbered, doc []byte) {
	l.numberList.add(at)
	l.docs = append(l.docs, doc)
}
