package item

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// reader reads items, one after the other. What it keeps from one to the next
// is memory: the decoder's, its lists', and the names that it has met.
type reader struct {
	decoder jsontext.Decoder
	buffer  bytes.Buffer // the item's bytes, for the decoder
	// names are the member names met before: most items of a sender have the
	// same. It is emptied when it has grown to maxNames; longer ones than maxName
	// are not kept, as a sender could fill the memory with them.
	names  map[string]*name
	quoted []byte // the last name that had escapes

	whole   bool // read everything, not only what a verdict needs
	out     *parts
	spare   parts // for items of which only the verdict is wanted
	from    string
	objects []object
	fields  []field         // of all objects
	loose   []field         // that stand beside the objects
	kept    []field         // of the object that is being read, those that become properties
	made    []weir.Property // the item's
	unknown []stranger
	unsaid  int       // warnings that were too many
	own     weir.Part // what a payload that is no user, session or device says of itself
}

// parts are an item's memory in one piece.
type parts struct {
	item                  weir.Item
	user, session, device weir.Part
	alias                 weir.Alias
	authenticated         bool
}

// name is a member's name and what it means.
type name struct {
	text   string
	extra  string    // what it is kept as where it means nothing
	means  *fieldSet // nil = it means nothing anywhere
	schema *Schema   // of the kind of this name
}

// object is one member of the item that is an object. Its fields are all its
// members when the whole item is read, else those that a verdict needs.
type object struct {
	name   string
	schema *Schema
	first  int // of its fields
	end    int
}

// field is one member of an object.
type field struct {
	weir.Property
	name *name
	spec *Field // nil = it is in no schema
	rank rank
}

// rank decides between two fields of one name: the lower one is taken.
type rank uint8

const (
	derived rank = iota // made from another field
	own                 // a member of the object itself
	lent                // of a free object in it
	loose               // beside the item's objects
)

// stranger is a field that no schema lists; its object is "" if it is none's.
type stranger struct{ object, name string }

func (s stranger) path() string {
	if s.object == "" {
		return clip(s.name)
	}
	return s.object + "." + clip(s.name)
}

const (
	maxNames = 4096
	maxName  = 64   // bytes
	maxKept  = 1024 // members of a list whose memory is kept

	maxWarnings = 32 // of one item: what is kept of it must not outgrow it
)

var readers = sync.Pool{New: func() any { return &reader{names: map[string]*name{}} }}

// release lets the reader be used again. Nothing of what it has made may
// point into it.
func (r *reader) release() {
	r.fields, r.loose, r.kept = emptied(r.fields), emptied(r.loose), emptied(r.kept)
	r.objects, r.unknown = emptied(r.objects), emptied(r.unknown)
	r.out, r.made, r.from, r.own, r.spare = nil, nil, "", weir.Part{}, parts{}
	r.buffer, r.unsaid = bytes.Buffer{}, 0
	readers.Put(r)
}

// emptied is a list's memory without what it held.
func emptied[T any](list []T) []T {
	if cap(list) > maxKept {
		return nil
	}
	clear(list)
	return list[:0]
}

// member reads a member's name, or another text that is bound to come again.
func (r *reader) member() (*name, error) {
	text, err := r.memberText()
	if err != nil {
		return nil, err
	}
	return r.intern(text), nil
}

// memberText is the same text, valid until the next call.
func (r *reader) memberText() ([]byte, error) {
	quoted, err := r.decoder.ReadValue()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	r.quoted, err = jsontext.AppendUnquote(r.quoted[:0], quoted)
	return r.quoted, err
}

func (r *reader) intern(text []byte) *name {
	if n, ok := r.names[string(text)]; ok {
		return n
	}
	n := &name{text: string(text)}
	n.means, n.schema = known[n.text], schemaOf(n.text)
	if len(text) > maxName {
		return n
	}
	if len(r.names) >= maxNames {
		clear(r.names)
	}
	r.names[n.text] = n
	return n
}

// asExtra is the name under which a field is kept that no schema lists.
func (n *name) asExtra() string {
	if n.extra == "" {
		n.extra = "extra." + n.text
	}
	return n.extra
}

// read reads an item that is within its limits.
func (r *reader) read(raw []byte, out *parts, whole bool) *weir.Rejection {
	r.out, r.whole = out, whole
	r.buffer = *bytes.NewBuffer(raw)
	r.decoder.Reset(&r.buffer)
	if err := r.members(); err != nil {
		return syntax(err)
	}
	return r.judge()
}

// members reads the item's outermost object. What is no kind, no payload and no
// context becomes a field of the item.
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
		name, err := r.member()
		if err != nil {
			return err
		}
		switch kind := r.decoder.PeekKind(); {
		case name.text == "kind" && kind == '"':
			value, err := r.member()
			if err != nil {
				return err
			}
			r.out.item.Kind = weir.Kind(value.text)
		case name.schema == nil && name.text != "kind":
			if err := r.beside(name); err != nil {
				return err
			}
		case kind == '{' && name.schema != nil:
			if err := r.object(name); err != nil {
				return err
			}
		default:
			if err := r.decoder.SkipValue(); err != nil {
				return err
			}
			if kind != 'n' {
				r.warn(name.text, "This member was expected to be an object and was not read.")
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

// beside keeps an outermost member that means nothing.
func (r *reader) beside(name *name) (err error) {
	if !r.whole {
		return r.decoder.SkipValue()
	}
	f := field{name: name, rank: loose}
	f.Name = name.asExtra()
	if f.Value, err = readValue(&r.decoder, false); err == nil {
		r.loose = append(r.loose, f)
	}
	return err
}

// object reads one of the outermost objects, unless it is known already that
// nothing in it can matter.
func (r *reader) object(name *name) error {
	kind := string(r.out.item.Kind)
	payload := kind == "" || kind == name.text
	_, context := r.contexts(name.text)
	switch {
	case !payload && !context:
		r.unread(name.text)
		return r.decoder.SkipValue()
	case !r.whole && !payload && name.text != string(weir.KindUser): // a session or a device rejects no other item
		return r.decoder.SkipValue()
	}
	o := object{name: name.text, schema: name.schema, first: len(r.fields)}
	if err := r.list(o.schema, false); err != nil {
		return err
	}
	o.end = len(r.fields)
	r.objects = append(r.objects, o)
	return nil
}

// list adds the members of an object to the fields.
func (r *reader) list(schema *Schema, free bool) error {
	if _, err := r.decoder.ReadToken(); err != nil {
		return err
	}
	for r.decoder.PeekKind() != '}' {
		text, err := r.memberText()
		if err != nil {
			return err
		}
		if !r.whole && !judged(text) {
			if err := r.decoder.SkipValue(); err != nil {
				return err
			}
			continue
		}
		f := field{name: r.intern(text)}
		switch {
		case free:
			f.spec = &freeMember
		case f.name.means != nil:
			f.spec = f.name.means[schema.slot]
		}
		if f.spec != nil && f.spec.role == lifted && r.decoder.PeekKind() == '{' {
			if err := r.list(schema, true); err != nil {
				return err
			}
			continue
		}
		f.Name = f.name.text
		if f.Value, err = readValue(&r.decoder, f.spec != nil && f.spec.Type == String); err != nil {
			return err
		}
		r.fields = append(r.fields, f)
	}
	_, err := r.decoder.ReadToken()
	return err
}

// freeMember stands for the members of free objects.
var freeMember = Field{Type: Any, role: member}

// judged reports whether a verdict depends on the member.
func judged(name []byte) bool {
	switch string(name) {
	case "external_id", "created_at", "updated_at", "label", "from_user_external_id", "to_user_external_id",
		"group_type", "subscription_list_id", "edge":
		return true
	}
	return false
}

// readValue reads any value. A number that is too large for a float64 becomes the
// text that was sent, so that it is not lost; where a text is meant, so does a long
// whole one that a float64 would round: two ids must not become one.
func readValue(d *jsontext.Decoder, text bool) (weir.Value, error) {
	switch d.PeekKind() {
	case '{', '[':
		raw, err := d.ReadValue()
		if err != nil {
			return weir.Value{}, err
		}
		compact := raw.Clone()
		if err := compact.Compact(); err != nil {
			return weir.Value{}, err
		}
		return weir.Raw(string(compact)), nil
	}
	token, err := d.ReadToken()
	if err != nil {
		return weir.Value{}, err
	}
	switch token.Kind() {
	case '"':
		return weir.Text(token.String()), nil
	case '0':
		number, err := token.Float()
		if err != nil || text && math.Abs(number) >= exact && isWhole(token.String()) {
			return weir.Text(token.String()), nil
		}
		return weir.Num(number), nil
	case 't', 'f':
		return weir.Boolean(token.Bool()), nil
	}
	return weir.Value{}, nil
}

// exact bounds the whole numbers of which a float64 holds each: 2^53.
const exact = 1 << 53

// isWhole reports whether a number is written without a fraction and exponent.
func isWhole(number string) bool { return strings.Trim(number, "-0123456789") == "" }

func (r *reader) find(name string) *object {
	for i := range r.objects {
		if r.objects[i].name == name {
			return &r.objects[i]
		}
	}
	return nil
}

func (r *reader) warn(field, message string) { r.note("ignored_field", field, message) }

func (r *reader) note(code, field, message string) {
	switch {
	case !r.whole:
	case len(r.out.item.Warnings) >= maxWarnings:
		r.unsaid++
	default:
		r.say(code, field, message)
	}
}

func (r *reader) say(code, field, message string) {
	r.out.item.Warnings = append(r.out.item.Warnings, weir.Rejection{Code: code, Field: field, Message: message})
}

func (r *reader) unread(name string) {
	r.warn(name, "An item of this kind carries no such object, and it was not read.")
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
