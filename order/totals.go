package order

import (
	"math/big"

	"github.com/weirhq/weir"
)

// Totals are what a person's conversions come to, as properties of the user sorted
// by name; nil if nothing counts. What is cancelled does not. Of orders:
//
//	$first_order_at   time of the first, as RFC 3339 text
//	$first_order_ttc  time to conversion: seconds from firstSeen to the first order, 0 if that came before
//	$last_order_at    time of the last
//	$orders_avg_cart  $orders_ltv by the number of orders that are priced, in whole cents, half away from zero
//	$orders_count     their number
//	$orders_ltv       lifetime value: the sum of their values, in cents
//
// and of all other conversions $goals_count, their number. An order that is not
// priced counts, but has no part in $orders_ltv, and of a person who has no other
// there is no $orders_avg_cart. FirstSeen is when the person was first seen; if
// that is zero there is no $first_order_ttc.
func Totals(conversions []*weir.Conversion, firstSeen weir.Micros) []weir.Property {
	var orders, priced, goals int64
	var first, last weir.Micros
	var sum, value big.Int // many large values are beyond int64
	for _, c := range conversions {
		switch {
		case c.Cancelled:
			continue
		case c.Goal != Orders:
			goals++
			continue
		case orders == 0:
			first, last = c.At, c.At
		}
		orders++
		first, last = min(first, c.At), max(last, c.At)
		if !c.Unpriced {
			priced++
			sum.Add(&sum, value.SetInt64(c.Value))
		}
	}
	var totals []weir.Property
	add := func(name string, v weir.Value) { totals = append(totals, weir.Property{Name: name, Value: v}) }
	if orders > 0 {
		add("$first_order_at", weir.Text(first.String()))
		if firstSeen != 0 {
			add("$first_order_ttc", weir.Num(float64(max(first-firstSeen, 0))/1e6))
		}
	}
	if goals > 0 {
		add("$goals_count", weir.Num(float64(goals)))
	}
	if orders > 0 {
		add("$last_order_at", weir.Text(last.String()))
		if priced > 0 {
			average := new(big.Int).Set(&sum)
			divide(average, big.NewInt(priced))
			add("$orders_avg_cart", number(average))
		}
		add("$orders_count", weir.Num(float64(orders)))
		add("$orders_ltv", number(&sum))
	}
	return totals
}

func number(n *big.Int) weir.Value {
	f, _ := n.Float64()
	return weir.Num(f)
}
