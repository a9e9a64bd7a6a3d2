// Package protocol is what the adapters of wire formats share: the batch that
// an adapter makes of a request's body, the errors that it answers, and the
// scanner that finds the parts of a JSON body without reading them.
//
// An adapter is pure: bytes in, native items out. Keys, the limits of a single
// item, verdicts and storage are the collector's work and the same for every
// format.
package protocol

import (
	"errors"
	"fmt"

	"github.com/weirhq/weir"
)

// Batch is what a body holds. Its slices point into the body, or into memory
// that the adapter has made for it.
type Batch struct {
	Key       string      // the key that the body carries, or ""
	Workspace string      // the workspace that the body names, or ""
	SentAt    weir.Micros // the sender's clock when it sent, or zero
	Items     []Item
	// Sent counts the items as the sender counts them. An adapter may make more
	// than one native item of one of them.
	Sent  int
	Extra int // bytes of memory that the adapter has made beside the body
}

// Reset empties the batch and keeps its list's memory.
func (b *Batch) Reset() {
	clear(b.Items)
	*b = Batch{Items: b.Items[:0]}
}

// Item is one item in the native format, not yet judged.
type Item struct {
	Index     int // of the sent item, from 0
	Raw       []byte
	Generated bool // its id was made here, as it came without
	// Rejected is set if no native item could be made: Raw is then what was sent.
	Rejected *weir.Rejection
}

// ErrTooMany is wrapped by an adapter's error if the body has more items than
// it was told to take.
var ErrTooMany = errors.New("too many items")

// Malformed is the error of a body that is not what its format calls for:
// nothing of it can be stored, and sending it again is of no use.
func Malformed(code, format string, args ...any) *weir.Error {
	return &weir.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// TooMany is the error of a body with more than limit items.
func TooMany(limit int) *weir.Error {
	return &weir.Error{
		Code:    "too_many_items",
		Message: fmt.Sprintf("The request has more than %d items. Send them in smaller batches.", limit),
		Err:     ErrTooMany,
	}
}
