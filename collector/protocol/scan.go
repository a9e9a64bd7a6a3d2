package protocol

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Scanner walks the outer levels of a JSON text and hands out the values on
// them as they stand in the text, without reading them.
//
// It finds where a value ends by its strings and brackets alone. That makes one
// pass fast and safe at any depth of nesting, and it confines a mistake inside
// an item (a NaN, bytes that are no UTF-8, a name that comes twice) to that
// item: its neighbours are found all the same. Brackets that do not match and
// strings that do not end cannot be confined, and are errors.
//
// The zero Scanner scans nothing; Text sets what to scan.
type Scanner struct {
	text  []byte
	pos   int
	kinds []uint64 // one bit per open bracket: set for '['
	name  []byte   // the last name that had escapes
}

// Text makes the scanner start at the beginning of text.
func (s *Scanner) Text(text []byte) { s.text, s.pos = text, 0 }

// Kind is the first byte of the next value: '{', '[', '"', a letter or a digit;
// 0 at the end of the text.
func (s *Scanner) Kind() byte {
	s.space()
	if s.pos == len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

// End returns an error if anything but white space is left.
func (s *Scanner) End() error {
	if s.Kind() != 0 {
		return s.unexpected("the end")
	}
	return nil
}

// Object walks the object that stands next. It calls member for each member
// with the name, valid until member returns; member moves past the value, by
// Value, Object or List. An error of member ends the walk.
func (s *Scanner) Object(member func(name []byte) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	if s.Kind() == '}' {
		s.pos++
		return nil
	}
	for {
		name, err := s.memberName()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
		if more, err := s.more('}'); !more {
			return err
		}
	}
}

// List walks the list that stands next. It calls element before each element,
// which moves past it, by Value, Object or List. An error of element ends the
// walk.
func (s *Scanner) List(element func() error) error {
	if err := s.expect('['); err != nil {
		return err
	}
	if s.Kind() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if more, err := s.more(']'); !more {
			return err
		}
	}
}

// Value moves past the next value and returns it as it stands in the text. It
// may be broken inside: see Valid.
func (s *Scanner) Value() ([]byte, error) {
	kind := s.Kind()
	start := s.pos
	var err error
	switch kind {
	case '{', '[':
		err = s.nested()
	case '"':
		err = s.quoted()
	default:
		err = s.literal()
	}
	if err != nil {
		return nil, err
	}
	return s.text[start:s.pos], nil
}

// Valid reports whether a value is JSON. Text that is no UTF-8 and names that
// come twice are let pass, as they do no harm in an envelope.
func Valid(value []byte) bool {
	return jsontext.Value(value).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// String reads a value that is a JSON string; ok is false if it is none.
func String(value []byte) (text string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return "", false
	}
	return string(b), true
}

func (s *Scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *Scanner) expect(kind byte) error {
	if s.Kind() != kind {
		return s.unexpected(fmt.Sprintf("%q", kind))
	}
	s.pos++
	return nil
}

// more moves past a comma, or past the bracket that ends.
func (s *Scanner) more(end byte) (bool, error) {
	switch s.Kind() {
	case ',':
		s.pos++
		return true, nil
	case end:
		s.pos++
		return false, nil
	}
	return false, s.unexpected(fmt.Sprintf("',' or %q", end))
}

func (s *Scanner) memberName() ([]byte, error) {
	if s.Kind() != '"' {
		return nil, s.unexpected("a name in quotes")
	}
	start := s.pos
	if err := s.quoted(); err != nil {
		return nil, err
	}
	name := s.text[start+1 : s.pos-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		var err error
		if s.name, err = jsontext.AppendUnquote(s.name[:0], s.text[start:s.pos]); err != nil && !Valid(s.text[start:s.pos]) {
			return nil, fmt.Errorf("the name at byte %d cannot be read", start)
		}
		name = s.name
	}
	if s.Kind() != ':' {
		return nil, s.unexpected("':'")
	}
	s.pos++
	return name, nil
}

// quoted moves past a string.
func (s *Scanner) quoted() error {
	start := s.pos
	for i := start + 1; ; i++ {
		n := bytes.IndexByte(s.text[i:], '"')
		if n < 0 {
			s.pos = len(s.text)
			return fmt.Errorf("the string that begins at byte %d does not end", start)
		}
		i += n
		backslashes := 0
		for s.text[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			s.pos = i + 1
			return nil
		}
	}
}

// literal moves past a number, true, false or null, or what stands in its
// place.
func (s *Scanner) literal() error {
	start := s.pos
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ',', ':', ']', '}', '[', '{', '"', ' ', '\t', '\n', '\r':
			if s.pos == start {
				return s.unexpected("a value")
			}
			return nil
		}
		s.pos++
	}
	if s.pos == start {
		return s.unexpected("a value")
	}
	return nil
}

// nested moves past an object or a list of any depth. The open brackets are
// kept as bits, so that even a text of nothing but brackets costs an eighth of
// its own size.
func (s *Scanner) nested() error {
	start, depth := s.pos, 0
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case '"':
			if err := s.quoted(); err != nil {
				return err
			}
			continue
		case '{', '[':
			s.open(depth, c == '[')
			depth++
		case '}', ']':
			depth--
			if s.isList(depth) != (c == ']') {
				return fmt.Errorf("the %q at byte %d closes a bracket of the other kind", c, s.pos)
			}
			if depth == 0 {
				s.pos++
				return nil
			}
		}
		s.pos++
	}
	return fmt.Errorf("the %q at byte %d is never closed", s.text[start], start)
}

func (s *Scanner) open(depth int, list bool) {
	word, bit := depth/64, uint64(1)<<(depth%64)
	if word == len(s.kinds) {
		s.kinds = append(s.kinds, 0)
	}
	if list {
		s.kinds[word] |= bit
	} else {
		s.kinds[word] &^= bit
	}
}

func (s *Scanner) isList(depth int) bool {
	return s.kinds[depth/64]&(1<<(depth%64)) != 0
}

func (s *Scanner) unexpected(want string) error {
	if s.pos == len(s.text) {
		return fmt.Errorf("the text ends at byte %d where %s was expected", s.pos, want)
	}
	return fmt.Errorf("found %q at byte %d where %s was expected", s.text[s.pos], s.pos, want)
}
