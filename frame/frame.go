// Package frame is the unit in which records are stored and travel: a few or a
// few thousand records of one partition, compressed together, with a header
// that says where they belong and a checksum that says whether they are whole.
// The queue stores frames, the archive keeps them byte for byte.
//
// A body is made where the records are (Encode), and becomes a frame when the
// queue knows its place (Seal), so that compressing happens outside the queue's
// lock and sealing costs no more than a copy and two checksums.
//
// docs/format/frame.md describes the bytes. A frame read from outside is never
// trusted: Decode answers an error wrapping ErrCorrupt for anything that Encode
// and Seal did not write, and allocates no more than the limits below.
package frame

import (
	"errors"

	"github.com/weirhq/weir"
)

// Limits that Encode keeps and Decode insists on.
const (
	MaxRecords = 1 << 16  // records in a frame
	MaxSize    = 64 << 20 // bytes of a frame, decompressed
	HeaderSize = 40       // bytes of the header, magic included
)

// ErrCorrupt is wrapped by every error about bytes that are no whole frame.
var ErrCorrupt = errors.New("frame is corrupt")

// Body is a compressed group of records that has no place in the log yet.
type Body struct {
	Partition int
	Count     int    // records in it, at least 1
	Data      []byte // compressed
}

// Header is the part of a frame that can be read without decompressing it.
type Header struct {
	Partition int
	First     uint64      // sequence number of the first record
	Count     int         // records; the last one is First+Count-1
	At        weir.Micros // when the frame was appended to the queue
	Size      int         // bytes that follow the header
}

// Last is the sequence number of the last record.
func (h Header) Last() uint64 { return h.First + uint64(h.Count) - 1 }

// Sealed is a frame with its place and checksums: header, then body.
type Sealed []byte

// Frame is a frame read back.
type Frame struct {
	Header
	Records []weir.Record
}

// Position is where the i-th record stands.
func (f *Frame) Position(i int) weir.Position { return weir.At(f.Partition, f.First+uint64(i)) }
