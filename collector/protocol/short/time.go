package short

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
)

// Numbers since 1970 are told apart by their size: up to here they are seconds
// (the year 5138), a thousand times that milliseconds, and so on. Read as the
// next smaller unit the same number would be a day in 1973 or before.
const maxSeconds = 1e11

// instant reads a timestamp in any of the forms that the package comment
// names. The problem, if any, is the end of a sentence.
func instant(value []byte) (at weir.Micros, problem string) {
	text, quoted := protocol.String(value)
	if !quoted {
		text = string(value)
	}
	text = strings.TrimSpace(text)
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		return fromNumber(number)
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if !quoted || err != nil {
		return 0, "is neither an RFC 3339 time such as \"2024-02-22T09:12:02.361Z\" nor a number of seconds, milliseconds or microseconds since 1970"
	}
	return weir.MicrosOf(t), ""
}

func fromNumber(number float64) (at weir.Micros, problem string) {
	micros := number * 1e6
	switch size := math.Abs(number); {
	case size < maxSeconds:
	case size < maxSeconds*1e3:
		micros = number * 1e3
	case size < maxSeconds*1e6:
		micros = number
	default: // NaN too
		return 0, "is too large a number"
	}
	if micros < float64(365*24*time.Hour/time.Microsecond) {
		return 0, "is before 1971, which only a clock that was never set says"
	}
	return weir.Micros(math.Round(micros)), ""
}
