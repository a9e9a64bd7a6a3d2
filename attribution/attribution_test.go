package attribution_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
)

func shipped(t testing.TB) *attribution.Channels {
	c, err := attribution.Default().Compile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// visit is a session that began at a time and came from a source and a medium,
// given as "google / cpc".
func visit(number uint32, at weir.Micros, from string) *weir.Session {
	s := &weir.Session{ID: fmt.Sprintf("s-%03d", number), Number: number, StartedAt: at, EndedAt: at}
	source, medium, _ := strings.Cut(from, " / ")
	s.Fields.Set(weir.Stamp{}, weir.Property{Name: "utm_source", Value: weir.Text(source)}, weir.Property{Name: "utm_medium", Value: weir.Text(medium)})
	return s
}

func impression(number uint32, at weir.Micros, from string) *weir.Session {
	s := visit(number, at, from)
	s.Origin = weir.Impression
	return s
}

func conversion(id string, at weir.Micros, value int64) *weir.Conversion {
	return &weir.Conversion{ID: "order:" + id, Goal: "order", At: at, Value: value}
}

// path shows the touches of a conversion: "2 Direct initiator".
func path(c *weir.Conversion) []string {
	out := []string{}
	for _, t := range c.Touches {
		out = append(out, fmt.Sprintf("%d %s %s", t.Session, t.Channel, t.Role))
	}
	return out
}

func numbers(c *weir.Conversion) []uint32 {
	out := []uint32{}
	for _, t := range c.Touches {
		out = append(out, t.Session)
	}
	return out
}

func TestRoles(t *testing.T) {
	visits := []*weir.Session{
		visit(1, noon-3*day, "google / cpc"), visit(2, noon-2*day, "newsletter / email"), visit(3, noon-day, "direct / none"), visit(4, noon, "bing / organic"),
	}
	for n, want := range map[int][]string{
		0: {},
		1: {"1 Paid Search alone"},
		2: {"1 Paid Search initiator", "2 Email closer"},
		3: {"1 Paid Search initiator", "2 Email assisting", "3 Direct closer"},
		4: {"1 Paid Search initiator", "2 Email assisting", "3 Direct assisting", "4 Organic Search closer"},
	} {
		c := conversion("1", noon, 100)
		attribution.Attribute([]*weir.Conversion{c}, visits[:n], shipped(t), attribution.Options{})
		if got := path(c); !slices.Equal(got, want) {
			t.Errorf("%d visits: %q; want %q", n, got, want)
		}
	}
}

// The credits of a touch are in the order of the models, and those of each model
// are what Credits says.
func TestCreditsOfTouches(t *testing.T) {
	c := conversion("1", noon, 1001)
	visits := []*weir.Session{visit(1, noon-9*day, "google / cpc"), visit(2, noon-2*day, "newsletter / email"), visit(3, noon-day, "direct / none")}
	options := attribution.Options{HalfLife: 2 * day}
	attribution.Attribute([]*weir.Conversion{c}, visits, shipped(t), options)
	for m, model := range attribution.Models() {
		want := attribution.Credits(1001, []weir.Micros{noon - 9*day, noon - 2*day, noon - day}, []bool{false, false, true}, noon, model, options.HalfLife)
		var got []int64
		for _, touch := range c.Touches {
			got = append(got, touch.Credits[m])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", model, got, want)
		}
	}
	if i := slices.Index(attribution.Models(), attribution.LastNonDirect); c.Touches[1].Credits[i] != 1001 {
		t.Errorf("the direct visit is not passed over: %+v", c.Touches)
	}
}

func TestLookback(t *testing.T) {
	for _, c := range []struct {
		name    string
		options attribution.Options
		before  weir.Micros
		counts  bool
	}{
		{"at the conversion", attribution.Options{}, 0, true},
		{"after it", attribution.Options{}, -1, false},
		{"30 days by default", attribution.Options{}, 30 * day, true},
		{"and no longer", attribution.Options{}, 30*day + 1, false},
		{"as set", attribution.Options{Lookback: 7 * day}, 7 * day, true},
		{"and no longer than set", attribution.Options{Lookback: 7 * day}, 7*day + 1, false},
	} {
		conv := conversion("1", noon, 100)
		attribution.Attribute([]*weir.Conversion{conv}, []*weir.Session{visit(1, noon-c.before, "a / b")}, shipped(t), c.options)
		if got := len(conv.Touches) == 1; got != c.counts {
			t.Errorf("%s: %v; want %v", c.name, got, c.counts)
		}
	}
}

func TestWindow(t *testing.T) {
	for _, c := range []struct{ lookback, want weir.Micros }{{0, 30 * day}, {-1, 30 * day}, {1, 1}, {90 * day, 90 * day}} {
		if got := (attribution.Options{Lookback: c.lookback}).Window(); got != c.want {
			t.Errorf("of %d: %d; want %d", c.lookback, got, c.want)
		}
	}
}

func TestAfterPrevious(t *testing.T) {
	visits := []*weir.Session{visit(1, noon-3*day, "a / b"), visit(2, noon-day, "a / b"), visit(3, noon+day, "a / b")}
	cancelled := func(c *weir.Conversion) *weir.Conversion { c.Cancelled = true; return c }
	goal := func(c *weir.Conversion) *weir.Conversion { c.Goal = "Sign up"; return c }
	for _, c := range []struct {
		name  string
		after bool
		given []*weir.Conversion
		want  [][]uint32
	}{
		{"every conversion has the whole look-back by default", false,
			[]*weir.Conversion{conversion("1", noon-2*day, 1), conversion("2", noon, 1)}, [][]uint32{{1}, {1, 2}}},
		{"only what came after the previous one", true,
			[]*weir.Conversion{conversion("1", noon-2*day, 1), conversion("2", noon, 1), conversion("3", noon+2*day, 1)}, [][]uint32{{1}, {2}, {3}}},
		{"a touch at the previous one is that one's", true,
			[]*weir.Conversion{conversion("1", noon-day, 1), conversion("2", noon, 1)}, [][]uint32{{1, 2}, {}}},
		{"of whatever goal", true,
			[]*weir.Conversion{goal(conversion("1", noon-2*day, 1)), conversion("2", noon, 1)}, [][]uint32{{1}, {2}}},
		{"a cancelled one is not previous", true,
			[]*weir.Conversion{cancelled(conversion("1", noon-2*day, 1)), conversion("2", noon, 1)}, [][]uint32{{}, {1, 2}}},
		{"of two at one instant none is previous", true,
			[]*weir.Conversion{conversion("1", noon-2*day, 1), conversion("2", noon, 1), conversion("3", noon, 1)}, [][]uint32{{1}, {2}, {2}}},
	} {
		attribution.Attribute(c.given, visits, shipped(t), attribution.Options{AfterPrevious: c.after})
		for i, conv := range c.given {
			if got := numbers(conv); !slices.Equal(got, c.want[i]) {
				t.Errorf("%s: conversion %d has %v; want %v", c.name, i+1, got, c.want[i])
			}
		}
	}
}

// Of impressions of the same source, medium and campaign the first within the
// look-back counts; visits all do.
func TestFirstImpressionOnly(t *testing.T) {
	sessions := []*weir.Session{
		impression(1, noon-40*day, "google / cpm"), // too long ago to be the first
		impression(2, noon-5*day, "google / cpm"),
		impression(3, noon-4*day, "Google / CPM"),
		impression(4, noon-3*day, "facebook / cpm"),
		visit(5, noon-3*day, "google / cpm"),
		visit(6, noon-2*day, "google / cpm"),
		impression(7, noon-1*day, "google / cpm"),
		impression(8, noon-1*day, "google / cpm"),
	}
	sessions[7].Fields.Set(weir.Stamp{}, weir.Property{Name: "utm_campaign", Value: weir.Text("spring")})
	c := conversion("1", noon, 100)
	attribution.Attribute([]*weir.Conversion{c}, sessions, shipped(t), attribution.Options{})
	if got := numbers(c); !slices.Equal(got, []uint32{2, 4, 5, 6, 8}) {
		t.Errorf("%v", got)
	}
}

func TestWhatIsNoTouchpoint(t *testing.T) {
	attended, empty := visit(1, noon-day, "a / b"), visit(2, 0, "a / b")
	attended.Origin = weir.Attended
	derived := visit(3, noon-day, "a / b")
	derived.Origin = weir.Derived
	c := conversion("1", noon, 100)
	attribution.Attribute([]*weir.Conversion{c}, []*weir.Session{attended, empty, derived}, shipped(t), attribution.Options{Lookback: 100 * 365 * day})
	if got := numbers(c); !slices.Equal(got, []uint32{3}) {
		t.Errorf("%v", got)
	}
}

func TestCancelledConversion(t *testing.T) {
	visits := []*weir.Session{visit(1, noon-day, "a / b")}
	one, other := conversion("1", noon, 100), conversion("2", noon, 100)
	both := []*weir.Conversion{one, other}
	attribution.Attribute(both, visits, shipped(t), attribution.Options{})
	whole := slices.Clone(one.Touches)
	one.Cancelled = true
	if changed := attribution.Attribute(both, visits, shipped(t), attribution.Options{}); len(changed) != 1 || changed[0] != one || len(one.Touches) != 0 {
		t.Errorf("cancelled: %d changed, %v", len(changed), path(one))
	}
	one.Cancelled = false
	if changed := attribution.Attribute(both, visits, shipped(t), attribution.Options{}); len(changed) != 1 || changed[0] != one || !reflect.DeepEqual(one.Touches, whole) {
		t.Errorf("taken back: %d changed, %v", len(changed), path(one))
	}
}

// Touches at one instant are in order of session id, whatever their numbers.
func TestTouchesAtOneInstant(t *testing.T) {
	a, b := visit(9, noon, "a / b"), visit(2, noon, "a / b")
	a.ID, b.ID = "a", "b"
	c := conversion("1", noon, 100)
	attribution.Attribute([]*weir.Conversion{c}, []*weir.Session{b, a}, shipped(t), attribution.Options{})
	if got := numbers(c); !slices.Equal(got, []uint32{9, 2}) {
		t.Errorf("%v", got)
	}
}

func TestMaxTouches(t *testing.T) {
	var visits []*weir.Session
	for i := range uint32(attribution.MaxTouches + 5) {
		visits = append(visits, visit(i+1, noon-day+weir.Micros(i), "a / b"))
	}
	c := conversion("1", noon, 12345)
	attribution.Attribute([]*weir.Conversion{c}, visits, shipped(t), attribution.Options{})
	got := numbers(c)
	if len(got) != attribution.MaxTouches || got[0] != 1 || got[1] != 7 || got[len(got)-1] != attribution.MaxTouches+5 {
		t.Errorf("%d touches from %v to %v", len(got), got[:2], got[len(got)-1])
	}
}

// A changed mapping changes the channels of touches, and a changed value their
// credits.
func TestChangedMappingAndValue(t *testing.T) {
	visits := []*weir.Session{visit(1, noon-2*day, "google / cpc"), visit(2, noon-day, "partner / x")}
	early, late := conversion("1", noon-day-1, 100), conversion("2", noon, 100)
	both := []*weir.Conversion{late, early}
	attribution.Attribute(both, visits, shipped(t), attribution.Options{})
	mapping := attribution.Default()
	mapping.Rules = append([]attribution.Rule{{Channel: "Partners", All: []attribution.Condition{{Field: attribution.FieldSource, Op: attribution.Equal, Value: "partner"}}}}, mapping.Rules...)
	channels, err := mapping.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if changed := attribution.Attribute(both, visits, channels, attribution.Options{}); len(changed) != 1 || changed[0] != late {
		t.Errorf("mapping: %d changed", len(changed))
	}
	if got := path(late); !slices.Equal(got, []string{"1 Paid Search initiator", "2 Partners closer"}) {
		t.Errorf("mapping: %q", got)
	}
	early.Value++
	if changed := attribution.Attribute(both, visits, channels, attribution.Options{}); len(changed) != 1 || changed[0] != early || early.Touches[0].Credits[0] != 101 {
		t.Errorf("value: %d changed, %+v", len(changed), early.Touches)
	}
}

// life is what a person did.
type life struct {
	conversions []*weir.Conversion
	sessions    []*weir.Session
	options     attribution.Options
}

func drawLife(t *rapid.T) life {
	// Few times, so that many are equal.
	at := rapid.Custom(func(t *rapid.T) weir.Micros { return noon + weir.Micros(rapid.IntRange(-15, 15).Draw(t, "days"))*day })
	l := life{options: attribution.Options{
		Lookback:      weir.Micros(rapid.IntRange(0, 10).Draw(t, "look-back")) * day,
		AfterPrevious: rapid.Bool().Draw(t, "after previous"),
	}}
	for i := range rapid.IntRange(0, 6).Draw(t, "conversions") {
		c := conversion(fmt.Sprint(i), at.Draw(t, "conversion"), rapid.Int64Range(-1000, 1000).Draw(t, "value"))
		c.Cancelled = rapid.IntRange(0, 4).Draw(t, "cancelled") == 0
		l.conversions = append(l.conversions, c)
	}
	for i := range rapid.IntRange(0, 10).Draw(t, "sessions") {
		s := visit(uint32(i+1), at.Draw(t, "session"), rapid.SampledFrom([]string{"direct / none", "google / cpc", "news / email"}).Draw(t, "from"))
		s.Origin = rapid.SampledFrom([]weir.Origin{weir.Sent, weir.Derived, weir.Attended, weir.Impression}).Draw(t, "origin")
		l.sessions = append(l.sessions, s)
	}
	return l
}

func (l life) attribute(t testing.TB) []*weir.Conversion {
	return attribution.Attribute(l.conversions, l.sessions, shipped(t), l.options)
}

// touches are those of all conversions, by id.
func (l life) touches() map[string][]weir.Touch {
	out := map[string][]weir.Touch{}
	for _, c := range l.conversions {
		out[c.ID] = c.Touches
	}
	return out
}

func differ(a, b map[string][]weir.Touch) []string {
	out := []string{}
	for _, id := range slices.Sorted(maps.Keys(a)) {
		if len(a[id])+len(b[id]) > 0 && !reflect.DeepEqual(a[id], b[id]) {
			out = append(out, id)
		}
	}
	return out
}

func ids(conversions []*weir.Conversion) []string {
	out := []string{}
	for _, c := range conversions {
		out = append(out, c.ID)
	}
	slices.Sort(out)
	return out
}

func TestPropertyOrderHasNoMeaning(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := drawLife(rt)
		changed := ids(l.attribute(t))
		before := l.touches()
		if again := l.attribute(t); len(again) != 0 {
			rt.Fatalf("%d change when nothing has changed", len(again))
		}
		shuffled := life{sessions: rapid.Permutation(l.sessions).Draw(rt, "shuffled sessions"), options: l.options}
		for _, c := range rapid.Permutation(l.conversions).Draw(rt, "shuffled conversions") {
			fresh := *c
			fresh.Touches = nil
			shuffled.conversions = append(shuffled.conversions, &fresh)
		}
		given, order := slices.Clone(shuffled.conversions), slices.Clone(shuffled.sessions)
		if other := ids(shuffled.attribute(t)); !slices.Equal(changed, other) {
			rt.Fatalf("%v change, or %v", changed, other)
		}
		if d := differ(before, shuffled.touches()); len(d) != 0 {
			rt.Fatalf("%v differ: %+v and %+v", d, before, shuffled.touches())
		}
		if !slices.Equal(given, shuffled.conversions) || !slices.Equal(order, shuffled.sessions) {
			rt.Fatal("a list that was given is in another order")
		}
	})
}

// A late session changes the conversions within whose look-back it began, and only
// those; without it all is as it was.
func TestPropertyLateSessionChangesWhatItTouches(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := drawLife(rt)
		l.attribute(t)
		before := l.touches()
		late := visit(100, noon+weir.Micros(rapid.IntRange(-15, 15).Draw(rt, "late"))*day, "late / visit")
		want := []string{}
		for _, c := range l.conversions {
			from := c.At - l.options.Window()
			for _, previous := range l.conversions {
				if l.options.AfterPrevious && !previous.Cancelled && previous.At < c.At {
					from = max(from, previous.At+1)
				}
			}
			if !c.Cancelled && late.StartedAt >= from && late.StartedAt <= c.At {
				want = append(want, c.ID)
			}
		}
		slices.Sort(want)
		l.sessions = append(l.sessions, late)
		changed := l.attribute(t)
		if !slices.IsSortedFunc(changed, func(a, b *weir.Conversion) int { return int(a.At - b.At) }) {
			rt.Fatal("not in order of time")
		}
		if got := ids(changed); !slices.Equal(got, want) || !slices.Equal(differ(before, l.touches()), want) {
			rt.Fatalf("%v are returned, %v changed; want %v", got, differ(before, l.touches()), want)
		}
		l.sessions = l.sessions[:len(l.sessions)-1]
		if got := ids(l.attribute(t)); !slices.Equal(got, want) {
			rt.Fatalf("without it again: %v; want %v", got, want)
		}
		if d := differ(before, l.touches()); len(d) != 0 {
			rt.Fatalf("%v are not as before", d)
		}
	})
}

// The credits of a conversion sum to its value, for every model that shares it.
func TestPropertyTouchesSumToTheValue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := drawLife(rt)
		l.attribute(t)
		for _, c := range l.conversions {
			for m, model := range attribution.Models() {
				if model == attribution.Participation || len(c.Touches) == 0 {
					continue
				}
				sum := int64(0)
				for _, touch := range c.Touches {
					sum += touch.Credits[m]
				}
				if sum != c.Value {
					rt.Fatalf("%s by %s: %d of %d", c.ID, model, sum, c.Value)
				}
			}
		}
	})
}
