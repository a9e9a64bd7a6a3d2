package attribution_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
)

// came makes a session whose fields are given as "name=value" by line or space.
func came(fields string) *weir.Session {
	s := &weir.Session{}
	for _, p := range said(fields) {
		s.Fields.Set(weir.Stamp{}, p)
	}
	return s
}

func said(fields string) (out []weir.Property) {
	for _, field := range strings.Fields(fields) {
		name, value, _ := strings.Cut(field, "=")
		out = append(out, weir.Property{Name: name, Value: weir.Text(strings.ReplaceAll(value, "+", " "))})
	}
	return out
}

func TestSourceOf(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields string // "+" in a value is a space
		want   attribution.Source
	}{
		{"nothing said", "", attribution.Source{Source: "direct", Medium: "none"}},
		{"all said", "utm_source=google utm_medium=cpc utm_campaign=spring utm_content=a utm_term=shoes utm_id_from=gclid",
			attribution.Source{Source: "google", Medium: "cpc", Campaign: "spring", Content: "a", Term: "shoes", ClickID: "gclid"}},
		{"space around", "utm_source=+google+ utm_medium=+", attribution.Source{Source: "google"}},
		{"placeholders", "utm_source=(not+set) utm_medium=(not+set) referrer=https://blog.example/",
			attribution.Source{Source: "blog.example", Medium: "referral", Referrer: "https://blog.example/"}},
		{"a referrer", "referrer=https://Blog.example/post", attribution.Source{Source: "blog.example", Medium: "referral", Referrer: "https://Blog.example/post"}},
		{"a referrer keeps its port", "referrer=http://localhost:3000/", attribution.Source{Source: "localhost:3000", Medium: "referral", Referrer: "http://localhost:3000/"}},
		{"an app", "referrer=android-app://com.google.android.gm/", attribution.Source{Source: "com.google.android.gm", Medium: "referral", Referrer: "android-app://com.google.android.gm/"}},
		{"a referrer without scheme", "referrer=news.example/a", attribution.Source{Source: "news.example", Medium: "referral", Referrer: "news.example/a"}},
		{"a referrer that is malformed", "referrer=https://www.google.com/%zz?q=100%", attribution.Source{Source: "www.google.com", Medium: "referral", Referrer: "https://www.google.com/%zz?q=100%"}},
		{"a referrer with user and password", "referrer=https://a:b@news.example/", attribution.Source{Source: "news.example", Medium: "referral", Referrer: "https://a:b@news.example/"}},
		{"no address", "referrer=(direct)", attribution.Source{Source: "direct", Medium: "none", Referrer: "(direct)"}},
		{"a mail address", "referrer=mailto:a@b.example", attribution.Source{Source: "direct", Medium: "none", Referrer: "mailto:a@b.example"}},
		{"a page of no site", "referrer=about:blank", attribution.Source{Source: "direct", Medium: "none", Referrer: "about:blank"}},
		{"a script", "referrer=javascript:x.y", attribution.Source{Source: "direct", Medium: "none", Referrer: "javascript:x.y"}},
		{"a path", "referrer=/a.html//b", attribution.Source{Source: "direct", Medium: "none", Referrer: "/a.html//b"}},
		{"own host", "referrer=https://shop.example/a landing_page=https://www.shop.example/b",
			attribution.Source{Source: "direct", Medium: "none", LandingPage: "https://www.shop.example/b"}},
		{"another host of the same owner", "referrer=https://blog.shop.example/a landing_page=https://shop.example/b",
			attribution.Source{Source: "blog.shop.example", Medium: "referral", Referrer: "https://blog.shop.example/a", LandingPage: "https://shop.example/b"}},
		{"own host as referring source", "utm_source=www.shop.example utm_medium=Referral landing_page=https://shop.example/b",
			attribution.Source{Source: "direct", Medium: "none", LandingPage: "https://shop.example/b"}},
		{"own host as referring source, and a campaign in the address", "utm_source=shop.example utm_medium=referral landing_page=https://shop.example/?utm_source=news",
			attribution.Source{Source: "news", LandingPage: "https://shop.example/?utm_source=news"}},
		{"own host in a campaign", "utm_source=shop.example utm_medium=email landing_page=https://shop.example/b",
			attribution.Source{Source: "shop.example", Medium: "email", LandingPage: "https://shop.example/b"}},
		{"the address says it", "landing_page=https://shop.example/?utm_source=news&utm_medium=email&utm_campaign=may&utm_content=c&utm_term=t&bad=%zz&gclid=1#x?utm_term=no",
			attribution.Source{Source: "news", Medium: "email", Campaign: "may", Content: "c", Term: "t", ClickID: "gclid",
				LandingPage: "https://shop.example/?utm_source=news&utm_medium=email&utm_campaign=may&utm_content=c&utm_term=t&bad=%zz&gclid=1#x?utm_term=no"}},
		{"a field goes before the address", "utm_campaign=spring landing_page=/?utm_source=news", attribution.Source{Campaign: "spring", LandingPage: "/?utm_source=news"}},
		{"a click id in the address beside fields", "utm_source=direct utm_medium=none landing_page=/?ScCid=1&fbclid=2",
			attribution.Source{Source: "direct", Medium: "none", ClickID: "ScCid", LandingPage: "/?ScCid=1&fbclid=2"}},
		{"an empty click id", "landing_page=/?gclid=&fbclid=1", attribution.Source{Source: "direct", Medium: "none", ClickID: "fbclid", LandingPage: "/?gclid=&fbclid=1"}},
		{"campaign without source, and a referrer", "utm_campaign=spring referrer=https://news.example/",
			attribution.Source{Source: "news.example", Campaign: "spring", Referrer: "https://news.example/"}},
	} {
		if got := attribution.SourceOf(came(c.fields)); got != c.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func TestSourceOfImpression(t *testing.T) {
	s := came("referrer=https://news.example/")
	s.Origin = weir.Impression
	if got := attribution.SourceOf(s); got != (attribution.Source{Referrer: "https://news.example/", Impression: true}) {
		t.Errorf("%+v", got)
	}
}

// A run of events comes from where its earliest point that says anything came.
func TestSourceOfDerivedSession(t *testing.T) {
	s := &weir.Session{Origin: weir.Derived, Points: []weir.Point{
		{Item: 1, At: noon + 2*second, Source: said("utm_source=late")},
		{Item: 2, At: noon},
		{Item: 4, At: noon + second, Source: said("utm_source=second")},
		{Item: 3, At: noon + second, Source: said("utm_source=first utm_medium=email")},
	}}
	if got := attribution.SourceOf(s); got != (attribution.Source{Source: "first", Medium: "email"}) {
		t.Errorf("%+v", got)
	}
	s.Fields.Set(weir.Stamp{}, said("utm_term=shoes")...)
	if got := attribution.SourceOf(s); got != (attribution.Source{Term: "shoes"}) {
		t.Errorf("with fields of its own: %+v", got)
	}
}

func TestDirect(t *testing.T) {
	for _, c := range []struct {
		source attribution.Source
		want   bool
	}{
		{attribution.Source{}, true},
		{attribution.Source{Source: "direct", Medium: "none"}, true},
		{attribution.Source{Source: "(Direct)", Medium: "(none)"}, true},
		{attribution.Source{Source: "direct", Medium: "(not set)", Campaign: "(not set)"}, true},
		{attribution.Source{Source: "direct", Medium: "none", Campaign: "spring"}, true},
		{attribution.Source{Term: "shoes"}, true},
		{attribution.Source{Campaign: "spring"}, false},
		{attribution.Source{Source: "direct", Medium: "none", ClickID: "gclid"}, false},
		{attribution.Source{Source: "direct", Medium: "email"}, false},
		{attribution.Source{Source: "news"}, false},
		{attribution.Source{Medium: "email"}, false},
		{attribution.Source{Impression: true}, false},
	} {
		if got := c.source.Direct(); got != c.want {
			t.Errorf("%+v: %v; want %v", c.source, got, c.want)
		}
		// The mapping that ships calls the same visits direct.
		if got := shipped(t).Of(c.source) == attribution.Direct; got != c.want {
			t.Errorf("%+v is %s", c.source, shipped(t).Of(c.source))
		}
	}
}
