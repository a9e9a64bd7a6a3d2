package dump

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/identity"
)

// line is one JSON object that is being written, its members in the order of
// the calls.
type line struct {
	text    []byte
	missing []string // members that refer to something that is not there
}

// newLine begins a line: its first member says what it describes, and which.
func newLine(what, which string) *line {
	l := &line{text: make([]byte, 0, 512)}
	l.text = appendText(append(appendText(append(l.text, '{'), what), ':'), which)
	return l
}

// end writes the line to w.
func (l *line) end(w io.Writer) error {
	if l.missing != nil {
		l.strings("missing", l.missing)
	}
	_, err := w.Write(append(l.text, "}\n"...))
	return err
}

func (l *line) member(name string) { l.text = append(appendText(append(l.text, ','), name), ':') }

func (l *line) string(name, value string) {
	l.member(name)
	l.text = appendText(l.text, value)
}

// id writes what a member refers to, which must not be empty: it is missing then.
func (l *line) id(name, value string) {
	if value == "" {
		l.missing = append(l.missing, name)
		l.null(name)
		return
	}
	l.string(name, value)
}

func (l *line) null(name string) {
	l.member(name)
	l.text = append(l.text, "null"...)
}

func (l *line) strings(name string, values []string) {
	l.member(name)
	l.text = append(l.text, '[')
	for i, v := range values {
		if i > 0 {
			l.text = append(l.text, ',')
		}
		l.text = appendText(l.text, v)
	}
	l.text = append(l.text, ']')
}

func (l *line) boolean(name string, value bool) {
	l.member(name)
	l.text = strconv.AppendBool(l.text, value)
}

func (l *line) integer(name string, value int64) {
	l.member(name)
	l.text = strconv.AppendInt(l.text, value, 10)
}

func (l *line) number(name string, value float64) {
	l.member(name)
	l.text = append(l.text, weir.FormatNumber(value)...)
}

// time writes an instant, or null if there is none.
func (l *line) time(name string, at weir.Micros) {
	if at == 0 {
		l.null(name)
		return
	}
	l.string(name, at.String())
}

// properties writes an object of those that are not null, sorted by name.
func (l *line) properties(name string, list []weir.Property) {
	l.member(name)
	byName := func(a, b weir.Property) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(list, byName) {
		list = slices.SortedStableFunc(slices.Values(list), byName)
	}
	l.text = append(l.text, '{')
	for _, p := range list {
		if p.Value.Type == weir.Null {
			continue
		}
		if l.text[len(l.text)-1] != '{' {
			l.text = append(l.text, ',')
		}
		l.text = appendValue(append(appendText(l.text, p.Name), ':'), p.Value)
	}
	l.text = append(l.text, '}')
}

// edges writes the edges that leave an identity and were not taken back, in the
// order in which they count. One of a reconciliation key leads to the value that
// others have too, not to the stand-in for it.
// devices lists an identity's devices, sorted by id.
func (l *line) devices(name string, i *weir.Identity) {
	l.member(name)
	l.text = append(l.text, '[')
	for n, d := range i.Devices {
		if n > 0 {
			l.text = append(l.text, ',')
		}
		device := newLine("id", d.ID)
		device.time("created_at", d.CreatedAt)
		device.time("first_seen", d.FirstSeen)
		device.properties("fields", d.Fields.Properties())
		l.text = append(append(l.text, device.text...), '}')
	}
	l.text = append(l.text, ']')
}

func (l *line) edges(name string, i *weir.Identity) {
	l.member(name)
	l.text = append(l.text, '[')
	for n, e := range identity.Live(i) {
		if n > 0 {
			l.text = append(l.text, ',')
		}
		to := e.To
		if _, value, ok := identity.KeyOf(to); ok {
			to = value
		}
		edge := newLine("id", e.ID())
		edge.string("to", to)
		edge.string("rule", string(e.Rule))
		edge.time("at", e.At)
		edge.string("item", e.Item)
		l.text = append(append(l.text, edge.text...), '}')
	}
	l.text = append(l.text, ']')
}

// touches writes the touchpoints of a conversion, with their credits by model.
func (l *line) touches(name string, touches []weir.Touch, models []attribution.Model, sessions map[uint32]string) {
	l.member(name)
	l.text = append(l.text, '[')
	for i, t := range touches {
		if i > 0 {
			l.text = append(l.text, ',')
		}
		touch := newLine("session", sessions[t.Session])
		if sessions[t.Session] == "" {
			l.missing = append(l.missing, "session of touch "+strconv.Itoa(i+1))
		}
		touch.time("at", t.At)
		touch.string("channel", t.Channel)
		touch.string("role", t.Role.String())
		touch.member("credits")
		touch.text = append(touch.text, '{')
		for m, cents := range t.Credits[:min(len(t.Credits), len(models))] {
			if m > 0 {
				touch.text = append(touch.text, ',')
			}
			touch.text = strconv.AppendInt(append(appendText(touch.text, string(models[m])), ':'), cents, 10)
		}
		l.text = append(append(l.text, touch.text...), "}}"...)
	}
	l.text = append(l.text, ']')
}

// appendText writes a JSON string. Bytes that are no UTF-8 are replaced: items
// that have such are rejected, so there are none.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// appendValue writes a value as the JSON it came from.
func appendValue(b []byte, v weir.Value) []byte {
	if v.Type == weir.String {
		return appendText(b, v.Str)
	}
	return append(b, v.String()...) // numbers, truth values, lists and objects are their text form
}
