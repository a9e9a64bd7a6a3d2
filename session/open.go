package session

import (
	"cmp"
	"slices"

	"github.com/weirhq/weir"
)

// Open is the session, among those of a person, that an event of a server belongs
// to: one that has started by its time and has not ended longer ago than the gap;
// of several the one that started last, or else has the smaller id. It is nil if
// there is none. Only what a client did counts: sessions that are Sent or Derived.
func Open(sessions []*weir.Session, at weir.Micros, opts Options) *weir.Session {
	var open *weir.Session
	for _, s := range sessions {
		if isVisit(s) && s.StartedAt <= at && at <= s.EndedAt+opts.Idle() && (open == nil || compareStart(s, open) > 0) {
			open = s
		}
	}
	return open
}

func isVisit(s *weir.Session) bool {
	return (s.Origin == weir.Sent || s.Origin == weir.Derived) && len(s.Points) > 0
}

// compareStart orders sessions so that of two which are open the greater counts.
func compareStart(a, b *weir.Session) int {
	return cmp.Or(cmp.Compare(a.StartedAt, b.StartedAt), cmp.Compare(b.ID, a.ID))
}

// Attend answers for every point of the pools what Open answers for its time,
// given all sessions of the person. A stretch never reaches beyond the points of
// its pool, so that events whose pool is not given stay where they are.
func Attend(pools, sessions []*weir.Session, opts Options) []Move {
	type arrival struct {
		at   weir.Micros
		pool int
	}
	var arrivals []arrival
	for i, pool := range pools {
		for _, p := range pool.Points {
			arrivals = append(arrivals, arrival{p.At, i})
		}
	}
	slices.SortFunc(arrivals, func(a, b arrival) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.pool, b.pool)) })
	visits := make([]*weir.Session, 0, len(sessions))
	for _, s := range sessions {
		if isVisit(s) {
			visits = append(visits, s)
		}
	}
	slices.SortFunc(visits, compareStart)

	// started are the visits that have started, the latest on top. One that is found
	// to be over stays so, as time only advances.
	var started []*weir.Session
	var moves []Move
	last := make([]int, len(pools)) // 1 + place of the pool's latest move
	for _, a := range arrivals {
		for len(visits) > 0 && visits[0].StartedAt <= a.at {
			started, visits = append(started, visits[0]), visits[1:]
		}
		for len(started) > 0 && started[len(started)-1].EndedAt+opts.Idle() < a.at {
			started = started[:len(started)-1]
		}
		var open *weir.Session
		if len(started) > 0 {
			open = started[len(started)-1]
		}
		if n := last[a.pool]; n > 0 && moves[n-1].Session == open {
			moves[n-1].To = a.at
			continue
		}
		moves = append(moves, Move{Owner: pools[a.pool].Owner, From: a.at, To: a.at, Session: open})
		last[a.pool] = len(moves)
	}
	return moves
}
