package order_test

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/order"
)

var noon = weir.MicrosOf(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC))

const second = weir.Micros(1e6)

// fields makes properties of names and values, in turn.
func fields(pairs ...any) []weir.Property {
	var out []weir.Property
	for i := 0; i < len(pairs); i += 2 {
		var v weir.Value
		switch x := pairs[i+1].(type) {
		case int:
			v = weir.Num(float64(x))
		case float64:
			v = weir.Num(x)
		case string:
			v = weir.Text(x)
		case bool:
			v = weir.Boolean(x)
		case weir.Value:
			v = x
		}
		out = append(out, weir.Property{Name: pairs[i].(string), Value: v})
	}
	return out
}

// euros are rates of a workspace in EUR: the dollar changes at noon.
func euros(t testing.TB) *order.Rates {
	r, err := order.NewRates("EUR", []order.Rate{
		{Currency: "USD", From: noon, Rate: "0.9"},
		{Currency: "USD", From: noon - 3600*second, Rate: "0.8"},
		{Currency: "JPY", Rate: "0.0061"},
		{Currency: "KWD", Rate: "3.005"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFromItemOfOrders(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields []weir.Property
		want   weir.Conversion
	}{
		{"nothing said", nil, weir.Conversion{}},
		{"total", fields("total_price", 4990), weir.Conversion{Amount: 4990, Value: 4990}},
		{"total before subtotal", fields("subtotal_price", 4400, "total_price", 4990), weir.Conversion{Amount: 4990, Value: 4990}},
		{"total of nothing before subtotal", fields("subtotal_price", 4400, "total_price", 0), weir.Conversion{}},
		{"subtotal", fields("subtotal_price", 4400), weir.Conversion{Amount: 4400, Value: 4400}},
		{"subtotal if total is cleared", fields("subtotal_price", 4400, "total_price", weir.Value{}), weir.Conversion{Amount: 4400, Value: 4400}},
		{"subtotal if total is no number", fields("subtotal_price", 4400, "total_price", "free"), weir.Conversion{Amount: 4400, Value: 4400}},
		{"refund", fields("total_price", -100), weir.Conversion{Amount: -100, Value: -100}},
		{"own currency", fields("currency", "EUR", "total_price", 100), weir.Conversion{Amount: 100, Currency: "EUR", Value: 100}},
		{"lower case and space", fields("currency", " usd ", "total_price", 100), weir.Conversion{Amount: 100, Currency: "USD", Value: 90}},
		{"cleared currency", fields("currency", weir.Value{}, "total_price", 100), weir.Conversion{Amount: 100, Value: 100}},
		{"hundredths of a yen", fields("currency", "JPY", "total_price", 10_000), weir.Conversion{Amount: 10_000, Currency: "JPY", Value: 61}},
		{"hundredths of a dinar", fields("currency", "KWD", "total_price", 100), weir.Conversion{Amount: 100, Currency: "KWD", Value: 301}},
		{"no rate", fields("currency", "XTS", "total_price", 100), weir.Conversion{Amount: 100, Currency: "XTS", Value: 100, Unpriced: true}},
		{"no currency at all", fields("currency", 978, "total_price", 100), weir.Conversion{Amount: 100, Currency: "978", Value: 100, Unpriced: true}},
		{"cancelled", fields("cancelled_at", "2026-10-02T00:00:00Z", "total_price", 100), weir.Conversion{Amount: 100, Value: 100, Cancelled: true}},
		{"cancellation cleared", fields("cancelled_at", weir.Value{}, "total_price", 100), weir.Conversion{Amount: 100, Value: 100}},
		{"cancellation empty", fields("cancelled_at", " ", "total_price", 100), weir.Conversion{Amount: 100, Value: 100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Goal, c.want.At, c.want.Fields = "order", noon, c.fields
			// A goal of the same name has no say in what an order is.
			goals := []order.Goal{{Event: "order", ValueProperty: "x"}}
			if got, ok := order.FromItem(weir.KindOrder, "order", c.fields, noon, goals, euros(t)); !ok || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v; want %+v", got, ok, c.want)
			}
		})
	}
}

func TestFromItemOfGoals(t *testing.T) {
	goals := []order.Goal{
		{Event: "Purchase", ValueProperty: "amount", CurrencyProperty: "unit"},
		{Event: "Purchase", ValueProperty: "another"},
		{Event: "Sign up"},
		{Event: "pageview", ValueProperty: "amount"},
		{Event: ""},
		{Event: "order"},
	}
	for _, c := range []struct {
		name   string
		kind   weir.Kind
		event  string
		fields []weir.Property
		want   weir.Conversion
		ok     bool
	}{
		{"units become cents", weir.KindCustomEvent, "Purchase", fields("amount", 12.5), weir.Conversion{Amount: 1250, Value: 1250}, true},
		{"currency of the event", weir.KindCustomEvent, "Purchase", fields("amount", 10, "unit", "Usd"), weir.Conversion{Amount: 1000, Currency: "USD", Value: 900}, true},
		{"no rate", weir.KindCustomEvent, "Purchase", fields("amount", 10, "unit", "XTS"), weir.Conversion{Amount: 1000, Currency: "XTS", Value: 1000, Unpriced: true}, true},
		{"no value sent", weir.KindCustomEvent, "Purchase", nil, weir.Conversion{}, true},
		{"no value declared", weir.KindCustomEvent, "Sign up", fields("amount", 10, "currency", "USD"), weir.Conversion{}, true},
		{"an event by its kind", weir.KindPageview, "pageview", fields("amount", 1), weir.Conversion{Amount: 100, Value: 100}, true},
		{"a goal is never cancelled", weir.KindCustomEvent, "Sign up", fields("cancelled_at", "2026-10-02T00:00:00Z"), weir.Conversion{}, true},
		{"names mind case", weir.KindCustomEvent, "purchase", nil, weir.Conversion{}, false},
		{"no goal", weir.KindCustomEvent, "Search", nil, weir.Conversion{}, false},
		{"no event", weir.KindUser, "", nil, weir.Conversion{}, false},
		{"an event that is called order is none", weir.KindCustomEvent, "order", nil, weir.Conversion{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ok {
				c.want.Goal, c.want.At, c.want.Fields = c.event, noon, c.fields
			}
			if got, ok := order.FromItem(c.kind, c.event, c.fields, noon, goals, euros(t)); ok != c.ok || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

// What is read off a value: as cents of an order, and as units of a goal.
func TestAmounts(t *testing.T) {
	goals := []order.Goal{{Event: "g", ValueProperty: "total_price"}}
	for _, c := range []struct {
		value           any
		ofOrder, ofGoal int64
		none            bool // the subtotal counts
	}{
		{value: 1250, ofOrder: 1250, ofGoal: 125_000},
		{value: 12.5, ofOrder: 13, ofGoal: 1250},
		{value: 0.005, ofOrder: 0, ofGoal: 1},
		{value: -0.005, ofOrder: 0, ofGoal: -1},
		{value: -0.5, ofOrder: -1, ofGoal: -50},
		{value: 0.49999999999999994, ofOrder: 0, ofGoal: 50},
		{value: 1.005, ofOrder: 1, ofGoal: 101}, // times 100 in floating point: 100.49999999999999
		{value: 8.345, ofOrder: 8, ofGoal: 835},
		{value: 1e-300, ofOrder: 0, ofGoal: 0},
		{value: "12.5", ofOrder: 13, ofGoal: 1250},
		{value: " +12.50 ", ofOrder: 13, ofGoal: 1250},
		{value: "1.25e1", ofOrder: 13, ofGoal: 1250},
		{value: "-3", ofOrder: -3, ofGoal: -300},
		{value: 1 << 53, ofOrder: 1 << 53},
		{value: 90071992547409.92, ofOrder: 90071992547410, ofGoal: 1 << 53},
		{value: 90071992547409.94, ofOrder: 90071992547410},
		{value: -90071992547409.94, ofOrder: -90071992547410},
		{value: float64(1<<53) + 2, none: true},
		{value: math.Inf(1), none: true},
		{value: math.Inf(-1), none: true},
		{value: math.NaN(), none: true},
		{value: "1e999", none: true},
		{value: "Infinity", none: true},
		{value: "NaN", none: true},
		{value: "0x10", none: true},
		{value: "1_000", none: true},
		{value: "1,5", none: true},
		{value: ".5", none: true},
		{value: "12 EUR", none: true},
		{value: "", none: true},
		{value: true, none: true},
		{value: weir.Raw("[1]"), none: true},
	} {
		if c.none {
			c.ofOrder = 7
		}
		f := fields("subtotal_price", 7, "total_price", c.value)
		o, _ := order.FromItem(weir.KindOrder, "order", f, noon, nil, nil)
		g, _ := order.FromItem(weir.KindCustomEvent, "g", f, noon, goals, nil)
		if o.Amount != c.ofOrder || g.Amount != c.ofGoal || o.Value != o.Amount || g.Value != g.Amount {
			t.Errorf("%v: order %d, goal %d; want %d, %d", c.value, o.Amount, g.Amount, c.ofOrder, c.ofGoal)
		}
	}
}

// A price that is written with decimals is taken as written, never as the binary
// number nearest to it.
func TestPropertyUnitsAreExact(t *testing.T) {
	goals := []order.Goal{{Event: "g", ValueProperty: "v"}}
	rapid.Check(t, func(t *rapid.T) {
		thousandths := rapid.Int64Range(-1e15, 1e15).Draw(t, "thousandths")
		text := new(big.Rat).SetFrac64(thousandths, 1000).FloatString(3)
		want := (max(thousandths, -thousandths) + 5) / 10
		if thousandths < 0 {
			want = -want
		}
		var n float64
		if _, err := fmt.Sscan(text, &n); err != nil {
			t.Fatal(err)
		}
		for _, v := range []any{text, n} {
			if c, _ := order.FromItem(weir.KindCustomEvent, "g", fields("v", v), noon, goals, nil); c.Amount != want {
				t.Fatalf("%v %T: %d cents; want %d", v, v, c.Amount, want)
			}
		}
	})
}
