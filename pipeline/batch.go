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

	number   uint64 // of the state's commit
	replayed bool   // from the archive, or no delivery at all: everything outside was done before
	// review are users whose history is derived again, although nothing arrived.
	review []state.Key
	found  []found              // in history, which may be conversions
	note   map[state.Key]string // marks to be committed

	aside   []*Entry                 // kept from the steps before validate
	dead    map[weir.Position]string // found to make the batch fail, with the reason
	waiting map[weir.Position]bool   // of users who are busy
	rules   map[weir.WorkspaceID]*Rules

	items   map[state.ItemKey]*known // what the batch's items are
	order   []*known                 // the same, in the order in which they came
	claimed []state.ItemKey          // while no other batch may judge them

	tx          state.Tx
	standIns    []state.Key // of the values of reconciliation keys that the batch names
	again       bool        // the state holds some of the batch's effects already
	touched     map[state.Key]*person
	affected    map[weir.WorkspaceID][]*weir.Identity // whose person may be another than before
	persons     []*circle                             // of touched, once they are found
	visits      visits
	conversions map[state.Key]*conversion
	rows        map[weir.WorkspaceID]*eventstore.Batch
}

// Entry is one item of a batch and what becomes of it.
type Entry struct {
	Record   weir.Record
	Position weir.Position
	Item     *weir.Item // nil if it was rejected
	Outcome  weir.Outcome
	// Event is the row that the item has after this delivery, or nil if that stands
	// elsewhere.
	Event *weir.Event
	// Effects are recorded in the outbox with the item's other effects on the
	// state: once, also if the item is applied again after a crash, or rebuilt.
	Effects []state.Effect

	hash     uint64
	keys     []weir.Edge // to the stand-ins of what its user says
	identity *person
	known    *known
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

// Live reports whether the item is applied: neither rejected, dead nor waiting.
func (e *Entry) Live() bool { return e.Item != nil }

// user is the id as sent whose state the item belongs to.
func (e *Entry) user() string { return userOf(e.Item) }

func userOf(i *weir.Item) string {
	switch {
	case i.Alias != nil:
		return i.Alias.From
	case i.Retracts != "":
		from, _ := weir.EdgeFrom(i.Retracts) // the item was rejected if it cannot be read
		return from
	}
	return i.User.ID
}

func (e *Entry) key(id string) state.Key {
	return state.Key{Workspace: e.Record.Workspace, ID: id}
}

// users are all the identities that the delivery speaks of.
func (e *Entry) users() []string {
	ids := []string{e.user()}
	if e.Item.Alias != nil {
		ids = append(ids, e.Item.Alias.To)
	}
	if e.Item.User != nil && e.Item.User.AnonymousID != "" {
		ids = append(ids, e.Item.User.AnonymousID)
	}
	return ids
}

// person is an identity that the batch has loaded or made.
type person struct {
	*weir.Identity
	changed bool   // to be written
	visible bool   // what questions see of its person has changed
	said    bool   // traits were said anew: they may count among several identities
	was     uint32 // the person before the batch; 0 if new
	heard   hearing
	device  hearing
}

// conversion is one that the batch has loaded or made.
type conversion struct {
	*weir.Conversion
	changed bool
	removed bool
}
