package query

import (
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/weirhq/weir"
)

// How texts read as numbers and times, as RE2 that engines use too. A text must
// match whole.
const (
	// NumberPattern is what reads as a number: an optional sign, digits, an
	// optional fraction and an optional exponent. Texts beyond float64 ("1e999")
	// match and are still no numbers.
	NumberPattern = `[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?`
	// TimePattern is what reads as an instant: RFC 3339 with upper-case T and Z,
	// up to nine fractional digits, no leap second, an offset below 16 hours. The
	// date must exist, and years start at 0001.
	TimePattern = `[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:0[0-9]|1[0-5]):[0-5][0-9])`
	// DayPattern is what reads as a day. The date must exist, and years start at
	// 0001.
	DayPattern = `[0-9]{4}-[0-9]{2}-[0-9]{2}`
)

// TimeMin and TimeMax are the bounds of a Times that has none. They lie a day
// outside of what RFC 3339 can write.
const (
	TimeMin weir.Micros = -62_167_305_600_000_000
	TimeMax weir.Micros = 253_402_387_200_000_000
)

var (
	numberText = regexp.MustCompile(`^(?:` + NumberPattern + `)$`)
	timeText   = regexp.MustCompile(`^(?:` + TimePattern + `)$`)
	dayText    = regexp.MustCompile(`^(?:` + DayPattern + `)$`)
)

// ReadNumber reads s as a number, if it is one (see NumberPattern).
func ReadNumber(s string) (float64, bool) {
	if !numberText.MatchString(s) {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsInf(f, 0)
}

// ReadTime reads s as an instant, if it is one (see TimePattern), rounded down
// to a microsecond.
func ReadTime(s string) (weir.Micros, bool) {
	if !timeText.MatchString(s) {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || s[:4] == "0000" {
		return 0, false
	}
	return weir.Micros(t.UnixMicro()), true
}

// ReadDay reads s as a day, if it is one (see DayPattern), and gives its
// midnight in UTC.
func ReadDay(s string) (weir.Micros, bool) {
	if !dayText.MatchString(s) {
		return 0, false
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return 0, false
	}
	return weir.Micros(t.UnixMicro()), true
}
