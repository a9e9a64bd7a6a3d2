// Package importer reads what other products export, and what Weir itself is
// sent, and turns each line into native items of CONTRACT §3.1.
//
// It reads lines of JSON, one object a line, out of files, folders, zip
// archives and streams, compressed by gzip, zstd or brotli (Find, File.Read);
// finds out what wrote them (Detect); and turns each of them into items, or
// says why it cannot (Converter). It sends nothing and keeps nothing.
//
// # What becomes what
//
//   - An event that was tracked or captured is a custom_event under its own
//     name; a page that was viewed is a pageview; a screen is the event "screen".
//   - What is said of a user is an item of kind user, or stands as the traits of
//     the user that an event carries.
//   - Two ids of one person, an anonymous and a known one, become a user_alias,
//     whose id is the pair: however often it is said, it is one edge, as old as
//     the earliest line that says so.
//   - Ids are kept: Segment's messageId, Mixpanel's $insert_id, PostHog's uuid,
//     Amplitude's uuid or else $insert_id. A line without one gets a hash of its
//     content. So a line that is imported twice is stored once.
//   - Times are kept as they are: they were corrected by the product that
//     exports them, if at all.
package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// Format names what wrote a file.
type Format string

// The formats.
const (
	Native    Format = "native"    // items of CONTRACT §3.1, or whole requests of them
	Segment   Format = "segment"   // calls as the S3 destinations store them
	Mixpanel  Format = "mixpanel"  // raw event export, and profiles
	PostHog   Format = "posthog"   // batch export of events or persons as JSON lines
	Amplitude Format = "amplitude" // Export API and the S3 export
)

// Formats lists them all.
func Formats() []Format { return []Format{Native, Segment, Mixpanel, PostHog, Amplitude} }

// Converter turns lines of one format into native items. It remembers which
// pairs of ids it has joined, so as not to say it again with every event, and
// nothing else: lines may come in any order and again. It is not for concurrent
// use.
type Converter struct {
	format Format
	// joined has the time of each alias that was made. It is emptied when it has
	// grown to maxJoined: then aliases are made again, which does no harm.
	joined map[pair]weir.Micros

	line  []byte   // the line that is being converted
	items [][]byte // made of it
}

type pair struct{ from, to string }

// maxJoined bounds the memory to some 20 MB.
const maxJoined = 100_000

// NewConverter makes a Converter. The format must be one of Formats.
func NewConverter(format Format) *Converter {
	return &Converter{format: format, joined: map[pair]weir.Micros{}}
}

// Convert makes items of a line: one or more, or none and the reason why. The
// items are the caller's; the line may be reused. An item may still be rejected
// by the server, which has the last word on what is valid.
func (c *Converter) Convert(line []byte) (items [][]byte, why *weir.Rejection) {
	c.line, c.items = line, nil
	o, why := readLine(line)
	if why != nil {
		return nil, why
	}
	switch c.format {
	case Segment:
		why = c.segment(o)
	case Mixpanel:
		why = c.mixpanel(o)
	case PostHog:
		why = c.posthog(o)
	case Amplitude:
		why = c.amplitude(o)
	default:
		why = c.native(o)
	}
	if why != nil {
		return nil, why
	}
	return c.items, nil
}

// readLine reads the object that a line is.
func readLine(line []byte) (object, *weir.Rejection) {
	// Names that come twice and text that is no UTF-8 would be rejected by the
	// server, whatever is made of the line.
	if !jsontext.Value(line).IsValid() {
		return nil, &weir.Rejection{Code: "invalid_json", Message: "The line is no valid JSON: " + problemOf(line) + "."}
	}
	o, ok := parse(line)
	if !ok {
		return nil, &weir.Rejection{Code: "invalid_json", Message: "The line is not a JSON object."}
	}
	return o, nil
}

func problemOf(line []byte) string {
	value := jsontext.Value(slices.Clone(line))
	err := value.Compact(jsontext.AllowInvalidUTF8(false), jsontext.AllowDuplicateNames(false)) // reads it by the rules of IsValid
	if err == nil {
		return "it cannot be read"
	}
	return strings.TrimPrefix(err.Error(), "jsontext: ")
}

// id is the first of the members that is an id, or a hash of the line's
// content: the same for every order of its members and every spacing.
func (c *Converter) id(o object, names ...string) string {
	for _, name := range names {
		if id := o.text(name); id != "" {
			return id
		}
	}
	canonical := jsontext.Value(slices.Clone(c.line))
	if err := canonical.Canonicalize(); err != nil {
		canonical = c.line // it was valid: this cannot happen, and the bytes will do
	}
	sum := sha256.Sum256(canonical)
	return "sha256-" + hex.EncodeToString(sum[:16])
}

// when is the first of the members that is a time.
func when(o object, names ...string) (weir.Micros, *weir.Rejection) {
	var unreadable *weir.Rejection
	for _, name := range names {
		value := o.get(name)
		if value == nil {
			continue
		}
		at, ok := instant(value)
		if ok {
			return at, nil
		}
		if unreadable == nil {
			unreadable = invalid(name, fmt.Sprintf("%s is %s, which is no time from 1971 on.", name, clip(value)))
		}
	}
	if unreadable != nil {
		return 0, unreadable
	}
	return 0, missing(names[0], "The line does not say when it happened.")
}

func missing(field, message string) *weir.Rejection {
	return &weir.Rejection{Code: "missing_field", Field: field, Message: message}
}

func invalid(field, message string) *weir.Rejection {
	return &weir.Rejection{Code: "invalid_field", Field: field, Message: message}
}

// unsupported is the reason of a line that Weir has no place for.
func unsupported(message string) *weir.Rejection {
	return &weir.Rejection{Code: "not_imported", Message: message}
}

func clip(value []byte) string {
	if len(value) > 40 {
		return strings.ToValidUTF8(string(value[:40]), "") + "…"
	}
	return string(value)
}
