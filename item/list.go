package item

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// entries reads a list of objects by the fields that they have, and returns it as
// it is kept. An entry that is no object and a value that does not fit are left
// out with a warning, and the others stay: an order is not lost over one of its
// lines. Members that are not listed are kept as they are.
//
// The list is JSON that was read before. Should it not be, it is kept as it is.
func (r *reader) entries(path string, spec *Field, list string) string {
	d := jsontext.NewDecoder(bytes.NewBufferString(list), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return list
	}
	out := append(make([]byte, 0, len(list)), '[')
	for n := 0; d.PeekKind() != ']'; n++ {
		at := fmt.Sprintf("%s[%d]", path, n)
		if d.PeekKind() != '{' {
			if err := d.SkipValue(); err != nil {
				return list
			}
			r.warn(at, "This entry must be an object and was left out.")
			continue
		}
		var err error
		if out, err = r.entry(separate(out), d, spec, at); err != nil {
			return list
		}
	}
	return string(append(out, ']'))
}

// entry appends one object.
func (r *reader) entry(out []byte, d *jsontext.Decoder, spec *Field, path string) ([]byte, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	out = append(out, '{')
	for d.PeekKind() != '}' {
		quoted, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		start := len(out)
		out = append(append(separate(out), quoted...), ':')
		f := spec.member(quoted)
		if f == nil {
			value, err := d.ReadValue()
			if err != nil {
				return nil, err
			}
			out = append(out, value...)
			continue
		}
		value, err := readValue(d, f.Type == String)
		if err != nil {
			return nil, err
		}
		fitted, problem, final := f.fit(value)
		if problem != "" {
			r.warn(path+"."+f.Name, f.Name+" "+problem+".")
		}
		if final {
			out = out[:start]
		} else if out, err = appendValue(out, fitted); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return append(out, '}'), err
}

// separate appends the comma that what comes next needs.
func separate(out []byte) []byte {
	if last := out[len(out)-1]; last == '[' || last == '{' {
		return out
	}
	return append(out, ',')
}

func appendValue(out []byte, v weir.Value) ([]byte, error) {
	if v.Type == weir.String {
		return jsontext.AppendQuote(out, v.Str)
	}
	text, err := v.MarshalJSON()
	return append(out, text...), err
}

// member is the field of a list's objects that has a name, in quotes; nil if none
// has.
func (f *Field) member(quoted []byte) *Field {
	for i := range f.Fields {
		if name := f.Fields[i].Name; len(quoted) == len(name)+2 && string(quoted[1:len(quoted)-1]) == name {
			return &f.Fields[i]
		}
	}
	return nil
}
