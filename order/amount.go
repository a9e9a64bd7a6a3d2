package order

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/weirhq/weir"
)

// largest is the largest number of cents: up to it, JSON's numbers are exact.
const largest = 1 << 53

// numberText is what reads as a number, as in questions.
var numberText = regexp.MustCompile(`^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`)

// cents reads a value that is a number of cents, units one that is a number of
// units; ok is false if it is no amount.
func cents(v weir.Value) (amount int64, ok bool) { return read(v, 0) }
func units(v weir.Value) (amount int64, ok bool) { return read(v, 2) }

// read is a value times 10^places as a whole number. It is computed from the
// decimal digits that were sent: 1.005 units are 101 cents, half a cent away from
// zero, although the binary number nearest to 1.005 is a little below.
func read(v weir.Value, places int) (amount int64, ok bool) {
	n := v.Num
	switch v.Type {
	case weir.Number:
	case weir.String:
		s := strings.TrimSpace(v.Str)
		if !numberText.MatchString(s) {
			return 0, false
		}
		n, _ = strconv.ParseFloat(s, 64) // too large a number is infinite
	default:
		return 0, false
	}
	if math.IsNaN(n) || math.Abs(n) > largest {
		return 0, false
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(math.Abs(n), 'f', -1, 64), ".")
	fraction += "000"[:places+1]
	amount, err := strconv.ParseInt(whole+fraction[:places], 10, 64)
	if err != nil {
		return 0, false
	}
	if fraction[places] >= '5' {
		amount++
	}
	if amount > largest {
		return 0, false
	}
	if n < 0 {
		amount = -amount
	}
	return amount, true
}
