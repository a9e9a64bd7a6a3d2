package order_test

import (
	"math"
	"math/big"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/order"
)

func bought(after weir.Micros, value int64) *weir.Conversion {
	return &weir.Conversion{Goal: "order", At: noon + after*second, Value: value, Amount: value}
}

func with(c *weir.Conversion, change func(*weir.Conversion)) *weir.Conversion {
	change(c)
	return c
}

func TestTotals(t *testing.T) {
	reached := &weir.Conversion{Goal: "Sign up", At: noon, Value: 500}
	unpriced := func(c *weir.Conversion) { c.Unpriced, c.Currency = true, "XTS" }
	cancelled := func(c *weir.Conversion) { c.Cancelled = true }
	for _, c := range []struct {
		name string
		of   []*weir.Conversion
		want []weir.Property
	}{
		{"nothing", nil, nil},
		{"nothing that counts", []*weir.Conversion{
			with(bought(1, 100), cancelled), with(&weir.Conversion{Goal: "Sign up", At: noon}, cancelled),
		}, nil},
		{"one order", []*weir.Conversion{bought(90, 1250)}, fields(
			"$first_order_at", "2026-10-01T12:01:30Z", "$first_order_ttc", 90, "$last_order_at", "2026-10-01T12:01:30Z",
			"$orders_avg_cart", 1250, "$orders_count", 1, "$orders_ltv", 1250,
		)},
		{"orders and goals", []*weir.Conversion{bought(90, 1250), reached, bought(30, 1000), reached}, fields(
			"$first_order_at", "2026-10-01T12:00:30Z", "$first_order_ttc", 30, "$goals_count", 2, "$last_order_at", "2026-10-01T12:01:30Z",
			"$orders_avg_cart", 1125, "$orders_count", 2, "$orders_ltv", 2250,
		)},
		{"goals only", []*weir.Conversion{reached}, fields("$goals_count", 1)},
		{"cancelled orders do not count", []*weir.Conversion{with(bought(1, 100), cancelled), bought(5, 200), with(bought(9, 300), cancelled)}, fields(
			"$first_order_at", "2026-10-01T12:00:05Z", "$first_order_ttc", 5, "$last_order_at", "2026-10-01T12:00:05Z",
			"$orders_avg_cart", 200, "$orders_count", 1, "$orders_ltv", 200,
		)},
		{"unpriced orders count but have no value", []*weir.Conversion{with(bought(1, 777), unpriced), bought(5, 200), bought(6, 301)}, fields(
			"$first_order_at", "2026-10-01T12:00:01Z", "$first_order_ttc", 1, "$last_order_at", "2026-10-01T12:00:06Z",
			"$orders_avg_cart", 251, "$orders_count", 3, "$orders_ltv", 501,
		)},
		{"no average without a priced order", []*weir.Conversion{with(bought(1, 777), unpriced)}, fields(
			"$first_order_at", "2026-10-01T12:00:01Z", "$first_order_ttc", 1, "$last_order_at", "2026-10-01T12:00:01Z",
			"$orders_count", 1, "$orders_ltv", 0,
		)},
		{"average is rounded half away from zero", []*weir.Conversion{bought(1, -100), bought(1, -101)}, fields(
			"$first_order_at", "2026-10-01T12:00:01Z", "$first_order_ttc", 1, "$last_order_at", "2026-10-01T12:00:01Z",
			"$orders_avg_cart", -101, "$orders_count", 2, "$orders_ltv", -201,
		)},
		{"time to conversion is never negative", []*weir.Conversion{bought(-10, 100)}, fields(
			"$first_order_at", "2026-10-01T11:59:50Z", "$first_order_ttc", 0, "$last_order_at", "2026-10-01T11:59:50Z",
			"$orders_avg_cart", 100, "$orders_count", 1, "$orders_ltv", 100,
		)},
		{"parts of a second", []*weir.Conversion{with(bought(1, 100), func(c *weir.Conversion) { c.At += 250_000 })}, fields(
			"$first_order_at", "2026-10-01T12:00:01.25Z", "$first_order_ttc", 1.25, "$last_order_at", "2026-10-01T12:00:01.25Z",
			"$orders_avg_cart", 100, "$orders_count", 1, "$orders_ltv", 100,
		)},
		{"sums beyond int64", []*weir.Conversion{bought(1, math.MaxInt64), bought(1, math.MaxInt64)}, fields(
			"$first_order_at", "2026-10-01T12:00:01Z", "$first_order_ttc", 1, "$last_order_at", "2026-10-01T12:00:01Z",
			"$orders_avg_cart", float64(math.MaxInt64), "$orders_count", 2, "$orders_ltv", 2*float64(math.MaxInt64),
		)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := order.Totals(c.of, noon); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

func TestTotalsOfSomebodyNeverSeen(t *testing.T) {
	got := order.Totals([]*weir.Conversion{bought(1, 100)}, 0)
	if slices.ContainsFunc(got, func(p weir.Property) bool { return p.Name == "$first_order_ttc" }) {
		t.Errorf("got %v", got)
	}
}

func TestPropertyTotals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *weir.Conversion {
			return &weir.Conversion{
				Goal:      rapid.SampledFrom([]string{"order", "order", "Sign up"}).Draw(t, "goal"),
				At:        noon + weir.Micros(rapid.Int64Range(-1e7, 1e7).Draw(t, "at")),
				Value:     rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000)).Draw(t, "value"),
				Unpriced:  rapid.IntRange(0, 3).Draw(t, "unpriced") == 0,
				Cancelled: rapid.IntRange(0, 3).Draw(t, "cancelled") == 0,
			}
		}), 0, 10).Draw(t, "conversions")
		got := order.Totals(all, noon)
		if other := order.Totals(rapid.Permutation(all).Draw(t, "shuffled"), noon); !reflect.DeepEqual(got, other) {
			t.Fatalf("%v\nin another order %v", got, other)
		}
		if !slices.IsSortedFunc(got, func(a, b weir.Property) int {
			if a.Name < b.Name {
				return -1
			}
			return 1 // equal names are not sorted either
		}) {
			t.Fatalf("not sorted: %v", got)
		}
		var orders []*weir.Conversion
		exact, priced := new(big.Rat), int64(0)
		for _, c := range all {
			if c.Goal == "order" && !c.Cancelled {
				orders = append(orders, c)
				if !c.Unpriced {
					exact.Add(exact, new(big.Rat).SetInt64(c.Value))
					priced++
				}
			}
		}
		want := map[string]float64{}
		if len(orders) > 0 {
			want["$orders_count"] = float64(len(orders))
			want["$orders_ltv"], _ = exact.Float64()
		}
		if priced > 0 {
			// FloatString rounds halves away from zero.
			average, _ := new(big.Rat).SetString(new(big.Rat).Quo(exact, new(big.Rat).SetInt64(priced)).FloatString(0))
			want["$orders_avg_cart"], _ = average.Float64()
		}
		for _, name := range []string{"$orders_count", "$orders_ltv", "$orders_avg_cart"} {
			i := slices.IndexFunc(got, func(p weir.Property) bool { return p.Name == name })
			value, wanted := want[name]
			if wanted != (i >= 0) || wanted && got[i].Value != weir.Num(value) {
				t.Fatalf("%s: got %v; want %v, %v", name, got, value, wanted)
			}
		}
	})
}
