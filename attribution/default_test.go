package attribution_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
)

// arrivals say how people come and what the default mapping calls it: by line, the
// channel and a session's fields, "+" for a space. Sessions that begin with "seen"
// are impressions.
const arrivals = `
Direct
Direct            utm_source=direct utm_medium=none
Direct            utm_source=(direct) utm_medium=(none)
Direct            utm_source=direct utm_medium=(not+set)
Direct            utm_medium=none
Direct            landing_page=https://shop.example/ referrer=https://shop.example/cart
Direct            landing_page=https://shop.example/ referrer=https://www.shop.example/cart
Direct            landing_page=https://www.shop.example/ referrer=http://shop.example/cart
Direct            landing_page=https://shop.example/ utm_source=shop.example utm_medium=referral
Direct            referrer=about:blank

Organic Search    referrer=https://www.google.com/
Organic Search    referrer=https://www.google.com/search?q=shoes
Organic Search    referrer=https://www.google.de/
Organic Search    referrer=https://www.google.co.uk/
Organic Search    referrer=https://www.google.com.br/
Organic Search    referrer=https://google.co.jp/
Organic Search    referrer=https://www.google.cat/
Organic Search    referrer=https://images.google.fr/
Organic Search    referrer=http://www.google.com:80/
Organic Search    referrer=android-app://com.google.android.googlequicksearchbox/
Organic Search    referrer=android-app://com.google.android.googlequicksearchbox/https/www.google.com
Organic Search    referrer=https://www.bing.com/
Organic Search    referrer=https://cn.bing.com/
Organic Search    referrer=https://duckduckgo.com/
Organic Search    referrer=https://search.yahoo.co.jp/
Organic Search    referrer=https://uk.search.yahoo.com/
Organic Search    referrer=https://yandex.ru/
Organic Search    referrer=https://yandex.com.tr/
Organic Search    referrer=https://www.ecosia.org/
Organic Search    referrer=https://www.baidu.com/
Organic Search    referrer=https://search.brave.com/
Organic Search    utm_source=www.google.com utm_medium=referral referrer=https://www.google.com/
Organic Search    utm_source=google utm_medium=organic
Organic Search    utm_source=somewhere utm_medium=organic
Organic Search    utm_source=Bing

Paid Search       utm_source=google utm_medium=cpc
Paid Search       utm_source=Google utm_medium=CPC utm_campaign=brand
Paid Search       utm_source=bing utm_medium=ppc
Paid Search       utm_source=google+ads utm_medium=paid
Paid Search       utm_source=somewhere utm_medium=sem
Paid Search       utm_source=www.google.com utm_medium=referral utm_id_from=gclid
Paid Search       landing_page=https://shop.example/?gclid=abc referrer=https://www.google.com/
Paid Search       landing_page=https://shop.example/?gclid=abc
Paid Search       utm_source=direct utm_medium=none utm_id_from=gclid
Paid Search       utm_source=direct utm_medium=none landing_page=/?wbraid=abc
Paid Search       landing_page=https://shop.example/?msclkid=abc

Organic Social    referrer=https://www.facebook.com/
Organic Social    referrer=https://l.facebook.com/
Organic Social    referrer=https://m.facebook.com/
Organic Social    referrer=https://t.co/abc
Organic Social    referrer=https://x.com/
Organic Social    referrer=https://www.linkedin.com/feed/
Organic Social    referrer=https://www.instagram.com/
Organic Social    referrer=https://www.pinterest.de/
Organic Social    referrer=https://out.reddit.com/
Organic Social    referrer=android-app://com.linkedin.android/
Organic Social    referrer=https://news.ycombinator.com/item?id=1
Organic Social    utm_source=instagram utm_medium=bio
Organic Social    utm_source=https://www.facebook.com/ utm_medium=post
Organic Social    utm_source=somewhere utm_medium=social
Organic Social    landing_page=https://shop.example/?fbclid=abc

Paid Social       utm_source=facebook utm_medium=cpc
Paid Social       utm_source=fb utm_medium=paid
Paid Social       utm_source=ig utm_medium=paid_social
Paid Social       utm_source=somewhere utm_medium=paid-social
Paid Social       utm_source=linkedin utm_medium=cpm
Paid Social       landing_page=https://shop.example/?ttclid=abc
Paid Social       landing_page=https://shop.example/?ScCid=abc
Paid Social       utm_source=www.linkedin.com utm_medium=referral utm_id_from=li_fat_id

Email             utm_source=newsletter utm_medium=email
Email             utm_source=spring utm_medium=E-Mail
Email             utm_source=newsletter
Email             utm_source=klaviyo utm_medium=flow
Email             referrer=https://mail.google.com/
Email             referrer=android-app://com.google.android.gm/
Email             referrer=https://outlook.live.com/
Email             landing_page=https://shop.example/?mc_eid=abc
Email             utm_source=facebook utm_medium=email

Affiliates        utm_source=partner utm_medium=affiliate
Affiliates        landing_page=https://shop.example/?irclickid=abc
Affiliates        landing_page=https://shop.example/?awc=abc referrer=https://www.awin1.com/

Referral          referrer=https://blog.example/post
Referral          utm_source=blog.example utm_medium=referral
Referral          utm_source=partner utm_medium=link
Referral          referrer=https://docs.google.com/document/1
Referral          referrer=https://aws.amazon.com/
Referral          referrer=https://google.com.example.net/
Referral          referrer=https://www.google.example/
Referral          referrer=https://google.shop/
Referral          referrer=https://notgoogle.com/
Referral          referrer=https://google.co.example/
Referral          referrer=https://google.evil.co/
Referral          referrer=https://facebook.com.evil.example/
Referral          referrer=https://evil.example/?u=https://www.google.com/
Referral          referrer=https://www.google.com@evil.example/
Referral          referrer=https://notx.com/
Referral          referrer=android-app://com.example.reader/
Referral          referrer=android-app://com.google.android.apps.maps/
Referral          landing_page=https://shop.example/ referrer=https://blog.shop.example/

Display           utm_source=somewhere utm_medium=display
Display           utm_source=somewhere utm_medium=cpm
Display           utm_source=somewhere utm_medium=banner
Display           landing_page=https://shop.example/?dclid=abc

Paid Video        utm_source=youtube utm_medium=cpc
Paid Video        utm_source=somewhere utm_medium=paid+video
Organic Video     referrer=https://www.youtube.com/watch?v=1
Organic Video     referrer=https://youtu.be/
Organic Video     referrer=android-app://com.google.android.youtube/
Organic Video     utm_source=somewhere utm_medium=video

SMS               utm_source=klaviyo utm_medium=sms
SMS               utm_source=sms utm_medium=text
Push              utm_source=app utm_medium=push
Push              utm_source=app utm_medium=web-push
Push              utm_source=app utm_medium=mobile+notification
Push              utm_source=firebase
Audio             utm_source=somewhere utm_medium=podcast

AI Assistants     referrer=https://chatgpt.com/
AI Assistants     utm_source=chatgpt.com
AI Assistants     utm_source=chatgpt.com utm_medium=referral
AI Assistants     referrer=https://www.perplexity.ai/search/1
AI Assistants     referrer=https://claude.ai/
AI Assistants     referrer=https://gemini.google.com/
AI Assistants     referrer=https://copilot.microsoft.com/
AI Assistants     referrer=https://edgeservices.bing.com/

Organic Shopping  referrer=https://shopping.google.com/
Organic Shopping  referrer=https://www.amazon.co.uk/
Organic Shopping  referrer=https://www.idealo.de/
Organic Shopping  utm_source=somewhere utm_campaign=shopping
Organic Shopping  landing_page=https://store.example/?srsltid=abc
Paid Shopping     utm_source=amazon utm_medium=cpc
Paid Shopping     utm_source=google utm_medium=cpc utm_campaign=Shopping+spring
Paid Search       utm_source=google utm_medium=cpc utm_campaign=workshop
Cross-network     utm_source=google utm_medium=cpc utm_campaign=PMax+spring
Cross-network     utm_source=google utm_medium=cpc utm_campaign=performance+max
Cross-network     utm_campaign=my-cross-network
Paid Other        utm_source=somewhere utm_medium=cpc
Paid Other        utm_medium=paid

Display           seen
Display           seen utm_source=somewhere
Display           seen utm_source=direct utm_medium=none
Display           seen referrer=https://news.example/
Display           seen utm_source=somewhere utm_medium=social
Paid Social       seen utm_source=facebook
Paid Social       seen utm_source=facebook utm_medium=cpm
Paid Video        seen utm_source=youtube
Paid Search       seen utm_source=google
Email             seen utm_source=somewhere utm_medium=email

Unassigned        utm_source=somewhere
Unassigned        utm_source=somewhere utm_medium=else
Unassigned        utm_campaign=spring
`

func TestDefaultMapping(t *testing.T) {
	channels := shipped(t)
	met := map[string]bool{}
	for _, line := range strings.Split(arrivals, "\n") {
		if line == "" {
			continue
		}
		channel, fields := line, ""
		if len(line) > 18 {
			channel, fields = strings.TrimSpace(line[:18]), line[18:]
		}
		fields, seen := strings.CutPrefix(fields, "seen")
		s := came(fields)
		if seen {
			s.Origin = weir.Impression
		}
		met[channel] = true
		source := attribution.SourceOf(s)
		if got := channels.Of(source); got != channel {
			t.Errorf("%s is %s: %+v", line, got, source)
		}
	}
	for _, r := range attribution.Default().Rules {
		if !met[r.Channel] {
			t.Errorf("nothing above is %s", r.Channel)
		}
	}
}

// Whatever came, the mapping has a name for it, and one of its own.
func TestPropertyDefaultMappingIsComplete(t *testing.T) {
	channels := shipped(t)
	known := []string{"Unassigned"}
	for _, r := range attribution.Default().Rules {
		known = append(known, r.Channel)
	}
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", "direct", "none", "google", "facebook.com", "cpc", "email", "referral", "https://www.google.com/", "https://shop.example/?utm_source=x&gclid=1", ".", "..", "//", "a.b:c", "[::1]:80",
	}))
	rapid.Check(t, func(t *rapid.T) {
		s := &weir.Session{Origin: rapid.SampledFrom([]weir.Origin{weir.Sent, weir.Derived, weir.Impression}).Draw(t, "origin")}
		for _, name := range []string{"utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", "utm_id_from", "referrer", "landing_page"} {
			s.Fields.Set(weir.Stamp{}, weir.Property{Name: name, Value: weir.Text(text.Draw(t, name))})
		}
		source := attribution.SourceOf(s)
		got := channels.Of(source)
		if !slices.Contains(known, got) {
			t.Fatalf("%q", got)
		}
		if source.Direct() != (got == attribution.Direct) {
			t.Fatalf("direct is %v, and the channel %q", source.Direct(), got)
		}
	})
}

func TestDefaultIsNewAtEachCall(t *testing.T) {
	m := attribution.Default()
	m.Rules[0].Channel, m.Rules[0].All[0].Value = "changed", "changed"
	if other := attribution.Default(); other.Rules[0].Channel != attribution.Direct || fmt.Sprint(other.Rules[0].All[0].Value) == "changed" {
		t.Errorf("%+v", other.Rules[0])
	}
}
