package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/weirhq/weir/collector/protocol"
)

// values walks the outermost object or list of text and returns what is on it.
func values(text []byte) (names, found []string, err error) {
	var s protocol.Scanner
	s.Text(text)
	value := func() error {
		v, err := s.Value()
		found = append(found, string(v))
		return err
	}
	switch s.Kind() {
	case '{':
		err = s.Object(func(name []byte) error {
			names = append(names, string(name))
			return value()
		})
	case '[':
		err = s.List(value)
	default:
		err = value()
	}
	if err == nil {
		err = s.End()
	}
	return names, found, err
}

func TestScannerFindsValues(t *testing.T) {
	for _, c := range []struct {
		text         string
		names, found []string
	}{
		{`{}`, nil, nil},
		{` [ ] `, nil, nil},
		{`[1,"a",null,true,-1.5e9]`, nil, []string{`1`, `"a"`, `null`, `true`, `-1.5e9`}},
		{`[{"a":[1,{"b":"]}"}]} , [[]]]`, nil, []string{`{"a":[1,{"b":"]}"}]}`, `[[]]`}},
		{`{"a":"\"","b\u0063":"\\","d" : {}}`, []string{"a", "bc", "d"}, []string{`"\""`, `"\\"`, `{}`}},
		{`[NaN, undefined, +1, "` + "\xff" + `"]`, nil, []string{`NaN`, `undefined`, `+1`, "\"\xff\""}},
	} {
		names, found, err := values([]byte(c.text))
		if err != nil || strings.Join(names, "|") != strings.Join(c.names, "|") || strings.Join(found, "|") != strings.Join(c.found, "|") {
			t.Errorf("%s: names %q, values %q, %v", c.text, names, found, err)
		}
	}
}

func TestScannerSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		``:              "the text ends at byte 0 where a value was expected",
		`[`:             "the text ends at byte 1 where a value was expected",
		`[1`:            "the text ends at byte 2 where ',' or ']' was expected",
		`[1 2]`:         "found '2' at byte 3 where ',' or ']' was expected",
		`[1,]`:          "found ']' at byte 3 where a value was expected",
		`{"a"}`:         "found '}' at byte 4 where ':' was expected",
		`{a:1}`:         "found 'a' at byte 1 where a name in quotes was expected",
		`{"a":1,}`:      "found '}' at byte 7 where a name in quotes was expected",
		`["a`:           "the string that begins at byte 1 does not end",
		`["a\"]`:        "the string that begins at byte 1 does not end",
		`[{"a":[}]`:     "the '}' at byte 7 closes a bracket of the other kind",
		`[{"a":[]`:      "the '{' at byte 1 is never closed",
		`[] x`:          "found 'x' at byte 3 where the end was expected",
		`{"\q":1}`:      "the name at byte 1 cannot be read",
		`{"a":"b" "c"}`: "found '\"' at byte 9 where ',' or '}' was expected",
	} {
		if _, _, err := values([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestScannerStopsWhenToldTo(t *testing.T) {
	stop := errors.New("stop")
	var s protocol.Scanner
	s.Text([]byte(`[1,2]`))
	if err := s.List(func() error { return stop }); err != stop {
		t.Errorf("list: %v", err)
	}
	s.Text([]byte(`{"a":1}`))
	if err := s.Object(func([]byte) error { return stop }); err != stop {
		t.Errorf("object: %v", err)
	}
}

// TestScannerIsNotSlow scans texts that invite to recursion or to going over
// the same bytes again.
func TestScannerIsNotSlow(t *testing.T) {
	const n = 4 << 20
	for name, text := range map[string][]byte{
		"brackets":    bytes.Repeat([]byte("["), n),
		"whole":       append(bytes.Repeat([]byte("["), n), bytes.Repeat([]byte("]"), n)...),
		"objects":     bytes.Repeat([]byte(`{"a":`), n/5),
		"quotes":      append([]byte(`["`), bytes.Repeat([]byte(`\"`), n)...),
		"backslashes": append([]byte(`["`), bytes.Repeat([]byte(`\`), n)...),
		"strings":     append([]byte(`[`), bytes.Repeat([]byte(`"",`), n)...),
	} {
		t.Run(name, func(t *testing.T) {
			got := testing.AllocsPerRun(1, func() {
				var s protocol.Scanner
				s.Text(text)
				_, _ = s.Value()
			})
			if got > 100 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

// FuzzScanner compares the scanner with a parser: on JSON, it must find the
// same values.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"]}"}],"\u0062":"\\\""}`, `[1,"a",null]`, ` {} `, `[[[[]]]]`, `"\\\\"`, `[1,]`, `{"a":1}{`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		names, found, err := values(text)
		if !json.Valid(text) {
			return
		}
		if err != nil {
			t.Fatalf("JSON is not read: %v", err)
		}
		want := []json.RawMessage{text}
		switch bytes.TrimSpace(text)[0] {
		case '{':
			members := map[string]json.RawMessage{}
			if err := json.Unmarshal(text, &members); err != nil {
				t.Fatal(err)
			}
			if distinct := distinct(names); distinct > len(found) || len(members) > len(found) {
				t.Fatalf("%d values, want %d", len(found), len(members))
			}
			return
		case '[':
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
		}
		if len(found) != len(want) {
			t.Fatalf("%d values, want %d", len(found), len(want))
		}
		for i := range want {
			if found[i] != string(bytes.TrimSpace(want[i])) {
				t.Errorf("value %d is %q, want %q", i, found[i], want[i])
			}
		}
	})
}

func distinct(names []string) int {
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	return len(set)
}

func TestUnwrap(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{` {"a":1}`, ` {"a":1}`},
		{`[1]`, `[1]`},
		{`data={"a":"b+c"}`, `{"a":"b c"}`},
		{`verbose=1&data=%7B%22a%22%3A1%7D&x=y`, `{"a":1}`},
		{`data=eyJhIjoiPj4+Pj4ifQ==`, `{"a":">>>>>"}`},       // pluses are not escaped
		{`data=eyJhIjoiPj4%2BPj4ifQ%3D%3D`, `{"a":">>>>>"}`}, // they are
		{`eyJhIjoiPj4-Pj4ifQ`, `{"a":">>>>>"}`},              // the other alphabet, no padding
		{"eyJhIjoxfQ==\n", `{"a":1}`},                        //
		{`data=%zz`, `data=%zz`},                             // not a form
		{`hello`, `hello`},                                   //
		{``, ``},                                             //
		{`aGVsbG8=`, `aGVsbG8=`},                             // base64, but not of JSON
	} {
		if got := protocol.Unwrap([]byte(c.body)); string(got) != c.want {
			t.Errorf("%s: %s, want %s", c.body, got, c.want)
		}
	}
}
