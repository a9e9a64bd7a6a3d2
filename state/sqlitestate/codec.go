package sqlitestate

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirhq/weir"
)

// docVersion is the first byte of a document. docs/format/state.md describes
// the form.
const docVersion = 1

const flagAuthenticated = 1

var errDocument = errors.New("the document ends too early or is malformed")

// appendIdentity writes all of an identity that has no column of its own.
func appendIdentity(b []byte, i *weir.Identity) ([]byte, error) {
	flags := byte(0)
	if i.Authenticated {
		flags |= flagAuthenticated
	}
	b = append(b, docVersion, flags)
	b = appendTimes(b, i.CreatedAt, i.FirstSeen, i.LastSeen)
	b = binary.AppendUvarint(b, uint64(len(i.Edges)))
	for _, e := range i.Edges {
		b = appendText(b, e.From)
		b = appendText(b, e.To)
		b = appendTimes(b, e.At)
		b = appendText(b, e.Item)
		b = appendText(b, string(e.Rule))
	}
	return i.Traits.AppendBinary(b)
}

func readIdentity(doc []byte, i *weir.Identity) error {
	r := docReader{rest: doc}
	r.version()
	i.Authenticated = r.byte()&flagAuthenticated != 0
	i.CreatedAt, i.FirstSeen, i.LastSeen = r.time(), r.time(), r.time()
	// An edge takes at least five bytes: a damaged count must not take all memory.
	if n := r.uvarint(); n > uint64(len(r.rest)/5) {
		r.err = errDocument
	} else if n > 0 {
		i.Edges = make([]weir.Edge, n)
	}
	for n := range i.Edges {
		i.Edges[n] = weir.Edge{From: r.text(), To: r.text(), At: r.time(), Item: r.text(), Rule: weir.EdgeRule(r.text())}
	}
	return r.fields(&i.Traits)
}

// appendSession writes all of a session that has no column of its own.
func appendSession(b []byte, s *weir.Session) ([]byte, error) {
	b = append(b, docVersion)
	b = appendText(b, s.User)
	b = appendText(b, s.Device)
	b = appendTimes(b, s.StartedAt, s.LastSeen)
	return s.Fields.AppendBinary(b)
}

func readSession(doc []byte, s *weir.Session) error {
	r := docReader{rest: doc}
	r.version()
	s.User, s.Device = r.text(), r.text()
	s.StartedAt, s.LastSeen = r.time(), r.time()
	return r.fields(&s.Fields)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTimes(b []byte, times ...weir.Micros) []byte {
	for _, t := range times {
		b = binary.AppendVarint(b, int64(t))
	}
	return b
}

// docReader takes values off a document. After an error all values are zero.
type docReader struct {
	rest []byte
	err  error
}

func (r *docReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

func (r *docReader) version() {
	if v := r.byte(); r.err == nil && v != docVersion {
		r.fail(fmt.Errorf("form %d is unknown", v))
	}
}

func (r *docReader) byte() byte {
	if len(r.rest) == 0 {
		r.fail(errDocument)
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *docReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail(errDocument)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *docReader) time() weir.Micros {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail(errDocument)
		return 0
	}
	r.rest = r.rest[n:]
	return weir.Micros(v)
}

func (r *docReader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail(errDocument)
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

// fields reads what is left.
func (r *docReader) fields(f *weir.Fields) error {
	if r.err != nil {
		return r.err
	}
	return f.UnmarshalBinary(r.rest)
}
