// Package state is the contract of the store of what must not be lost: the
// state of every identity and session, and how far the log is applied.
//
// A micro-batch reads all it needs in one Begin and writes all it changed in
// one Commit, in one transaction; between the two the users it named are
// locked. The rules that turn the one into the other are pure functions
// elsewhere; a store knows none of them.
//
// Package statetest holds the conformance suite that every driver passes.
package state

import (
	"context"
	"errors"

	"github.com/weirhq/weir"
)

// ErrFenced is wrapped by Commit when another worker has moved a position of
// this batch since Begin: this worker was taken for dead. Nothing was written;
// the batch must be dropped and its partitions given back.
var ErrFenced = errors.New("another worker has taken over")

// ErrMoved is wrapped by Seen.Put when another process has changed what is remembered
// of an item since it was looked up. Nothing was stored: the batch must come again.
var ErrMoved = errors.New("another process has applied one of the items meanwhile")

// ErrFull is wrapped by Commit and Put while the disk is full. Nothing was
// written; the same call succeeds once there is room, without a restart.
var ErrFull = errors.New("the disk of the state is full")

// ErrDamaged is wrapped by the error of a store that finds its own data
// damaged. The state is derived from the archive: rebuild it.
var ErrDamaged = errors.New("the state is damaged")

// Store holds identities, sessions and positions of all workspaces.
type Store interface {
	// Begin locks the users of need, in sorted order, and loads what is known of
	// them. The caller ends the Tx with Commit or Rollback, soon.
	Begin(ctx context.Context, need Need) (Tx, error)

	// Hold locks users for work that takes longer than a transaction. It waits
	// until ctx ends for others that hold them. Transactions that need them go on
	// without them: see Snapshot.Contended. release may be called again, to no
	// effect.
	Hold(ctx context.Context, users []Key) (release func(), err error)

	// Seen is the index of applied items.
	Seen() Seen

	// Outbox is the work that waits.
	Outbox() Outbox

	// View reads persons outside any micro-batch.
	View() View

	// Close is idempotent.
	Close() error
}

// Key names a user or a session of a workspace.
type Key struct {
	Workspace weir.WorkspaceID
	ID        string
}

// Need is what a micro-batch touches. Duplicates are allowed; order is not
// important.
type Need struct {
	Users       []Key
	Sessions    []Key
	Conversions []Key
	Partitions  []int
}

// Snapshot is what Begin loaded. The caller owns it and may change it.
type Snapshot struct {
	// Identities has the users of Need that are known, and every other member of
	// the persons that they belong to.
	Identities map[Key]*weir.Identity
	// Sessions has those of Need that are known.
	Sessions map[Key]*weir.Session
	// Conversions has those of Need that are known.
	Conversions map[Key]*weir.Conversion
	// Applied is the last sequence number whose effects are in the store, for
	// each partition of Need; 0 if none.
	Applied map[int]uint64
	// Commit is the number that the transaction's commit has. It is greater than that of
	// every transaction that had one of these users before, in any process: of two that
	// change the same, it tells other stores which is the newer, in whatever order they
	// hear of them.
	Commit uint64
	// Contended are users of Need that somebody else holds (Store.Hold) and did
	// not let go within a bound. They are not locked, and neither they nor their
	// persons may be changed.
	Contended []Key
}

// Counter names a sequence of dense numbers of a workspace.
type Counter uint8

// The sequences. Each starts at 1.
const (
	IdentityNumber Counter = iota
	SessionNumber
)

// Tx is one micro-batch's transaction. It is used by one goroutine.
type Tx interface {
	// Snapshot is the same value at every call.
	Snapshot() *Snapshot

	// Take reserves n consecutive numbers and returns the first. Numbers of a
	// transaction that does not commit may be given out again or never.
	Take(ctx context.Context, ws weir.WorkspaceID, c Counter, n int) (first uint32, err error)

	// SessionsOf loads the sessions of identities that end at or after From and
	// start at or before To, of all origins.
	SessionsOf(ctx context.Context, of []Span) ([]*weir.Session, error)

	// ConversionsOf loads all conversions of identities; the times of a Span have
	// no meaning.
	ConversionsOf(ctx context.Context, of []Span) ([]*weir.Conversion, error)

	// Commit writes the changes and ends the transaction. The error wraps
	// ErrFenced if a position is not where Begin found it.
	Commit(ctx context.Context, changes Changes) error

	// Rollback ends the transaction without a trace. After Commit it does nothing.
	Rollback() error
}

// Span names an identity and a stretch of time, both ends included.
type Span struct {
	Workspace weir.WorkspaceID
	Identity  uint32 // Number
	From, To  weir.Micros
}

// Changes is what a micro-batch writes: whole documents, replacing what was
// there.
type Changes struct {
	Identities  []*weir.Identity
	Sessions    []*weir.Session
	Conversions []*weir.Conversion
	// Removed are keys of sessions and conversions that are no more. Unknown ones
	// are no error.
	RemovedSessions    []Key
	RemovedConversions []Key
	// Marks are small notes of the pipeline's own, by workspace and name; an empty
	// text removes one.
	Marks map[Key]string
	// Outbox is appended to, in this order.
	Outbox []Effect
	// Applied advances positions; a number below the present one changes nothing.
	Applied map[int]uint64
}

// Effect is work that waits: something to be done outside the state because of
// what an item changed. It is recorded in the transaction of its cause, so that
// neither is there without the other.
type Effect struct {
	Workspace weir.WorkspaceID
	Topic     string // who is to do it; not empty
	ID        string // stable: the same cause has the same; receivers tell repetitions by it
	User      string // effects of one user keep their order
	Body      []byte
}

// Outbox lists the effects that wait, to those who do them. Methods may be called
// concurrently.
type Outbox interface {
	// Read lists effects of a topic behind a cursor, 0 for the first, in the
	// order in which they were recorded.
	Read(ctx context.Context, topic string, after int64, limit int) ([]Waiting, error)
	// Done forgets the effects of a topic up to and including a cursor.
	Done(ctx context.Context, topic string, upTo int64) error
}

// Waiting is an effect and its place in the outbox.
type Waiting struct {
	Effect
	Cursor int64 // rises; gaps are possible
}

// Seen remembers every applied item for ever, so that a resend is recognised
// without a time window. It is written after the effects of a batch and before
// its acknowledgement: a crash in between repeats work that the rules make
// harmless. Methods may be called concurrently.
type Seen interface {
	// Lookup fills entries in the order of the keys; one that was never seen is
	// the zero Entry.
	Lookup(ctx context.Context, keys []ItemKey) ([]Entry, error)
	// Put stores entries durably, replacing those of the same keys. before has what
	// they were when they were looked up; nil: whatever they were. A store that several
	// processes share holds it against what they are: see ErrMoved.
	Put(ctx context.Context, keys []ItemKey, before, entries []Entry) error
	// Claim keeps other processes from the items until Release, from before they are
	// looked up until what became of them is put: all of them, or none, and then it names
	// those that another partition's batch has. A claim is its partition's: whoever works
	// on a partition after a death has its claims. A store that one process has need not
	// keep any.
	Claim(ctx context.Context, items []Claim) (busy []ItemKey, err error)
	// Release gives up the claims of deliveries up to and including a sequence number,
	// for each partition named.
	Release(ctx context.Context, upTo map[int]uint64) error
}

// ItemKey names an item: what dedupe compares.
type ItemKey struct {
	Workspace weir.WorkspaceID
	Kind      weir.Kind
	ID        string
}

// Claim is an item, and a delivery of it.
type Claim struct {
	ItemKey
	At weir.Position // one of its deliveries in the batch, the last of a partition
}

// Entry is what is remembered of an item: what it is after all deliveries.
type Entry struct {
	Position weir.Position // of the delivery that its event row stands at; 0: never seen
	Version  weir.Micros   // the newest
	Hash     uint64        // of the newest version's content
	At       weir.Micros   // event time: the earliest that deliveries of the newest version give
	// Doc is what the versions say together, once there was more than one
	// content; nil while the raw item at Position says all.
	Doc []byte
}

// View reads persons for people and programs that look at them.
type View interface {
	// Person is the person to whom an identity belongs: all its identities. The
	// list is empty if the id is unknown.
	Person(ctx context.Context, ws weir.WorkspaceID, id string) ([]*weir.Identity, error)
	// PersonByNumber is the same by the dense number.
	PersonByNumber(ctx context.Context, ws weir.WorkspaceID, person uint32) ([]*weir.Identity, error)
	// Scan calls fn for every identity of a workspace in order of id, and ends
	// with the first error of fn, which may use the store.
	Scan(ctx context.Context, ws weir.WorkspaceID, fn func(*weir.Identity) error) error
	// ScanSessions calls fn for every session of a workspace in order of number.
	ScanSessions(ctx context.Context, ws weir.WorkspaceID, fn func(*weir.Session) error) error
	// ScanConversions calls fn for every conversion of a workspace in order of id.
	ScanConversions(ctx context.Context, ws weir.WorkspaceID, fn func(*weir.Conversion) error) error
	// Conversions are those of a person's identities, in order of time.
	Conversions(ctx context.Context, ws weir.WorkspaceID, identities []uint32) ([]*weir.Conversion, error)
	// Sessions are those of identities, of all origins, in order of number.
	Sessions(ctx context.Context, ws weir.WorkspaceID, identities []uint32) ([]*weir.Session, error)
	// Session is the session with an id, or nil.
	Session(ctx context.Context, ws weir.WorkspaceID, id string) (*weir.Session, error)
	// Mark is a note of Changes.Marks; "" if there is none.
	Mark(ctx context.Context, ws weir.WorkspaceID, name string) (string, error)
	// Workspaces lists those that the store has written for, sorted.
	Workspaces(ctx context.Context) ([]weir.WorkspaceID, error)
}
