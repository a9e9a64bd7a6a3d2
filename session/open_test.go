package session_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/session"
)

func visit(t testing.TB, id string, origin weir.Origin, times ...string) *weir.Session {
	s := scratch(t, times...)
	s.ID, s.Origin = id, origin
	return s
}

func TestExampleEventOfAServerIsInTheSessionThatIsOpen(t *testing.T) {
	morning := visit(t, "s1", weir.Derived, "09:00", "09:20")
	noon := visit(t, "s2", weir.Sent, "12:00", "12:40")
	within := visit(t, "s3", weir.Sent, "12:10", "12:15")
	twin := visit(t, "s4", weir.Derived, "12:10")
	sessions := []*weir.Session{
		{ID: "empty", Origin: weir.Sent}, noon, twin, morning, within,
		visit(t, "pool", weir.Attended, "10:00"), visit(t, "postview", weir.Impression, "10:00"),
	}
	for _, c := range []struct {
		at   string
		want *weir.Session
	}{
		{"08:59", nil}, {"09:00", morning}, {"09:50", morning}, {"09:51", nil}, {"10:00", nil},
		{"12:05", noon}, {"12:10", within}, {"12:45", within}, {"12:46", noon}, {"13:10", noon}, {"13:11", nil},
	} {
		before := noon.EndedAt
		if got := session.Open(sessions, clock(t, c.at), session.Options{}); got != c.want {
			t.Errorf("at %s: %+v, want %+v", c.at, got, c.want)
		}
		if noon.EndedAt != before {
			t.Errorf("an event of a server stretched a session")
		}
	}
	if got := session.Open(sessions, clock(t, "12:59"), session.Options{Gap: 10 * minute}); got != nil {
		t.Errorf("with a gap of 10 minutes: %+v", got)
	}
}

func TestAttendMovesWholeStretches(t *testing.T) {
	visits := []*weir.Session{visit(t, "s", weir.Sent, "12:00", "12:40")}
	pool := visit(t, "pool", weir.Attended, "11:00", "11:30", "12:10", "12:50", "14:00")
	pool.Owner = 3
	next := visit(t, "pool of the next day", weir.Attended, "+1 09:00")
	next.Owner = 3
	want := []session.Move{
		{Owner: 3, From: clock(t, "11:00"), To: clock(t, "11:30")},
		{Owner: 3, From: clock(t, "12:10"), To: clock(t, "12:50"), Session: visits[0]},
		{Owner: 3, From: clock(t, "14:00"), To: clock(t, "14:00")},
		{Owner: 3, From: clock(t, "+1 09:00"), To: clock(t, "+1 09:00")},
	}
	if got := session.Attend([]*weir.Session{pool, next}, visits, session.Options{}); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestAttendAnswersAsOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := session.Options{Gap: weir.Micros(rapid.IntRange(1, 12).Draw(t, "gap"))}
		draw := func(name string, id func(i int) string, most int) []*weir.Session {
			var all []*weir.Session
			for i := range rapid.IntRange(0, most).Draw(t, name) {
				s := &weir.Session{ID: id(i), Owner: uint32(i%2 + 1), Origin: weir.Origin(rapid.IntRange(0, 3).Draw(t, "origin"))}
				for k := range rapid.IntRange(0, 6).Draw(t, "points") {
					session.Put(s, weir.Point{Item: uint64(k), At: weir.Micros(rapid.IntRange(1, 60).Draw(t, "at"))})
				}
				all = append(all, s)
			}
			return all
		}
		letter := func(i int) string { return string(rune('a' + i)) }
		sessions, pools := draw("sessions", letter, 6), draw("pools", letter, 2) // one pool per owner
		for i := range pools {
			pools[i].Owner = uint32(i + 1)
		}
		moves := session.Attend(pools, sessions, opts)
		for _, pool := range pools {
			for _, p := range pool.Points {
				var answers []*weir.Session
				for _, m := range moves {
					if m.Owner == pool.Owner && m.From <= p.At && p.At <= m.To {
						answers = append(answers, m.Session)
					}
				}
				if want := session.Open(sessions, p.At, opts); len(answers) != 1 || answers[0] != want {
					t.Fatalf("at %d: %+v, want %+v", p.At, answers, want)
				}
			}
		}
	})
}
