package weir

// Kind says what an item is. The kinds of CONTRACT §3.1.
type Kind string

// The kinds that have a meaning of their own. An app's tables add kinds of the
// form app_<app>_<table>.
const (
	KindUser             Kind = "user"
	KindUserAlias        Kind = "user_alias"
	KindDevice           Kind = "device"
	KindSession          Kind = "session"
	KindPageview         Kind = "pageview"
	KindCustomEvent      Kind = "custom_event"
	KindCart             Kind = "cart"
	KindOrder            Kind = "order"
	KindPostview         Kind = "postview"
	KindGroup            Kind = "group"
	KindSubscriptionList Kind = "subscription_list_user"
	KindMessage          Kind = "message"
	// KindMerge and KindRetract join two identities, and take an edge back. They
	// come from the API or with a secret key, never from a browser.
	KindMerge   Kind = "identity_merge"
	KindRetract Kind = "identity_retract"
)

// Client says how much the sender may claim.
type Client uint8

const (
	// ClientPublic sent with a write key, which anybody who reads a page has.
	ClientPublic Client = iota
	// ClientServer sent with a secret key.
	ClientServer
)

// Record is one item as it was received: the raw bytes and the facts of the
// receipt. Records are what frames hold, in the queue and in the archive; all
// else that Weir knows is derived from them.
type Record struct {
	Workspace  WorkspaceID
	Source     SourceID
	Client     Client
	Receipt    string // of the request, "rcp_…"
	Index      int    // place in the request, from 0
	ReceivedAt Micros
	SentAt     Micros // when the sender's clock says it sent, or zero
	UserID     string // the user id as sent, which chooses the partition; may be empty
	// Rejected is set when the collector found the item invalid. Such a record
	// is kept and logged but never applied.
	Rejected *Rejection
	Raw      []byte // the item's JSON, byte for byte as sent
}

// Rejection says why an item was not applied. Fields as in Error.
type Rejection struct {
	Code    string `json:"code"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// Item is a record's raw bytes read: one self-contained data point with the
// user, session and device that it names.
type Item struct {
	Kind      Kind
	ID        string // external_id: unique per workspace and kind
	CreatedAt Micros
	UpdatedAt Micros // zero if not given
	// Fields are the payload's own fields but for id and times, sorted by name.
	// For a custom event its `properties` stand here too, under their own names.
	Fields []Property
	Label  string // the custom event's name
	// User, Session and Device are the context objects, nil where absent. For an
	// item of kind user, session or device the payload itself stands there.
	User    *Part
	Session *Part
	Device  *Part
	Alias   *Alias // set for KindUserAlias and KindMerge
	// Retracts is the ID of the edge that a KindRetract takes back.
	Retracts string
	// Warnings name the fields that could not be read and were set aside; the
	// item is valid without them.
	Warnings []Rejection
}

// Version orders versions of the same item: updated_at, or else created_at.
func (i *Item) Version() Micros {
	if i.UpdatedAt != 0 {
		return i.UpdatedAt
	}
	return i.CreatedAt
}

// Part is a user, session or device as an item describes it.
type Part struct {
	ID            string
	CreatedAt     Micros // zero if not given
	UpdatedAt     Micros // zero if not given
	Authenticated *bool  // users only; nil if not said
	AnonymousID   string // users only: the id that the user had before it was known
	DeviceID      string // sessions only
	Fields        []Property
}

// Alias says that two user ids are one person.
type Alias struct {
	From            string
	To              string
	ToAuthenticated bool
	ToCreatedAt     Micros
}
