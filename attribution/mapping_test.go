package attribution_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
)

// one is a mapping that calls "yes" what meets all conditions.
func one(all ...attribution.Condition) attribution.Mapping {
	return attribution.Mapping{Rules: []attribution.Rule{{Channel: "yes", All: all}}, Default: "no"}
}

func TestConditions(t *testing.T) {
	source := attribution.Source{
		Source: " Google ", Medium: "cpc", Campaign: "Spring Sale", Content: "a1", Term: "shoes", ClickID: "ScCid",
		Referrer: "https://WWW.Google.com:443/search", LandingPage: "https://shop.example/Sale?x=1",
	}
	for _, c := range []struct {
		field attribution.Field
		op    attribution.Op
		value any
		want  bool
	}{
		{"source", "eq", "google", true},
		{"source", "eq", " GOOGLE ", true},
		{"source", "eq", "goog", false},
		{"source", "neq", "google", false},
		{"source", "neq", "bing", true},
		{"source", "in", []any{"bing", "Google"}, true},
		{"source", "in", []string{"bing", "yahoo"}, false},
		{"medium", "contains", "P", true},
		{"medium", "contains", "x", false},
		{"medium", "starts_with", "Cp", true},
		{"medium", "starts_with", "pc", false},
		{"campaign", "regex", `^SPRING\s`, true},
		{"campaign", "regex", `autumn|sale$`, true},
		{"campaign", "regex", `(?-i)spring sale`, true}, // it sees the text in lower case
		{"campaign", "regex", `\Qspring sale`, true},
		{"campaign", "regex", `^sale`, false},
		{"content", "is_set", nil, true},
		{"content", "is_not_set", nil, false},
		{"term", "eq", "shoes", true},
		{"click_id", "eq", "sccid", true},
		{"click_id", "in", []any{"ScCid"}, true},
		{"referrer", "starts_with", "https://www.google", true},
		{"referrer_host", "eq", "google.com", true},
		{"landing_page", "contains", "/sale", true},
		{"type", "eq", "visit", true},
		{"type", "eq", "impression", false},
		{"site", "eq", "search", true},
	} {
		channels, err := one(attribution.Condition{Field: c.field, Op: c.op, Value: c.value}).Compile()
		if err != nil {
			t.Errorf("%s %s %v: %v", c.field, c.op, c.value, err)
			continue
		}
		if got := channels.Of(source) == "yes"; got != c.want {
			t.Errorf("%s %s %v: %v; want %v", c.field, c.op, c.value, got, c.want)
		}
	}
}

// A field that is empty is absent: only the two comparisons that say so match.
func TestConditionsOnAnAbsentField(t *testing.T) {
	for op, want := range map[attribution.Op]bool{
		attribution.Equal: false, attribution.NotEqual: true, attribution.In: false, attribution.Contains: false, attribution.StartsWith: false,
		attribution.Regex: false, attribution.IsSet: false, attribution.IsNotSet: true,
	} {
		for _, field := range attribution.Fields() {
			if field == attribution.FieldType {
				continue // never absent
			}
			c := attribution.Condition{Field: field, Op: op}
			switch op {
			case attribution.IsSet, attribution.IsNotSet:
			case attribution.In:
				c.Value = []string{"x"}
			case attribution.Regex:
				c.Value = ".*"
			default:
				c.Value = "x"
			}
			channels, err := one(c).Compile()
			if err != nil {
				t.Fatal(err)
			}
			if got := channels.Of(attribution.Source{Source: " "}) == "yes"; got != want {
				t.Errorf("%s %s: %v; want %v", field, op, got, want)
			}
		}
	}
}

func TestSites(t *testing.T) {
	for source, want := range map[string]attribution.Site{
		"google": attribution.SearchSite, "www.google.com": attribution.SearchSite, "facebook": attribution.SocialSite, "youtube.com": attribution.VideoSite,
		"etsy": attribution.ShoppingSite, "gmail": attribution.MailSite, "chatgpt.com": attribution.AISite, "blog.example": attribution.OtherSite,
	} {
		mapping := attribution.Mapping{Rules: []attribution.Rule{}, Default: "other"}
		for _, site := range attribution.Sites() {
			mapping.Rules = append(mapping.Rules, attribution.Rule{Channel: string(site), All: []attribution.Condition{{Field: attribution.FieldSite, Op: attribution.Equal, Value: string(site)}}})
		}
		channels, err := mapping.Compile()
		if err != nil {
			t.Fatal(err)
		}
		got := attribution.Site(channels.Of(attribution.Source{Source: source}))
		if got == "other" {
			got = attribution.OtherSite
		}
		if got != want {
			t.Errorf("%s is %q; want %q", source, got, want)
		}
	}
}

func TestRules(t *testing.T) {
	google := attribution.Condition{Field: attribution.FieldSource, Op: attribution.Equal, Value: "google"}
	paid := attribution.Condition{Field: attribution.FieldMedium, Op: attribution.Equal, Value: "cpc"}
	for _, c := range []struct {
		name    string
		mapping attribution.Mapping
		source  attribution.Source
		want    string
	}{
		{"the first that matches", attribution.Mapping{Rules: []attribution.Rule{{"a", []attribution.Condition{google}}, {"b", []attribution.Condition{google}}}}, attribution.Source{Source: "google"}, "a"},
		{"all conditions", one(google, paid), attribution.Source{Source: "google"}, "no"},
		{"all conditions hold", one(google, paid), attribution.Source{Source: "google", Medium: "cpc"}, "yes"},
		{"a condition that failed in one rule counts in others", attribution.Mapping{Rules: []attribution.Rule{
			{"a", []attribution.Condition{google, paid}}, {"b", []attribution.Condition{google}}}}, attribution.Source{Source: "google"}, "b"},
		{"no conditions", one(), attribution.Source{}, "yes"},
		{"the default", attribution.Mapping{Rules: []attribution.Rule{}, Default: " Rest "}, attribution.Source{}, "Rest"},
		{"the default's default", attribution.Mapping{Rules: []attribution.Rule{}}, attribution.Source{}, "Unassigned"},
		{"no rules are those that ship", attribution.Mapping{}, attribution.Source{Source: "google", Medium: "cpc"}, attribution.PaidSearch},
		{"and the default is one's own", attribution.Mapping{Default: "Rest"}, attribution.Source{Source: "somewhere"}, "Rest"},
		{"space around the name", attribution.Mapping{Rules: []attribution.Rule{{Channel: " Mine "}}}, attribution.Source{}, "Mine"},
	} {
		channels, err := c.mapping.Compile()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := channels.Of(c.source); got != c.want {
			t.Errorf("%s: %q; want %q", c.name, got, c.want)
		}
	}
}

func TestValidateNamesTheField(t *testing.T) {
	good := attribution.Rule{Channel: "a", All: []attribution.Condition{{Field: attribution.FieldSource, Op: attribution.Equal, Value: "x"}}}
	third := func(r attribution.Rule) attribution.Mapping {
		return attribution.Mapping{Rules: []attribution.Rule{good, good, r}}
	}
	second := func(field attribution.Field, op attribution.Op, value any) attribution.Mapping {
		return third(attribution.Rule{Channel: "a", All: []attribution.Condition{good.All[0], {Field: field, Op: op, Value: value}}})
	}
	long := strings.Repeat("x", 501)
	for _, c := range []struct {
		name    string
		mapping attribution.Mapping
		field   string
	}{
		{"long default", attribution.Mapping{Default: long}, "default"},
		{"many rules", attribution.Mapping{Rules: slices.Repeat([]attribution.Rule{good}, 501)}, "rules"},
		{"no channel", third(attribution.Rule{Channel: " "}), "rules[2].channel"},
		{"long channel", third(attribution.Rule{Channel: long}), "rules[2].channel"},
		{"many conditions", third(attribution.Rule{Channel: "a", All: slices.Repeat(good.All, 21)}), "rules[2].all"},
		{"no field", second("", "eq", "x"), "rules[2].all[1].field"},
		{"unknown field", second("utm_source", "eq", "x"), "rules[2].all[1].field"},
		{"no op", second("source", "", "x"), "rules[2].all[1].op"},
		{"unknown op", second("source", "equals", "x"), "rules[2].all[1].op"},
		{"no value", second("source", "eq", nil), "rules[2].all[1].value"},
		{"empty value", second("source", "eq", ""), "rules[2].all[1].value"},
		{"blank value", second("source", "contains", "  "), "rules[2].all[1].value"},
		{"long value", second("source", "eq", long), "rules[2].all[1].value"},
		{"a number", second("source", "eq", 1.0), "rules[2].all[1].value"},
		{"a list", second("source", "eq", []any{"x"}), "rules[2].all[1].value"},
		{"no list", second("source", "in", "x"), "rules[2].all[1].value"},
		{"an empty list", second("source", "in", []any{}), "rules[2].all[1].value"},
		{"a list of numbers", second("source", "in", []any{"x", 1.0}), "rules[2].all[1].value"},
		{"a list with a blank", second("source", "in", []any{"x", " "}), "rules[2].all[1].value"},
		{"a long list", second("source", "in", slices.Repeat([]string{"x"}, 1001)), "rules[2].all[1].value"},
		{"a regular expression that is none", second("source", "regex", "a)|(b"), "rules[2].all[1].value"},
		{"one that RE2 has not", second("source", "regex", `(a)\1`), "rules[2].all[1].value"},
		{"a value where none is wanted", second("source", "is_set", "x"), "rules[2].all[1].value"},
	} {
		err := c.mapping.Validate()
		var e *weir.Error
		if !errors.As(err, &e) || e.Field != c.field || e.Code == "" || !strings.HasSuffix(e.Message, ".") || strings.Contains(e.Message, "(?i") {
			t.Errorf("%s: %v; want an error of field %s", c.name, err, c.field)
		}
	}
	for _, m := range []attribution.Mapping{{}, attribution.Default(), third(good), {Rules: slices.Repeat([]attribution.Rule{good}, 500)}} {
		if err := m.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// The mapping that ships can be sent, changed and sent back as JSON.
func TestMappingAsJSON(t *testing.T) {
	text, err := json.Marshal(attribution.Default())
	if err != nil {
		t.Fatal(err)
	}
	var m attribution.Mapping
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(m)
	if err != nil || string(again) != string(text) {
		t.Errorf("%v:\n%s\n%s", err, text, again)
	}
	channels, err := m.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(arrivals) {
		_, fields, _ := strings.Cut(line, "  ")
		source := attribution.SourceOf(came(fields))
		if got, want := channels.Of(source), shipped(t).Of(source); got != want {
			t.Errorf("%s: %s; want %s", line, got, want)
		}
	}
}

// FuzzMapping compiles whatever mapping and names the channel of whatever visit.
func FuzzMapping(f *testing.F) {
	shipped, err := json.Marshal(attribution.Default())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(shipped, "google", "cpc", "https://www.google.com/", "https://shop.example/?gclid=1")
	f.Add([]byte(`{"rules":null,"default":"x"}`), "", "", "//", "?")
	f.Add([]byte(`{"rules":[{"channel":"a","all":[{"field":"source","op":"in","value":["a","b"]},{"field":"site","op":"regex","value":"a|b"}]}]}`), "a", "", "a.b:c", "http://[::1]:80/")
	f.Add([]byte(`{"rules":[{"channel":"a","all":[{"field":"referrer_host","op":"is_not_set","value":null}]},{"channel":"b"}]}`), "..", ".", "@", "#")
	f.Fuzz(func(t *testing.T, data []byte, source, medium, referrer, landing string) {
		var m attribution.Mapping
		if json.Unmarshal(data, &m) != nil {
			return
		}
		channels, err := m.Compile()
		if err != nil {
			var e *weir.Error
			if !errors.As(err, &e) || e.Field == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		s := &weir.Session{}
		for name, text := range map[string]string{"utm_source": source, "utm_medium": medium, "referrer": referrer, "landing_page": landing} {
			s.Fields.Set(weir.Stamp{}, weir.Property{Name: name, Value: weir.Text(text)})
		}
		from := attribution.SourceOf(s)
		raw := attribution.Source{Source: source, Medium: medium, Referrer: referrer, LandingPage: landing, Impression: true}
		for _, of := range []attribution.Source{from, raw} {
			if channels.Of(of) == "" {
				t.Fatalf("%+v has no channel", of)
			}
		}
		if again := attribution.SourceOf(s); !reflect.DeepEqual(from, again) {
			t.Fatalf("%+v, then %+v", from, again)
		}
	})
}
