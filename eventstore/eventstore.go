// Package eventstore is the contract of the columnar store that answers
// questions: events, people as questions see them, and the log of outcomes.
// It holds nothing that cannot be derived again from the archive.
//
// Package storetest holds the conformance suite that every driver passes: a
// documented data set and question scripts.
package eventstore

import (
	"context"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/query"
)

// Store keeps each workspace apart. All methods may be called concurrently; a
// workspace comes into being with the first call that names it.
type Store interface {
	// Write applies a batch in one transaction. Events and outcomes at or below
	// the position that the workspace has for their partition are skipped, so
	// that writing a batch again after a crash is harmless.
	Write(ctx context.Context, ws weir.WorkspaceID, batch *Batch) error

	// Ask answers a plan. It ends soon after ctx does.
	Ask(ctx context.Context, ws weir.WorkspaceID, plan *query.Plan) (*query.Answer, error)

	// Log lists outcomes, newest first.
	Log(ctx context.Context, ws weir.WorkspaceID, filter LogFilter) ([]weir.Outcome, error)

	// Scan calls fn for every event row that the filter chooses, with properties
	// sorted by name, in order of time, kind and item id, and ends with the first
	// error of fn. It sees the rows of one moment.
	Scan(ctx context.Context, ws weir.WorkspaceID, filter ScanFilter, fn func(Row) error) error

	// Visits calls fn for every visit, in order of number, and ends with the first error
	// of fn. Person is whose the visit is now.
	Visits(ctx context.Context, ws weir.WorkspaceID, fn func(Visit) error) error

	// Catalogue lists the events and properties that the workspace has seen.
	Catalogue(ctx context.Context, ws weir.WorkspaceID) (*Catalogue, error)

	// Values lists the most frequent text forms of a property, most first, that
	// contain the given text (case is ignored).
	Values(ctx context.Context, ws weir.WorkspaceID, of query.Ref, contains string, limit int) ([]string, error)

	// Applied is the position up to which the workspace's rows are written, per
	// partition. A partition that never wrote to it is absent.
	Applied(ctx context.Context, ws weir.WorkspaceID) (map[int]uint64, error)

	// Drop removes all rows of a workspace, so that it can be written anew from
	// the archive.
	Drop(ctx context.Context, ws weir.WorkspaceID) error

	// Close is idempotent.
	Close() error
}

// Batch is what a micro-batch changes in one workspace.
type Batch struct {
	// Applied is, for each partition of the micro-batch, the last sequence number
	// that the batch covers, whether or not any of its rows are in this workspace.
	Applied map[int]uint64
	// AsOf is the time the batch was received: questions answer with it.
	AsOf weir.Micros
	// Commit is the number of the state's commit that the batch follows from, where several
	// processes write to a workspace: it is higher than that of any earlier commit that
	// touched the same people, visits or events, and all batches of the workspace have one.
	// What a batch says of them holds against batches of lower numbers, whichever is
	// written last. 0: batches hold in the order in which they are written, and a store
	// that one process writes to may take all of them so.
	Commit uint64
	Events []weir.Event
	// Replaced are positions whose rows go, if there are any. An event of such a
	// position in Events is written in its place, also if the position was applied
	// before.
	Replaced []weir.Position
	// Moves put all rows of an identity under another person: those that are there,
	// those of Events, and those that come later. Before the first move of an identity
	// its rows are of the person that the first row names. Of several moves of one
	// identity the last holds; a move is repeated harmlessly. It costs no more in a
	// store of many rows than in one of few.
	Moves []Move
	// Sessions put event rows into another session: rows that are there, and those of
	// Events, but not what comes later. They are applied in order; batches that are about
	// one identity are written in the order of their commits, also by several processes.
	Sessions []SessionMove
	// People replace the rows of the same number.
	People []weir.Person
	// Gone are persons that became part of another one. Of numbers that are in People
	// too the rows of People stay.
	Gone []uint32
	// Visits replace the rows of the same number. VisitsGone are numbers of visits that
	// are no more. VisitsOf are identities all of whose visits are in Visits: their other
	// rows go.
	Visits     []Visit
	VisitsGone []uint32
	VisitsOf   []uint32
	Log        []weir.Outcome
}

// Visit is a session, or an impression, as questions see it. Whose it is follows from
// its identity (Batch.Moves).
type Visit struct {
	Number       uint32
	ID           string
	Identity     uint32
	Person       uint32      // whose the identity is, if no event or move has said it yet
	Origin       weir.Origin // Sent, Derived or Impression
	StartedAt    weir.Micros
	Seconds      float64 // of session.Duration
	Pageviews    int64
	Interactions int64
	Bounced      bool
	Source       attribution.Source
	Channel      string // of the workspace's mapping
}

// Move says to which person an identity's events belong. From and To bound the
// times of the events there can be (inclusive), so that the store need not look
// everywhere.
type Move struct {
	Identity uint32
	Person   uint32
	From, To weir.Micros
}

// SessionMove says to which session those rows of an identity belong that came to
// theirs in a certain way and lie in a stretch of time, both ends included.
type SessionMove struct {
	Identity uint32
	Origin   weir.Origin
	From, To weir.Micros
	Session  uint32 // 0: none
}

// Row is an event with the item that it was made of.
type Row struct {
	weir.Event
	Kind   weir.Kind
	ItemID string
}

// ScanFilter chooses event rows. Zero fields do not filter.
type ScanFilter struct {
	Names    []string
	From, To weir.Micros // by event time, half open
}

// LogFilter chooses outcomes. Zero fields do not filter.
type LogFilter struct {
	Position weir.Position
	Receipt  string
	ItemID   string
	UserID   string
	Person   uint32
	Kind     weir.Kind
	Status   weir.Status
	Source   weir.SourceID
	From, To weir.Micros   // by time of receipt, half open
	Before   weir.Position // and BeforeAt: the last row of the page before
	BeforeAt weir.Micros
	Limit    int // default 100, at most 1,000
}

// Catalogue is what a workspace has seen. Sorted: events by count, most first,
// properties by name.
type Catalogue struct {
	Events     []EventName
	Properties []PropertyName
}

// EventName is an event and how often it was stored.
type EventName struct {
	Name  string      `json:"name"`
	Count int64       `json:"count"`
	First weir.Micros `json:"first_seen"`
	Last  weir.Micros `json:"last_seen"`
}

// PropertyName is a property with the types that it was seen with.
type PropertyName struct {
	Name  string      `json:"name"`
	On    query.Scope `json:"on"`
	Types []string    `json:"types"` // of string, number, boolean, json
}
