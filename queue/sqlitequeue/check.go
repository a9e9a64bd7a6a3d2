package sqlitequeue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"

	"github.com/weirhq/weir"
)

// load reads how far each partition has come, and mends a position of which one
// of the two copies is damaged.
func (s *store) load(ctx context.Context) (marks, error) {
	found, err := s.readMarks(ctx)
	if err != nil {
		return marks{}, asDamage(fmt.Errorf("read positions: %w", err))
	}
	at := newMarks(len(found))
	for p, acked := range found {
		at.acked[p] = acked
		if err := s.loadPartition(&at, p); err != nil {
			return marks{}, asDamage(fmt.Errorf("read end of partition %d: %w", p, err))
		}
	}
	return at, nil
}

func (s *store) loadPartition(at *marks, p int) error {
	newest, ok, err := rowAt(s.newest, p, maxSeq)
	if err != nil {
		return err
	}
	at.head[p] = at.acked[p]
	if !ok {
		return nil
	}
	if newest.count < 1 || newest.last() > maxSeq {
		return fmt.Errorf("row %d has %d records: %w", newest.id, newest.count, errDamaged)
	}
	at.head[p] = max(newest.last(), at.acked[p])
	at.headBytes[p] = newest.before + newest.size
	at.ackedBytes[p], err = s.bytesBefore(at, p, s.holdingRead)
	return err
}

// bytesBefore is the sum of the bytes of a partition's frames that are done
// with. A frame acknowledged in part is not.
func (s *store) bytesBefore(at *marks, p int, holding *sql.Stmt) (int64, error) {
	if at.acked[p] >= at.head[p] {
		return at.headBytes[p], nil
	}
	holds, ok, err := rowAt(holding, p, at.acked[p]+1)
	if err != nil {
		return 0, err
	}
	// Sizes are bookkeeping without a checksum: what cannot be is put right.
	if !ok || holds.before < 0 || holds.before > at.headBytes[p] {
		return 0, nil
	}
	return holds.before, nil
}

// readMarks returns the acknowledged sequence numbers by partition. Of the two
// copies the higher whole one counts.
func (s *store) readMarks(ctx context.Context) ([]uint64, error) {
	var acked []uint64
	whole := map[int]int{}
	for _, table := range []string{"positions", "positions_copy"} {
		rows, err := s.readers.QueryContext(ctx, "SELECT mark FROM "+table)
		if err != nil {
			return nil, err
		}
		err = eachMark(rows, func(m mark) error {
			if acked == nil {
				acked = make([]uint64, m.partitions)
			}
			if m.partitions != len(acked) {
				return fmt.Errorf("marks of %d and of %d partitions: %w", len(acked), m.partitions, errDamaged)
			}
			acked[m.partition] = max(acked[m.partition], m.acked)
			whole[m.partition]++
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(acked) == 0 || len(whole) != len(acked) {
		return nil, fmt.Errorf("%d of %d positions are whole: %w", len(whole), len(acked), errDamaged)
	}
	return acked, s.mendMarks(acked, whole)
}

func eachMark(rows *sql.Rows, fn func(mark) error) error {
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return err
		}
		if m, ok := decodeMark(b); ok {
			if err := fn(m); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

// mendMarks writes both copies of each position of which only one was whole.
func (s *store) mendMarks(acked []uint64, whole map[int]int) error {
	return s.transact(func() error {
		for p, n := range whole {
			if n == 2 {
				continue
			}
			for _, table := range []string{"positions", "positions_copy"} {
				_, err := s.writer.ExecContext(context.Background(), "INSERT OR REPLACE INTO "+table+" (partition, mark) VALUES (?, ?)",
					p, mark{partition: p, partitions: len(acked), acked: acked[p]}.encode())
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// checkStructure asks SQLite to walk the whole file.
func (s *store) checkStructure(ctx context.Context) error {
	var answer string
	if err := s.readers.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return fmt.Errorf("check structure: %w", err)
	}
	if answer != "ok" {
		return fmt.Errorf("check structure: %s: %w", answer, errDamaged)
	}
	return nil
}

// auditStep is how many rows are read in one go, so that no read transaction
// lasts long enough to keep the log from being written out.
const auditStep = 4096

// checkSequence makes sure that every sequence number behind what is
// acknowledged is in exactly one row. acked is asked anew for each row, since
// rows are removed meanwhile.
func (s *store) checkSequence(ctx context.Context, partitions int, acked func(partition int) uint64) error {
	for p := range partitions {
		next := uint64(0) // unknown
		for from := rowID(p, 1); ; {
			rows, err := s.rowsFrom(ctx, from, rowID(p, maxSeq))
			if err != nil {
				return fmt.Errorf("audit partition %d: %w", p, err)
			}
			for _, r := range rows {
				missing := r.first() != next
				if next == 0 || r.first() > next {
					missing = r.first() > acked(p)+1
				}
				if missing || r.count < 1 || r.last() > maxSeq {
					return fmt.Errorf("audit partition %d: row %s with %d records, acknowledged %d, expected %d: %w",
						p, weir.Position(r.id), r.count, acked(p), next, errDamaged)
				}
				next = r.last() + 1
			}
			if len(rows) < auditStep {
				break
			}
			from = rows[len(rows)-1].id + 1
		}
	}
	// A damaged id may have put a row where no partition is.
	var strays int
	err := s.readers.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM frames WHERE id < ? OR id >= ? LIMIT 1)",
		rowID(0, 1), int64(partitions)<<seqBits).Scan(&strays)
	if err == nil && strays > 0 {
		err = fmt.Errorf("row outside of the partitions: %w", errDamaged)
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

func (s *store) rowsFrom(ctx context.Context, from, to int64) ([]row, error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT id, count FROM frames WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", from, to, auditStep)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.count); err != nil {
			return nil, asDamage(err)
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

// asDamage marks an error that came neither from SQLite nor from a cancelled
// context: a value of the wrong type where the schema allows only one.
func asDamage(err error) error {
	var e sqlite3.Error
	if err == nil || errors.As(err, &e) || errors.Is(err, errDamaged) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}
