package pgstate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// recordEffects gives effects the next cursors of their topics. The row of a topic stays
// locked up to the commit: the next who records for it gets higher cursors after these
// are visible, so that a reader that has gone past a cursor has seen all below it.
// A sequence would give cursors out in one order and let them appear in another.
// The row is locked for the commit alone, as this is the last statement before it.
const recordEffects = `WITH effects AS MATERIALIZED (
		SELECT *, row_number() OVER (PARTITION BY topic ORDER BY place) AS nth, count(*) OVER (PARTITION BY topic) AS size
		FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[]) WITH ORDINALITY AS k (topic, workspace, id, user_id, body, place)
	), counted AS (
		INSERT INTO topics (topic, last) SELECT topic, max(size) FROM effects GROUP BY topic ORDER BY topic
		ON CONFLICT (topic) DO UPDATE SET last = topics.last + excluded.last RETURNING topic, last
	)
	INSERT INTO outbox (topic, cursor, workspace, id, user_id, body)
	SELECT e.topic, c.last - e.size + e.nth, e.workspace, e.id, e.user_id, e.body FROM effects e JOIN counted c ON c.topic = e.topic`

// record queues what appends effects to the outbox.
func (t *tx) record(batch *pgx.Batch, effects []state.Effect) error {
	if len(effects) == 0 {
		return nil
	}
	var topics, workspaces, ids, users, bodies [][]byte
	for _, e := range effects {
		if e.Topic == "" {
			return fmt.Errorf("effect %q has no topic", e.ID)
		}
		body := e.Body
		if body == nil {
			body = []byte{}
		}
		topics, workspaces, ids = append(topics, []byte(e.Topic)), append(workspaces, []byte(e.Workspace)), append(ids, []byte(e.ID))
		users, bodies = append(users, []byte(e.User)), append(bodies, body)
	}
	batch.Queue(recordEffects, topics, workspaces, ids, users, bodies)
	return nil
}

// Outbox implements state.Store.
func (s *Store) Outbox() state.Outbox { return outbox{s} }

type outbox struct{ store *Store }

func (o outbox) Read(ctx context.Context, topic string, after int64, limit int) (waiting []state.Waiting, err error) {
	waiting, err = read(ctx, o.store, func(rows pgx.Rows) (state.Waiting, error) {
		w := state.Waiting{Effect: state.Effect{Topic: topic}}
		var ws, id, user []byte
		err := rows.Scan(&w.Cursor, &ws, &id, &user, &w.Body)
		w.Workspace, w.ID, w.User = weir.WorkspaceID(ws), string(id), string(user)
		return w, err
	}, "SELECT cursor, workspace, id, user_id, body FROM outbox WHERE topic = $1 AND cursor > $2 ORDER BY cursor LIMIT $3", []byte(topic), after, limit)
	if err != nil {
		return nil, o.store.explain("read outbox", err)
	}
	return waiting, nil
}

func (o outbox) Done(ctx context.Context, topic string, upTo int64) error {
	err := o.store.exec(ctx, "DELETE FROM outbox WHERE topic = $1 AND cursor <= $2", []byte(topic), upTo)
	return o.store.explain("forget effects that are done", err)
}
