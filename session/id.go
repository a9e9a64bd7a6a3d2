package session

import (
	"strings"
	"time"

	"github.com/weirhq/weir"
)

// The ids that Weir makes begin with a byte that no id has which is sent, so that
// a client cannot name its session like one of them.
const (
	derivedPrefix    = "\x00derived:"
	attendedPrefix   = "\x00attended:"
	impressionPrefix = "\x00impression:"
)

// DerivedID is the id of the run of a user's events that starts at a time.
func DerivedID(user string, start weir.Micros) string {
	var room [128]byte
	return string(appendDerivedID(room[:0], user, start))
}

func appendDerivedID(b []byte, user string, start weir.Micros) []byte {
	b = append(b, derivedPrefix...)
	b = append(b, user...)
	b = append(b, ':')
	return start.Time().AppendFormat(b, time.RFC3339Nano)
}

// PoolID is the id of the session that keeps the events which servers sent of a
// user, for the UTC day in which a time lies.
func PoolID(user string, at weir.Micros) string {
	var room [128]byte
	b := append(room[:0], attendedPrefix...)
	b = append(b, user...)
	b = append(b, ':')
	return string(at.Time().AppendFormat(b, time.DateOnly))
}

// ImpressionID is the id of the touchpoint that an item is, which is named by
// kind and id: "postview:pv-1".
func ImpressionID(item string) string { return impressionPrefix + item }

// PublicID is a session's id as outsiders see it: as sent, or readable, as
// "derived:u-1:2026-10-01T13:00:00Z".
func PublicID(id string) string { return strings.TrimPrefix(id, reserved) }
