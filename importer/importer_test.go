package importer_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/importer"
	"github.com/weirhq/weir/item"
)

var update = flag.Bool("update", false, "write the golden files")

func lines(t testing.TB, name string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(text), []byte{'\n'})
}

// TestGolden converts a small export of each format. What comes of a line stands
// under its number: items, or the reason why there are none.
func TestGolden(t *testing.T) {
	for _, format := range importer.Formats() {
		t.Run(string(format), func(t *testing.T) {
			var got bytes.Buffer
			c := importer.NewConverter(format)
			for n, line := range lines(t, string(format)+".jsonl") {
				fmt.Fprintf(&got, "%d\n", n+1)
				items, why := c.Convert(line)
				if (why == nil) == (len(items) == 0) {
					t.Errorf("line %d: %d items, and the reason why there are none is %v", n+1, len(items), why)
				}
				if why != nil {
					fmt.Fprintf(&got, "  no: %s %s: %s\n", why.Code, why.Field, why.Message)
				}
				for _, raw := range items {
					fmt.Fprintf(&got, "  %s\n", raw)
					accepted(t, raw)
				}
			}
			golden := filepath.Join("testdata", string(format)+".golden")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s differs; run with -update and read the diff. Now:\n%s", golden, got.Bytes())
			}
		})
	}
}

// accepted checks that the server takes an item, and all of its values.
func accepted(t *testing.T, raw []byte) {
	t.Helper()
	parsed, why := item.Parse(raw, item.Limits{})
	if why != nil {
		t.Errorf("%s: %+v", raw, why)
		return
	}
	for _, warning := range parsed.Warnings {
		t.Errorf("%s: %+v", raw, warning)
	}
}

func TestBrokenLinesSayWhy(t *testing.T) {
	for _, format := range importer.Formats() {
		for n, line := range lines(t, "broken.jsonl") {
			items, why := importer.NewConverter(format).Convert(line)
			if len(items) > 0 || why == nil || why.Code != "invalid_json" || why.Message == "" {
				t.Errorf("%s, line %d: %d items, %+v", format, n+1, len(items), why)
			}
		}
	}
}

func TestFormatIsFoundOut(t *testing.T) {
	for _, format := range importer.Formats() {
		for n, line := range lines(t, string(format)+".jsonl") {
			found, ok := importer.Detect(line)
			switch {
			case ok && found != format:
				t.Errorf("%s, line %d: taken for %s", format, n+1, found)
			case !ok && n == 0:
				t.Errorf("%s: not recognised", format)
			}
		}
	}
	for _, line := range []string{``, `[]`, `{}`, `{"a":1}`, `{"event":"x"}`, `{"type":"track"}`, `{"kind":"x"}`, `[{"event_type":"x"}]`} {
		if found, ok := importer.Detect([]byte(line)); ok {
			t.Errorf("%s: taken for %s", line, found)
		}
	}
	if err := importer.Unknown("a.json", []byte(`[{"event":"x"}]`)); !strings.Contains(err.Error(), "--format=native|segment|mixpanel|posthog|amplitude") || !strings.Contains(err.Error(), "jq -c") {
		t.Error(err)
	}
}

// A line has the same items, with the same ids, whenever it is imported, however
// it is spaced and in whatever order its members are.
func TestIdsAreStable(t *testing.T) {
	id := func(line string) string {
		items, why := importer.NewConverter(importer.Mixpanel).Convert([]byte(line))
		if why != nil || len(items) != 1 {
			t.Fatalf("%s: %d items, %+v", line, len(items), why)
		}
		head, _ := item.Check(items[0], item.Limits{})
		return head.ID
	}
	a := id(`{"event":"A","properties":{"time":1726000001,"distinct_id":"u1","n":1}}`)
	b := id(` {"properties": {"n":1, "distinct_id":"u1","time":1726000001}, "event":"A"} `)
	other := id(`{"event":"A","properties":{"time":1726000001,"distinct_id":"u1","n":2}}`)
	if a != b || a == other || !strings.HasPrefix(a, "sha256-") {
		t.Errorf("%s, %s, another event %s", a, b, other)
	}
	if kept := id(`{"event":"A","properties":{"time":1726000001,"distinct_id":"u1","$insert_id":"mine"}}`); kept != "mine" {
		t.Errorf("the id became %s", kept)
	}
}

// Two ids on every event are joined once, and again only by an earlier line: the
// edge is as old as the earliest.
func TestPairsAreJoinedOnce(t *testing.T) {
	c := importer.NewConverter(importer.Amplitude)
	aliases := func(second int) (at weir.Micros) {
		items, why := c.Convert(fmt.Appendf(nil, `{"event_type":"A","uuid":"%d","user_id":"u","device_id":"d","event_time":"2024-09-10 20:26:%02d"}`, second, second))
		if why != nil {
			t.Fatal(why)
		}
		for _, raw := range items {
			if parsed, _ := item.Parse(raw, item.Limits{}); parsed.Alias != nil {
				at = parsed.CreatedAt
			}
		}
		return at
	}
	for _, step := range []struct {
		second int
		joins  bool
	}{{30, true}, {31, false}, {30, false}, {10, true}, {20, false}} {
		if at := aliases(step.second); (at != 0) != step.joins {
			t.Errorf("second %d: joined at %v", step.second, at)
		}
	}
}

// An event that would be too large with all that is known of its user does not
// take the user with it.
func TestTraitsThatDoNotFitGetTheirOwnItem(t *testing.T) {
	var traits []string
	for n := range 400 {
		traits = append(traits, fmt.Sprintf(`"t%d":%d`, n, n))
	}
	members := strings.Join(traits, ",")
	items, why := importer.NewConverter(importer.PostHog).Convert([]byte(`{"uuid":"1","event":"A","distinct_id":"u","timestamp":"2024-09-10T20:26:41Z","properties":{` + members + `},"person_properties":{` + members + `}}`))
	if why != nil || len(items) != 2 {
		t.Fatalf("%d items, %+v", len(items), why)
	}
	kinds := ""
	for _, raw := range items {
		accepted(t, raw)
		head, _ := item.Check(raw, item.Limits{})
		kinds += string(head.Kind) + " "
	}
	if kinds != "user custom_event " {
		t.Error(kinds)
	}
}

func TestTimes(t *testing.T) {
	const want = "2024-09-10T20:26:41Z"
	for _, value := range []string{
		`"2024-09-10T20:26:41Z"`, `"2024-09-10T22:26:41+02:00"`, `"2024-09-10T20:26:41"`, `"2024-09-10 20:26:41"`, `"2024-09-10 20:26:41.000000"`,
		`"2024-09-10 20:26:41+00:00"`, `"2024-09-10 20:26:41+00"`, `"2024-09-10 20:26:41 UTC"`, `"2024-09-10T22:26:41.000+0200"`,
		`1726000001`, `1726000001.0`, `"1726000001"`, `1726000001000`, `1726000001000000`,
	} {
		items, why := importer.NewConverter(importer.Segment).Convert([]byte(`{"type":"track","event":"A","messageId":"1","userId":"u","timestamp":` + value + `}`))
		if why != nil {
			t.Errorf("%s: %+v", value, why)
			continue
		}
		if parsed, _ := item.Parse(items[0], item.Limits{}); parsed.CreatedAt.String() != want {
			t.Errorf("%s was read as %s", value, parsed.CreatedAt)
		}
	}
	for _, value := range []string{`"soon"`, `""`, `0`, `-1`, `true`, `{}`, `[]`, `1e30`, `"NaN"`, `"1970-06-01T00:00:00Z"`, `"2024-09-10 20:26:41 CEST"`} {
		if items, why := importer.NewConverter(importer.Segment).Convert([]byte(`{"type":"track","event":"A","messageId":"1","userId":"u","timestamp":` + value + `}`)); why == nil || why.Field != "timestamp" {
			t.Errorf("%s became %s", value, items)
		}
	}
}

// fuzz checks what holds for all lines: no panic, and items or a reason, never
// both; and each item is JSON that the server can judge.
func fuzz(f *testing.F, format importer.Format) {
	for _, name := range []string{string(format) + ".jsonl", "broken.jsonl"} {
		for _, line := range lines(f, name) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		items, why := importer.NewConverter(format).Convert(line)
		if (why == nil) == (len(items) == 0) {
			t.Fatalf("%d items, reason %+v", len(items), why)
		}
		if why != nil && (why.Code == "" || why.Message == "") {
			t.Fatalf("the reason says nothing: %+v", why)
		}
		if !bytes.Equal(line, before) {
			t.Fatal("the line was changed")
		}
		for _, raw := range items {
			if _, why := item.Check(raw, item.Unlimited); why != nil && (why.Code == "invalid_json" || why.Code == "invalid_utf8" || why.Code == "duplicate_name") && format != importer.Native {
				t.Fatalf("%q: %+v", raw, why)
			}
		}
		again, _ := importer.NewConverter(format).Convert(line)
		if len(again) != len(items) || len(items) > 0 && !bytes.Equal(bytes.Join(again, nil), bytes.Join(items, nil)) {
			t.Fatal("the same line became something else")
		}
		importer.Detect(line)
	})
}

func FuzzNative(f *testing.F)    { fuzz(f, importer.Native) }
func FuzzSegment(f *testing.F)   { fuzz(f, importer.Segment) }
func FuzzMixpanel(f *testing.F)  { fuzz(f, importer.Mixpanel) }
func FuzzPostHog(f *testing.F)   { fuzz(f, importer.PostHog) }
func FuzzAmplitude(f *testing.F) { fuzz(f, importer.Amplitude) }
