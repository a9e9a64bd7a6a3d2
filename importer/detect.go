package importer

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir"
)

// Detect tells from a line what wrote it; ok is false if that cannot be told.
// The line need not be one that can be imported.
func Detect(line []byte) (format Format, ok bool) {
	o, why := readLine(line)
	if why != nil {
		return "", false
	}
	has := func(names ...string) bool {
		for _, name := range names {
			if o.get(name) != nil {
				return true
			}
		}
		return false
	}
	properties := o.object("properties")
	switch {
	case has("event_type", "merged_amplitude_id") && !has("event"):
		return Amplitude, true
	case has("kind") && o.object(o.text("kind")) != nil, has("items") && o.get("items")[0] == '[':
		return Native, true
	case isSegmentCall(o.text("type")) && has("messageId", "userId", "anonymousId", "originalTimestamp", "receivedAt"):
		return Segment, true
	case has("distinct_id", "uuid") && (has("event") || has("person_id")):
		return PostHog, true
	case has("event") && properties != nil && (properties.get("time") != nil || properties.get("distinct_id") != nil),
		has("$distinct_id") && has("$properties"):
		return Mixpanel, true
	}
	return "", false
}

func isSegmentCall(name string) bool {
	switch name {
	case "track", "page", "screen", "identify", "group", "alias":
		return true
	}
	return false
}

// Unknown is the error of a file whose format cannot be told.
func Unknown(source string, line []byte) error {
	hint := ""
	if len(line) > 0 && line[0] == '[' {
		hint = " The file holds a list; there must be one object a line (jq -c '.[]' makes them of it)."
	}
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return &weir.Error{
		Code:    "unknown_format",
		Message: fmt.Sprintf("What wrote %s cannot be told from its first lines. Say it with --format=%s.%s", source, strings.Join(names, "|"), hint),
	}
}
