package sqlitestate

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

// sessionRow is what the columns say of a session.
type sessionRow struct {
	id                    string
	owner, ended, started int64
}

const (
	sessionColumns = "s.key, s.id, s.owner, s.ended, s.started, s.doc"
	selectSessions = "SELECT " + sessionColumns + " FROM sessions s WHERE workspace = ? AND id IN "
	// The rows of the index are few and narrow: most that do not fit are never read.
	selectSpans = " SELECT " + sessionColumns + `, span.low, span.high FROM span CROSS JOIN sessions s
		ON s.owner = span.owner AND s.ended >= span.low >> 32 AND s.started <= span.high >> 32`
)

// coarse is a time as the index has it: in units of 2^32 microseconds.
func coarse(t weir.Micros) int64 { return int64(t) >> 32 }

func sessionColumnsOf(workspace int64, s *weir.Session) sessionRow {
	return sessionRow{s.ID, keyOf(workspace, s.Owner), coarse(s.EndedAt), coarse(s.StartedAt)}
}

func scanSession(ws weir.WorkspaceID, key int64, id string, owner int64, doc []byte) (*weir.Session, error) {
	s := &weir.Session{Workspace: ws, ID: id, Number: numberOf(key), Owner: numberOf(owner)}
	if err := document.ReadSession(doc, s); err != nil {
		return nil, fmt.Errorf("read session %q: %w", id, err)
	}
	return s, nil
}

// session reads a row of sessionColumns and remembers what the columns say.
func (t *tx) session(ws weir.WorkspaceID, row []driver.Value) (*weir.Session, error) {
	key, id := row[0].(int64), row[1].(string)
	t.sessions[key] = sessionRow{id, row[2].(int64), row[3].(int64), row[4].(int64)}
	return scanSession(ws, key, id, row[2].(int64), row[5].([]byte))
}

func (t *tx) loadSessions(ws weir.WorkspaceID, ids []string) error {
	w, err := t.tenant(ws)
	if err != nil || w.number == 0 {
		return err
	}
	return inChunks(t.writer, selectSessions, []driver.Value{w.number}, ids, func(row []driver.Value) error {
		session, err := t.session(ws, row)
		if err != nil {
			return err
		}
		t.snapshot.Sessions[state.Key{Workspace: ws, ID: session.ID}] = session
		return nil
	})
}

// span is a state.Span with the owner's key.
type span struct {
	owner    int64
	from, to weir.Micros
}

// SessionsOf asks for many spans at once, in order of their owners.
func (t *tx) SessionsOf(ctx context.Context, of []state.Span) ([]*weir.Session, error) {
	if t.done {
		return nil, fmt.Errorf("load sessions: %w", errDone)
	}
	spans, names, err := t.spans(of)
	if err != nil {
		return nil, t.store.file.explain("load sessions", err)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.owner, b.owner), cmp.Compare(a.from, b.from)) })
	found := map[int64]bool{}
	var out []*weir.Session
	add := func(row []driver.Value) error {
		key := row[0].(int64)
		if found[key] {
			return nil // by another span
		}
		session, err := t.session(names[key>>32], row)
		if err != nil {
			return err
		}
		if int64(session.EndedAt) >= row[6].(int64) && int64(session.StartedAt) <= row[7].(int64) {
			found[key] = true
			out = append(out, session)
		}
		return nil
	}
	for len(spans) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("load sessions: %w", err)
		}
		size := longList
		if len(spans) <= shortList {
			size = shortList
		}
		args := make([]driver.Value, 0, 3*size)
		for i := range size {
			s := span{owner: -1} // nobody
			if i < len(spans) {
				s = spans[i]
			}
			args = append(args, s.owner, int64(s.from), int64(s.to))
		}
		query := "WITH span (owner, low, high) AS (VALUES " + strings.Repeat("(?,?,?),", size-1) + "(?,?,?))" + selectSpans
		if err := t.writer.query(query, args, add); err != nil {
			return nil, t.store.file.explain("load sessions", err)
		}
		spans = spans[min(size, len(spans)):]
	}
	slices.SortFunc(out, func(a, b *weir.Session) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Number, b.Number))
	})
	return out, nil
}

// spans finds the owners' keys, and the names of the workspaces in them. Workspaces
// that nothing was written for have none.
func (t *tx) spans(of []state.Span) (spans []span, names map[int64]weir.WorkspaceID, err error) {
	names = map[int64]weir.WorkspaceID{}
	for _, s := range of {
		w, err := t.tenant(s.Workspace)
		if err != nil {
			return nil, nil, err
		}
		if w.number != 0 {
			names[w.number] = s.Workspace
			spans = append(spans, span{keyOf(w.number, s.Identity), s.From, s.To})
		}
	}
	return spans, names, nil
}

// Most commits change documents alone: then no index is touched.
const (
	updateSessionDoc = "UPDATE sessions SET doc = ? WHERE key = ?"
	updateSession    = "UPDATE sessions SET owner = ?, ended = ?, started = ?, doc = ? WHERE key = ?"
	insertSession    = "INSERT INTO sessions (key, workspace, id, owner, ended, started, doc) VALUES (?, ?, ?, ?, ?, ?, ?)"
	deleteSession    = "DELETE FROM sessions WHERE key = ?"
	removeSession    = "DELETE FROM sessions WHERE workspace = ? AND id = ? RETURNING key"
)

// writeSessions writes in order of the keys, page after page. Before that, all ids
// that are given up are free: those of the sessions that are no more, and those of
// sessions that get another.
func (t *tx) writeSessions(sessions []*weir.Session, removed []state.Key) error {
	for _, k := range removed {
		w, err := t.tenant(k.Workspace)
		if err != nil {
			return err
		}
		err = t.writer.query(removeSession, []driver.Value{w.number, k.ID}, func(row []driver.Value) error {
			delete(t.sessions, row[0].(int64))
			return nil
		})
		if err != nil {
			return err
		}
	}
	rows, err := t.sessionRows(sessions)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if present, found := t.sessions[r.key]; found && present.id != r.item.ID {
			if _, err := t.writer.exec(deleteSession, r.key); err != nil {
				return err
			}
			delete(t.sessions, r.key)
		}
	}
	var doc []byte
	for _, r := range rows {
		if doc, err = document.AppendSession(doc[:0], r.item); err != nil {
			return err
		}
		columns := sessionColumnsOf(r.workspace, r.item)
		present, found := t.sessions[r.key]
		switch {
		case !found:
			_, err = t.writer.exec(insertSession, r.key, r.workspace, columns.id, columns.owner, columns.ended, columns.started, doc)
		case present == columns:
			_, err = t.writer.exec(updateSessionDoc, doc, r.key)
		default:
			_, err = t.writer.exec(updateSession, columns.owner, columns.ended, columns.started, doc, r.key)
		}
		if err != nil {
			return fmt.Errorf("session %q, number %d: %w", r.item.ID, r.item.Number, err)
		}
	}
	return nil
}

// sessionRows finds the keys of sessions, sorted, and what is in the table under
// those that were not loaded and are not new.
func (t *tx) sessionRows(sessions []*weir.Session) ([]row[*weir.Session], error) {
	rows := make([]row[*weir.Session], 0, len(sessions))
	for _, s := range sessions {
		w, err := t.register(s.Workspace)
		if err != nil {
			return nil, err
		}
		if s.Number == 0 {
			return nil, fmt.Errorf("session %q has no number", s.ID)
		}
		rows = append(rows, row[*weir.Session]{keyOf(w.number, s.Number), w.number, s})
	}
	rows = sortedRows(rows)
	var unknown []int64
	for _, r := range rows {
		if _, found := t.sessions[r.key]; !found && !t.isTaken(r.item.Workspace, state.SessionNumber, r.item.Number) {
			unknown = append(unknown, r.key)
		}
	}
	err := inChunks(t.writer, "SELECT key, id, owner, ended, started FROM sessions WHERE key IN ", nil, unknown, func(row []driver.Value) error {
		t.sessions[row[0].(int64)] = sessionRow{row[1].(string), row[2].(int64), row[3].(int64), row[4].(int64)}
		return nil
	})
	return rows, err
}

// sortedRows sorts rows by key. Of several with one key, the last counts.
func sortedRows[T any](rows []row[T]) []row[T] {
	slices.SortStableFunc(rows, func(a, b row[T]) int { return cmp.Compare(a.key, b.key) })
	out := rows[:0]
	for n, r := range rows {
		if n+1 == len(rows) || rows[n+1].key != r.key {
			out = append(out, r)
		}
	}
	return out
}
