package duckstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// Ask implements eventstore.Store.
func (s *Store) Ask(ctx context.Context, ws weir.WorkspaceID, plan *query.Plan) (*query.Answer, error) {
	start := s.options.Now()
	select {
	case s.questions <- struct{}{}:
		defer func() { <-s.questions }()
	case <-ctx.Done():
		return nil, fmt.Errorf("ask %s: %w", ws, ctx.Err())
	}
	var answer *query.Answer
	err := s.with(ctx, ws, "ask", func(w *workspace) error {
		return w.look(ctx, func(tx *reader) (err error) {
			if plan.Trends == nil {
				return errors.New("the plan has no kind that this store knows")
			}
			if answer, err = tx.trends(ctx, plan); err == nil {
				answer.AsOf = tx.asOf
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	took := s.options.Now().Sub(start)
	s.metrics.questions.Observe(took.Seconds())
	answer.ElapsedMS = float64(took.Microseconds()) / 1000
	return answer, nil
}

// reader is a transaction that sees the file as one commit left it.
type reader struct {
	*workspace
	conn *sql.Conn
	asOf query.AsOf
	// Of the same commit: whose the identities are, under what number that is lent
	// to the engine, and the highest number of a session.
	persons    *persons
	census     uint64
	maxSession uint32
}

// look runs fn in a transaction that only reads.
func (w *workspace) look(ctx context.Context, fn func(*reader) error) (err error) {
	w.looking.RLock()
	defer w.looking.RUnlock()
	conn, err := w.engine.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	r := &reader{workspace: w, conn: conn}
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer func() {
		if _, e := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); e != nil && err == nil {
			err = fmt.Errorf("end: %w", e)
		}
	}()
	number, back := w.engine.census.lend(r.persons)
	defer back()
	r.census = number
	return fn(r)
}

// begin begins the transaction. Its first look at the file decides which commit it
// sees.
func (r *reader) begin(ctx context.Context) error {
	r.moment.RLock()
	defer r.moment.RUnlock()
	if _, err := r.conn.ExecContext(ctx, "BEGIN TRANSACTION READ ONLY"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := r.readAsOf(ctx); err != nil {
		_, e := r.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, e)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	r.persons, r.maxSession = r.workspace.persons, r.workspace.maxSession
	return nil
}

func (r *reader) readAsOf(ctx context.Context) error {
	r.asOf.Positions = map[int]uint64{}
	var text string
	err := r.conn.QueryRowContext(ctx, "SELECT as_of, applied FROM "+r.schema+".commits ORDER BY number DESC LIMIT 1").Scan(&r.asOf.Time, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &r.asOf.Positions)
	}
	if err != nil {
		return fmt.Errorf("read positions: %w", err)
	}
	return nil
}

// arguments are the bound values of a statement.
type arguments []any

// bind adds a value and returns its place in the statement.
func (a *arguments) bind(v any) string {
	*a = append(*a, v)
	return fmt.Sprintf("$%d", len(*a))
}

// rows runs a statement and calls fn for each row.
func (r *reader) rows(ctx context.Context, q string, args arguments, fn func(*sql.Rows) error) error {
	rows, err := r.conn.QueryContext(ctx, q, args...)
	if err != nil {
		return err
	}
	return scan(rows, func() error { return fn(rows) })
}
