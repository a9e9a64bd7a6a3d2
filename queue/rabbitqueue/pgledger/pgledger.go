// Package pgledger keeps the ledger of a rabbitqueue in PostgreSQL, in a schema
// of its own.
//
// Numbers are given under a lock on the partition's row, so that several
// processes may ask; rows are locked in the order of partitions, so that they do
// not wait for each other in a circle. Every call is one round trip.
package pgledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/queue/rabbitqueue"
)

// Options of a ledger; nil or zero fields mean the defaults.
type Options struct {
	// Schema is the schema that the ledger has for itself; it is made if it is
	// missing. Two queues need two. "" means "weir_queue".
	Schema string
	// Retention is how long frames are remembered once they are acknowledged. 0
	// means an hour; less is refused.
	Retention time.Duration
}

var _ rabbitqueue.Ledger = (*Ledger)(nil)

// Ledger is a rabbitqueue.Ledger.
type Ledger struct {
	pool      *pgxpool.Pool
	retention time.Duration
	sql       statements
}

// Open makes the tables if they are missing. The pool remains the caller's.
func Open(ctx context.Context, pool *pgxpool.Pool, options *Options) (*Ledger, error) {
	var opts Options
	if options != nil {
		opts = *options
	}
	if opts.Schema == "" {
		opts.Schema = "weir_queue"
	}
	if opts.Retention == 0 {
		opts.Retention = time.Hour
	}
	if opts.Retention < time.Hour {
		return nil, fmt.Errorf("open queue ledger: a retention of %v is too short, the least is an hour", opts.Retention)
	}
	l := &Ledger{pool: pool, retention: opts.Retention, sql: newStatements(opts.Schema)}
	if err := l.prepare(ctx, opts.Schema); err != nil {
		return nil, fmt.Errorf("open queue ledger: %w", err)
	}
	return l, nil
}

// prepare makes the tables, one process after the other.
func (l *Ledger) prepare(ctx context.Context, schema string) error {
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var commit string
		if err := tx.QueryRow(ctx, "SHOW synchronous_commit").Scan(&commit); err != nil {
			return fmt.Errorf("read synchronous_commit: %w", err)
		}
		if commit == "off" {
			return fmt.Errorf("synchronous_commit is off: a crash of PostgreSQL would give numbers twice; set it on for this user or database")
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "weir queue ledger "+schema); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		for _, statement := range l.sql.tables {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("make tables: %w", err)
			}
		}
		return nil
	})
}

// Assign gives numbers.
func (l *Ledger) Assign(ctx context.Context, frames []rabbitqueue.Frame) ([]rabbitqueue.Place, error) {
	if len(frames) == 0 {
		return nil, nil
	}
	c := columnsOf(frames)
	for i, n := range c.records {
		if n < 1 {
			return nil, fmt.Errorf("assign numbers: frame %d has %d records", i, n)
		}
	}
	var batch pgx.Batch
	batch.Queue(l.sql.ensure, c.partitions)
	batch.Queue(l.sql.lock, c.partitions)
	// A statement of its own: it must see what was committed before the lock was had.
	places := make([]rabbitqueue.Place, 0, len(frames))
	batch.Queue(l.sql.assign, c.partitions, c.ids, c.records, c.bytes).Query(func(rows pgx.Rows) error {
		var err error
		places, err = pgx.AppendRows(places, rows, func(row pgx.CollectableRow) (p rabbitqueue.Place, err error) {
			err = row.Scan(&p.First, &p.Records, &p.Known, &p.Attempts, &p.Acked)
			return p, err
		})
		return err
	})
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("assign numbers: %w", err)
	}
	if len(places) != len(frames) {
		return nil, fmt.Errorf("assign numbers: %d places for %d frames", len(places), len(frames))
	}
	return places, nil
}

// Attempt counts deliveries.
func (l *Ledger) Attempt(ctx context.Context, frames []rabbitqueue.Frame) error {
	if len(frames) == 0 {
		return nil
	}
	c := columnsOf(frames)
	var batch pgx.Batch
	batch.Queue(l.sql.lock, c.partitions)
	batch.Queue(l.sql.attempt, c.partitions, c.ids)
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("count attempts: %w", err)
	}
	return nil
}

// Acknowledge moves positions forward.
func (l *Ledger) Acknowledge(ctx context.Context, upTo map[int]uint64) error {
	if len(upTo) == 0 {
		return nil
	}
	var partitions []int32
	var seqs []int64
	for p, seq := range upTo {
		partitions = append(partitions, int32(p))
		seqs = append(seqs, int64(seq))
	}
	var batch pgx.Batch
	batch.Queue(l.sql.lock, partitions)
	batch.Queue(l.sql.acknowledge, partitions, seqs)
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("store positions: %w", err)
	}
	return nil
}

// Positions reads them.
func (l *Ledger) Positions(ctx context.Context, n int) ([]rabbitqueue.Position, error) {
	rows, err := l.pool.Query(ctx, l.sql.positions, n)
	if err != nil {
		return nil, fmt.Errorf("read positions: %w", err)
	}
	positions := make([]rabbitqueue.Position, n)
	var partition int
	var at rabbitqueue.Position
	_, err = pgx.ForEachRow(rows, []any{&partition, &at.Head, &at.Acked, &at.Frames, &at.Bytes}, func() error {
		positions[partition] = at
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read positions: %w", err)
	}
	return positions, nil
}

// forgetPage bounds the rows that one statement deletes, so that no lock is held
// for long.
const forgetPage = 10_000

// Forget notes how far the partitions are acknowledged now, and drops what was
// acknowledged before the retention by such a note.
func (l *Ledger) Forget(ctx context.Context) error {
	if _, err := l.pool.Exec(ctx, l.sql.mark); err != nil {
		return fmt.Errorf("forget frames: note positions: %w", err)
	}
	seconds := l.retention.Seconds()
	for {
		tag, err := l.pool.Exec(ctx, l.sql.forget, seconds, forgetPage)
		if err != nil {
			return fmt.Errorf("forget frames: %w", err)
		}
		if tag.RowsAffected() < forgetPage {
			break
		}
	}
	if _, err := l.pool.Exec(ctx, l.sql.unmark, seconds); err != nil {
		return fmt.Errorf("forget frames: drop notes: %w", err)
	}
	return nil
}

// columns are the frames as arrays, for unnest.
type columns struct {
	partitions []int32
	ids        []pgID
	records    []int32
	bytes      []int64
}

type pgID = [16]byte // a uuid to pgx

func columnsOf(frames []rabbitqueue.Frame) columns {
	var c columns
	for _, f := range frames {
		c.partitions = append(c.partitions, int32(f.Partition))
		c.ids = append(c.ids, f.ID)
		c.records = append(c.records, int32(f.Records))
		c.bytes = append(c.bytes, f.Bytes)
	}
	return c
}
