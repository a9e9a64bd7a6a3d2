package item

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

var kinds = []weir.Kind{
	weir.KindUser, weir.KindUserAlias, weir.KindDevice, weir.KindSession, weir.KindPageview, weir.KindCustomEvent,
	weir.KindCart, weir.KindOrder, weir.KindPostview, weir.KindGroup, weir.KindSubscriptionList, weir.KindMessage,
}

func kindNames() []string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return names
}

func known(kind weir.Kind) bool {
	return slices.Contains(kinds, kind) || strings.HasPrefix(string(kind), "app_")
}

// payload reads what the item says of itself.
func (r *reader) payload(o *object) *weir.Rejection {
	part, rejection := r.part(o, true)
	if rejection != nil {
		return rejection
	}
	item := r.item
	item.ID, item.CreatedAt, item.UpdatedAt = part.ID, part.CreatedAt, part.UpdatedAt
	if item.CreatedAt == 0 {
		return &weir.Rejection{Code: "missing_field", Field: o.name + ".created_at", Message: "Say when it happened: created_at is required, an RFC 3339 time."}
	}
	switch item.Kind {
	case weir.KindUser:
		item.User = part
		return nil
	case weir.KindSession:
		item.Session = part
		return nil
	case weir.KindDevice:
		item.Device = part
		return nil
	case weir.KindCustomEvent:
		return r.customEvent(part)
	}
	item.Fields = part.Fields
	return nil
}

// customEvent takes the label out and lifts the members of `properties` beside
// the payload's own fields, which win over them.
func (r *reader) customEvent(part *weir.Part) *weir.Rejection {
	label := weir.Value{}
	for _, f := range part.Fields {
		if f.Name == "label" {
			label = f.Value
		}
	}
	text, problem := cleanID(label)
	if problem != "" {
		return &weir.Rejection{Code: "invalid_field", Field: "custom_event.label", Message: "The event's name, label, " + problem + "."}
	}
	r.item.Label = text
	part.Fields = slices.DeleteFunc(part.Fields, func(p weir.Property) bool { return p.Name == "label" })
	r.item.Fields = r.lift(part.Fields, "custom_event", "properties")
	return nil
}

// context reads the user, session and device that the item carries beside its
// payload. Only the user is required.
func (r *reader) context() *weir.Rejection {
	item := r.item
	if item.User == nil {
		o := r.object("user")
		if o == nil {
			return &weir.Rejection{Code: "missing_field", Field: "user.external_id", Message: "Say who did it: every item carries \"user\": {\"external_id\": …}."}
		}
		user, rejection := r.part(o, false)
		if rejection != nil {
			return rejection
		}
		if user.ID == "" {
			return &weir.Rejection{Code: "missing_field", Field: "user.external_id", Message: "Say who did it: user.external_id is required."}
		}
		item.User = user
	}
	if item.Session == nil {
		item.Session = r.optional("session")
	}
	if item.Device == nil {
		item.Device = r.optional("device")
	}
	item.User.Fields = r.lift(item.User.Fields, "user", "traits")
	return nil
}

// optional reads a context object; one without an id is set aside.
func (r *reader) optional(name string) *weir.Part {
	o := r.object(name)
	if o == nil {
		return nil
	}
	part, rejection := r.part(o, false)
	if rejection != nil || part.ID == "" {
		r.warn(name, "The "+name+" has no external_id that can be read and was left out.")
		return nil
	}
	return part
}

// part reads an object's id and times. What cannot be read is a rejection if
// strict, and else a warning.
func (r *reader) part(o *object, strict bool) (*weir.Part, *weir.Rejection) {
	part := &weir.Part{}
	kept := o.fields[:0]
	for _, f := range o.fields {
		var problem string
		switch {
		case f.Name == "external_id":
			part.ID, problem = cleanID(f.Value)
		case f.Name == "created_at":
			part.CreatedAt, problem = cleanTime(f.Value)
		case f.Name == "updated_at":
			part.UpdatedAt, problem = cleanTime(f.Value)
		case f.Name == "is_authenticated" && o.name == "user":
			if f.Value.Type == weir.Bool {
				said := f.Value.Bool
				part.Authenticated = &said
			} else if f.Value.Type != weir.Null {
				r.warn("user.is_authenticated", "It must be true or false.")
			}
		case f.Name == "device_external_id" && o.name == "session":
			part.DeviceID, _ = cleanID(f.Value)
		default:
			kept = append(kept, f)
		}
		if problem == "" {
			continue
		}
		message := fmt.Sprintf("%s %s.", f.Name, problem)
		if strict {
			return nil, &weir.Rejection{Code: "invalid_field", Field: o.name + "." + f.Name, Message: message}
		}
		r.warn(o.name+"."+f.Name, message)
	}
	if strict && part.ID == "" {
		return nil, &weir.Rejection{Code: "missing_field", Field: o.name + ".external_id", Message: "Give the item an id of its own, external_id, so that a resend is recognised."}
	}
	part.Fields = sorted(kept)
	return part, nil
}

// alias reads a user_alias. Its senders give it no id and no time: the pair of
// users is its identity.
func (r *reader) alias(o *object) *weir.Rejection {
	alias := &weir.Alias{}
	for _, f := range o.fields {
		var problem string
		switch f.Name {
		case "from_user_external_id":
			alias.From, problem = cleanID(f.Value)
		case "to_user_external_id":
			alias.To, problem = cleanID(f.Value)
		case "to_user_is_authenticated":
			alias.ToAuthenticated = f.Value.Type == weir.Bool && f.Value.Bool
		case "to_user_created_at":
			if alias.ToCreatedAt, problem = cleanTime(f.Value); problem != "" {
				r.warn("user_alias."+f.Name, f.Name+" "+problem+".")
				problem = ""
			}
		case "external_id":
			r.item.ID, problem = cleanID(f.Value)
		case "created_at":
			r.item.CreatedAt, problem = cleanTime(f.Value)
		case "updated_at":
			r.item.UpdatedAt, problem = cleanTime(f.Value)
		}
		if problem != "" {
			return &weir.Rejection{Code: "invalid_field", Field: "user_alias." + f.Name, Message: fmt.Sprintf("%s %s.", f.Name, problem)}
		}
	}
	if alias.From == "" {
		return &weir.Rejection{Code: "missing_field", Field: "user_alias.from_user_external_id", Message: "Say which id is another's: from_user_external_id is required."}
	}
	if alias.To == "" {
		return &weir.Rejection{Code: "missing_field", Field: "user_alias.to_user_external_id", Message: "Say whose id it is: to_user_external_id is required."}
	}
	if r.item.ID == "" {
		r.item.ID = alias.From + " " + alias.To
	}
	r.item.Alias = alias
	r.item.Device = r.optional("device")
	r.item.Session = r.optional("session")
	return nil
}

// lift replaces a field that holds an object by the object's members. A member
// that has the name of another field is left out with a warning.
func (r *reader) lift(fields []weir.Property, object, name string) []weir.Property {
	i := slices.IndexFunc(fields, func(p weir.Property) bool { return p.Name == name })
	if i < 0 || fields[i].Value.Type != weir.JSON || fields[i].Value.Str[0] != '{' {
		return fields
	}
	inner, err := members(fields[i].Value.Str)
	if err != nil { // it was valid as part of the item
		return fields
	}
	out := slices.Delete(fields, i, i+1)
	own := len(out)
	for _, p := range inner {
		if slices.ContainsFunc(out[:own], func(o weir.Property) bool { return o.Name == p.Name }) {
			r.warn(object+"."+name+"."+p.Name, "There is a field of this name beside \""+name+"\", which was taken instead.")
			continue
		}
		out = append(out, p)
	}
	return sorted(out)
}

func sorted(fields []weir.Property) []weir.Property {
	slices.SortFunc(fields, func(a, b weir.Property) int { return strings.Compare(a.Name, b.Name) })
	return fields
}
