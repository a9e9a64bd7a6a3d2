package sqlitequeue

import (
	"errors"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

// errDamaged marks what our own checks found wrong with the file's structure;
// it is treated as SQLite's own finding that the file is corrupt.
var errDamaged = errors.New("queue file is damaged")

// errStuck marks that a transaction could not even be rolled back.
var errStuck = errors.New("transaction is stuck")

// isFull says that a statement failed for want of space and left nothing
// behind. A failed fsync is never such, whatever its errno: what became of the
// pages is unknown.
func isFull(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) || errors.Is(err, errStuck) {
		return false
	}
	if e.Code == sqlite3.ErrFull {
		return true
	}
	noSpace := e.SystemErrno == syscall.ENOSPC || e.SystemErrno == syscall.EDQUOT
	return e.Code == sqlite3.ErrIoErr && noSpace &&
		e.ExtendedCode != sqlite3.ErrIoErrFsync && e.ExtendedCode != sqlite3.ErrIoErrDirFsync
}

// isDamage says that the file itself is wrong, so that reading it again would
// not help and it must be rebuilt. A constraint that fails is damage too: our
// ids are new by construction.
func isDamage(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB || e.Code == sqlite3.ErrConstraint
}

// isDamageAtOpen is isDamage for the first look at a file that is known to be
// readable and writable: there, whatever is not said to be the fault of the
// disk, of memory or of another process is the fault of the bytes, such as a
// schema that does not parse.
func isDamageAtOpen(err error) bool {
	if isDamage(err) {
		return true
	}
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case sqlite3.ErrIoErr, sqlite3.ErrCantOpen, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrPerm,
		sqlite3.ErrAuth, sqlite3.ErrFull, sqlite3.ErrInterrupt, sqlite3.ErrNomem, sqlite3.ErrNoLFS, sqlite3.ErrProtocol:
		return false
	}
	return true
}
