package item

import (
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// Schema lists the fields of a kind. Items are read by the same list: a value
// that does not fit is set aside with a warning, or rejects the item if the
// field is required. Fields that are not listed are kept as properties named
// "extra.<name>", and reported.
type Schema struct {
	Kind        weir.Kind `json:"kind"`
	Description string    `json:"description"`
	// Event says whether questions see the items as events.
	Event  bool    `json:"event"`
	Fields []Field `json:"fields"`
	// Prefixes begin the names of fields that are not listed and kept under their
	// own names all the same.
	Prefixes []string `json:"prefixes,omitempty"`

	slot     int   // the schema's place in known
	expected uint8 // of all its fields
}

// Field describes one member of a payload.
type Field struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	// Required fields reject an item of the kind that lacks them. A user, session
	// or device that stands beside another payload requires its external_id only.
	Required bool `json:"required"`
	// Recommended fields cost the item that lacks them a warning.
	Recommended bool   `json:"recommended,omitempty"`
	Description string `json:"description"`
	// Free objects have members of any name and value, which become properties of
	// the item under their own names.
	Free     bool     `json:"free,omitempty"`
	MaxBytes int      `json:"max_bytes,omitempty"` // of a text; 0 = the item's own limit
	Min      *float64 `json:"min,omitempty"`
	Max      *float64 `json:"max,omitempty"`
	// Fields are those of the objects in a list. What does not fit in one is left
	// out of it with a warning.
	Fields []Field `json:"fields,omitempty"`

	role     role
	expected uint8 // a bit of its own if it is required or recommended
}

// Type is the type of a field's value. A null is of every type.
type Type string

// The types. Where one is meant and another was sent that says the same, it is
// turned into the one that is meant: 5 into "5", "5" into 5, "true" into true.
const (
	String  Type = "string"
	Number  Type = "number"
	Integer Type = "integer" // a fraction is rounded, with a warning
	Boolean Type = "boolean"
	Time    Type = "time" // RFC 3339, kept as the text that was sent
	List    Type = "list"
	Object  Type = "object"
	Any     Type = "any"
)

// role is what a field means to the reader; without one it is a property.
type role uint8

const (
	property role = iota
	itemID
	createdAt
	updatedAt
	needed // a property that the item is rejected without; it is read as an id is
	label
	authenticated
	deviceID
	anonymousID
	aliasFrom
	aliasTo
	aliasAuthenticated
	aliasCreatedAt
	edgeID
	lifted // an object whose members are properties
	member // a member of such an object
)

// Schemas lists the schemas of all kinds but those of apps' tables, whose
// fields are free. The caller may change the list, but not the fields.
func Schemas() []Schema { return slices.Clone(schemas[:len(schemas)-1]) }

var (
	schemas = prepared(append(list(), Schema{Fields: identified(), Prefixes: []string{""}})) // the last is that of apps' tables
	known   = fieldsByName(schemas)
	named   = strings.Join(names(Schemas()), ", ")
)

// slots bounds the number of schemas.
const slots = 16

// fieldSet is what a name means in each of the schemas.
type fieldSet [slots]*Field

func prepared(list []Schema) []Schema {
	for i := range list {
		schema, bit := &list[i], uint8(1)
		schema.slot = i
		for j := range schema.Fields {
			if f := &schema.Fields[j]; f.Required || f.Recommended {
				f.expected = bit
				schema.expected |= bit
				bit <<= 1
			}
		}
	}
	return list
}

func fieldsByName(schemas []Schema) map[string]*fieldSet {
	sets := map[string]*fieldSet{}
	for i := range schemas {
		for j := range schemas[i].Fields {
			field := &schemas[i].Fields[j]
			if sets[field.Name] == nil {
				sets[field.Name] = &fieldSet{}
			}
			sets[field.Name][i] = field
		}
	}
	return sets
}

func names(schemas []Schema) []string {
	names := make([]string, len(schemas))
	for i := range schemas {
		names[i] = string(schemas[i].Kind)
	}
	return names
}

// schemaOf is nil for what is no kind.
func schemaOf(kind string) *Schema {
	for i := range schemas {
		if string(schemas[i].Kind) == kind {
			return &schemas[i]
		}
	}
	if isTable(kind) {
		return &schemas[len(schemas)-1]
	}
	return nil
}

// maxKind bounds the name of an app's table with its prefix, in bytes.
const maxKind = 128

// isTable reports whether a kind is that of an app's table:
// ^app_[a-z0-9]+(_[a-z0-9]+)+$.
func isTable(kind string) bool {
	rest, ok := strings.CutPrefix(kind, "app_")
	if !ok || len(kind) > maxKind {
		return false
	}
	parts, letters := 0, 0
	for _, c := range []byte(rest) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			letters++
		case c == '_' && letters > 0:
			parts, letters = parts+1, 0
		default:
			return false
		}
	}
	return parts > 0 && letters > 0
}
