package attribution

import "strings"

// Site is what the site is that a visit came from.
type Site string

// The kinds of sites that the lists tell apart.
const (
	SearchSite   Site = "search"
	SocialSite   Site = "social"
	VideoSite    Site = "video"
	ShoppingSite Site = "shopping"
	MailSite     Site = "mail"
	AISite       Site = "ai"
	OtherSite    Site = "" // not on any list
)

// Sites lists the kinds.
func Sites() []Site {
	return []Site{SearchSite, SocialSite, VideoSite, ShoppingSite, MailSite, AISite}
}

// siteOf says what a source is, given in lower case without "www.": a host, also
// below one on the lists, or a name as campaigns use it, "facebook".
func siteOf(source string) Site {
	if source == "" {
		return OtherSite
	}
	if !strings.Contains(source, ".") {
		return siteByName(source)
	}
	for host := source; strings.Contains(host, "."); _, host, _ = strings.Cut(host, ".") {
		if site, ok := siteByDomain(host); ok {
			return site
		}
	}
	return siteByBrand(brand(source))
}

// brand is the label before the public suffix: google of "google.co.uk". It knows
// the suffixes of countries by their form, which is enough for names on a list and
// not to be deceived by "google.com.example.net". Below others, "google.shop" is
// anybody's.
func brand(host string) string {
	labels := strings.Split(host, ".")
	n := len(labels) - 2
	switch suffix := labels[n+1]; {
	case suffix == "com", suffix == "cat":
	case len(suffix) != 2:
		return ""
	case n > 0 && (labels[n] == "co" || labels[n] == "com" || labels[n] == "ne"):
		n--
	}
	return labels[n]
}

// siteByBrand knows those that have a domain in many countries.
func siteByBrand(name string) Site {
	switch name {
	case "google", "yahoo", "yandex":
		return SearchSite
	case "pinterest":
		return SocialSite
	case "amazon", "ebay", "aliexpress", "idealo", "shopee", "lazada", "mercadolibre", "mercadolivre", "zalando", "kelkoo", "temu":
		return ShoppingSite
	}
	return OtherSite
}

// siteByName knows the names that people give to sources.
func siteByName(name string) Site {
	switch name {
	case "google", "google ads", "google_ads", "google-ads", "googleads", "adwords", "bing", "bing ads", "bing_ads", "bingads", "microsoft ads", "microsoft_ads", "microsoftads",
		"yahoo", "yandex", "duckduckgo", "ddg", "baidu", "ecosia", "qwant", "startpage", "naver", "daum", "seznam", "sogou", "brave", "ask", "aol", "kagi", "mojeek", "swisscows", "apple search ads", "apple_search_ads", "coccoc", "rambler":
		return SearchSite
	case "facebook", "fb", "facebook ads", "facebook_ads", "facebook-ads", "facebookads", "meta", "meta ads", "meta_ads", "metaads", "instagram", "ig", "insta", "threads", "messenger", "whatsapp",
		"twitter", "x", "linkedin", "linkedin ads", "linkedin_ads", "tiktok", "tiktok ads", "tiktok_ads", "tiktokads", "snapchat", "snap", "pinterest", "reddit", "reddit ads", "reddit_ads", "quora", "tumblr",
		"vk", "vkontakte", "odnoklassniki", "weibo", "wechat", "line", "telegram", "discord", "mastodon", "bluesky", "bsky", "xing", "nextdoor", "hackernews", "hacker news", "producthunt", "product hunt", "medium", "substack", "stackoverflow", "github":
		return SocialSite
	case "youtube", "youtube ads", "youtube_ads", "yt", "vimeo", "twitch", "dailymotion", "netflix", "hulu", "disneyplus", "bilibili", "rumble", "wistia", "youku", "iqiyi", "roku", "ted":
		return VideoSite
	case "amazon", "ebay", "etsy", "aliexpress", "alibaba", "walmart", "google shopping", "google_shopping", "google-shopping", "googleshopping", "idealo", "shopify", "shopzilla", "pricegrabber", "kelkoo", "mercadolibre", "mercadolivre", "rakuten", "temu", "shein", "zalando", "shopee", "lazada", "billiger", "geizhals", "guenstiger", "pricerunner", "pricespy":
		return ShoppingSite
	case "email", "e-mail", "e_mail", "e mail", "newsletter", "gmail", "mailchimp", "klaviyo", "brevo", "sendinblue", "sendgrid", "mailjet", "hubspot_email":
		return MailSite
	case "chatgpt", "openai", "perplexity", "claude", "anthropic", "gemini", "bard", "copilot", "mistral", "lechat", "deepseek", "grok", "meta ai", "meta_ai", "you", "phind", "poe":
		return AISite
	}
	return OtherSite
}

// siteByDomain knows domains, and names of apps, which are the hosts of
// android-app addresses. A domain with OtherSite is known to be none of the
// kinds although one above it is.
func siteByDomain(host string) (site Site, ok bool) {
	switch host {
	case "gemini.google.com", "bard.google.com", "aistudio.google.com", "notebooklm.google.com",
		"chatgpt.com", "chat.openai.com", "openai.com", "com.openai.chatgpt", "perplexity.ai", "ai.perplexity.app.android", "claude.ai", "anthropic.com", "com.anthropic.claude",
		"copilot.microsoft.com", "copilot.cloud.microsoft", "m365.cloud.microsoft", "com.microsoft.copilot", "edgeservices.bing.com", "com.google.android.apps.bard",
		"chat.mistral.ai", "mistral.ai", "deepseek.com", "chat.deepseek.com", "grok.com", "x.ai", "meta.ai", "you.com", "phind.com", "poe.com", "pi.ai", "character.ai", "chat.qwen.ai", "kimi.com", "kimi.moonshot.cn", "doubao.com",
		"felo.ai", "iask.ai", "andisearch.com", "komo.ai", "duck.ai", "lumo.proton.me":
		return AISite, true
	case "mail.google.com", "inbox.google.com", "com.google.android.gm", "mail.yahoo.com", "mail.yahoo.co.jp", "mail.yandex.ru", "mail.yandex.com", "mail.aol.com",
		"outlook.live.com", "outlook.office.com", "outlook.office365.com", "outlook.com", "hotmail.com", "com.microsoft.office.outlook", "com.yahoo.mobile.client.android.mail",
		"mail.proton.me", "mail.protonmail.com", "app.fastmail.com", "fastmail.com", "mail.zoho.com", "mail.zoho.eu", "deref-gmx.net", "deref-web.de", "deref-mail.com", "deref-web-02.de", "deref-1und1.de",
		"gmx.net", "gmx.de", "navigator.gmx.net", "navigator.web.de", "web.de", "e.mail.ru", "mail.naver.com", "mail.qq.com", "mail.163.com", "webmail.free.fr", "messagerie.orange.fr", "messageriepro3.orange.fr", "app.hey.com", "icloud.com",
		"list-manage.com", "campaign-archive.com", "createsend.com", "sendgrid.net", "klclick.com", "klclick1.com", "klclick2.com", "klclick3.com", "ct.sendgrid.net", "t.yesware.com", "mandrillapp.com":
		return MailSite, true
	case "google.com", "com.google.android.googlequicksearchbox", "com.google.android.apps.searchlite", "bing.com", "com.microsoft.bing", "duckduckgo.com", "com.duckduckgo.mobile.android", "ecosia.org", "com.ecosia.android",
		"qwant.com", "startpage.com", "search.brave.com", "baidu.com", "naver.com", "daum.net", "seznam.cz", "sogou.com", "so.com", "sm.cn", "haosou.com", "ask.com", "aol.com", "search.aol.com", "kagi.com", "mojeek.com", "swisscows.com", "metager.de", "metager.org",
		"dogpile.com", "webcrawler.com", "lycos.com", "excite.com", "info.com", "search.com", "searchencrypt.com", "presearch.com", "presearch.org", "gibiru.com", "yippy.com", "lilo.org", "oceanhero.today", "karmasearch.org", "coccoc.com", "rambler.ru", "nova.rambler.ru", "go.mail.ru",
		"search.goo.ne.jp", "goo.ne.jp", "biglobe.ne.jp", "search.smt.docomo.ne.jp", "docomo.ne.jp", "auone.jp", "t-online.de", "suche.t-online.de", "suche.web.de", "search.ch", "onet.pl", "szukaj.onet.pl", "virgilio.it", "ricerca.virgilio.it", "lemoteur.orange.fr", "search.orange.fr", "sapo.pt", "ya.ru", "petalsearch.com", "neeva.com", "exalead.com", "alohafind.com", "searx.be", "avira.com", "search.avast.com", "centrum.cz", "search.centrum.cz", "conduit.com", "search.conduit.com", "eniro.se", "kvasir.no", "yisou.com":
		return SearchSite, true
	case "facebook.com", "fb.com", "fb.me", "m.me", "messenger.com", "com.facebook.katana", "com.facebook.lite", "com.facebook.orca", "instagram.com", "com.instagram.android", "threads.net", "threads.com", "com.instagram.barcelona", "whatsapp.com", "wa.me", "com.whatsapp",
		"twitter.com", "x.com", "t.co", "com.twitter.android", "linkedin.com", "lnkd.in", "com.linkedin.android", "tiktok.com", "com.zhiliaoapp.musically", "com.ss.android.ugc.trill", "snapchat.com", "com.snapchat.android", "pin.it", "com.pinterest",
		"reddit.com", "redd.it", "out.reddit.com", "com.reddit.frontpage", "quora.com", "com.quora.android", "tumblr.com", "vk.com", "vk.ru", "vkontakte.ru", "com.vkontakte.android", "ok.ru", "weibo.com", "weibo.cn", "sina.com.cn", "t.cn", "wechat.com", "weixin.qq.com", "qzone.qq.com", "douban.com", "zhihu.com", "xiaohongshu.com", "kuaishou.com", "douyin.com",
		"line.me", "telegram.org", "t.me", "telegram.me", "org.telegram.messenger", "discord.com", "discord.gg", "discordapp.com", "com.discord", "slack.com", "com.slack", "teams.microsoft.com", "statics.teams.cdn.office.net", "viber.com", "skype.com",
		"mastodon.social", "mastodon.online", "mstdn.social", "fosstodon.org", "joinmastodon.org", "bsky.app", "go.bsky.app", "xyz.blueskyweb.app", "lemmy.world", "gab.com", "truthsocial.com", "parler.com", "minds.com", "mewe.com",
		"xing.com", "viadeo.com", "nextdoor.com", "meetup.com", "news.ycombinator.com", "lobste.rs", "producthunt.com", "indiehackers.com", "digg.com", "slashdot.org", "flipboard.com", "getpocket.com", "mix.com", "stumbleupon.com", "scoop.it", "medium.com", "substack.com", "stackoverflow.com", "stackexchange.com", "superuser.com", "serverfault.com", "github.com", "gist.github.com", "dev.to", "hashnode.com",
		"flickr.com", "500px.com", "deviantart.com", "behance.net", "dribbble.com", "goodreads.com", "last.fm", "livejournal.com", "myspace.com", "blogspot.com", "blogger.com", "wordpress.com", "disqus.com", "yelp.com", "tripadvisor.com", "foursquare.com", "hatena.ne.jp", "b.hatena.ne.jp", "ameblo.jp", "note.com", "mixi.jp", "kakao.com", "kakaocorp.com", "band.us", "badoo.com", "taringa.net", "skyrock.com", "linktr.ee", "lnk.bio", "beacons.ai", "bio.link", "hootsuite.com", "ow.ly", "buff.ly":
		return SocialSite, true
	case "youtube.com", "youtu.be", "youtube-nocookie.com", "com.google.android.youtube", "vimeo.com", "twitch.tv", "tv.twitch.android.app", "dailymotion.com", "dai.ly", "netflix.com", "hulu.com", "disneyplus.com", "primevideo.com", "bilibili.com", "b23.tv", "rumble.com", "odysee.com", "bitchute.com", "peertube.tv", "wistia.com", "wistia.net", "youku.com", "iqiyi.com", "v.qq.com", "nicovideo.jp", "nico.ms", "rutube.ru", "crunchyroll.com", "ted.com", "kick.com", "metacafe.com", "veoh.com", "vid.me", "loom.com", "roku.com", "crackle.com", "peacocktv.com", "max.com", "tubitv.com":
		return VideoSite, true
	case "shopping.google.com", "shopping.yahoo.com", "shopping.yahoo.co.jp", "shopping.naver.com", "etsy.com", "alibaba.com", "taobao.com", "tmall.com", "jd.com", "pinduoduo.com", "walmart.com", "target.com", "bestbuy.com", "homedepot.com", "wayfair.com", "newegg.com", "costco.com", "shop.app", "myshopify.com", "shopify.com",
		"shopzilla.com", "pricegrabber.com", "nextag.com", "bizrate.com", "pronto.com", "become.com", "pricerunner.com", "pricerunner.dk", "pricerunner.se", "pricespy.co.uk", "pricespy.co.nz", "prisjakt.nu", "prisjakt.no", "billiger.de", "geizhals.de", "geizhals.at", "guenstiger.de", "ladenzeile.de", "moebel.de", "otto.de", "bol.com", "cdiscount.com", "fnac.com", "leguide.com", "twenga.com", "twenga.fr", "ceneo.pl", "allegro.pl", "heureka.cz", "heureka.sk", "zbozi.cz", "arukereso.hu", "skroutz.gr", "trovaprezzi.it", "rakuten.com", "rakuten.co.jp", "kakaku.com", "mercari.com", "coupang.com", "gmarket.co.kr", "11st.co.kr", "flipkart.com", "myntra.com", "shein.com", "wish.com", "dealtime.com", "slickdeals.net", "mydealz.de", "dealabs.com", "hotukdeals.com", "pepper.com", "buscape.com.br", "zoom.com.br", "tokopedia.com", "bukalapak.com", "noon.com", "jumia.com", "takealot.com", "trademe.co.nz", "catch.com.au":
		return ShoppingSite, true
	case "docs.google.com", "drive.google.com", "sites.google.com", "classroom.google.com", "meet.google.com", "calendar.google.com", "groups.google.com", "accounts.google.com", "play.google.com", "translate.google.com", "tagassistant.google.com", "cloud.google.com", "developers.google.com", "support.google.com", "ads.google.com", "analytics.google.com", "pay.google.com",
		"aws.amazon.com", "pay.amazon.com", "finance.yahoo.com", "disk.yandex.ru", "metrika.yandex.ru":
		return OtherSite, true
	}
	return OtherSite, false
}
