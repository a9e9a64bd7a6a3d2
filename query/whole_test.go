package query

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
)

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		name, zone string
		interval   Interval
		from, to   string
		first, end string
		labels     []string
		before     string
		following  []string
	}{
		{"days that are cut, with the end of daylight saving", "Europe/Paris", Day,
			"2026-10-24T10:00:00+02:00", "2026-10-25T00:00:01+02:00",
			"2026-10-24T00:00:00+02:00", "2026-10-26T00:00:00+01:00",
			[]string{"2026-10-24", "2026-10-25"},
			"2026-10-23T00:00:00+02:00", []string{"2026-10-27T00:00:00+01:00", "2026-10-28T00:00:00+01:00"}},
		{"whole days stay as they are", "UTC", Day,
			"2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z",
			"2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", []string{"2026-10-01"},
			"2026-09-30T00:00:00Z", []string{"2026-10-03T00:00:00Z"}},
		{"months", "UTC", Month,
			"2026-02-25T00:00:00Z", "2026-03-03T00:00:00Z",
			"2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z", []string{"2026-02-01", "2026-03-01"},
			"2026-01-01T00:00:00Z", []string{"2026-05-01T00:00:00Z"}},
		{"weeks begin on Sunday", "UTC", Week,
			"2026-10-07T12:00:00Z", "2026-10-07T13:00:00Z",
			"2026-10-04T00:00:00Z", "2026-10-11T00:00:00Z", []string{"2026-10-04"},
			"2026-09-27T00:00:00Z", []string{"2026-10-18T00:00:00Z"}},
		{"the hour that comes twice", "Europe/Paris", Hour,
			"2026-10-25T02:30:00+02:00", "2026-10-25T02:00:01+01:00",
			"2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"},
			"2026-10-25T01:00:00+02:00", []string{"2026-10-25T04:00:00+01:00"}},
		{"the date that Apia left out", "Pacific/Apia", Day,
			"2011-12-29T12:00:00-10:00", "2011-12-29T13:00:00-10:00",
			"2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00", []string{"2011-12-29"},
			"2011-12-28T00:00:00-10:00", []string{"2012-01-01T00:00:00+14:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			calendar := Calendar{Interval: c.interval, Zone: zone(t, c.zone)}
			b, err := calendar.Whole(at(t, c.from), at(t, c.to))
			if err != nil {
				t.Fatal(err)
			}
			first, end := b.Edges[0], b.Edges[len(b.Edges)-1]
			if first != at(t, c.first) || end != at(t, c.end) || !slices.Equal(b.Labels, c.labels) {
				t.Errorf("%q from %v to %v, want %q from %s to %s", b.Labels, first, end, c.labels, c.first, c.end)
			}
			if before := calendar.Before(first); before != at(t, c.before) {
				t.Errorf("the bucket before begins at %v, want %s", before, c.before)
			}
			for i, edge := range calendar.Following(end, len(c.following)) {
				if edge != at(t, c.following[i]) {
					t.Errorf("edge %d behind is %v, want %s", i, edge, c.following[i])
				}
			}
		})
	}
}

func TestWholeRefuses(t *testing.T) {
	if _, err := (Calendar{Interval: Day}).Whole(5, 5); !errors.Is(err, ErrEmptyRange) {
		t.Errorf("empty range: %v", err)
	}
	if _, err := (Calendar{Interval: Minute}).Whole(0, MaxBuckets*60e6+1); !errors.Is(err, ErrTooManyBuckets) {
		t.Errorf("too many minutes: %v", err)
	}
	if b, err := (Calendar{Interval: Day}).Whole(1, 2); err != nil || !slices.Equal(b.Edges, []weir.Micros{0, 86400e6}) {
		t.Errorf("without a zone: %+v, %v", b, err)
	}
}

// TestWholeProperties: whole buckets are those that a much longer range has.
func TestWholeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, from, to := drawn(t)
		b, err := c.Whole(from, to)
		if err != nil {
			t.Fatal(err)
		}
		first, end := b.Edges[0], b.Edges[len(b.Edges)-1]
		if first > from || b.Edges[1] <= from || end < to || b.Edges[len(b.Edges)-2] >= to {
			t.Fatalf("edges %v do not just cover [%v, %v)", b.Edges, from, to)
		}
		before, behind := c.Before(first), c.Following(end, 3)
		all := append(append([]weir.Micros{before}, b.Edges...), behind...)
		around, err := c.Divide(before-1, behind[2]+1)
		if err != nil {
			t.Skip("the longer range has too many buckets")
		}
		if want := around.Edges[1 : len(around.Edges)-1]; !slices.Equal(all, want) {
			t.Fatalf("edges %v, want %v", all, want)
		}
		if want := around.Labels[2 : len(around.Labels)-4]; !slices.Equal(b.Labels, want) {
			t.Fatalf("labels %q, want %q", b.Labels, want)
		}
	})
}
