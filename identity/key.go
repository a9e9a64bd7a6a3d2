package identity

import (
	"strings"

	"github.com/weirhq/weir"
)

// standIn begins the id of every stand-in. No client may send such an id.
const standIn = "\x00"

// maxValue bounds the value of a reconciliation key, in bytes, as ids are bounded:
// it is part of a stand-in's id.
const maxValue = 512

// KeyEdges are the edges to the stand-ins for the values of reconciliation keys
// (for example "email") among the fields of a user: those who have the same value,
// but for case and space around, are one person. Only texts count, and no value
// that is blocked or has more than maxValue bytes.
//
// The item of such an edge is the key, so that it is one edge whoever says it how
// often, with the earliest time and one ID by which it is taken back. A value that
// was said once joins until then, also if the user has another by now.
//
// The caller passes only what was said with a secret key, and makes the stand-ins:
// an Identity with the edge's To as ID, and Key set.
func KeyEdges(from string, fields []weir.Property, keys []string, at weir.Micros, blocked Blocklist) []weir.Edge {
	if len(keys) == 0 || blocked.Blocked(from) || strings.HasPrefix(from, standIn) {
		return nil
	}
	var edges []weir.Edge
	for _, key := range keys {
		for _, f := range fields {
			if f.Name != key || f.Value.Type != weir.String {
				continue
			}
			value := strings.ToLower(strings.TrimSpace(f.Value.Str))
			if len(value) > maxValue || blocked.Blocked(value) {
				continue
			}
			edges = append(edges, weir.Edge{From: from, To: standIn + key + standIn + value, At: at, Item: key, Rule: weir.RuleKey + weir.EdgeRule(key)})
		}
	}
	return edges
}

// KeyOf reads the key and the value off the id of a stand-in; ok is false for any
// other id.
func KeyOf(id string) (key, value string, ok bool) {
	rest, ok := strings.CutPrefix(id, standIn)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, standIn)
}
