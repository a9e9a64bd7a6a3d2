package sqlitequeue

import (
	"context"
	"fmt"

	"github.com/weirhq/weir/queue"
)

// trimRows and trimBytes bound what is removed in one transaction, so that
// appending never waits for more than a few milliseconds.
const (
	trimRows  = 256
	trimBytes = 8 << 20
)

// ack stores the positions that are new, durably, and in the same transaction
// removes some of the frames that are done with: the fsync is paid anyway.
func (q *Queue) ack(ctx context.Context, upTo map[int]uint64) error {
	s, err := q.begin(ctx)
	if err != nil {
		return err
	}
	defer q.end()
	at := q.progress()
	var moved []int
	for p, seq := range upTo {
		if seq > at.acked[p] {
			at.acked[p] = min(seq, at.head[p])
			moved = append(moved, p)
		}
	}
	if len(moved) == 0 {
		return nil
	}
	more := false
	err = s.transact(func() error {
		for _, p := range moved {
			if err := s.writeMark(mark{partition: p, partitions: q.Partitions(), acked: at.acked[p]}); err != nil {
				return err
			}
			before, err := s.bytesBefore(&at, p, s.holding)
			if err != nil {
				return err
			}
			at.ackedBytes[p] = before
			left, err := q.trim(s, p, at.acked[p])
			if err != nil {
				return err
			}
			more = more || left
		}
		return nil
	})
	if err != nil {
		return q.refuse(err)
	}
	q.acknowledged(at)
	q.written.Store(true)
	if more {
		q.wakeMaintenance()
	}
	return nil
}

// progress is a copy of how far everything has come.
func (q *Queue) progress() marks {
	q.mu.Lock()
	defer q.mu.Unlock()
	return marks{
		head: q.at.head, headBytes: q.at.headBytes, // replaced, never changed
		acked:      append([]uint64(nil), q.at.acked...),
		ackedBytes: append([]int64(nil), q.at.ackedBytes...),
	}
}

func (q *Queue) acknowledged(at marks) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.at.acked, q.at.ackedBytes = at.acked, at.ackedBytes
}

// refuse says what a failed write means to the caller, and starts the repair if
// it means more than a full disk.
func (q *Queue) refuse(err error) error {
	if isFull(err) {
		q.metrics.full.Inc()
		return fmt.Errorf("%w: %w", queue.ErrFull, err)
	}
	return q.fail(err)
}

func (s *store) writeMark(m mark) error {
	b := m.encode()
	if _, err := s.ack.Exec(b, m.partition); err != nil {
		return fmt.Errorf("store position: %w", err)
	}
	if _, err := s.ackCopy.Exec(b, m.partition); err != nil {
		return fmt.Errorf("store position: %w", err)
	}
	return nil
}

// trim removes some frames of which all records are acknowledged, but not the
// newest: it remembers the head. It reports whether more are left. It runs
// within a transaction.
func (q *Queue) trim(s *store, p int, acked uint64) (more bool, err error) {
	q.mu.Lock()
	doubt := q.doubt
	q.mu.Unlock()
	if doubt {
		// Removing a row whose chain of pages is damaged could free pages of
		// another. Once the structure is known to be sound, it cannot.
		return false, nil
	}
	keep, ok, err := rowAt(s.holding, p, acked+1)
	if err != nil || !ok {
		return false, err
	}
	last, more, err := s.removable(p, keep.id)
	if err != nil || last == 0 {
		return false, err
	}
	if _, err := s.remove.Exec(rowID(p, 1), last); err != nil {
		return false, fmt.Errorf("remove frames: %w", err)
	}
	return more, nil
}

// removable is the last row that one step may remove, 0 if none.
func (s *store) removable(p int, keep int64) (last int64, more bool, err error) {
	rows, err := s.oldest.Query(rowID(p, 1), keep-1, trimRows+1)
	if err != nil {
		return 0, false, fmt.Errorf("find frames to remove: %w", err)
	}
	defer rows.Close()
	var start int64
	for n := 0; rows.Next(); n++ {
		var r row
		if err := rows.Scan(&r.id, &r.before); err != nil {
			return 0, false, asDamage(err)
		}
		if n == 0 {
			start = r.before
		} else if n == trimRows || r.before-start >= trimBytes {
			return last, true, nil
		}
		last = r.id
	}
	return last, false, rows.Err()
}
