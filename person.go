package weir

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Identity is a user id as it was sent, with all that was said of it. A person
// is a connected set of identities.
type Identity struct {
	Workspace     WorkspaceID
	ID            string
	Number        uint32 // dense per workspace, from 1, given when first seen
	Person        uint32 // the person it belongs to: the smallest number of its set
	Authenticated bool   // true once any item said so
	// Key marks the stand-in for a value of a reconciliation key, for example an
	// e-mail address: it joins those who have the value and is nobody itself.
	Key bool
	// Converts and Attends say what else the store holds of the identity:
	// conversions, and events that wait for an open session. Once true, they stay.
	Converts  bool
	Attends   bool
	CreatedAt Micros // the earliest said
	FirstSeen Micros // time of the earliest item
	LastSeen  Micros // time of the latest item; not before it, and later if an item was delivered with several times
	Traits    Fields
	Devices   []Device // sorted by ID
	Edges     []Edge   // that leave this identity, in the order in which they count, taken back ones included
	Incoming  []Edge   // of other identities to this one
	Retracted []string // edges taken back for good: IDs of edges that leave this identity, sorted
}

// Device is what an identity's items say of a device.
type Device struct {
	ID        string
	CreatedAt Micros // the earliest said; zero if not given
	FirstSeen Micros // time of the earliest item that names it
	Fields    Fields // as sent, and what the user agent says: browser, os, …
}

// Edge says that two identities are the same person, and why.
type Edge struct {
	From string   `json:"from"`
	To   string   `json:"to"`
	At   Micros   `json:"at"`   // event time of the item
	Item string   `json:"item"` // kind and id of the item that said so
	Rule EdgeRule `json:"rule"`
}

// ID names an edge for ever: the id that it leaves, and a hash of the rest. The
// time is no part of it, as an item without a time of its own says another at
// each arrival.
func (e Edge) ID() string {
	h := sha256.New()
	for _, part := range []string{e.To, e.Item, string(e.Rule)} {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString([]byte(e.From)) + "." + hex.EncodeToString(h.Sum(nil)[:8])
}

// EdgeFrom is the identity that an edge leaves, read off the edge's ID.
func EdgeFrom(id string) (from string, err error) {
	text, _, _ := strings.Cut(id, ".")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return "", fmt.Errorf("read id of edge %q: it must be as Weir gave it", id)
	}
	return string(b), nil
}

// EdgeRule names where an edge comes from.
type EdgeRule string

// The sources of an edge. An edge of a reconciliation key has RuleKey and the
// key's name.
const (
	RuleAlias EdgeRule = "user_alias" // an item of that kind
	RuleItem  EdgeRule = "item"       // an item that carries an anonymous and an authenticated id
	RuleMerge EdgeRule = "merge"      // somebody with a secret key, or on the dashboard
	RuleKey   EdgeRule = "key:"       // two have the same value of a reconciliation key
)

// Origin says how an event came to its session.
type Origin uint8

// The origins of a session, and of an event's place in it.
const (
	Sent       Origin = iota // the client named the session
	Derived                  // it is of a run of events of a client that names no sessions
	Attended                 // an event of a server: it is in the session that was open, and not part of it
	Impression               // a postview: a touchpoint that is no visit
)

// Session is one visit: all that was said of a session's id, or a run of events
// without one. It also holds single impressions, which are touchpoints like it, and
// per identity and day the events of servers, which wait for the session of another.
type Session struct {
	Workspace WorkspaceID
	ID        string // as sent; of other origins, made by package session
	Number    uint32 // dense per workspace, from 1
	Origin    Origin
	User      string // identity that it belongs to
	Owner     uint32 // that identity's Number
	Device    string
	StartedAt Micros // earliest start said, or time of the earliest point
	EndedAt   Micros // time of the latest point
	Fields    Fields
	Points    []Point // sorted by Item
}

// Point is an item's place in a session.
type Point struct {
	Item   uint64 // hash of the item's kind and id
	At     Micros
	Lead   Micros // how long before the item its session had begun, as its client says
	Flags  PointFlags
	Source []Property // of a session that is derived: where the visit came from, if the item says so
}

// PointFlags say what a point is.
type PointFlags uint8

// The flags of a point.
const (
	PointPageview    PointFlags = 1 << iota // a page or a screen was viewed
	PointInteractive                        // a person did it: a page view or another event that does not say it is non_interactive
	PointEvent                              // the item is an event; without it, an item that only speaks of the session
)

// Conversion is an order or an event that the workspace has declared a goal.
type Conversion struct {
	Workspace WorkspaceID
	ID        string // kind and id of the item: "order:o-1"
	Goal      string // "order", or the event's name
	User      string // identity that it belongs to
	Owner     uint32 // that identity's Number
	At        Micros
	Value     int64  // cents, in the workspace's currency; as sent if there is no rate
	Currency  string // as sent, upper case; "" is the workspace's
	Amount    int64  // cents, in Currency
	Unpriced  bool   // there is no rate for the currency at that time
	Cancelled bool   // it is kept, and counts nowhere
	Fields    []Property
	Touches   []Touch // that led to it, in order of time
}

// Touch is a touchpoint's part in a conversion.
type Touch struct {
	Session uint32 // Number
	At      Micros
	Channel string
	Role    Role
	Credits []int64 // cents, by model, in the order of attribution.Models
}

// Role is the part that a touchpoint plays on the way to a conversion.
type Role uint8

// The roles of SEMANTICS §5.
const (
	Alone Role = iota
	Initiator
	Assisting
	Closer
)

// String is the name that the API uses.
func (r Role) String() string {
	return [...]string{"alone", "initiator", "assisting", "closer"}[r&3]
}

// Person is the join of identities, as questions see it.
type Person struct {
	Number    uint32 // Identity.Person of its members
	ID        string // the canonical identity's id
	CreatedAt Micros
	FirstSeen Micros
	LastSeen  Micros
	Traits    []Property // current values and totals, sorted by name
	IDs       []string   // all identities, sorted
}

// Event is a row that questions count.
type Event struct {
	Position   Position
	Time       Micros
	Name       string // pageview, screen, order, … by kind; a custom event's label
	Identity   uint32 // Identity.Number of the id as sent; never rewritten
	Person     uint32 // resolved; moved when identities merge or part
	Session    uint32 // Session.Number, or 0
	Origin     Origin // how it came to its session; Attended also without one
	Properties []Property
}

// Status is what became of an item.
type Status string

// The outcomes of DESIGN §2.3. Waiting items are those still in the queue.
const (
	Stored     Status = "stored"     // applied, or replaced an older version
	Duplicate  Status = "duplicate"  // this version was applied before
	Superseded Status = "superseded" // a newer version was applied before
	Conflict   Status = "conflict"   // same version, other content; the other won
	Rejected   Status = "rejected"   // invalid; kept with the reason
	Dead       Status = "dead"       // its processing failed again and again
	Waiting    Status = "waiting"    // its user was busy: it comes again, as another delivery
)

// Outcome is the receipt of one item: one row of the log.
type Outcome struct {
	Position   Position
	Receipt    string
	Index      int
	Kind       Kind
	ItemID     string
	Name       string // as Event.Name; "" for items that are no events
	UserID     string // as sent
	Person     uint32 // 0 if rejected
	Source     SourceID
	ReceivedAt Micros
	Time       Micros // corrected event time; 0 if rejected
	Status     Status
	Code       string // of the rejection
	Field      string
	Message    string
	Warnings   []Rejection
	Size       int // bytes of the raw item
}
