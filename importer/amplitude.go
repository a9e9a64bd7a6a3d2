package importer

import (
	"github.com/weirhq/weir"
)

// amplitude reads an event of the Export API. event_time is in UTC and was
// corrected for the sender's clock by Amplitude.
func (c *Converter) amplitude(o object) *weir.Rejection {
	name := o.text("event_type")
	if name == "" {
		if o.get("merged_amplitude_id") != nil {
			return unsupported("This joins two of Amplitude's own ids, which no event is known by here.")
		}
		return missing("event_type", "The line has no event_type.")
	}
	at, why := when(o, "event_time", "client_event_time", "server_received_time")
	if why != nil {
		return why
	}
	e := event{kind: weir.KindCustomEvent, id: c.id(o, "uuid", "$insert_id"), at: at}
	e.user = person(o.text("user_id"), o.text("device_id"))
	if e.user.id == "" {
		return missing("user_id", "The event has neither a user_id nor a device_id.")
	}
	e.amplitudeTraits(o)
	switch name {
	case "$identify":
		c.user(&e.user, at)
		return nil
	case "$groupidentify":
		return c.amplitudeGroups(&e, o)
	}
	e.properties = o.object("event_properties")
	if name == "[Amplitude] Page Viewed" {
		e.kind = weir.KindPageview
		e.move("page_id", "[Amplitude] Page Location", "[Amplitude] Page URL", "[Amplitude] Page Path")
		e.move("title", "[Amplitude] Page Title")
		e.move("referrer", "referrer")
	} else {
		e.payload.setText("label", name)
		e.properties.offer("$page", e.properties.first("[Amplitude] Page Location", "[Amplitude] Page URL"))
		if name == "session_start" || name == "session_end" {
			e.payload.set("non_interactive", []byte("true"))
		}
	}
	e.amplitudeContext(o)
	c.event(&e)
	return nil
}

// amplitudeTraits are what Amplitude knew of the user after the event. Where
// the operations themselves were exported, only what they set is certain.
func (e *event) amplitudeTraits(o object) {
	traits := o.object("user_properties")
	if set := traits.object("$set"); set != nil {
		traits = set
	}
	for _, m := range traits {
		if string(m.value) == `"EMPTY"` {
			continue // Amplitude's word for "never set"
		}
		e.user.describe(object{m}, []rename{{"email", "email"}})
	}
	for _, m := range o.object("groups") {
		value := m.value
		if list := texts(value); len(list) == 1 {
			value = quote(list[0])
		}
		e.user.traits.set("$group_"+m.name, value)
	}
	if created, ok := instant(o.get("user_creation_time")); ok {
		e.user.created = created
	}
}

// amplitudeContext adds the session, the device, and what Amplitude found out.
// A session's id is when it began, which sessions of two devices may share.
func (e *event) amplitudeContext(o object) {
	device := o.text("device_id")
	if device != "" {
		e.device.setText("external_id", device)
		e.device.set("language", o.first("language"))
	}
	if id := o.text("session_id"); device != "" && id != "" && id != "-1" {
		e.session.setText("external_id", device+"-"+id)
		e.session.setText("device_external_id", device)
		if began, ok := instant([]byte(id)); ok && began <= e.at {
			e.session.set("created_at", stamp(began))
		}
		for _, name := range []string{"utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"} {
			e.session.set(name, o.object("event_properties").first(name))
		}
	}
	system, version := "$os", "$os_version"
	if o.text("platform") == "Web" { // Amplitude then calls the browser the system
		system, version = "$browser", "$browser_version"
		e.properties.offer("$os", o.first("device_family"))
	}
	for _, f := range []struct{ to, from string }{
		{system, "os_name"}, {version, "os_version"},
		{"$country", "country"}, {"$region", "region"}, {"$city", "city"}, {"$ip", "ip_address"},
		{"platform", "platform"}, {"library", "library"}, {"version_name", "version_name"},
		{"device_type", "device_type"}, {"device_model", "device_model"}, {"device_manufacturer", "device_manufacturer"},
		{"device_brand", "device_brand"}, {"device_carrier", "device_carrier"},
	} {
		e.properties.offer(f.to, o.first(f.from))
	}
}

// amplitudeGroups reads what is said of the groups that an event names.
func (c *Converter) amplitudeGroups(e *event, o object) *weir.Rejection {
	traits := o.object("group_properties")
	if set := traits.object("$set"); set != nil {
		traits = set
	}
	u := user{id: e.user.id, known: e.user.known}
	made := 0
	for _, group := range o.object("groups") {
		keys := texts(group.value)
		if len(keys) == 0 {
			keys = []string{textOf(group.value)}
		}
		for _, key := range keys {
			if key == "" || group.name == "" {
				continue
			}
			id := e.id
			if made > 0 {
				id += "-" + group.name + "-" + key // an item each
			}
			c.group(id, e.at, u, group.name, key, traits)
			made++
		}
	}
	if made == 0 {
		return missing("groups", "The event says something of a group and does not name it.")
	}
	return nil
}
