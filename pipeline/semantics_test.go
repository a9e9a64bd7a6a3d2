package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/pipeline"
)

// The worked examples of SEMANTICS §1, §2 and §5 that need the whole pipeline;
// those of single rules stand with the rules.

func (w *world) trait(user, name string) string {
	w.t.Helper()
	for _, p := range w.questionsPerson(user).Traits {
		if p.Name == name {
			return p.Value.String()
		}
	}
	return ""
}

// questionsPerson is a person with totals.
func (w *world) questionsPerson(user string) weir.Person {
	w.t.Helper()
	p := w.person(user)
	members, err := w.state.View().PersonByNumber(w.ctx(), ws, p.Number)
	if err != nil {
		w.t.Fatal(err)
	}
	var numbers []uint32
	for _, m := range members {
		numbers = append(numbers, m.Number)
	}
	conversions, err := w.state.View().Conversions(w.ctx(), ws, numbers)
	if err != nil {
		w.t.Fatal(err)
	}
	return identity.Join(members, order.Totals(conversions, p.FirstSeen))
}

// deliverAll stores items one by one, each in a batch of its own.
func (w *world) deliverAll(items ...weir.Record) {
	w.t.Helper()
	for _, r := range items {
		w.deliver([]weir.Record{r})
		w.drain()
	}
}

func TestCorrectedTimeNeverTakesPartInDedupe(t *testing.T) {
	w := newWorld(t)
	first := record(custom("x", "u", "Once", ""))
	first.SentAt = received - 3600*1e6 // the sender's clock is an hour behind
	again := first
	again.SentAt, again.ReceivedAt = 0, received+5*1e6 // the resend says nothing of its clock
	w.deliverAll(first, again)
	if got, want := w.statuses("x"), "stored duplicate"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := w.ask("Once", "total", ""); got != 1 {
		t.Errorf("%v events of one item", got)
	}
}

func TestVersionsAreMergedFieldByField(t *testing.T) {
	version := func(minute int, fields string) weir.Record {
		return record(fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":"x","created_at":"2026-10-01T11:00:00Z","updated_at":"2026-10-01T11:%02d:00Z","label":"Edited","properties":{%s}},"user":{"external_id":"u"}}`, minute, fields))
	}
	early, late := version(1, `"a":"old","b":"kept","c":"cleared"`), version(2, `"a":"new","c":null`)
	for name, items := range map[string][]weir.Record{"in order": {early, late}, "late": {late, early}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.deliverAll(items...)
			for _, filter := range []string{`{"property":"a","op":"eq","value":"new"}`, `{"property":"b","op":"eq","value":"kept"}`, `{"property":"c","op":"is_not_set"}`} {
				if got := w.ask("Edited", "total", "["+filter+"]"); got != 1 {
					t.Errorf("%v events with %s, want 1", got, filter)
				}
			}
		})
	}
}

func TestCreatedAtOfAUserIsTheMinimumSeen(t *testing.T) {
	said := func(id, created string) weir.Record {
		return record(fmt.Sprintf(`{"kind":"pageview","pageview":{"external_id":%q,"created_at":"2026-10-01T11:00:00Z","page_id":"/"},"user":{"external_id":"u","created_at":%q}}`, id, created))
	}
	w := newWorld(t)
	w.deliverAll(said("1", "2026-09-03T00:00:00Z"), said("2", "2026-09-01T00:00:00Z"), said("3", "2026-09-02T00:00:00Z"))
	if got := w.person("u").CreatedAt.String(); got != "2026-09-01T00:00:00Z" {
		t.Errorf("created at %s", got)
	}
}

// A page view that carries its user, session and device creates all of them.
func TestItemHealsWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	w.deliverAll(record(`{"kind":"pageview","pageview":{"external_id":"p","created_at":"2026-10-01T11:00:00Z","page_id":"/","colour":"red"},
		"user":{"external_id":"u","email":"u@example.com"},
		"session":{"external_id":"s","created_at":"2026-10-01T10:59:00Z","device_external_id":"d","utm_source":"google","utm_medium":"cpc"},
		"device":{"external_id":"d","created_at":"2026-09-01T00:00:00Z","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0","language":"fr-FR"}}`))
	members, err := w.state.View().Person(w.ctx(), ws, "u")
	if err != nil || len(members) != 1 {
		t.Fatalf("%d members, %v", len(members), err)
	}
	if email, _ := members[0].Traits.Get("email"); email.Str != "u@example.com" {
		t.Errorf("traits %v", members[0].Traits.Properties())
	}
	if d := members[0].Devices; len(d) != 1 || d[0].ID != "d" || d[0].CreatedAt.String() != "2026-09-01T00:00:00Z" {
		t.Errorf("devices %+v", d)
	} else if browser, _ := d[0].Fields.Get("browser"); browser.Str != "Firefox" {
		t.Errorf("the user agent says %v", d[0].Fields.Properties())
	}
	s, err := w.state.View().Session(w.ctx(), ws, "s")
	if err != nil || s == nil || s.Device != "d" || s.StartedAt.String() != "2026-10-01T10:59:00Z" {
		t.Errorf("session %+v, %v", s, err)
	}
	if got := w.ask("pageview", "total", `[{"property":"extra.colour","op":"eq","value":"red"}]`); got != 1 {
		t.Error("the unknown field is lost")
	}
	if o := w.outcomes("p"); len(o[0].Warnings) != 1 || o[0].Warnings[0].Code != "unknown_fields" {
		t.Errorf("warnings %+v", o[0].Warnings)
	}
}

// Other kinds than these are no events.
func TestEventsAreNamedByKindOrLabel(t *testing.T) {
	w := newWorld(t)
	const at, user = `"created_at":"2026-10-01T11:00:00Z"`, `"user":{"external_id":"u"}`
	item := func(kind, fields string) {
		w.deliverAll(record(fmt.Sprintf(`{"kind":%q,%q:{"external_id":"i",%s%s},%s}`, kind, kind, at, fields, user)))
	}
	item("pageview", `,"page_id":"/"`)
	item("custom_event", `,"label":"screen"`)
	item("order", `,"total_price":100`)
	item("cart", "")
	item("postview", "")
	item("message", "")
	item("group", `,"group_type":"company","name":"Acme"`)
	item("subscription_list_user", `,"subscription_list_id":"news"`)
	item("app_crm_leads", `,"stage":2`)
	for _, name := range []string{"pageview", "screen", "order", "cart", "postview", "message"} {
		if got := w.ask(name, "total", ""); got != 1 {
			t.Errorf("%v events %q", got, name)
		}
	}
	if got := w.ask("*", "total", ""); got != 6 {
		t.Errorf("%v events in all, want 6", got)
	}
	for name, want := range map[string]string{"$group_company": "i", "$group_company.name": "Acme", "$list_news": "active"} {
		if got := w.trait("u", name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func purchase(id, user, fields string, minute int) weir.Record {
	r := record(fmt.Sprintf(`{"kind":"order","order":{"external_id":%q,"created_at":"2026-10-01T11:%02d:00Z","updated_at":"2026-10-01T11:%02d:00Z",%s},"user":{"external_id":%q}}`, id, minute, minute, fields, user))
	r.Client = weir.ClientServer
	return r
}

func TestTotalsOfAPersonFollowTheirOrders(t *testing.T) {
	w := newWorld(t)
	rates, err := order.NewRates("EUR", []order.Rate{{Currency: "USD", From: 1, Rate: "0.5"}})
	if err != nil {
		t.Fatal(err)
	}
	rules := pipeline.DefaultRules()
	rules.Rates = rates
	w.options.Rules = ruledBy(rules)
	w.deliverAll(record(custom("1", "u", "Looked", "")), purchase("o1", "u", `"total_price":1000,"currency":"EUR"`, 10), purchase("o2", "u", `"total_price":3000,"currency":"usd"`, 20), purchase("o3", "u", `"total_price":900,"currency":"XTS"`, 30))
	check := func(want map[string]string) {
		t.Helper()
		for name, value := range want {
			if got := w.trait("u", name); got != value {
				t.Errorf("%s is %s, want %s", name, got, value)
			}
			if value == "" {
				continue
			}
			if got := w.ask("Looked", "total", fmt.Sprintf(`[{"property":%q,"on":"user","op":"eq","value":%q}]`, name, value)); got != 1 {
				t.Errorf("questions do not see %s = %s", name, value)
			}
		}
	}
	check(map[string]string{"$orders_count": "3", "$orders_ltv": "2500", "$orders_avg_cart": "1250", "$first_order_at": "2026-10-01T11:10:00Z", "$last_order_at": "2026-10-01T11:30:00Z", "$first_order_ttc": "600"})
	// The first one is cancelled: it counts nowhere.
	cancelled := strings.Replace(string(purchase("o1", "u", `"total_price":1000,"currency":"EUR","cancelled_at":"2026-10-01T11:40:00Z"`, 10).Raw), `"updated_at":"2026-10-01T11:10:00Z"`, `"updated_at":"2026-10-01T11:40:00Z"`, 1)
	late := record(cancelled)
	late.Client = weir.ClientServer
	w.deliverAll(late)
	check(map[string]string{"$orders_count": "2", "$orders_ltv": "1500", "$first_order_at": "2026-10-01T11:20:00Z"})
}

// A late session, a merge and its retraction re-attribute the conversions that they
// touch.
func TestCreditFollowsLateSessionsAndMerges(t *testing.T) {
	w := newWorld(t)
	visit := func(session, user, source string, minute int) weir.Record {
		return record(fmt.Sprintf(`{"kind":"session","session":{"external_id":%q,"created_at":"2026-10-01T11:%02d:00Z","utm_source":%q,"utm_medium":"cpc"},"user":{"external_id":%q}}`, session, minute, source, user))
	}
	credited := func() string {
		t.Helper()
		members, err := w.state.View().Person(w.ctx(), ws, "ann")
		if err != nil {
			t.Fatal(err)
		}
		var numbers []uint32
		for _, m := range members {
			numbers = append(numbers, m.Number)
		}
		list, err := w.state.View().Conversions(w.ctx(), ws, numbers)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d conversions, %v", len(list), err)
		}
		var out []string
		for _, touch := range list[0].Touches {
			out = append(out, fmt.Sprintf("%s %s %d", touch.Role, touch.Channel, touch.Credits[3]))
		}
		return strings.Join(out, ", ")
	}
	want := func(what, touches string) {
		t.Helper()
		if got := credited(); got != touches {
			t.Errorf("%s: %s, want %s", what, got, touches)
		}
	}
	w.deliverAll(visit("s1", "ann", "google", 1), purchase("o", "ann", `"total_price":1001`, 30))
	want("one visit", "alone Paid Search 1001")
	w.deliverAll(visit("s2", "ann", "facebook", 5))
	want("a late visit", "initiator Paid Search 501, closer Paid Social 500")
	w.deliverAll(visit("s3", "phone", "youtube", 3))
	want("somebody else's visit", "initiator Paid Search 501, closer Paid Social 500")
	w.deliverAll(record(aliasAt("phone", "ann", 8)), record(known("ann")))
	want("who turns out to be the same", "initiator Paid Search 334, assisting Paid Video 334, closer Paid Social 333")
	edge := weir.Edge{From: "phone", To: "ann", Item: "user_alias:phone ann", Rule: weir.RuleAlias}
	undo := record(fmt.Sprintf(`{"kind":"identity_retract","identity_retract":{"external_id":"undo","created_at":"2026-10-01T11:50:00Z","edge":%q}}`, edge.ID()))
	undo.Client = weir.ClientServer
	w.deliverAll(undo)
	want("and is not", "initiator Paid Search 501, closer Paid Social 500")
}
