package demo

import "strings"

// The people, places and goods of the shop. Weights are made up; they are such
// that questions about them have answers worth seeing.

type country struct{ code, city, language, timezone string }

var countries = []weighted[country]{
	{30, country{"FR", "Lyon", "fr-FR", "Europe/Paris"}},
	{24, country{"DE", "Munich", "de-DE", "Europe/Berlin"}},
	{14, country{"GB", "Leeds", "en-GB", "Europe/London"}},
	{10, country{"US", "Denver", "en-US", "America/Denver"}},
	{7, country{"CH", "Bern", "de-CH", "Europe/Zurich"}},
	{6, country{"ES", "Bilbao", "es-ES", "Europe/Madrid"}},
	{5, country{"IT", "Turin", "it-IT", "Europe/Rome"}},
	{4, country{"NO", "Oslo", "nb-NO", "Europe/Oslo"}},
}

// device is what somebody browses with; intent says how readily they buy on it.
type device struct {
	name, resolution, agent string
	intent                  float64
}

var devices = []weighted[device]{
	{27, device{"iphone", "390x844", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1", 0.8}},
	{24, device{"android", "412x915", "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36", 0.68}},
	{22, device{"windows", "1920x1080", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", 1.1}},
	{12, device{"mac", "1728x1117", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", 1.25}},
	{7, device{"firefox", "1536x864", "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0", 1.0}},
	{5, device{"edge", "1536x864", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", 1.0}},
	{3, device{"ipad", "820x1180", "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1", 1.05}},
}

// channel is what brings somebody; intent says how much they want to buy, bounce
// how many leave at once.
type channel struct {
	name, source, medium, campaign, referrer string
	intent, bounce                           float64
}

var (
	direct = channel{"direct", "direct", "none", "", "", 1.15, 0.3}
	email  = channel{"email", "newsletter", "email", "autumn-trails", "", 1.5, 0.22}
	search = channel{"organic search", "google", "organic", "", "https://www.google.com/", 1.05, 0.38}
)

var channels = []weighted[channel]{
	{31, search},
	{19, direct},
	{14, channel{"paid search", "google", "cpc", "brand-jackets", "https://www.google.com/", 1.3, 0.34}},
	{12, channel{"paid social", "instagram", "paid_social", "summit-season", "https://l.instagram.com/", 0.55, 0.58}},
	{8, channel{"organic social", "reddit", "social", "", "https://www.reddit.com/r/hiking", 0.7, 0.47}},
	{7, channel{"affiliates", "trailguide", "affiliate", "gear-test", "https://trailguide.example/gear", 1.2, 0.33}},
	{5, channel{"referral", "alpineclub", "referral", "", "https://alpineclub.example/", 0.9, 0.4}},
	{4, channel{"AI assistants", "assistant", "referral", "", "https://assistant.example/", 1.35, 0.25}},
}

// returning is what brings somebody back.
var returning = []weighted[channel]{{58, direct}, {24, email}, {18, search}}

type product struct {
	name, brand string
	price       int // in whole euros
	tags        []string
}

type category struct {
	name     string
	products []weighted[product]
	searches []weighted[string]
}

func (c category) path() string { return "/c/" + slug(c.name) }

func titleOf(path string) string {
	if path == "/" {
		return "Gear for high places"
	}
	return strings.TrimPrefix(path, "/c/")
}

var categories = byPopularity(
	category{"Jackets", byPopularity(
		product{"Storm Shell", "Fjellrev", 289, []string{"rain", "alpine"}}, product{"Down Light", "Nordal", 219, []string{"warm"}},
		product{"Wind Breaker", "Kestrel", 99, []string{"light", "run"}}, product{"Winter Parka", "Nordal", 349, []string{"warm", "city"}},
	), byPopularity("rain jacket", "down jacket", "windbreaker women")},
	category{"Shoes", byPopularity(
		product{"Ridge Runner", "Kestrel", 149, []string{"run"}}, product{"Granite Boot", "Molina", 239, []string{"alpine"}},
		product{"Camp Slipper", "Nordal", 59, []string{"warm", "light"}}, product{"Approach Low", "Molina", 169, []string{"climb"}},
	), byPopularity("trail running shoes", "hiking boots wide", "approach shoes")},
	category{"Packs", byPopularity(
		product{"Day Pack 22", "Kestrel", 89, []string{"light"}}, product{"Trek Pack 55", "Fjellrev", 229, []string{"trek"}},
		product{"Running Vest 8", "Kestrel", 119, []string{"run", "light"}},
	), byPopularity("backpack 55l", "running vest")},
	category{"Tents", byPopularity(
		product{"Solo Tent", "Fjellrev", 399, []string{"trek", "light"}}, product{"Family Dome", "Camperra", 529, []string{"camp"}},
		product{"Tarp 3x3", "Camperra", 79, []string{"camp", "light"}},
	), byPopularity("one person tent", "tarp")},
	category{"Kitchen", byPopularity(
		product{"Gas Stove", "Camperra", 49, []string{"camp"}}, product{"Titanium Mug", "Molina", 35, []string{"light"}},
		product{"Cook Set", "Camperra", 69, []string{"camp"}}, product{"Water Filter", "Nordal", 45, []string{"trek"}},
	), byPopularity("camping stove", "water filter")},
)

var (
	discounts  = byPopularity("TRAIL10", "WELCOME", "CLUB15")
	methods    = byPopularity("email", "google", "apple")
	firstNames = byPopularity("Ann", "Louis", "Emma", "Jonas", "Chloe", "Lukas", "Maya", "Hugo", "Ines", "Oskar", "Zoe", "Marco", "Ida", "Theo", "Nora", "Elias", "Lea", "Sam")
	lastNames  = byPopularity("Martin", "Keller", "Bernard", "Schmidt", "Wood", "Garcia", "Rossi", "Hansen", "Moreau", "Fischer", "Clark", "Dubois", "Weber", "Lund", "Petit", "Baker")
)

// weekly and hours say when people visit: more at the week's end, most in the
// evening (UTC).
var weekly = [7]float64{1.22, 0.94, 0.9, 0.92, 0.96, 1.0, 1.14}

var hours = []weighted[int]{
	{9, 0}, {5, 1}, {3, 2}, {2, 3}, {3, 4}, {7, 5}, {16, 6}, {27, 7}, {34, 8}, {38, 9}, {41, 10}, {45, 11},
	{47, 12}, {43, 13}, {42, 14}, {44, 15}, {50, 16}, {60, 17}, {70, 18}, {78, 19}, {72, 20}, {52, 21}, {32, 22}, {18, 23},
}
