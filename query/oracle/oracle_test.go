package oracle_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's zones

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

// plan parses a question of 7 October 2026.
func plan(t testing.TB, question string) *query.Plan {
	t.Helper()
	p, fault := query.Parse([]byte(question), query.Env{Now: time.Date(2026, 10, 7, 12, 0, 0, 0, time.UTC)})
	if fault != nil {
		t.Fatal(fault)
	}
	return p
}

// event makes an event called "e" with properties of a JSON object.
func event(t testing.TB, at string, person, session uint32, properties string) weir.Event {
	t.Helper()
	when, ok := query.ReadTime(at)
	if !ok {
		t.Fatalf("not a time: %s", at)
	}
	return weir.Event{Time: when, Name: "e", Identity: person, Person: person, Session: session, Properties: propertiesOf(t, properties)}
}

func propertiesOf(t testing.TB, text string) []weir.Property {
	t.Helper()
	var named map[string]weir.Value
	if err := json.Unmarshal([]byte(text), &named); err != nil {
		t.Fatal(err)
	}
	var list []weir.Property
	for name, v := range named {
		list = append(list, weir.Property{Name: name, Value: v})
	}
	slices.SortFunc(list, func(a, b weir.Property) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// lines writes an answer's series: name, group, values and total.
func lines(a *query.Answer) []string {
	var out []string
	for _, s := range a.Series {
		name := s.Name
		if s.Period == "previous" {
			name += "'"
		}
		for _, group := range s.Breakdown {
			if group == nil {
				name += " null"
			} else {
				name += fmt.Sprintf(" %q", *group)
			}
		}
		out = append(out, strings.ReplaceAll(fmt.Sprintf("%s %v = %v", name, s.Values, s.Total), "NaN", "null"))
	}
	return out
}

func expect(t *testing.T, a *query.Answer, want ...string) {
	t.Helper()
	if got := lines(a); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// §1: the 23 h and 25 h days of a DST change are one bucket each.
func TestWorkedExampleDaylightSaving(t *testing.T) {
	events := []weir.Event{
		event(t, "2026-10-24T23:59:59+02:00", 1, 0, `{}`),
		event(t, "2026-10-25T00:00:00+02:00", 1, 0, `{}`),
		event(t, "2026-10-25T02:30:00+02:00", 1, 0, `{}`),
		event(t, "2026-10-25T02:30:00+01:00", 1, 0, `{}`),
		event(t, "2026-10-25T23:59:59+01:00", 1, 0, `{}`),
		event(t, "2026-10-26T00:00:00+01:00", 1, 0, `{}`),
	}
	days := plan(t, `{"kind": "trends", "from": "2026-10-24", "to": "2026-10-26", "timezone": "Europe/Paris", "series": [{"event": "e"}]}`)
	expect(t, oracle.Ask(days, events, nil), "A [1 4 1] = 6")
	hours := plan(t, `{"kind": "trends", "from": "2026-10-25T01:00:00+02:00", "to": "2026-10-25T04:00:00+01:00", "timezone": "Europe/Paris", "interval": "hour", "series": [{"event": "e"}]}`)
	answer := oracle.Ask(hours, events, nil)
	expect(t, answer, "A [0 1 1 0] = 2")
	if answer.Buckets[1] != "2026-10-25T02:00:00+02:00" || answer.Buckets[2] != "2026-10-25T02:00:00+01:00" {
		t.Errorf("buckets %q", answer.Buckets)
	}
}

// CONTRACT §4.1: a unique count's total is unique over the whole range, never a
// sum of buckets. Events without a session are in no session.
func TestWorkedExampleUniqueTotals(t *testing.T) {
	events := []weir.Event{
		event(t, "2026-10-01T10:00:00Z", 1, 7, `{}`),
		event(t, "2026-10-01T11:00:00Z", 1, 7, `{}`),
		event(t, "2026-10-02T10:00:00Z", 1, 7, `{}`),
		event(t, "2026-10-02T11:00:00Z", 2, 8, `{}`),
		event(t, "2026-10-02T12:00:00Z", 2, 0, `{}`),
		event(t, "2026-10-03T12:00:00Z", 3, 0, `{}`),
	}
	p := plan(t, `{"kind": "trends", "from": "2026-10-01", "to": "2026-10-04", "series": [
		{"event": "e"}, {"event": "*", "measure": "users"}, {"event": "e", "measure": "sessions"}, {"event": "other"}]}`)
	expect(t, oracle.Ask(p, events, nil), "A [2 3 1 0] = 6", "B [1 2 1 0] = 3", "C [1 2 0 0] = 2", "D [0 0 0 0] = 0")
}

// CONTRACT §4.1: only events inside the range count, also in a first or last
// bucket that the range cuts.
func TestWorkedExampleCutBuckets(t *testing.T) {
	events := []weir.Event{
		event(t, "2026-10-01T10:29:59.999999Z", 1, 0, `{}`),
		event(t, "2026-10-01T10:30:00Z", 1, 0, `{}`),
		event(t, "2026-10-01T12:14:59.999999Z", 1, 0, `{}`),
		event(t, "2026-10-01T12:15:00Z", 1, 0, `{}`),
	}
	p := plan(t, `{"kind": "trends", "from": "2026-10-01T10:30:00Z", "to": "2026-10-01T12:15:00Z", "interval": "hour", "series": [{"event": "e"}]}`)
	answer := oracle.Ask(p, events, nil)
	expect(t, answer, "A [1 0 1] = 2")
	if answer.Buckets[0] != "2026-10-01T10:00:00Z" {
		t.Errorf("buckets %q", answer.Buckets)
	}
}

// §8: in breakdowns an absent value is null, its own group; so is a null value.
// The empty string is set. Groups are texts: 5 and "5" are one.
func TestWorkedExampleBreakdown(t *testing.T) {
	events := []weir.Event{
		event(t, "2026-10-01T10:00:00Z", 1, 0, `{"p": 5}`),
		event(t, "2026-10-01T10:00:00Z", 1, 0, `{"p": "5"}`),
		event(t, "2026-10-01T10:00:00Z", 1, 0, `{"p": null}`),
		event(t, "2026-10-01T10:00:00Z", 1, 0, `{}`),
		event(t, "2026-10-01T10:00:00Z", 2, 0, `{"p": ""}`),
		event(t, "2026-10-01T10:00:00Z", 2, 0, `{"p": ["x", "y"]}`),
		event(t, "2026-10-01T10:00:00Z", 2, 4, `{"p": true}`),
	}
	question := `{"kind": "trends", "from": "2026-10-01", "to": "2026-10-01", "series": [{"event": "e", "measure": "%s"}], "breakdowns": [{"property": "p", "limit": %d}]}`
	answer := oracle.Ask(plan(t, fmt.Sprintf(question, "total", 5)), events, nil)
	expect(t, answer, `A "5" [2] = 2`, `A null [2] = 2`, `A "" [1] = 1`, `A "[\"x\", \"y\"]" [1] = 1`, `A "true" [1] = 1`)
	if answer.Truncated {
		t.Error("truncated, but nothing was left out")
	}
	answer = oracle.Ask(plan(t, fmt.Sprintf(question, "total", 1)), events, nil)
	expect(t, answer, `A "5" [2] = 2`, `A "$other" [5] = 5`)
	if !answer.Truncated {
		t.Error("not truncated")
	}
	// Groups in which nothing is counted do not exist.
	answer = oracle.Ask(plan(t, fmt.Sprintf(question, "sessions", 1)), events, nil)
	expect(t, answer, `A "true" [1] = 1`)
	if answer.Truncated {
		t.Error("groups of total 0 count as left out")
	}
}

// §8: user properties are the current ones, of the person that the event
// belongs to now.
func TestWorkedExampleUserProperties(t *testing.T) {
	events := []weir.Event{
		event(t, "2026-10-01T10:00:00Z", 1, 0, `{"plan": "free"}`),
		event(t, "2026-10-01T10:00:00Z", 2, 0, `{"plan": "free"}`),
		event(t, "2026-10-01T10:00:00Z", 3, 0, `{"plan": "free"}`),
	}
	people := []weir.Person{{Number: 1, Traits: propertiesOf(t, `{"plan": "pro"}`)}, {Number: 2, Traits: propertiesOf(t, `{}`)}}
	question := `{"kind": "trends", "from": "2026-10-01", "to": "2026-10-01", "series": [{"event": "e", "filters": %s}], "breakdowns": [{"property": "plan", "on": "%s"}]}`
	expect(t, oracle.Ask(plan(t, fmt.Sprintf(question, `[]`, "user")), events, people), `A null [2] = 2`, `A "pro" [1] = 1`)
	expect(t, oracle.Ask(plan(t, fmt.Sprintf(question, `[]`, "event")), events, people), `A "free" [3] = 3`)
	is := `[{"property": "plan", "on": "user", "op": "%s"%s}]`
	expect(t, oracle.Ask(plan(t, fmt.Sprintf(question, fmt.Sprintf(is, "neq", `, "value": "pro"`), "user")), events, people), `A null [2] = 2`)
	expect(t, oracle.Ask(plan(t, fmt.Sprintf(question, fmt.Sprintf(is, "is_set", ""), "user")), events, people), `A "pro" [1] = 1`)
}

// Session properties stand on the events, under names with "$".
func TestWorkedExampleSessionProperties(t *testing.T) {
	events := []weir.Event{event(t, "2026-10-01T10:00:00Z", 1, 1, `{"$utm_source": "news", "utm_source": "other"}`)}
	p := plan(t, `{"kind": "trends", "from": "2026-10-01", "to": "2026-10-01", "series": [{"event": "e"}], "breakdowns": [{"property": "utm_source", "on": "session"}]}`)
	expect(t, oracle.Ask(p, events, nil), `A "news" [1] = 1`)
}

// Filters of the question and of the series must hold both; groups nest.
func TestWorkedExampleGroups(t *testing.T) {
	var events []weir.Event
	for i := range 8 {
		events = append(events, event(t, "2026-10-01T10:00:00Z", uint32(i), 0, fmt.Sprintf(`{"a": %d, "b": %d, "c": %d}`, i&1, i>>1&1, i>>2)))
	}
	is := func(p string) string { return `{"property": "` + p + `", "op": "eq", "value": 1}` }
	for filters, want := range map[string]string{
		`[` + is("a") + `,` + is("b") + `]`:                       "A [1] = 1", // with c
		`[{"any": [` + is("a") + `,` + is("b") + `]}]`:            "A [3] = 3",
		`[{"not": {"any": [` + is("a") + `,` + is("b") + `]}}]`:   "A [1] = 1",
		`[{"any": [{"all": [` + is("a") + `,` + is("b") + `]}]}]`: "A [1] = 1",
		`[{"all": []}]`: "A [4] = 4",
		`[{"any": []}]`: "A [0] = 0",
		`[{"not": {"all": [` + is("a") + `, {"not": ` + is("b") + `}]}}]`:    "A [3] = 3",
		`[{"not": {"not": ` + is("a") + `}}]`:                                "A [2] = 2",
		`[{"any": [` + is("a") + `, {"property": "zzz", "op": "is_set"}]}] `: "A [2] = 2",
	} {
		p := plan(t, `{"kind": "trends", "from": "2026-10-01", "to": "2026-10-01", "filters": [`+is("c")+`], "series": [{"event": "e", "filters": `+filters+`}]}`)
		if got := lines(oracle.Ask(p, events, nil)); !reflect.DeepEqual(got, []string{want}) {
			t.Errorf("%s: got %q, want %q", filters, got, want)
		}
	}
}
