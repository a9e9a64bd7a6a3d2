package importer

import (
	"github.com/weirhq/weir"
)

// posthog reads a line of a batch export: of the events model, of the older
// form that has set, set_once and elements, or of the persons model.
func (c *Converter) posthog(o object) *weir.Rejection {
	name := o.text("event")
	if name == "" && o.get("person_id") != nil && o.get("distinct_id") != nil {
		return c.posthogPerson(o)
	}
	if name == "" {
		return missing("event", "The line has no event.")
	}
	at, why := when(o, "timestamp", "created_at")
	if why != nil {
		return why
	}
	p := o.object("properties")
	e := event{kind: weir.KindCustomEvent, id: c.id(o, "uuid"), at: at}
	e.user = posthogUser(o, p)
	if e.user.id == "" {
		return missing("distinct_id", "The event has no distinct_id.")
	}
	switch name {
	case "$identify":
		return c.posthogIdentify(&e, p)
	case "$set":
		c.user(&e.user, at)
		return nil
	case "$create_alias", "$merge_dangerously":
		return c.posthogAlias(name, &e, p)
	case "$groupidentify":
		return c.posthogGroup(&e, p)
	}
	e.properties = posthogProperties(o, p)
	switch name {
	case "$pageview":
		e.kind = weir.KindPageview
		e.move("page_id", "$current_url", "$pathname")
		e.move("title", "title", "$title")
		e.move("referrer", "$referrer")
	case "$screen":
		e.payload.setText("label", "screen")
		e.properties.offer("name", p.first("$screen_name"))
	default:
		e.payload.setText("label", name)
		if happensByItself(name) {
			e.payload.set("non_interactive", []byte("true"))
		}
	}
	if e.kind == weir.KindCustomEvent {
		e.properties.offer("$page", p.first("$current_url"))
	}
	e.posthogContext(p)
	c.event(&e)
	return nil
}

// happensByItself names events that a visitor does nothing for.
func happensByItself(name string) bool {
	return name == "$pageleave" || name == "$web_vitals" || name == "$feature_flag_called"
}

// posthogUser is who did an event, with the person's properties at that time.
// Only those are exact: what $set_once says counts only if it was the first,
// which a line by itself does not show, so it is not taken for a trait.
func posthogUser(o, p object) user {
	id := o.first("distinct_id")
	if id == nil {
		id = p.first("distinct_id")
	}
	u := user{id: textOf(id)}
	switch string(p.get("$is_identified")) {
	case "true":
		u.known = yes
	case "false":
		u.known = no
	}
	traits := o.object("person_properties")
	if traits == nil {
		traits = p.object("$set")
		for _, name := range []string{"$set", "set"} {
			for _, m := range o.object(name) {
				traits.set(m.name, m.value)
			}
		}
	}
	u.describe(traits, posthogFields())
	for _, m := range p.object("$groups") {
		u.traits.set("$group_"+m.name, m.value)
	}
	return u
}

func posthogFields() []rename {
	return []rename{{"email", "email"}, {"$geoip_country_code", "country"}, {"$geoip_city_name", "city"}, {"$geoip_time_zone", "timezone"}}
}

// posthogProperties are what remains of an event's properties.
func posthogProperties(o, p object) object {
	properties := p.without("distinct_id", "token", "$set", "$set_once", "$session_id", "$groups")
	if string(p.get("$referrer")) == `"$direct"` {
		properties = properties.without("$referrer", "$referring_domain") // says that there was none
	}
	if chain := o.text("elements_chain"); chain != "" {
		properties.offer("$elements_chain", quote(chain))
	}
	properties.offer("$country", p.first("$geoip_country_code"))
	properties.offer("$city", p.first("$geoip_city_name"))
	return properties
}

// posthogContext adds the session and the device.
func (e *event) posthogContext(p object) {
	device := p.text("$device_id")
	if device != "" {
		e.device.setText("external_id", device)
		e.device.set("user_agent", p.first("$raw_user_agent"))
		e.device.set("language", p.first("$browser_language"))
		e.device.setText("resolution", resolution(p.text("$screen_width"), p.text("$screen_height")))
	}
	session := p.text("$session_id")
	if session == "" {
		return
	}
	e.session.setText("external_id", session)
	e.session.setText("device_external_id", device)
	entry := "$session_entry_"
	if p.first(entry+"url") == nil {
		entry = "" // an older SDK: what the event itself says is the best there is
	} else {
		e.session.set("landing_page", p.first(entry+"url"))
	}
	referrer := p.first("$session_entry_referrer")
	if entry == "" {
		referrer = p.first("$referrer")
	}
	if string(referrer) != `"$direct"` {
		e.session.set("referrer", referrer)
	}
	for _, name := range []string{"utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"} {
		e.session.set(name, p.first(entry+name))
	}
}

func (c *Converter) posthogIdentify(e *event, p object) *weir.Rejection {
	e.user.known = yes
	c.user(&e.user, e.at)
	if anonymous := p.text("$anon_distinct_id"); anonymous != "" && anonymous != e.user.id {
		c.alias(anonymous, e.user.id, e.at)
	}
	return nil
}

// posthogAlias joins the two ids of an alias. The alias is the anonymous one,
// unless the line says that the user was anonymous.
func (c *Converter) posthogAlias(name string, e *event, p object) *weir.Rejection {
	from, to := p.text("alias"), e.user.id
	if from == "" || from == to {
		return missing("properties.alias", "The event lacks another id than its distinct_id.")
	}
	switch {
	case name == "$merge_dangerously":
		c.merge(e.id, from, to, e.at)
	case e.user.known == no:
		c.alias(to, from, e.at)
	default:
		c.alias(from, to, e.at)
	}
	return nil
}

// posthogGroup reads what is said of a group. PostHog's servers' SDKs say it on
// behalf of nobody, in which case Weir, where groups are known by their
// members, has no place for it.
func (c *Converter) posthogGroup(e *event, p object) *weir.Rejection {
	kind, key := p.text("$group_type"), p.text("$group_key")
	if kind == "" || key == "" {
		return missing("properties.$group_key", "The event lacks its $group_type or its $group_key.")
	}
	if e.user.id == "$"+kind+"_"+key {
		return unsupported("This says something of a group and names no user of it.")
	}
	u := user{id: e.user.id, known: e.user.known}
	c.group(e.id, e.at, u, kind, key, p.object("$group_set"))
	return nil
}

// posthogPerson reads a line of the persons model: one id of a person, with the
// latest properties.
func (c *Converter) posthogPerson(o object) *weir.Rejection {
	at, why := when(o, "_inserted_at", "created_at")
	if why != nil {
		return why
	}
	u := user{id: o.text("distinct_id")}
	if u.id == "" {
		return missing("distinct_id", "The person has no distinct_id.")
	}
	if string(o.get("is_deleted")) == "true" {
		return unsupported("The person was deleted.")
	}
	if created, ok := instant(o.get("created_at")); ok && created <= at {
		u.created = created
	}
	u.describe(o.object("properties"), posthogFields())
	c.user(&u, at)
	return nil
}
