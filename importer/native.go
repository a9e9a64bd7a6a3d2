package importer

import (
	"github.com/weirhq/weir"
)

// Limits of a request, CONTRACT §3.1. A whole request on one line is taken
// within them, as it would be by the server.
const (
	maxItems = 1000
	maxBytes = 5 << 20
)

// native takes an item as it is, or the items of a whole request. An item that
// needs an id and has none gets one of its content.
func (c *Converter) native(o object) *weir.Rejection {
	if o.get("kind") != nil {
		c.items = append(c.items, c.identified(o, c.line))
		return nil
	}
	list := o.get("items")
	if list == nil {
		return missing("kind", "The line is neither an item nor a request with items.")
	}
	var items [][]byte
	each(list, func(item []byte) { items = append(items, item) })
	switch {
	case len(items) == 0:
		return unsupported("The request has no items.")
	case len(items) > maxItems || len(list) > maxBytes:
		return unsupported("The request has more items than a request may have: at most 1,000, and 5 MB.")
	}
	for _, raw := range items {
		// What is no object goes to the server too, which says so.
		item, _ := parse(raw)
		c.line = raw
		c.items = append(c.items, c.identified(item, raw))
	}
	return nil
}

// identified is the item with an id. What else it lacks is for the server to
// say. Aliases have the pair as their id; users, sessions and devices have an id
// that nobody else can know.
func (c *Converter) identified(o object, raw []byte) []byte {
	kind := o.text("kind")
	payload := o.object(kind)
	switch weir.Kind(kind) {
	case weir.KindUser, weir.KindUserAlias, weir.KindSession, weir.KindDevice:
		payload = nil
	}
	if payload == nil || payload.text("external_id") != "" {
		return append([]byte(nil), raw...)
	}
	payload.set("external_id", quote(c.id(nil)))
	o.set(kind, payload.json())
	return o.json()
}
