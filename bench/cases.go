package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/query"
)

// ask is a question that both engines are asked.
type ask struct {
	name     string
	question string // Weir's
	// sql are ways in which ClickHouse can tell the same numbers: the fastest counts.
	// {events} stands for the table. Figures are all columns after the first keys.
	sql    []string
	keys   int
	ratio  float64       // the most that Weir may take of ClickHouse's time
	within time.Duration // the most that it may take on 10M events; 0: nothing is said
}

// goal says what the question should cost.
func (a ask) goal() string {
	goal := fmt.Sprintf("≤ %gx", a.ratio)
	if a.within > 0 {
		goal += fmt.Sprintf(", ≤ %d ms at 10M", a.within.Milliseconds())
	}
	return goal
}

// Goals: at most half of ClickHouse's time for funnels and retention, at most its
// time for the rest.
const (
	half  = 0.5
	whole = 1.0
)

const day = "2006-01-02"

// about makes a question of a kind about a whole history.
func (h history) about(kind, rest string) string {
	return fmt.Sprintf(`{"kind":"%s","from":"%s","to":"%s",%s}`, kind, h.from.Format(day), h.until().AddDate(0, 0, -1).Format(day), rest)
}

// sql fills in what a statement leaves open: {range} is the condition that a question
// has for its range, {bit} the event's day, {week} the event's week, each as a bit, and
// {from} and {until} are dates, the latter the first that is not in it. {code} is the
// number of the event's name.
func (h history) sql(texts ...string) []string {
	from, until := h.from.Format(day), h.until().Format(day)
	_, _, names := steps(0, len(frequencies))
	open := strings.NewReplacer(
		"{range}", fmt.Sprintf("day >= '%s' AND day < '%s'", from, until),
		"{bit}", fmt.Sprintf("bitShiftLeft(toUInt64(1), day - toDate('%s'))", from),
		"{week}", fmt.Sprintf("bitShiftLeft(toUInt64(1), intDiv(day - toDate('%s'), 7))", from),
		"{from}", from, "{until}", until,
		"{code}", "indexOf(["+names+"], name)",
	)
	for i := range texts {
		texts[i] = open.Replace(texts[i])
	}
	return texts
}

// steps are those of a funnel, of the first events from a number on.
func steps(first, count int) (json, conditions, names string) {
	var a, b, c []string
	for n := first; n < first+count; n++ {
		name := happening{number: n}.name()
		a = append(a, `{"event":"`+name+`"}`)
		b = append(b, "name = '"+name+"'")
		c = append(c, "'"+name+"'")
	}
	return strings.Join(a, ","), strings.Join(b, ", "), strings.Join(c, ", ")
}

// reached counts the people of each step, from the deepest level that each reached.
func reached(count int) string {
	var all []string
	for n := range count {
		all = append(all, fmt.Sprintf("countIf(level >= %d)", n+1))
	}
	return strings.Join(all, ", ")
}

// funnel is a case of a funnel with a window of fourteen days. windowFunnel tells the
// deepest step alone, and no times between steps as Weir does.
func (h history) funnel(name string, first, count int, within time.Duration) ask {
	json, conditions, names := steps(first, count)
	return ask{
		name:     name,
		question: h.about("funnel", `"steps":[`+json+`],"window":{"value":14,"unit":"day"}`),
		sql: h.sql(fmt.Sprintf(`SELECT %s FROM (
			SELECT windowFunnel(1209600000000)(toUInt64(toUnixTimestamp64Micro(ts)), %s) AS level
			FROM {events} WHERE name IN (%s) AND {range} GROUP BY person)`, reached(count), conditions, names)),
		ratio: half, within: within,
	}
}

// brokenDown is a funnel with a filter and groups. No person's plan changes, so that any
// event's is that of the first step, which is more than ClickHouse may hope for.
func (h history) brokenDown(name string) ask {
	json, conditions, names := steps(1, 3)
	return ask{
		name: name,
		question: h.about("funnel", `"steps":[`+json+`],"window":{"value":14,"unit":"day"},
			"filters":[{"property":"amount","op":"gt","value":20}],"breakdown":{"property":"plan","on":"event","attribution":"first_touch"}`),
		sql: h.sql(fmt.Sprintf(`SELECT plan, %s FROM (
			SELECT any(plan) AS plan, windowFunnel(1209600000000)(toUInt64(toUnixTimestamp64Micro(ts)), %s) AS level
			FROM {events} WHERE name IN (%s) AND amount > 20 AND {range} GROUP BY person) GROUP BY plan`, reached(3), conditions, names)),
		keys: 1, ratio: half,
	}
}

// monthCases are the questions about a history of thirty days. Where ClickHouse has
// no function for a question, its SQL keeps each person's days as bits of a number.
func monthCases(h history) []ask {
	return slices.Concat(h.trendCases(), []ask{
		h.funnel("funnel of 3 steps", 1, 3, 300*time.Millisecond),
		h.brokenDown("funnel of 3 steps, broken down, filtered"),
		h.funnel("funnel of 12 steps", 0, 12, 0),
	}, h.returnCases(), h.pathCases())
}

// rangeCases are the questions about a history of ninety days.
func rangeCases(h history) []ask {
	return []ask{
		h.trend("daily trend of one event", "Event 01", 0),
		h.trend("daily trend of all events", "*", 0),
		h.unique("daily unique people, all events", "*", 0),
		h.funnel("funnel of 3 steps", 1, 3, 0),
		{
			name:     "retention by week, first time",
			question: h.about("retention", `"start":{"event":"Event 01"},"return":{"event":"*"},"period":"week","periods":12,"cohort":"first_time"`),
			sql:      h.sql(firstTime("{week}")),
			keys:     2, ratio: half,
		},
	}
}

// trend is a case of one series by day.
func (h history) trend(name, event string, within time.Duration) ask {
	return ask{
		name:     name,
		question: h.about("trends", `"interval":"day","series":[{"event":"`+event+`","measure":"total"}]`),
		sql:      h.sql("SELECT day, count() FROM {events} WHERE " + named(event) + "{range} GROUP BY day"),
		keys:     1, ratio: whole, within: within,
	}
}

// unique is a case of the people of each day, and of all days together. Both functions
// are exact; a bitmap of numbers without gaps is the better one where there are many.
func (h history) unique(name, event string, within time.Duration) ask {
	const statement = "SELECT day, %s(person) FROM {events} WHERE %s{range} GROUP BY day WITH TOTALS"
	return ask{
		name:     name,
		question: h.about("trends", `"interval":"day","series":[{"event":"`+event+`","measure":"users"}]`),
		sql:      h.sql(fmt.Sprintf(statement, "uniqExact", named(event)), fmt.Sprintf(statement, "groupBitmap", named(event))),
		keys:     1, ratio: whole, within: within,
	}
}

// named is the beginning of a condition on the event.
func named(event string) string {
	if event == query.AnyEvent {
		return ""
	}
	return "name = '" + event + "' AND "
}

func (h history) trendCases() []ask {
	return []ask{
		h.trend("daily trend of one event", "Event 01", 40*time.Millisecond),
		h.trend("daily trend of all events", "*", 40*time.Millisecond),
		{
			name:     "daily trend in a zone with a DST change",
			question: h.about("trends", `"timezone":"Europe/Paris","interval":"day","series":[{"event":"Event 01","measure":"total"}]`),
			sql: h.sql(`SELECT toDate(ts, 'Europe/Paris') AS local, count() FROM {events} WHERE name = 'Event 01'
				AND ts >= toDateTime64('{from} 00:00:00', 6, 'Europe/Paris') AND ts < toDateTime64('{until} 00:00:00', 6, 'Europe/Paris') GROUP BY local`),
			keys: 1, ratio: whole, within: 40 * time.Millisecond,
		},
		h.unique("daily unique people, most frequent event", "Event 00", 150*time.Millisecond),
		h.unique("daily unique people, all events", "*", 0),
		{
			name:     "breakdown of all events by a property",
			question: h.about("trends", `"interval":"day","series":[{"event":"*","measure":"total"}],"breakdowns":[{"property":"plan","on":"event","limit":10}]`),
			sql:      h.sql("SELECT plan, day, count() FROM {events} WHERE {range} GROUP BY plan, day"),
			keys:     2, ratio: whole,
		},
		{
			name:     "breakdown of all events by the person's country",
			question: h.about("trends", `"interval":"day","series":[{"event":"*","measure":"total"}],"breakdowns":[{"property":"country","on":"user","limit":10}]`),
			// Numbers of countries are grouped faster; their texts, in the end, cost nothing.
			sql: h.sql("SELECT dictGet('traits', 'country', person) AS country, day, count() FROM {events} WHERE {range} GROUP BY country, day",
				"SELECT dictGet('traits', 'place', person) AS place, day, count() FROM {events} WHERE {range} GROUP BY place, day"),
			keys: 2, ratio: whole,
		},
		{
			name: "one event filtered by a text and a number",
			question: h.about("trends", `"interval":"day","series":[{"event":"Event 01","measure":"total",
				"filters":[{"property":"plan","op":"eq","value":"pro"},{"property":"amount","op":"gt","value":50}]}]`),
			sql:  h.sql("SELECT day, count() FROM {events} WHERE name = 'Event 01' AND plan = 'pro' AND amount > 50 AND {range} GROUP BY day"),
			keys: 1, ratio: whole,
		},
		{
			name: "one event filtered by the person's country",
			question: h.about("trends", `"interval":"day","series":[{"event":"Event 01","measure":"total",
				"filters":[{"property":"country","on":"user","op":"eq","value":"FR"}]}]`),
			sql: h.sql("SELECT day, count() FROM {events} WHERE name = 'Event 01' AND dictGet('traits', 'country', person) = 'FR' AND {range} GROUP BY day",
				"SELECT day, count() FROM {events} WHERE name = 'Event 01' AND person IN (SELECT person FROM people WHERE country = 'FR') AND {range} GROUP BY day"),
			keys: 1, ratio: whole,
		},
	}
}

// firstTime is the matrix of those who did Event 01 for the first time and came back
// with any event.
func firstTime(bit string) string {
	return `SELECT cohort, period, count() FROM (
		SELECT groupBitOrIf(` + bit + `, name = 'Event 01') AS starts, groupBitOr(` + bit + `) AS days,
			bitPositionsToArray(starts)[1] AS cohort FROM {events} WHERE {range} GROUP BY person HAVING starts > 0)
		ARRAY JOIN bitPositionsToArray(bitShiftRight(days, cohort)) AS period GROUP BY cohort, period`
}

// returnCases are about who comes back.
func (h history) returnCases() []ask {
	const daysOfOne = "SELECT groupBitOr({bit}) AS days FROM {events} WHERE name = 'Event 01' AND {range} GROUP BY person"
	return []ask{
		{
			name:     "retention by day, first time",
			question: h.about("retention", `"start":{"event":"Event 01"},"return":{"event":"*"},"period":"day","periods":29,"cohort":"first_time"`),
			sql:      h.sql(firstTime("{bit}")),
			keys:     2, ratio: half, within: 300 * time.Millisecond,
		},
		{
			name:     "retention by day, recurring",
			question: h.about("retention", `"start":{"event":"Event 01"},"return":{"event":"Event 01"},"period":"day","periods":29,"cohort":"recurring"`),
			sql: h.sql(`SELECT cohort, period, count() FROM (SELECT days, arrayJoin(bitPositionsToArray(days)) AS cohort FROM (` + daysOfOne + `))
				ARRAY JOIN bitPositionsToArray(bitShiftRight(days, cohort)) AS period GROUP BY cohort, period`),
			keys: 2, ratio: half, within: 300 * time.Millisecond,
		},
		{
			name:     "stickiness",
			question: h.about("stickiness", `"event":"Event 01","interval":"day"`),
			sql:      h.sql(`SELECT bitCount(days) AS active, count() FROM (` + daysOfOne + `) GROUP BY active`),
			keys:     1, ratio: whole,
		},
		{
			name:     "lifecycle",
			question: h.about("lifecycle", `"event":"Event 01","interval":"day"`),
			sql: h.sql(`WITH toUInt64(bitAnd(days, -toInt64(days))) AS first, bitShiftLeft(days, 1) AS before,
					bitShiftLeft(toUInt64(1), toDate('{until}') - toDate('{from}')) - 1 AS inside
				SELECT arrayJoin(arrayConcat(
					bitPositionsToArray(first),
					arrayMap(x -> x + 64, bitPositionsToArray(bitAnd(days, before))),
					arrayMap(x -> x + 128, bitPositionsToArray(bitAnd(days, bitNot(bitOr(before, first))))),
					arrayMap(x -> x + 192, bitPositionsToArray(bitAnd(before, bitAnd(bitNot(days), inside)))))) AS bucket, count()
				FROM (` + daysOfOne + `) GROUP BY bucket`),
			keys: 1, ratio: whole,
		},
	}
}

// pathCases are about what people do one after the other, and how much.
func (h history) pathCases() []ask {
	return []ask{
		{
			name:     "flows of 5 steps",
			question: h.about("flows", `"event":"*","steps":5,"limit":50`),
			// A number for the time and the name sorts faster than both together.
			sql: h.sql(`SELECT step, bitAnd(path[step], 31) AS this, if(step < length(path), bitAnd(path[step + 1], 31), 0) AS next,
					avgIf(bitShiftRight(path[step + 1], 5) - bitShiftRight(path[step], 5), step < length(path)), count() AS n
				FROM (SELECT groupArraySorted(5)(toUInt64(toUnixTimestamp64Micro(ts)) * 32 + {code}) AS path FROM {events} WHERE {range} GROUP BY session)
				ARRAY JOIN range(1, least(length(path), 4) + 1) AS step
				GROUP BY step, this, next ORDER BY n DESC, step, this, next LIMIT 50`,
				`SELECT step, bitAnd(path[step], 31) AS this, if(step < length(path), bitAnd(path[step + 1], 31), 0) AS next,
					avgIf(bitShiftRight(path[step + 1], 5) - bitShiftRight(path[step], 5), step < length(path)), count() AS n
				FROM (SELECT arraySlice(arrayPartialSort(5, groupArray(toUInt64(toUnixTimestamp64Micro(ts)) * 32 + {code})), 1, 5) AS path
					FROM {events} WHERE {range} GROUP BY session)
				ARRAY JOIN range(1, least(length(path), 4) + 1) AS step
				GROUP BY step, this, next ORDER BY n DESC, step, this, next LIMIT 50`),
			keys: 4, ratio: whole,
		},
		{
			name:     "distribution of events per person",
			question: h.about("distribution", `"event":"Event 01","bins":20`),
			sql: h.sql(`SELECT if(different <= 20, toFloat64(n), least(19, floor((n - low) / ((high - low) / 20)))) AS bin, sum(people) FROM (
					SELECT n, count() AS people, min(n) OVER () AS low, max(n) OVER () AS high, count() OVER () AS different FROM (
						SELECT count() AS n FROM {events} WHERE name = 'Event 01' AND {range} GROUP BY person)
					GROUP BY n)
				GROUP BY bin`),
			keys: 1, ratio: whole,
		},
	}
}
