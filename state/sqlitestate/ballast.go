package sqlitestate

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ballastSize is enough for the few small writes without which the seen index
// ends the program: its list of files, the rest of its log.
const ballastSize = 16 << 20

// ballast is a file that is thrown overboard when the disk is full. Nothing new
// is put into the index then (see Seen.room), but it may be in the middle of a
// compaction when somebody else takes the last block.
type ballast struct {
	path   string
	aboard atomic.Bool
}

// guard wraps a file system: a write that finds the disk full is tried once
// more, without the ballast.
func (b *ballast) guard(fs vfs.FS) vfs.FS {
	return vfs.OnDiskFull(fs, func() {
		b.aboard.Store(false)
		_ = os.Remove(b.path) // there is nothing else to try
	})
}

// load takes the ballast aboard, unless it is. The caller has made sure that
// there is room.
func (b *ballast) load() error {
	if b.aboard.Load() {
		return nil
	}
	f, err := os.Create(b.path)
	if err != nil {
		return err
	}
	// Random-looking bytes would resist file systems that compress; zeros do for
	// all others, and cost nothing to make.
	_, err = io.CopyN(f, zeros{}, ballastSize)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = os.Remove(b.path)
		return err
	}
	b.aboard.Store(true)
	return nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
