// Package order holds the rules of orders, goals and money (SEMANTICS §2 and §5):
// which items are conversions, what they are worth in the workspace's currency, and
// what a person's conversions come to.
//
// Amounts are whole cents, and a cent is the hundredth of a unit of any currency:
// also of those that have no such coin (100 yen are 10,000 cents) or a smaller one
// (a Kuwaiti dinar has 1,000 fils, and here 100 cents). So one rule holds for all
// currencies, and no table of them decides what an amount means.
package order

import (
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// Orders is the Goal of the conversions that are orders. No goal of a workspace is
// called so.
const Orders = "order"

// Goal is an event that a workspace has declared a conversion.
type Goal struct {
	Event string `json:"event"`
	// ValueProperty names the property whose number is what the conversion is
	// worth, in units of the currency: 12.5 is 1,250 cents. A text that reads as a
	// number is one. "" is no value.
	ValueProperty string `json:"value_property,omitempty"`
	// CurrencyProperty names the property whose text is the currency. "", or a
	// property that is absent, is the workspace's.
	CurrencyProperty string `json:"currency_property,omitempty"`
}

// FromItem makes the conversion that an item is; ok is false if it is none. Orders
// are, and events of any kind whose name is that of a goal, the first in the list.
// Fields are the item's own, under its own names and sorted by them; the conversion
// keeps the slice. Workspace, ID, User, Owner and Touches are left to the caller.
//
// An order is worth its total_price, or else its subtotal_price, which are cents of
// its currency. It is cancelled if cancelled_at says anything. A fraction of a cent
// is rounded, half away from zero. What is no number, or is more than 2^53 cents
// and so not exact in JSON, is no value: the conversion is worth nothing. One in a
// currency without a rate is not priced: its Value is the amount as sent, which no
// sum may include.
func FromItem(kind weir.Kind, name string, fields []weir.Property, at weir.Micros, goals []Goal, rates *Rates) (c weir.Conversion, ok bool) {
	c = weir.Conversion{Goal: name, At: at, Fields: fields}
	currency := "currency"
	if kind == weir.KindOrder {
		c.Goal = Orders
		c.Cancelled = text(fields, "cancelled_at") != ""
		if c.Amount, ok = cents(find(fields, "total_price")); !ok {
			c.Amount, _ = cents(find(fields, "subtotal_price"))
		}
	} else {
		i := slices.IndexFunc(goals, func(g Goal) bool { return g.Event == name })
		if i < 0 || name == "" || name == Orders {
			return weir.Conversion{}, false
		}
		currency = goals[i].CurrencyProperty
		if property := goals[i].ValueProperty; property != "" {
			c.Amount, _ = units(find(fields, property))
		}
	}
	if currency != "" {
		c.Currency = strings.ToUpper(text(fields, currency))
	}
	value, priced := rates.Convert(c.Amount, c.Currency, at)
	c.Value, c.Unpriced = value, !priced
	return c, true
}

func find(fields []weir.Property, name string) weir.Value {
	for i := range fields {
		if fields[i].Name == name {
			return fields[i].Value
		}
	}
	return weir.Value{}
}

func text(fields []weir.Property, name string) string {
	return strings.TrimSpace(find(fields, name).String())
}
