package importer

import (
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

// instant reads a time: a text in one of the layouts, or a number of seconds,
// milliseconds or microseconds since 1970. It is not ok before 1971.
func instant(value []byte) (at weir.Micros, ok bool) {
	text, quoted := protocol.String(value)
	if !quoted {
		text = string(value)
	}
	text = strings.TrimSpace(text)
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		at, ok = protocol.Since1970(number)
		return at, ok && at >= item.Earliest
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
