package weir

import (
	"encoding/json"
	"math"
	"strconv"
)

// Type is the type of a property's value as it was sent.
type Type uint8

// The types of SEMANTICS §8. Times arrive as strings and are kept as such.
const (
	Null Type = iota
	String
	Number
	Bool
	JSON // a list or an object
)

// Value is one value of a property. Only the field of its Type has a meaning;
// JSON is in Str, as canonical text.
type Value struct {
	Type Type
	Str  string
	Num  float64
	Bool bool
}

// Property is a named value.
type Property struct {
	Name  string
	Value Value
}

// Text makes a string.
func Text(s string) Value { return Value{Type: String, Str: s} }

// Num makes a number. It must be finite: JSON has no other.
func Num(f float64) Value { return Value{Type: Number, Num: f} }

// Boolean makes a boolean.
func Boolean(b bool) Value { return Value{Type: Bool, Bool: b} }

// Raw makes a list or an object of its JSON text.
func Raw(s string) Value { return Value{Type: JSON, Str: s} }

// String is the text form, by which eq, in, contains and regex compare: the
// string itself; a number in the shortest decimal form that reads back as the
// same number, without an exponent from 1e-6 up to 1e21 (as JavaScript writes
// it); true or false; the JSON text; null is "".
func (v Value) String() string {
	switch v.Type {
	case String, JSON:
		return v.Str
	case Number:
		return FormatNumber(v.Num)
	case Bool:
		return strconv.FormatBool(v.Bool)
	}
	return ""
}

// FormatNumber is the text form of a number.
func FormatNumber(f float64) string {
	if f == 0 {
		return "0" // and not "-0"
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

// MarshalJSON writes the value as the JSON it came from.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.Type {
	case String:
		return json.Marshal(v.Str)
	case Number:
		return []byte(FormatNumber(v.Num)), nil
	case Bool:
		return strconv.AppendBool(nil, v.Bool), nil
	case JSON:
		return []byte(v.Str), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads any JSON value.
func (v *Value) UnmarshalJSON(data []byte) error {
	var any any
	if err := json.Unmarshal(data, &any); err != nil {
		return err
	}
	switch x := any.(type) {
	case nil:
		*v = Value{}
	case string:
		*v = Text(x)
	case float64:
		*v = Num(x)
	case bool:
		*v = Boolean(x)
	default:
		*v = Raw(string(data))
	}
	return nil
}
