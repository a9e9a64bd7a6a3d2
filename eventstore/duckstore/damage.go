package duckstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// quarantineDir is where damaged files go. Nothing reads or deletes them.
const quarantineDir = "quarantine"

// attach opens the workspace's file, and makes it if there is none. Damage is no
// error: what cannot be read is moved away and reported, the write-ahead log
// alone if that is enough.
func (w *workspace) attach(ctx context.Context) error {
	err := w.load(ctx)
	cause := err
	for _, all := range []bool{false, true} {
		if err == nil || !preventsOpening(err) {
			break
		}
		if e := w.detach(); e != nil && !isFatal(err) {
			w.store.options.Logger.Warn("detach damaged workspace", "workspace", w.id, "error", e)
		}
		if isFatal(err) {
			// The engine has to be replaced before anything can be opened: move
			// everything now, so that it does not happen again.
			return errors.Join(err, w.lose(cause, true))
		}
		if !all {
			w.report(cause)
		}
		if errors.Is(cause, errOlder) && !all {
			continue // its log is as old
		}
		moved, e := w.quarantine(all)
		if e != nil {
			return e
		}
		if moved == 0 {
			continue // there was no log: it is the file itself
		}
		err = w.load(ctx)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", filepath.Base(w.path), err), w.detach())
	}
	return nil
}

// lose moves the files away and says so.
func (w *workspace) lose(cause error, all bool) error {
	w.report(cause)
	_, err := w.quarantine(all)
	return err
}

// report tells of a loss before it is made: should the process die between the
// two, a rebuild too many does no harm, and one too few leaves rows missing.
func (w *workspace) report(cause error) {
	w.store.metrics.lost.Inc()
	w.store.options.Logger.Error("event file was damaged or is of an older version; it is in quarantine and must be rebuilt from the archive",
		"workspace", w.id, "error", cause)
	w.store.options.OnLost(w.id, cause)
}

// quarantine moves the write-ahead log away, and with all the file itself too.
// The engine must not have them open. Files that are not there are no error.
func (w *workspace) quarantine(all bool) (moved int, err error) {
	dir := filepath.Join(w.store.dir, quarantineDir)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return 0, fmt.Errorf("quarantine: %w", err)
	}
	// The engine puts ".wal" behind the name, and other endings in a checkpoint.
	files, err := filepath.Glob(w.path + ".*")
	if err != nil {
		return 0, fmt.Errorf("quarantine: %w", err)
	}
	if all {
		files = append(files, w.path)
	}
	at := w.store.options.Now().UnixMicro()
	for _, file := range files {
		to := filepath.Join(dir, fmt.Sprintf("%d-%s", at, filepath.Base(file)))
		switch err := os.Rename(file, to); {
		case err == nil:
			moved++
		case !errors.Is(err, fs.ErrNotExist):
			return moved, fmt.Errorf("quarantine: %w", err)
		}
	}
	return moved, nil
}

// errNewer is a file or a schema that a newer program wrote. It is not damage.
var errNewer = errors.New("the file was written by a newer version of Weir; start that version, or restore an older file")

// errOlder is a file that an older program wrote. It is not converted: what it
// holds is made again from the archive, as that of a damaged one.
var errOlder = errors.New("the file was written by an older version of Weir")

// preventsOpening reports whether an error of opening a file means that the file
// is damaged. Any error does, because damage shows itself in many ways; but for
// those that are known to have to do with the machine or with us.
func preventsOpening(err error) bool {
	if err == nil || errors.Is(err, errNewer) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || isHeld(err) {
		return false
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return false
	}
	var d *duckdb.Error
	if errors.As(err, &d) {
		switch d.Type {
		case duckdb.ErrorTypeInterrupt, duckdb.ErrorTypePermission, duckdb.ErrorTypeConnection:
			return false
		}
	}
	return !fromMachine(err)
}

// isDamage reports whether an error of an open file means that it is damaged.
// Here the bar is higher than for opening: a question of ours that the engine
// does not like is no reason to throw the file away.
func isDamage(err error) bool {
	var d *duckdb.Error
	if !errors.As(err, &d) || fromMachine(err) {
		return false
	}
	if d.Type == duckdb.ErrorTypeSerialization {
		return true
	}
	text := strings.ToLower(d.Msg)
	for _, sign := range []string{"corrupt", "checksum", "could not read enough bytes"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// fromMachine reports whether an error comes from the machine rather than from
// what is in a file. The engine gives its text only.
func fromMachine(err error) bool {
	text := strings.ToLower(err.Error())
	for _, errno := range []syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM,
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EIO, syscall.EFBIG,
	} {
		if strings.Contains(text, strings.ToLower(errno.Error())) {
			return true
		}
	}
	return strings.Contains(text, "could not set lock") || strings.Contains(text, "out of memory error")
}
