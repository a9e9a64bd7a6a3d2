package attribution

import "strings"

// Channels is a compiled Mapping. It is safe for concurrent use.
type Channels struct {
	rules []rule
	tests []test
	rest  string
}

type rule struct {
	channel string
	tests   []int // all of which must hold
}

type test struct {
	field Field
	slot  int // of the field in Fields
	match func(folded string) bool
}

// Of is the channel of a source. It depends on the mapping and the source only.
func (c *Channels) Of(s Source) string {
	r := reading{source: s}
	var few [128]outcome
	done := few[:]
	if len(c.tests) > len(few) {
		done = make([]outcome, len(c.tests))
	}
rules:
	for i := range c.rules {
		for _, n := range c.rules[i].tests {
			if done[n] == open {
				done[n] = fails
				if c.tests[n].match(r.text(&c.tests[n])) {
					done[n] = holds
				}
			}
			if done[n] == fails {
				continue rules
			}
		}
		return c.rules[i].channel
	}
	return c.rest
}

// outcome of a test: each is made once at most, as many rules share conditions.
type outcome uint8

const (
	open outcome = iota
	holds
	fails
)

// slots is the number of Fields.
const slots = 11

// reading folds the fields of a source as they are asked for.
type reading struct {
	source Source
	have   [slots]bool
	texts  [slots]string
}

func (r *reading) text(t *test) string {
	if !r.have[t.slot] {
		r.have[t.slot], r.texts[t.slot] = true, r.source.text(t.field)
	}
	return r.texts[t.slot]
}

// text is a field as conditions see it.
func (s *Source) text(field Field) string {
	switch field {
	case FieldSource:
		return fold(s.Source)
	case FieldMedium:
		return fold(s.Medium)
	case FieldCampaign:
		return fold(s.Campaign)
	case FieldContent:
		return fold(s.Content)
	case FieldTerm:
		return fold(s.Term)
	case FieldClickID:
		return fold(s.ClickID)
	case FieldReferrer:
		return fold(s.Referrer)
	case FieldReferrerHost:
		host, _ := split(s.Referrer)
		return siteHost(host)
	case FieldLandingPage:
		return fold(s.LandingPage)
	case FieldType:
		if s.Impression {
			return "impression"
		}
		return "visit"
	case FieldSite:
		if source := fold(s.Source); source != "" {
			if host, _ := split(source); host != "" { // some give an address
				source = host
			}
			return string(siteOf(siteHost(source)))
		}
		return string(siteOf(s.text(FieldReferrerHost)))
	}
	return ""
}

// siteHost is a host without its port and "www.".
func siteHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		host = host[:i]
	}
	return plain(host)
}
