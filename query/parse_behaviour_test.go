package query

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/order"
)

// TestLimitsOfBehaviour is for questions about what people did that are too long
// to read.
func TestLimitsOfBehaviour(t *testing.T) {
	list := func(n int, one string) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	long := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	lifecycle := func(event, rest string) string { return `{"kind":"lifecycle","event":` + event + rest + `}` }
	flows := func(rest string) string { return `{"kind":"flows",` + rest + `}` }
	funnel := func(steps int, rest string) string {
		return `{"kind":"funnel","steps":` + list(steps, `{"event":"a"}`) + rest + `}`
	}
	filters := func(n int) string { return list(n, `{"property":"p","op":"is_set"}`) }
	nested := func(n int) string {
		return strings.Repeat(`{"not":`, n-1) + `{"property":"p","op":"is_set"}` + strings.Repeat("}", n-1)
	}
	did := func(filters string) string {
		return lifecycle(`"a"`, `,"filters":[{"did":{"event":"b","filters":`+filters+`}}]`)
	}
	for _, c := range []struct{ name, most, more, field string }{
		{"name of an event", lifecycle(long(512), ""), lifecycle(long(513), ""), "event"},
		{"name in a list of events", lifecycle("["+long(512)+"]", ""), lifecycle("["+long(513)+"]", ""), "event[0]"},
		{"list of events", lifecycle(list(100, `"a"`), ""), lifecycle(list(101, `"a"`), ""), "event"},
		{"steps", funnel(20, ""), funnel(21, ""), "steps"},
		{"exclusions", funnel(2, `,"exclude":`+list(10, `{"event":"x"}`)), funnel(2, `,"exclude":`+list(11, `{"event":"x"}`)), "exclude"},
		{"property that is constant", funnel(2, `,"hold_constant":[`+long(512)+`]`), funnel(2, `,"hold_constant":[`+long(513)+`]`), "hold_constant[0]"},
		{"property of a breakdown", funnel(2, `,"breakdown":{"property":`+long(512)+`}`), funnel(2, `,"breakdown":{"property":`+long(513)+`}`), "breakdown.property"},
		{"node", flows(`"node":` + long(512)), flows(`"node":` + long(513)), "node"},
		{"start", flows(`"start":` + long(4096)), flows(`"start":` + long(4097)), "start"},
		{"end", flows(`"end":` + long(4096)), flows(`"end":` + long(4097)), "end"},
		{"excluded node", flows(`"exclude":[` + long(4096) + `]`), flows(`"exclude":[` + long(4097) + `]`), "exclude[0]"},
		{"excluded nodes", flows(`"exclude":` + list(1000, `"a"`)), flows(`"exclude":` + list(1001, `"a"`)), "exclude"},
		{"filters of a did", did(filters(199)), did(filters(200)), "filters[0].did.filters[199]"},
		{"depth of the filters of a did", did("[" + nested(7) + "]"), did("[" + nested(8) + "]"), "filters[0].did.filters[0].not.not.not.not.not.not.not"},
		{"filters of segments", lifecycle(`"a"`, `,"filters":`+list(100, `{"segment":"french"}`)),
			lifecycle(`"a"`, `,"filters":`+list(101, `{"segment":"french"}`)), "filters[100]"},
		{"sql", `{"kind":"sql","sql":` + long(200_000) + `}`, `{"kind":"sql","sql":` + long(MaxQuestion) + `}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, fault := Parse([]byte(c.most), env())
			if fault != nil {
				t.Fatalf("at the limit: %v", fault)
			}
			checkPlan(t, plan)
			_, fault = Parse([]byte(c.more), env())
			if fault == nil || fault.Code != CodeInvalid || fault.Field != c.field {
				t.Errorf("above the limit: %v, want field %q", fault, c.field)
			}
		})
	}
}

func TestNoSegmentsWithoutEnvironment(t *testing.T) {
	question := []byte(`{"kind":"lifecycle","event":"a","filters":[{"segment":"french"}]}`)
	_, fault := Parse(question, Env{Now: env().Now})
	if fault == nil || fault.Field != "filters[0].segment" || fault.Message != `There is no segment "french".` {
		t.Errorf("%v", fault)
	}
}

// TestSegmentIsReadInPlace: the plan is the one that the definition makes where it
// stands.
func TestSegmentIsReadInPlace(t *testing.T) {
	definition, _ := segment("vip")
	french, _ := segment("french")
	inner := strings.Replace(string(definition), `{"segment": "french"}`, string(french), 1)
	parse := func(filter string) *Plan {
		plan, fault := Parse([]byte(`{"kind":"stickiness","event":"a","filters":[{"not":`+filter+`}]}`), env())
		if fault != nil {
			t.Fatal(fault)
		}
		return plan
	}
	if got, want := parse(`{"segment":"vip"}`), parse(inner); !reflect.DeepEqual(got, want) {
		t.Errorf("got %s\nwant %s", describe(got), describe(want))
	}
}

// TestSegmentKeepsZone: after a segment the question's own zone counts again, and
// in it the workspace's.
func TestSegmentKeepsZone(t *testing.T) {
	e := env()
	e.Location = zone(t, "America/New_York")
	e.Segment = func(string) ([]byte, bool) { return []byte(`{"did":{"event":"a","within":"today"}}`), true }
	plan, fault := Parse([]byte(`{"kind":"flows","timezone":"Asia/Tokyo","filters":[{"segment":"s"},{"did":{"event":"a","within":"today"}}]}`), e)
	if fault != nil {
		t.Fatal(fault)
	}
	both := plan.Flows.Where.(All)
	for i, want := range []string{"2026-10-07T00:00:00-04:00", "2026-10-08T00:00:00+09:00"} {
		if got := both[i].(*Did).From; got != at(t, want) {
			t.Errorf("filter %d counts from %v, want %s", i, got, want)
		}
	}
}

// TestPresets holds the presets against the rules of SEMANTICS §6: a question that
// says all of it is the question with the preset.
func TestPresets(t *testing.T) {
	const rest = `"kind":"funnel","steps":[{"event":"a"},{"event":"b"}],"exclude":[{"event":"x"}]`
	for preset, said := range map[string]string{
		"weir":      `"window":{"value":14,"unit":"day"},"grace_seconds":0,"exclude_effect":"end_attempt"`,
		"mixpanel":  `"window":{"value":14,"unit":"day"},"grace_seconds":2,"exclude_effect":"end_attempt"`,
		"amplitude": `"window":{"value":1,"unit":"day"},"grace_seconds":1,"exclude_effect":"end_attempt"`,
		"posthog":   `"window":{"value":14,"unit":"day"},"grace_seconds":0,"exclude_effect":"leave_funnel"`,
	} {
		got, fault := Parse([]byte(`{"preset":"`+preset+`",`+rest+`}`), env())
		if fault != nil {
			t.Fatal(fault)
		}
		want, fault := Parse([]byte(`{`+said+`,"entry":"best","counting":"users","order":"ordered","ties":"step_order",`+rest+`}`), env())
		if fault != nil {
			t.Fatal(fault)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s\nwant %s", preset, describe(got), describe(want))
		}
	}
}

// TestRetentionEdges: periods behind the cohorts go on by the calendar, over the end
// of daylight saving, while the width of a rolling period stays what it is.
func TestRetentionEdges(t *testing.T) {
	plan, fault := Parse([]byte(`{"kind":"retention","timezone":"Europe/Paris","from":"2026-10-23","to":"2026-10-24","periods":2,"start":{"event":"a"}}`), env())
	if fault != nil {
		t.Fatal(fault)
	}
	r := plan.Retention
	want := []string{"2026-10-23T00:00:00+02:00", "2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", "2026-10-27T00:00:00+01:00"}
	if len(r.Edges) != len(want) || len(r.Cohorts.Edges) != 3 {
		t.Fatalf("edges %v, cohorts %v", r.Edges, r.Cohorts.Edges)
	}
	for i, edge := range r.Edges {
		if edge != at(t, want[i]) {
			t.Errorf("edge %d is %v, want %s", i, edge, want[i])
		}
	}
	if got := time.Duration(r.Width) * time.Microsecond; got != 24*time.Hour {
		t.Errorf("width %v", got)
	}
}

// TestAttributionTakesWhatTheWorkspaceHasSet: a question says less where the workspace
// has said it already, and goes before it.
func TestAttributionTakesWhatTheWorkspaceHasSet(t *testing.T) {
	e := env()
	e.Goals = []order.Goal{{Event: "trial", ValueProperty: "amount", CurrencyProperty: "money"}, {Event: "signup"}}
	e.Attribution = attribution.Options{Lookback: 9 * aDay, HalfLife: 2 * aDay, AfterPrevious: true}
	for _, c := range []struct {
		conversion, rest string
		goal             order.Goal
		lookback         weir.Micros
		afterPrevious    bool
	}{
		{`{"event":"trial"}`, ``, e.Goals[0], 9 * aDay, true},
		{`{"event":"trial","value_property":"p"}`, ``, order.Goal{Event: "trial", ValueProperty: "p", CurrencyProperty: "money"}, 9 * aDay, true},
		{`{"event":"other"}`, `,"lookback_days":3,"after_previous":false`, order.Goal{Event: "other"}, 3 * aDay, false},
		{`{"kind":"order"}`, ``, order.Goal{}, 9 * aDay, true},
	} {
		plan, fault := Parse([]byte(`{"kind":"attribution","conversion":`+c.conversion+c.rest+`}`), e)
		if fault != nil {
			t.Fatal(fault)
		}
		a := plan.Attribution
		if a.Goal != c.goal || a.Lookback != c.lookback || a.AfterPrevious != c.afterPrevious || a.HalfLife != 2*aDay || !reflect.DeepEqual(a.Goals, e.Goals) {
			t.Errorf("%s%s: %+v", c.conversion, c.rest, a)
		}
	}
}
