package duckstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir"
)

func (w *workspace) appendNames(b *rows) error {
	return w.append("names", len(b.newNames), func(i int, s *sheet) {
		put(s, 0, b.firstCode+uint32(i))
		s.text(1, b.newNames[i])
	})
}

func (w *workspace) appendPlaces(places []tablePlace) error {
	return w.append("places", len(places), func(i int, s *sheet) {
		p := places[i]
		s.text(0, p.table)
		put(s, 1, p.event)
		s.text(2, p.property)
		put(s, 3, uint8(p.typ))
		s.text(4, p.slot)
	})
}

func (w *workspace) appendEvents(events []weir.Event, codes []uint32) error {
	l := w.catalogue.events
	return w.append(eventsTable, len(events), func(i int, s *sheet) {
		e := &events[i]
		put(s, 0, uint16(e.Position.Partition()))
		put(s, 1, int64(e.Position.Seq()))
		put(s, 2, int64(e.Time))
		put(s, 3, codes[i])
		put(s, 4, e.Identity)
		put(s, 5, e.Session)
		put(s, 6, uint8(e.Origin))
		types, rest := l.fill(s, len(eventColumns), codes[i], e.Properties)
		if types != "" {
			s.text(7, types)
		}
		if rest != "" {
			s.text(8, rest)
		}
	})
}

func (w *workspace) appendPeople(people []weir.Person) error {
	l := w.catalogue.people
	return w.append(peopleTable, len(people), func(i int, s *sheet) {
		p := &people[i]
		put(s, 0, p.Number)
		s.text(1, p.ID)
		put(s, 2, int64(p.CreatedAt))
		put(s, 3, int64(p.FirstSeen))
		put(s, 4, int64(p.LastSeen))
		if _, rest := l.fill(s, len(peopleColumn), 0, p.Traits); rest != "" {
			s.text(5, rest)
		}
	})
}

func (w *workspace) appendLog(log []*weir.Outcome) error {
	var failed error
	err := w.append("log", len(log), func(i int, s *sheet) {
		o := log[i]
		put(s, 0, uint16(o.Position.Partition()))
		put(s, 1, int64(o.Position.Seq()))
		put(s, 2, int64(o.ReceivedAt))
		put(s, 3, int64(o.Time))
		put(s, 5, uint32(o.Index))
		put(s, 10, o.Person)
		put(s, 17, uint32(o.Size))
		set := func(column int, text string) {
			if text != "" {
				s.text(column, text)
			}
		}
		set(4, o.Receipt)
		set(6, string(o.Kind))
		set(7, o.ItemID)
		set(8, o.Name)
		set(9, o.UserID)
		set(11, string(o.Source))
		set(12, string(o.Status))
		set(13, o.Code)
		set(14, o.Field)
		set(15, o.Message)
		if len(o.Warnings) > 0 {
			text, err := json.Marshal(o.Warnings)
			if err != nil {
				failed = err
			}
			s.text(16, string(text))
		}
	})
	if err == nil && failed != nil {
		return fmt.Errorf("write warnings: %w", failed)
	}
	return err
}

// appendCommit says how far the rows go.
func (w *workspace) appendCommit(b *rows) error {
	applied, err := json.Marshal(b.applied)
	if err != nil {
		return fmt.Errorf("write positions: %w", err)
	}
	return w.append("commits", 1, func(_ int, s *sheet) {
		put(s, 0, w.commits+1)
		put(s, 1, int64(b.asOf))
		s.text(2, string(applied))
	})
}

// fill puts properties into a row's property columns, which come after the fixed
// ones. It returns the JSON of those that have none, and of the types of those among
// them whose text does not show it; or nothing. All were placed before.
func (l *layout) fill(s *sheet, fixed int, event uint32, properties []weir.Property) (types, rest string) {
	var values map[string]any
	var typed map[string]weir.Type
	for i := range properties {
		p := &properties[i]
		if p.Value.Type == weir.Null {
			continue // as if it were absent
		}
		if slot := l.places[placeKey{event, p.Value.Type, p.Name}]; slot != "" {
			setColumn(s, fixed+l.index[slot], p.Value)
			continue
		}
		if values == nil {
			values, typed = map[string]any{}, map[string]weir.Type{}
		}
		values[clean(p.Name)] = restValue(p.Value)
		if p.Value.Type == weir.Number || p.Value.Type == weir.Bool {
			typed[clean(p.Name)] = p.Value.Type
		}
	}
	// Strings, small numbers and lists of strings: marshalling cannot fail.
	if len(typed) > 0 {
		text, _ := json.Marshal(typed)
		types = string(text)
	}
	if values != nil {
		text, _ := json.Marshal(values)
		rest = string(text)
	}
	return types, rest
}

// setColumn sets a value in the column that holds its type.
func setColumn(s *sheet, column int, v weir.Value) {
	switch v.Type {
	case weir.Number:
		put(s, column, v.Num+0) // which makes 0 of -0
	case weir.Bool:
		put(s, column, v.Bool)
	case weir.JSON:
		s.list(column, textsOf(v))
	default:
		s.text(column, v.Str)
	}
}

// restValue is a value as the JSON of the column rest holds it: a text, or for
// lists and objects what their column would hold. Numbers are texts too, so that
// no JSON reader of another make gives them another form.
func restValue(v weir.Value) any {
	if v.Type == weir.JSON {
		return textsOf(v)
	}
	return clean(v.String())
}

// textsOf is the text form of a list or an object, and behind it the texts that
// conditions compare: those of a list's elements but for nulls, or the object's
// own.
func textsOf(v weir.Value) []string {
	text := clean(v.Str)
	out := []string{text}
	var elements []json.RawMessage
	if json.Unmarshal([]byte(v.Str), &elements) != nil || elements == nil {
		return append(out, text)
	}
	for _, raw := range elements {
		var element weir.Value
		if element.UnmarshalJSON(raw) != nil {
			element = weir.Text(string(raw)) // a number that no float64 holds
		}
		if element.Type != weir.Null {
			out = append(out, clean(element.String()))
		}
	}
	return out
}

// clean makes s valid UTF-8, which the engine insists on. Items are checked when
// they are received; this is for what is not from items.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
