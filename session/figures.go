package session

import "github.com/weirhq/weir"

// longest caps a session's length, in seconds: a page that is left open for
// longer says nothing more.
const longest = 3 * 60 * 60

// mostSaid bounds what a client's counter may claim.
const mostSaid = 1 << 31

// A person who does one thing and is gone within so many seconds has bounced.
const bounce = 10

// Duration is a session's length in seconds, from its start to its last point, or
// what its client measured if that is longer; at most three hours.
func Duration(s *weir.Session) float64 {
	seconds := float64(s.EndedAt-s.StartedAt) / 1e6
	return min(max(seconds, said(s, "duration")), longest)
}

// Pageviews counts the pages and screens that were viewed in a session, as its
// points or its client say, whichever is more.
func Pageviews(s *weir.Session) int {
	return max(count(s, weir.PointPageview), int(said(s, "pageviews_count")))
}

// Interactions counts what a person did in a session, page views included, as its
// points or its client say, whichever is more.
func Interactions(s *weir.Session) int {
	return max(count(s, weir.PointInteractive), int(said(s, "interactions_count")))
}

// Bounced reports whether a session had no more than one interactive event and
// took less than 10 seconds.
func Bounced(s *weir.Session) bool {
	return Interactions(s) <= 1 && Duration(s) < bounce
}

func count(s *weir.Session, flag weir.PointFlags) int {
	n := 0
	for i := range s.Points {
		if s.Points[i].Flags&flag != 0 {
			n++
		}
	}
	return n
}

// said is a number that the client gave, or 0.
func said(s *weir.Session, name string) float64 {
	v, ok := s.Fields.Get(name)
	if !ok || v.Type != weir.Number {
		return 0
	}
	return min(max(v.Num, 0), mostSaid)
}
