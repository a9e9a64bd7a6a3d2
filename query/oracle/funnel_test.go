package oracle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

// funnel makes a funnel over October of steps named by their event, with the
// defaults of SEMANTICS §6. "B?" is optional.
func funnel(t testing.TB, steps string, change ...func(*query.Funnel)) query.Plan {
	f := &query.Funnel{Range: span(t, "10-01T0:00", "11-01T0:00"), Window: 14 * day}
	for name := range strings.SplitSeq(steps, " ") {
		name, optional := strings.CutSuffix(name, "?")
		f.Steps = append(f.Steps, query.Step{Name: name, Match: match(name), Optional: optional})
	}
	for _, c := range change {
		c(f)
	}
	return query.Plan{Funnel: f}
}

// The changes that tests make to a funnel.
func within(window weir.Micros) func(*query.Funnel) {
	return func(f *query.Funnel) { f.Window = window }
}

func entry(e query.Entry) func(*query.Funnel) { return func(f *query.Funnel) { f.Entry = e } }

func order(o query.Order) func(*query.Funnel) { return func(f *query.Funnel) { f.Order = o } }

func counting(c query.Counting) func(*query.Funnel) {
	return func(f *query.Funnel) { f.Counting = c }
}

func grace(g weir.Micros) func(*query.Funnel) { return func(f *query.Funnel) { f.Grace = g } }

func excluding(event string, after, before int) func(*query.Funnel) {
	return func(f *query.Funnel) {
		f.Exclude = append(f.Exclude, query.Exclusion{Match: match(event), After: after, Before: before})
	}
}

func leaving(f *query.Funnel) { f.LeaveFunnel = true }

func tiesStrict(f *query.Funnel) { f.TiesStrict = true }

func bySession(f *query.Funnel) { f.WindowSession = true }

func holding(property string) func(*query.Funnel) {
	return func(f *query.Funnel) {
		f.HoldConstant = append(f.HoldConstant, query.Ref{On: query.OnEvent, Name: property})
	}
}

func broken(touch query.Touch, atStep, limit int) func(*query.Funnel) {
	return func(f *query.Funnel) {
		f.Breakdown = &query.FunnelBreakdown{Attribution: touch, AtStep: atStep,
			Breakdown: query.Breakdown{By: query.Ref{On: query.OnEvent, Name: "p"}, Limit: limit}}
	}
}

// groups writes a funnel's groups: of each step the count and the average seconds.
func groups(plan query.Plan, events []weir.Event, people ...weir.Person) []string {
	var out []string
	for _, g := range oracle.Ask(&plan, events, people).Groups {
		var steps []string
		for _, s := range g.Steps {
			text := fmt.Sprintf("%s %d", s.Event, s.Count)
			if s.AvgSeconds == s.AvgSeconds {
				text += fmt.Sprintf(" %vs", s.AvgSeconds)
			}
			steps = append(steps, text)
		}
		name := ""
		switch {
		case g.Breakdown != nil:
			name = *g.Breakdown + ": "
		case plan.Funnel.Breakdown != nil:
			name = "null: "
		}
		out = append(out, name+strings.Join(steps, ", "))
	}
	return out
}

// §6: stream A 0:00, A 0:50, B 1:20, window 60 min.
func TestWorkedExampleEntry(t *testing.T) {
	events := story(t, "1: A 0:00, A 0:50, B 1:20")
	lookAlike(t, groups(funnel(t, "A B", within(hour), entry(query.EntryFirst)), events), "A 1, B 0")
	lookAlike(t, groups(funnel(t, "A B", within(hour), entry(query.EntryLatest)), events), "A 1, B 1 1800s")
	lookAlike(t, groups(funnel(t, "A B", within(hour), entry(query.EntryBest)), events), "A 1, B 1 1800s")
}

// §6: best is the deepest, among equals the earliest start; the latest is the
// last start, however far it comes.
func TestWorkedExampleBestIsDeepestThenEarliest(t *testing.T) {
	events := story(t, "1: A 0:00, B 0:10, A 1:00, B 1:20, A 2:00")
	lookAlike(t, groups(funnel(t, "A B"), events), "A 1, B 1 600s")
	lookAlike(t, groups(funnel(t, "A B", entry(query.EntryLatest)), events), "A 1, B 0")
}

// §6: the window is from step 1's event, its end inclusive.
func TestWorkedExampleWindowEndsInclusive(t *testing.T) {
	events := story(t, "1: A 0:00, B 1:00", "2: A 0:00, B 1:00:01", "3: A 0:00, B 0:40, C 1:10")
	lookAlike(t, groups(funnel(t, "A B C", within(hour)), events), "A 3, B 2 3000s, C 0")
	lookAlike(t, groups(funnel(t, "A B"), story(t, "1: A 10-01T0:00, B 10-15T0:00", "2: A 10-01T0:00, B 10-15T0:00:01")), "A 2, B 1 1.2096e+06s")
}

// §6: a person is in the range by step 1; later steps may lie behind it.
func TestWorkedExampleRangeIsThatOfStepOne(t *testing.T) {
	events := story(t, "1: A 9-30T23:59, B 0:10", "2: A 10-31T23:59, B 11-01T0:10", "3: A 11-01T0:00, B 11-01T0:10")
	lookAlike(t, groups(funnel(t, "A B"), events), "A 1, B 1 660s")
}

// §6: ordered, strict and unordered.
func TestWorkedExampleOrders(t *testing.T) {
	events := story(t, "1: A 0:00, B 0:10", "2: A 0:00, X 0:05, B 0:10", "3: B 0:00, A 0:10", "4: A 0:00, A 0:05, B 0:10")
	lookAlike(t, groups(funnel(t, "A B"), events), "A 4, B 3 600s")
	// The second A of 4 is a way of its own.
	lookAlike(t, groups(funnel(t, "A B", order(query.Strict)), events), "A 4, B 2 450s")
	lookAlike(t, groups(funnel(t, "A B", order(query.Unordered)), events), "A 4, B 4 600s")
}

// Strict: only the events of Others break a way, and only between two steps.
func TestWorkedExampleStrictOthers(t *testing.T) {
	others := func(f *query.Funnel) { f.Order, f.Others = query.Strict, match("X") }
	events := story(t, "1: A 0:00, Y 0:05, B 0:10", "2: A 0:00, X 0:05, B 0:10", "3: X 0:00, A 0:00, B 0:10, X 0:10")
	lookAlike(t, groups(funnel(t, "A B", others), events), "A 3, B 2 600s")
	lookAlike(t, groups(funnel(t, "A B", order(query.Strict)), events), "A 3, B 1 600s")
}

// §6: step k of unordered counts people with at least k distinct steps in a window
// from the first of them.
func TestWorkedExampleUnorderedSteps(t *testing.T) {
	events := story(t, "1: C 0:00, A 0:30, B 1:00", "2: B 0:00, B 0:30, A 1:01", "3: X 0:00", "4: C 9-30T23:50, A 0:10")
	lookAlike(t, groups(funnel(t, "A B C", order(query.Unordered), within(hour)), events), "A 3, B 2 1830s, C 1 1800s")
	// Times are of the k-th in time.
	lookAlike(t, groups(funnel(t, "A B C", order(query.Unordered)), story(t, "1: C 0:00, B 0:10, A 1:00")), "A 1, B 1 600s, C 1 3000s")
}

// §6: the same event on two steps needs two events.
func TestWorkedExampleSameEventTwice(t *testing.T) {
	events := story(t, "1: A 0:00", "2: A 0:00, A 0:01", "3: A 0:00, A 0:00")
	lookAlike(t, groups(funnel(t, "A A"), events), "A 3, A 2 30s")
	lookAlike(t, groups(funnel(t, "A A", order(query.Unordered)), events), "A 3, A 2 30s")
	lookAlike(t, groups(funnel(t, "A A", order(query.Strict)), events), "A 3, A 2 30s")
	lookAlike(t, groups(funnel(t, "A A", tiesStrict), events), "A 3, A 1 60s")
}

// §6: at equal times the order of step definition is allowed; grace widens this.
func TestWorkedExampleTies(t *testing.T) {
	events := story(t, "1: B 0:01, A 0:01", "2: B 0:00:59, A 0:01:01", "3: B 0:00:58, A 0:01:01")
	lookAlike(t, groups(funnel(t, "A B"), events), "A 3, B 1 0s")
	lookAlike(t, groups(funnel(t, "A B", tiesStrict), events), "A 3, B 0")
	lookAlike(t, groups(funnel(t, "A B", grace(2*second)), events), "A 3, B 2 -1s")
	// Grace is held against every earlier step: C is 1 s before B, and 3 s before A.
	lookAlike(t, groups(funnel(t, "A B C", grace(2*second)), story(t, "1: A 0:00:03, B 0:00:01, C 0:00:00")), "A 1, B 1 -2s, C 0")
	// With strict order the time between two steps is that between them, whichever is
	// earlier, and an event of the way itself may lie in it.
	strict := funnel(t, "A B C", order(query.Strict), grace(2*second))
	lookAlike(t, groups(strict, story(t, "1: A 0:00:10, B 0:00:12, C 0:00:11")), "A 1, B 1 2s, C 1 -1s")
	lookAlike(t, groups(strict, story(t, "1: B 0:00:08, X 0:00:09, A 0:00:10")), "A 1, B 0, C 0")
	// B before the range, by grace.
	lookAlike(t, groups(funnel(t, "A B", grace(2*second)), story(t, "1: B 09-30T23:59:59, A 0:00:00")), "A 1, B 1 -1s")
}

// Amplitude takes events of one second for simultaneous: B, then A within a second,
// is A → B as well. An event that is not of the funnel breaks no exact order if it
// is simultaneous.
func TestWorkedExampleAmplitudeSimultaneous(t *testing.T) {
	events := story(t, "1: B 0:00:00, A 0:00:01")
	lookAlike(t, groups(funnel(t, "A B", grace(second)), events), "A 1, B 1 -1s")
	lookAlike(t, groups(funnel(t, "B A", grace(second)), events), "B 1, A 1 1s")
	lookAlike(t, groups(funnel(t, "A B", order(query.Strict)), story(t, "1: X 0:00, A 0:00, B 0:01")), "A 1, B 1 60s")
}

// Mixpanel's loose order: other events may lie between, no step may be missing,
// and a later E counts if an earlier one came too soon.
func TestWorkedExampleMixpanelLooseOrder(t *testing.T) {
	for told, want := range map[string]string{
		"1: A 0:00, B 0:01, C 0:02, D 0:03, E 0:04":                         "A 1, B 1 60s, C 1 60s, D 1 60s, E 1 60s",
		"1: A 0:00, B 0:01, F 0:02, C 0:03, D 0:04, E 0:05":                 "A 1, B 1 60s, C 1 120s, D 1 60s, E 1 60s",
		"1: A 0:00, B 0:01, C 0:02, E 0:03":                                 "A 1, B 1 60s, C 1 60s, D 0, E 0",
		"1: A 0:00, B 0:01, C 0:02, E 0:03, D 0:04, E 0:05":                 "A 1, B 1 60s, C 1 60s, D 1 120s, E 1 60s",
		"1: E 0:00, D 0:01, C 0:02, B 0:03, A 0:04":                         "A 1, B 0, C 0, D 0, E 0",
		"1: B 0:00, A 0:01, B 0:02, B 0:03, C 0:04, A 0:05, D 0:06, X 1:00": "A 1, B 1 60s, C 1 120s, D 1 120s, E 0",
	} {
		lookAlike(t, groups(funnel(t, "A B C D E"), story(t, told)), want)
	}
}

// Mixpanel: the window begins with the first A and is not begun anew by the
// second, A 1:00, A 1:30, B 1:45, C 2:15 in one hour; with optimized re-entry the
// second A is an entry of its own.
func TestWorkedExampleMixpanelWindowAndReentry(t *testing.T) {
	events := story(t, "1: A 1:00, A 1:30, B 1:45, C 2:15")
	lookAlike(t, groups(funnel(t, "A B C", within(hour), entry(query.EntryFirst)), events), "A 1, B 1 2700s, C 0")
	lookAlike(t, groups(funnel(t, "A B C", within(hour)), events), "A 1, B 1 900s, C 1 1800s")
	// A, the window ends, A, B.
	lookAlike(t, groups(funnel(t, "A B", within(hour)), story(t, "1: A 1:00, A 3:00, B 3:10")), "A 1, B 1 600s")
	// Several entries within one window: the most recent, where that is asked for.
	lookAlike(t, groups(funnel(t, "A B", entry(query.EntryLatest)), story(t, "1: A 1:00, A 1:10, A 1:20, B 1:30")), "A 1, B 1 600s")
}

// §6 and Mixpanel's totals: a person may enter again after converting, timing out
// or exclusion, and not before.
func TestWorkedExampleTotals(t *testing.T) {
	totals := counting(query.CountTotals)
	for told, want := range map[string]string{
		"1: A 0:00, B 0:10, A 0:20, B 0:30": "A 2, B 2 600s",  // converted twice
		"1: A 0:00, A 0:10, B 0:20":         "A 1, B 1 1200s", // the second is within the first
		"1: A 0:00, A 1:00, A 1:01, B 1:02": "A 2, B 1 60s",   // the window's end is inclusive
		"1: A 0:00, X 0:10, A 0:20, B 0:30": "A 2, B 1 600s",  // excluded, and again
		"1: A 0:00, X 0:10, B 0:20":         "A 1, B 0",
		"1: A 0:00, A 0:05, X 0:10, A 0:20": "A 2, B 0",
		"1: A 0:00, B 0:00, A 0:00":         "A 1, B 1 0s", // starts are told apart by time
		"1: A 0:00, X 2:00, A 2:00":         "A 2, B 0",    // the exclusion is behind the window
	} {
		lookAlike(t, groups(funnel(t, "A B", within(hour), totals, excluding("X", 0, 1)), story(t, told)), want)
	}
	// Uniques count the first of two conversions once.
	lookAlike(t, groups(funnel(t, "A B"), story(t, "1: A 0:00, B 0:10, A 0:20, B 0:50")), "A 1, B 1 600s")
	// An attempt that fails at a later step is excluded by what forbids its next one.
	deep := funnel(t, "A B C", within(hour), totals, excluding("X", 0, 1), excluding("Y", 1, 2))
	lookAlike(t, groups(deep, story(t, "1: A 0:00, B 0:10, X 0:20, A 0:30")), "A 1, B 1 600s, C 0")
	lookAlike(t, groups(deep, story(t, "1: A 0:00, B 0:10, Y 0:20, A 0:30")), "A 2, B 1 600s, C 0")
	// With a session for a window a failed attempt ends with the session.
	session := funnel(t, "A B", totals, bySession)
	lookAlike(t, groups(session, story(t, "1: A 0:00 session=1, A 0:10 session=2, Z 0:20 session=1, A 0:30 session=2, A 0:40 session=3")), "A 3, B 0")
	lookAlike(t, groups(session, story(t, "1: A 0:00, A 0:10, B 0:20")), "A 2, B 0")
	// Of two sessions that begin at once and fail alike, the end is that of the lower number.
	lookAlike(t, groups(session, story(t, "1: A 0:00 session=2, Z 0:40 session=2, A 0:00 session=1, Z 0:20 session=1, A 0:30 session=3")), "A 2, B 0")
	// A conversion by grace ends with the last of its events.
	lookAlike(t, groups(funnel(t, "A B", totals, grace(second)), story(t, "1: B 0:00:00, A 0:00:01, A 0:00:02")), "A 2, B 1 -1s")
	lookAlike(t, groups(funnel(t, "A B C", totals, grace(second)), story(t, "1: A 0:00:00, B 0:00:02, C 0:00:01, A 0:00:02")), "A 1, B 1 2s, C 1 -1s")
	// What forbids a step that could come next ends an attempt, also behind an optional one.
	lookAlike(t, groups(funnel(t, "A B? C", totals, within(hour), excluding("X", 1, 2)), story(t, "1: A 0:00, X 0:10, A 0:20")), "A 2, B 0, C 0")
	lookAlike(t, groups(funnel(t, "A B", totals, order(query.Unordered), within(hour), excluding("X", 0, 1)), story(t, "1: A 0:00, X 0:10, A 0:20")), "A 1, B 0")
	lookAlike(t, groups(funnel(t, "A B", totals, order(query.Unordered), within(hour)), story(t, "1: B 0:00, A 0:10, A 0:20, A 2:00")), "A 3, B 1 600s")
}

// §6: with sessions, each is its own stream; events without one are left out.
func TestWorkedExampleSessions(t *testing.T) {
	events := story(t, "1: A 0:00 session=1, B 0:10 session=1, A 1:00 session=2, B 2:00 session=3", "2: A 0:00, B 0:10")
	lookAlike(t, groups(funnel(t, "A B", counting(query.CountSessions)), events), "A 2, B 1 600s")
	lookAlike(t, groups(funnel(t, "A B"), events), "A 2, B 2 600s")
}

// A window of the session ends with it, whatever the time; without a session there
// is step 1 alone.
func TestWorkedExampleWindowSession(t *testing.T) {
	events := story(t, "1: A 0:00 session=1, B 10-30T0:00 session=1", "2: A 0:00 session=2, B 0:10 session=3", "3: A 0:00, B 0:10", "4: A 0:00, A 0:01 session=4, B 0:02 session=4")
	lookAlike(t, groups(funnel(t, "A B", bySession), events), "A 4, B 2 1.25283e+06s")
	lookAlike(t, groups(funnel(t, "A B"), events), "A 4, B 3 440s")
	lookAlike(t, groups(funnel(t, "B A", bySession, order(query.Unordered)), events), "B 4, A 2 1.25283e+06s")
}

// §6: what is excluded between steps ends that attempt at the step before, and the
// person may convert by another; with PostHog's rule the person leaves.
func TestWorkedExampleExclude(t *testing.T) {
	events := story(t,
		"1: A 0:00, B 0:10, C 0:20",
		"2: A 0:00, X 0:05, B 0:10, C 0:20",
		"3: A 0:00, X 0:05, A 0:06, B 0:10, C 0:20",
		"4: A 0:00, B 0:10, X 0:15, C 0:20",
		"5: X 0:00, A 0:00, B 0:10, X 0:10, C 0:20, X 0:21",
		"6: A 0:00, X 0:30")
	lookAlike(t, groups(funnel(t, "A B C", excluding("X", 0, 1)), events), "A 6, B 4 510s, C 4 600s")
	lookAlike(t, groups(funnel(t, "A B C", excluding("X", 1, 2)), events), "A 6, B 5 600s, C 4 600s")
	lookAlike(t, groups(funnel(t, "A B C", excluding("X", 0, 2)), events), "A 6, B 4 510s, C 2 600s")
	lookAlike(t, groups(funnel(t, "A B C", excluding("X", 0, 1), leaving), events), "A 3, B 3 600s, C 3 600s")
	lookAlike(t, groups(funnel(t, "A B C", excluding("X", 1, 2), leaving), events), "A 5, B 4 600s, C 4 600s")
	// Behind the window it is not of the funnel.
	lookAlike(t, groups(funnel(t, "A B C", excluding("X", 0, 1), leaving, within(25*minute)), events), "A 4, B 3 600s, C 3 600s")
	// Unordered funnels have no exclusions.
	lookAlike(t, groups(funnel(t, "A B C", order(query.Unordered), excluding("X", 0, 2)), events), "A 6, B 5 600s, C 5 600s")
	lookAlike(t, groups(funnel(t, "A B C", order(query.Unordered), excluding("X", 0, 2), leaving), events), "A 6, B 5 600s, C 5 600s")
	// Where the step that an exclusion follows is left out, it follows the one before.
	events = story(t, "1: X 0:00, A 0:10, C 0:20", "2: A 0:00, X 0:10, C 0:20", "3: A 0:00, X 0:10")
	lookAlike(t, groups(funnel(t, "A B? C", excluding("X", 1, 2)), events), "A 3, B 0, C 1 600s")
	lookAlike(t, groups(funnel(t, "A B? C", excluding("X", 1, 2), leaving), events), "A 1, B 0, C 1 600s")
}

// A way that begins before an exclusion may go on behind it with another step, if
// there is a way around: the earliest B is not always the one.
func TestWorkedExampleExcludeChoosesAWayAround(t *testing.T) {
	events := story(t, "1: A 0:00, B 0:10, X 0:15, B 0:20, C 0:30")
	lookAlike(t, groups(funnel(t, "A B C", excluding("X", 1, 2)), events), "A 1, B 1 1200s, C 1 600s")
	lookAlike(t, groups(funnel(t, "A B C"), events), "A 1, B 1 600s, C 1 1200s")
}

// Optional steps may be left out, and are rather taken than not.
func TestWorkedExampleOptional(t *testing.T) {
	events := story(t, "1: A 0:00, B 0:10, C 0:30", "2: A 0:00, C 0:10", "3: A 0:00, B 0:10", "4: A 0:00")
	plan := funnel(t, "A B? C")
	lookAlike(t, groups(plan, events), "A 4, B 2 600s, C 2 900s")
	g := oracle.Ask(&plan, events, nil).Groups[0]
	if g.Steps[2].FromPrevious != 0.5 || g.Steps[1].FromPrevious != 0.5 || g.Steps[2].FromStart != 0.5 {
		t.Errorf("steps %+v: an optional step is no base of the next", g.Steps)
	}
	lookAlike(t, groups(funnel(t, "A B C"), events), "A 4, B 2 600s, C 1 1200s")
	// Steps that are not optional are never later for the sake of one that is.
	lookAlike(t, groups(plan, story(t, "1: A 0:00, C 0:10, B 0:20, C 0:30")), "A 1, B 0, C 1 600s")
	// Nobody drops at an optional step.
	dropped := func(step int) string {
		return persons(plan, events, nil, query.Explain{Step: step, Dropped: true})
	}
	if dropped(0) != "[3 4]" || dropped(1) != "[3]" || dropped(2) != "[]" {
		t.Error(dropped(0), dropped(1), dropped(2))
	}
}

// Amplitude: each step must have the same value of what is held constant.
func TestWorkedExampleHoldConstant(t *testing.T) {
	events := story(t,
		"1: view 0:00 item=a, view 0:10 item=b, buy 0:20 item=b",
		"2: view 0:00 item=a, buy 0:20 item=b",
		"3: view 0:00, buy 0:20",
		"4: view 0:00 item=a, buy 0:10 item=a, view 1:00 item=b, buy 1:30 item=b")
	lookAlike(t, groups(funnel(t, "view buy", holding("item")), events), "view 4, buy 3 800s")
	lookAlike(t, groups(funnel(t, "view buy"), events), "view 4, buy 4 1050s")
	lookAlike(t, groups(funnel(t, "view buy", holding("item"), entry(query.EntryLatest)), events), "view 4, buy 3 1200s")
	lookAlike(t, groups(funnel(t, "view buy", holding("item"), entry(query.EntryFirst)), events), "view 4, buy 2 900s")
	// Of streams that start at once the one that comes further counts.
	lookAlike(t, groups(funnel(t, "view buy", holding("item"), entry(query.EntryFirst)),
		story(t, "1: view 0:00 item=a, view 0:00 item=b, buy 0:10 item=b")), "view 1, buy 1 600s")
	lookAlike(t, groups(funnel(t, "view buy", holding("item"), counting(query.CountTotals)), events), "view 6, buy 4 1050s")
	// With a breakdown one counts in each group.
	lookAlike(t, groups(funnel(t, "view buy", holding("p"), broken(query.FirstTouch, 0, 9)),
		story(t, "1: view 0:00 p=a, buy 0:10 p=a, view 1:00 p=b")), "a: view 1, buy 1 600s", "b: view 1, buy 0")
}

// §6: whose step's value the group is.
func TestWorkedExampleAttribution(t *testing.T) {
	events := story(t,
		"1: A 0:00 p=x, B 0:10 p=y, C 0:20",
		"2: A 0:00, B 0:10 p=y",
		"3: A 0:00 p=x, B 0:10 p=x, C 0:20 p=x",
		"4: A 0:00")
	lookAlike(t, groups(funnel(t, "A B C", broken(query.FirstTouch, 0, 9)), events),
		"x: A 2, B 2 600s, C 2 600s", "y: A 1, B 1 600s, C 0", "null: A 1, B 0, C 0")
	lookAlike(t, groups(funnel(t, "A B C", broken(query.LastTouch, 0, 9)), events),
		"y: A 2, B 2 600s, C 1 600s", "x: A 1, B 1 600s, C 1 600s", "null: A 1, B 0, C 0")
	lookAlike(t, groups(funnel(t, "A B C", broken(query.TouchStep, 2, 9)), events),
		"null: A 3, B 2 600s, C 1 600s", "x: A 1, B 1 600s, C 1 600s")
	lookAlike(t, groups(funnel(t, "A B C", broken(query.AllSteps, 0, 9)), events),
		"x: A 2, B 1 600s, C 1 600s", "null: A 2, B 0, C 0")
}

// A breakdown by the user takes the current value, whatever the step.
func TestWorkedExampleFunnelByUser(t *testing.T) {
	plan := funnel(t, "A B", broken(query.TouchStep, 1, 9))
	plan.Funnel.Breakdown.By.On = query.OnUser
	people := []weir.Person{{Number: 1, Traits: propertiesOf(t, `{"p": "pro"}`)}, {Number: 3, Traits: propertiesOf(t, `{"p": "pro"}`)}}
	lookAlike(t, groups(plan, story(t, "1: A 0:00 p=x, B 0:10", "2: A 0:00 p=x", "3: A 0:00"), people...),
		"pro: A 2, B 1 600s", "null: A 1, B 0")
}

// The groups with the most at step 1 stand alone, among equals the first by bytes;
// the rest is one.
func TestWorkedExampleFunnelOther(t *testing.T) {
	events := story(t, "1: A 0:00 p=a", "2: A 0:00 p=b, B 0:10", "3: A 0:00", "4: A 0:00 p=c, B 0:20", "5: A 0:00 p=c", "6: A 0:00")
	plan := funnel(t, "A B", broken(query.FirstTouch, 0, 2))
	lookAlike(t, groups(plan, events), "c: A 2, B 1 1200s", "null: A 2, B 0", "$other: A 2, B 1 600s")
	for group, want := range map[string]string{"c": "[4 5]", "null": "[3 6]", "$other": "[1 2]", "a": "[]"} {
		if got := persons(plan, events, nil, query.Explain{Group: named(group)}); got != want {
			t.Errorf("%s: %s", group, got)
		}
	}
	if !oracle.Ask(&plan, events, nil).Truncated {
		t.Error("values are in the rest, and the answer does not say so")
	}
	plan.Funnel.Breakdown.Limit = 4
	if oracle.Ask(&plan, events, nil).Truncated {
		t.Error("there is no rest, and the answer says so")
	}
	if got := groups(plan, nil); got != nil {
		t.Errorf("groups of nobody: %q", got)
	}
}

// Events of the same time stand in order of the breakdown's value, which decides
// between ways that are alike.
func TestWorkedExampleTieDecidesTheGroup(t *testing.T) {
	events := story(t, "1: A 0:00 p=z, A 0:00, A 0:00 p=k, B 0:10")
	lookAlike(t, groups(funnel(t, "A B", broken(query.FirstTouch, 0, 9)), events), "k: A 1, B 1 600s")
	// But a way that is better by its times goes before.
	events = story(t, "1: A 0:00 p=k session=1, A 0:00 p=z session=2, B 0:10 session=2")
	lookAlike(t, groups(funnel(t, "A B", bySession, broken(query.FirstTouch, 0, 9)), events), "z: A 1, B 1 600s")
}

// Amplitude's example of conversion over time: step 1 on the 1st, 5th and 20th, and
// step 2 on the 2nd and 6th.
func TestWorkedExampleOverTime(t *testing.T) {
	plan := funnel(t, "A B", within(2*day), counting(query.CountTotals), func(f *query.Funnel) {
		b := divided(t, query.Week, "10-01T0:00", "11-01T0:00")
		f.By = &b
	})
	g := oracle.Ask(&plan, story(t, "1: A 10-01T9:00, B 10-02T9:00, A 10-05T9:00, B 10-06T9:00, A 10-20T9:00"), nil).Groups[0]
	want := `[{"bucket":"2026-09-28","counts":[1,1],"rate":1},{"bucket":"2026-10-05","counts":[1,1],"rate":1},` +
		`{"bucket":"2026-10-12","counts":[0,0],"rate":null},{"bucket":"2026-10-19","counts":[1,0],"rate":0},{"bucket":"2026-10-26","counts":[0,0],"rate":null}]`
	if got := jsonOf(t, g.OverTime); got != want {
		t.Errorf("got %s", got)
	}
	if g.Steps[0].Count != 3 || g.Steps[1].Count != 2 {
		t.Errorf("steps %+v", g.Steps)
	}
}

// §6: average and median of the seconds of a step, and ratios, over what is counted.
func TestWorkedExampleSeconds(t *testing.T) {
	plan := funnel(t, "A B C")
	events := story(t, "1: A 0:00:00, B 0:00:01", "2: A 0:00:00, B 0:00:02", "3: A 0:00:00, B 0:00:04", "4: A 0:00:00, B 0:00:10, C 0:00:11", "5: A 0:00")
	want := `[{"event":"A","count":5,"from_start":1,"from_previous":1,"avg_seconds":null,"median_seconds":null},` +
		`{"event":"B","count":4,"from_start":0.8,"from_previous":0.8,"avg_seconds":4.25,"median_seconds":3},` +
		`{"event":"C","count":1,"from_start":0.2,"from_previous":0.25,"avg_seconds":1,"median_seconds":1}]`
	if got := jsonOf(t, oracle.Ask(&plan, events, nil).Groups[0].Steps); got != want {
		t.Errorf("got %s", got)
	}
	none := `[{"event":"A","count":0,"from_start":null,"from_previous":null,"avg_seconds":null,"median_seconds":null},`
	if got := jsonOf(t, oracle.Ask(&plan, nil, nil).Groups[0].Steps); !strings.HasPrefix(got, none) {
		t.Errorf("of nobody: %s", got)
	}
}

// §6: filters of a step act before matching, and a step may be one of several events.
func TestWorkedExampleStepFilters(t *testing.T) {
	plan := funnel(t, "A B")
	plan.Funnel.Steps[0].Where = is("p", "x")
	plan.Funnel.Steps[1].Match = match("B", "C")
	lookAlike(t, groups(plan, story(t, "1: A 0:00 p=y, A 0:10 p=x, C 0:20", "2: A 0:00 p=y, B 0:10")), "A 1, B 1 600s")
}

func TestExplainFunnel(t *testing.T) {
	events := story(t, "3: A 0:00, B 0:10", "1: A 0:00, B 0:10, A 1:00", "2: A 0:00")
	plan := funnel(t, "A B", within(hour), counting(query.CountTotals))
	for x, want := range map[string]string{"0": "[1 2 3]", "1": "[1 3]", "0 dropped": "[1 2]"} {
		step, dropped := strings.CutSuffix(x, " dropped")
		if got := persons(plan, events, nil, query.Explain{Step: int(step[0] - '0'), Dropped: dropped}); got != want {
			t.Errorf("step %s: %s, want %s", x, got, want)
		}
	}
}
