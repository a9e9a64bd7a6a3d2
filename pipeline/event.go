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

// valueColumn is an order's value.
const valueColumn = "$value"

// served is the name by which questions know a field of an item.
func served(kind weir.Kind, field string) string {
	switch kind {
	case weir.KindPageview:
		switch field {
		case "page_id":
			return "$page"
		case "referrer", "title":
			return "$" + field
		}
	case weir.KindOrder:
		if field == "total_price" {
			return valueColumn
		}
	}
	return field
}

// properties are those of an item's event row, cleared ones included: its own
// fields, and what its session and device say, under names that start with "$".
func (p *Pipeline) properties(i *weir.Item) []weir.Property {
	if eventName(i) == "" {
		return nil
	}
	// What is lent comes first: its names begin with "$", which most others follow.
	properties := make([]weir.Property, 0, len(i.Fields)+16)
	if i.Session != nil {
		for _, f := range i.Session.Fields {
			if name := sessionColumn(f.Name); name != "" {
				properties = append(properties, weir.Property{Name: name, Value: f.Value})
			}
		}
	}
	if i.Device != nil {
		for _, f := range i.Device.Fields {
			switch f.Name {
			case "user_agent":
				properties = append(properties, p.devices.Read(f.Value.String())...)
			case "language", "resolution":
				properties = append(properties, weir.Property{Name: "$" + f.Name, Value: f.Value})
			}
		}
	}
	for _, f := range i.Fields {
		f.Name = served(i.Kind, f.Name)
		properties = append(properties, f)
	}
	sortByName(properties)
	return lastOfEach(properties)
}

// sessionColumn is the server column of a session's field, or "" for one that
// changes while the session goes on and so belongs to the session alone.
func sessionColumn(field string) string {
	switch field {
	case "landing_page":
		return "$landing_page"
	case "referrer":
		return "$referrer"
	case "timezone":
		return "$timezone"
	}
	if strings.HasPrefix(field, "utm_") {
		return "$" + field
	}
	return ""
}

// sortByName is stable, and quick for lists that are short and nearly sorted.
func sortByName(properties []weir.Property) {
	for n := 1; n < len(properties); n++ {
		if properties[n].Name >= properties[n-1].Name {
			continue
		}
		if n > 64 { // no item of a real sender has so many in no order
			slices.SortStableFunc(properties, func(a, b weir.Property) int { return strings.Compare(a.Name, b.Name) })
			return
		}
		moved, at := properties[n], n
		for ; at > 0 && moved.Name < properties[at-1].Name; at-- {
			properties[at] = properties[at-1]
		}
		properties[at] = moved
	}
}

// lastOfEach keeps of equal names the last: what the item says itself goes before
// what its session says.
func lastOfEach(sorted []weir.Property) []weir.Property {
	kept := sorted[:0]
	for n, p := range sorted {
		if n+1 == len(sorted) || sorted[n+1].Name != p.Name {
			kept = append(kept, p)
		}
	}
	return kept
}

// set leaves out what is cleared.
func set(properties []weir.Property) []weir.Property {
	return slices.DeleteFunc(properties, func(p weir.Property) bool { return p.Value.Type == weir.Null })
}
