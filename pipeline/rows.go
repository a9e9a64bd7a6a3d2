package pipeline

import (
	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/state"
)

// visitRows lists the sessions and impressions that questions see otherwise than
// before. After a crash, and while history is reviewed, these are all of the identities
// that the batch touches: of some the state does not know any more that they were, and
// others are of another channel than they were.
func (b *Batch) visitRows(of func(weir.WorkspaceID) *eventstore.Batch) {
	for _, v := range b.visits.byKey {
		if v.Origin == weir.Attended || !v.changed && !b.again && len(b.review) == 0 {
			continue
		}
		w := of(v.Workspace)
		w.Visits = append(w.Visits, b.visitRow(v.Session))
	}
	for key, gone := range b.visits.gone {
		if v := b.visits.byKey[key]; (v == nil || v.Number != gone.Number) && gone.Number != 0 && gone.Origin != weir.Attended {
			w := of(gone.Workspace)
			w.VisitsGone = append(w.VisitsGone, gone.Number)
		}
	}
	if b.again {
		for _, i := range b.touched {
			w := of(i.Workspace)
			w.VisitsOf = append(w.VisitsOf, i.Number)
		}
	}
}

func (b *Batch) visitRow(s *weir.Session) eventstore.Visit {
	source := attribution.SourceOf(s)
	return eventstore.Visit{
		Number: s.Number, ID: s.ID, Identity: s.Owner, Person: b.personOf(s.Workspace, s.User, s.Owner), Origin: s.Origin, StartedAt: s.StartedAt,
		Seconds: session.Duration(s), Pageviews: int64(session.Pageviews(s)), Interactions: int64(session.Interactions(s)), Bounced: session.Bounced(s),
		Source: source, Channel: b.rules[s.Workspace].Channels.Of(source),
	}
}

// personOf is the person of an identity, or a person of its own number if the batch
// does not know it: then the store does.
func (b *Batch) personOf(ws weir.WorkspaceID, user string, number uint32) uint32 {
	if i := b.touched[state.Key{Workspace: ws, ID: user}]; i != nil && i.Person != 0 {
		return i.Person
	}
	return number
}
