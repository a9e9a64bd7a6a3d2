package oracle_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

const (
	second = weir.Micros(1e6)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// story reads events, a person a line: "1: A 0:50, B 1:20 session=3 p=x". Times are
// of 1 October 2026, with or without seconds, or have a date before them,
// "10-03T9:00". Values are texts, or numbers.
func story(t testing.TB, people ...string) []weir.Event {
	t.Helper()
	var events []weir.Event
	for _, line := range people {
		who, told, _ := strings.Cut(line, ": ")
		person, err := strconv.Atoi(who)
		if err != nil {
			t.Fatal(err)
		}
		for one := range strings.SplitSeq(told, ", ") {
			words := strings.Fields(one)
			e := weir.Event{Name: words[0], Person: uint32(person), Time: clock(t, words[1])}
			for _, word := range words[2:] {
				name, value, _ := strings.Cut(word, "=")
				if f, ok := query.ReadNumber(value); name == "session" {
					e.Session = uint32(f)
				} else if ok {
					e.Properties = append(e.Properties, weir.Property{Name: name, Value: weir.Num(f)})
				} else {
					e.Properties = append(e.Properties, weir.Property{Name: name, Value: weir.Text(value)})
				}
			}
			events = append(events, e)
		}
	}
	return events
}

func clock(t testing.TB, text string) weir.Micros {
	t.Helper()
	if !strings.Contains(text, "T") {
		text = "10-01T" + text
	}
	for _, layout := range []string{"2006-1-2T15:04", "2006-1-2T15:04:05"} {
		if at, err := time.Parse(layout, "2026-"+text); err == nil {
			return weir.Micros(at.UnixMicro())
		}
	}
	t.Fatalf("not a time: %s", text)
	return 0
}

func span(t testing.TB, from, to string) query.Span {
	return query.Span{From: clock(t, from), To: clock(t, to)}
}

// divided makes buckets of a range in UTC.
func divided(t testing.TB, interval query.Interval, from, to string) query.Buckets {
	t.Helper()
	b, err := query.Calendar{Interval: interval, WeekStarts: time.Monday}.Divide(clock(t, from), clock(t, to))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func match(names ...string) query.Match { return query.Match{Events: names} }

func is(property, value string) query.Predicate {
	return &query.Compare{Property: query.Ref{On: query.OnEvent, Name: property}, Op: query.In, Text: []string{value}}
}

// persons writes who is behind a number.
func persons(plan query.Plan, events []weir.Event, people []weir.Person, x query.Explain) string {
	plan.Explain = &x
	return fmt.Sprint(oracle.Ask(&plan, events, people).Persons)
}

// named is a group as Explain names it; "null" is the one without a value.
func named(group string) []*string {
	if group == "null" {
		return []*string{nil}
	}
	return []*string{&group}
}

// lookAlike holds lines against each other.
func lookAlike(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Did counts all that a person ever did, whatever the question's range.
func TestWorkedExampleDid(t *testing.T) {
	events := story(t,
		"1: order 09-01T10:00 plan=pro, order 09-02T10:00 plan=pro, visit 10:00",
		"2: order 09-01T10:00 plan=free, visit 10:00, visit 11:00",
		"3: visit 10:00",
		"4: order 08-01T10:00 plan=pro, visit 10:00")
	people := []weir.Person{{Number: 2, Traits: propertiesOf(t, `{"country": "FR"}`)}}
	september := span(t, "09-01T0:00", "10-01T0:00")
	for _, c := range []struct {
		about string
		did   query.Did
		want  query.Real // visits
	}{
		{"at least once", query.Did{Match: match("order"), Span: september, Least: 1, Most: -1}, 3},
		{"exactly once", query.Did{Match: match("order"), Span: september, Least: 1, Most: 1}, 2},
		{"not at all", query.Did{Match: match("order"), Span: september, Least: 0, Most: 0}, 2},
		{"at least twice", query.Did{Match: match("order"), Span: september, Least: 2, Most: -1}, 1},
		{"with a longer span", query.Did{Match: match("order"), Span: span(t, "01-01T0:00", "10-01T0:00"), Least: 1, Most: -1}, 4},
		{"of any name", query.Did{Span: span(t, "01-01T0:00", "12-01T0:00"), Least: 2, Most: 2}, 1},
		{"with a condition", query.Did{Match: query.Match{Events: []string{"order"}, Where: is("plan", "pro")}, Span: september, Least: 1, Most: -1}, 1},
		{"of the same person", query.Did{Match: query.Match{Events: []string{"order"}, Where: &query.Compare{
			Property: query.Ref{On: query.OnUser, Name: "country"}, Op: query.In, Text: []string{"FR"}}}, Span: september, Least: 1, Most: -1}, 2},
	} {
		p := &query.Plan{Trends: &query.Trends{Period: query.Period{Buckets: divided(t, query.Day, "0:00", "10-02T0:00")},
			Series: []query.Series{{Name: "A", Match: query.Match{Events: []string{"visit"}, Where: &c.did}, Measure: query.Total}}}}
		if got := oracle.Ask(p, events, people).Series[0].Total; got != c.want {
			t.Errorf("%s: %v, want %v", c.about, got, c.want)
		}
	}
}
