package identity

import (
	"strings"
	"unicode"
)

// Blocklist are ids that never make an edge, as they are sent for many people by
// mistake: an edge to one of them would glue strangers together. The zero
// Blocklist has the well-known mistakes.
type Blocklist struct {
	extra map[string]bool
}

// NewBlocklist adds a workspace's own to the well-known mistakes. Case, quotes
// and white space around do not matter.
func NewBlocklist(extra []string) Blocklist {
	b := Blocklist{extra: make(map[string]bool, len(extra))}
	for _, id := range extra {
		b.extra[plain(id)] = true
	}
	return b
}

// Blocked reports whether an id never makes an edge: it is empty, has only zeros
// and dashes (as the UUID of nobody does), or is one of the list, in any case and
// quotes.
func (b Blocklist) Blocked(id string) bool {
	id = plain(id)
	return strings.Trim(id, "0-") == "" || mistake(id) || b.extra[id]
}

// plain takes off what is around an id, in any nesting: programs that print an
// absent value quote it, and quote it again.
func plain(id string) string {
	return strings.ToLower(strings.TrimFunc(id, func(c rune) bool {
		return unicode.IsSpace(c) || strings.ContainsRune("\"'`\\", c)
	}))
}

// mistake knows what programs send when they have no id.
func mistake(id string) bool {
	switch id {
	case "null", "(null)", "nil", "<nil>", "none", "undefined", "nan", "n/a", "unknown",
		"anonymous", "anon", "guest", "user", "id", "email", "distinct_id", "distinctid", "not_authenticated",
		"true", "false", "-1", "[object object]":
		return true
	}
	return false
}

// Allowed reports whether an edge may be kept at all, and else why not.
func Allowed(from, to string, blocked Blocklist) (reason string, ok bool) {
	switch {
	case from == to:
		return "the id is its own alias", false
	case blocked.Blocked(from):
		return "the id " + from + " is sent for many people by mistake and is never joined", false
	case blocked.Blocked(to):
		return "the id " + to + " is sent for many people by mistake and is never joined", false
	case strings.HasPrefix(from, standIn) || strings.HasPrefix(to, standIn):
		return "the id begins with a zero byte, which only Weir's own ids do", false
	}
	return "", true
}
