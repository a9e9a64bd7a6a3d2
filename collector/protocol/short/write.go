package short

import (
	"bytes"
	"strconv"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
)

// add makes native items of the event that was read.
func (r *reader) add() error {
	if r.batch.Sent == r.options.Limit {
		return protocol.TooMany(r.options.Limit)
	}
	e := &r.event
	rejection := e.check()
	when := r.options.Now
	if value := e.values[at]; rejection == nil && value != nil {
		var problem string
		if when, problem = instant(value); problem != "" {
			rejection = &weir.Rejection{Code: "invalid_field", Field: e.call.label(at), Message: "The timestamp " + problem + "."}
		}
	}
	switch {
	case rejection != nil:
		r.emit(rejection, e.appendSent)
	case e.call == Track:
		r.track(when)
	default:
		r.people(when)
	}
	r.batch.Sent++
	return nil
}

// emit adds one item, written by write.
func (r *reader) emit(rejection *weir.Rejection, write func([]byte) []byte) {
	start := len(r.out)
	r.out = write(r.out)
	// Should r.out move when it grows, this item stays where it is.
	raw := r.out[start:len(r.out):len(r.out)]
	r.batch.Items = append(r.batch.Items, protocol.Item{Index: r.batch.Sent, Raw: raw, Rejected: rejection})
}

func (r *reader) track(when weir.Micros) {
	e := &r.event
	r.emit(nil, func(out []byte) []byte {
		out = append(out, `{"kind":"custom_event","custom_event":{"external_id":`...)
		if e.values[id] != nil {
			out = append(out, e.values[id]...)
		} else {
			out = strconv.AppendQuote(out, r.options.NewID())
		}
		out = appendTime(append(out, `,"created_at":`...), when)
		out = append(append(out, `,"label":`...), e.values[name]...)
		if e.values[data] != nil {
			out = append(append(out, `,"properties":`...), e.values[data]...)
		}
		out = e.appendOthers(out)
		out = append(append(out, `},"user":{"external_id":`...), e.values[user]...)
		return append(out, `}}`...)
	})
	r.batch.Items[len(r.batch.Items)-1].Generated = e.values[id] == nil
}

// people writes what identify and alias say: that a user is known by its
// traits, and that two ids are one person.
func (r *reader) people(when weir.Micros) {
	e := &r.event
	from, to := e.values[anonymous], e.values[user]
	if known := e.values[known]; known != nil && from == nil {
		from, to = to, known
	}
	known := e.values[authenticated]
	if known == nil {
		known = []byte("true")
	}
	if e.call == Identify {
		r.emit(nil, func(out []byte) []byte {
			out = append(append(out, `{"kind":"user","user":{"external_id":`...), to...)
			out = append(append(out, `,"is_authenticated":`...), known...)
			out = appendTime(append(out, `,"created_at":`...), when)
			if e.values[data] != nil {
				out = append(append(out, `,"traits":`...), e.values[data]...)
			}
			return append(e.appendOthers(out), `}}`...)
		})
		if from == nil || sameID(from, to) {
			return
		}
	}
	r.emit(nil, func(out []byte) []byte {
		out = append(append(out, `{"kind":"user_alias","user_alias":{"from_user_external_id":`...), from...)
		out = append(append(out, `,"to_user_external_id":`...), to...)
		out = append(append(out, `,"to_user_is_authenticated":`...), known...)
		out = appendTime(append(out, `,"created_at":`...), when)
		if e.call == Alias {
			out = e.appendOthers(out)
		}
		return append(out, `}}`...)
	})
}

func (e *event) appendOthers(out []byte) []byte {
	for _, f := range e.others {
		out = appendMember(append(out, ','), f.name, f.value)
	}
	return out
}

// sameID compares two ids as they will be read: a number is its text.
func sameID(a, b []byte) bool {
	return bytes.Equal(bytes.Trim(a, `"`), bytes.Trim(b, `"`))
}

func appendTime(out []byte, at weir.Micros) []byte {
	return strconv.AppendQuote(out, at.String())
}
