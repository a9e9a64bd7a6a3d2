// Package short reads the short format of CONTRACT §3.2, which is meant to be
// typed by hand:
//
//	POST /v1/track     {"event": "Purchase", "distinct_id": "u1", "properties": {…}, "timestamp": "…", "id": "…"}
//	POST /v1/identify  {"distinct_id": "u1", "anonymous_id": "a1", "traits": {…}, "timestamp": "…"}
//	POST /v1/alias     {"distinct_id": "u1", "anonymous_id": "a1"}
//
// Each takes one object, or {"events": [ … ]}, or a bare list. Beside them may
// stand the key ("api_key", "write_key" or "key"), "workspace_id", and
// "sent_at", the sender's clock when it sent.
//
// A timestamp is an RFC 3339 string, or a number since 1970 in seconds,
// milliseconds or microseconds, told apart by its size; without one, an event
// happens when it arrives. Without an id one is made, and then a resend cannot
// be recognised. Members that are not named here are passed on as fields of the
// event or the user.
//
// identify says that distinct_id is a known user (unless "is_authenticated" is
// false), and that anonymous_id is the same person. alias says the latter
// alone; it also takes "previous_id" for anonymous_id, and the older form
// {"distinct_id": "a1", "alias": "u1"}, in which alias is the known user.
package short

import (
	"errors"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
)

// Call is one of the addresses.
type Call int

// The calls.
const (
	Track Call = iota
	Identify
	Alias
)

// Options are what Read needs beside the body.
type Options struct {
	Limit int           // items in a body
	Now   weir.Micros   // the time of events without one
	NewID func() string // ids for events without one
}

// Read makes native items of a body. The error is a *weir.Error: the body is
// not the format, or it has more than the limit (wrapping
// protocol.ErrTooMany). An event that is wrong by itself becomes a rejected
// item.
func Read(call Call, body []byte, options Options, batch *protocol.Batch) error {
	r := reader{call: call, options: options, batch: batch}
	wrapped := len(body)
	body = protocol.Unwrap(body)
	if len(body) != wrapped { // unwrapping made a copy
		batch.Extra = len(body)
	}
	r.scanner.Text(body)
	var err error
	switch r.scanner.Kind() {
	case '{':
		err = r.object(body)
	case '[':
		err = r.list()
	default:
		err = malformed("it is neither a JSON object nor a list")
	}
	if err == nil {
		err = r.scanner.End()
	}
	batch.Extra += cap(r.out)
	return asError(err)
}

// reader reads one body.
type reader struct {
	scanner protocol.Scanner
	call    Call
	options Options
	batch   *protocol.Batch
	event   event
	out     []byte // the native items, one after the other
}

// object reads the outermost object, which is an event or holds a list of them.
func (r *reader) object(body []byte) error {
	var events []byte
	r.event.reset(r.call)
	err := r.scanner.Object(func(name []byte) error {
		if taken, err := r.shared(name, &events); taken {
			return err
		}
		return r.event.member(&r.scanner, name)
	})
	if err != nil {
		return err
	}
	if events == nil {
		if !protocol.Valid(body) {
			return malformed("it is no valid JSON")
		}
		return r.add()
	}
	if r.event.any {
		return malformed("it has an event and a list of events")
	}
	rest := r.scanner
	r.scanner = protocol.Scanner{}
	r.scanner.Text(events)
	err = r.list()
	r.scanner = rest
	return err
}

// shared takes the members that are about the whole request.
func (r *reader) shared(name []byte, events *[]byte) (taken bool, err error) {
	switch string(name) {
	case "events", "workspace_id", "sent_at", "api_key", "write_key", "key":
	default:
		return false, nil
	}
	value, err := r.scanner.Value()
	if err != nil {
		return true, err
	}
	switch string(name) {
	case "events":
		if value[0] != '[' || *events != nil {
			return true, malformed("\"events\" is not one list")
		}
		*events = value
	case "sent_at":
		if at, problem := instant(value); problem == "" {
			r.batch.SentAt = at
		}
	case "workspace_id":
		return true, text(&r.batch.Workspace, value, "workspace_id")
	default:
		return true, text(&r.batch.Key, value, "key")
	}
	return true, nil
}

func text(to *string, value []byte, what string) error {
	if string(value) == "null" {
		return nil
	}
	read, ok := protocol.String(value)
	switch {
	case !ok:
		return malformed("\"" + what + "\" is not a string")
	case *to != "":
		return malformed("it names a " + what + " more than once")
	}
	*to = read
	return nil
}

func (r *reader) list() error {
	return r.scanner.List(func() error {
		raw, err := r.scanner.Value()
		if err != nil {
			return err
		}
		r.event.reset(r.call)
		if raw[0] != '{' {
			return r.broken(raw, "The event is not a JSON object.")
		}
		inner := protocol.Scanner{}
		inner.Text(raw)
		err = inner.Object(func(name []byte) error {
			if isKey(name) {
				_, err := inner.Value()
				return err
			}
			return r.event.member(&inner, name)
		})
		if err != nil {
			return r.broken(raw, "The event is no valid JSON: "+err.Error()+".")
		}
		return r.add()
	})
}

func isKey(name []byte) bool {
	return string(name) == "api_key" || string(name) == "write_key" || string(name) == "key"
}

// broken adds an event that cannot be read at all.
func (r *reader) broken(raw []byte, message string) error {
	if r.batch.Sent == r.options.Limit {
		return protocol.TooMany(r.options.Limit)
	}
	rejection := &weir.Rejection{Code: "invalid_json", Message: message}
	r.batch.Items = append(r.batch.Items, protocol.Item{Index: r.batch.Sent, Raw: raw, Rejected: rejection})
	r.batch.Sent++
	return nil
}

func malformed(problem string) *weir.Error {
	return protocol.Malformed("invalid_body", "The body is not what this address takes: %s.", problem)
}

func asError(err error) error {
	if err == nil {
		return nil
	}
	if known := (*weir.Error)(nil); errors.As(err, &known) {
		return known
	}
	return protocol.Malformed("invalid_json", "The body is no valid JSON: %v.", err)
}
