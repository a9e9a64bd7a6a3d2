package session_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/session"
)

// clock reads "15:04", or "+1 15:04" of the next day.
func clock(t testing.TB, text string) weir.Micros {
	day := 1
	if rest, ok := strings.CutPrefix(text, "+1 "); ok {
		day, text = 2, rest
	}
	at, err := time.Parse("2006-01-02 15:04", fmt.Sprintf("2026-10-%02d %s", day, text))
	if err != nil {
		t.Fatal(err)
	}
	return weir.MicrosOf(at)
}

// scratch is a session with a point at each time, numbered from 1.
func scratch(t testing.TB, times ...string) *weir.Session {
	s := &weir.Session{}
	for i, at := range times {
		session.Put(s, weir.Point{Item: uint64(i + 1), At: clock(t, at)})
	}
	return s
}

// derive cuts, and gives numbers as the pipeline would: the next free ones.
func derive(existing []*weir.Session, opts session.Options) session.Derivation {
	d := session.Derive("u", 7, "w", existing, opts)
	next := uint32(1)
	for _, s := range slices.Concat(existing, d.Sessions) {
		next = max(next, s.Number+1)
	}
	for _, s := range d.Sessions {
		if s.Number == 0 {
			s.Number = next
			next++
		}
	}
	return d
}

func lengths(of []*weir.Session) []float64 {
	var minutes []float64
	for _, s := range of {
		minutes = append(minutes, session.Duration(s)/60)
	}
	return minutes
}

func TestExampleTwoSessionsOf10And35Minutes(t *testing.T) {
	d := derive([]*weir.Session{scratch(t, "13:00", "13:10", "13:50", "14:10", "14:25")}, session.Options{})
	if got := lengths(d.Sessions); !slices.Equal(got, []float64{10, 35}) {
		t.Errorf("sessions of %v minutes", got)
	}
	if s := d.Sessions[1]; session.PublicID(s.ID) != "derived:u:2026-10-01T13:50:00Z" || s.Origin != weir.Derived || s.Owner != 7 || s.User != "u" || s.Workspace != "w" {
		t.Errorf("session: %+v", s)
	}
	if len(d.Changed) != 2 || len(d.Gone) != 0 {
		t.Errorf("%d changed, %d gone", len(d.Changed), len(d.Gone))
	}
}

func TestExampleNoSplitAtMidnight(t *testing.T) {
	d := derive([]*weir.Session{scratch(t, "23:30", "23:50", "+1 00:05", "+1 00:10")}, session.Options{})
	if got := lengths(d.Sessions); !slices.Equal(got, []float64{40}) {
		t.Errorf("sessions of %v minutes", got)
	}
}

func TestExampleGapOf30MinutesIsStillOneVisit(t *testing.T) {
	s := scratch(t, "13:00", "13:30")
	session.Put(s, weir.Point{Item: 9, At: clock(t, "14:00") + 1})
	d := derive([]*weir.Session{s}, session.Options{})
	if got := lengths(d.Sessions); !slices.Equal(got, []float64{30, 0}) {
		t.Errorf("sessions of %v minutes", got)
	}
}

func TestExampleLateEventJoinsTwoRuns(t *testing.T) {
	stored := derive([]*weir.Session{scratch(t, "13:00", "13:10", "13:50", "14:10")}, session.Options{}).Sessions
	first, later := stored[0], stored[1]
	at := clock(t, "13:30")
	near := session.Near(stored, at, session.Options{})
	session.Put(near, weir.Point{Item: 9, At: at})
	d := derive(stored, session.Options{})
	if got := lengths(d.Sessions); !slices.Equal(got, []float64{70}) {
		t.Fatalf("sessions of %v minutes", got)
	}
	if d.Sessions[0] != first || first.Number != 1 || !slices.Equal(d.Changed, []*weir.Session{first}) || !slices.Equal(d.Gone, []*weir.Session{later}) {
		t.Errorf("%+v", d)
	}
	if want := []session.Move{{Owner: 7, From: at, To: clock(t, "14:10"), Session: first}}; !slices.Equal(d.Moves, want) {
		t.Errorf("moves %+v, want %+v", d.Moves, want)
	}
}

func TestRemovedEventPartsARun(t *testing.T) {
	stored := derive([]*weir.Session{scratch(t, "13:00", "13:25", "13:50", "14:00")}, session.Options{}).Sessions
	session.Remove(stored[0], 2)
	d := derive(stored, session.Options{})
	if got := lengths(d.Sessions); !slices.Equal(got, []float64{0, 10}) || d.Sessions[0].Number != 1 || d.Sessions[1].Number != 2 {
		t.Fatalf("sessions of %v minutes: %+v", got, d.Sessions)
	}
	if want := []session.Move{{Owner: 7, From: clock(t, "13:50"), To: clock(t, "14:00"), Session: d.Sessions[1]}}; !slices.Equal(d.Moves, want) {
		t.Errorf("moves %+v, want %+v", d.Moves, want)
	}
}

func TestEarlierStartIsAnotherDocument(t *testing.T) {
	stored := derive([]*weir.Session{scratch(t, "13:20", "13:30")}, session.Options{}).Sessions
	session.Put(stored[0], weir.Point{Item: 9, At: clock(t, "13:00")})
	old := stored[0].ID
	d := derive(stored, session.Options{})
	if len(d.Gone) != 1 || d.Gone[0].ID != old || len(d.Changed) != 1 || d.Changed[0].Number != 1 || d.Changed[0].ID != session.DerivedID("u", clock(t, "13:00")) {
		t.Errorf("%+v", d)
	}
	if len(d.Moves) != 0 {
		t.Errorf("the number stayed, and yet %+v", d.Moves)
	}
}

func TestExampleThePastIsRedefinedWithAnotherGap(t *testing.T) {
	stored := derive([]*weir.Session{scratch(t, "13:00", "13:10", "13:50", "14:10", "14:25")}, session.Options{}).Sessions
	wide := derive(stored, session.Options{Gap: 60 * minute})
	if got := lengths(wide.Sessions); !slices.Equal(got, []float64{85}) {
		t.Errorf("gap of an hour: sessions of %v minutes", got)
	}
	narrow := derive(wide.Sessions, session.Options{Gap: 15 * minute})
	if got := lengths(narrow.Sessions); !slices.Equal(got, []float64{10, 0, 15}) {
		t.Errorf("gap of 15 minutes: sessions of %v minutes", got)
	}
	if again := derive(narrow.Sessions, session.Options{Gap: 15 * minute}); len(again.Changed)+len(again.Gone)+len(again.Moves) != 0 {
		t.Errorf("a second time: %+v", again)
	}
}

func TestExampleCampaignChangeSplits(t *testing.T) {
	s := scratch(t, "13:00", "13:05", "13:10", "13:15", "13:20")
	for i, campaign := range []string{"", "spring", "", "spring", "summer"} {
		if campaign != "" {
			p := s.Points[i]
			p.Source = []weir.Property{{Name: "utm_campaign", Value: weir.Text(campaign)}, {Name: "utm_source", Value: weir.Text("news")}}
			session.Put(s, p)
		}
	}
	d := derive([]*weir.Session{s}, session.Options{SplitOnCampaign: true})
	if got := lengths(d.Sessions); !slices.Equal(got, []float64{15, 0}) {
		t.Fatalf("sessions of %v minutes", got)
	}
	for i, want := range []string{"spring", "summer"} {
		if got, _ := d.Sessions[i].Fields.Get("utm_campaign"); got.Str != want {
			t.Errorf("session %d has campaign %q, want %q", i, got.Str, want)
		}
	}
	if whole := derive(d.Sessions, session.Options{}); len(whole.Sessions) != 1 {
		t.Errorf("without the option: %d sessions", len(whole.Sessions))
	}
}

func TestItemWithSeveralPointsIsTakenOnce(t *testing.T) {
	stored := derive([]*weir.Session{scratch(t, "13:00", "13:10")}, session.Options{}).Sessions
	added := &weir.Session{}
	session.Put(added, weir.Point{Item: 2, At: clock(t, "15:00")})
	d := derive(append(stored, added), session.Options{})
	if len(d.Sessions) != 2 || len(d.Sessions[0].Points) != 1 || d.Sessions[1].StartedAt != clock(t, "15:00") || len(d.Changed) != 2 {
		t.Errorf("%+v", d.Sessions)
	}
	again := &weir.Session{}
	session.Put(again, weir.Point{Item: 2, At: clock(t, "15:00")})
	if d = derive(append(d.Sessions, again), session.Options{}); len(d.Sessions) != 2 || len(d.Changed)+len(d.Gone) != 0 {
		t.Errorf("a repeat changed %+v", d.Changed)
	}
}

// store is a model of what keeps sessions and event rows of one identity.
type store struct {
	sessions map[string]*weir.Session
	rows     map[uint64]row // by item
	last     uint32         // number given
}

type row struct {
	at      weir.Micros
	session uint32
}

func clone(s *weir.Session) *weir.Session {
	c := *s
	c.Fields, c.Points = s.Fields.Clone(), slices.Clone(s.Points)
	return &c
}

// load lists copies of the sessions in a stretch.
func (s *store) load(from, to weir.Micros) []*weir.Session {
	var found []*weir.Session
	for _, x := range s.sessions {
		if x.EndedAt >= from && x.StartedAt <= to {
			found = append(found, clone(x))
		}
	}
	slices.SortFunc(found, func(a, b *weir.Session) int { return cmp.Compare(a.ID, b.ID) })
	return found
}

// apply does what the pipeline does with a derivation.
func (s *store) apply(t *rapid.T, d session.Derivation, touched []*weir.Session) {
	for _, x := range d.Sessions {
		if x.Number == 0 {
			s.last++
			x.Number = s.last
		}
	}
	for _, x := range d.Gone {
		if s.sessions[x.ID] == nil {
			t.Fatalf("%q is gone and was never there", x.ID)
		}
		delete(s.sessions, x.ID)
	}
	for _, x := range d.Sessions {
		if slices.Contains(d.Changed, x) || slices.Contains(touched, x) {
			s.sessions[x.ID] = clone(x)
		}
	}
	for _, m := range d.Moves {
		for item, r := range s.rows {
			if m.From <= r.at && r.at <= m.To {
				s.rows[item] = row{r.at, m.Session.Number}
			}
		}
	}
}

// change takes a point out and puts another in, as the pipeline does.
func (s *store) change(t *rapid.T, item uint64, point *weir.Point, opts session.Options) {
	from, to := weir.Micros(math.MaxInt64), weir.Micros(0)
	widen := func(at weir.Micros) {
		f, e := session.Reach(at, nil, opts)
		f, e = session.Reach(at, s.load(f, e), opts)
		from, to = min(from, f), max(to, e)
	}
	if old, ok := s.rows[item]; ok {
		widen(old.at)
	}
	if point != nil {
		widen(point.At)
	}
	loaded := s.load(from, to)
	var touched []*weir.Session
	for _, x := range loaded {
		if session.Remove(x, item) {
			touched = append(touched, x)
		}
	}
	delete(s.rows, item)
	if point != nil {
		near := session.Near(loaded, point.At, opts)
		if near == nil || rapid.Bool().Draw(t, "scratch") {
			near = &weir.Session{}
			loaded = append(loaded, near)
		}
		session.Put(near, *point)
		touched = append(touched, near)
		s.rows[item] = row{point.At, near.Number}
	}
	s.apply(t, session.Derive("u", 7, "w", loaded, opts), touched)
}

// check compares the store with what all points at once give.
func (s *store) check(t *rapid.T, points map[uint64]weir.Point, opts session.Options) {
	all := &weir.Session{}
	for _, p := range points {
		session.Put(all, p)
	}
	want := session.Derive("u", 7, "w", []*weir.Session{all}, opts).Sessions
	if len(want) != len(s.sessions) {
		t.Fatalf("%d sessions, want %d", len(s.sessions), len(want))
	}
	numbers := map[uint32]bool{}
	for _, w := range want {
		got := s.sessions[w.ID]
		if got == nil {
			t.Fatalf("no session %q", w.ID)
		}
		if got.Number == 0 || numbers[got.Number] {
			t.Fatalf("number %d is given twice or not at all", got.Number)
		}
		numbers[got.Number] = true
		if a, b := describe(got), describe(w); a != b {
			t.Fatalf("%s\n%s", a, b)
		}
		for _, p := range w.Points {
			if r := s.rows[p.Item]; r.session != got.Number {
				t.Fatalf("the row of item %d has session %d, want %d", p.Item, r.session, got.Number)
			}
		}
	}
}

// describe is all of a session but its number.
func describe(s *weir.Session) string {
	c := *s
	c.Number = 0
	fields, _ := s.Fields.MarshalJSON()
	c.Fields = weir.Fields{}
	return fmt.Sprintf("%+v %s", c, fields)
}

func TestRunsAreAFunctionOfThePoints(t *testing.T) {
	const base = weir.Micros(1790859600e6)
	rapid.Check(t, func(t *rapid.T) {
		opts := session.Options{Gap: 10, SplitOnCampaign: rapid.Bool().Draw(t, "campaigns")}
		s := &store{sessions: map[string]*weir.Session{}, rows: map[uint64]row{}}
		points := map[uint64]weir.Point{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			item := rapid.Uint64Range(1, 14).Draw(t, "item")
			if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				delete(points, item)
				s.change(t, item, nil, opts)
			} else {
				p := weir.Point{Item: item, At: base + weir.Micros(rapid.IntRange(0, 90).Draw(t, "at"))}
				if campaign := rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "campaign"); campaign != "" {
					p.Source = []weir.Property{{Name: "utm_campaign", Value: weir.Text(campaign)}}
				}
				points[item] = p
				s.change(t, item, &p, opts)
			}
			s.check(t, points, opts)
		}
		opts.Gap = weir.Micros(rapid.IntRange(1, 30).Draw(t, "gap"))
		opts.SplitOnCampaign = !opts.SplitOnCampaign
		s.apply(t, session.Derive("u", 7, "w", s.load(0, math.MaxInt64), opts), nil)
		s.check(t, points, opts)
	})
}

func BenchmarkNextPoint(b *testing.B) {
	for _, n := range []int{10, 100, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := &weir.Session{}
			for i := range n {
				session.Put(s, weir.Point{Item: uint64(i) * 0x9e3779b97f4a7c15, At: weir.Micros(1790859600e6) + weir.Micros(i)*second})
			}
			stored := derive([]*weir.Session{s}, session.Options{}).Sessions
			p := weir.Point{Item: 5, At: stored[0].EndedAt + second}
			b.ReportAllocs()
			for b.Loop() {
				session.Put(session.Near(stored, p.At, session.Options{}), p)
				session.Derive("u", 7, "w", stored, session.Options{})
				session.Remove(stored[0], 5)
			}
		})
	}
}
