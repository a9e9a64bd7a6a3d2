// Package archive keeps the raw frames for ever: the truth from which all else
// can be derived again. A worker appends every frame before it processes it.
package archive

import (
	"context"
	"errors"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

var (
	// ErrNotFound is wrapped when no frame holds a position.
	ErrNotFound = errors.New("not in the archive")
	// ErrClosed is wrapped by every call after Close.
	ErrClosed = errors.New("archive is closed")
)

// Archive is an append-only store of frames. All methods may be called
// concurrently. Package archivetest holds its conformance suite.
type Archive interface {
	// Append stores the frames and returns when they are durable. Frames of a
	// partition come in order; one whose records the archive holds already is
	// skipped, so that appending again after a crash is harmless. A frame that is
	// not whole is refused, and with it the others. After an error some of the
	// frames may be stored.
	Append(ctx context.Context, frames []frame.Sealed) error

	// Read is the record at a position. The error wraps ErrNotFound, or
	// frame.ErrCorrupt if the bytes are damaged. The record is the caller's own.
	Read(ctx context.Context, at weir.Position) (weir.Record, error)

	// Replay calls fn with every frame appended to the queue in [from, to), in
	// order within each partition; zero bounds are open. A damaged frame is
	// given to fn as damage, with its place and without its bytes, and the rest
	// goes on. An error of fn ends the replay and is returned. What is appended
	// meanwhile need not be seen. fn may keep the frames.
	Replay(ctx context.Context, from, to weir.Micros, fn func(f frame.Sealed, damage error) error) error

	// Close is idempotent.
	Close() error
}
