package pipeline

import (
	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/state"
)

// Batch is a micro-batch on its way through the steps. A step reads what the
// ones before it have filled in and adds its own. It is used by one goroutine.
type Batch struct {
	// Frames are the whole frames of the batch, in order within each partition.
	Frames []frame.Sealed
	// Entries are the records of all frames, in the same order.
	Entries []*Entry
	// Applied is the last sequence number that the batch covers, per partition,
	// damaged frames included.
	Applied map[int]uint64
	// AsOf is when the batch was received.
	AsOf weir.Micros

	replayed bool     // from the archive: everything outside was done before
	dead     []*Entry // kept from the steps before validate
	tx       state.Tx
	touched  map[state.Key]*person
	sessions map[state.Key]*weir.Session
	changed  map[state.Key]bool // sessions to be written
	seen     map[state.ItemKey]state.Entry
	fresh    []state.ItemKey // keys of seen to be written
	rows     map[weir.WorkspaceID]*eventstore.Batch
}

// Entry is one item of a batch and what becomes of it.
type Entry struct {
	Record   weir.Record
	Position weir.Position
	Item     *weir.Item // nil if it was rejected
	Outcome  weir.Outcome
	// Replaces is the position of the event row that this version takes the
	// place of, or zero.
	Replaces weir.Position
	// Event is the row to be written, or nil.
	Event *weir.Event
	// Effects are recorded in the outbox with the item's other effects on the
	// state: once, also if the item is applied again after a crash, or rebuilt.
	Effects []state.Effect

	identity *person
	session  *weir.Session
}

// Reject ends an item's way: it is kept, with the reason in its receipt.
func (e *Entry) Reject(r weir.Rejection) {
	e.Item = nil
	e.Outcome.Status = weir.Rejected
	e.Outcome.Code, e.Outcome.Field, e.Outcome.Message = r.Code, r.Field, r.Message
}

// Warn notes in the receipt what was wrong with an item that is applied.
func (e *Entry) Warn(code, field, message string) {
	e.Outcome.Warnings = append(e.Outcome.Warnings, weir.Rejection{Code: code, Field: field, Message: message})
}

// Live reports whether the item is applied: neither rejected nor dead.
func (e *Entry) Live() bool { return e.Item != nil }

// user is the id as sent whose state the item belongs to.
func (e *Entry) user() string {
	if e.Item.Alias != nil {
		return e.Item.Alias.From
	}
	return e.Item.User.ID
}

func (e *Entry) key(id string) state.Key {
	return state.Key{Workspace: e.Record.Workspace, ID: id}
}

// person is an identity that the batch has loaded or made.
type person struct {
	*weir.Identity
	changed bool   // to be written
	visible bool   // what questions see of its person has changed
	said    bool   // traits were said anew: they may count among several identities
	was     uint32 // the person before the batch; 0 if new
}
