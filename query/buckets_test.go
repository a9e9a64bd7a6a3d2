package query

import (
	"errors"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's zones

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
)

// zones are those with something odd about them.
func zones() []string {
	return []string{
		"UTC", "Europe/Paris", "America/New_York", "Asia/Tokyo",
		"Asia/Kolkata", "Asia/Kathmandu", "Pacific/Chatham", // half and quarter hours
		"Australia/Lord_Howe",                                                              // daylight saving of half an hour
		"America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Africa/Cairo", "Asia/Amman", // no midnight
		"America/St_Johns",                  // until 2011 back at 00:01: two midnights
		"Pacific/Apia", "Pacific/Kwajalein", // a date left out
		"Antarctica/Troll", "Africa/Casablanca", // two hours, and around Ramadan
		"Africa/Monrovia",                 // seconds in the offset until 1972
		"Asia/Pyongyang", "Europe/Dublin", // moved by half an hour; negative saving
		"Pacific/Kiritimati", "Etc/GMT+12", // the ends of the world
	}
}

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t *testing.T, s string) weir.Micros {
	t.Helper()
	m, ok := ReadTime(s)
	if !ok {
		t.Fatalf("not a time: %s", s)
	}
	return m
}

// hours are the widths of buckets.
func hours(b Buckets) []float64 {
	var h []float64
	for i := range b.Labels {
		h = append(h, float64(b.Edges[i+1]-b.Edges[i])/3600e6)
	}
	return h
}

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		name, zone string
		interval   Interval
		week       time.Weekday
		from, to   string
		labels     []string
		hours      []float64
	}{
		{"days of a week with the end of daylight saving", "Europe/Paris", Day, 0,
			"2026-10-24T00:00:00+02:00", "2026-10-27T00:00:00+01:00",
			[]string{"2026-10-24", "2026-10-25", "2026-10-26"}, []float64{24, 25, 24}},
		{"its beginning", "Europe/Paris", Day, 0,
			"2026-03-28T00:00:00+01:00", "2026-03-31T00:00:00+02:00",
			[]string{"2026-03-28", "2026-03-29", "2026-03-30"}, []float64{24, 23, 24}},
		{"no midnight in São Paulo", "America/Sao_Paulo", Day, 0,
			"2018-11-03T00:00:00-03:00", "2018-11-06T00:00:00-02:00",
			[]string{"2018-11-03", "2018-11-04", "2018-11-05"}, []float64{24, 23, 24}},
		{"midnight comes twice in São Paulo", "America/Sao_Paulo", Day, 0,
			"2018-02-16T00:00:00-02:00", "2018-02-19T00:00:00-03:00",
			[]string{"2018-02-16", "2018-02-17", "2018-02-18"}, []float64{24, 25, 24}},
		{"no midnight in Beirut", "Asia/Beirut", Day, 0,
			"2022-03-26T00:00:00+02:00", "2022-03-29T00:00:00+03:00",
			[]string{"2022-03-26", "2022-03-27", "2022-03-28"}, []float64{24, 23, 24}},
		{"the day begins at the first of two midnights in St. John's", "America/St_Johns", Day, 0,
			"2010-11-05T00:00:00-02:30", "2010-11-09T00:00:00-03:30",
			[]string{"2010-11-05", "2010-11-06", "2010-11-07", "2010-11-08"}, []float64{24, 24, 25, 24}},
		{"the date that Apia left out", "Pacific/Apia", Day, 0,
			"2011-12-28T00:00:00-10:00", "2012-01-01T00:00:00+14:00",
			[]string{"2011-12-28", "2011-12-29", "2011-12-31"}, []float64{24, 24, 24}},
		{"half-hour daylight saving", "Australia/Lord_Howe", Day, 0,
			"2026-04-04T00:00:00+11:00", "2026-04-06T00:00:00+10:30",
			[]string{"2026-04-04", "2026-04-05"}, []float64{24, 24.5}},
		{"a half-hour fall-back makes a long hour", "Australia/Lord_Howe", Hour, 0,
			"2026-04-05T00:00:00+11:00", "2026-04-05T04:00:00+10:30",
			[]string{"2026-04-05T00:00:00+11:00", "2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30", "2026-04-05T03:00:00+10:30"},
			[]float64{1, 1.5, 1, 1}},
		{"a half-hour jump makes a short one", "Australia/Lord_Howe", Hour, 0,
			"2026-10-04T01:00:00+10:30", "2026-10-04T04:00:00+11:00",
			[]string{"2026-10-04T01:00:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T03:00:00+11:00"},
			[]float64{1, 0.5, 1}},
		{"hours of a zone with a half-hour offset, cut on both ends", "Asia/Kolkata", Hour, 0,
			"2026-10-01T10:15:00+05:30", "2026-10-01T12:45:00+05:30",
			[]string{"2026-10-01T10:00:00+05:30", "2026-10-01T11:00:00+05:30", "2026-10-01T12:00:00+05:30"},
			[]float64{0.75, 1, 0.75}},
		{"a range within one minute", "UTC", Minute, 0,
			"2026-10-01T10:15:10Z", "2026-10-01T10:15:40Z", []string{"2026-10-01T10:15:00Z"}, []float64{30.0 / 3600}},
		{"weeks start on Monday", "UTC", Week, time.Monday,
			"2026-10-01T00:00:00Z", "2026-10-12T00:00:00Z",
			[]string{"2026-09-28", "2026-10-05"}, []float64{4 * 24, 7 * 24}},
		{"or on Sunday", "UTC", Week, time.Sunday,
			"2026-10-01T00:00:00Z", "2026-10-12T00:00:00Z",
			[]string{"2026-09-27", "2026-10-04", "2026-10-11"}, []float64{3 * 24, 7 * 24, 24}},
		{"months", "UTC", Month, 0, "2024-01-15T00:00:00Z", "2024-03-02T00:00:00Z",
			[]string{"2024-01-01", "2024-02-01", "2024-03-01"}, []float64{17 * 24, 29 * 24, 24}},
		{"quarters", "UTC", Quarter, 0, "2026-02-01T00:00:00Z", "2026-08-01T00:00:00Z",
			[]string{"2026-01-01", "2026-04-01", "2026-07-01"}, []float64{59 * 24, 91 * 24, 31 * 24}},
		{"years", "UTC", Year, 0, "2024-12-31T00:00:00Z", "2026-01-02T00:00:00Z",
			[]string{"2024-01-01", "2025-01-01", "2026-01-01"}, []float64{24, 365 * 24, 24}},
		{"labels that RFC 3339 cannot give an offset are in UTC", "Africa/Monrovia", Hour, 0,
			"1971-06-01T00:44:30Z", "1971-06-01T02:44:30Z",
			[]string{"1971-06-01T00:44:30Z", "1971-06-01T01:44:30Z"}, []float64{1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Calendar{c.interval, zone(t, c.zone), c.week}.Divide(at(t, c.from), at(t, c.to))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(b.Labels, c.labels) {
				t.Errorf("labels %q, want %q", b.Labels, c.labels)
			}
			if h := hours(b); !slices.Equal(h, c.hours) {
				t.Errorf("widths %v hours, want %v", h, c.hours)
			}
		})
	}
}

func TestDivideFallBackDayHas25Hours(t *testing.T) {
	b, err := Calendar{Interval: Hour, Zone: zone(t, "Europe/Paris")}.Divide(at(t, "2026-10-25T00:00:00+02:00"), at(t, "2026-10-26T00:00:00+01:00"))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Labels) != 25 || len(slices.Compact(slices.Clone(b.Labels))) != 25 {
		t.Fatalf("labels %q, want 25 distinct ones", b.Labels)
	}
	if b.Labels[2] != "2026-10-25T02:00:00+02:00" || b.Labels[3] != "2026-10-25T02:00:00+01:00" {
		t.Errorf("the repeated hour is %q and %q", b.Labels[2], b.Labels[3])
	}
}

// TestSpansEnd finds zones in which the next span never comes: time.ZoneBounds
// says of the last day of a leap year that its span is over.
func TestSpansEnd(t *testing.T) {
	for _, name := range zones() {
		z := zone(t, name)
		for year := 1970; year < 2200; year++ {
			for _, day := range []int{-2, -1, 0, 1} {
				at := time.Date(year, 1, 1+day, 11, 30, 0, 0, time.UTC).Unix()
				s := spanAt(at, z)
				if s.from > at || s.to <= at {
					t.Fatalf("%s: span %+v does not hold %v", name, s, time.Unix(at, 0).UTC())
				}
			}
		}
	}
}

func TestDivideLeapYearByRule(t *testing.T) {
	b, err := Calendar{Interval: Day, Zone: zone(t, "Europe/Paris")}.Divide(at(t, "2040-12-30T00:00:00+01:00"), at(t, "2041-01-02T00:00:00+01:00"))
	if err != nil || !slices.Equal(hours(b), []float64{24, 24, 24}) {
		t.Fatalf("%+v, %v", b, err)
	}
}

func TestDivideRefuses(t *testing.T) {
	day := Calendar{Interval: Day}
	if _, err := day.Divide(5, 5); !errors.Is(err, ErrEmptyRange) {
		t.Errorf("empty range: %v", err)
	}
	if _, err := (Calendar{Interval: "fortnight"}).Divide(0, 5); err == nil {
		t.Error("unknown interval: no error")
	}
	const d = 86400e6
	if b, err := day.Divide(0, MaxBuckets*d); err != nil || len(b.Labels) != MaxBuckets {
		t.Errorf("%d days: %d buckets, %v", MaxBuckets, len(b.Labels), err)
	}
	if _, err := day.Divide(0, MaxBuckets*d+1); !errors.Is(err, ErrTooManyBuckets) {
		t.Errorf("a microsecond more: %v", err)
	}
	if _, err := (Calendar{Interval: Minute}).Divide(0, MaxBuckets*60e6+1); !errors.Is(err, ErrTooManyBuckets) {
		t.Errorf("too many minutes: %v", err)
	}
}

// drawn is a random range of a random calendar.
func drawn(t *rapid.T) (Calendar, weir.Micros, weir.Micros) {
	name := rapid.SampledFrom(zones()).Draw(t, "zone")
	c := Calendar{
		Interval:   rapid.SampledFrom([]Interval{Minute, Hour, Day, Week, Month, Quarter, Year}).Draw(t, "interval"),
		Zone:       zone(t, name),
		WeekStarts: time.Weekday(rapid.IntRange(0, 6).Draw(t, "week")),
	}
	from := weir.Micros(rapid.Int64Range(0, 70*365*86400).Draw(t, "from")) * 1e6
	// Half of the ranges begin near a change of the zone's offset.
	if s := spanAt(int64(from)/1e6, c.Zone); s.to < 1<<40 && rapid.Bool().Draw(t, "near") {
		from = weir.Micros(s.to-rapid.Int64Range(0, 200_000).Draw(t, "before")) * 1e6
	}
	length := map[Interval]int64{Minute: 7200, Hour: 400_000, Day: 40_000_000}[c.Interval]
	if length == 0 {
		length = 200_000_000
	}
	return c, from, from + weir.Micros(rapid.Int64Range(1, length*1e6).Draw(t, "length"))
}

func TestDivideProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, from, to := drawn(t)
		b, err := c.Divide(from, to)
		if err != nil {
			t.Fatal(err)
		}
		if b.Edges[0] != from || b.Edges[len(b.Edges)-1] != to || len(b.Edges) != len(b.Labels)+1 {
			t.Fatalf("edges %v do not cover [%v, %v) with %d labels", b.Edges, from, to, len(b.Labels))
		}
		for i := 1; i < len(b.Edges); i++ {
			if b.Edges[i] <= b.Edges[i-1] {
				t.Fatalf("edge %d, %v, is not above %v", i, b.Edges[i], b.Edges[i-1])
			}
		}
		if len(slices.Compact(slices.Sorted(slices.Values(b.Labels)))) != len(b.Labels) {
			t.Fatalf("labels repeat: %q", b.Labels)
		}
		for i, edge := range b.Edges[:len(b.Edges)-1] {
			if i > 0 {
				checkBoundary(t, c, edge, b.Labels[i])
			}
		}
	})
}

// checkBoundary looks at the clocks a moment before the edge and at it.
func checkBoundary(t *rapid.T, c Calendar, edge weir.Micros, label string) {
	before := time.UnixMicro(int64(edge) - 1).In(c.Zone)
	now := time.UnixMicro(int64(edge)).In(c.Zone)
	if c.Interval == Minute || c.Interval == Hour {
		seconds := now.Second()
		if c.Interval == Hour {
			seconds += 60 * now.Minute()
		}
		_, offset := now.Zone()
		_, earlier := before.Zone()
		if seconds != 0 && offset <= earlier {
			t.Fatalf("%v is neither a whole %s nor a jump forward", now, c.Interval)
		}
		if l, err := time.Parse(time.RFC3339, label); err != nil || weir.Micros(l.UnixMicro()) != edge {
			t.Fatalf("edge %v has label %s", now, label)
		}
		return
	}
	date, err := time.Parse(time.DateOnly, label)
	if err != nil {
		t.Fatal(err)
	}
	if dateOf(now).Before(date) || !dateOf(before).Before(date) {
		t.Fatalf("%s begins at %v, a moment after %v", label, now, before)
	}
	if c.first(date) != date {
		t.Fatalf("%s does not begin a %s", label, c.Interval)
	}
}

// TestHoursByTheMinute holds the edges of hours against clocks that are read
// every minute around every change of offset since 1973.
func TestHoursByTheMinute(t *testing.T) {
	for _, name := range zones() {
		z := zone(t, name)
		for s := spanAt(3*365*86400, z); s.to < 60*365*86400; s = spanAt(s.to, z) {
			from := floorDiv(s.to, 60)*60 - 3*3600
			to := from + 8*3600
			want := []weir.Micros{weir.Micros(from) * 1e6}
			for m := from + 60; m < to; m += 60 {
				a, b := wall(m-60, z), wall(m, z)
				if b%3600 == 0 || floorDiv(b, 3600) > floorDiv(a, 3600) {
					want = append(want, weir.Micros(m)*1e6)
				}
			}
			want = append(want, weir.Micros(to)*1e6)
			b, err := Calendar{Interval: Hour, Zone: z}.Divide(want[0], want[len(want)-1])
			if err != nil || !slices.Equal(b.Edges, want) {
				t.Fatalf("%s around %v: edges %v, want %v, error %v", name, time.Unix(s.to, 0).UTC(), b.Edges, want, err)
			}
		}
	}
}

// wall is what clocks show, as if they were in UTC.
func wall(at int64, z *time.Location) int64 {
	_, offset := time.Unix(at, 0).In(z).Zone()
	return at + int64(offset)
}

func TestRuns(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval Interval
		from, to string
		runs     int
	}{
		{"a week, cut on both ends", Hour, "2026-10-01T10:20:00Z", "2026-10-08T10:20:00Z", 1},
		{"one cut bucket", Hour, "2026-10-01T10:20:00Z", "2026-10-01T10:30:00Z", 1},
		{"two cut buckets", Hour, "2026-10-01T10:20:00Z", "2026-10-01T11:30:00Z", 1},
		{"hours over both changes", Hour, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", 1},
		{"a year of days", Day, "2026-01-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00", 4},
		{"ten years of days", Day, "2020-01-01T00:00:00+01:00", "2030-01-01T00:00:00+01:00", 31},
		{"a year of months", Month, "2026-01-01T00:00:00+01:00", "2027-01-01T00:00:00+01:00", 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Calendar{Interval: c.interval, Zone: zone(t, "Europe/Paris")}.Divide(at(t, c.from), at(t, c.to))
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Runs(); len(got) != c.runs {
				t.Errorf("%d runs, want %d: %+v", len(got), c.runs, got)
			}
		})
	}
}

func TestRunsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, from, to := drawn(t)
		b, err := c.Divide(from, to)
		if err != nil {
			t.Fatal(err)
		}
		checkRuns(t, b)
	})
	// Widths that no calendar has.
	rapid.Check(t, func(t *rapid.T) {
		b := Buckets{Edges: []weir.Micros{-7}}
		for _, w := range rapid.SliceOfN(rapid.Int64Range(1, 4), 1, 30).Draw(t, "widths") {
			b.Edges = append(b.Edges, b.Edges[len(b.Edges)-1]+weir.Micros(w))
		}
		checkRuns(t, b)
	})
}

func checkRuns(t *rapid.T, b Buckets) {
	next := b.Edges[0]
	for _, r := range b.Runs() {
		if r.From != next || r.To <= r.From || r.Start > r.From || r.Width <= 0 {
			t.Fatalf("run %+v does not follow %v", r, next)
		}
		next = r.To
	}
	if next != b.Edges[len(b.Edges)-1] {
		t.Fatalf("the runs end at %v", next)
	}
	for i := range len(b.Edges) - 1 {
		for _, ts := range []weir.Micros{b.Edges[i], b.Edges[i] + (b.Edges[i+1]-b.Edges[i])/2, b.Edges[i+1] - 1} {
			if got := byRuns(b.Runs(), ts); got != i {
				t.Fatalf("%d is in bucket %d, want %d of %v", ts, got, i, b.Edges)
			}
		}
	}
}

func byRuns(runs []Run, ts weir.Micros) int {
	for _, r := range runs {
		if r.From <= ts && ts < r.To {
			return r.First + int((ts-r.Start)/r.Width)
		}
	}
	return -1
}

// BenchmarkDivide is the largest question: what a day of the calendar costs.
func BenchmarkDivide(b *testing.B) {
	c := Calendar{Interval: Day, Zone: zone(b, "Europe/Paris")}
	for b.Loop() {
		buckets, err := c.Divide(0, (MaxBuckets-1)*86400e6)
		if err != nil {
			b.Fatal(err)
		}
		buckets.Runs()
	}
}
