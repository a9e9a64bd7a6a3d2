package duckstore

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir"
)

// append adds n rows to a table through the engine's appender. fill is given a
// row of as many nulls as the table has columns.
func (w *workspace) append(table string, n, columns int, fill func(i int, row []any)) error {
	if n == 0 {
		return nil
	}
	err := w.conn.Raw(func(c any) (err error) {
		a, err := duckdb.NewAppender(c.(driver.Conn), strings.Trim(w.schema, `"`), "main", table)
		if err != nil {
			return err
		}
		row := make([]any, columns)
		values := make([]driver.Value, columns)
		for i := range n {
			clear(row)
			fill(i, row)
			for k, v := range row {
				values[k] = v
			}
			if err := a.AppendRow(values...); err != nil {
				// Close flushes; what it writes goes with the transaction.
				_ = a.Clear()
				_ = a.Close()
				return err
			}
		}
		return a.Close()
	})
	if err != nil {
		return fmt.Errorf("append to %s: %w", table, err)
	}
	return nil
}

func (w *workspace) appendNames(b *rows) error {
	return w.append("names", len(b.newNames), 2, func(i int, row []any) {
		row[0], row[1] = b.firstCode+uint32(i), clean(b.newNames[i])
	})
}

func (w *workspace) appendPlaces(places []tablePlace) error {
	return w.append("places", len(places), 5, func(i int, row []any) {
		p := places[i]
		row[0], row[1], row[2], row[3], row[4] = p.table, p.event, clean(p.property), uint8(p.typ), p.slot
	})
}

func (w *workspace) appendEvents(events []weir.Event, codes []uint32) error {
	fixed := len(eventColumns)
	l := w.catalogue.events
	return w.append(eventsTable, len(events), fixed+len(l.columns), func(i int, row []any) {
		e := &events[i]
		row[0], row[1], row[2], row[3] = uint16(e.Position.Partition()), int64(e.Position.Seq()), int64(e.Time), codes[i]
		row[4], row[5], row[6], row[7] = e.Identity, e.Person, e.Session, uint8(e.Origin)
		row[8], row[9] = l.fill(codes[i], e.Properties, row[fixed:])
	})
}

func (w *workspace) appendPeople(people []weir.Person) error {
	fixed := len(peopleColumn)
	l := w.catalogue.people
	return w.append(peopleTable, len(people), fixed+len(l.columns), func(i int, row []any) {
		p := &people[i]
		row[0], row[1], row[2], row[3], row[4] = p.Number, clean(p.ID), int64(p.CreatedAt), int64(p.FirstSeen), int64(p.LastSeen)
		_, row[5] = l.fill(0, p.Traits, row[fixed:])
	})
}

func (w *workspace) appendLog(log []weir.Outcome) error {
	var failed error
	err := w.append("log", len(log), len(logColumns), func(i int, row []any) {
		o := &log[i]
		row[0], row[1], row[2], row[3] = uint16(o.Position.Partition()), int64(o.Position.Seq()), int64(o.ReceivedAt), int64(o.Time)
		row[5], row[10], row[17] = uint32(o.Index), o.Person, uint32(o.Size)
		set := func(column int, text string) {
			if text != "" {
				row[column] = clean(text)
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
			row[16] = string(text)
		}
	})
	if err == nil && failed != nil {
		return fmt.Errorf("write warnings: %w", failed)
	}
	return err
}

// fill puts properties into a row's property columns. It returns the JSON of those
// that have none, and of the types of those among them whose text does not show it;
// or nils. All were placed before.
func (l *layout) fill(event uint32, properties []weir.Property, row []any) (types, rest any) {
	var values map[string]any
	var typed map[string]weir.Type
	for _, p := range properties {
		if p.Value.Type == weir.Null {
			continue // as if it were absent
		}
		if slot := l.places[placeKey{event, p.Value.Type, p.Name}]; slot != "" {
			row[l.index[slot]] = columnValue(p.Value)
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

// columnValue is a value as its column holds it.
func columnValue(v weir.Value) any {
	switch v.Type {
	case weir.Number:
		return v.Num + 0 // which makes 0 of -0
	case weir.Bool:
		return v.Bool
	case weir.JSON:
		return textsOf(v)
	}
	return clean(v.Str)
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
