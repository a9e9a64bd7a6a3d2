package query

import "strings"

// Fact names what is known of a visit itself.
type Fact string

// The facts. Those from FactDuration on are numbers, FactBounced is true or false, and
// the rest are texts, which are absent if they are empty.
const (
	FactChannel      Fact = "channel"
	FactSource       Fact = "source"
	FactMedium       Fact = "medium"
	FactCampaign     Fact = "campaign"
	FactContent      Fact = "content"
	FactTerm         Fact = "term"
	FactClickID      Fact = "click_id"
	FactReferrer     Fact = "referrer"
	FactLandingPage  Fact = "landing_page"
	FactBounced      Fact = "bounced"
	FactDuration     Fact = "duration" // seconds
	FactPageviews    Fact = "pageviews"
	FactInteractions Fact = "interactions"
)

// FactOf is the fact that a property of a visit names, with or without a "$" before
// it: its own name, or of the five parts of a campaign that after "utm_". It is false
// of all other names, which are properties of the visit's events.
func FactOf(name string) (Fact, bool) {
	name = strings.TrimPrefix(name, "$")
	f := Fact(strings.TrimPrefix(name, "utm_"))
	switch f {
	case FactSource, FactMedium, FactCampaign, FactContent, FactTerm:
		return f, true
	}
	switch f = Fact(name); f {
	case FactChannel, FactClickID, FactReferrer, FactLandingPage, FactBounced, FactDuration, FactPageviews, FactInteractions:
		return f, true
	}
	return "", false
}
