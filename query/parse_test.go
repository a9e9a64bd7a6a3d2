package query

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/weirhq/weir"
)

var update = flag.Bool("update", false, "write the scripts' expectations anew")

// env is what the scripts' relative times count from: late enough on 7 October
// that it is the 8th in Tokyo.
func env() Env {
	return Env{Now: time.Date(2026, 10, 7, 21, 30, 0, 0, time.UTC), Location: time.UTC, Segment: segment}
}

// segment has those that the scripts name.
func segment(id string) ([]byte, bool) {
	deep := func(levels int) string {
		return strings.Repeat(`{"not": `, levels-1) + `{"property": "a", "op": "is_set"}` + strings.Repeat("}", levels-1)
	}
	definition, ok := map[string]string{
		"french": `{"property": "country", "on": "user", "op": "eq", "value": "FR"}`,
		"vip":    `{"all": [{"segment": "french"}, {"did": {"event": "order", "count": {"op": "gte", "value": 2}, "within": "-90d"}}]}`,
		"self":   `{"not": {"segment": "self"}}`,
		"loop":   `{"any": [{"segment": "pool"}]}`,
		"pool":   `{"segment": "loop"}`,
		"four":   `{"segment": "three"}`, "three": `{"segment": "two"}`, "two": `{"segment": "one"}`, "one": `{"segment": "french"}`,
		"missing": `{"segment": "nobody"}`,
		"broken":  `{"all": [{"property": "a", "op": "="}]}`,
		"breaks":  `{"not": {"segment": "broken"}}`,
		"cut":     `{"all": [`,
		"list":    `[]`,
		"eight":   deep(8), "nine": deep(9),
		"twice": `{"all": [{"segment": "french"}, {"segment": "french"}]}`,
	}[id]
	return []byte(definition), ok
}

// TestScripts parses the questions of testdata/*.txtar: NAME.json is a question,
// NAME.want what comes of it, a plan or an error.
func TestScripts(t *testing.T) {
	for _, path := range scripts(t) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, file := range archive.Files {
			name, ok := strings.CutSuffix(file.Name, ".json")
			if !ok {
				continue
			}
			t.Run(filepath.Base(path)+"/"+name, func(t *testing.T) {
				got := "\n" + outcome(file.Data)
				if *update {
					archive.Files[i+1].Data = []byte(got[1:])
				} else if want := "\n" + string(archive.Files[i+1].Data); got != want {
					t.Errorf("question %s\ngot %s\nwant %s", file.Data, got, want)
				}
			})
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func scripts(t interface{ Fatal(...any) }) []string {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts in testdata: ", err)
	}
	return paths
}

func outcome(question []byte) string {
	plan, fault := Parse(question, env())
	if fault != nil {
		return fmt.Sprintf("refused at %q: %s\n", fault.Field, fault.Message)
	}
	return describe(plan)
}

func predicateText(p Predicate) string {
	list := func(word string, parts []Predicate) string {
		var all []string
		for _, part := range parts {
			all = append(all, predicateText(part))
		}
		return word + "(" + strings.Join(all, ", ") + ")"
	}
	switch p := p.(type) {
	case All:
		return list("all", p)
	case Any:
		return list("any", p)
	case Not:
		return "not(" + predicateText(p.Of) + ")"
	case *Compare:
		return fmt.Sprintf("%s.%s %s", p.Property.On, p.Property.Name, compareText(p))
	case *Did:
		times := fmt.Sprintf("%d or more", p.Least)
		if p.Most >= 0 {
			times = fmt.Sprintf("%d to %d", p.Least, p.Most)
		}
		return fmt.Sprintf("did(%s, %s times in %s)", matchText(p.Match), times, spanText(p.Span))
	}
	return fmt.Sprintf("%T", p)
}

func compareText(c *Compare) string {
	switch c.Op {
	case In:
		return fmt.Sprintf("in %q", c.Text)
	case Contains:
		return fmt.Sprintf("contains %q", c.Text)
	case Regex:
		return fmt.Sprintf("matches %q", c.Text)
	case Range:
		low, high := "[", "]"
		if c.LowOpen {
			low = "("
		}
		if c.HighOpen {
			high = ")"
		}
		return fmt.Sprintf("in %s%v, %v%s", low, c.Low, c.High, high)
	case Times:
		bound := func(from, to weir.Micros) string { return spanText(Span{from, to}) }
		return "time in " + bound(c.From, c.To) + ", day in " + bound(c.FromDay, c.ToDay)
	case IsSet:
		return "is set"
	}
	return "?"
}

// TestLimits is for questions that are too long to read.
func TestLimits(t *testing.T) {
	filters := func(n int) string {
		return strings.TrimSuffix(strings.Repeat(`{"property":"a","op":"is_set"},`, n), ",")
	}
	trends := func(rest string) string { return `{"kind":"trends","series":[{"event":"*"}],` + rest + `}` }
	series := func(n int) string {
		return `{"kind":"trends","series":[` + strings.TrimSuffix(strings.Repeat(`{"event":"*"},`, n), ",") + `]}`
	}
	value := func(op, v string) string {
		return trends(`"filters":[{"property":"a","op":"` + op + `","value":` + v + `}]`)
	}
	list := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" }
	nested := func(n int) string {
		return trends(`"filters":[` + strings.Repeat(`{"not":`, n-1) + filters(1) + strings.Repeat("}", n-1) + `]`)
	}
	for _, c := range []struct{ name, most, more, field string }{
		{"series", series(26), series(27), "series"},
		{"filters", trends(`"filters":[` + filters(200) + `]`), trends(`"filters":[` + filters(201) + `]`), "filters[200]"},
		{"depth", nested(8), nested(9), "filters[0].not.not.not.not.not.not.not.not"},
		{"operands", value("in", list(1000)), value("in", list(1001)), "filters[0].value"},
		{"operand", value("eq", `"`+strings.Repeat("x", 4096)+`"`), value("eq", `"`+strings.Repeat("x", 4097)+`"`), "filters[0].value"},
		{"pattern", value("regex", `"`+strings.Repeat("x", 1000)+`"`), value("regex", `"`+strings.Repeat("x", 1001)+`"`), "filters[0].value"},
		{"compiled pattern", value("regex", `"(?:\\pL){20}"`), value("regex", `"(?:\\pL{10}){10}"`), "filters[0].value"},
		{"pattern that unrolls", value("regex", `"`+strings.Repeat("x", 15)+`(?:`+strings.Repeat("x", 18)+`){1000}"`),
			value("regex", `"(?:`+strings.Repeat("x", 900)+`){1000}"`), "filters[0].value"},
		{"name", trends(`"breakdowns":[{"property":"` + strings.Repeat("x", 512) + `"}]`),
			trends(`"breakdowns":[{"property":"` + strings.Repeat("x", 513) + `"}]`), "breakdowns[0].property"},
		{"bytes", trends(`"filters":[]`) + strings.Repeat(" ", 200_000), trends(`"filters":[]`) + strings.Repeat(" ", MaxQuestion), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, fault := Parse([]byte(c.most), env()); fault != nil {
				t.Errorf("at the limit: %v", fault)
			}
			_, fault := Parse([]byte(c.more), env())
			if fault == nil || fault.Code != CodeInvalid || fault.Field != c.field {
				t.Errorf("above the limit: %v, want field %q", fault, c.field)
			}
		})
	}
	if _, fault := Parse([]byte(strings.Repeat(`[`, 200_000)), env()); fault == nil {
		t.Error("no error for a deep nest")
	}
}

func TestEnvWithoutLocationIsUTC(t *testing.T) {
	plan, fault := Parse([]byte(`{"kind":"trends","from":"today","series":[{"event":"*"}]}`), Env{Now: env().Now})
	if fault != nil || plan.Trends.Buckets.Labels[0] != "2026-10-07" {
		t.Errorf("%+v, %v", plan, fault)
	}
}

func TestReadNumber(t *testing.T) {
	for _, s := range []string{"0", "-1", "+1.5", "007", "1e3", "1.25E-2", "9007199254740993", "1e-999"} {
		if _, ok := ReadNumber(s); !ok {
			t.Errorf("%q does not read as a number", s)
		}
	}
	for _, s := range []string{"", " 1", "1 ", "1\n", ".5", "5.", "1,000", "1_000", "0x10", "inf", "NaN", "1e", "--1", "1e999", "-1e999", "true", "٣"} {
		if f, ok := ReadNumber(s); ok {
			t.Errorf("%q reads as %v", s, f)
		}
	}
}

func TestReadTime(t *testing.T) {
	for s, want := range map[string]string{
		"2026-10-01T09:30:00Z":                "2026-10-01T09:30:00Z",
		"2026-10-01T09:30:00.1234567+02:00":   "2026-10-01T07:30:00.123456Z",
		"1969-12-31T23:59:59.9999999Z":        "1969-12-31T23:59:59.999999Z",
		"2024-02-29T00:00:00-00:00":           "2024-02-29T00:00:00Z",
		"0001-01-01T00:00:00+15:59":           "0000-12-31T08:01:00Z",
		"9999-12-31T23:59:59.999999999-15:59": "10000-01-01T15:58:59.999999Z",
	} {
		m, ok := ReadTime(s)
		if got := time.UnixMicro(int64(m)).UTC().Format(time.RFC3339Nano); !ok || got != want {
			t.Errorf("%q reads as %v, %v, want %v", s, got, ok, want)
		}
		if m <= TimeMin || m >= TimeMax {
			t.Errorf("%q lies outside of TimeMin and TimeMax", s)
		}
	}
	for _, s := range []string{"", "2026-10-01", "2026-10-01 09:30:00Z", "2026-10-01t09:30:00z", "2026-10-01T09:30Z", "2026-02-30T00:00:00Z",
		"2026-10-01T24:00:00Z", "2026-10-01T23:59:60Z", "2026-10-01T09:30:00", "2026-10-01T09:30:00+16:00", "2026-10-01T09:30:00+0200",
		"2026-10-01T09:30:00.Z", "2026-10-01T09:30:00.1234567890Z", "2026-10-01T09:30:00,5Z", "0000-01-01T00:00:00Z", "1759311000"} {
		if m, ok := ReadTime(s); ok {
			t.Errorf("%q reads as %v", s, m)
		}
	}
	for _, s := range []string{"2026-02-29", "0000-01-01", "2026-1-1", "2026-10-01Z", "20261001", " 2026-10-01"} {
		if m, ok := ReadDay(s); ok {
			t.Errorf("%q reads as the day %v", s, m)
		}
	}
}

// TestPatterns: what texts read as must be valid for the RE2 of engines too, so
// no look-around and no anchors that mean different things.
func TestPatterns(t *testing.T) {
	for _, p := range []string{NumberPattern, TimePattern, DayPattern} {
		regexp.MustCompile(p)
		if strings.ContainsAny(p, "^$") {
			t.Errorf("%s has anchors; engines match whole texts", p)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, path := range scripts(f) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".json") {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, question []byte) {
		plan, fault := Parse(question, env())
		if (plan == nil) == (fault == nil) {
			t.Fatalf("plan %v, fault %v", plan, fault)
		}
		if fault != nil {
			if fault.Code != CodeInvalid || !strings.HasSuffix(fault.Message, ".") || len(fault.Message) > 1000 || len(fault.Field) > 5000 {
				t.Fatalf("fault %q %q %q", fault.Code, fault.Field, fault.Message)
			}
			return
		}
		checkPlan(t, plan)
	})
}

func BenchmarkParse(b *testing.B) {
	question := []byte(`{"kind":"trends","from":"-30d","timezone":"Europe/Paris","series":[{"event":"Purchase","measure":"users",
		"filters":[{"property":"amount","op":"gte","value":10},{"property":"plan","on":"user","op":"in","value":["pro","team"]}]}],
		"breakdowns":[{"property":"$country"}]}`)
	for b.Loop() {
		if _, fault := Parse(question, env()); fault != nil {
			b.Fatal(fault)
		}
	}
}
