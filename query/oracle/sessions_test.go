package oracle_test

import (
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query/oracle"
)

// Three visits of two people on 1 October, one of the day before, and an impression.
// The second has two events at the same time that say where it was.
func visitsAndEvents(t *testing.T) ([]eventstore.Visit, []weir.Event) {
	visit := func(number, person uint32, at string, seconds float64, pageviews int64, channel string) eventstore.Visit {
		return eventstore.Visit{
			Number: number, Identity: person, Person: person, StartedAt: event(t, at, 1, 0, `{}`).Time, Seconds: seconds, Pageviews: pageviews,
			Bounced: seconds == 0, Channel: channel, Source: attribution.Source{Campaign: "autumn"},
		}
	}
	impression := visit(5, 9, "2026-10-01T09:00:00Z", 0, 0, "display")
	impression.Origin = weir.Impression
	derived := visit(3, 2, "2026-10-01T23:59:59Z", 50, 2, "email")
	derived.Origin = weir.Derived
	visits := []eventstore.Visit{
		visit(1, 1, "2026-10-01T00:00:00Z", 0, 1, "direct"), visit(2, 1, "2026-10-01T10:00:00Z", 100, 5, ""), derived,
		visit(4, 2, "2026-09-30T23:59:59Z", 10, 1, "direct"), impression,
	}
	return visits, []weir.Event{
		event(t, "2026-10-01T00:00:00Z", 1, 1, `{"$country": "FR", "channel": "of the event"}`),
		event(t, "2026-10-01T00:05:00Z", 1, 1, `{"$country": "DE"}`),
		event(t, "2026-10-01T10:00:00Z", 1, 2, `{"$country": null, "n": 7}`),
		event(t, "2026-10-01T10:01:00Z", 1, 2, `{"$country": "IT"}`),
		event(t, "2026-10-01T10:01:00Z", 1, 2, `{"$country": "ES"}`),
	}
}

func TestWorkedExampleMeasuresOfVisits(t *testing.T) {
	visits, events := visitsAndEvents(t)
	for _, c := range []struct {
		rest string
		want []string
	}{
		{`"measure": ["count", "people", "bounce_rate", "avg_duration", "avg_pageviews"]`, []string{
			"count [3 0] = 3", "people [2 0] = 2", "bounce_rate [0.3333333333333333 null] = 0.3333333333333333", "avg_duration [50 null] = 50", "avg_pageviews [2.6666666666666665 null] = 2.6666666666666665",
		}},
		{`"breakdowns": [{"property": "channel"}]`, []string{`count "direct" [1 0] = 1`, `count "email" [1 0] = 1`, "count null [1 0] = 1"}},
		// The earliest that is set; of the same time the least.
		{`"breakdowns": [{"property": "$country"}]`, []string{`count "ES" [1 0] = 1`, `count "FR" [1 0] = 1`, "count null [1 0] = 1"}},
		{`"filters": [{"property": "utm_campaign", "on": "session", "op": "eq", "value": "autumn"}, {"property": "n", "op": "gt", "value": 5}]`, []string{"count [1 0] = 1"}},
		{`"filters": [{"property": "bounced", "op": "eq", "value": false}, {"property": "duration", "op": "lt", "value": 100}]`, []string{"count [1 0] = 1"}},
		// It is no number.
		{`"filters": [{"property": "bounced", "op": "gte", "value": 0}]`, []string{"count [0 0] = 0"}},
		// What people did is what their events say.
		{`"measure": "people", "filters": [{"did": {"event": "e", "filters": [{"property": "channel", "op": "eq", "value": "of the event"}]}}]`, []string{"people [1 0] = 1"}},
	} {
		p := plan(t, `{"kind": "sessions", "from": "2026-10-01", "to": "2026-10-02", `+c.rest+`}`)
		expect(t, oracle.Ask(p, events, nil, visits...), c.want...)
	}
}
