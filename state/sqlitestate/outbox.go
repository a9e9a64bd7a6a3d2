package sqlitestate

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// record appends effects to the outbox.
func (t *tx) record(effects []state.Effect) error {
	for _, e := range effects {
		if e.Topic == "" {
			return fmt.Errorf("effect %q has no topic", e.ID)
		}
		body := e.Body
		if body == nil {
			body = []byte{}
		}
		if _, err := t.writer.exec("INSERT INTO outbox (topic, workspace, id, user, body) VALUES (?, ?, ?, ?, ?)",
			e.Topic, string(e.Workspace), e.ID, e.User, body); err != nil {
			return err
		}
	}
	return nil
}

// Outbox implements state.Store.
func (s *Store) Outbox() state.Outbox { return outbox{s} }

type outbox struct{ store *Store }

func (o outbox) Read(ctx context.Context, topic string, after int64, limit int) (waiting []state.Waiting, err error) {
	err = o.store.read(ctx, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, "SELECT cursor, workspace, id, user, body FROM outbox WHERE topic = ? AND cursor > ? ORDER BY cursor LIMIT ?", topic, after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			w := state.Waiting{Effect: state.Effect{Topic: topic}}
			var ws string
			if err := rows.Scan(&w.Cursor, &ws, &w.ID, &w.User, &w.Body); err != nil {
				return err
			}
			w.Workspace = weir.WorkspaceID(ws)
			waiting = append(waiting, w)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	return waiting, nil
}

// Done takes a turn of its own, between two micro-batches.
func (o outbox) Done(ctx context.Context, topic string, upTo int64) error {
	begun, err := o.store.Begin(ctx, state.Need{})
	if err != nil {
		return fmt.Errorf("forget effects that are done: %w", err)
	}
	t := begun.(*tx)
	if _, err := t.writer.exec("DELETE FROM outbox WHERE topic = ? AND cursor <= ?", topic, upTo); err != nil {
		return fmt.Errorf("forget effects that are done: %w", t.abort("write", err))
	}
	return t.Commit(ctx, state.Changes{})
}
