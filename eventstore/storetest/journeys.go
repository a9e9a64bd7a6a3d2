package storetest

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/query"
)

// questionsPerHistory is how many questions a random history is asked.
const questionsPerHistory = 25

// testJourneysLikeTheModel asks random questions about random histories, of every kind but
// trends, and holds the answers against the model's. A pair that fails is printed as a
// script: put it into testdata/journeys.
func testJourneysLikeTheModel(t *testing.T, h *Harness) {
	checkPrograms(t, 8*cmp.Or(h.Programs, 10), func(r *rapid.T, run int) {
		ws, model := weir.WorkspaceID(fmt.Sprint("journeys-", run)), NewModel()
		told := drawHistory(r)
		order := rapid.Permutation(indexes(len(told.events))).Draw(r, "order")
		cuts := rapid.SliceOfN(rapid.IntRange(0, 30), 0, 2).Draw(r, "cuts")
		for _, b := range told.batches(order, cuts, rapid.IntRange(0, 2).Draw(r, "merged")) {
			for _, s := range []eventstore.Store{model, h.Store} {
				if err := s.Write(t.Context(), ws, b); err != nil {
					r.Fatal(err)
				}
			}
		}
		for range questionsPerHistory {
			question, err := json.Marshal(drawJourney(r))
			if err != nil {
				r.Fatal(err)
			}
			want := answerTo(t, r, model, ws, question)
			if got := answerTo(t, r, h.Store, ws, question); !bytes.Equal(got, want) {
				r.Fatalf("answered:\n%s\n%s", got, txtar.Format(&txtar.Archive{Files: []txtar.File{
					{Name: "history", Data: []byte(told.String())}, {Name: "question", Data: append(question, '\n')}, {Name: "answer", Data: want},
				}}))
			}
		}
	})
}

// failer is a test, or a run of one.
type failer interface {
	Fatalf(format string, args ...any)
}

func answerTo(t *testing.T, f failer, s eventstore.Store, ws weir.WorkspaceID, question []byte) []byte {
	plan, fault := query.Parse(question, journeyEnv())
	if fault != nil {
		f.Fatalf("%s\n%v", question, fault)
	}
	answer, err := s.Ask(t.Context(), ws, plan)
	if err != nil {
		f.Fatalf("%s\n%v", question, err)
	}
	out := format(t, answer)
	if answer.Totals != nil {
		totals, err := json.Marshal(answer.Totals)
		if err != nil {
			f.Fatalf("%s\n%v", question, err)
		}
		out = fmt.Appendf(out, "totals %s\n", totals)
	}
	if plan.Explain != nil {
		out = fmt.Appendf(out, "persons %v\n", answer.Persons)
	}
	return out
}

// journeyEnv is a workspace in euros, of which the events c and d are goals.
func journeyEnv() query.Env {
	rates, err := order.NewRates("EUR", []order.Rate{{Currency: "USD", Rate: "0.9"}})
	if err != nil {
		panic(err) // the list is right
	}
	return query.Env{
		Now: time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC), Location: time.UTC,
		Goals: []order.Goal{{Event: "c", ValueProperty: "p", CurrencyProperty: "q"}, {Event: "d"}}, Rates: rates,
	}
}

//go:embed testdata/journeys/*.txtar
var journeyScripts embed.FS

// testJourneyScripts asks the questions of testdata/journeys: pairs that failed once, and
// examples worth keeping. A script has a history, a question and the answer.
func testJourneyScripts(t *testing.T, h *Harness) {
	const folder = "testdata/journeys"
	entries, err := journeyScripts.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for n, entry := range entries {
		t.Run(strings.TrimSuffix(entry.Name(), ".txtar"), func(t *testing.T) {
			data, err := journeyScripts.ReadFile(path.Join(folder, entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files := txtar.Parse(data).Files
			if len(files) != 3 {
				t.Fatalf("%d files, want history, question and answer", len(files))
			}
			told := readHistory(t, string(files[0].Data))
			ws := weir.WorkspaceID(fmt.Sprint("script-", n))
			for _, b := range told.batches(indexes(len(told.events)), nil, 0) {
				if err := h.Store.Write(t.Context(), ws, b); err != nil {
					t.Fatal(err)
				}
			}
			if got := answerTo(t, t, h.Store, ws, files[1].Data); !bytes.Equal(got, files[2].Data) {
				t.Errorf("%s\nanswered:\n%swant:\n%s", files[1].Data, got, files[2].Data)
			}
		})
	}
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// drawHistory draws some days around the end of summer time in Europe: a few people
// with some events each, many at the same or nearly the same time.
func drawHistory(r *rapid.T) *history {
	h := &history{}
	first := time.Date(2026, 10, 22, 22, 0, 0, 0, time.UTC)
	for identity := range rapid.IntRange(1, 4).Draw(r, "identities") {
		at := first.Add(time.Duration(rapid.IntRange(0, 8*24).Draw(r, "start")) * time.Hour)
		for range rapid.IntRange(0, 8).Draw(r, "events") {
			gap := rapid.SampledFrom([]time.Duration{0, 0, time.Microsecond, time.Second, 2 * time.Second, 20 * time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour, 60 * time.Hour}).Draw(r, "gap")
			at = at.Add(gap)
			h.events = append(h.events, weir.Event{
				Time: weir.MicrosOf(at), Identity: uint32(identity + 1), Session: uint32(rapid.SampledFrom([]int{0, 2*identity + 1, 2*identity + 1, 2*identity + 2}).Draw(r, "session")),
				Name: rapid.SampledFrom([]string{"a", "a", "b", "b", "c", "d", "order"}).Draw(r, "name"), Properties: drawSome(r, "p", "q"),
			})
			if e := &h.events[len(h.events)-1]; e.Name == order.Orders {
				e.Properties = drawOrder(r)
			}
		}
		drawVisits(r, h, uint32(identity+1), first)
		if rapid.Bool().Draw(r, "known") {
			h.people = append(h.people, weir.Person{Number: uint32(identity + 1), Traits: drawSome(r, "t", "u")})
		}
	}
	if rapid.IntRange(0, 2).Draw(r, "merge") == 0 {
		h.merges = append(h.merges, eventstore.Move{Identity: 2, Person: 1, From: query.TimeMin, To: query.TimeMax})
	}
	return h
}

// drawOrder draws what an order says of its worth.
func drawOrder(r *rapid.T) []weir.Property {
	var out []weir.Property
	for _, p := range []struct {
		name   string
		values []weir.Value
	}{
		{"$value", []weir.Value{weir.Num(10_000), weir.Num(9_999), weir.Num(1), weir.Num(-250), weir.Text("1000"), weir.Text("free"), weir.Num(33.5), {}}},
		{"cancelled_at", []weir.Value{{}, {}, {}, weir.Text(""), weir.Text("2026-10-26T00:00:00Z")}},
		{"currency", []weir.Value{{}, {}, weir.Text("EUR"), weir.Text(" usd "), weir.Text("XTS"), weir.Num(978)}},
		{"subtotal_price", []weir.Value{{}, weir.Num(777), weir.Text("88")}},
	} {
		if rapid.IntRange(0, 3).Draw(r, "says "+p.name) > 0 {
			out = append(out, weir.Property{Name: p.name, Value: rapid.SampledFrom(p.values).Draw(r, p.name)})
		}
	}
	return out
}

// drawVisits draws some visits of an identity, about the times of its events, of which
// some are the same, and some as old as a look-back.
func drawVisits(r *rapid.T, h *history, identity uint32, first time.Time) {
	at := weir.MicrosOf(first.Add(time.Duration(rapid.IntRange(-3*24, 4*24).Draw(r, "visits from")) * time.Hour))
	texts := func(label string, of ...string) string { return one(r, label, of...) }
	for range rapid.IntRange(0, 6).Draw(r, "visits") {
		at += weir.Micros(one(r, "later", 0, 0, 1, 1e6, 3600e6, 5*3600e6, 24*3600e6, 48*3600e6))
		number := uint32(len(h.visits) + 1)
		v := eventstore.Visit{
			Number: number, ID: fmt.Sprint("v", number), Identity: identity, Person: identity, StartedAt: at,
			Origin:  one(r, "origin", weir.Sent, weir.Derived, weir.Impression, weir.Impression),
			Channel: texts("channel", "", "direct", "email", "organic search"),
		}
		v.Source.Source = texts("source", "", "direct", "direct", "google", "Google", "a much longer name of a source")
		v.Source.Medium = texts("medium", "", "none", "none", "email", "Email ")
		v.Source.Campaign = texts("campaign", "", "", "", "autumn")
		v.Source.ClickID = texts("click id", "", "", "", "gclid")
		v.Source.LandingPage = texts("landing page", "", "/", "/pricing")
		v.Source.Term = texts("term", "", "", "", "shoes")
		v.Seconds, v.Bounced = one(r, "seconds", 0, 0, 10.25, 60, 10_800), rapid.Bool().Draw(r, "bounced")
		v.Pageviews, v.Interactions = one[int64](r, "pageviews", 0, 1, 1, 5), one[int64](r, "interactions", 0, 0, 2)
		v.Source.Impression = v.Origin == weir.Impression
		if n := len(h.events); n > 0 && rapid.IntRange(0, 2).Draw(r, "at an event") == 0 {
			back := one[weir.Micros](r, "back", 0, 0, 0, 1, 24*3600e6, 24*3600e6+1, 48*3600e6)
			v.StartedAt = h.events[rapid.IntRange(0, n-1).Draw(r, "which")].Time - back
		}
		h.visits = append(h.visits, v)
	}
}

// drawSome draws properties of few values, so that some are equal.
func drawSome(r *rapid.T, names ...string) []weir.Property {
	var out []weir.Property
	for _, name := range names {
		v := rapid.SampledFrom([]string{"", "", `"x"`, `"x"`, `"y"`, `"a much longer text"`, `5`, `7.25`, `"5"`, `true`, `["x","y"]`, `null`}).Draw(r, name)
		if v == "" {
			continue
		}
		var value weir.Value
		if err := json.Unmarshal([]byte(v), &value); err != nil {
			r.Fatal(err)
		}
		out = append(out, weir.Property{Name: name, Value: value})
	}
	return out
}

// object is a JSON object in the making.
type object map[string]any

// maybe adds a field in one of two cases.
func (o object) maybe(r *rapid.T, name string, draw func() any) {
	if rapid.Bool().Draw(r, "has "+name) {
		o[name] = draw()
	}
}

// one draws a word.
func one[T any](r *rapid.T, label string, of ...T) T { return rapid.SampledFrom(of).Draw(r, label) }

func drawJourney(r *rapid.T) object {
	from := one(r, "from", "2026-10-23", "2026-10-25", "2026-10-26", "2026-10-24T13:30:00Z")
	q := object{"from": from, "to": one(r, "to", "2026-10-26", "2026-10-28", "2026-11-01", "2026-10-29T01:00:00Z")}
	q.maybe(r, "timezone", func() any {
		return one(r, "zone", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata")
	})
	if rapid.IntRange(0, 3).Draw(r, "filtered") == 0 {
		q["filters"] = []any{drawFilter(r, 2)}
	}
	kinds := []func(*rapid.T, object){drawFunnel, drawFunnel, drawFunnel, drawRetention, drawLifecycle, drawStickiness, drawFlows, drawDistribution, drawAttribution, drawAttribution, drawSessions, drawSessions}
	rapid.SampledFrom(kinds).Draw(r, "kind")(r, q)
	return q
}

func drawMatch(r *rapid.T, q object) {
	q["event"] = one[any](r, "event", "a", "b", "c", "*", "unknown", []string{"a", "b"})
	if rapid.IntRange(0, 3).Draw(r, "filtered") == 0 {
		q["filters"] = []any{drawFilter(r, 1)}
	}
}

func drawFilter(r *rapid.T, depth int) object {
	kind := rapid.IntRange(0, 7).Draw(r, "filter")
	if depth > 0 {
		switch kind {
		case 0:
			return object{"any": []any{drawFilter(r, depth-1), drawFilter(r, depth-1)}}
		case 1:
			return object{"not": drawFilter(r, depth-1)}
		case 2:
			did := object{"event": one[any](r, "did", "a", "b", "*", "unknown")}
			did.maybe(r, "filters", func() any { return []any{drawCondition(r)} })
			did.maybe(r, "count", func() any {
				return object{"op": one(r, "op", "gte", "lte", "eq", "gt", "lt", "neq"), "value": rapid.IntRange(1, 3).Draw(r, "count")}
			})
			did.maybe(r, "within", func() any { return one(r, "within", "-5d", "-8d", "-200h") })
			return object{"did": did}
		}
	}
	return drawCondition(r)
}

func drawCondition(r *rapid.T) object {
	c := object{"property": one(r, "property", "p", "q", "unknown")}
	if rapid.IntRange(0, 2).Draw(r, "of user") == 0 {
		c = object{"property": one(r, "trait", "t", "u"), "on": "user"}
	}
	switch op := one(r, "op", "eq", "neq", "is_set", "is_not_set", "gt", "contains"); op {
	case "is_set", "is_not_set":
		c["op"] = op
	case "gt":
		c["op"], c["value"] = op, 5
	default:
		c["op"], c["value"] = op, one[any](r, "value", "x", "5", 5, true)
	}
	return c
}

func drawBreakdown(r *rapid.T) object {
	b := object{"property": one(r, "property", "p", "q")}
	if rapid.IntRange(0, 2).Draw(r, "of user") == 0 {
		b = object{"property": one(r, "trait", "t", "u"), "on": "user"}
	}
	b.maybe(r, "limit", func() any { return rapid.IntRange(1, 3).Draw(r, "limit") })
	return b
}

func drawFunnel(r *rapid.T, q object) {
	q["kind"] = "funnel"
	order := one(r, "order", "ordered", "ordered", "ordered", "strict", "unordered")
	steps := rapid.IntRange(2, 4).Draw(r, "steps")
	var list []object
	for i := range steps {
		s := object{}
		drawMatch(r, s)
		if i > 0 && order != "unordered" && rapid.IntRange(0, 4).Draw(r, "optional") == 0 {
			s["optional"] = true
		}
		list = append(list, s)
	}
	q["steps"], q["order"] = list, order
	q.maybe(r, "window", func() any {
		return one[any](r, "window", object{"value": 1, "unit": "session"}, object{"value": 2, "unit": "second"}, object{"value": 20, "unit": "minute"}, object{"value": 1, "unit": "hour"},
			object{"value": 1, "unit": "day"}, object{"value": 3, "unit": "day"})
	})
	q.maybe(r, "entry", func() any { return one(r, "entry", "first", "latest", "best") })
	q.maybe(r, "counting", func() any { return one(r, "counting", "users", "totals", "sessions") })
	q.maybe(r, "hold_constant", func() any { return []string{one(r, "held", "p", "q")} })
	q.maybe(r, "series_by", func() any { return one(r, "by", "day", "week") })
	q.maybe(r, "breakdown", func() any {
		b := drawBreakdown(r)
		b.maybe(r, "attribution", func() any { return one(r, "attribution", "first_touch", "last_touch", "step:1", "step:2", "all_steps") })
		return b
	})
	if order != "unordered" {
		switch one(r, "ties", "", "", "strict", "grace", "preset") {
		case "strict":
			q["ties"] = "strict"
		case "grace":
			q["grace_seconds"] = one(r, "grace", 1, 2)
		case "preset":
			q["preset"] = one(r, "preset", "mixpanel", "amplitude", "posthog")
		}
		q.maybe(r, "exclude", func() any {
			x := object{}
			drawMatch(r, x)
			if steps > 2 {
				x.maybe(r, "from_step", func() any { return rapid.IntRange(1, 2).Draw(r, "from step") })
			}
			return []any{x}
		})
		q.maybe(r, "exclude_effect", func() any { return one(r, "effect", "end_attempt", "leave_funnel") })
	}
	if rapid.IntRange(0, 4).Draw(r, "explained") == 0 {
		delete(q, "breakdown")
		delete(q, "series_by")
		e := object{"step": rapid.IntRange(1, steps).Draw(r, "step")}
		if e["step"] != steps {
			e.maybe(r, "dropped", func() any { return true })
		}
		q["explain"] = e
	}
}

func drawRetention(r *rapid.T, q object) {
	q["kind"] = "retention"
	start := object{}
	drawMatch(r, start)
	q["start"] = start
	q.maybe(r, "return", func() any {
		m := object{}
		drawMatch(r, m)
		return m
	})
	q["period"] = one(r, "period", "day", "day", "week", "month", "hour")
	q["periods"] = rapid.IntRange(1, 9).Draw(r, "periods")
	q.maybe(r, "cohort", func() any { return one(r, "cohort", "first_time", "recurring") })
	q.maybe(r, "mode", func() any { return one(r, "mode", "on", "on_or_after") })
	q.maybe(r, "clock", func() any { return one(r, "clock", "calendar", "rolling") })
	q.maybe(r, "breakdown", func() any { return drawBreakdown(r) })
	if rapid.IntRange(0, 4).Draw(r, "explained") == 0 && q["period"] == "day" && q["timezone"] == nil {
		delete(q, "breakdown")
		e := object{"cohort": one(r, "cohort", "2026-10-26", q["from"].(string)[:10])}
		e.maybe(r, "period", func() any { return rapid.IntRange(0, 1).Draw(r, "of period") })
		q["explain"] = e
	}
}

func drawLifecycle(r *rapid.T, q object) {
	q["kind"] = "lifecycle"
	drawMatch(r, q)
	q.maybe(r, "interval", func() any { return one(r, "interval", "hour", "day", "week") })
	if rapid.IntRange(0, 4).Draw(r, "explained") == 0 && q["interval"] == nil && q["timezone"] == nil {
		q["explain"] = object{"bucket": "2026-10-26", "state": one(r, "state", "new", "returning", "resurrected", "dormant")}
	}
}

func drawStickiness(r *rapid.T, q object) {
	q["kind"] = "stickiness"
	drawMatch(r, q)
	q.maybe(r, "interval", func() any { return one(r, "interval", "hour", "day", "week") })
	q.maybe(r, "cumulative", func() any { return true })
	if rapid.IntRange(0, 4).Draw(r, "explained") == 0 {
		q["explain"] = object{"interval": 1}
	}
}

func drawFlows(r *rapid.T, q object) {
	q["kind"] = "flows"
	drawMatch(r, q)
	q.maybe(r, "node", func() any { return one(r, "node", "p", "q") })
	q.maybe(r, "start", func() any { return one(r, "start", "a", "x") })
	q.maybe(r, "end", func() any { return one(r, "end", "b", "x") })
	q.maybe(r, "steps", func() any { return rapid.IntRange(2, 6).Draw(r, "steps") })
	q.maybe(r, "limit", func() any { return rapid.IntRange(1, 5).Draw(r, "limit") })
	q.maybe(r, "per", func() any { return one(r, "per", "session", "user") })
	q.maybe(r, "session_gap_minutes", func() any { return one(r, "gap", 1, 20, 60) })
	q.maybe(r, "exclude", func() any { return []string{one(r, "excluded", "a", "5")} })
}

func drawDistribution(r *rapid.T, q object) {
	q["kind"] = "distribution"
	drawMatch(r, q)
	q.maybe(r, "property", func() any { return one(r, "number", "p", "q") })
	q.maybe(r, "bins", func() any { return rapid.IntRange(1, 4).Draw(r, "bins") })
	if rapid.IntRange(0, 4).Draw(r, "explained") == 0 {
		q["explain"] = object{"bin": 0}
	}
}

func drawAttribution(r *rapid.T, q object) {
	q["kind"] = "attribution"
	conversion := object{"kind": "order"}
	if rapid.IntRange(0, 2).Draw(r, "of an event") == 0 {
		conversion = object{"event": one(r, "event", "a", "b", "c", "d", "unknown")}
		conversion.maybe(r, "value_property", func() any { return one(r, "value", "p", "q", "unknown") })
		conversion.maybe(r, "currency_property", func() any { return one(r, "currency", "p", "q", "unknown") })
	}
	if rapid.IntRange(0, 3).Draw(r, "filtered") == 0 {
		conversion["filters"] = []any{drawFilter(r, 1)}
	}
	q["conversion"] = conversion
	q.maybe(r, "model", func() any { return rapid.SampledFrom(attribution.Models()).Draw(r, "model") })
	q.maybe(r, "half_life_days", func() any { return rapid.IntRange(1, 2).Draw(r, "half-life") })
	q.maybe(r, "lookback_days", func() any { return one(r, "look-back", 1, 2, 7) })
	q.maybe(r, "after_previous", func() any { return true })
	q.maybe(r, "by", func() any { return one(r, "by", "channel", "source", "medium", "campaign", "landing_page") })
	if rapid.IntRange(0, 4).Draw(r, "explained") == 0 {
		q["explain"] = object{"key": one[any](r, "key", nil, "direct", "email", "google", "/")}
	}
}
