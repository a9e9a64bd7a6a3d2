package importer

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
	"github.com/weirhq/weir/item"
)

// layouts are how exports write times. One without a zone is in UTC. Fractions
// of a second may follow the seconds in all of them.
func layouts() [7]string {
	return [...]string{
		time.RFC3339,
		"2006-01-02 15:04:05",       // Amplitude
		"2006-01-02 15:04:05Z07:00", // PostHog
		"2006-01-02T15:04:05",       // Mixpanel's profiles
		"2006-01-02T15:04:05Z0700",
		"2006-01-02 15:04:05Z07", // what SQL databases print
		"2006-01-02 15:04:05 MST",
	}
}

// maxSeconds tells numbers since 1970 apart by their size: up to here they are
// seconds (the year 5138), a thousand times that milliseconds, and so on.
const maxSeconds = 1e11

// instant reads a time: a text in one of the layouts, or a number of seconds,
// milliseconds or microseconds since 1970. It is not ok before 1971.
func instant(value []byte) (at weir.Micros, ok bool) {
	text, quoted := protocol.String(value)
	if !quoted {
		text = string(value)
	}
	text = strings.TrimSpace(text)
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		at = fromNumber(number)
		return at, at >= item.Earliest
	}
	if !quoted {
		return 0, false
	}
	for _, layout := range layouts() {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if zone := t.Location().String(); strings.HasSuffix(layout, "MST") && zone != "UTC" && zone != "GMT" {
			return 0, false // an abbreviation says nothing that can be relied on
		}
		at = weir.MicrosOf(t)
		return at, at >= item.Earliest
	}
	return 0, false
}

// fromNumber is zero for what is too large, and for NaN.
func fromNumber(number float64) weir.Micros {
	switch size := math.Abs(number); {
	case size < maxSeconds:
		return weir.Micros(math.Round(number * 1e6))
	case size < maxSeconds*1e3:
		return weir.Micros(math.Round(number * 1e3))
	case size < maxSeconds*1e6:
		return weir.Micros(number)
	}
	return 0
}
