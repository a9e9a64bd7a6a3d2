package document

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// HashSize is the size of an item's hash, in bytes.
const HashSize = 16

// MaxEntry is the most that an entry takes without its Doc, in bytes.
const MaxEntry = 24 + binary.MaxVarintLen64

// HashItem is what the index of seen items knows an item by: the first half of a
// SHA-256 of the parts. A faster hash would save a tenth of a look-up, and let
// somebody who chooses item ids make two of them collide, of which the second
// would be dropped as seen.
func HashItem(k state.ItemKey) (out [HashSize]byte) {
	var space [256]byte
	b := space[:0]
	b = appendText(b, string(k.Workspace))
	b = appendText(b, string(k.Kind))
	b = append(b, k.ID...)
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out
}

// AppendEntry writes what every entry has in full, the event time by its distance
// from the version, which it seldom is far from, and then the Doc.
func AppendEntry(b []byte, e *state.Entry) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Position))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Version))
	b = binary.LittleEndian.AppendUint64(b, e.Hash)
	b = appendTimes(b, e.At-e.Version)
	return append(b, e.Doc...)
}

// ReadEntry reads what AppendEntry wrote.
func ReadEntry(b []byte) (state.Entry, error) {
	r := reader{rest: b}
	e := state.Entry{Position: weir.Position(r.uint64()), Version: weir.Micros(r.uint64()), Hash: r.uint64()}
	e.At = e.Version + r.time()
	if r.err != nil {
		return state.Entry{}, fmt.Errorf("read entry of %d bytes: %w", len(b), r.err)
	}
	if len(r.rest) > 0 {
		e.Doc = bytes.Clone(r.rest)
	}
	return e, nil
}
