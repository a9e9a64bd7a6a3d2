package oracle_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

// TestWorkedExampleOperators is SEMANTICS §8, an operator at a time: which of
// the values, JSON as sent, satisfy it. "absent" is no value at all.
func TestWorkedExampleOperators(t *testing.T) {
	for _, c := range []struct {
		op, operand string
		holds, not  []string
	}{
		{"eq", `5`, []string{`5`, `5.0`, `"5"`, `[1, 5]`, `["5"]`}, []string{`"5.0"`, `" 5"`, `15`, `[]`, `[[5]]`, `{"a": 5}`, `null`, `absent`}},
		{"eq", `"5"`, []string{`5`, `5.0`, `"5"`}, []string{`"5.0"`, `null`, `absent`}},
		{"eq", `true`, []string{`true`, `"true"`, `[false, true]`}, []string{`"True"`, `1`, `false`}},
		{"eq", `"Paris"`, []string{`"Paris"`, `["Lyon", "Paris"]`}, []string{`"paris"`, `"Paris "`, `"Paris, France"`}},
		{"eq", `""`, []string{`""`, `[""]`}, []string{`null`, `absent`, `[]`, `[null]`, `0`, `false`}},
		{"eq", `"{\"a\":1}"`, []string{`{"a":1}`, `[{"a":1}]`}, []string{`{"a":2}`}},
		{"eq", `"[1,2]"`, []string{`"[1,2]"`, `[[1,2]]`}, []string{`[1,2]`}}, // a list is its elements
		{"eq", `0.1`, []string{`0.1`, `"0.1"`, `1e-1`}, []string{`"0.10"`}},
		{"eq", `"1e+21"`, []string{`1e21`, `1000000000000000000000`}, []string{`1e20`}},
		{"eq", `"0"`, []string{`0`, `-0`, `0.0`}, nil},
		{"neq", `5`, []string{`6`, `"x"`, `null`, `absent`, `[]`, `[6]`}, []string{`5`, `"5"`, `[5, 6]`}},
		{"in", `["a", 2, false]`, []string{`"a"`, `2`, `"2"`, `false`, `"false"`, `["b", "a"]`}, []string{`"b"`, `null`, `absent`, `[]`}},
		{"not_in", `["a", 2]`, []string{`"b"`, `null`, `absent`, `[]`}, []string{`"a"`, `"2"`, `[2]`}},
		{"contains", `"ÉCO"`, []string{`"École"`, `"l'éco"`, `["x", "ÉCOLE"]`, `{"k":"éco"}`}, []string{`"ecole"`, `null`, `absent`}},
		{"contains", `"1.5"`, []string{`1.5`, `21.55`, `"v1.5.2"`}, []string{`15`}},
		{"contains", `"ss"`, []string{`"STRASSE"`}, []string{`"Straße"`}}, // lower case, not folding
		{"contains", `"UE"`, []string{`true`}, []string{`false`}},
		{"not_contains", `"a"`, []string{`"b"`, `null`, `absent`, `[]`}, []string{`"A"`, `["b", "cAt"]`}},
		{"regex", `"^/p/\\d+$"`, []string{`"/p/12"`, `["/", "/p/1"]`}, []string{`"/p/12/"`, `"/P/12"`, `"/p/1\n"`, `null`, `absent`}},
		{"regex", `"b"`, []string{`"abc"`}, []string{`"ABC"`}}, // anywhere, with regard to case
		{"regex", `"(?i)B"`, []string{`"abc"`, `"ABC"`}, nil},
		{"regex", `"a.c"`, []string{`"abc"`}, []string{`"a\nc"`}},
		{"regex", `"^1"`, []string{`1`, `12.5`}, []string{`21`}},
		{"regex", `"x?"`, []string{`""`, `0`, `{}`}, []string{`null`, `absent`, `[]`}},
		{"not_regex", `"^a"`, []string{`"b"`, `null`, `absent`}, []string{`"a"`, `["b", "a"]`}},
		{"gt", `5`, []string{`5.1`, `"6"`, `"+6"`, `"6e0"`, `"007"`, `[1, 6]`, `["7"]`},
			[]string{`5`, `"5"`, `"six"`, `" 6"`, `"6 "`, `"0x10"`, `"inf"`, `"1,000"`, `"6."`, `true`, `{"a":6}`, `[[6]]`, `null`, `absent`, `"1e999"`}},
		{"gte", `5`, []string{`5`, `"5.0"`}, []string{`4.999`}},
		{"lt", `-1`, []string{`-1.5`, `"-2"`}, []string{`-1`, `""`, `null`, `absent`, `false`}},
		{"lte", `0`, []string{`0`, `-0`, `"-0"`}, []string{`0.1`}},
		{"between", `[1, 2]`, []string{`1`, `2`, `"1.5"`}, []string{`0.999`, `2.001`, `"x"`}},
		// The zone is Europe/Paris: the day begins at 22:00 UTC.
		{"before", `"2026-10-01"`, []string{`"2026-09-30T21:59:59Z"`, `"2026-09-30T23:59:59+02:00"`, `"2026-09-30"`, `"0001-01-01"`, `["2020-01-01"]`},
			[]string{`"2026-09-30T22:00:00Z"`, `"2026-10-01"`, `"2026-10-02"`, `"soon"`, `"2026-09-30 10:00:00"`, `"2026-09-30T10:00:00"`, `"2026-02-30"`, `1`, `true`, `null`, `absent`}},
		{"after", `"2026-10-01"`, []string{`"2026-10-01T22:00:00Z"`, `"2026-10-02"`, `"9999-12-31"`}, []string{`"2026-10-01T21:59:59.999999Z"`, `"2026-10-01"`, `"2026-09-30"`}},
		{"before", `"2026-10-01T10:00:00Z"`, []string{`"2026-10-01T09:59:59.9999999Z"`, `"2026-10-01"`}, []string{`"2026-10-01T10:00:00Z"`, `"2026-10-02"`}},
		{"after", `"2026-10-01T10:00:00Z"`, []string{`"2026-10-01T10:00:00.000001Z"`, `"2026-10-02"`}, []string{`"2026-10-01T10:00:00Z"`, `"2026-10-01"`}},
		{"before", `"1970-01-01T00:00:00Z"`, []string{`"1969-12-31T23:59:59Z"`, `"1969-12-31"`, `"1970-01-01"`}, []string{`"1970-01-01T00:00:00Z"`, `"1970-01-02"`}},
		{"is_set", ``, []string{`""`, `0`, `false`, `[]`, `{}`, `[null]`}, []string{`null`, `absent`}},
		{"is_not_set", ``, []string{`null`, `absent`}, []string{`""`, `0`, `false`, `[]`}},
	} {
		for _, on := range []string{"event", "user"} {
			for _, v := range c.holds {
				checkOperator(t, on, c.op, c.operand, v, 1)
			}
			for _, v := range c.not {
				checkOperator(t, on, c.op, c.operand, v, 0)
			}
		}
	}
}

// checkOperator counts one event, or one event of one person, with the value.
func checkOperator(t *testing.T, on, op, operand, value string, want query.Real) {
	t.Helper()
	e, person := event(t, "2026-10-01T10:00:00Z", 1, 0, `{}`), weir.Person{Number: 1}
	if value != "absent" {
		properties := []weir.Property{{Name: "p", Value: sent(t, value)}}
		if on == "user" {
			person.Traits = properties
		} else {
			e.Properties = properties
		}
	}
	if operand != "" {
		operand = `, "value": ` + operand
	}
	p := plan(t, fmt.Sprintf(`{"kind": "trends", "from": "2026-10-01", "to": "2026-10-01", "timezone": "Europe/Paris",
		"series": [{"event": "e", "filters": [{"property": "p", "on": "%s", "op": "%s"%s}]}]}`, on, op, operand))
	answer := oracle.Ask(p, []weir.Event{e}, []weir.Person{person})
	if got := answer.Series[0].Total; got != want {
		t.Errorf("%s %s%s of %s: %v, want %v", on, op, operand, value, got, want)
	}
}

func sent(t *testing.T, text string) weir.Value {
	t.Helper()
	var v weir.Value
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMatchesBrokenList(t *testing.T) {
	c := &query.Compare{Op: query.In, Text: []string{"1"}}
	for _, text := range []string{`[1`, `[`, `[1,]`, `[x]`} {
		oracle.Matches(c, weir.Raw(text)) // whatever it says, it must not panic or hang
	}
	if !oracle.Matches(&query.Compare{Op: query.In, Text: []string{"1e999"}}, weir.Raw(`[1e999]`)) {
		t.Error("a number that no float64 holds is not its text")
	}
}
