// Package native reads the envelope of CONTRACT §3.1: a list of self-contained
// items, beside the workspace that they are meant for and the time at which
// they were sent.
package native

import (
	"errors"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
)

// Read reads a body into batch. The items are not looked into: they come out
// byte for byte as they stand in the body. The error is a *weir.Error: the body
// is not the envelope, or it has more than limit items (wrapping
// protocol.ErrTooMany).
func Read(body []byte, limit int, batch *protocol.Batch) error {
	r := reader{batch: batch, limit: limit}
	r.Text(body)
	if r.Kind() != '{' {
		return malformed("it is not a JSON object")
	}
	if err := r.Object(r.member); err != nil {
		return asError(err)
	}
	if err := r.End(); err != nil {
		return asError(err)
	}
	if !r.items {
		return malformed("it has no list named \"items\"")
	}
	return nil
}

// reader reads one envelope.
type reader struct {
	protocol.Scanner
	batch *protocol.Batch
	limit int
	items bool // the list was there
}

// member reads what the collector has a use for. Other members (the sender's
// id of the request, its created_at) must be JSON and are passed over.
func (r *reader) member(name []byte) error {
	switch string(name) {
	case "items":
		return r.list()
	case "workspace_id":
		return r.text(&r.batch.Workspace, "workspace_id")
	case "api_key", "write_key", "key":
		if r.batch.Key != "" {
			return malformed("it names a key more than once")
		}
		return r.text(&r.batch.Key, "key")
	case "context":
		return r.context()
	}
	_, err := r.value()
	return err
}

func (r *reader) list() error {
	if r.items {
		return malformed("it has more than one list named \"items\"")
	}
	if r.Kind() != '[' {
		return malformed("\"items\" is not a list")
	}
	r.items = true
	return r.List(func() error {
		raw, err := r.Value()
		if err != nil {
			return err
		}
		if r.batch.Sent == r.limit {
			return protocol.TooMany(r.limit)
		}
		r.batch.Items = append(r.batch.Items, protocol.Item{Index: r.batch.Sent, Raw: raw})
		r.batch.Sent++
		return nil
	})
}

// context reads when the request was sent. A time that cannot be read is as
// none: items are not refused for what is said beside them.
func (r *reader) context() error {
	if r.Kind() != '{' {
		_, err := r.value()
		return err
	}
	return r.Object(func(name []byte) error {
		sent := string(name) == "data_sent_at"
		value, err := r.value()
		if err != nil || !sent {
			return err
		}
		text, _ := protocol.String(value)
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			r.batch.SentAt = weir.MicrosOf(t)
		}
		return nil
	})
}

// text reads a string; null and absent are the same.
func (r *reader) text(to *string, what string) error {
	value, err := r.value()
	if err != nil {
		return err
	}
	if string(value) == "null" {
		return nil
	}
	text, ok := protocol.String(value)
	if !ok {
		return malformed("\"" + what + "\" is not a string")
	}
	*to = text
	return nil
}

// value is a value of the envelope itself, which must be JSON.
func (r *reader) value() ([]byte, error) {
	value, err := r.Value()
	if err == nil && !protocol.Valid(value) {
		return nil, malformed("it is no valid JSON")
	}
	return value, err
}

func malformed(problem string) *weir.Error {
	return protocol.Malformed("invalid_envelope", "The body is not what this address takes: %s. It takes {\"workspace_id\": …, \"items\": [ … ]}.", problem)
}

// asError gives what the scanner says the form that a user is told.
func asError(err error) error {
	if known := (*weir.Error)(nil); errors.As(err, &known) {
		return known
	}
	return protocol.Malformed("invalid_json", "The body is no valid JSON: %v.", err)
}
