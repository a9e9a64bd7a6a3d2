// Package session holds the rules of SEMANTICS §4: what is said of a session id
// and the items that name it become one session; items of an identity that name
// none become runs; and events of servers find the session that was open.
//
// All of it is a function of what is said and of the points, never of the order
// or the number of arrivals. Functions change the sessions that they are given,
// and nothing else; none may be used for one session by two goroutines.
package session

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// Options are a workspace's rules for sessions. The zero Options are the default.
type Options struct {
	// Gap is how long a person may be silent within a visit, inclusive; 0 means 30
	// minutes.
	Gap weir.Micros
	// SplitOnCampaign starts a derived session anew where another utm_campaign
	// brings the person than the one before.
	SplitOnCampaign bool
}

// Idle is Gap with its default.
func (o Options) Idle() weir.Micros {
	if o.Gap <= 0 {
		return 30 * 60 * 1e6
	}
	return o.Gap
}

// Whom a session belongs to is kept among its fields, as they are merged alike,
// under names that no field which Say accepts can have.
const (
	reserved = "\x00"
	userName = reserved + "user"
	unitName = reserved + "device"
)

// Said is what one item says of a session.
type Said struct {
	Part  *weir.Part
	Stamp weir.Stamp
	User  string // whom the item is of; "" says nothing
}

// Say merges what an item says into a session and reports whether the session
// must be stored. The last writer of a field wins, and of the user and the device
// too, whatever fields the item has. Times are no matter of Say: a session's come
// from its points.
func Say(s *weir.Session, said Said) bool {
	written := false
	write := func(p weir.Property) {
		w, _ := s.Fields.Write(said.Stamp, p)
		written = written || w
	}
	for _, p := range said.Part.Fields {
		if strings.HasPrefix(p.Name, reserved) {
			continue
		}
		if p.Name == "duration" && p.Value.Type == weir.Number {
			p.Value.Num = min(max(p.Value.Num, 0), longest)
		}
		write(p)
	}
	if said.User != "" {
		write(weir.Property{Name: userName, Value: weir.Text(said.User)})
	}
	if said.Part.DeviceID != "" {
		write(weir.Property{Name: unitName, Value: weir.Text(said.Part.DeviceID)})
	}
	s.User, s.Device = text(s, userName), text(s, unitName)
	return written
}

// Properties lists what is said of a session for people to see: its fields that
// are set, sorted by name.
func Properties(s *weir.Session) []weir.Property {
	all := s.Fields.Properties()
	hidden := 0
	for hidden < len(all) && strings.HasPrefix(all[hidden].Name, reserved) {
		hidden++
	}
	return all[hidden:]
}

func text(s *weir.Session, name string) string {
	v, _ := s.Fields.Get(name)
	return v.Str
}

// Put gives a session a point, in place of the one that its item had there, and
// reports whether that changed anything.
func Put(s *weir.Session, p weir.Point) bool {
	i, found := slices.BinarySearchFunc(s.Points, p.Item, compareItem)
	if !found {
		s.Points = slices.Insert(s.Points, i, p)
		if len(s.Points) == 1 {
			s.StartedAt, s.EndedAt = begun(p), p.At
			return true
		}
		s.StartedAt, s.EndedAt = min(s.StartedAt, begun(p)), max(s.EndedAt, p.At)
		return true
	}
	if samePoint(s.Points[i], p) {
		return false
	}
	s.Points[i] = p
	measure(s)
	return true
}

// Remove takes an item's point out of a session and reports whether it had one.
func Remove(s *weir.Session, item uint64) bool {
	i, found := slices.BinarySearchFunc(s.Points, item, compareItem)
	if !found {
		return false
	}
	p := s.Points[i]
	s.Points = slices.Delete(s.Points, i, i+1)
	if begun(p) == s.StartedAt || p.At == s.EndedAt {
		measure(s)
	}
	return true
}

// measure sets a session's times from its points; without one they are zero.
func measure(s *weir.Session) {
	s.StartedAt, s.EndedAt = 0, 0
	for i, p := range s.Points {
		if i == 0 || begun(p) < s.StartedAt {
			s.StartedAt = begun(p)
		}
		if i == 0 || p.At > s.EndedAt {
			s.EndedAt = p.At
		}
	}
}

func begun(p weir.Point) weir.Micros { return p.At - max(p.Lead, 0) }

func compareItem(p weir.Point, item uint64) int { return cmp.Compare(p.Item, item) }

func samePoint(a, b weir.Point) bool {
	return a.Item == b.Item && a.At == b.At && a.Lead == b.Lead && a.Flags == b.Flags && slices.Equal(a.Source, b.Source)
}
