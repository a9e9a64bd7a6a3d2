package importer

import (
	"github.com/weirhq/weir"
	"github.com/weirhq/weir/item"
)

// event is an item with the context that it carries, before it is written.
type event struct {
	kind       weir.Kind
	id         string
	at         weir.Micros
	payload    object // the kind's own fields, beside id, time and properties
	properties object
	user       user
	session    object
	device     object
}

// user is whom a line speaks of.
type user struct {
	id        string
	known     truth
	anonymous string      // the id that they had before they were known, or ""
	created   weir.Micros // when they were first seen, or zero
	fields    object      // those that Weir has a name for
	traits    object      // the others
}

// truth may be unsaid.
type truth uint8

const (
	unsaid truth = iota
	yes
	no
)

// person is the user of a known id, an anonymous one, or both.
func person(known, anonymous string) user {
	switch {
	case known == "":
		return user{id: anonymous, known: no}
	case known == anonymous:
		return user{id: known, known: yes}
	}
	return user{id: known, known: yes, anonymous: anonymous}
}

// part is the user as the context of an item.
func (u *user) part(traits bool) object {
	var o object
	o.setText("external_id", u.id)
	switch u.known {
	case yes:
		o.set("is_authenticated", []byte("true"))
	case no:
		o.set("is_authenticated", []byte("false"))
	}
	if u.created != 0 {
		o.set("created_at", stamp(u.created))
	}
	if traits {
		o = append(o, u.fields...)
		o.setObject("traits", u.traits)
	}
	return o
}

// describe gives the user traits. Those that Weir has a field for go there,
// unless the value cannot be one.
func (u *user) describe(traits object, fields []rename) {
	for _, m := range traits {
		if string(m.value) == "null" {
			continue // exports write null for what was never set
		}
		if to := renamed(fields, m.name); to != "" && isPlain(m.value) {
			u.fields.set(to, m.value)
			continue
		}
		u.traits.set(m.name, m.value)
	}
}

// rename says which field a trait is.
type rename struct{ from, to string }

func renamed(list []rename, name string) string {
	for _, r := range list {
		if r.from == name {
			return r.to
		}
	}
	return ""
}

// event writes an event, and the alias of the two ids of its user. What is
// known of the user goes into an item of its own if the event would become too
// large with it.
func (c *Converter) event(e *event) {
	c.join(e.user.anonymous, e.user.id, e.at)
	raw := e.json(true)
	if len(e.user.fields)+len(e.user.traits) > 0 {
		if _, why := item.Check(raw, item.Limits{}); why != nil && (why.Code == "item_too_large" || why.Code == "too_many_properties") {
			raw = e.json(false)
			c.user(&e.user, e.at)
		}
	}
	c.items = append(c.items, raw)
}

func (e *event) json(traits bool) []byte {
	payload := object{{"external_id", quote(e.id)}, {"created_at", stamp(e.at)}}
	payload = append(payload, e.payload...)
	payload.setObject("properties", e.properties)
	o := object{{"kind", quote(string(e.kind))}}
	o.set(string(e.kind), payload.json())
	o.set("user", e.user.part(traits).json())
	o.setObject("session", e.session)
	o.setObject("device", e.device)
	return o.json()
}

// user writes what is said of a user at a time, and the alias of their two ids.
func (c *Converter) user(u *user, at weir.Micros) {
	c.join(u.anonymous, u.id, at)
	part := u.part(true)
	if u.created != 0 {
		part.set("updated_at", stamp(at))
	}
	part.offer("created_at", stamp(at))
	c.items = append(c.items, object{{"kind", quote("user")}, {"user", part.json()}}.json())
}

// join writes the alias of the ids that a line carries beside what it is about,
// unless an earlier line had them with no later time.
func (c *Converter) join(from, to string, at weir.Micros) {
	if from == "" || to == "" || from == to {
		return
	}
	if before, ok := c.joined[pair{from, to}]; ok && before <= at {
		return
	}
	if len(c.joined) >= maxJoined {
		clear(c.joined)
	}
	c.joined[pair{from, to}] = at
	c.alias(from, to, at)
}

// alias writes that an anonymous id is a known user's.
func (c *Converter) alias(from, to string, at weir.Micros) {
	// The item has no id of its own: then the pair is its id.
	alias := object{
		{"from_user_external_id", quote(from)}, {"to_user_external_id", quote(to)},
		{"to_user_is_authenticated", []byte("true")}, {"created_at", stamp(at)},
	}
	c.items = append(c.items, object{{"kind", quote("user_alias")}, {"user_alias", alias.json()}}.json())
}

// merge writes that two ids are one person's, known ones too.
func (c *Converter) merge(id, from, to string, at weir.Micros) {
	merge := object{
		{"external_id", quote(id)}, {"created_at", stamp(at)},
		{"from_user_external_id", quote(from)}, {"to_user_external_id", quote(to)},
	}
	c.items = append(c.items, object{{"kind", quote("identity_merge")}, {"identity_merge", merge.json()}}.json())
}

// group writes that a user belongs to a group, and what is said of it.
func (c *Converter) group(id string, at weir.Micros, u user, kind, key string, traits object) {
	payload := object{{"group_type", quote(kind)}, {"group_external_id", quote(key)}}
	if name := traits.get("name"); isPlain(name) {
		payload.set("name", name)
		traits = traits.without("name")
	}
	payload.setObject("traits", traits)
	c.event(&event{kind: weir.KindGroup, id: id, at: at, payload: payload, user: u})
}

func stamp(at weir.Micros) []byte { return quote(at.String()) }
