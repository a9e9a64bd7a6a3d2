package session_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/session"
)

const second = weir.Micros(1e6)

func TestMetricsOfTheNewestVersionStay(t *testing.T) {
	s := weir.Session{ID: "s"}
	said := func(at weir.Micros, pages float64) session.Said {
		return session.Said{
			Part:  &weir.Part{ID: "s", CreatedAt: 100 * second, DeviceID: "d", Fields: []weir.Property{{Name: "pageviews_count", Value: weir.Num(pages)}}},
			Stamp: weir.Stamp{At: at, Item: "i"}, User: "u", At: at,
		}
	}
	session.Apply(&s, said(130*second, 2))
	if session.Apply(&s, said(110*second, 1)) {
		t.Error("an older version changed the session")
	}
	if pages, _ := s.Fields.Get("pageviews_count"); pages.Num != 2 {
		t.Errorf("%v page views, want 2", pages.Num)
	}
	if s.StartedAt != 100*second || s.LastSeen != 130*second || s.User != "u" || s.Device != "d" {
		t.Errorf("session: %+v", s)
	}
	if d := session.Duration(&s); d != 30 {
		t.Errorf("lasts %v s, want 30", d)
	}
}

func TestDurationIsTheLongerOfBothAndCapped(t *testing.T) {
	for _, c := range []struct {
		name       string
		said, want float64
	}{{"shorter than seen", 5, 30}, {"longer than seen", 95, 95}, {"left open for a day", 86400, 10800}, {"negative", -3, 30}} {
		s := weir.Session{}
		session.Apply(&s, session.Said{Part: &weir.Part{CreatedAt: second, Fields: []weir.Property{{Name: "duration", Value: weir.Num(c.said)}}}, At: 31 * second})
		if got := session.Duration(&s); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) session.Said {
			at := weir.Micros(rapid.IntRange(1, 5).Draw(t, "at"))
			return session.Said{
				Part: &weir.Part{
					CreatedAt: weir.Micros(rapid.IntRange(0, 3).Draw(t, "created")),
					DeviceID:  rapid.SampledFrom([]string{"", "d1", "d2"}).Draw(t, "device"),
					Fields:    []weir.Property{{Name: "utm_source", Value: rapid.SampledFrom([]weir.Value{{}, weir.Text("a"), weir.Text("b")}).Draw(t, "source")}},
				},
				Stamp: weir.Stamp{At: at, Item: rapid.SampledFrom([]string{"i", "j"}).Draw(t, "item")},
				User:  rapid.SampledFrom([]string{"u", "v"}).Draw(t, "user"),
				At:    at,
			}
		}), 1, 6).Draw(t, "said")
		var inOrder, shuffled weir.Session
		for _, x := range said {
			session.Apply(&inOrder, x)
		}
		for range 2 { // and each twice
			for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(said)) {
				session.Apply(&shuffled, said[i])
			}
		}
		if !reflect.DeepEqual(inOrder, shuffled) {
			t.Fatalf("%+v\n%+v", inOrder, shuffled)
		}
	})
}
