// Package document is the form in which drivers of state.Store keep identities,
// sessions, conversions and entries of the seen index: bytes, in every engine the
// same. docs/format/state.md describes them. What a driver has columns for, as ids
// and owners, is not in them.
package document

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/weirhq/weir"
)

// Version is the first byte of a document. A change gives it the next number, and
// what is stored in the former one must be made anew.
const Version = 2

// The flags of an identity.
const (
	flagAuthenticated = 1 << iota
	flagKey
	flagConverts
	flagAttends
)

// The flags of a conversion.
const (
	flagUnpriced = 1 << iota
	flagCancelled
)

// ErrMalformed is wrapped by every error of reading. It means damage: nobody but
// this package writes documents.
var ErrMalformed = errors.New("the document ends too early or is malformed")

// AppendIdentity writes all of an identity but its workspace, id, number and person.
// It fails for values that have no form.
func AppendIdentity(b []byte, i *weir.Identity) ([]byte, error) {
	b = append(b, Version, flags(i.Authenticated, i.Key, i.Converts, i.Attends))
	b = appendTimes(b, i.CreatedAt, i.FirstSeen, i.LastSeen)
	b = appendEdges(b, i.ID, i.Edges)
	b = appendEdges(b, i.ID, i.Incoming)
	b = binary.AppendUvarint(b, uint64(len(i.Retracted)))
	for _, id := range i.Retracted {
		b = appendText(b, id)
	}
	b = binary.AppendUvarint(b, uint64(len(i.Devices)))
	for _, d := range i.Devices {
		b = appendTimes(appendText(b, d.ID), d.CreatedAt, d.FirstSeen)
		fields, err := d.Fields.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		b = appendText(b, string(fields))
	}
	return i.Traits.AppendBinary(b)
}

// ReadIdentity fills in an identity whose ID is set. It keeps nothing of doc.
func ReadIdentity(doc []byte, i *weir.Identity) error {
	r := reader{rest: doc}
	r.version()
	said := r.byte()
	i.Authenticated, i.Key = said&flagAuthenticated != 0, said&flagKey != 0
	i.Converts, i.Attends = said&flagConverts != 0, said&flagAttends != 0
	i.CreatedAt, i.FirstSeen, i.LastSeen = r.time(), r.time(), r.time()
	i.Edges, i.Incoming = r.edges(i.ID), r.edges(i.ID)
	i.Retracted = readList(&r, 1, r.text)
	i.Devices = readList(&r, 4, r.device)
	return r.fields(&i.Traits)
}

// appendEdges leaves out the id that nearly every edge has at one of its ends.
func appendEdges(b []byte, own string, edges []weir.Edge) []byte {
	b = binary.AppendUvarint(b, uint64(len(edges)))
	for _, e := range edges {
		b = appendID(b, own, e.From)
		b = appendID(b, own, e.To)
		b = appendTimes(b, e.At)
		b = appendText(b, e.Item)
		b = appendText(b, string(e.Rule))
	}
	return b
}

func (r *reader) edges(own string) []weir.Edge {
	return readList(r, 5, func() weir.Edge {
		return weir.Edge{From: r.id(own), To: r.id(own), At: r.time(), Item: r.text(), Rule: weir.EdgeRule(r.text())}
	})
}

func (r *reader) device() weir.Device {
	d := weir.Device{ID: r.text(), CreatedAt: r.time(), FirstSeen: r.time()}
	if fields := r.bytes(r.uvarint()); r.err == nil {
		if err := d.Fields.UnmarshalBinary(fields); err != nil {
			r.fail(err)
		}
	}
	return d
}

// AppendSession writes all of a session but its workspace, id, number and owner. It
// fails for values that have no form.
func AppendSession(b []byte, s *weir.Session) ([]byte, error) {
	b = append(b, Version, byte(s.Origin))
	b = appendText(b, s.User)
	b = appendText(b, s.Device)
	b = appendTimes(b, s.StartedAt, s.EndedAt-s.StartedAt)
	b = binary.AppendUvarint(b, uint64(len(s.Points)))
	for n := range s.Points {
		b = appendPoint(b, s.StartedAt, &s.Points[n])
	}
	return s.Fields.AppendBinary(b)
}

// ReadSession fills in a session. It keeps nothing of doc.
func ReadSession(doc []byte, s *weir.Session) error {
	r := reader{rest: doc}
	r.version()
	s.Origin = weir.Origin(r.byte())
	s.User, s.Device = r.text(), r.text()
	s.StartedAt = r.time()
	s.EndedAt = s.StartedAt + r.time()
	s.Points = readList(&r, 10, func() weir.Point { return r.point(s.StartedAt) })
	return r.fields(&s.Fields)
}

// What a point has, in the low bits of its first number; its flags stand above.
const (
	hasLead = 1 << iota
	hasSource
	pointFlags = iota
)

// appendPoint writes the item as it is: hashes that are sorted lie as far apart as
// others, so that there is nothing to gain from their differences.
func appendPoint(b []byte, base weir.Micros, p *weir.Point) []byte {
	head := uint64(p.Flags) << pointFlags
	if p.Lead != 0 {
		head |= hasLead
	}
	if len(p.Source) > 0 {
		head |= hasSource
	}
	b = binary.LittleEndian.AppendUint64(b, p.Item)
	b = binary.AppendUvarint(b, head)
	b = appendTimes(b, p.At-base)
	if p.Lead != 0 {
		b = appendTimes(b, p.Lead)
	}
	if len(p.Source) > 0 {
		b = appendProperties(b, p.Source)
	}
	return b
}

func (r *reader) point(base weir.Micros) weir.Point {
	p := weir.Point{Item: r.uint64()}
	head := r.uvarint()
	if head>>pointFlags > math.MaxUint8 {
		r.fail(ErrMalformed)
	}
	p.Flags = weir.PointFlags(head >> pointFlags)
	p.At = base + r.time()
	if head&hasLead != 0 {
		p.Lead = r.time()
	}
	if head&hasSource != 0 {
		p.Source = r.properties()
	}
	return p
}

// AppendConversion writes all of a conversion but its workspace, id and owner.
func AppendConversion(b []byte, c *weir.Conversion) []byte {
	b = append(b, Version, flags(c.Unpriced, c.Cancelled))
	b = appendText(b, c.Goal)
	b = appendText(b, c.User)
	b = appendTimes(b, c.At)
	b = appendText(b, c.Currency)
	b = binary.AppendVarint(b, c.Value)
	b = binary.AppendVarint(b, c.Amount)
	b = appendProperties(b, c.Fields)
	b = binary.AppendUvarint(b, uint64(len(c.Touches)))
	for _, t := range c.Touches {
		b = binary.AppendUvarint(b, uint64(t.Session))
		b = appendTimes(b, t.At-c.At)
		b = appendText(b, t.Channel)
		b = append(b, byte(t.Role))
		b = binary.AppendUvarint(b, uint64(len(t.Credits)))
		for _, credit := range t.Credits {
			b = binary.AppendVarint(b, credit)
		}
	}
	return b
}

// ReadConversion fills in a conversion. It keeps nothing of doc.
func ReadConversion(doc []byte, c *weir.Conversion) error {
	r := reader{rest: doc}
	r.version()
	said := r.byte()
	c.Unpriced, c.Cancelled = said&flagUnpriced != 0, said&flagCancelled != 0
	c.Goal, c.User, c.At, c.Currency = r.text(), r.text(), r.time(), r.text()
	c.Value, c.Amount = r.varint(), r.varint()
	c.Fields = r.properties()
	c.Touches = readList(&r, 5, func() weir.Touch {
		return weir.Touch{
			Session: r.uint32(), At: c.At + r.time(), Channel: r.text(), Role: weir.Role(r.byte()),
			Credits: readList(&r, 1, r.varint),
		}
	})
	if r.err == nil && len(r.rest) > 0 {
		r.fail(ErrMalformed)
	}
	return r.err
}

func flags(set ...bool) (b byte) {
	for n, is := range set {
		if is {
			b |= 1 << n
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendID writes an id that may be the document's own: that is a single 0, any
// other a length and 1.
func appendID(b []byte, own, id string) []byte {
	if id == own {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(id))+1), id...)
}

func appendTimes(b []byte, times ...weir.Micros) []byte {
	for _, t := range times {
		b = binary.AppendVarint(b, int64(t))
	}
	return b
}

func appendProperties(b []byte, properties []weir.Property) []byte {
	b = binary.AppendUvarint(b, uint64(len(properties)))
	for _, p := range properties {
		b = append(appendText(b, p.Name), byte(p.Value.Type))
		switch p.Value.Type {
		case weir.String, weir.JSON:
			b = appendText(b, p.Value.Str)
		case weir.Number:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p.Value.Num))
		case weir.Bool:
			b = append(b, flags(p.Value.Bool))
		}
	}
	return b
}

// reader takes values off a document. After an error all values are zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

func (r *reader) version() {
	if v := r.byte(); r.err == nil && v != Version {
		r.fail(fmt.Errorf("%w: form %d is unknown", ErrMalformed, v))
	}
}

// bytes takes the next n; they are not the caller's to keep.
func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail(ErrMalformed)
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail(ErrMalformed)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uvarint()
	if v > math.MaxUint32 {
		r.fail(ErrMalformed)
	}
	return uint32(v)
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail(ErrMalformed)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) time() weir.Micros { return weir.Micros(r.varint()) }

func (r *reader) text() string { return string(r.bytes(r.uvarint())) }

func (r *reader) id(own string) string {
	n := r.uvarint()
	if n == 0 {
		return own
	}
	return string(r.bytes(n - 1))
}

// readList reads a count and as many elements, of which each takes at least a
// number of bytes: a damaged count must not take all memory. An empty list is nil.
func readList[T any](r *reader, least int, read func() T) []T {
	n := r.uvarint()
	if n > uint64(len(r.rest)/least) {
		r.fail(ErrMalformed)
	}
	if n == 0 || r.err != nil {
		return nil
	}
	list := make([]T, n)
	for i := range list {
		list[i] = read()
	}
	return list
}

func (r *reader) properties() []weir.Property {
	return readList(r, 2, func() weir.Property {
		p := weir.Property{Name: r.text(), Value: weir.Value{Type: weir.Type(r.byte())}}
		switch p.Value.Type {
		case weir.Null:
		case weir.String, weir.JSON:
			p.Value.Str = r.text()
		case weir.Number:
			p.Value.Num = math.Float64frombits(r.uint64())
		case weir.Bool:
			p.Value.Bool = r.byte() != 0
		default:
			r.fail(ErrMalformed)
		}
		return p
	})
}

// fields reads what is left.
func (r *reader) fields(f *weir.Fields) error {
	if r.err != nil {
		return r.err
	}
	if err := f.UnmarshalBinary(r.rest); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
