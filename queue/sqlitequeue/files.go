package sqlitequeue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// fileOptions say how to open the files of a queue.
type fileOptions struct {
	dir        string
	partitions int // wanted; 0 takes what is there
	now        func() time.Time
	log        *slog.Logger
	checkLimit int64 // see the constant
	salvage    bool  // the file is known to be damaged
}

// opened is a queue whose files are sound.
type opened struct {
	store *store
	at    marks
	heads *headsFile
	lost  int  // ranges of sequence numbers found to be lost
	whole bool // the structure of the file was checked
}

// checkLimit is the size up to which a file is checked whole before it is used;
// a larger one is checked while it is, so that a start takes seconds.
const checkLimit = 64 << 20

// openFiles opens the files of a queue, makes them if there are none, and
// rebuilds them if they are damaged. It fails for what only an operator can
// change: permissions, a full disk, a wrong option.
func openFiles(ctx context.Context, o fileOptions) (_ opened, err error) {
	if _, err := os.Stat(path(o.dir, builtName)); err == nil {
		if err := install(o.dir, o.now().UTC().Format("20060102T150405.000Z")); err != nil {
			return opened{}, err
		}
	}
	heads, err := openHeads(o.dir)
	if err != nil {
		return opened{}, err
	}
	got, err := openSound(ctx, o, heads)
	if err == nil {
		// From here on a loss of power makes the witness inexact.
		if err = heads.begin(got.at.head); err == nil {
			return got, nil
		}
		err = errors.Join(err, got.store.close())
	}
	return opened{}, errors.Join(err, heads.file.Close())
}

func openSound(ctx context.Context, o fileOptions, heads *headsFile) (opened, error) {
	state, err := inspect(o.dir)
	if err != nil && !errors.Is(err, errDamaged) {
		return opened{}, err
	}
	if o.salvage && err == nil && state != fileAbsent {
		err = errDamaged
	}
	got := opened{heads: heads}
	switch {
	case err != nil:
		if got.lost, err = rebuild(ctx, o, heads, err); err != nil {
			return opened{}, err
		}
	case state == fileAbsent:
		if err := create(ctx, o, heads); err != nil {
			return opened{}, err
		}
	case state == fileDoubtful:
		// SQLite throws away what it does not believe; keep it until the
		// witness has spoken.
		if err := copyFile(path(o.dir, logName), path(o.dir, suspectName)); err != nil {
			return opened{}, err
		}
	}
	err = got.open(ctx, o)
	if err != nil && isDamageAtOpen(err) {
		var lost int
		if lost, err = rebuild(ctx, o, heads, err); err == nil {
			got.lost += lost
			err = got.open(ctx, o)
		}
	}
	if err != nil {
		return opened{}, err
	}
	if err := os.Remove(path(o.dir, suspectName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return opened{}, errors.Join(err, got.store.close())
	}
	return got, nil
}

// open opens the database and makes sure of it. On error it is closed again.
func (got *opened) open(ctx context.Context, o fileOptions) error {
	s, err := openStore(ctx, path(o.dir, fileName))
	if err != nil {
		return fmt.Errorf("open queue file: %w", err)
	}
	if err := got.verify(ctx, s, o); err != nil {
		return errors.Join(err, s.close())
	}
	got.store = s
	return nil
}

func (got *opened) verify(ctx context.Context, s *store, o fileOptions) error {
	var err error
	if got.at, err = s.load(ctx); err != nil {
		return err
	}
	if _, err := o.choosePartitions(len(got.at.head), 0); err != nil {
		return err
	}
	for p, head := range got.at.head {
		if known := got.heads.head(p); known > head {
			return fmt.Errorf("partition %d ends at %d, but %d was stored: %w", p, head, known, errDamaged)
		}
	}
	info, err := os.Stat(s.file)
	if err != nil {
		return fmt.Errorf("measure queue file: %w", err)
	}
	if got.whole = info.Size() <= o.checkLimit; got.whole {
		acked := func(p int) uint64 { return got.at.acked[p] }
		if err := errors.Join(s.checkStructure(ctx), s.checkSequence(ctx, len(got.at.head), acked)); err != nil {
			return err
		}
	}
	// Written out and synced, so that nothing depends any more on pages whose
	// fsync may have failed before, and begun anew, so that nothing of an older
	// log is left to be taken for damage.
	if _, err := s.checkpoint(ctx, s.writer, "TRUNCATE"); err != nil {
		return fmt.Errorf("write out log: %w", err)
	}
	return nil
}

// choosePartitions is the number that a queue has or, if that is unknown (0),
// is to have: at least least.
func (o fileOptions) choosePartitions(known, least int) (int, error) {
	switch {
	case known == 0 && o.partitions == 0:
		return max(DefaultPartitions, least), nil
	case known == 0:
		return o.partitions, nil
	case o.partitions == 0 || o.partitions == known:
		return known, nil
	}
	return 0, fmt.Errorf("the queue in %s has %d partitions, not %d, and their number cannot be changed, since it decides where a user's items go: "+
		"start with --partitions=%d, or let the workers finish and start with an empty directory", o.dir, known, o.partitions, known)
}

type fileState int

const (
	fileSound fileState = iota
	fileAbsent
	fileDoubtful // the log's end is one that a loss of power may leave
)

// inspect looks at the files before SQLite does, for damage that SQLite would
// answer by throwing data away without a word.
func inspect(dir string) (fileState, error) {
	log, err := os.Stat(path(dir, logName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("inspect queue file: %w", err)
	}
	logged := err == nil && log.Size() > 0
	f, err := os.OpenFile(path(dir, fileName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if logged {
			return 0, fmt.Errorf("queue.db is missing beside its log: %w", errDamaged)
		}
		return fileAbsent, nil
	}
	if err != nil {
		return 0, fmt.Errorf("inspect queue file: %w", err)
	}
	defer f.Close()
	header := make([]byte, 100)
	if _, err := io.ReadFull(f, header); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, fmt.Errorf("inspect queue file: %w", err)
	}
	if !plausibleHeader(header) {
		return 0, fmt.Errorf("header of queue.db: %w", errDamaged)
	}
	state, err := inspectWAL(path(dir, logName))
	switch {
	case err != nil:
		return 0, err
	case state == walDamaged:
		return 0, fmt.Errorf("transactions behind a damaged place of the log: %w", errDamaged)
	case state == walDoubtful:
		return fileDoubtful, nil
	}
	return fileSound, nil
}

// plausibleHeader checks what is the same in every queue file. queue.db is
// never new to SQLite: it is made under another name.
func plausibleHeader(h []byte) bool {
	return bytes.HasPrefix(h, []byte("SQLite format 3\x00")) &&
		binary.BigEndian.Uint16(h[16:]) == pageSize &&
		(h[18] == 1 || h[18] == 2) && h[19] == h[18] && h[20] == 0 &&
		h[21] == 64 && h[22] == 32 && h[23] == 32 &&
		binary.BigEndian.Uint32(h[56:]) == 1 && // UTF-8
		binary.BigEndian.Uint32(h[68:]) == applicationID
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy log: %w", err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("copy log: %w", err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("copy log: %w", err)
	}
	return nil
}
