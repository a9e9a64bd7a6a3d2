package duckstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/journey"
	"github.com/weirhq/weir/query"
)

// Ask implements eventstore.Store.
func (s *Store) Ask(ctx context.Context, ws weir.WorkspaceID, plan *query.Plan) (*query.Answer, error) {
	start := s.options.Now()
	var answer *query.Answer
	err := s.with(ctx, ws, "ask", func(w *workspace) (err error) {
		key := query.CacheKey{Of: strconv.FormatUint(w.opening, 10), Plan: plan.Key()}
		if answer = s.cache.Get(key, w.committed()); answer != nil {
			s.metrics.cached.Inc()
			return nil
		}
		if answer, err = w.fromQuarters(plan); answer != nil || err != nil {
			return err
		}
		select {
		case s.questions <- struct{}{}:
			defer func() { <-s.questions }()
		case <-ctx.Done():
			return ctx.Err()
		}
		return w.look(ctx, func(tx *reader) (err error) {
			if answer, err = tx.answer(ctx, plan); err != nil {
				return err
			}
			answer.AsOf = tx.asOf
			if err = tx.nameUsers(ctx, answer); err == nil && plan.SQL == nil { // which may ask for the time
				s.cache.Put(key, tx.commit, answer)
			}
			return err
		})
	})
	if err != nil {
		return nil, tooLarge(err)
	}
	took := s.options.Now().Sub(start)
	s.metrics.questions.Observe(took.Seconds())
	out := *answer // what is kept has no time of its own
	out.ElapsedMS = float64(took.Microseconds()) / 1000
	return &out, nil
}

// committed is the number of the last commit.
func (w *workspace) committed() int64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.commits
}

// tooLarge makes an error of the memory one of the question.
func tooLarge(err error) error {
	var d *duckdb.Error
	if errors.Is(err, journey.ErrTooLarge) || errors.As(err, &d) && isOutOfMemory(d) {
		return &weir.Error{Code: query.CodeTooLarge, Message: "The question needs more memory than it may have. Ask for a shorter range, with more filters, or without a breakdown; or give the server more with --memory.", Err: err}
	}
	return err
}

// answer answers a plan of any kind.
func (r *reader) answer(ctx context.Context, plan *query.Plan) (*query.Answer, error) {
	switch {
	case plan.Trends != nil:
		return r.trends(ctx, plan)
	case plan.SQL != nil:
		return r.sql(ctx, plan.SQL)
	case !journey.Knows(plan):
		return nil, errors.New("the plan has no kind that this store knows")
	}
	// One at a time holds its rows in the memory.
	select {
	case r.store.journeys <- struct{}{}:
		defer func() { <-r.store.journeys }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	memory := r.store.options.Memory / 2 // the other half is the engine's
	return journey.Answer(ctx, plan, r.newFeed(memory/8), memory)
}

// nameUsers says who the persons of an explanation are.
func (r *reader) nameUsers(ctx context.Context, answer *query.Answer) error {
	if answer.Persons == nil {
		return nil
	}
	answer.Users = make([]query.UserRef, len(answer.Persons))
	place := make(map[uint32]int, len(answer.Persons))
	for i, person := range answer.Persons {
		answer.Users[i].Number = person
		place[person] = i
	}
	err := r.chunks(ctx, "SELECT person, id FROM "+r.schema+".people", nil, func(c *chunk) error {
		ids := column[engineText](c, 1)
		for row, person := range column[uint32](c, 0) {
			if i, ok := place[person]; ok {
				answer.Users[i].ID = string(ids[row].bytes())
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("name users: %w", err)
	}
	return nil
}

// isOutOfMemory reports whether the engine has no memory left for a statement. The driver
// wraps the error of one that runs already into one of another type.
func isOutOfMemory(d *duckdb.Error) bool {
	return d.Type == duckdb.ErrorTypeOutOfMemory || strings.Contains(d.Msg, "Out of Memory Error")
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
	commit     int64
}

// look runs fn in a transaction that only reads.
func (w *workspace) look(ctx context.Context, fn func(*reader) error) (err error) {
	w.looking.RLock()
	defer w.looking.RUnlock()
	conn, err := w.engine.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		if e := conn.Close(); !errors.Is(e, sql.ErrConnDone) { // which it is once it is discarded
			err = errors.Join(err, e)
		}
	}()
	r := &reader{workspace: w, conn: conn}
	if err := r.begin(ctx); err != nil {
		discard(conn)
		return err
	}
	defer func() {
		if _, e := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); e != nil {
			discard(conn)
			if err == nil {
				err = fmt.Errorf("end: %w", e)
			}
		}
	}()
	number, back := w.engine.census.lend(r.persons)
	defer back()
	r.census = number
	return fn(r)
}

// discard keeps a connection out of the pool: its transaction may not have ended, and
// whoever got it next could begin none.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // its error is the one given
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
	r.persons, r.maxSession, r.commit = r.workspace.persons, r.workspace.maxSession, r.workspace.commits
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
