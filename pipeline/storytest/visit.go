package storytest

import (
	"pgregory.net/rapid"

	"github.com/weirhq/weir"
)

// The people. Blocked ids are sent for many of them by mistake.
var (
	anonymous = []string{"a0", "a1", "a2", "a3"}
	known     = []string{"u0", "u1", "u2"}
	blocked   = []string{"null", "undefined", "0"}
)

// devices is how many there are; a device's number also chooses its clock.
const devices = 4

// visit is what is common to some items: one device, at about one time.
type visit struct {
	device int
	user   string // who uses it
	start  weir.Micros
	beats  []beat
}

// beat is what was drawn for one item. Not every field means something for
// every kind.
type beat struct {
	what    string // which item
	number  int    // chooses the item's id
	version int    // minutes of updated_at after the item's time; negative: not given
	value   int    // chooses values
	offset  weir.Micros
	pause   weir.Micros // before it is received
	other   string      // another user that it speaks of
	another string      // who did it, if that is not the visit's user
	signed  truth       // whether the user is said to be authenticated
	session int         // negative: none
	server  bool        // sent with a secret key
	says    bool        // the sender says when it sends
	future  bool
	spoilt  int // 0: valid
	fields  fieldsOf
}

// truth is a boolean that may be left out.
type truth int

const (
	unsaid truth = iota
	yes
	no
)

// fieldsOf says which optional parts an item has.
type fieldsOf struct {
	user, device, unknown, source, created, timeless, noninteractive, cancelled, null bool
}

// whats are the items, the frequent ones several times. The first is the
// simplest: a failing story shrinks towards it.
var whats = []string{
	"pageview", "pageview", "pageview", "custom_event", "custom_event", "custom_event",
	"user_alias", "user_alias", "sign_in", "sign_in", "order", "order", "session", "session",
	"user", "user", "merge", "merge", "retract", "postview", "postview", "cart",
	"device", "message", "group", "subscription_list_user", "app_crm_leads",
}

// starts are where visits begin, and offsets how far into it their items lie: in
// minutes around the half hour that parts two derived sessions.
var (
	starts  = []weir.Micros{0, 20 * minute, 40 * minute, 65 * minute, 23*hour + 50*minute - 12*hour, day, 8 * day, 40 * day, -hour}
	offsets = []weir.Micros{0, minute, 5 * minute, 10 * minute, 25 * minute, 30 * minute, 30*minute + second, 31 * minute, 50 * minute, 61 * minute, 500 * second / 1000}
	pauses  = []weir.Micros{10 * second, minute, hour}
)

func drawVisit(t *rapid.T) visit {
	v := visit{
		device: rapid.IntRange(0, devices-1).Draw(t, "device"),
		start:  rapid.SampledFrom(starts).Draw(t, "start"),
	}
	v.user = anonymous[v.device]
	if rapid.IntRange(0, 3).Draw(t, "signed in") == 3 {
		v.user = rapid.SampledFrom(known).Draw(t, "user")
	}
	v.beats = rapid.SliceOfN(rapid.Custom(drawBeat), 1, 24).Draw(t, "items")
	return v
}

func drawBeat(t *rapid.T) beat {
	seldom := func(label string, oneIn int) bool { return rapid.IntRange(0, oneIn-1).Draw(t, label) == oneIn-1 }
	b := beat{
		what:    rapid.SampledFrom(whats).Draw(t, "what"),
		number:  rapid.IntRange(0, 5).Draw(t, "number"),
		version: rapid.IntRange(-2, 3).Draw(t, "version"),
		value:   rapid.IntRange(0, 5).Draw(t, "value"),
		offset:  rapid.SampledFrom(offsets).Draw(t, "offset"),
		pause:   rapid.SampledFrom(pauses).Draw(t, "pause"),
		other:   drawOther(t),
		signed:  rapid.SampledFrom([]truth{unsaid, unsaid, yes, no}).Draw(t, "authenticated"),
		session: rapid.IntRange(-3, 3).Draw(t, "session"),
		server:  seldom("server", 4),
		says:    !seldom("no sent_at", 4),
		future:  seldom("future", 24),
	}
	if seldom("somebody else", 6) {
		b.another = drawOther(t)
	}
	if seldom("spoilt", 16) {
		b.spoilt = rapid.IntRange(1, 6).Draw(t, "how")
	}
	b.fields = fieldsOf{
		user: seldom("describes user", 3), device: seldom("describes device", 4), unknown: seldom("unknown field", 12),
		source: seldom("campaign", 3), created: seldom("user's time", 4), timeless: seldom("without time", 8),
		noninteractive: seldom("non-interactive", 4), cancelled: seldom("cancelled", 4), null: seldom("null", 6),
	}
	return b
}

// drawOther is any user: mostly a known one, as most edges lead to one.
func drawOther(t *rapid.T) string {
	switch n := rapid.IntRange(0, 11).Draw(t, "other kind"); {
	case n < 8:
		return rapid.SampledFrom(known).Draw(t, "known")
	case n < 11:
		return rapid.SampledFrom(anonymous).Draw(t, "anonymous")
	}
	return rapid.SampledFrom(blocked).Draw(t, "blocked")
}
