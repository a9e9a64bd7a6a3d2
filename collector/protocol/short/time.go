package short

import (
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
)

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
	at, ok := protocol.Since1970(number)
	switch {
	case !ok:
		return 0, "is too large a number"
	case at < weir.Micros(365*24*time.Hour/time.Microsecond):
		return 0, "is before 1971, which only a clock that was never set says"
	}
	return at, ""
}
