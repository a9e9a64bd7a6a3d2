package journey

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// lifecycleOf is a lifecycle of visits on so many days from 5 October 2026 on.
func lifecycleOf(days int) *query.Lifecycle {
	return &query.Lifecycle{Match: event("visit"), Buckets: daily("2026-10-05", days), Before: clock("2026-10-04 00:00")}
}

// visits are those of a person, at noon of days of October 2026.
func visits(person uint32, days ...int) (all []deed) {
	for _, day := range days {
		all = append(all, deed{person: person, at: clock("2026-10-01 12:00") + weir.Micros(day-1)*dayLong, name: "visit"})
	}
	return all
}

func TestLifecycleTellsNewReturningResurrectedAndDormant(t *testing.T) {
	d := &diary{deeds: slices.Concat(
		visits(1, 5, 6, 8),    // new, returning, dormant, resurrected
		visits(2, 4, 5),       // known the day before: returning, then dormant
		visits(3, 1, 6, 6),    // known for long: resurrected, and dormant
		visits(4, 4),          // dormant on the first day
		visits(5, 1),          // long gone
		visits(6, 8, 9),       // new on the last day; the day after is not asked for
		visits(7, 1, 2, 3, 4), // of all that is earlier only the day before counts: dormant
	)}
	a := ask(t, d, &query.Plan{Lifecycle: lifecycleOf(4)})
	same(t, "buckets", a.Buckets, []string{"2026-10-05", "2026-10-06", "2026-10-07", "2026-10-08"})
	same(t, "new", a.New, []int64{1, 0, 0, 1})
	same(t, "returning", a.Returning, []int64{1, 1, 0, 0})
	same(t, "resurrected", a.Resurrected, []int64{0, 1, 0, 1})
	same(t, "dormant", a.Dormant, []int64{-2, -1, -2, 0})
}

func TestLifecycleHasZerosWithoutPeople(t *testing.T) {
	a := ask(t, &diary{}, &query.Plan{Lifecycle: lifecycleOf(2)})
	for _, counts := range [][]int64{a.New, a.Returning, a.Resurrected, a.Dormant} {
		same(t, "counts", counts, []int64{0, 0})
	}
}

func TestLifecycleLooksAtItsOwnEventsAlone(t *testing.T) {
	d := &diary{deeds: slices.Concat(visits(1, 6), []deed{{person: 1, at: clock("2020-01-01 00:00"), name: "other"}})}
	same(t, "new", ask(t, d, &query.Plan{Lifecycle: lifecycleOf(2)}).New, []int64{0, 1})
}

func TestExplainOfLifecycleNamesWhoIsInTheState(t *testing.T) {
	d := &diary{deeds: slices.Concat(visits(9, 5, 7), visits(1, 5, 6, 7), visits(2, 1, 5, 7), visits(3, 4))}
	for _, c := range []struct {
		state  string
		bucket int
		want   []uint32
	}{
		{"new", 0, []uint32{1, 9}},
		{"new", 1, []uint32{}},
		{"returning", 1, []uint32{1}},
		{"resurrected", 2, []uint32{2, 9}},
		{"resurrected", -1, []uint32{2, 9}}, // 2 twice
		{"dormant", 0, []uint32{3}},
		{"dormant", -1, []uint32{2, 3, 9}},
		{"new", 7, []uint32{}},
	} {
		a := ask(t, d, &query.Plan{Lifecycle: lifecycleOf(3), Explain: &query.Explain{State: c.state, Bucket: c.bucket}})
		same(t, fmt.Sprint(c.state, " ", c.bucket), a.Persons, c.want)
	}
}

func TestLifecycleIsWhatLookingAtEverythingCounts(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 9))
	for range 200 {
		const days = 5
		d := &diary{}
		for person := range uint32(5) {
			for range random.IntN(7) {
				d.deeds = append(d.deeds, visits(person, 2+random.IntN(9))...)
			}
		}
		want := map[string][]int64{}
		for _, state := range []string{"new", "returning", "resurrected", "dormant"} {
			want[state] = make([]int64, days)
		}
		for person := range uint32(5) {
			on := func(day int) bool { // of October
				return slices.ContainsFunc(d.deeds, func(e deed) bool { return e.person == person && e.at == visits(0, day)[0].at })
			}
			known := false
			for day := 1; day < 5+days; day++ {
				state := ""
				switch {
				case on(day) && !known:
					state = "new"
				case on(day) && on(day-1):
					state = "returning"
				case on(day):
					state = "resurrected"
				case on(day - 1):
					state = "dormant"
				}
				known = known || on(day)
				if day >= 5 && state == "dormant" {
					want[state][day-5]--
				} else if day >= 5 && state != "" {
					want[state][day-5]++
				}
			}
		}
		a := ask(t, d, &query.Plan{Lifecycle: lifecycleOf(days)})
		same(t, "lifecycle", map[string][]int64{"new": a.New, "returning": a.Returning, "resurrected": a.Resurrected, "dormant": a.Dormant}, want)
	}
}

// eight people: five on one day, two on two, one on three.
func eight() *diary {
	return &diary{deeds: slices.Concat(
		visits(8, 5, 5, 5), visits(1, 6), visits(2, 7), visits(3, 5), visits(4, 5), visits(5, 5, 7), visits(6, 5, 6), visits(7, 5, 6, 7, 7),
		visits(7, 4, 8), visits(9, 4, 8), // outside
		[]deed{{person: 1, at: clock("2026-10-05 12:00"), name: "other"}},
	)}
}

func TestStickinessCountsPeopleByActiveDays(t *testing.T) {
	p := &query.Stickiness{Match: event("visit"), Buckets: daily("2026-10-05", 3)}
	a := ask(t, eight(), &query.Plan{Stickiness: p})
	same(t, "intervals", a.Intervals, []int{1, 2, 3})
	same(t, "people", a.People, []int64{5, 2, 1})
	p.Cumulative = true
	same(t, "people on so many days or more", ask(t, eight(), &query.Plan{Stickiness: p}).People, []int64{8, 3, 1})
	same(t, "nobody", ask(t, &diary{}, &query.Plan{Stickiness: p}).People, []int64{0, 0, 0})
}

func TestExplainOfStickinessNamesWhoIsActiveSoOften(t *testing.T) {
	for _, c := range []struct {
		intervals  int
		cumulative bool
		want       []uint32
	}{
		{2, false, []uint32{5, 6}},
		{2, true, []uint32{5, 6, 7}},
		{1, false, []uint32{1, 2, 3, 4, 8}},
		{0, true, []uint32{}},
		{4, false, []uint32{}},
	} {
		p := &query.Stickiness{Match: event("visit"), Buckets: daily("2026-10-05", 3), Cumulative: c.cumulative}
		a := ask(t, eight(), &query.Plan{Stickiness: p, Explain: &query.Explain{Intervals: c.intervals}})
		same(t, fmt.Sprint(c.intervals, " ", c.cumulative), a.Persons, c.want)
	}
}
