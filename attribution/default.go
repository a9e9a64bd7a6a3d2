package attribution

// The channels of the default mapping.
const (
	Direct          = "Direct"
	CrossNetwork    = "Cross-network"
	PaidShopping    = "Paid Shopping"
	PaidSearch      = "Paid Search"
	PaidSocial      = "Paid Social"
	PaidVideo       = "Paid Video"
	Display         = "Display"
	PaidOther       = "Paid Other"
	Email           = "Email"
	Affiliates      = "Affiliates"
	SMS             = "SMS"
	Push            = "Push"
	Audio           = "Audio"
	AIAssistants    = "AI Assistants"
	OrganicShopping = "Organic Shopping"
	OrganicSocial   = "Organic Social"
	OrganicVideo    = "Organic Video"
	OrganicSearch   = "Organic Search"
	Referral        = "Referral"
)

// Default is the mapping that Weir ships, new at each call. It follows the
// published definitions of Google Analytics' default channel group where they
// speak, so that numbers can be compared, and adds to them click ids, AI
// assistants and impressions. In short: direct; what was paid for, by medium and
// site; what the medium names; what a click id says was paid for; what was only
// seen; what the site is known for; any other referral.
func Default() Mapping {
	m := Mapping{Default: unassigned}
	add := func(channel string, all ...Condition) {
		m.Rules = append(m.Rules, Rule{channel, all})
	}
	paid := is(FieldMedium, Regex, `^(.*cp.*|ppc|retargeting|paid.*)$`)
	shop := is(FieldCampaign, Regex, `^(.*(([^a-df-z]|^)shop|shopping).*)$`)
	visit, unmarked, seen := is(FieldType, Equal, "visit"), is(FieldClickID, IsNotSet), is(FieldType, Equal, "impression")
	site := func(s Site) Condition { return is(FieldSite, Equal, string(s)) }

	add(Direct, visit, unmarked, among(FieldSource, "direct", "(direct)"), is(FieldMedium, IsNotSet))
	add(Direct, visit, unmarked, among(FieldSource, "direct", "(direct)"), among(FieldMedium, "none", "(none)", "(not set)"))
	add(Direct, visit, unmarked, is(FieldSource, IsNotSet), is(FieldMedium, IsNotSet), is(FieldCampaign, IsNotSet), is(FieldReferrerHost, IsNotSet))
	add(Direct, visit, unmarked, is(FieldSource, IsNotSet), among(FieldMedium, "none", "(none)", "(not set)"), is(FieldCampaign, IsNotSet), is(FieldReferrerHost, IsNotSet))

	add(CrossNetwork, is(FieldCampaign, Contains, "cross-network"))
	add(CrossNetwork, paid, is(FieldCampaign, Regex, `(^|[^a-z])(pmax|performance[ _-]?max|demand[ _-]?gen)`))
	add(PaidShopping, paid, site(ShoppingSite))
	add(PaidShopping, paid, shop)
	add(PaidSearch, paid, site(SearchSite))
	add(PaidSocial, paid, site(SocialSite))
	add(PaidVideo, paid, site(VideoSite))
	add(PaidSearch, is(FieldMedium, Regex, `^(paid[ _-]?search|sem)$`))
	add(PaidSocial, is(FieldMedium, Regex, `^(paid[ _-]?social|social[ _-]?(paid|ads?))$`))
	add(PaidVideo, is(FieldMedium, Regex, `^(paid[ _-]?video|video[ _-]?ads?|instream|preroll)$`))
	add(PaidShopping, is(FieldMedium, Regex, `^(paid[ _-]?shopping|shopping[ _-]?ads?)$`))
	add(Display, among(FieldMedium, "display", "banner", "expandable", "interstitial", "cpm", "native", "programmatic"))

	add(Email, among(FieldMedium, "email", "e-mail", "e_mail", "e mail", "newsletter", "mail"))
	add(Affiliates, among(FieldMedium, "affiliate", "affiliates"))
	add(SMS, among(FieldMedium, "sms", "mms", "rcs"))
	add(SMS, is(FieldSource, Equal, "sms"))
	add(Push, is(FieldMedium, Regex, `push$|mobile|notification`))
	add(Push, is(FieldSource, Equal, "firebase"))
	add(Audio, among(FieldMedium, "audio", "podcast", "radio"))

	add(PaidSearch, among(FieldClickID, "gclid", "gbraid", "wbraid", "msclkid", "yclid"))
	add(PaidSocial, among(FieldClickID, "ttclid", "li_fat_id", "twclid", "rdt_cid", "epik", "sccid", "qclid"))
	add(Display, among(FieldClickID, "dclid", "tblci", "obclid", "dicbo"))
	add(Affiliates, among(FieldClickID, "irclickid", "irgwc", "cjevent", "awc", "sscid", "tduid", "clickref"))
	add(PaidOther, paid)
	add(Email, among(FieldClickID, "mc_eid", "mc_cid", "_hsenc", "mkt_tok", "_kx", "vero_id", "oly_enc_id"))

	// An impression is of an advertisement, whatever else is known of it.
	add(PaidShopping, seen, site(ShoppingSite))
	add(PaidSearch, seen, site(SearchSite))
	add(PaidSocial, seen, site(SocialSite))
	add(PaidVideo, seen, site(VideoSite))
	add(Display, seen)

	add(AIAssistants, site(AISite))
	add(AIAssistants, among(FieldMedium, "ai", "llm", "ai-assistant", "ai_assistant", "ai assistant", "chatbot"))
	add(OrganicShopping, site(ShoppingSite))
	add(OrganicShopping, shop)
	add(OrganicSocial, site(SocialSite))
	add(OrganicSocial, among(FieldMedium, "social", "social-network", "social-media", "social_network", "social_media", "sm", "social network", "social media"))
	add(OrganicVideo, site(VideoSite))
	add(OrganicVideo, is(FieldMedium, Contains, "video"))
	add(OrganicSearch, site(SearchSite))
	add(OrganicSearch, is(FieldMedium, Equal, "organic"))
	add(Email, site(MailSite))
	add(OrganicSocial, among(FieldClickID, "fbclid", "igshid", "igsh"))
	add(OrganicShopping, is(FieldClickID, Equal, "srsltid"))
	add(Referral, among(FieldMedium, "referral", "app", "link"))
	add(Referral, is(FieldMedium, IsNotSet), is(FieldReferrerHost, IsSet))
	add(Referral, among(FieldMedium, "none", "(none)"), is(FieldReferrerHost, IsSet))
	return m
}

func is(field Field, op Op, value ...string) Condition {
	c := Condition{Field: field, Op: op}
	if len(value) == 1 {
		c.Value = value[0]
	}
	return c
}

func among(field Field, values ...string) Condition {
	return Condition{Field: field, Op: In, Value: values}
}
