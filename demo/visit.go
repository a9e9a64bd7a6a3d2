package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const site = "https://shop.example"

// visit is one visit being played.
type visit struct {
	shop    *Shop
	person  *person
	random  *rand.Rand
	at      time.Time
	began   time.Time
	session string
	speed   float64 // how much faster than people time passes
	channel channel
	pages   int
	actions int
	cart    []line
	events  []Event
}

type line struct {
	product  product
	quantity int
}

// play goes from the landing page as far as the visitor wants.
func (v *visit) play() {
	landing := "/"
	if v.chance(0.35) {
		landing = pick(v.random, categories).path()
	}
	v.page(landing, titleOf(landing))
	if v.chance(v.channel.bounce) {
		return
	}
	for range 1 + v.random.IntN(5) {
		v.browse()
	}
	if v.person.known == "" && v.chance(0.13*v.channel.intent) {
		v.signUp()
	}
	if len(v.cart) > 0 {
		v.buy()
	}
	if v.person.known != "" && v.person.visits > 4 && v.person.plan == "" && v.chance(0.2) {
		v.person.plan = "club"
		v.track("Club Joined", Item{"price": 29})
		v.identify()
	}
}

// browse looks at a category or a search, and at some of the products there.
func (v *visit) browse() {
	c := pick(v.random, categories)
	if v.chance(0.22) {
		words := pick(v.random, c.searches)
		v.page("/search?q="+strings.ReplaceAll(words, " ", "+"), "Search")
		v.track("Searched", Item{"query": words, "results": v.random.IntN(24)})
	} else {
		v.page(c.path(), c.name)
	}
	for range v.random.IntN(4) {
		p := pick(v.random, c.products)
		v.page("/products/"+slug(p.name), p.name)
		v.track("Product Viewed", Item{"product": p.name, "category": c.name, "price": p.price, "in_stock": v.chance(0.94)})
		want := 0.2 * v.channel.intent * v.person.device.intent
		if v.chance(want) {
			v.cart = append(v.cart, line{p, 1 + v.random.IntN(2)})
			v.track("Added to Cart", Item{"product": p.name, "category": c.name, "price": p.price, "quantity": v.cart[len(v.cart)-1].quantity, "tags": p.tags})
		}
	}
}

// buy goes through the checkout; on a phone more give up.
func (v *visit) buy() {
	if !v.chance(0.72 * v.person.device.intent) {
		return
	}
	v.page("/checkout", "Checkout")
	v.track("Checkout Started", Item{"items": len(v.cart), "value": v.total() / 100})
	if v.person.known == "" && v.chance(0.8) {
		v.signUp()
	}
	if v.person.known == "" || !v.chance(0.78) {
		return
	}
	v.shop.orders++
	id := fmt.Sprintf("order-%s-%05d", v.began.Format("0102"), v.shop.orders)
	items := make([]Item, len(v.cart))
	for i, l := range v.cart {
		items[i] = Item{
			"external_id": fmt.Sprintf("%s-%d", id, i+1), "product_external_id": slug(l.product.name), "name": l.product.name,
			"brand": l.product.brand, "price": l.product.price * 100, "quantity": l.quantity,
		}
	}
	order := Item{"external_id": id, "subtotal_price": v.total(), "total_price": v.total() + 590, "currency": "EUR", "items": items}
	if v.chance(0.15) {
		order["discount_codes"] = []string{pick(v.random, discounts)}
	}
	v.wait(20, 90)
	v.add("order", order)
	v.page("/thank-you", "Thank you")
	v.cart = nil
}

func (v *visit) total() int {
	sum := 0
	for _, l := range v.cart {
		sum += l.product.price * 100 * l.quantity
	}
	return sum
}

// signUp joins the browser's anonymous id to a known user.
func (v *visit) signUp() {
	v.page("/account/new", "Create your account")
	p := v.person
	p.known = "user-" + v.shop.id()[:8]
	v.wait(5, 40)
	v.events = append(v.events, Event{v.at, Item{
		"kind": "user_alias",
		"user_alias": Item{
			"from_user_external_id": p.anonymous, "to_user_external_id": p.known,
			"to_user_is_authenticated": true, "to_user_created_at": stamp(v.at), "created_at": stamp(v.at),
		},
	}})
	v.identify()
	v.track("Signed Up", Item{"method": pick(v.random, methods)})
}

func (v *visit) identify() {
	p := v.person
	user := v.user()
	user["updated_at"] = stamp(v.at)
	user["first_name"], user["last_name"] = p.first, p.last
	user["email"] = strings.ToLower(p.first+"."+p.last) + "@mail.example"
	user["country"], user["city"], user["language"] = p.country.code, p.country.city, p.country.language
	traits := Item{"newsletter": v.chance(0.6), "first_channel": p.channel.name}
	if p.plan != "" {
		traits["plan"] = p.plan
	}
	user["traits"] = traits
	v.events = append(v.events, Event{v.at, Item{"kind": "user", "user": user}})
}

func (v *visit) page(path, title string) {
	if v.pages > 0 {
		v.wait(4, 75)
	}
	v.pages++
	page := Item{"page_id": site + path, "title": title + " | Ridge & River"}
	if v.pages == 1 && v.channel.referrer != "" {
		page["referrer"] = v.channel.referrer
	}
	v.add("pageview", page)
}

func (v *visit) track(label string, properties Item) {
	v.wait(1, 25)
	v.actions++
	v.add("custom_event", Item{"label": label, "properties": properties})
}

// add writes an item with all that is needed to heal what may be missing.
func (v *visit) add(kind string, payload Item) {
	if _, ok := payload["external_id"]; !ok {
		payload["external_id"] = v.shop.id()
	}
	payload["created_at"] = stamp(v.at)
	c, p := v.channel, v.person
	session := Item{
		"external_id": v.session, "created_at": stamp(v.began), "updated_at": stamp(v.at), "device_external_id": p.device.name + "-" + p.anonymous[:8],
		"landing_page": site + "/", "timezone": p.country.timezone, "duration": int(v.at.Sub(v.began).Seconds()),
		"pageviews_count": v.pages, "interactions_count": v.actions + v.pages,
		"utm_source": c.source, "utm_medium": c.medium,
	}
	if c.campaign != "" {
		session["utm_campaign"] = c.campaign
	}
	if c.referrer != "" {
		session["referrer"] = c.referrer
	}
	v.events = append(v.events, Event{v.at, Item{
		"kind": kind, kind: payload, "user": v.user(), "session": session,
		"device": Item{
			"external_id": p.device.name + "-" + p.anonymous[:8], "created_at": stamp(p.created), "user_agent": p.device.agent,
			"language": p.country.language, "resolution": p.device.resolution, "ad_blocker": false,
		},
	}})
}

func (v *visit) user() Item {
	p := v.person
	id := p.anonymous
	if p.known != "" {
		id = p.known
	}
	return Item{"external_id": id, "is_authenticated": p.known != "", "created_at": stamp(p.created), "country": p.country.code, "timezone": p.country.timezone}
}

// wait lets between low and high seconds pass.
func (v *visit) wait(low, high int) {
	seconds := (float64(low) + v.random.Float64()*float64(high-low)) / v.speed
	v.at = v.at.Add(time.Duration(seconds * float64(time.Second)))
}

func (v *visit) chance(p float64) bool { return v.random.Float64() < p }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func slug(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", "-")) }
