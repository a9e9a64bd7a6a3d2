package attribution

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/weirhq/weir"
)

// Source is what is known of where a visit or an impression came from. It is
// comparable: the channel of a Source may be cached by it.
type Source struct {
	Source   string `json:"source,omitempty"` // "newsletter", or the referring host; "direct"
	Medium   string `json:"medium,omitempty"` // "email", "cpc", "referral"; "none" if direct
	Campaign string `json:"campaign,omitempty"`
	Content  string `json:"content,omitempty"`
	Term     string `json:"term,omitempty"`
	// ClickID is the name of the parameter by which an advertising network marked
	// the click: "gclid".
	ClickID     string `json:"click_id,omitempty"`
	Referrer    string `json:"referrer,omitempty"` // address; of another site than the landing page
	LandingPage string `json:"landing_page,omitempty"`
	Impression  bool   `json:"impression,omitempty"` // a postview: something was seen, nothing was clicked
}

// Direct reports whether the visit came from nowhere that is known: no source or
// campaign, or the source "direct", no medium, no click id. It does not depend on a
// mapping, so that last_non_direct means the same whatever the channels are called.
func (s Source) Direct() bool {
	if s.Impression || s.ClickID != "" || !isNone(s.Medium) {
		return false
	}
	return isDirect(s.Source) || s.Source == "" && s.Campaign == ""
}

func isDirect(source string) bool {
	source = fold(source)
	return source == "direct" || source == "(direct)"
}

// isNone reports whether a medium is none, or one of the words for it.
func isNone(medium string) bool {
	switch fold(medium) {
	case "", "none", "(none)", "(not set)":
		return true
	}
	return false
}

// sourceFields are those of a session that say where it came from.
func sourceFields() []string {
	return []string{"utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", "utm_id_from", "referrer", "landing_page"}
}

// SourceOf reads where a session came from off its fields: utm_source, utm_medium,
// utm_campaign, utm_content, utm_term, utm_id_from, referrer and landing_page. Of
// a derived session that has none of them, those of its earliest point that says
// anything count.
//
// If there is no utm field, the query of the landing page is read for the same
// parameters; if that has none, the source is the referrer's host with the medium
// "referral"; without a referrer it is "direct" and the medium "none", as
// weir.js says it. The name of a click id comes from utm_id_from, else from the
// landing page. The landing page's own host is neither a referrer nor a referring
// source. "(not set)" is as good as nothing.
func SourceOf(session *weir.Session) Source {
	get := fieldsOf(session)
	s := Source{
		ClickID: get("utm_id_from"), Referrer: get("referrer"), LandingPage: get("landing_page"),
		Impression: session.Origin == weir.Impression,
	}
	here, query := split(s.LandingPage)
	from, _ := split(s.Referrer)
	if here != "" && plain(from) == plain(here) {
		s.Referrer, from = "", ""
	}
	said := s.mark(get)
	if here != "" && fold(s.Medium) == "referral" && plain(strings.ToLower(s.Source)) == plain(here) {
		said, s.Source, s.Medium = false, "", "" // a client that takes its own site for a referring one
	}
	if query != "" {
		values, _ := url.ParseQuery(query) // what can be read of it
		if !said {
			said = s.mark(func(name string) string { return strings.TrimSpace(values.Get(name)) })
		}
		if s.ClickID == "" {
			s.ClickID = clickID(values)
		}
	}
	switch {
	case said && s.Source == "" && from != "":
		s.Source = from
	case said || s.Impression:
	case from != "":
		s.Source, s.Medium = from, "referral"
	default:
		s.Source, s.Medium = "direct", "none"
	}
	return s
}

// mark sets what a campaign says and reports whether it says anything.
func (s *Source) mark(get func(name string) string) bool {
	set := func(name string) string {
		text := get(name)
		if strings.EqualFold(text, "(not set)") {
			return ""
		}
		return text
	}
	s.Source, s.Medium, s.Campaign = set("utm_source"), set("utm_medium"), set("utm_campaign")
	s.Content, s.Term = set("utm_content"), set("utm_term")
	return s.Source != "" || s.Medium != "" || s.Campaign != "" || s.Content != "" || s.Term != ""
}

// fieldsOf gives access to what says where a session came from.
func fieldsOf(session *weir.Session) func(name string) string {
	fields := session.Fields
	get := func(name string) string {
		v, _ := fields.Get(name)
		return strings.TrimSpace(v.String())
	}
	for _, name := range sourceFields() {
		if get(name) != "" {
			return get
		}
	}
	var first *weir.Point
	for i := range session.Points {
		p := &session.Points[i]
		if len(p.Source) > 0 && (first == nil || cmp.Or(cmp.Compare(p.At, first.At), cmp.Compare(p.Item, first.Item)) < 0) {
			first = p
		}
	}
	if first == nil {
		return get
	}
	return func(name string) string {
		for _, p := range first.Source {
			if p.Name == name {
				return strings.TrimSpace(p.Value.String())
			}
		}
		return ""
	}
}

// split takes the host, with its port and in lower case, and the query out of an
// address. Browsers and people write addresses that no standard allows; what can be
// read of them is. Without a scheme, what has a dot is taken for a host.
func split(address string) (host, query string) {
	address, _, _ = strings.Cut(address, "#")
	address, query, _ = strings.Cut(address, "?")
	scheme, rest, absolute := strings.Cut(address, "//")
	if absolute && (scheme == "" || strings.HasSuffix(scheme, ":")) {
		host, _, _ = strings.Cut(rest, "/")
		host = host[strings.LastIndexByte(host, '@')+1:]
	} else {
		host, _, _ = strings.Cut(address, "/")
		_, port, _ := strings.Cut(host, ":")
		if !strings.Contains(host, ".") || strings.Contains(host, "@") || strings.Trim(port, "0123456789") != "" {
			return "", query
		}
	}
	if strings.ContainsAny(host, " \t\r\n\\<>\"'") {
		return "", query
	}
	return strings.ToLower(host), query
}

// plain is a host without the "www." that sites write or leave out at will.
func plain(host string) string { return strings.TrimPrefix(host, "www.") }

// clickID is the name of the first known click id that a query has, in the order
// of the list.
func clickID(query url.Values) string {
	for _, name := range clickIDs() {
		if query.Get(name) != "" {
			return name
		}
	}
	return ""
}

// clickIDs are the parameters that networks add to the address of a click. First
// those that say that somebody paid for it, by which the default mapping finds
// the channel when nothing else names it; weir.js knows a part of them.
func clickIDs() []string {
	return []string{
		"gclid", "gbraid", "wbraid", "dclid", "msclkid", "yclid", // search and display advertising
		"ttclid", "li_fat_id", "twclid", "rdt_cid", "epik", "ScCid", "qclid", // social networks, of advertisements only
		"tblci", "obclid", "dicbo", // content recommendation
		"irclickid", "irgwc", "cjevent", "awc", "sscid", "tduid", "clickref", // affiliate networks
		"mc_eid", "mc_cid", "_hsenc", "mkt_tok", "_kx", "vero_id", "oly_enc_id", // newsletters
		"fbclid", "igshid", "igsh", "srsltid", // added to free links as well
	}
}
