package short

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
)

// role is what a member of an event means.
type role int

const (
	other role = iota // a field to pass on
	name
	user
	anonymous
	known // the known user of an alias in the older form
	id
	at
	data // properties or traits
	authenticated
	roles // their number
)

// role gives a member its meaning in a call.
func (c Call) role(member []byte) role {
	switch string(member) {
	case "distinct_id":
		return user
	case "timestamp", "created_at":
		return at
	case "id", "external_id":
		return id
	case "event", "label":
		if c == Track {
			return name
		}
	case "properties":
		if c == Track {
			return data
		}
	case "traits":
		if c == Identify {
			return data
		}
	case "anonymous_id", "previous_id":
		if c != Track {
			return anonymous
		}
	case "alias":
		if c == Alias {
			return known
		}
	case "is_authenticated":
		if c != Track {
			return authenticated
		}
	}
	return other
}

// label is the name by which messages speak of a role.
func (c Call) label(r role) string {
	switch r {
	case data:
		if c == Identify {
			return "traits"
		}
		return "properties"
	case other:
		return ""
	}
	return [roles]string{name: "event", user: "distinct_id", anonymous: "anonymous_id", known: "alias", id: "id", at: "timestamp", authenticated: "is_authenticated"}[r]
}

// event is one event as it was sent: its members, not read.
type event struct {
	call   Call
	values [roles][]byte // nil if absent, null, or an empty id
	others []field
	twice  role // a role that was given twice, or other
	any    bool // it has a member
}

type field struct {
	name  string
	value []byte
}

func (e *event) reset(call Call) {
	*e = event{call: call, others: e.others[:0]}
}

// member takes the member whose value the scanner stands before.
func (e *event) member(s *protocol.Scanner, member []byte) error {
	role := e.call.role(member)
	kept := ""
	if role == other {
		kept = string(member)
	}
	value, err := s.Value()
	if err != nil {
		return err
	}
	e.any = true
	switch {
	case role == other:
		e.others = append(e.others, field{kept, value})
	case string(value) == "null":
	case string(value) == `""` && (role == id || role == anonymous):
		// Senders that have none often send an empty one.
	case e.values[role] != nil:
		e.twice = role
		e.others = append(e.others, field{e.call.label(role), value})
	default:
		e.values[role] = value
	}
	return nil
}

// check finds what makes the event no event at all. What remains is judged as
// a native item.
func (e *event) check() *weir.Rejection {
	if e.twice != other {
		return &weir.Rejection{Code: "duplicate_name", Field: e.call.label(e.twice), Message: "This is given twice. Give it once."}
	}
	switch {
	case e.call == Track && e.values[name] == nil:
		return e.missing(name)
	case e.values[user] == nil:
		return e.missing(user)
	case e.call == Alias && e.values[anonymous] == nil && e.values[known] == nil:
		return e.missing(anonymous)
	}
	if value := e.values[data]; value != nil && value[0] != '{' {
		return &weir.Rejection{Code: "invalid_field", Field: e.call.label(data), Message: "This must be a JSON object."}
	}
	return nil
}

func (e *event) missing(r role) *weir.Rejection {
	hint := `Say what happened, for example "event": "Purchase".`
	switch r {
	case user:
		hint = `Say who did it, for example "distinct_id": "u1".`
	case anonymous:
		hint = `Say which other id is the same person, for example "anonymous_id": "a1".`
	}
	return &weir.Rejection{Code: "missing_field", Field: e.call.label(r), Message: hint}
}

// appendSent writes the event as it was sent, but without keys, which have no
// place in what is kept.
func (e *event) appendSent(out []byte) []byte {
	out = append(out, '{')
	first := true
	write := func(name string, value []byte) {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = appendMember(out, name, value)
	}
	for r := name; r < roles; r++ {
		if e.values[r] != nil {
			write(e.call.label(r), e.values[r])
		}
	}
	for _, f := range e.others {
		write(f.name, f.value)
	}
	return append(out, '}')
}

func appendMember(out []byte, name string, value []byte) []byte {
	out, _ = jsontext.AppendQuote(out, name) // bytes that are no UTF-8 become U+FFFD
	out = append(out, ':')
	return append(out, value...)
}
