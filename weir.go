// Package weir holds the nouns that the parts of Weir share: the record that
// the collector stores, the item that the pipeline reads out of it, the
// identity, session and event that items become, and the outcome that every
// item is given. It imports the standard library only, and nothing in it does
// I/O, reads a clock or draws randomness.
//
// The folders beside this file are the parts; ARCHITECTURE.md shows how an
// item travels through them.
package weir

import (
	"fmt"
	"time"
)

// WorkspaceID names a workspace: the wall between tenants. Lower-case letters,
// digits, '_' and '-', 1 to 64 bytes.
type WorkspaceID string

// Valid reports whether the id has the form that the type's comment gives. It
// is also what makes an id safe as a file name.
func (id WorkspaceID) Valid() bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// SourceID names what sent an item: the id of the key that it came with.
type SourceID string

// Micros is an instant: microseconds since 1970 in UTC, the resolution at which
// Weir stores time. Zero means "not given".
type Micros int64

// MicrosOf rounds t down to a microsecond; the zero time becomes zero.
func MicrosOf(t time.Time) Micros {
	if t.IsZero() {
		return 0
	}
	return Micros(t.UnixMicro())
}

// Time is the instant in UTC; zero becomes the zero time.
func (m Micros) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}

// String is RFC 3339 with as many fractional digits as the instant has, or the
// empty string for zero.
func (m Micros) String() string {
	if m == 0 {
		return ""
	}
	return m.Time().Format(time.RFC3339Nano)
}

// MarshalText makes JSON carry the instant as RFC 3339 text.
func (m Micros) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (m *Micros) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*m = 0
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return fmt.Errorf("read time: %w", err)
	}
	*m = MicrosOf(t)
	return nil
}

// Position is the place of a record in the log: its partition in the upper 15
// bits and its sequence number, which starts at 1, in the lower 48. A position
// names one delivery of one item for ever: the archive finds its raw bytes by
// it, and the event row made from it carries it.
type Position int64

// MaxPartitions bounds the number of partitions of a queue.
const MaxPartitions = 1 << 15

// At is the position of a sequence number in a partition.
func At(partition int, seq uint64) Position {
	return Position(int64(partition)<<48 | int64(seq))
}

// Partition is the partition's number, from 0.
func (p Position) Partition() int { return int(p >> 48) }

// Seq is the sequence number within the partition, from 1.
func (p Position) Seq() uint64 { return uint64(p) & (1<<48 - 1) }

// String is "partition.seq", the form that the API and the log use.
func (p Position) String() string { return fmt.Sprintf("%d.%d", p.Partition(), p.Seq()) }

// ParsePosition reads what String wrote.
func ParsePosition(s string) (Position, error) {
	var partition int
	var seq uint64
	if n, err := fmt.Sscanf(s, "%d.%d", &partition, &seq); err != nil || n != 2 {
		return 0, fmt.Errorf("read position %q: want PARTITION.SEQUENCE", s)
	}
	if partition < 0 || partition >= MaxPartitions || seq == 0 || seq >= 1<<48 {
		return 0, fmt.Errorf("read position %q: out of range", s)
	}
	return At(partition, seq), nil
}

// Error is what a user is told. Code is stable and in snake case; Field, where
// one field is to blame, is its path in the item ("pageview.external_id");
// Message is a sentence that says what to do. Err, if set, is the cause, for
// the log only.
type Error struct {
	Code    string
	Field   string
	Message string
	Err     error
}

func (e *Error) Error() string {
	s := e.Code + ": " + e.Message
	if e.Field != "" {
		s = e.Code + " (" + e.Field + "): " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.Err }
