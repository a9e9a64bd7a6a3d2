package importer

import (
	"strings"

	"github.com/weirhq/weir"
)

// mixpanel reads a line of the raw event export, or a profile.
//
// The export gives an event of a person whose ids were merged the person's
// distinct_id, and the one that it was sent with as $distinct_id_before_identity.
func (c *Converter) mixpanel(o object) *weir.Rejection {
	if o.get("$distinct_id") != nil && o.get("event") == nil {
		return c.mixpanelProfile(o)
	}
	name := o.text("event")
	if name == "" {
		return missing("event", "The line has no event.")
	}
	p := o.object("properties")
	at, why := when(p, "time", "$time")
	if why != nil {
		why.Field = "properties." + why.Field
		return why
	}
	id := c.id(p, "$insert_id")
	switch name {
	case "$identify":
		return c.mixpanelIdentify(p, at)
	case "$create_alias":
		return c.mixpanelAlias(p, at)
	case "$merge":
		return c.mixpanelMerge(id, p, at)
	}
	e := event{kind: weir.KindCustomEvent, id: id, at: at, user: mixpanelPerson(p)}
	if e.user.id == "" {
		return missing("properties.distinct_id", "The event has no distinct_id.")
	}
	e.properties = p.without("time", "$time", "distinct_id", "$insert_id", "token")
	if name == "$mp_web_page_view" {
		e.kind = weir.KindPageview
		e.move("page_id", "$current_url", "current_url")
		e.move("title", "current_page_title")
		e.move("referrer", "$referrer")
	} else {
		e.payload.setText("label", name)
		e.properties.offer("$page", p.first("$current_url"))
	}
	e.properties.offer("$country", p.first("mp_country_code"))
	c.event(&e)
	return nil
}

// move makes the first of some properties that is there a field of the payload.
func (e *event) move(to string, from ...string) {
	for _, name := range from {
		if value := e.properties.first(name); isPlain(value) {
			e.payload.set(to, value)
			e.properties = e.properties.without(name)
			return
		}
	}
}

// mixpanelPerson is who did an event. $user_id is what a program has said that
// the user is; without it, it is not said whether distinct_id is known.
func mixpanelPerson(p object) user {
	distinct, known, before := p.text("distinct_id"), p.text("$user_id"), p.text("$distinct_id_before_identity")
	switch {
	case known != "" && distinct != "" && distinct != known:
		return person(known, distinct)
	case known != "" && before != "" && before != known:
		return person(known, before)
	case known != "":
		return person(known, mixpanelDevice(p))
	case before != "" && before != distinct:
		return person(distinct, before)
	case isMixpanelDevice(distinct):
		return person("", distinct)
	}
	return user{id: distinct}
}

// mixpanelDevice is the distinct_id of events of a device before anybody
// signed in on it.
func mixpanelDevice(p object) string {
	id := p.text("$device_id")
	if id == "" || isMixpanelDevice(id) {
		return id
	}
	return "$device:" + id
}

func isMixpanelDevice(id string) bool { return strings.HasPrefix(id, "$device:") }

func (c *Converter) mixpanelIdentify(p object, at weir.Micros) *weir.Rejection {
	known := textOf(p.first("$identified_id", "$user_id", "distinct_id"))
	anonymous := textOf(p.first("$anon_distinct_id", "$anon_id"))
	if anonymous == "" {
		anonymous = mixpanelDevice(p)
	}
	if known == "" {
		return missing("properties.$identified_id", "The event does not say who was identified.")
	}
	if anonymous == "" || anonymous == known {
		u := person(known, "")
		c.user(&u, at)
		return nil
	}
	c.alias(anonymous, known, at)
	return nil
}

// mixpanelAlias joins the two ids of $create_alias. SDKs disagree on which is
// which; if one of them looks like that of a device, it is the anonymous one.
func (c *Converter) mixpanelAlias(p object, at weir.Micros) *weir.Rejection {
	from, to := p.text("alias"), p.text("distinct_id")
	if from == "" || to == "" || from == to {
		return missing("properties.alias", "The event lacks two different ids, alias and distinct_id.")
	}
	if looksAnonymous(to) && !looksAnonymous(from) {
		from, to = to, from
	}
	c.alias(from, to, at)
	return nil
}

// looksAnonymous recognises what SDKs make up: $device:…, a UUID, and the five
// groups of hexadecimal digits of Mixpanel's older cookies.
func looksAnonymous(id string) bool {
	return isMixpanelDevice(id) ||
		len(id) >= 32 && strings.Count(id, "-") == 4 && strings.Trim(id, "0123456789abcdefABCDEF-") == ""
}

// mixpanelMerge joins the ids of $merge, which may all be known.
func (c *Converter) mixpanelMerge(id string, p object, at weir.Micros) *weir.Rejection {
	ids := texts(p.get("$distinct_ids"))
	if len(ids) != 2 || ids[0] == "" || ids[1] == "" || ids[0] == ids[1] {
		return missing("properties.$distinct_ids", "The event does not name two different ids.")
	}
	c.merge(id, ids[0], ids[1], at)
	return nil
}

// mixpanelProfile reads a profile as the Engage API exports it.
func (c *Converter) mixpanelProfile(o object) *weir.Rejection {
	p := o.object("$properties")
	at, why := when(p, "$last_seen", "$created")
	if why != nil {
		why.Field = "$properties." + why.Field
		return why
	}
	u := user{id: o.text("$distinct_id")}
	if u.id == "" {
		return missing("$distinct_id", "The profile does not say whose it is.")
	}
	if isMixpanelDevice(u.id) {
		u.known = no
	}
	traits := p.without("$last_seen", "$created")
	if created, ok := instant(p.get("$created")); ok && created <= at {
		u.created = created
		u.fields.set("signed_up_at", stamp(created))
	}
	u.describe(traits, []rename{
		{"$email", "email"}, {"$first_name", "first_name"}, {"$last_name", "last_name"}, {"$phone", "telephone"}, {"$avatar", "photo_url"},
		{"$city", "city"}, {"$region", "region"}, {"$country_code", "country"}, {"$timezone", "timezone"},
	})
	c.user(&u, at)
	return nil
}
