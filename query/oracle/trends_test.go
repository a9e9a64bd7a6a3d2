package oracle_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query/oracle"
)

// on makes a question about days of October 2026.
func on(from, to, rest string) string {
	return fmt.Sprintf(`{"kind": "trends", "from": "2026-10-%s", "to": "2026-10-%s", %s}`, from, to, rest)
}

// amounts are events with these amounts at noon of days of October, each of a person of
// its own.
func amounts(t *testing.T, values map[string][]string) []weir.Event {
	t.Helper()
	var events []weir.Event
	for day, list := range values {
		for _, v := range list {
			events = append(events, event(t, "2026-10-"+day+"T12:00:00Z", uint32(len(events)+1), 0, `{"amount": `+v+`}`))
		}
	}
	return events
}

// §6: an empty bucket is 0 for counts and sums and null for averages and percentiles.
// A property's value counts if it reads as a number.
func TestWorkedExampleMeasures(t *testing.T) {
	events := amounts(t, map[string][]string{
		"01": {`1`, `2`, `"3"`, `4`, `"1e1"`, `"ten"`, `true`, `[7]`, `{"a": 7}`, `null`},
		"02": {`"x"`},
	})
	for measure, want := range map[string]string{
		"total":    "A [10 1 0] = 11",
		"sum":      "A [20 0 0] = 20",
		"avg":      "A [4 null null] = 4",
		"min":      "A [1 null null] = 1",
		"max":      "A [10 null null] = 10",
		"median":   "A [3 null null] = 3",
		"p75":      "A [4 null null] = 4",
		"distinct": "A [9 1 0] = 10", // null is none
		"per_user": "A [1 1 null] = 1",
	} {
		property := ""
		if measure != "total" && measure != "per_user" {
			property = `, "property": "amount"`
		}
		p := plan(t, on("01", "03", `"series": [{"event": "e", "measure": "`+measure+`"`+property+`}]`))
		expect(t, oracle.Ask(p, events, nil), want)
	}
}

// Percentiles lie between the two values next to their position.
func TestWorkedExamplePercentiles(t *testing.T) {
	events := amounts(t, map[string][]string{"01": {`0`, `10`, `20`, `40`}})
	for measure, want := range map[string]string{
		"median": "A [15] = 15", // position 1.5
		"p75":    "A [25] = 25", // position 2.25: a quarter of the way from 20 to 40
	} {
		p := plan(t, on("01", "01", `"series": [{"event": "e", "measure": "`+measure+`", "property": "amount"}]`))
		expect(t, oracle.Ask(p, events, nil), want)
	}
}

// §6: weekly_active is the distinct people of the 7 calendar days that end with the
// bucket, looking back before from; its total is the people of the range.
func TestWorkedExampleActivePeople(t *testing.T) {
	events := []weir.Event{
		event(t, "2026-09-24T23:59:59Z", 1, 0, `{}`), // the eighth day before
		event(t, "2026-09-25T00:00:00Z", 2, 0, `{}`), // the seventh
		event(t, "2026-09-30T12:00:00Z", 2, 0, `{}`),
		event(t, "2026-10-01T12:00:00Z", 3, 0, `{}`),
		event(t, "2026-10-03T12:00:00Z", 3, 0, `{}`),
		event(t, "2026-10-03T12:00:00Z", 4, 0, `{}`),
	}
	p := plan(t, on("01", "07", `"series": [{"event": "e", "measure": "weekly_active"}, {"event": "e", "measure": "monthly_active"}, {"event": "e", "measure": "users"}]`))
	expect(t, oracle.Ask(p, events, nil), "A [2 2 3 3 3 3 2] = 2", "B [3 3 4 4 4 4 4] = 2", "C [1 0 2 0 0 0 0] = 2")
	// Of hours it is 168 hours; the bucket of a week is the people of the week.
	p = plan(t, `{"kind": "trends", "from": "2026-10-01T23:00:00Z", "to": "2026-10-02T02:00:00Z", "interval": "hour", "series": [{"event": "e", "measure": "weekly_active"}]}`)
	expect(t, oracle.Ask(p, events, nil), "A [2 2 2] = 0")
	p = plan(t, `{"kind": "trends", "from": "2026-09-21", "to": "2026-10-04", "interval": "week", "series": [{"event": "e", "measure": "monthly_active"}]}`)
	expect(t, oracle.Ask(p, events, nil), "A [2 3] = 4")
}

// §6: constants in formulas apply to empty buckets too; x/0 is null.
func TestWorkedExampleFormulas(t *testing.T) {
	events := amounts(t, map[string][]string{"01": {`1`, `2`}, "03": {`3`}})
	p := plan(t, on("01", "03", `"series": [{"event": "e", "hidden": true}, {"event": "e", "measure": "avg", "property": "amount", "hidden": true}],
		"formulas": [{"name": "more", "expression": "A + 10"}, {"name": "ratio", "expression": "10 / A"}, {"name": "mean", "expression": "B * 2"}, {"name": "line", "expression": "7"}]`))
	expect(t, oracle.Ask(p, events, nil), "more [12 10 11] = 13", "ratio [5 null 10] = 3.3333333333333335", "mean [3 null 6] = 4", "line [7 7 7] = 7")
}

// A cumulative value is of all rows from the beginning of the range on: people count
// once. A moving mean is of the values that there are.
func TestWorkedExampleCumulativeAndRolling(t *testing.T) {
	var events []weir.Event
	for i, person := range []uint32{1, 1, 2, 0, 1, 3} { // one a day, nobody on the 4th
		if person > 0 {
			events = append(events, event(t, fmt.Sprintf("2026-10-%02dT12:00:00Z", i+1), person, 0, fmt.Sprintf(`{"amount": %d}`, i)))
		}
	}
	series := `"series": [{"event": "e", "measure": "users"}, {"event": "e", "measure": "avg", "property": "amount"}]`
	p := plan(t, on("01", "06", series+`, "cumulative": true`))
	expect(t, oracle.Ask(p, events, nil), "A [1 1 2 2 2 3] = 3", "B [0 0.5 1 1 1.75 2.4] = 2.4")
	p = plan(t, on("01", "06", series+`, "rolling": 2`))
	expect(t, oracle.Ask(p, events, nil), "A [1 1 1 0.5 0.5 1] = 3", "B [0 0.5 1.5 2 4 4.5] = 2.4")
}

// What is not among a breakdown's highest values is one group; people in it count
// once. All series keep the same values, and a text "$other" is a value like others.
func TestWorkedExampleOthers(t *testing.T) {
	var events []weir.Event
	for person, values := range map[uint32][]string{1: {`"a"`, `"a"`, `"a"`, `"b"`, `"c"`, `null`}, 2: {`"c"`, `"$other"`, `"$other"`}, 3: {`"b"`}} {
		for _, v := range values {
			events = append(events, event(t, "2026-10-01T12:00:00Z", person, 0, `{"p": `+v+`}`))
		}
	}
	p := plan(t, on("01", "01", `"series": [{"event": "e"}, {"event": "e", "measure": "users"}], "breakdowns": [{"property": "p", "limit": 2}]`))
	answer := oracle.Ask(p, events, nil)
	// Of the three values with two events the second series decides.
	expect(t, answer, `A "a" [3] = 3`, `A "b" [2] = 2`, `A "$other" [5] = 5`, `B "b" [2] = 2`, `B "a" [1] = 1`, `B "$other" [2] = 2`)
	if !answer.Truncated {
		t.Error("not truncated")
	}
	p = plan(t, on("01", "01", `"series": [{"event": "e"}], "breakdowns": [{"property": "p", "limit": 9}]`))
	expect(t, oracle.Ask(p, events, nil), `A "a" [3] = 3`, `A "$other" [2] = 2`, `A "b" [2] = 2`, `A "c" [2] = 2`, `A null [1] = 1`)
}

// Several breakdowns make groups of their values together.
func TestWorkedExampleBreakdowns(t *testing.T) {
	events := []weir.Event{
		event(t, "2026-10-01T10:00:00Z", 1, 0, `{"p": "x", "q": 1}`),
		event(t, "2026-10-01T10:00:00Z", 1, 0, `{"p": "x", "q": 1}`),
		event(t, "2026-10-01T10:00:00Z", 2, 0, `{"p": "x"}`),
		event(t, "2026-10-01T10:00:00Z", 2, 0, `{"p": "y", "q": 2}`),
		event(t, "2026-10-01T10:00:00Z", 2, 0, `{"p": "z", "q": 2}`),
	}
	people := []weir.Person{{Number: 2, Traits: propertiesOf(t, `{"plan": "pro"}`)}}
	p := plan(t, on("01", "01", `"series": [{"event": "e"}], "breakdowns": [{"property": "p", "limit": 2}, {"property": "q"}, {"property": "plan", "on": "user"}]`))
	expect(t, oracle.Ask(p, events, people), `A "x" "1" null [2] = 2`, `A "x" null "pro" [1] = 1`, `A "y" "2" "pro" [1] = 1`, `A "$other" "2" "pro" [1] = 1`)
}

// The period before has the groups of the one that is asked about, and its own buckets.
func TestWorkedExampleComparison(t *testing.T) {
	var events []weir.Event
	for day, values := range map[string][]string{"01": {`"a"`}, "02": {`"a"`, `"new"`}, "03": {`"a"`, `"a"`, `"b"`}, "04": {`"b"`}} {
		for _, v := range values {
			events = append(events, event(t, "2026-10-"+day+"T12:00:00Z", 1, 0, `{"p": `+v+`}`))
		}
	}
	p := plan(t, on("03", "04", `"series": [{"event": "e"}], "breakdowns": [{"property": "p", "limit": 1}], "compare": "previous_period", "formulas": [{"name": "twice", "expression": "A * 2"}]`))
	answer := oracle.Ask(p, events, nil)
	expect(t, answer, `A "a" [2 0] = 2`, `A "$other" [1 1] = 2`, `twice "a" [4 0] = 4`, `twice "$other" [2 2] = 4`,
		`A' "a" [1 1] = 2`, `A' "$other" [0 1] = 1`, `twice' "a" [2 2] = 4`, `twice' "$other" [0 2] = 2`)
	if got := answer.Series[4].Buckets; !slices.Equal(got, []string{"2026-10-01", "2026-10-02"}) {
		t.Errorf("buckets of the period before %q", got)
	}
}

// A table has the totals, without the others.
func TestWorkedExampleTable(t *testing.T) {
	events := []weir.Event{
		event(t, "2026-10-01T10:00:00Z", 1, 0, `{"p": "x", "amount": 5}`),
		event(t, "2026-10-02T10:00:00Z", 1, 0, `{"p": "x", "amount": 6}`),
		event(t, "2026-10-02T10:00:00Z", 2, 0, `{"p": "y"}`),
		event(t, "2026-10-02T10:00:00Z", 3, 0, `{"p": null, "amount": "2.5"}`),
	}
	question := `{"kind": "table", "from": "2026-10-01", "to": "2026-10-03", "breakdowns": [{"property": "p"}], "limit": %d, "measures": [{"measure": "users"}, {"measure": "sum", "property": "amount"}, {"measure": "max", "property": "amount"}]}`
	answer := oracle.Ask(plan(t, fmt.Sprintf(question, 100)), events, nil)
	if got := fmt.Sprint(answer.Columns, answer.Rows, answer.Truncated); got != "[p users sum(amount) max(amount)] [[x 1 11 6] [<nil> 1 2.5 2.5] [y 1 0 <nil>]] false" {
		t.Error(got)
	}
	answer = oracle.Ask(plan(t, fmt.Sprintf(question, 1)), events, nil)
	if got := fmt.Sprint(answer.Rows, answer.Truncated); got != "[[x 1 11 6]] true" {
		t.Error(got)
	}
}

// An explanation lists exactly the people whom a number counts.
func TestWorkedExampleExplain(t *testing.T) {
	events := []weir.Event{
		event(t, "2026-09-28T10:00:00Z", 9, 0, `{"p": "x"}`),
		event(t, "2026-10-01T10:00:00Z", 3, 0, `{"p": "x"}`),
		event(t, "2026-10-01T10:00:00Z", 1, 0, `{"p": "x", "amount": 5}`),
		event(t, "2026-10-02T10:00:00Z", 2, 0, `{"p": "y", "amount": "x"}`),
		event(t, "2026-10-02T10:00:00Z", 4, 5, `{}`),
	}
	for _, c := range []struct {
		question string
		want     []uint32
	}{
		{`"series": [{"event": "e"}], "explain": {"series": 0}`, []uint32{1, 2, 3, 4}},
		{`"series": [{"event": "e"}], "explain": {"series": 0, "bucket": "2026-10-02"}`, []uint32{2, 4}},
		{`"series": [{"event": "e", "measure": "sessions"}], "explain": {"series": 0}`, []uint32{4}},
		{`"series": [{"event": "e", "measure": "avg", "property": "amount"}], "explain": {"series": 0}`, []uint32{1}},
		{`"series": [{"event": "e", "measure": "weekly_active"}], "explain": {"series": 0, "bucket": "2026-10-01"}`, []uint32{1, 3, 9}},
		{`"series": [{"event": "e"}], "cumulative": true, "explain": {"series": 0, "bucket": "2026-10-02"}`, []uint32{1, 2, 3, 4}},
		{`"series": [{"event": "e"}], "rolling": 2, "explain": {"series": 0, "bucket": "2026-10-02"}`, []uint32{1, 2, 3, 4}},
		{`"series": [{"event": "e"}], "breakdowns": [{"property": "p"}], "explain": {"series": 0, "breakdown": ["y"]}`, []uint32{2}},
		{`"series": [{"event": "e"}], "breakdowns": [{"property": "p"}], "explain": {"series": 0, "breakdown": [null]}`, []uint32{4}},
		{`"series": [{"event": "e"}], "breakdowns": [{"property": "p"}], "explain": {"series": 0, "breakdown": ["$other"]}`, []uint32{}},
		{`"series": [{"event": "e"}], "breakdowns": [{"property": "p", "limit": 1}], "explain": {"series": 0, "breakdown": ["$other"]}`, []uint32{2, 4}},
	} {
		if got := oracle.Ask(plan(t, on("01", "03", c.question)), events, nil).Persons; !slices.Equal(got, c.want) || got == nil {
			t.Errorf("%s: %v, want %v", c.question, got, c.want)
		}
	}
}
