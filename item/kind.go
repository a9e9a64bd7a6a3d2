package item

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// judge makes the item of the objects that were read.
func (r *reader) judge() *weir.Rejection {
	item := &r.out.item
	kind := string(item.Kind)
	if kind == "" {
		return &weir.Rejection{Code: "missing_field", Field: "kind", Message: "Say what the item is, for example \"kind\": \"custom_event\"."}
	}
	if schemaOf(kind) == nil {
		return &weir.Rejection{Code: "unknown_kind", Field: "kind", Message: fmt.Sprintf("There is no kind %q; known are %s and app_<app>_<table>.", clip(kind), named)}
	}
	payload := r.find(kind)
	if payload == nil {
		return &weir.Rejection{Code: "missing_field", Field: kind, Message: fmt.Sprintf("An item of kind %q carries its data in an object named %q.", kind, kind)}
	}
	if r.whole {
		r.made = make([]weir.Property, 0, len(r.fields)+len(r.loose)+3) // and the hashes of an e-mail address
	}
	if rejection := r.payload(payload); rejection != nil {
		return rejection
	}
	if rejection := r.context(); rejection != nil {
		return rejection
	}
	r.report()
	return nil
}

// contexts reports whether the item, if its kind is known, carries a user,
// session or device of this name beside its payload, and where it is put.
func (r *reader) contexts(name string) (place *weir.Part, ok bool) {
	nobody := false // the kind speaks of users itself
	switch r.out.item.Kind {
	case weir.KindUserAlias, weir.KindMerge, weir.KindRetract:
		nobody = true
	}
	switch name {
	case "user":
		return &r.out.user, !nobody
	case "session":
		return &r.out.session, true
	case "device":
		return &r.out.device, true
	}
	return nil, false
}

// payload reads what the item says of itself.
func (r *reader) payload(o *object) *weir.Rejection {
	item := &r.out.item
	part, own := r.contexts(o.name)
	if !own {
		part = &r.own
	}
	rejection := r.part(o, part, true)
	item.ID, item.CreatedAt, item.UpdatedAt = part.ID, part.CreatedAt, part.UpdatedAt
	if rejection != nil {
		return rejection // the log names the item all the same
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
	case weir.KindUserAlias, weir.KindMerge:
		item.Alias = &r.out.alias
		if item.ID == "" { // senders of a user_alias give it none: the pair is its identity
			item.ID = pair(item.Alias)
		}
	}
	item.Fields = part.Fields
	return nil
}

// pair is the id of an alias that has none. No two pairs have the same.
func pair(a *weir.Alias) string {
	from := a.From
	if strings.ContainsAny(from, " %") {
		from = strings.NewReplacer("%", "%25", " ", "%20").Replace(from)
	}
	return from + " " + a.To
}

// context reads the user, session and device that the item carries beside its
// payload. Only the user is required.
func (r *reader) context() *weir.Rejection {
	item := &r.out.item
	for i := range r.objects {
		o := &r.objects[i]
		part, ok := r.contexts(o.name)
		switch {
		case o.name == string(item.Kind):
		case !ok:
			r.unread(o.name)
		default:
			if rejection := r.part(o, part, false); rejection != nil {
				return rejection
			}
			r.carry(o.name, part)
		}
	}
	if _, ok := r.contexts("user"); ok && item.User == nil {
		return &weir.Rejection{Code: "missing_field", Field: "user.external_id", Message: "Say who did it: every item carries \"user\": {\"external_id\": …}."}
	}
	return nil
}

// carry puts a part of the context into the item if it says who or what it is.
func (r *reader) carry(name string, part *weir.Part) {
	item := &r.out.item
	switch {
	case part.ID == "" && name != "user":
		r.warn(name, "The "+name+" has no external_id that can be read and was left out.")
	case part.ID == "":
	case name == "user":
		item.User = part
	case name == "session":
		item.Session = part
	default:
		item.Device = part
	}
}

// part reads an object's members by its schema. What cannot be read is a
// warning; if strict, ids, times and what else is required are a rejection.
func (r *reader) part(o *object, part *weir.Part, strict bool) *weir.Rejection {
	r.kept = emptied(r.kept)
	var given uint8 // of the schema's expected fields
	for i := o.first; i < o.end; i++ {
		f := &r.fields[i]
		if f.spec == nil {
			r.keepUnknown(o, f)
			continue
		}
		if f.spec.expected != 0 && f.Value.Type != weir.Null {
			given |= f.spec.expected
		}
		problem, costly := r.take(o, f, part)
		if problem == "" {
			continue
		}
		path, message := o.name+"."+f.Name, f.Name+" "+problem+"."
		if strict && costly {
			if f.spec.role == label {
				message = "The event's name, label, " + problem + "."
			}
			return &weir.Rejection{Code: "invalid_field", Field: path, Message: message}
		}
		r.warn(path, message)
	}
	if strict && given != o.schema.expected {
		if rejection := r.missing(o, given); rejection != nil {
			return rejection
		}
	}
	if r.whole {
		if strict {
			r.takeLoose()
		}
		part.Fields = r.properties(o)
	}
	return nil
}

// takeLoose makes what stands beside the item's objects its own.
func (r *reader) takeLoose() {
	for i := range r.loose {
		r.unknown = append(r.unknown, stranger{name: r.loose[i].name.text})
		r.kept = append(r.kept, r.loose[i])
	}
}

// take gives a field its place. A problem is costly if it makes the item
// worthless, should the field be one of its payload.
func (r *reader) take(o *object, f *field, part *weir.Part) (problem string, costly bool) {
	alias := &r.out.alias
	switch f.spec.role {
	case property:
		fitted, problem, final := f.spec.fit(f.Value)
		if !final {
			if r.whole && f.spec.Fields != nil && fitted.Type == weir.JSON {
				fitted.Str = r.entries(o.name+"."+f.Name, f.spec, fitted.Str)
			}
			f.Value, f.rank = fitted, own
			r.kept = append(r.kept, *f)
		}
		return problem, false
	case member:
		f.rank = lent
		r.kept = append(r.kept, *f)
		return "", false
	case itemID:
		if f.Value.Type == weir.Null && !f.spec.Required {
			return "", false
		}
		part.ID, problem = cleanID(f.Value)
		return problem, true
	case createdAt:
		part.CreatedAt, problem = cleanTime(f.Value)
		return problem, true
	case updatedAt:
		part.UpdatedAt, problem = cleanTime(f.Value)
		return problem, true
	case needed:
		var text string
		if text, problem = cleanID(f.Value); problem == "" {
			f.Value, f.rank = weir.Text(text), own
			r.kept = append(r.kept, *f)
		}
		return problem, true
	case label:
		r.out.item.Label, problem = cleanID(f.Value)
		return problem, true
	case aliasFrom:
		alias.From, problem = cleanID(f.Value)
		return problem, true
	case aliasTo:
		alias.To, problem = cleanID(f.Value)
		return problem, true
	case edgeID:
		r.out.item.Retracts, r.from, problem = cleanEdge(f.Value)
		return problem, true
	}
	if f.Value.Type == weir.Null {
		return "", false
	}
	return r.takeDetail(f, part), false
}

// takeDetail takes a field that an item can do without.
func (r *reader) takeDetail(f *field, part *weir.Part) (problem string) {
	switch f.spec.role {
	case authenticated, aliasAuthenticated:
		var said weir.Value
		if said, problem, _ = fitBool(f.Value); problem != "" {
			return problem
		}
		if f.spec.role == aliasAuthenticated {
			r.out.alias.ToAuthenticated = said.Bool
			return ""
		}
		r.out.authenticated = said.Bool
		part.Authenticated = &r.out.authenticated
	case deviceID:
		part.DeviceID, problem = cleanID(f.Value)
	case anonymousID:
		var before string
		if before, problem = cleanID(f.Value); problem == "" && (part.AnonymousID == "" || f.Name == "anonymous_id") {
			part.AnonymousID = before
		}
	case aliasCreatedAt:
		r.out.alias.ToCreatedAt, problem = cleanTime(f.Value)
	case lifted:
		problem = "must be of type object"
	}
	return problem
}

// keepUnknown keeps a field that the schema does not list.
func (r *reader) keepUnknown(o *object, f *field) {
	f.rank = own
	if !slices.ContainsFunc(o.schema.Prefixes, func(prefix string) bool { return strings.HasPrefix(f.Name, prefix) }) {
		if r.whole {
			r.unknown = append(r.unknown, stranger{o.name, f.Name})
		}
		f.Name = f.name.asExtra()
	}
	r.kept = append(r.kept, *f)
}

// missing says what the payload lacks: a rejection, or a warning if the item
// can do without.
func (r *reader) missing(o *object, given uint8) *weir.Rejection {
	for i := range o.schema.Fields {
		f := &o.schema.Fields[i]
		if f.expected == 0 || given&f.expected != 0 {
			continue
		}
		why := weir.Rejection{Code: "missing_field", Field: o.name + "." + f.Name}
		switch f.role {
		case itemID:
			why.Message = "Give the item an id of its own, external_id, so that a resend is recognised."
		case createdAt:
			why.Message = "Say when it happened: created_at is required, an RFC 3339 time."
		case label:
			why.Code, why.Message = "invalid_field", "The event's name, label, is required."
		default:
			why.Message = "Give " + f.Name + ": " + f.Description
		}
		if f.Required {
			return &why
		}
		r.note(why.Code, why.Field, why.Message)
	}
	return nil
}

// properties are the fields that were kept of an object, sorted by name. Of two
// with the same name the one of the lower rank is taken.
func (r *reader) properties(o *object) []weir.Property {
	if o.name == string(weir.KindUser) {
		r.derive()
	}
	sortFields(r.kept)
	first := len(r.made)
	for i := range r.kept {
		f := &r.kept[i]
		if last := len(r.made) - 1; last >= first && r.made[last].Name == f.Name {
			if f.rank >= lent {
				r.warn(o.name+"."+clip(f.Name), "There is a field of this name beside the free ones, which was taken instead.")
			}
			continue
		}
		r.made = append(r.made, f.Property)
	}
	if len(r.made) == first {
		return nil
	}
	return r.made[first:len(r.made):len(r.made)]
}

// derive adds what a user's fields say in another form.
func (r *reader) derive() {
	var email *field // the one that is taken
	for i := range r.kept {
		switch f := &r.kept[i]; {
		case f.Name == "telephone" && f.Value.Type == weir.String:
			f.Value.Str = telephone(f.Value.Str)
		case f.Name == "email" && (email == nil || f.rank < email.rank):
			email = f
		}
	}
	if email == nil || email.Value.Type != weir.String && email.Value.Type != weir.Null {
		return
	}
	for _, hash := range hashes(email.Value) {
		r.kept = append(r.kept, field{Property: hash, rank: derived})
	}
}

// report names the fields that are in no schema, and says how many warnings were
// too many.
func (r *reader) report() {
	if len(r.unknown) > 0 {
		r.reportUnknown()
	}
	if r.unsaid > 0 {
		r.say("more_warnings", "", fmt.Sprintf("There are %d more warnings of this item.", r.unsaid))
	}
}

func (r *reader) reportUnknown() {
	var list strings.Builder
	for i, u := range r.unknown {
		if i == maxReported {
			fmt.Fprintf(&list, " and %d more", len(r.unknown)-i)
			break
		}
		if i > 0 {
			list.WriteString(", ")
		}
		list.WriteString(u.path())
	}
	r.say("unknown_fields", r.unknown[0].path(),
		"Not in the schema, and kept as extra.<name>: "+list.String()+". Put what is your own into properties or traits.")
}

// maxReported bounds the fields that a warning lists.
const maxReported = 20

// sortFields sorts by name, then by rank. Most lists are short or sorted.
func sortFields(list []field) {
	for i := 1; i < len(list); i++ {
		if !list[i].before(&list[i-1]) {
			continue
		}
		if len(list) > 24 {
			slices.SortFunc(list, func(a, b field) int {
				if a.before(&b) {
					return -1
				}
				if b.before(&a) {
					return 1
				}
				return 0
			})
			return
		}
		moved, j := list[i], i
		for ; j > 0 && moved.before(&list[j-1]); j-- {
			list[j] = list[j-1]
		}
		list[j] = moved
	}
}

func (f *field) before(g *field) bool {
	if f.Name != g.Name {
		return f.Name < g.Name
	}
	return f.rank < g.rank
}
