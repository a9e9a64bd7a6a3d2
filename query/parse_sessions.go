package query

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// sessionMeasure is what a word that a question about sessions measures by is of
// visits.
func sessionMeasure(word string) (m Measure, of Fact) {
	switch word {
	case "people":
		return Users, ""
	case "bounce_rate":
		return Avg, FactBounced
	case "avg_duration":
		return Avg, FactDuration
	case "avg_pageviews":
		return Avg, FactPageviews
	}
	return Total, "" // count
}

// sessions reads a question about sessions, which is trends over visits: measure, a
// word or a list of different ones, by default count, each of which is a series that is
// called so; the rest is as in trends.
func (p *parser) sessions(n *node) *Trends {
	p.fields(n, []string{"kind", "from", "to", "timezone", "interval", "week_starts", "filters", "measure", "breakdowns",
		"formulas", "compare", "cumulative", "rolling", "explain"}, nil)
	p.timezone(n)
	c := p.calendar(n, "interval", intervals())
	span := p.span(n)
	t := &Trends{Visits: true, Cumulative: p.flag(n, "cumulative")}
	match := Match{Where: p.where(n)}
	for _, word := range p.sessionWords(n) {
		measure, of := sessionMeasure(word)
		s := Series{Name: word, Match: match, Measure: measure}
		if of != "" {
			s.Property = Ref{On: OnSession, Name: "$" + string(of)}
		}
		t.Series = append(t.Series, s)
	}
	t.Breakdowns = p.breakdowns(n, DefaultLimit)
	if n.get("rolling") != nil {
		t.Rolling = p.whole(n, "rolling", 0, 2, MaxRolling)
	}
	t.Formulas = p.formulas(n, t.Series)
	t.Period = p.period(n, "interval", c, span, t.Series)
	t.Previous = p.previous(n, c, span, t.Series)
	return t
}

// sessionWords are the words of measure.
func (p *parser) sessionWords(n *node) []string {
	all := []string{"count", "people", "bounce_rate", "avg_duration", "avg_pageviews"}
	if v := n.get("measure"); v == nil || v.kind != jsontext.KindBeginArray {
		return []string{p.choice(n, "measure", "count", all, nil)}
	}
	words := p.names(n, "measure", 1, len(all), MaxName)
	for i, word := range words {
		at := p.element(n, "measure", i)
		switch {
		case !slices.Contains(all, word):
			p.fail(at.path, "measure must be %s; it is %q.", oneOf(all), clip(word))
		case slices.Contains(words[:i], word):
			p.fail(at.path, "The measure %s is there twice.", word)
		}
	}
	return words
}
