package oracle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

// retention makes retention of A by R, of whole buckets. Now is 1 December.
func retention(t testing.TB, interval query.Interval, from, to string, periods int, change ...func(*query.Retention)) query.Plan {
	r := &query.Retention{Start: match("A"), Return: match("R"), Cohorts: divided(t, interval, from, to), Periods: periods, Now: clock(t, "12-01T0:00")}
	far, err := query.Calendar{Interval: interval, WeekStarts: time.Monday}.Divide(r.Cohorts.Edges[0], r.Cohorts.Edges[0]+400*day)
	if err != nil {
		t.Fatal(err)
	}
	r.Edges = far.Edges[:len(r.Cohorts.Labels)+periods+1]
	for _, c := range change {
		c(r)
	}
	return query.Plan{Retention: r}
}

func rolling(width weir.Micros) func(*query.Retention) {
	return func(r *query.Retention) { r.Rolling, r.Width = true, width }
}

func firstTime(r *query.Retention) { r.FirstTime = true }

func onOrAfter(r *query.Retention) { r.OnOrAfter = true }

// table writes cohorts and averages: "2: 2 1 -" is a size of 2 and three counts.
func table(cohorts []query.Cohort, average []query.Real) []string {
	var out []string
	line := func(head string, counts []query.Real) {
		for _, c := range counts {
			if c != c {
				head += " -"
			} else {
				head += fmt.Sprintf(" %v", c)
			}
		}
		out = append(out, head)
	}
	for _, c := range cohorts {
		line(fmt.Sprintf("%s %d:", c.Start[5:], c.Size), c.Counts)
	}
	line("average", average)
	return out
}

func retained(plan query.Plan, events []weir.Event) []string {
	a := oracle.Ask(&plan, events, nil)
	return table(a.Cohorts, a.Average)
}

// §7: Mon 20:00 → Tue 06:00 is calendar day 1, rolling day 0.
func TestWorkedExampleClocks(t *testing.T) {
	events := story(t, "1: A 10-05T20:00, R 10-06T6:00")
	lookAlike(t, retained(retention(t, query.Day, "10-05T0:00", "10-06T0:00", 1), events), "10-05 1: 0 1", "average 0 1")
	lookAlike(t, retained(retention(t, query.Day, "10-05T0:00", "10-06T0:00", 1, rolling(day)), events), "10-05 1: 1 0", "average 1 0")
	// Rolling periods are half open.
	events = story(t, "1: A 10-05T20:00, R 10-06T20:00")
	lookAlike(t, retained(retention(t, query.Day, "10-05T0:00", "10-06T0:00", 1, rolling(day)), events), "10-05 1: 0 1", "average 0 1")
	lookAlike(t, retained(retention(t, query.Day, "10-05T0:00", "10-06T0:00", 1, rolling(7*day)), events), "10-05 1: 1 0", "average 1 0")
}

// Amplitude: 17:59 and 17:00 on the next day is one day later by strict calendar
// dates, and 23 hours later by exact 24-hour windows.
func TestWorkedExampleAmplitudeNextDay(t *testing.T) {
	events := story(t, "1: A 10-01T17:59, R 10-02T17:00")
	lookAlike(t, retained(retention(t, query.Day, "10-01T0:00", "10-02T0:00", 2), events), "10-01 1: 0 1 0", "average 0 1 0")
	lookAlike(t, retained(retention(t, query.Day, "10-01T0:00", "10-02T0:00", 2, rolling(day)), events), "10-01 1: 1 0 0", "average 1 0 0")
}

// §7: 25 Feb → 3 Mar is calendar month 1.
func TestWorkedExampleCalendarMonth(t *testing.T) {
	events := story(t, "1: A 02-25T10:00, R 03-03T10:00")
	lookAlike(t, retained(retention(t, query.Month, "02-01T0:00", "03-01T0:00", 2), events), "02-01 1: 0 1 0", "average 0 1 0")
}

// §7: first_time is of all time, not of the range; recurring is any start, and a
// person may be in several cohorts.
func TestWorkedExampleCohorts(t *testing.T) {
	events := story(t, "1: A 09-01T10:00, A 10-01T10:00, R 10-02T10:00", "2: A 10-01T10:00, A 10-02T10:00, R 10-03T10:00", "3: X 09-01T10:00, A 10-02T10:00")
	recurring := retention(t, query.Day, "10-01T0:00", "10-03T0:00", 1)
	first := retention(t, query.Day, "10-01T0:00", "10-03T0:00", 1, firstTime)
	lookAlike(t, retained(recurring, events), "10-01 2: 0 1", "10-02 2: 0 1", "average 0 0.5")
	lookAlike(t, retained(first, events), "10-01 1: 0 0", "10-02 1: 0 0", "average 0 0")
	for _, c := range []struct {
		plan           query.Plan
		cohort, period int
		want           string
	}{{recurring, 0, -1, "[1 2]"}, {recurring, 0, 1, "[1]"}, {recurring, 1, -1, "[2 3]"}, {recurring, 1, 1, "[2]"}, {recurring, 1, 0, "[]"}, {first, 0, -1, "[2]"}} {
		if got := persons(c.plan, events, nil, query.Explain{Cohort: c.cohort, Period: c.period}); got != c.want {
			t.Errorf("cohort %d, period %d: %s, want %s", c.cohort, c.period, got, c.want)
		}
	}
}

// §7: if start and return are the same, period 0 counts the start itself, and later
// periods need another event. What came before the own start is no return.
func TestWorkedExampleStartIsReturn(t *testing.T) {
	same := func(r *query.Retention) { r.Return = match("A") }
	lookAlike(t, retained(retention(t, query.Day, "10-01T0:00", "10-02T0:00", 2, same), story(t, "1: A 10-01T10:00, A 10-03T10:00", "2: A 10-01T10:00")), "10-01 2: 2 0 1", "average 1 0 0.5")
	lookAlike(t, retained(retention(t, query.Day, "10-01T0:00", "10-02T0:00", 1), story(t, "1: R 10-01T9:00, A 10-01T10:00", "2: A 10-01T9:00, R 10-01T9:00")), "10-01 2: 1 0", "average 0.5 0")
}

// §7: on_or_after is period N or any later one, without end.
func TestWorkedExampleOnOrAfter(t *testing.T) {
	events := story(t, "1: A 10-01T10:00, R 10-03T10:00", "2: A 10-01T10:00, R 11-20T10:00", "3: A 10-01T10:00, R 10-01T10:00")
	lookAlike(t, retained(retention(t, query.Day, "10-01T0:00", "10-02T0:00", 3, onOrAfter), events), "10-01 3: 3 2 2 1", "average 1 0.6666666666666666 0.6666666666666666 0.3333333333333333")
	lookAlike(t, retained(retention(t, query.Day, "10-01T0:00", "10-02T0:00", 3), events), "10-01 3: 1 0 1 0", "average 0.3333333333333333 0 0.3333333333333333 0")
	lookAlike(t, retained(retention(t, query.Day, "10-01T0:00", "10-02T0:00", 1, onOrAfter, rolling(2*day)), events), "10-01 3: 3 2", "average 1 0.6666666666666666")
}

// §7: a cell is null while its period is not over, and the average is of the
// cohorts whose cell is there.
func TestWorkedExampleIncompleteCells(t *testing.T) {
	events := story(t, "1: A 10-01T10:00, R 10-02T10:00", "2: A 10-02T10:00", "3: A 10-02T11:00", "4: A 10-03T0:00, R 10-03T0:00")
	at := func(now string) func(*query.Retention) {
		return func(r *query.Retention) { r.Now = clock(t, now) }
	}
	plan := retention(t, query.Day, "10-01T0:00", "10-04T0:00", 2, at("10-04T0:00"))
	lookAlike(t, retained(plan, events),
		"10-01 1: 0 1 0", "10-02 2: 0 0 -", "10-03 1: 1 - -", "average 0.25 0.3333333333333333 0")
	early := retention(t, query.Day, "10-01T0:00", "10-04T0:00", 2, at("10-03T23:59:59"))
	lookAlike(t, retained(early, events),
		"10-01 1: 0 1 -", "10-02 2: 0 - -", "10-03 1: - - -", "average 0 1 -")
	// A rolling period is over for all when it is for the last who may have started.
	lookAlike(t, retained(retention(t, query.Day, "10-01T0:00", "10-04T0:00", 2, at("10-04T0:00"), rolling(day)), events),
		"10-01 1: 0 1 -", "10-02 2: 0 - -", "10-03 1: - - -", "average 0 1 -")
	if got := persons(early, events, nil, query.Explain{Cohort: 2, Period: 0}); got != "[]" {
		t.Errorf("behind a cell that is null are %s", got)
	}
	// An empty cohort is there, and an average of nobody is null.
	lookAlike(t, retained(retention(t, query.Day, "10-01T0:00", "10-03T0:00", 0), nil), "10-01 0: 0", "10-02 0: 0", "average -")
}

// A breakdown's value is that of the own start; groups come by the sum of their
// sizes, the rest is one.
func TestWorkedExampleRetentionGroups(t *testing.T) {
	events := story(t,
		"1: A 10-01T10:00 p=b, A 10-01T11:00 p=z, A 10-02T10:00 p=a, R 10-02T12:00",
		"2: A 10-01T10:00 p=b, A 10-01T10:00 p=a",
		"3: A 10-01T10:00, A 10-01T10:00 p=c",
		"4: A 10-02T10:00",
		"5: A 10-02T10:00 p=b, R 10-02T10:00")
	plan := retention(t, query.Day, "10-01T0:00", "10-03T0:00", 1, func(r *query.Retention) {
		r.Breakdown = &query.Breakdown{By: query.Ref{On: query.OnEvent, Name: "p"}, Limit: 2}
	})
	answer := oracle.Ask(&plan, events, nil)
	lookAlike(t, table(answer.Cohorts, answer.Average), "10-01 3: 0 1", "10-02 3: 2 0", "average 0.3333333333333333 0.16666666666666666")
	var got []string
	for _, g := range answer.Groups {
		name := "null"
		if g.Breakdown != nil {
			name = *g.Breakdown
		}
		got = append(got, name+" | "+strings.Join(table(g.Cohorts, g.Average), " | "))
	}
	lookAlike(t, got,
		"a | 10-01 1: 0 0 | 10-02 1: 1 0 | average 0.5 0",
		"b | 10-01 1: 0 1 | 10-02 1: 1 0 | average 0.5 0.5",
		"$other | 10-01 1: 0 0 | 10-02 1: 0 0 | average 0 0")
	if !answer.Truncated {
		t.Error("values are in the rest, and the answer does not say so")
	}
	for group, want := range map[string]string{"a": "[2]", "b": "[1]", "$other": "[3]"} {
		if got := persons(plan, events, nil, query.Explain{Group: named(group), Period: -1}); got != want {
			t.Errorf("%s: %s, want %s", group, got, want)
		}
	}
	if got := persons(plan, events, nil, query.Explain{Period: -1}); got != "[1 2 3]" {
		t.Errorf("all: %s", got)
	}
}

// §7: new, returning, resurrected and dormant.
func TestWorkedExampleLifecycle(t *testing.T) {
	events := story(t,
		"1: A 10-01T1:00, A 10-01T2:00, A 10-02T1:00, A 10-04T1:00",
		"2: A 09-30T1:00, A 10-01T1:00",
		"3: A 09-01T1:00, A 10-03T1:00",
		"4: X 09-01T1:00, A 10-02T1:00",
		"5: A 09-30T1:00")
	plan := query.Plan{Lifecycle: &query.Lifecycle{Match: match("A"), Buckets: divided(t, query.Day, "10-01T0:00", "10-05T0:00"), Before: clock(t, "09-30T0:00")}}
	a := oracle.Ask(&plan, events, nil)
	lookAlike(t, []string{fmt.Sprint(a.New), fmt.Sprint(a.Returning), fmt.Sprint(a.Resurrected), fmt.Sprint(a.Dormant)},
		"[1 1 0 0]", "[1 1 0 0]", "[0 0 1 1]", "[-1 -1 -2 -1]")
	if a.Buckets[3] != "2026-10-04" {
		t.Errorf("buckets %q", a.Buckets)
	}
	for _, c := range []struct {
		bucket int
		state  string
		want   string
	}{{0, "new", "[1]"}, {0, "returning", "[2]"}, {0, "dormant", "[5]"}, {2, "dormant", "[1 4]"}, {-1, "resurrected", "[1 3]"}, {-1, "new", "[1 4]"}} {
		if got := persons(plan, events, nil, query.Explain{Bucket: c.bucket, State: c.state}); got != c.want {
			t.Errorf("%s in %d: %s, want %s", c.state, c.bucket, got, c.want)
		}
	}
	// The bucket before the first may be longer.
	plan.Lifecycle.Before = clock(t, "09-01T0:00")
	if a := oracle.Ask(&plan, events, nil); a.Dormant[0] != -2 {
		t.Errorf("dormant %v", a.Dormant)
	}
}

// §7: active in exactly k intervals of the range, or in k or more.
func TestWorkedExampleStickiness(t *testing.T) {
	events := story(t, "1: A 10-01T1:00, A 10-01T2:00, A 09-30T1:00", "2: A 10-01T1:00, A 10-03T1:00", "3: X 10-01T1:00", "4: A 10-01T1:00, A 10-02T1:00, A 10-03T1:00", "5: A 10-03T1:00")
	plan := query.Plan{Stickiness: &query.Stickiness{Match: match("A"), Buckets: divided(t, query.Day, "10-01T0:00", "10-04T0:00")}}
	a := oracle.Ask(&plan, events, nil)
	lookAlike(t, []string{fmt.Sprint(a.Intervals), fmt.Sprint(a.People)}, "[1 2 3]", "[2 1 1]")
	if got := persons(plan, events, nil, query.Explain{Intervals: 1}); got != "[1 5]" {
		t.Errorf("1: %s", got)
	}
	plan.Stickiness.Cumulative = true
	if a := oracle.Ask(&plan, events, nil); fmt.Sprint(a.People) != "[4 2 1]" {
		t.Errorf("cumulative %v", a.People)
	}
	if got := persons(plan, events, nil, query.Explain{Intervals: 2}); got != "[2 4]" {
		t.Errorf("2 or more: %s", got)
	}
}
