package order

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// Rate says that from an instant on, until the next Rate of the same currency, one
// unit of Currency is worth Rate units of the workspace's.
type Rate struct {
	Currency string      `json:"currency"` // three letters from A to Z
	From     weir.Micros `json:"from"`     // zero: since ever
	Rate     string      `json:"rate"`     // a decimal number, "0.92"
}

// Rates convert amounts into one currency. A Rates never changes, and is safe for
// concurrent use. The nil Rates knows no currency but the workspace's own.
type Rates struct {
	base  string
	known map[string][]worth // by currency, in order of time
}

// worth is a Rate, in units of 10^-places.
type worth struct {
	from weir.Micros
	rate *big.Int
}

// places bounds the digits of a rate, before and after the point each. It is
// enough for any two currencies, and keeps numbers small.
const places = 12

// NewRates makes Rates of a list whose order has no meaning. Base is the
// workspace's currency; "" if it has none. The error is a *weir.Error whose Field
// names the entry of the list, counted from 0: "rates[2].rate".
func NewRates(base string, list []Rate) (*Rates, error) {
	if base != "" && !isCurrency(base) {
		return nil, invalid("base", "%q is no currency; give three letters from A to Z, such as EUR.", base)
	}
	r := &Rates{base: base, known: map[string][]worth{}}
	type entry struct {
		currency string
		from     weir.Micros
	}
	seen := make(map[entry]int, len(list))
	for i, given := range list {
		at := fmt.Sprintf("rates[%d]", i)
		if !isCurrency(given.Currency) {
			return nil, invalid(at+".currency", "%q is no currency; give three letters from A to Z, such as EUR.", given.Currency)
		}
		if given.Currency == base {
			return nil, invalid(at+".currency", "%s is the workspace's own currency, which needs no rate; leave it out.", base)
		}
		rate := decimal(given.Rate)
		if rate == nil {
			return nil, invalid(at+".rate", "Give a decimal number above 0, such as 0.92, with at most %d digits before the point and %d after it.", places, places)
		}
		key := entry{given.Currency, given.From}
		if other, found := seen[key]; found {
			return nil, invalid(at+".from", "rates[%d] is a rate of %s from the same instant on; leave out one of the two.", other, given.Currency)
		}
		seen[key] = i
		r.known[given.Currency] = append(r.known[given.Currency], worth{given.From, rate})
	}
	for _, known := range r.known {
		slices.SortFunc(known, func(a, b worth) int { return cmp.Compare(a.from, b.from) })
	}
	return r, nil
}

// Convert turns cents of a currency into cents of the workspace's, half a cent away
// from zero; "" is the workspace's currency. If there is no rate at that time, or
// the value is beyond int64, ok is false and value is the amount as it was.
func (r *Rates) Convert(amount int64, currency string, at weir.Micros) (value int64, ok bool) {
	switch {
	case currency == "":
		return amount, true
	case r == nil:
		return amount, false
	case currency == r.base:
		return amount, true
	}
	known := r.known[currency]
	i, found := slices.BinarySearchFunc(known, at, func(w worth, at weir.Micros) int { return cmp.Compare(w.from, at) })
	if !found {
		i-- // the last that began before
	}
	if i < 0 {
		return amount, false
	}
	exact := big.NewInt(amount)
	divide(exact.Mul(exact, known[i].rate), big.NewInt(scale))
	if !exact.IsInt64() {
		return amount, false
	}
	return exact.Int64(), true
}

const scale = 1e12 // 10^places

// divide sets n to the whole number that is nearest to n/d, of two the one that is
// farther from zero. It needs d above 0.
func divide(n, d *big.Int) {
	sign := n.Sign()
	// |n|/d + 1/2, rounded down.
	n.Abs(n).Lsh(n, 1).Add(n, d)
	n.Quo(n, new(big.Int).Lsh(d, 1))
	if sign < 0 {
		n.Neg(n)
	}
}

func isCurrency(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// decimal reads a rate; nil if it is none.
func decimal(s string) *big.Int {
	whole, fraction, point := strings.Cut(s, ".")
	if whole == "" || len(whole) > places || len(fraction) > places || point && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return nil
	}
	rate, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", places-len(fraction)), 10)
	if !ok || rate.Sign() == 0 {
		return nil
	}
	return rate
}

func invalid(field, message string, args ...any) error {
	return &weir.Error{Code: "invalid_field", Field: field, Message: fmt.Sprintf(message, args...)}
}
