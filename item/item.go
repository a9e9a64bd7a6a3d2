// Package item reads the native item format, CONTRACT §3.1: one JSON object
// with a kind, a payload under the kind's name, and the user, session and
// device that it speaks of.
//
// Check and Parse give the same verdict, code and field, on the same bytes. What an item says of
// itself is read strictly: without an id, a time or a user it is rejected, with
// the field and the reason. What it says of its context, or a single value that
// cannot be read, costs that value only: it is set aside and named in a
// warning, for an item must not be lost over a detail.
//
// Schemas lists the kinds and their fields. A field that is not listed is kept
// as a property named "extra.<name>" and reported, and so is what stands beside
// the item's objects; the members of `properties` and `traits` are free and keep
// their names.
package item

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/weirhq/weir"
)

// Limits bound one item. Zero fields mean the defaults.
type Limits struct {
	Bytes      int // length of the JSON; default 64 KiB
	Depth      int // nesting of objects and lists, the item's own included; default 32
	Properties int // members of all its objects together; default 512
}

// Unlimited takes everything: for items that were judged when they came.
var Unlimited = Limits{math.MaxInt, math.MaxInt, math.MaxInt}

func (l Limits) orDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = 64 << 10
	}
	if l.Depth == 0 {
		l.Depth = 32
	}
	if l.Properties == 0 {
		l.Properties = 512
	}
	return l
}

// maxID bounds ids and labels, in bytes: longer ones are a program's mistake.
const maxID = 512

// Earliest is 1971: a time before it is a clock that was never set.
const Earliest = weir.Micros(365 * 24 * time.Hour / time.Microsecond)

// Head is what the collector needs to know of an item.
type Head struct {
	Kind   weir.Kind
	ID     string
	UserID string // chooses the partition; of an alias or a merge, the id that it comes from; of a retraction, the id that the edge leaves
}

// Check reads as much of an item as is needed to judge it. If the rejection is
// not nil the item is to be kept but never applied; Head then has what could be
// read before the fault.
func Check(raw []byte, limits Limits) (Head, *weir.Rejection) {
	if rejection := limits.orDefaults().check(raw); rejection != nil {
		return Head{}, rejection
	}
	r := readers.Get().(*reader)
	defer r.release()
	rejection := r.read(raw, &r.spare, false)
	item := &r.spare.item
	head := Head{Kind: item.Kind, ID: item.ID}
	switch {
	case item.Alias != nil:
		head.UserID = item.Alias.From
	case item.Kind == weir.KindRetract:
		head.UserID = r.from
	case item.User != nil:
		head.UserID = item.User.ID
	}
	return head, rejection
}

// Parse reads the whole item. Its strings are copies: raw may be reused.
func Parse(raw []byte, limits Limits) (*weir.Item, *weir.Rejection) {
	if rejection := limits.orDefaults().check(raw); rejection != nil {
		return nil, rejection
	}
	r := readers.Get().(*reader)
	defer r.release()
	out := &parts{}
	if rejection := r.read(raw, out, true); rejection != nil {
		return nil, rejection
	}
	return &out.item, nil
}

// check applies the limits in one pass over the bytes. In valid JSON a colon
// outside a string stands for one member.
func (l Limits) check(raw []byte) *weir.Rejection {
	if l == Unlimited {
		return nil
	}
	if len(raw) > l.Bytes {
		return &weir.Rejection{Code: "item_too_large", Message: fmt.Sprintf("The item has %d bytes; at most %d are taken.", len(raw), l.Bytes)}
	}
	depth, deepest, members := 0, 0, 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = closing(raw, i+1)
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		case ':':
			members++
		}
	}
	if deepest > l.Depth {
		return &weir.Rejection{Code: "too_deep", Message: fmt.Sprintf("The item nests %d levels deep; at most %d are taken.", deepest, l.Depth)}
	}
	if members > l.Properties {
		return &weir.Rejection{Code: "too_many_properties", Message: fmt.Sprintf("The item has %d properties; at most %d are taken.", members, l.Properties)}
	}
	return nil
}

// closing is the index of the quote that ends the string whose first byte is
// at i, or the end of raw.
func closing(raw []byte, i int) int {
	for {
		n := bytes.IndexByte(raw[i:], '"')
		if n < 0 {
			return len(raw)
		}
		backslashes := 0
		for backslashes < n && raw[i+n-1-backslashes] == '\\' {
			backslashes++
		}
		if i += n; backslashes%2 == 0 {
			return i
		}
		i++
	}
}
