package dump

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// shownDifferences bounds what Compare says: the first few say what is wrong.
const shownDifferences = 10

// Compare reads two dumps of Write side by side and reports whether they are
// equal; diff describes the first differences, for people: "-" is what a says,
// "+" what b says. It holds one line of each in memory and stops reading when it
// has seen enough. An error is that a text cannot be read or is no dump.
func Compare(a, b io.Reader) (diff string, equal bool, err error) {
	c := comparison{a: reader{text: bufio.NewReaderSize(a, 1<<16)}, b: reader{text: bufio.NewReaderSize(b, 1<<16)}}
	if err := errors.Join(c.a.next(), c.b.next()); err != nil {
		return "", false, err
	}
	for c.found <= shownDifferences && !(c.a.line == nil && c.b.line == nil) {
		if err := c.step(); err != nil {
			return c.diff.String(), false, err
		}
	}
	return c.diff.String(), c.found == 0, nil
}

type comparison struct {
	a, b  reader
	found int
	diff  strings.Builder
}

// step compares the lines that the readers are at, and goes on in the one that
// is behind, or in both.
func (c *comparison) step() error {
	if bytes.Equal(c.a.line, c.b.line) {
		return errors.Join(c.a.next(), c.b.next())
	}
	c.found++
	if c.found > shownDifferences {
		c.diff.WriteString("and more\n")
		return nil
	}
	order := cmp.Compare(btoi(c.a.line == nil), btoi(c.b.line == nil)) // who has ended is ahead
	var key place
	if order == 0 {
		x, err := placeOf(c.a.line)
		if err != nil {
			return err
		}
		y, err := placeOf(c.b.line)
		if err != nil {
			return err
		}
		order, key = x.compare(y), x
	}
	switch {
	case order < 0:
		fmt.Fprintf(&c.diff, "- %s\n", clip(c.a.line))
		return c.a.next()
	case order > 0:
		fmt.Fprintf(&c.diff, "+ %s\n", clip(c.b.line))
		return c.b.next()
	}
	if err := c.members(key); err != nil {
		return err
	}
	return errors.Join(c.a.next(), c.b.next())
}

// members says in which members two lines of the same thing differ.
func (c *comparison) members(key place) error {
	var a, b map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(c.a.line, &a), json.Unmarshal(c.b.line, &b)); err != nil {
		return fmt.Errorf("compare dumps: %w", err)
	}
	var names []string
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(&c.diff, "  %s\n", key)
	for _, name := range slices.Compact(names) {
		if bytes.Equal(a[name], b[name]) {
			continue
		}
		if a[name] != nil {
			fmt.Fprintf(&c.diff, "-   %s: %s\n", name, clip(a[name]))
		}
		if b[name] != nil {
			fmt.Fprintf(&c.diff, "+   %s: %s\n", name, clip(b[name]))
		}
	}
	return nil
}

// reader is at a line, without its end; nil after the last.
type reader struct {
	text *bufio.Reader
	line []byte
}

func (r *reader) next() error {
	line, err := r.text.ReadBytes('\n')
	switch {
	case err == nil:
		r.line = line[:len(line)-1]
	case errors.Is(err, io.EOF) && len(line) == 0:
		r.line = nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("compare dumps: the last line is cut off: %s", clip(line))
	default:
		return fmt.Errorf("compare dumps: %w", err)
	}
	return nil
}

// sections are the first members of lines, in the order of Write.
var sections = []string{"user", "identity", "session", "conversion", "attribution", "event"}

// place is where a line stands among the others.
type place struct {
	section int
	time    weir.Micros // of events
	kind    string      // of events
	id      string
	origin  string // of sessions
	name    string
}

func (p place) compare(q place) int {
	return cmp.Or(
		cmp.Compare(p.section, q.section), cmp.Compare(p.time, q.time), cmp.Compare(p.kind, q.kind),
		cmp.Compare(p.id, q.id), cmp.Compare(slices.Index(origins[:], p.origin), slices.Index(origins[:], q.origin)),
	)
}

func (p place) String() string {
	if sections[p.section] == "event" {
		return fmt.Sprintf("event %q of %s, %s %q", p.name, p.time, p.kind, p.id)
	}
	return fmt.Sprintf("%s %q", sections[p.section], p.id)
}

// placeOf reads the place of a line.
func placeOf(line []byte) (place, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	_, _ = d.Token() // the brace; the next token tells whether it was one
	first, err := d.Token()
	what, _ := first.(string)
	p := place{section: slices.Index(sections, what)}
	var members struct {
		Event      string
		Identity   string
		Session    any // null in an event of no session
		Conversion string
		User       string
		Credit     string `json:"attribution"`
		Kind       string
		ID         string
		Origin     string
		Time       weir.Micros
	}
	if err == nil && p.section >= 0 {
		err = json.Unmarshal(line, &members)
	}
	if err != nil || p.section < 0 {
		return place{}, fmt.Errorf("compare dumps: this is no line of a dump: %s", clip(line))
	}
	switch what {
	case "user":
		p.id = members.User
	case "identity":
		p.id = members.Identity
	case "session":
		p.id, _ = members.Session.(string)
		p.origin = members.Origin
	case "conversion":
		p.id = members.Conversion
	case "attribution":
		p.id = members.Credit
	case "event":
		p.time, p.kind, p.id, p.name = members.Time, members.Kind, members.ID, members.Event
	}
	return p, nil
}

// clip keeps a difference readable.
func clip(text []byte) string {
	const most = 2000 // bytes
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "…"
	}
	return string(text)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
