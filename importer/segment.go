package importer

import (
	"math"
	"strconv"

	"github.com/weirhq/weir"
)

// segment reads a call of the Segment Spec as the S3 destinations store it.
// timestamp was corrected for the sender's clock by Segment.
func (c *Converter) segment(o object) *weir.Rejection {
	at, why := when(o, "timestamp", "originalTimestamp", "receivedAt", "sentAt")
	if why != nil {
		return why
	}
	e := event{id: c.id(o, "messageId"), at: at, user: person(o.text("userId"), o.text("anonymousId"))}
	call := o.text("type")
	if call == "alias" {
		return c.segmentAlias(o, at)
	}
	if e.user.id == "" {
		return missing("userId", "The line has neither a userId nor an anonymousId.")
	}
	context := o.object("context")
	e.properties = o.object("properties")
	e.device = segmentDevice(context, o)
	switch call {
	case "track":
		return c.segmentTrack(&e, o, context)
	case "page":
		e.kind = weir.KindPageview
		e.segmentPage(o, context.object("page"))
	case "screen":
		e.kind = weir.KindCustomEvent
		e.payload.setText("label", "screen")
		e.named(o)
	case "identify":
		e.user.describeSegment(o, context)
		c.user(&e.user, at)
		return nil
	case "group":
		key := o.text("groupId")
		if key == "" {
			return missing("groupId", "The group call has no groupId.")
		}
		c.group(e.id, at, e.user, segmentGroup, key, o.object("traits"))
		return nil
	default:
		return unsupported("There is no call of the type " + strconv.Quote(call) + "; known are track, page, screen, identify, group and alias.")
	}
	e.segmentSource(context)
	c.event(&e)
	return nil
}

// segmentGroup is the type of Segment's groups, which have none.
const segmentGroup = "company"

func (c *Converter) segmentAlias(o object, at weir.Micros) *weir.Rejection {
	from, to := textOf(o.first("previousId", "anonymousId")), o.text("userId")
	if from == "" || to == "" {
		return missing("previousId", "The alias call lacks its previousId or its userId.")
	}
	if from == to {
		return unsupported("The alias call joins an id to itself.")
	}
	c.alias(from, to, at)
	return nil
}

// segmentTrack writes the event, and an order too if it is one of the
// e-commerce specification.
func (c *Converter) segmentTrack(e *event, o, context object) *weir.Rejection {
	name := o.text("event")
	if name == "" {
		return missing("event", "The track call has no event.")
	}
	e.kind = weir.KindCustomEvent
	e.payload.setText("label", name)
	sent := e.properties
	e.segmentSource(context)
	c.event(e)
	if id := sent.text("order_id"); name == "Order Completed" && id != "" {
		order := *e
		order.kind, order.id, order.payload, order.properties = weir.KindOrder, id, segmentOrder(sent), nil
		c.event(&order)
	}
	return nil
}

// named adds what a page or screen is called to its properties.
func (e *event) named(o object) {
	e.properties.offer("name", o.get("name"))
	e.properties.offer("category", o.get("category"))
}

// segmentPage fills in a page view: what the call says goes before what its
// context says.
func (e *event) segmentPage(o, page object) {
	e.named(o)
	said := e.properties
	for _, f := range []struct{ to, from string }{{"page_id", "url"}, {"title", "title"}, {"referrer", "referrer"}} {
		value := said.first(f.from)
		if value == nil {
			value = page.first(f.from)
		}
		if isPlain(value) {
			e.payload.set(f.to, value)
		}
	}
	if e.payload.get("page_id") == nil {
		value := said.first("path", "name")
		if value == nil {
			value = page.first("path")
		}
		e.payload.set("page_id", value)
	}
	e.properties = said.without("url", "title", "referrer")
}

// segmentSource adds where an event happened and where its visit came from,
// under the names of Weir's own columns.
func (e *event) segmentSource(context object) {
	page := context.object("page")
	if e.kind != weir.KindPageview {
		e.properties.offer("$page", page.first("url"))
		e.properties.offer("$referrer", page.first("referrer"))
	}
	campaign := context.object("campaign")
	for _, f := range []struct{ to, from string }{
		{"$utm_source", "source"}, {"$utm_medium", "medium"}, {"$utm_campaign", "name"}, {"$utm_term", "term"}, {"$utm_content", "content"},
	} {
		e.properties.offer(f.to, campaign.first(f.from))
	}
}

func segmentDevice(context, o object) (device object) {
	id := context.object("device").text("id")
	if id == "" {
		id = o.text("anonymousId")
	}
	if id == "" {
		return nil
	}
	device.setText("external_id", id)
	device.set("user_agent", context.first("userAgent"))
	device.set("language", context.first("locale"))
	screen := context.object("screen")
	device.setText("resolution", resolution(screen.text("width"), screen.text("height")))
	return device
}

func resolution(width, height string) string {
	if width == "" || height == "" {
		return ""
	}
	return width + "x" + height
}

// describeSegment takes over an identify call's traits. Some senders put them into
// the context.
func (u *user) describeSegment(o, context object) {
	traits := o.object("traits")
	if len(traits) == 0 {
		traits = context.object("traits")
	}
	if created, ok := instant(traits.get("createdAt")); ok {
		u.fields.set("signed_up_at", stamp(created))
		traits = traits.without("createdAt")
	}
	if address := traits.object("address"); address != nil {
		traits = traits.without("address")
		for _, m := range address {
			traits.set("address."+m.name, m.value)
		}
	}
	u.describe(traits, segmentFields())
}

func segmentFields() []rename {
	return []rename{
		{"email", "email"}, {"firstName", "first_name"}, {"lastName", "last_name"}, {"phone", "telephone"}, {"gender", "gender"},
		{"birthday", "birthday"}, {"avatar", "photo_url"},
		{"address.street", "address_line_1"}, {"address.city", "city"}, {"address.country", "country"},
		{"address.postalCode", "postal_code"}, {"address.state", "state"},
	}
}

// segmentOrder is the order of an Order Completed event. Segment's amounts are
// in units of the currency, Weir's in hundredths.
func segmentOrder(sent object) (order object) {
	for _, f := range []struct{ to, from string }{{"subtotal_price", "subtotal"}, {"total_price", "revenue"}, {"total_price", "value"}, {"total_price", "total"}} {
		order.set(f.to, cents(sent, f.from)) // the total, if there is one, is set last
	}
	order.set("currency", sent.first("currency"))
	if coupon := sent.first("coupon"); coupon != nil {
		order.set("discount_codes", append(append([]byte{'['}, coupon...), ']'))
	}
	var items []byte
	for _, product := range elements(sent.get("products")) {
		var line object
		for _, f := range []struct{ to, from string }{
			{"product_external_id", "product_id"}, {"name", "name"}, {"sku", "sku"}, {"brand", "brand"}, {"category", "category"},
			{"variant_title", "variant"}, {"quantity", "quantity"},
		} {
			line.set(f.to, product.first(f.from))
		}
		line.set("price", cents(product, "price"))
		if len(line) > 0 {
			items = append(append(items, ','), line.json()...)
		}
	}
	if items != nil {
		items[0] = '['
		order.set("items", append(items, ']'))
	}
	return order
}

func cents(o object, name string) []byte {
	amount, ok := o.number(name)
	if !ok || math.IsNaN(amount) || math.Abs(amount) > 1e13 {
		return nil
	}
	return strconv.AppendInt(nil, int64(math.Round(amount*100)), 10)
}
