package sqlitestate

import (
	"context"
	"database/sql/driver"
)

// When the WAL goes into the file. A page that is changed again before then is
// written once for many commits, so that a long WAL saves work; it costs disk,
// and time to open after a crash: about a second per GiB.
type walLimits struct {
	save    int64 // pages that are not in the file yet: then they are put there
	restart int64 // pages of WAL: then the writer waits for that, and starts over
}

func newWALLimits() walLimits {
	return walLimits{save: (64 << 20) / pageSize, restart: (192 << 20) / pageSize}
}

// walKept is how many bytes of a WAL that was longer are not given back.
const walKept = 256 << 20

// frames are the pages in the WAL, and those of them that are in the file.
func (w *writer) frames(mode string) (log, saved int64, err error) {
	err = w.query("PRAGMA wal_checkpoint("+mode+")", nil, func(row []driver.Value) error {
		log, saved = row[1].(int64), row[2].(int64)
		return nil
	})
	return log, saved, err
}

// askForCheckpoint wakes the checkpointer when there is enough to do. The caller
// has just committed; NOOP looks only.
func (s *Store) askForCheckpoint() {
	select {
	case s.checkpoint <- struct{}{}:
	default: // it is asked already
	}
}

// runCheckpoints moves pages from the WAL to the file beside the writer, so that
// no commit has to. While the writer goes on, the WAL cannot start over; when it
// is too long, the writer is kept out for the little that is left.
func (s *Store) runCheckpoints(ctx context.Context) {
	var w *writer
	defer func() {
		if w != nil {
			_ = w.close()
		}
	}()
	for {
		select {
		case <-s.checkpoint:
		case <-ctx.Done():
			return
		}
		var err error
		if w == nil {
			w, err = openWriter(s.file)
		}
		if err == nil {
			err = s.checkpointOnce(ctx, w)
		}
		if err != nil && ctx.Err() == nil {
			// The WAL has all; the next commit asks again.
			s.log.WarnContext(ctx, "checkpoint put off", "file", s.file.path, "error", s.file.explain("checkpoint", err))
			if w != nil {
				_ = w.close()
				w = nil
			}
		}
	}
}

func (s *Store) checkpointOnce(ctx context.Context, w *writer) error {
	log, saved, err := w.frames("NOOP")
	if err != nil {
		return err
	}
	s.metrics.wal.Set(float64(log * pageSize))
	if log-saved < s.wal.save {
		return nil
	}
	if log, _, err = w.frames("PASSIVE"); err != nil || log < s.wal.restart {
		return err
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	if log, _, err = w.frames("RESTART"); err == nil && log > 4*s.wal.restart {
		s.log.WarnContext(ctx, "long reads keep the WAL from shrinking", "file", s.file.path, "bytes", log*pageSize)
	}
	return err
}
