package protocol

import (
	"math"

	"github.com/weirhq/weir"
)

// maxSeconds tells numbers since 1970 apart by their size: up to here they are
// seconds (the year 5138), a thousand times that milliseconds, and so on. Read as the
// next smaller unit the same number would be a day in 1973 or before.
const maxSeconds = 1e11

// Since1970 reads a number of seconds, milliseconds or microseconds since 1970,
// rounded to microseconds. It is not ok if the number is too large for any of them, or
// NaN.
func Since1970(number float64) (at weir.Micros, ok bool) {
	micros := number * 1e6
	switch size := math.Abs(number); {
	case size < maxSeconds:
	case size < maxSeconds*1e3:
		micros = number * 1e3
	case size < maxSeconds*1e6:
		micros = number
	default:
		return 0, false
	}
	return weir.Micros(math.Round(micros)), true
}
