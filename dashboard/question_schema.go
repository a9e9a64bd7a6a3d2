package dashboard

import (
	"fmt"
	"maps"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/query"
)

// describeQuestions adds schemas of the questions, which query.Parse reads and not
// huma, and returns that of any of them.
func describeQuestions(schemas map[string]*huma.Schema) *huma.Schema {
	schemas["Filter"] = filterSchema()
	question := &huma.Schema{
		Description:   "A question. Which fields it has depends on its kind.",
		Discriminator: &huma.Discriminator{PropertyName: "kind", Mapping: map[string]string{}},
	}
	for _, q := range questionSchemas() {
		ref := "#/components/schemas/" + q.name
		schemas[q.name] = q.schema
		question.OneOf = append(question.OneOf, &huma.Schema{Ref: ref})
		question.Discriminator.Mapping[q.kind] = ref
	}
	return question
}

type questionSchema struct {
	kind, name string
	schema     *huma.Schema
}

func questionSchemas() []questionSchema {
	return []questionSchema{
		{"trends", "TrendsQuestion", trendsSchema()},
		{"table", "TableQuestion", tableSchema()},
		{"funnel", "FunnelQuestion", funnelSchema()},
		{"retention", "RetentionQuestion", retentionSchema()},
		{"lifecycle", "LifecycleQuestion", lifecycleSchema()},
		{"stickiness", "StickinessQuestion", stickinessSchema()},
		{"flows", "FlowsQuestion", flowsSchema()},
		{"sessions", "SessionsQuestion", sessionsSchema()},
		{"attribution", "AttributionQuestion", attributionSchema()},
		{"distribution", "DistributionQuestion", distributionSchema()},
		{"sql", "SQLQuestion", sqlSchema()},
	}
}

// fields are the properties of an object.
type fields map[string]*huma.Schema

func text(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }

func word(doc string, words ...string) *huma.Schema {
	s := text(doc)
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
	return s
}

func yesOrNo(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeBoolean, Description: doc} }

func whole(doc string, least, most int) *huma.Schema {
	low, high := float64(least), float64(most)
	return &huma.Schema{Type: huma.TypeInteger, Description: doc, Minimum: &low, Maximum: &high}
}

func list(doc string, of *huma.Schema, least, most int) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeArray, Description: doc, Items: of, MaxItems: &most}
	if least > 0 {
		s.MinItems = &least
	}
	return s
}

// object knows no fields but those, as the parser does.
func object(doc string, all fields, required ...string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Description: doc, Properties: all, Required: required, AdditionalProperties: false}
}

// asked is the schema of a kind that is asked of a range of time: its own fields, and
// those that all such kinds have.
func asked(kind, doc string, all fields, required ...string) *huma.Schema {
	common := fields{
		"from":     text("A date in the time zone, an instant (RFC 3339), or relative to now: -30d. Default: -30d."),
		"to":       text("As from. Dates are included, instants are not. Default: today."),
		"timezone": text("An IANA name. Default: the workspace's."),
		"filters":  filtersSchema(),
	}
	maps.Copy(common, all)
	common["kind"] = word("", kind)
	return object(doc, common, append([]string{"kind"}, required...)...)
}

func interval() *huma.Schema {
	return word("The length of a bucket. Default: day.", "minute", "hour", "day", "week", "month", "quarter", "year")
}

func weekStarts() *huma.Schema {
	return word("The first day of weeks. Default: monday.", "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
}

func event(fallback string) *huma.Schema {
	return &huma.Schema{
		Description: "An event's name, a list of names, or * for any." + fallback,
		OneOf:       []*huma.Schema{text(""), list("", text(""), 1, query.MaxEvents)},
	}
}

func filtersSchema() *huma.Schema {
	return list("All of these must hold.", &huma.Schema{Ref: "#/components/schemas/Filter"}, 0, query.MaxFilters)
}

func on() *huma.Schema {
	return word("Whose property it is. Default: event.", "event", "user", "session")
}

func limit(fallback string) *huma.Schema {
	return whole("How many values are kept, those with the most; the others are one group, $other. Default: "+fallback+".", 1, query.MaxGroups)
}

// value is of any type.
func value(doc string) *huma.Schema { return &huma.Schema{Description: doc} }

func filterSchema() *huma.Schema {
	filter := &huma.Schema{Ref: "#/components/schemas/Filter"}
	filters := list("", filter, 0, query.MaxFilters)
	number := func(doc string) *huma.Schema { return whole(doc, 0, query.MaxTimes) }
	return &huma.Schema{
		Description: "A condition on one property, a group of filters, what people did, or a segment.",
		OneOf: []*huma.Schema{
			object("A condition.", fields{
				"property": text("The property's name."),
				"on":       on(),
				"op": word("How to compare.", "eq", "neq", "in", "not_in", "contains", "not_contains", "regex", "not_regex",
					"gt", "gte", "lt", "lte", "between", "before", "after", "is_set", "is_not_set"),
				"value": value("What to compare with: of in and not_in a list, of between [low, high], of before and after a time; is_set and is_not_set have none."),
			}, "property", "op"),
			object("Holds if all do.", fields{"all": filters}, "all"),
			object("Holds if at least one does.", fields{"any": filters}, "any"),
			object("Holds if the other does not.", fields{"not": filter}, "not"),
			object("Holds for people who have done something, whatever the question's range and filters.", fields{
				"did": object("", fields{
					"event":   event(""),
					"filters": filtersSchema(),
					"count": object("How often. Default: at least once.", fields{
						"op":    word("", "gte", "gt", "lte", "lt", "eq", "neq", "between"),
						"value": {OneOf: []*huma.Schema{number(""), list("Of between: [low, high].", number(""), 2, 2)}},
					}, "op", "value"),
					"within": {Description: "When. Default: at any time.", OneOf: []*huma.Schema{
						text("From then on: -30d."), object("", fields{"from": text("Default: since ever."), "to": text("Default: without end.")}),
					}},
				}, "event"),
			}, "did"),
			object("Holds for the people of a segment.", fields{"segment": text("Its id.")}, "segment"),
		},
	}
}

func measureFields() fields {
	return fields{
		"measure": word("What is counted. Default: total. Those from sum on are of a property. weekly_active and monthly_active are not of tables.",
			"total", "users", "sessions", "weekly_active", "monthly_active", "per_user",
			"sum", "avg", "min", "max", "median", "p75", "p90", "p95", "p99", "distinct"),
		"property": text("Of measures from sum on, and of no others: the property's name."),
		"on":       on(),
	}
}

func breakdowns(fallback string) *huma.Schema {
	return list("Splits every series by the values of properties.", object("", fields{
		"property": text("The property's name."), "on": on(), "limit": limit(fallback),
	}, "property"), 0, query.MaxBreakdowns)
}

func breakdown(more fields) *huma.Schema {
	all := fields{"property": text("The property's name."), "on": on(), "limit": limit("25")}
	maps.Copy(all, more)
	return object("Splits by the values of a property.", all, "property")
}

// overTime are the fields of what is measured in buckets.
func overTime() fields {
	return fields{
		"interval": interval(), "week_starts": weekStarts(), "breakdowns": breakdowns("25"),
		"formulas": list("Lines that are computed from series.", object("", fields{
			"name":       text("Default: the expression."),
			"expression": text("Series by their names, numbers, + - * / and parentheses: 100 * A / B. Names that are not one word stand in double quotes. What is divided by 0 is null."),
		}, "expression"), 0, query.MaxFormulas),
		"compare":    word("What to compare the range with.", "previous_period", "previous_year"),
		"cumulative": yesOrNo("Values are of all from the beginning of the range on; not of percentiles, weekly_active and monthly_active."),
		"rolling":    whole("Over how many buckets the mean of the values is taken.", 2, query.MaxRolling),
		"explain": explain(fields{
			"series": whole("The place of the series in the question, from 0.", 0, query.MaxSeries-1), "bucket": text("The bucket's label. Default: the total."),
			"breakdown": groups(),
		}),
	}
}

func explain(all fields, required ...string) *huma.Schema {
	return object("Asks for the people behind one number of the answer, instead of the answer: for exactly those who are counted.", all, required...)
}

func groups() *huma.Schema {
	return list("Required with breakdowns: the values of the group, one for each, as the answer has them.",
		&huma.Schema{Type: huma.TypeString, Nullable: true}, 0, query.MaxBreakdowns)
}

// group names a group of an answer that has one breakdown.
func group() *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true, Description: "The group, as the answer names it."}
}

func trendsSchema() *huma.Schema {
	series := measureFields()
	series["name"] = text("Default: A, B, …")
	series["event"] = event("")
	series["filters"] = filtersSchema()
	series["hidden"] = yesOrNo("It is for formulas only, and not answered.")
	all := overTime()
	all["series"] = list("The lines of the chart.", object("", series, "event"), 1, query.MaxSeries)
	return asked("trends", "Measures of events over time.", all, "series")
}

func sessionsSchema() *huma.Schema {
	words := word("count: sessions; people: who had them; bounce_rate: the part that bounced; avg_duration: seconds; avg_pageviews: pageviews.",
		"count", "people", "bounce_rate", "avg_duration", "avg_pageviews")
	all := overTime()
	all["measure"] = &huma.Schema{
		Description: "What is measured, or a list of it; each is a series of that name. Default: count.",
		OneOf:       []*huma.Schema{words, list("", words, 1, len(words.Enum))},
	}
	return asked("sessions", "Measures of sessions over time, by when they began. Properties are channel, source, medium, campaign, content, term, click_id, referrer,"+
		" landing_page, duration, pageviews, interactions and bounced; others are of the first event of the session that has them.", all)
}

func tableSchema() *huma.Schema {
	return asked("table", "The values of up to three properties with the highest measures. Its answer has columns and rows.", fields{
		"event": event(" Default: any."), "breakdowns": breakdowns("1000"),
		"measures": list("The columns. Default: total.", object("", measureFields()), 0, query.MaxSeries),
		"limit":    whole("The most rows. Default: 100.", 1, query.MaxGroups),
		"explain": explain(fields{
			"series": whole("The place of the measure, from 0.", 0, query.MaxSeries-1), "breakdown": groups(),
		}),
	})
}

func funnelSchema() *huma.Schema {
	step := func(doc string) *huma.Schema { return whole(doc, 1, query.MaxSteps) }
	return asked("funnel", "How many people take some steps, one after the other.", fields{
		"preset":      word("Whose defaults are used: the window, grace_seconds and exclude_effect.", "weir", "mixpanel", "amplitude", "posthog"),
		"week_starts": weekStarts(),
		"steps": list("", object("", fields{
			"event": event(""), "filters": filtersSchema(), "optional": yesOrNo("People may leave it out. Not the first."),
		}, "event"), 2, query.MaxSteps),
		"window": object("How long a way may take, or that it stays in one session. Default: 14 days.", fields{
			"value": whole("Up to about ten years.", 1, int(query.MaxWindow/1e6)),
			"unit":  word("A month is 30 days.", "second", "minute", "hour", "day", "week", "month", "session"),
		}, "unit"),
		"order":         word("ordered: other events may lie between; strict: none may. Default: ordered.", "ordered", "strict", "unordered"),
		"entry":         word("Which of a person's ways counts. Default: best, the deepest.", "best", "first", "latest"),
		"counting":      word("What counts once. Default: users.", "users", "totals", "sessions"),
		"grace_seconds": {Type: huma.TypeNumber, Description: fmt.Sprintf("By how much a step may come too early, up to %d.", query.MaxGrace)},
		"ties":          word("Whether steps may be at the same time. Default: step_order, they may.", "step_order", "strict"),
		"exclude": list("What may not happen between two steps.", object("", fields{
			"event": event(""), "filters": filtersSchema(), "from_step": step("Default: 1."), "to_step": step("Default: the last."),
		}, "event"), 0, query.MaxExclusions),
		"exclude_effect": word("What ends if it does. Default: end_attempt.", "end_attempt", "leave_funnel"),
		"hold_constant":  list("Properties that have the same value at all steps.", text(""), 0, query.MaxHeld),
		"breakdown":      breakdown(fields{"attribution": text("Whose value it is: first_touch (the default), last_touch, step:N or all_steps.")}),
		"series_by":      word("Conversion over time, by the start.", "minute", "hour", "day", "week", "month", "quarter", "year"),
		"explain": explain(fields{
			"step": step(""), "dropped": yesOrNo("Those who reached the step and went no further."), "breakdown": group(),
		}, "step"),
	}, "steps")
}

func retentionSchema() *huma.Schema {
	match := func(doc string) *huma.Schema {
		return object(doc, fields{"event": event(""), "filters": filtersSchema()}, "event")
	}
	return asked("retention", "How many people come back.", fields{
		"week_starts": weekStarts(),
		"start":       match("What puts people into a cohort."),
		"return":      match("What counts as coming back. Default: as start."),
		"period":      word("Default: day.", "hour", "day", "week", "month"),
		"periods":     whole("How many after period 0. Default: 7.", 1, query.MaxPeriods),
		"cohort":      word("The first start of all time, or any. Default: first_time.", "first_time", "recurring"),
		"mode":        word("Whether coming back later counts too. Default: on, it does not.", "on", "on_or_after"),
		"clock":       word("Periods of the calendar, or counted from the person's own start. Default: calendar.", "calendar", "rolling"),
		"breakdown":   breakdown(nil),
		"explain": explain(fields{
			"cohort": text("The cohort's start, as the answer has it."), "period": whole("Default: all of the cohort.", 0, query.MaxPeriods), "breakdown": group(),
		}, "cohort"),
	}, "start")
}

func lifecycleSchema() *huma.Schema {
	return asked("lifecycle", "How many people are new, returning, resurrected and dormant.", fields{
		"week_starts": weekStarts(), "interval": interval(), "event": event(""),
		"explain": explain(fields{
			"bucket": text("The bucket's label."), "state": word("", "new", "returning", "resurrected", "dormant"),
		}, "bucket", "state"),
	}, "event")
}

func stickinessSchema() *huma.Schema {
	return asked("stickiness", "In how many intervals people are active.", fields{
		"week_starts": weekStarts(), "interval": interval(), "event": event(""),
		"cumulative": yesOrNo("In so many or more."),
		"explain":    explain(fields{"interval": whole("One of the answer's intervals.", 1, query.MaxBuckets)}, "interval"),
	}, "event")
}

func flowsSchema() *huma.Schema {
	end := object("An end of an edge, as the answer has it.", fields{"step": whole("", 1, query.MaxPath), "node": text("")}, "step", "node")
	return asked("flows", "Which ways people take.", fields{
		"event":               event(" Default: any."),
		"node":                text("The property that nodes are of, such as $page. Default: the event's name."),
		"start":               text("The node that ways begin with."),
		"end":                 text("The node that ways end with."),
		"steps":               whole("Default: 5.", 2, query.MaxPath),
		"limit":               whole("The most edges. Default: 50.", 1, query.MaxEdges),
		"per":                 word("Whether a way is of one session or of all of a person's. Default: session.", "session", "user"),
		"session_gap_minutes": whole("What parts the ways of events without a session. Default: 30.", 1, query.MaxGap),
		"exclude":             list("Nodes that are left out.", text(""), 0, query.MaxOperands),
		"explain":             explain(fields{"from": end, "to": end}, "from", "to"),
	})
}

func distributionSchema() *huma.Schema {
	return asked("distribution", "How a number is spread.", fields{
		"event":    event(""),
		"property": text("The number. Default: how many events each person has."),
		"on":       word("Whose property it is. Default: event.", "event", "session"),
		"bins":     whole("Default: 20.", 1, query.MaxBins),
		"explain":  explain(fields{"bin": whole("The place of the bin, from 0.", 0, query.MaxBins-1)}, "bin"),
	}, "event")
}

func attributionSchema() *huma.Schema {
	models := make([]string, 0, len(attribution.Models()))
	for _, m := range attribution.Models() {
		models = append(models, string(m))
	}
	return asked("attribution", "Which sessions and impressions led to conversions, and what they are credited with.", fields{
		"conversion": object("Orders, or an event.", fields{
			"kind": word("Instead of event.", "order"), "event": text("One event's name, instead of kind."), "filters": filtersSchema(),
			"value_property":    text("Of an event: what it is worth. Default: as the workspace's goal of that name has it."),
			"currency_property": text("Of an event: the currency of that. Default: as value_property."),
		}),
		"model":          word("Default: last.", models...),
		"half_life_days": whole("Of the model time_decay. Default: the workspace's.", 1, query.MaxHalfLife),
		"lookback_days":  whole("How long before a conversion a visit may be. Default: the workspace's.", 1, query.MaxLookback),
		"after_previous": yesOrNo("Visits before the person's previous conversion do not count. Default: the workspace's."),
		"by":             word("What the rows are by. Default: channel.", "channel", "source", "medium", "campaign", "landing_page"),
		"explain": explain(fields{
			"key": {Type: huma.TypeString, Nullable: true, Description: "The key of a row, as the answer has it."},
		}, "key"),
	}, "conversion")
}

func sqlSchema() *huma.Schema {
	return object("A statement that reads the workspace's own tables: events, users, sessions and orders. Its answer has columns and rows.", fields{
		"kind":  word("", "sql"),
		"sql":   text("The statement."),
		"limit": whole("The most rows. Default: 1000.", 1, query.MaxRows),
	}, "kind", "sql")
}
