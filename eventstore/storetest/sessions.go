package storetest

import (
	"pgregory.net/rapid"
)

// drawSessions draws a question about sessions.
func drawSessions(r *rapid.T, q object) {
	q["kind"] = "sessions"
	words := []string{"count", "people", "bounce_rate", "avg_duration", "avg_pageviews"}
	first := one(r, "measure", words...)
	q.maybe(r, "measure", func() any { return first })
	if rapid.IntRange(0, 2).Draw(r, "several") == 0 {
		rest := rapid.SliceOfNDistinct(rapid.SampledFrom(words), 1, 3, rapid.ID[string]).Draw(r, "measures")
		q["measure"] = rest
		q.maybe(r, "formulas", func() any { return []object{{"name": "twice", "expression": "2 * " + rest[0]}} })
	}
	q.maybe(r, "interval", func() any { return one(r, "interval", "hour", "day", "week", "month") })
	q.maybe(r, "compare", func() any { return "previous_period" })
	q.maybe(r, "cumulative", func() any { return true })
	q.maybe(r, "rolling", func() any { return rapid.IntRange(2, 3).Draw(r, "rolling") })
	q.maybe(r, "filters", func() any { return []any{drawFilter(r, 2)} })
	if rapid.IntRange(0, 2).Draw(r, "of sessions") == 0 {
		filters, _ := q["filters"].([]any)
		q["filters"] = append(filters, drawSessionCondition(r))
	}
	var by []object
	for range rapid.IntRange(0, 3).Draw(r, "breakdowns") {
		b := object{"property": drawFact(r)}
		switch one(r, "on", "", "", "session", "user") {
		case "session":
			b["on"] = "session"
		case "user":
			b["property"], b["on"] = one(r, "trait", "t", "u"), "user"
		}
		b.maybe(r, "limit", func() any { return rapid.IntRange(1, 3).Draw(r, "limit") })
		by = append(by, b)
	}
	if by != nil {
		q["breakdowns"] = by
	}
	if rapid.IntRange(0, 3).Draw(r, "explained") == 0 && q["timezone"] == nil {
		e := object{"series": 0}
		if interval := q["interval"]; interval == nil || interval == "day" {
			e.maybe(r, "bucket", func() any { return "2026-10-26" })
		}
		var group []any
		for range by {
			group = append(group, one[any](r, "group", nil, "direct", "/", "x", "5", "10.25", "true", "$other"))
		}
		if group != nil {
			e["breakdown"] = group
		}
		q["explain"] = e
	}
}

// drawFact draws what a session may be asked for: facts, and properties of events.
func drawFact(r *rapid.T) string {
	return one(r, "fact", "channel", "$channel", "source", "utm_source", "$utm_medium", "campaign", "landing_page", "term", "click_id", "referrer",
		"duration", "$pageviews", "interactions", "bounced", "p", "p", "q", "q", "$value", "unknown")
}

func drawSessionCondition(r *rapid.T) object {
	c := object{"property": drawFact(r)}
	c.maybe(r, "on", func() any { return one(r, "on", "event", "session") })
	switch op := one(r, "op", "eq", "neq", "in", "is_set", "is_not_set", "gt", "lt", "contains", "regex"); op {
	case "is_set", "is_not_set":
		c["op"] = op
	case "gt", "lt":
		c["op"], c["value"] = op, one(r, "bound", 0, 1, 5, 10.25)
	case "in":
		c["op"], c["value"] = op, []any{"direct", "x", 5, true}
	default:
		c["op"], c["value"] = op, one[any](r, "value", "direct", "/", "x", "e", "5", "true")
	}
	return c
}
