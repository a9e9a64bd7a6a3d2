package pipeline

import (
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// eventName is what questions call the item (SEMANTICS §2), or "" for one that
// is no event.
func eventName(i *weir.Item) string {
	switch i.Kind {
	case weir.KindCustomEvent:
		return i.Label
	case weir.KindPageview, weir.KindOrder, weir.KindCart, weir.KindPostview, weir.KindMessage:
		return string(i.Kind)
	}
	return ""
}

// served are the fields that questions know by a server column's name.
var served = map[weir.Kind]map[string]string{
	weir.KindPageview: {"page_id": "$page", "referrer": "$referrer", "title": "$title"},
	weir.KindOrder:    {"total_price": "$value"},
}

// event makes the row of an item: its own fields, then what its session and
// device say, under names that start with "$".
func (p *Pipeline) event(e *Entry) *weir.Event {
	row := &weir.Event{
		Position: e.Position, Time: e.Outcome.Time, Name: e.Outcome.Name,
		Identity: e.identity.Number, Person: e.identity.Person,
	}
	if e.session != nil {
		row.Session = e.session.Number
	}
	properties := make([]weir.Property, 0, len(e.Item.Fields)+16)
	names := served[e.Item.Kind]
	for _, f := range e.Item.Fields {
		if f.Value.Type == weir.Null {
			continue
		}
		if name, ok := names[f.Name]; ok {
			f.Name = name
		}
		properties = append(properties, f)
	}
	if s := e.Item.Session; s != nil {
		for _, f := range s.Fields {
			if name := sessionColumn(f.Name); name != "" && f.Value.Type != weir.Null {
				properties = append(properties, weir.Property{Name: name, Value: f.Value})
			}
		}
	}
	if d := e.Item.Device; d != nil {
		for _, f := range d.Fields {
			switch {
			case f.Name == "user_agent":
				properties = append(properties, p.devices.Read(f.Value.String())...)
			case (f.Name == "language" || f.Name == "resolution") && f.Value.Type != weir.Null:
				properties = append(properties, weir.Property{Name: "$" + f.Name, Value: f.Value})
			}
		}
	}
	row.Properties = unique(properties)
	return row
}

// sessionColumn is the server column of a session's field, or "" for one that
// changes while the session goes on and so belongs to the session alone.
func sessionColumn(field string) string {
	switch field {
	case "landing_page", "referrer", "timezone":
		return "$" + field
	}
	if strings.HasPrefix(field, "utm_") {
		return "$" + field
	}
	return ""
}

// unique sorts by name and keeps the first of each: what the item says itself
// goes before what its session says.
func unique(properties []weir.Property) []weir.Property {
	slices.SortStableFunc(properties, func(a, b weir.Property) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(properties, func(a, b weir.Property) bool { return a.Name == b.Name })
}
