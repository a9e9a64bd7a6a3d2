// Package item reads the native item format, CONTRACT §3.1: one JSON object
// with a kind, a payload under the kind's name, and the user, session and
// device that it speaks of.
//
// Check and Parse give the same verdict, code and field, on the same bytes. What an item says of
// itself is read strictly: without an id, a time or a user it is rejected, with
// the field and the reason. What it says of its context, or a single value that
// cannot be read, costs that value only: it is set aside and named in a
// warning, for an item must not be lost over a detail.
package item

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// Limits bound one item. Zero fields mean the defaults.
type Limits struct {
	Bytes      int // length of the JSON; default 64 KiB
	Depth      int // nesting of objects and lists, the item's own included; default 32
	Properties int // members of all its objects together; default 512
}

func (l Limits) orDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = 64 << 10
	}
	if l.Depth == 0 {
		l.Depth = 32
	}
	if l.Properties == 0 {
		l.Properties = 512
	}
	return l
}

// maxID bounds ids and labels, in bytes: longer ones are a program's mistake.
const maxID = 512

// Earliest is 1971: a time before it is a clock that was never set.
const Earliest = weir.Micros(365 * 24 * time.Hour / time.Microsecond)

// Head is what the collector needs to know of an item.
type Head struct {
	Kind   weir.Kind
	ID     string
	UserID string // chooses the partition; of a user_alias, the id that it comes from
}

// Check reads as much of an item as is needed to judge it. If the rejection is
// not nil the item is to be kept but never applied; Head then has what could be
// read before the fault.
func Check(raw []byte, limits Limits) (Head, *weir.Rejection) {
	item, rejection := read(raw, limits, false)
	head := Head{Kind: item.Kind, ID: item.ID}
	switch {
	case item.Alias != nil:
		head.UserID = item.Alias.From
	case item.User != nil:
		head.UserID = item.User.ID
	}
	return head, rejection
}

// Parse reads the whole item. Its strings are copies: raw may be reused.
func Parse(raw []byte, limits Limits) (*weir.Item, *weir.Rejection) {
	item, rejection := read(raw, limits, true)
	if rejection != nil {
		return nil, rejection
	}
	return item, nil
}

// scanner is a decoder with the memory that it keeps from item to item.
type scanner struct {
	decoder jsontext.Decoder
	// names are the member names met before: most items of a sender have the
	// same. It is emptied when it has grown to maxNames; longer ones than maxName
	// are not kept, as a sender could fill the memory with them.
	names map[string]string
	name  []byte
}

const (
	maxNames = 4096
	maxName  = 64 // bytes
)

var scanners = sync.Pool{New: func() any { return &scanner{names: map[string]string{}} }}

// over starts reading text. The scanner is given back with scanners.Put.
func over(text []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.decoder.Reset(bytes.NewBuffer(text))
	return s
}

// member reads a member's name. The bytes are valid until the next call.
func (s *scanner) member() ([]byte, error) {
	quoted, err := s.decoder.ReadValue()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	s.name, err = jsontext.AppendUnquote(s.name[:0], quoted)
	return s.name, err
}

func (s *scanner) intern(name []byte) string {
	if len(name) > maxName {
		return string(name)
	}
	if known, ok := s.names[string(name)]; ok {
		return known
	}
	if len(s.names) >= maxNames {
		clear(s.names)
	}
	text := string(name)
	s.names[text] = text
	return text
}

func read(raw []byte, limits Limits, whole bool) (*weir.Item, *weir.Rejection) {
	item := &weir.Item{}
	limits = limits.orDefaults()
	if rejection := limits.check(raw); rejection != nil {
		return item, rejection
	}
	s := over(raw)
	defer scanners.Put(s)
	r := reader{scanner: s, whole: whole, item: item, objects: make([]object, 0, 4)}
	if rejection := r.read(); rejection != nil {
		return item, rejection
	}
	return item, nil
}

// check applies the limits in one pass over the bytes. In valid JSON a colon
// outside a string stands for one member.
func (l Limits) check(raw []byte) *weir.Rejection {
	if len(raw) > l.Bytes {
		return &weir.Rejection{Code: "item_too_large", Message: fmt.Sprintf("The item has %d bytes; at most %d are taken.", len(raw), l.Bytes)}
	}
	depth, deepest, members := 0, 0, 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = closing(raw, i+1)
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		case ':':
			members++
		}
	}
	if deepest > l.Depth {
		return &weir.Rejection{Code: "too_deep", Message: fmt.Sprintf("The item nests %d levels deep; at most %d are taken.", deepest, l.Depth)}
	}
	if members > l.Properties {
		return &weir.Rejection{Code: "too_many_properties", Message: fmt.Sprintf("The item has %d properties; at most %d are taken.", members, l.Properties)}
	}
	return nil
}

// closing is the index of the quote that ends the string whose first byte is
// at i, or the end of raw.
func closing(raw []byte, i int) int {
	for {
		n := bytes.IndexByte(raw[i:], '"')
		if n < 0 {
			return len(raw)
		}
		backslashes := 0
		for backslashes < n && raw[i+n-1-backslashes] == '\\' {
			backslashes++
		}
		if i += n; backslashes%2 == 0 {
			return i
		}
		i++
	}
}

// object is one member of the item that is an object. Fields hold all its
// members when the whole item is read, else those that a verdict needs.
type object struct {
	name   string
	fields []weir.Property
}

// reader reads one item.
type reader struct {
	*scanner
	whole   bool
	item    *weir.Item
	objects []object
}

func (r *reader) read() *weir.Rejection {
	if err := r.members(); err != nil {
		return syntax(err)
	}
	if r.item.Kind == "" {
		return &weir.Rejection{Code: "missing_field", Field: "kind", Message: "Say what the item is, for example \"kind\": \"custom_event\"."}
	}
	if !known(r.item.Kind) {
		return &weir.Rejection{Code: "unknown_kind", Field: "kind", Message: fmt.Sprintf("There is no kind %q; known are %s and app_<app>_<table>.", r.item.Kind, strings.Join(kindNames(), ", "))}
	}
	payload := r.object(string(r.item.Kind))
	if payload == nil {
		return &weir.Rejection{Code: "missing_field", Field: string(r.item.Kind), Message: fmt.Sprintf("An item of kind %q carries its data in an object named %q.", r.item.Kind, r.item.Kind)}
	}
	if r.item.Kind == weir.KindUserAlias {
		return r.alias(payload)
	}
	if rejection := r.payload(payload); rejection != nil {
		return rejection
	}
	return r.context()
}

// members reads the item's outermost object. Members that are not objects mean
// nothing but for the kind, and are named in a warning.
func (r *reader) members() error {
	if kind := r.decoder.PeekKind(); kind != '{' {
		if kind == 0 { // an error: reading says which
			if _, err := r.decoder.ReadToken(); err != nil {
				return err
			}
		}
		return errNotObject
	}
	if _, err := r.decoder.ReadToken(); err != nil {
		return err
	}
	for r.decoder.PeekKind() != '}' {
		text, err := r.member()
		if err != nil {
			return err
		}
		name := r.intern(text)
		switch kind := r.decoder.PeekKind(); {
		case name == "kind" && kind == '"':
			token, err := r.decoder.ReadToken()
			if err != nil {
				return err
			}
			r.item.Kind = weir.Kind(token.String())
		case kind == '{':
			capacity := 4
			if r.whole {
				capacity = 12
			}
			fields, err := r.fields(make([]weir.Property, 0, capacity))
			if err != nil {
				return err
			}
			r.objects = append(r.objects, object{name, fields})
		default:
			if err := r.decoder.SkipValue(); err != nil {
				return err
			}
			if kind != 'n' {
				r.warn(name, "This member was expected to be an object and was not read.")
			}
		}
	}
	if _, err := r.decoder.ReadToken(); err != nil {
		return err
	}
	if _, err := r.decoder.ReadToken(); err == nil {
		return errTrailing
	}
	return nil
}

// fields appends the members of an object.
func (r *reader) fields(fields []weir.Property) ([]weir.Property, error) {
	if _, err := r.decoder.ReadToken(); err != nil {
		return nil, err
	}
	for r.decoder.PeekKind() != '}' {
		text, err := r.member()
		if err != nil {
			return nil, err
		}
		if !r.whole && !judged(text) {
			if err := r.decoder.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		name := r.intern(text)
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		fields = append(fields, weir.Property{Name: name, Value: value})
	}
	_, err := r.decoder.ReadToken()
	return fields, err
}

// judged reports whether a verdict depends on the member.
func judged(name []byte) bool {
	switch string(name) {
	case "external_id", "created_at", "updated_at", "label", "from_user_external_id", "to_user_external_id":
		return true
	}
	return false
}

// value reads any value. A number that no float64 holds becomes the text that
// was sent, so that it is not lost.
func (r *reader) value() (weir.Value, error) {
	switch r.decoder.PeekKind() {
	case '{', '[':
		raw, err := r.decoder.ReadValue()
		if err != nil {
			return weir.Value{}, err
		}
		compact := raw.Clone()
		if err := compact.Compact(); err != nil {
			return weir.Value{}, err
		}
		return weir.Raw(string(compact)), nil
	}
	token, err := r.decoder.ReadToken()
	if err != nil {
		return weir.Value{}, err
	}
	switch token.Kind() {
	case '"':
		return weir.Text(token.String()), nil
	case '0':
		number, err := token.Float()
		if err != nil {
			return weir.Text(token.String()), nil
		}
		return weir.Num(number), nil
	case 't', 'f':
		return weir.Boolean(token.Bool()), nil
	}
	return weir.Value{}, nil
}

func (r *reader) object(name string) *object {
	for i := range r.objects {
		if r.objects[i].name == name {
			return &r.objects[i]
		}
	}
	return nil
}

func (r *reader) warn(field, message string) {
	if !r.whole {
		return
	}
	r.item.Warnings = append(r.item.Warnings, weir.Rejection{Code: "ignored_field", Field: field, Message: message})
}

var (
	errNotObject = errors.New("the item is not a JSON object")
	errTrailing  = errors.New("more than one JSON value")
)

// syntax turns an error of the decoder into what a user is told.
func syntax(err error) *weir.Rejection {
	var s *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &weir.Rejection{Code: "duplicate_name", Message: "An object has two members of the same name: " + strings.TrimPrefix(err.Error(), "jsontext: ") + "."}
	case errors.As(err, &s) && s.Err != nil && strings.Contains(s.Err.Error(), "UTF-8"):
		return &weir.Rejection{Code: "invalid_utf8", Message: fmt.Sprintf("The item has bytes that are no UTF-8, at byte %d.", s.ByteOffset)}
	}
	return &weir.Rejection{Code: "invalid_json", Message: "The item is no valid JSON: " + strings.TrimPrefix(err.Error(), "jsontext: ") + "."}
}

// cleanID turns a value into an id. Numbers are taken by their text form, for
// many systems have numeric ids.
func cleanID(v weir.Value) (id string, problem string) {
	switch v.Type {
	case weir.Null:
		return "", "is required"
	case weir.String, weir.Number:
		id = v.String()
	default:
		return "", "must be a string"
	}
	switch {
	case strings.TrimSpace(id) == "":
		return "", "must not be empty"
	case len(id) > maxID:
		return "", fmt.Sprintf("has %d bytes; at most %d are taken", len(id), maxID)
	case strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c == utf8.RuneError }):
		return "", "has control characters"
	}
	return id, ""
}

// cleanTime turns a value into an instant; a null is not given.
func cleanTime(v weir.Value) (at weir.Micros, problem string) {
	if v.Type == weir.Null {
		return 0, ""
	}
	if v.Type != weir.String {
		return 0, "must be an RFC 3339 time such as \"2024-02-22T09:12:02.361Z\""
	}
	t, err := time.Parse(time.RFC3339Nano, v.Str)
	if err != nil {
		return 0, fmt.Sprintf("is %q; want an RFC 3339 time such as \"2024-02-22T09:12:02.361Z\"", clip(v.Str))
	}
	if at = weir.MicrosOf(t); at < Earliest {
		return 0, "is before 1971, which only a clock that was never set says"
	}
	return at, ""
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// members reads the members of a JSON object that is known to be valid.
func members(text string) ([]weir.Property, error) {
	s := over([]byte(text))
	defer scanners.Put(s)
	r := reader{scanner: s, whole: true}
	return r.fields(nil)
}
