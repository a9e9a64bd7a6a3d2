package importer

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir/collector/protocol"
)

// object is a JSON object: its members in order, their values as they stand in
// the text. What is not understood is passed on byte for byte.
type object []member

type member struct {
	name  string
	value []byte
}

// parse takes an object of valid JSON apart; ok is false if it is something
// else.
func parse(value []byte) (o object, ok bool) {
	var s protocol.Scanner
	s.Text(value)
	if s.Kind() != '{' {
		return nil, false
	}
	err := s.Object(func(name []byte) error {
		m := member{name: string(name)}
		var err error
		m.value, err = s.Value()
		o = append(o, m)
		return err
	})
	return o, err == nil
}

// get is a member's value, or nil if it is absent or null.
func (o object) get(name string) []byte {
	for i := range o {
		if o[i].name == name {
			if string(o[i].value) == "null" {
				return nil
			}
			return o[i].value
		}
	}
	return nil
}

// first is the first of the members that is not absent, null or "".
func (o object) first(names ...string) []byte {
	for _, name := range names {
		if value := o.get(name); value != nil && string(value) != `""` {
			return value
		}
	}
	return nil
}

// text is a member that is a text, or a number as it is written; else "".
func (o object) text(name string) string {
	return textOf(o.get(name))
}

func textOf(value []byte) string {
	if len(value) == 0 {
		return ""
	}
	if text, ok := protocol.String(value); ok {
		return strings.TrimSpace(text)
	}
	if c := value[0]; c == '-' || c >= '0' && c <= '9' {
		return string(value)
	}
	return ""
}

// number is a member that is a number, or a text that reads as one.
func (o object) number(name string) (float64, bool) {
	n, err := strconv.ParseFloat(o.text(name), 64)
	return n, err == nil
}

// object is a member that is an object, or a text that holds one, as some
// exports write their nested objects; else nil.
func (o object) object(name string) object {
	value := o.get(name)
	if text, ok := protocol.String(value); ok {
		value = []byte(text)
		if !jsontext.Value(value).IsValid() {
			return nil
		}
	}
	inner, _ := parse(value)
	return inner
}

// set gives a member a value, and leaves the object as it is if that is nil.
func (o *object) set(name string, value []byte) {
	if value == nil {
		return
	}
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{name, value})
}

// setText does the same for a text; "" is none.
func (o *object) setText(name, text string) {
	if text != "" {
		o.set(name, quote(text))
	}
}

// offer gives a member a value unless it has one.
func (o *object) offer(name string, value []byte) {
	if o.get(name) == nil {
		o.set(name, value)
	}
}

// setObject does the same as set for an object; an empty one is none.
func (o *object) setObject(name string, inner object) {
	if len(inner) > 0 {
		o.set(name, inner.json())
	}
}

// without is the object without some of its members.
func (o object) without(names ...string) object {
	out := make(object, 0, len(o))
members:
	for _, m := range o {
		for _, name := range names {
			if m.name == name {
				continue members
			}
		}
		out = append(out, m)
	}
	return out
}

// json writes the object.
func (o object) json() []byte {
	size := 2
	for _, m := range o {
		size += len(m.name) + len(m.value) + 4
	}
	out := append(make([]byte, 0, size), '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out, _ = jsontext.AppendQuote(out, m.name) // it was read: it is UTF-8
		out = append(append(out, ':'), m.value...)
	}
	return append(out, '}')
}

func quote(text string) []byte {
	out, _ := jsontext.AppendQuote(nil, strings.ToValidUTF8(text, "\uFFFD"))
	return out
}

// isPlain reports whether a value is a text, a number or a truth: what a field
// of a user can be.
func isPlain(value []byte) bool {
	return len(value) > 0 && value[0] != '{' && value[0] != '[' && !bytes.Equal(value, []byte("null"))
}

// elements are the objects of a list; other values in it are left out.
func elements(list []byte) (out []object) {
	each(list, func(value []byte) {
		if o, ok := parse(value); ok {
			out = append(out, o)
		}
	})
	return out
}

// texts are the texts of a list.
func texts(list []byte) (out []string) {
	each(list, func(value []byte) {
		if text := textOf(value); text != "" {
			out = append(out, text)
		}
	})
	return out
}

func each(list []byte, take func(value []byte)) {
	var s protocol.Scanner
	s.Text(list)
	if s.Kind() != '[' {
		return
	}
	// The list is part of a line that is valid JSON: there is no error to see.
	_ = s.List(func() error {
		value, err := s.Value()
		if err == nil {
			take(value)
		}
		return err
	})
}
