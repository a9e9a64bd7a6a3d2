package session_test

import (
	"cmp"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/session"
)

const (
	second = weir.Micros(1e6)
	minute = 60 * second
)

func TestNewestVersionStays(t *testing.T) {
	s := weir.Session{ID: "s"}
	said := func(at weir.Micros, pages float64) session.Said {
		return session.Said{
			Part:  &weir.Part{ID: "s", DeviceID: "d", Fields: []weir.Property{{Name: "pageviews_count", Value: weir.Num(pages)}}},
			Stamp: weir.Stamp{At: at, Item: "i"}, User: "u",
		}
	}
	if !session.Say(&s, said(130*second, 2)) {
		t.Error("the first changed nothing")
	}
	if session.Say(&s, said(110*second, 1)) || session.Say(&s, said(130*second, 2)) {
		t.Error("an older version or a repeated one changed the session")
	}
	if session.Pageviews(&s) != 2 || s.User != "u" || s.Device != "d" || s.StartedAt != 0 {
		t.Errorf("session: %+v", s)
	}
}

func TestNoFieldNamesTheUserOrTheDevice(t *testing.T) {
	s := weir.Session{}
	session.Say(&s, session.Said{Part: &weir.Part{DeviceID: "d"}, Stamp: weir.Stamp{At: 1}, User: "u"})
	var fields []weir.Property
	for _, name := range []string{"user_external_id", "device_external_id", "\x00user", "\x00device", "utm_source"} {
		fields = append(fields, weir.Property{Name: name, Value: weir.Text("other")})
	}
	session.Say(&s, session.Said{Part: &weir.Part{Fields: fields}, Stamp: weir.Stamp{At: 2}})
	if s.User != "u" || s.Device != "d" {
		t.Errorf("belongs to %q and %q", s.User, s.Device)
	}
	var names []string
	for _, p := range session.Properties(&s) {
		names = append(names, p.Name)
	}
	if want := []string{"device_external_id", "user_external_id", "utm_source"}; !slices.Equal(names, want) {
		t.Errorf("properties %q, want %q", names, want)
	}
}

func TestOrderOfWhatIsSaidDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) session.Said {
			return session.Said{
				Part: &weir.Part{
					DeviceID: rapid.SampledFrom([]string{"", "d1", "d2"}).Draw(t, "device"),
					Fields:   []weir.Property{{Name: "utm_source", Value: rapid.SampledFrom([]weir.Value{{}, weir.Text("a"), weir.Text("b")}).Draw(t, "source")}},
				},
				Stamp: weir.Stamp{At: weir.Micros(rapid.IntRange(1, 5).Draw(t, "at")), Item: rapid.SampledFrom([]string{"i", "j"}).Draw(t, "item")},
				User:  rapid.SampledFrom([]string{"", "u", "v"}).Draw(t, "user"),
			}
		}), 1, 6).Draw(t, "said")
		var inOrder, shuffled weir.Session
		for _, x := range said {
			session.Say(&inOrder, x)
		}
		for range 2 { // and each twice
			for _, i := range rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2)).Perm(len(said)) {
				session.Say(&shuffled, said[i])
			}
		}
		if !reflect.DeepEqual(inOrder, shuffled) {
			t.Fatalf("%+v\n%+v", inOrder, shuffled)
		}
	})
}

func TestPointsAreAsIfNoneHadGone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s weir.Session
		want := map[uint64]weir.Point{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			p := weir.Point{
				Item: rapid.Uint64Range(1, 6).Draw(t, "item"),
				At:   weir.Micros(rapid.IntRange(100, 110).Draw(t, "at")),
				Lead: weir.Micros(rapid.IntRange(-2, 9).Draw(t, "lead")),
			}
			old, known := want[p.Item]
			if rapid.Bool().Draw(t, "remove") {
				delete(want, p.Item)
				if session.Remove(&s, p.Item) != known {
					t.Fatalf("removing item %d: known %v", p.Item, known)
				}
			} else {
				want[p.Item] = p
				if session.Put(&s, p) != (!known || !reflect.DeepEqual(old, p)) {
					t.Fatalf("putting %+v for %+v", p, old)
				}
			}
			var started, ended weir.Micros
			for _, p := range want {
				begun := p.At - max(p.Lead, 0)
				if started == 0 || begun < started {
					started = begun
				}
				ended = max(ended, p.At)
			}
			if len(s.Points) != len(want) || s.StartedAt != started || s.EndedAt != ended {
				t.Fatalf("%+v, want %d points from %d to %d", s, len(want), started, ended)
			}
			if !slices.IsSortedFunc(s.Points, func(a, b weir.Point) int { return cmp.Compare(a.Item, b.Item) }) {
				t.Fatalf("not sorted: %+v", s.Points)
			}
		}
	})
}

func TestDurationIsTheLongerOfBothAndCapped(t *testing.T) {
	for _, c := range []struct {
		name       string
		said, want float64
	}{{"shorter than seen", 5, 30}, {"longer than seen", 95, 95}, {"left open for a day", 86400, 10800}, {"negative", -3, 30}} {
		var s weir.Session
		session.Say(&s, session.Said{Part: &weir.Part{Fields: []weir.Property{{Name: "duration", Value: weir.Num(c.said)}}}})
		session.Put(&s, weir.Point{Item: 1, At: 31 * second, Lead: 30 * second})
		if got := session.Duration(&s); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestBouncedWithOneInteractiveEventAndLessThan10Seconds(t *testing.T) {
	page := weir.PointEvent | weir.PointPageview | weir.PointInteractive
	for _, c := range []struct {
		name         string
		points       []weir.Point
		said         []weir.Property
		pages, deeds int
		bounced      bool
	}{
		{"one page", []weir.Point{{At: second, Flags: page}}, nil, 1, 1, true},
		{"one page, and nobody did the rest", []weir.Point{{At: second, Flags: page}, {At: 10 * second, Flags: weir.PointEvent}}, nil, 1, 1, true},
		{"10 seconds", []weir.Point{{At: second, Flags: page}, {At: 11 * second, Flags: weir.PointEvent}}, nil, 1, 1, false},
		{"a page and a click", []weir.Point{{At: second, Flags: page}, {At: 2 * second, Flags: weir.PointInteractive}}, nil, 1, 2, false},
		{"its client measured more", []weir.Point{{At: second, Flags: page}}, []weir.Property{{Name: "duration", Value: weir.Num(10)}}, 1, 1, false},
		{"its client counted more", []weir.Point{{At: second, Flags: page}}, []weir.Property{{Name: "interactions_count", Value: weir.Num(2)}, {Name: "pageviews_count", Value: weir.Num(3)}}, 3, 2, false},
		{"its client counted less", []weir.Point{{At: second, Flags: page}, {At: second, Flags: page}}, []weir.Property{{Name: "interactions_count", Value: weir.Num(1)}, {Name: "pageviews_count", Value: weir.Num(-1)}}, 2, 2, false},
		{"its client counted nonsense", []weir.Point{{At: second, Flags: page}}, []weir.Property{{Name: "interactions_count", Value: weir.Text("2")}}, 1, 1, true},
	} {
		var s weir.Session
		session.Say(&s, session.Said{Part: &weir.Part{Fields: c.said}})
		for i, p := range c.points {
			p.Item = uint64(i)
			session.Put(&s, p)
		}
		if pages, deeds, bounced := session.Pageviews(&s), session.Interactions(&s), session.Bounced(&s); pages != c.pages || deeds != c.deeds || bounced != c.bounced {
			t.Errorf("%s: %d pages, %d interactions, bounced %v", c.name, pages, deeds, bounced)
		}
	}
}

func TestIDs(t *testing.T) {
	at := weir.Micros(1790859600e6) // 2026-10-01 13:00
	for id, want := range map[string]string{
		session.DerivedID("u-1", at):            "derived:u-1:2026-10-01T13:00:00Z",
		session.DerivedID("u-1", at+1):          "derived:u-1:2026-10-01T13:00:00.000001Z",
		session.PoolID("u-1", at):               "attended:u-1:2026-10-01",
		session.PoolID("u-1", at+11*60*minute):  "attended:u-1:2026-10-02",
		session.ImpressionID("postview:pv-1"):   "impression:postview:pv-1",
		"derived:u-1:2026-10-01T13:00:00Z(own)": "derived:u-1:2026-10-01T13:00:00Z(own)",
	} {
		if got := session.PublicID(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
	if id := session.DerivedID("u", at); id[0] != 0 || id == session.PublicID(id) {
		t.Errorf("%q could be a client's", id)
	}
}
