package weir

// Identity is a user id as it was sent, with all that was said of it. A person
// is a connected set of identities.
type Identity struct {
	Workspace     WorkspaceID
	ID            string
	Number        uint32 // dense per workspace, from 1, given when first seen
	Person        uint32 // the person it belongs to: the smallest number of its set
	Authenticated bool   // true once any item said so
	CreatedAt     Micros // the earliest said
	FirstSeen     Micros // time of the earliest item
	LastSeen      Micros // time of the latest item
	Traits        Fields
	Edges         []Edge // that leave this identity
}

// Edge says that two identities are the same person, and why.
type Edge struct {
	From string   `json:"from"`
	To   string   `json:"to"`
	At   Micros   `json:"at"`   // event time of the item
	Item string   `json:"item"` // kind and id of the item that said so
	Rule EdgeRule `json:"rule"`
}

// EdgeRule names where an edge comes from.
type EdgeRule string

// The sources of an edge; merges and reconciliation keys add more.
const (
	RuleAlias EdgeRule = "user_alias"
)

// Session is one visit, as its client described it.
type Session struct {
	Workspace WorkspaceID
	ID        string
	Number    uint32 // dense per workspace, from 1
	User      string // identity that it belongs to
	Device    string
	StartedAt Micros // earliest created_at
	LastSeen  Micros // time of the latest item in it
	Fields    Fields
}

// Person is the join of identities, as questions see it.
type Person struct {
	Number    uint32 // Identity.Person of its members
	ID        string // the canonical identity's id
	CreatedAt Micros
	FirstSeen Micros
	LastSeen  Micros
	Traits    []Property // current values, sorted by name
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
