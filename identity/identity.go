// Package identity holds the rules of SEMANTICS §3: which user ids are the same
// person. They are pure functions of what is known of the ids, so that the
// order and the number of arrivals do not matter.
//
// An edge says that two ids are one person. An edge that is not taken back is
// live. Live edges of RuleMerge and RuleKey always join; the ids that they
// connect are a group, which acts as one id: it is known if one of them is
// authenticated. A known group follows no other edge. A group that is not known
// follows one: the earliest live edge that leaves it to an authenticated id, or,
// if there is none, the earliest to any other. So each group without a known id
// hangs on one other group at most, and neither a shared device nor a merge of
// two devices ever glues two known people.
//
// A person has at most MaxMembers ids. Resolve takes the followed edges in order
// of their time and refuses one that would make a larger person. It also refuses
// one that closes a circle, which changes nothing until another of the circle is
// taken back.
package identity

import "github.com/weirhq/weir"

// MaxEdges bounds the edges that leave one identity, and those that arrive at
// it. The earliest count, those taken back included: whether the others were
// dropped before or after a retraction arrived must not matter.
const MaxEdges = 1000

// MaxMembers bounds the identities of a person. Stand-ins of reconciliation keys
// do not count.
const MaxMembers = 1000

// limits are MaxEdges and MaxMembers, or less in tests.
type limits struct{ edges, members int }

func standard() limits { return limits{MaxEdges, MaxMembers} }

// Before copies identities as they were loaded, for Missing. Connect and Retract
// leave the copies alone.
func Before(set map[string]*weir.Identity) map[string]*weir.Identity {
	out := make(map[string]*weir.Identity, len(set))
	for id, i := range set {
		c := *i
		out[id] = &c
	}
	return out
}
