package pipeline_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/pipeline"
)

func TestItemBecomesEventPersonAndReceipt(t *testing.T) {
	w := newWorld(t)
	listener := w.hub.Subscribe(ws)
	defer listener.Close()
	w.send([]string{`{"kind":"pageview",
		"pageview":{"external_id":"pv1","created_at":"2026-10-01T11:00:00Z","page_id":"https://a.example/x","title":"X","duration":5},
		"user":{"external_id":"u1","is_authenticated":true,"created_at":"2026-09-01T00:00:00Z","traits":{"plan":"pro"}},
		"session":{"external_id":"s1","created_at":"2026-10-01T10:59:00Z","utm_source":"news","landing_page":"https://a.example/"},
		"device":{"external_id":"d1","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0","language":"fr-FR"}}`})
	w.drain()
	for filters, want := range map[string]float64{
		"": 1,
		`[{"property":"$page","op":"eq","value":"https://a.example/x"},{"property":"$utm_source","on":"session","op":"eq","value":"news"}]`:                             1,
		`[{"property":"$browser","op":"eq","value":"Firefox"},{"property":"$language","op":"eq","value":"fr-FR"},{"property":"duration","op":"between","value":[5,5]}]`: 1,
		`[{"property":"plan","on":"user","op":"eq","value":"pro"}]`:                                                                                                     1,
		`[{"property":"$utm_source","op":"eq","value":"other"}]`:                                                                                                        0,
	} {
		if got := w.ask("pageview", "total", filters); got != want {
			t.Errorf("%s: %v, want %v", filters, got, want)
		}
	}
	if got := w.ask("pageview", "sessions", ""); got != 1 {
		t.Errorf("%v sessions", got)
	}
	p := w.person("u1")
	if p.ID != "u1" || p.CreatedAt.String() != "2026-09-01T00:00:00Z" || p.FirstSeen.String() != "2026-10-01T11:00:00Z" {
		t.Errorf("person %+v", p)
	}
	o := w.outcomes("pv1")
	if len(o) != 1 || o[0].Status != weir.Stored || o[0].Name != "pageview" || o[0].UserID != "u1" || o[0].Receipt != "rcp_1" || o[0].Person != p.Number {
		t.Errorf("receipt %+v", o)
	}
	if m := <-listener.C; m.Outcome.ItemID != "pv1" || !strings.Contains(string(m.Raw), "pv1") {
		t.Errorf("listeners were told %+v", m)
	}
	raw, err := w.archive.Read(t.Context(), o[0].Position)
	if err != nil || !strings.Contains(string(raw.Raw), `"external_id":"pv1"`) {
		t.Errorf("the archive has %q, %v", raw.Raw, err)
	}
}

func TestVersionsAndDuplicates(t *testing.T) {
	version := func(updated, title string) string {
		return `{"kind":"pageview","pageview":{"external_id":"pv","created_at":"2026-10-01T11:00:00Z","updated_at":"` + updated + `","page_id":"p","properties":{"v":` + title + `}},"user":{"external_id":"u"}}`
	}
	for _, together := range []bool{true, false} {
		w := newWorld(t)
		items := []string{
			version("2026-10-01T11:00:02Z", "2"),
			version("2026-10-01T11:00:02Z", "2"), // again
			version("2026-10-01T11:00:01Z", "1"), // late
			version("2026-10-01T11:00:03Z", "3"), // newer
		}
		if together {
			w.send(items)
		} else {
			for _, i := range items {
				w.send([]string{i})
				w.drain()
			}
		}
		w.drain()
		if got, want := w.statuses("pv"), "stored duplicate superseded stored"; got != want {
			t.Errorf("together %v: %s, want %s", together, got, want)
		}
		if got := w.ask("pageview", "total", ""); got != 1 {
			t.Errorf("together %v: %v events", together, got)
		}
		if got := w.ask("pageview", "total", `[{"property":"v","op":"eq","value":3}]`); got != 1 {
			t.Errorf("together %v: the newest version does not stand", together)
		}
	}
}

func TestConflictHasTheSameWinnerInBothOrders(t *testing.T) {
	a, b := custom("x", "u", "Conflicting", `"v":1`), custom("x", "u", "Conflicting", `"v":2`)
	var winners []float64
	for _, order := range [][]string{{a, b}, {b, a}} {
		w := newWorld(t)
		w.send(order[:1], order[1:])
		w.drain()
		if got := w.ask("Conflicting", "total", ""); got != 1 {
			t.Fatalf("%v events", got)
		}
		winners = append(winners, w.ask("Conflicting", "total", `[{"property":"v","op":"eq","value":1}]`))
	}
	if winners[0] != winners[1] {
		t.Errorf("the winner depends on the order: %v", winners)
	}
}

func TestPastOfAnAnonymousUserFollowsTheKnownOne(t *testing.T) {
	w := newWorld(t)
	w.send([]string{custom("1", "visitor", "Looked", ""), custom("2", "known", "Bought", "")})
	w.drain()
	if got := w.ask("*", "users", ""); got != 2 {
		t.Fatalf("%v people before", got)
	}
	w.send([]string{`{"kind":"user_alias","user_alias":{"from_user_external_id":"visitor","to_user_external_id":"known","to_user_is_authenticated":true}}`})
	w.drain()
	if got := w.ask("*", "users", ""); got != 1 {
		t.Errorf("%v people after", got)
	}
	if p := w.person("visitor"); p.ID != "known" || !reflect.DeepEqual(p.IDs, []string{"known", "visitor"}) {
		t.Errorf("person %+v", p)
	}
	w.send([]string{custom("3", "visitor", "Looked", "")})
	w.drain()
	if got := w.ask("Looked", "users", ""); got != 1 {
		t.Errorf("%v people later", got)
	}
}

func TestRejectedItemIsKeptWithItsReasonAndHarmsNoNeighbour(t *testing.T) {
	w := newWorld(t)
	w.send([]string{custom("1", "u", "Good", ""), `{"kind":"custom_event","custom_event":{"external_id":"bad"},"user":{"external_id":"u"}}`, "no JSON at all", custom("2", "u", "Good", "")})
	w.drain()
	if got := w.ask("Good", "total", ""); got != 2 {
		t.Errorf("%v neighbours", got)
	}
	bad := w.outcomes("bad")
	if len(bad) != 1 || bad[0].Status != weir.Rejected || bad[0].Field != "custom_event.created_at" || bad[0].Message == "" {
		t.Errorf("receipt %+v", bad)
	}
	if r, err := w.archive.Read(t.Context(), bad[0].Position); err != nil || r.Rejected == nil {
		t.Errorf("the archive has %+v, %v", r, err)
	}
}

func TestPoisonIsSetAsideAndHarmsNoNeighbour(t *testing.T) {
	w := newWorld(t)
	w.options.Tries = 2
	w.options.Steps = []pipeline.Step{{Number: 8, Name: "attribute", Run: func(_ context.Context, b *pipeline.Batch) error {
		for _, e := range b.Entries {
			if e.Live() && e.Item.ID == "poison" {
				panic("cannot stomach this")
			}
		}
		return nil
	}}}
	w.send([]string{custom("1", "u", "Good", ""), custom("poison", "u", "Good", ""), custom("2", "u", "Good", "")})
	w.drain()
	if got := w.ask("Good", "total", ""); got != 2 {
		t.Errorf("%v neighbours", got)
	}
	list, err := w.events.Log(t.Context(), ws, logOf(weir.Dead))
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Message, "attribute failed on this item: cannot stomach this") {
		t.Errorf("dead: %+v, %v", list, err)
	}
}

// The places of the steps that come from outside: a hook rejects and enriches
// before validation, and a later step sees what the ones before it made.
func TestStepsFromOutsideHaveTheirPlace(t *testing.T) {
	w := newWorld(t)
	var order []int
	note := func(n int, run func(*pipeline.Entry)) pipeline.Step {
		return pipeline.Step{Number: n, Name: "outside", Run: func(_ context.Context, b *pipeline.Batch) error {
			order = append(order, n)
			for _, e := range b.Entries {
				run(e)
			}
			return nil
		}}
	}
	w.options.Steps = []pipeline.Step{
		note(11, func(e *pipeline.Entry) {
			if e.Live() && (e.Event == nil || e.Event.Person == 0) {
				t.Error("step 11 sees no event")
			}
		}),
		note(2, func(e *pipeline.Entry) {
			if e.Item != nil {
				t.Error("step 2 sees a parsed item")
			}
			e.Record.Raw = []byte(strings.Replace(string(e.Record.Raw), "Plain", "Enriched", 1))
		}),
		note(3, func(e *pipeline.Entry) {
			if e.Item != nil && e.Item.ID == "unwanted" {
				e.Reject(weir.Rejection{Code: "unwanted", Message: "No."})
			}
		}),
	}
	w.send([]string{custom("1", "u", "Plain", ""), custom("unwanted", "u", "Plain", "")})
	w.drain()
	if want := []int{2, 3, 11}; !reflect.DeepEqual(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if got := w.ask("Enriched", "total", ""); got != 1 {
		t.Errorf("%v enriched", got)
	}
	if o := w.outcomes("unwanted"); len(o) != 1 || o[0].Code != "unwanted" {
		t.Errorf("receipt %+v", o)
	}
}

func TestRebuildDerivesTheSameRows(t *testing.T) {
	w := newWorld(t)
	w.send(history()...)
	w.drain()
	before := w.truth()
	if err := w.pipeline().Rebuild(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	if after := w.truth(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if got := w.statuses("v"); got != "superseded superseded stored" { // the log knows the winner from the start
		t.Errorf("versions: %s", got)
	}
}

func TestClockCorrection(t *testing.T) {
	at := func(s string) weir.Micros {
		parsed, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return weir.MicrosOf(parsed)
	}
	for _, c := range []struct{ name, event, sent, received, want string }{
		{"no sent_at", "2026-10-01T11:00:00Z", "", "2026-10-01T12:00:00Z", "2026-10-01T11:00:00Z"},
		{"right clock", "2026-10-01T11:00:00Z", "2026-10-01T12:00:00Z", "2026-10-01T12:00:01Z", "2026-10-01T11:00:00Z"},
		{"an hour behind", "2026-10-01T10:00:00Z", "2026-10-01T11:00:00Z", "2026-10-01T12:00:00Z", "2026-10-01T11:00:00Z"},
		{"a day ahead", "2026-10-02T11:59:00Z", "2026-10-02T12:00:00Z", "2026-10-01T12:00:00Z", "2026-10-01T11:59:00Z"},
		{"a sender's clock from the end of time", "2026-10-01T11:00:00Z", "9999-10-01T12:00:00Z", "2026-10-01T12:00:00Z", "2026-10-01T11:00:00Z"},
		{"a little ahead", "2026-10-01T12:04:00Z", "", "2026-10-01T12:00:00Z", "2026-10-01T12:04:00Z"},
		{"far ahead", "2026-10-01T13:00:00Z", "", "2026-10-01T12:00:00Z", "2026-10-01T12:00:00Z"},
	} {
		var sent weir.Micros
		if c.sent != "" {
			sent = at(c.sent)
		}
		got, note := pipeline.Correct(at(c.event), sent, at(c.received))
		if got != at(c.want) || (note != nil) != (c.name == "far ahead") {
			t.Errorf("%s: %s %v, want %s", c.name, got, note, c.want)
		}
	}
}

// The collector judges by the limits that are in force; what it took is applied.
func TestCollectorsVerdictOnLimitsStands(t *testing.T) {
	w := newWorld(t)
	large := custom("large", "u", "Large", `"p":"`+strings.Repeat("x", 200<<10)+`"`)
	body, err := frame.Encode(0, []weir.Record{{Workspace: ws, Source: "test", Receipt: "rcp_1", ReceivedAt: received, UserID: "u", Raw: []byte(large)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.queue.Append(t.Context(), []frame.Body{body}); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if got := w.statuses("large"); got != "stored" {
		t.Errorf("the item is %s", got)
	}
}
