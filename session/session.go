// Package session holds the rules of SEMANTICS §4 for sessions that their
// client describes: what is said of a session id, by many items and in any
// order, becomes one session.
package session

import (
	"github.com/weirhq/weir"
)

// Duration is capped at three hours: a page left open says nothing more.
const maxDuration = 3 * 60 * 60

// Said is what one item says of a session.
type Said struct {
	Part  *weir.Part
	Stamp weir.Stamp
	User  string      // who the item is of
	At    weir.Micros // time of the item
}

// Apply merges what an item says into a session and reports whether the session
// must be stored. It is commutative and idempotent.
func Apply(s *weir.Session, said Said) bool {
	before := *s
	started := said.Part.CreatedAt
	if started == 0 {
		started = said.At
	}
	if s.StartedAt == 0 || started < s.StartedAt {
		s.StartedAt = started
	}
	s.LastSeen = max(s.LastSeen, said.At)
	fields := make([]weir.Property, 0, len(said.Part.Fields)+2)
	for _, f := range said.Part.Fields {
		if f.Name == "duration" && f.Value.Type == weir.Number {
			f.Value.Num = min(max(f.Value.Num, 0), maxDuration)
		}
		fields = append(fields, f)
	}
	fields = append(fields, weir.Property{Name: "user_external_id", Value: weir.Text(said.User)})
	if said.Part.DeviceID != "" {
		fields = append(fields, weir.Property{Name: "device_external_id", Value: weir.Text(said.Part.DeviceID)})
	}
	written, _ := s.Fields.Write(said.Stamp, fields...)
	s.User, s.Device = text(s.Fields, "user_external_id"), text(s.Fields, "device_external_id")
	return written || s.StartedAt != before.StartedAt || s.LastSeen != before.LastSeen
}

// Duration is the session's length in seconds: from its first to its last item,
// or what its client measured if that is longer.
func Duration(s *weir.Session) float64 {
	seconds := float64(s.LastSeen-s.StartedAt) / 1e6
	if said, ok := s.Fields.Get("duration"); ok && said.Type == weir.Number {
		seconds = max(seconds, said.Num)
	}
	return min(max(seconds, 0), maxDuration)
}

func text(f weir.Fields, name string) string {
	v, _ := f.Get(name)
	return v.String()
}
