package pipeline

import (
	"context"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/state"
)

// keysOf are the edges to stand-ins that an item makes: what a secret key says of
// a user's reconciliation keys.
func keysOf(e *Entry, rules *Rules) []weir.Edge {
	if e.Record.Client != weir.ClientServer || e.Item.User == nil || len(rules.Keys) == 0 {
		return nil
	}
	return identity.KeyEdges(e.Item.User.ID, e.Item.User.Fields, rules.Keys, e.Outcome.Time, rules.Blocked)
}

// connect says of identities what the items say: that they are known, that they
// are one person, that they are not. It returns who must be known too for
// finding persons.
func (b *Batch) connect() (missing []state.Key) {
	before := map[weir.WorkspaceID]map[string]*weir.Identity{}
	for ws, set := range b.sets() {
		for id := range set {
			if b.touched[state.Key{Workspace: ws, ID: id}].was == 0 {
				delete(set, id) // it was not loaded
			}
		}
		before[ws] = identity.Before(set)
	}
	for _, e := range b.Entries {
		if e.Live() {
			b.say(e)
		}
	}
	b.affected = map[weir.WorkspaceID][]*weir.Identity{}
	for ws, set := range b.sets() {
		more, affected := identity.Missing(set, before[ws])
		for _, id := range more {
			missing = append(missing, state.Key{Workspace: ws, ID: id})
		}
		b.affected[ws] = affected
	}
	return missing
}

// sets are the identities of each workspace, by id.
func (b *Batch) sets() map[weir.WorkspaceID]map[string]*weir.Identity {
	sets := map[weir.WorkspaceID]map[string]*weir.Identity{}
	for key, i := range b.touched {
		if sets[key.Workspace] == nil {
			sets[key.Workspace] = make(map[string]*weir.Identity, len(b.touched))
		}
		sets[key.Workspace][key.ID] = i.Identity
	}
	return sets
}

// say applies what one item says of who is who.
func (b *Batch) say(e *Entry) {
	i := e.identity
	if user := e.Item.User; user != nil {
		if user.Authenticated != nil && *user.Authenticated {
			i.authenticate()
		}
		if user.AnonymousID != "" && user.AnonymousID != user.ID {
			b.join(e, user.AnonymousID, user.ID, weir.RuleItem)
		}
	}
	for _, edge := range e.keys {
		b.edge(edge, e)
	}
	switch {
	case e.Item.Kind == weir.KindMerge:
		b.join(e, e.Item.Alias.From, e.Item.Alias.To, weir.RuleMerge)
	case e.Item.Alias != nil:
		to := b.touched[e.key(e.Item.Alias.To)]
		if e.Item.Alias.ToAuthenticated {
			to.authenticate()
		}
		to.created(e.Item.Alias.ToCreatedAt)
		b.join(e, e.Item.Alias.From, e.Item.Alias.To, weir.RuleAlias)
	case e.Item.Retracts != "":
		if identity.Retract(i.Identity, e.Item.Retracts) {
			i.changed = true
		}
	}
}

func (i *person) authenticate() {
	if !i.Authenticated {
		i.Authenticated, i.changed, i.visible = true, true, true
	}
}

func (i *person) created(at weir.Micros) {
	if created := identity.Earliest(i.CreatedAt, at); created != i.CreatedAt {
		i.CreatedAt, i.changed, i.visible = created, true, true
	}
}

// join adds an edge that an item says, if it may be kept at all.
func (b *Batch) join(e *Entry, from, to string, rule weir.EdgeRule) {
	if _, ok := identity.Allowed(from, to, b.rules[e.Record.Workspace].Blocked); ok {
		b.edge(weir.Edge{From: from, To: to, At: e.Outcome.Time, Item: string(e.Item.Kind) + ":" + e.Item.ID, Rule: rule}, e)
	}
}

func (b *Batch) edge(edge weir.Edge, e *Entry) {
	from, to := b.touched[e.key(edge.From)], b.touched[e.key(edge.To)]
	if identity.Connect(from.Identity, to.Identity, edge) {
		from.changed, to.changed = true, true
	}
}

// reconcile finds the persons anew, and tells in the receipts which edges were
// refused.
func (p *Pipeline) reconcile(_ context.Context, b *Batch) error {
	refused := map[state.Key]map[string]string{} // by identity and edge
	for ws, affected := range b.affected {
		persons, refusals := identity.Resolve(affected)
		for i, number := range persons {
			if i.Person != number {
				i.Person = number
				touched := b.touched[state.Key{Workspace: ws, ID: i.ID}]
				touched.changed, touched.visible = true, true
			}
		}
		for _, r := range refusals {
			key := state.Key{Workspace: ws, ID: r.Edge.From}
			if refused[key] == nil {
				refused[key] = map[string]string{}
			}
			refused[key][r.Edge.ID()] = r.Reason
		}
	}
	for _, e := range b.Entries {
		if e.Live() {
			b.explain(e, refused)
		}
	}
	return nil
}

// explain notes in a receipt why an edge does not join.
func (b *Batch) explain(e *Entry, refused map[state.Key]map[string]string) {
	note := func(field, from, to string, rule weir.EdgeRule) {
		reason, ok := identity.Allowed(from, to, b.rules[e.Record.Workspace].Blocked)
		if ok {
			edge := weir.Edge{From: from, To: to, Item: string(e.Item.Kind) + ":" + e.Item.ID, Rule: rule}
			reason, ok = refused[e.key(from)][edge.ID()]
			ok = !ok
		}
		if !ok {
			e.Warn("edge_refused", field, "The two ids are not joined by this: "+reason+".")
		}
	}
	switch {
	case e.Item.Kind == weir.KindMerge:
		note(string(e.Item.Kind), e.Item.Alias.From, e.Item.Alias.To, weir.RuleMerge)
	case e.Item.Alias != nil:
		note(string(e.Item.Kind), e.Item.Alias.From, e.Item.Alias.To, weir.RuleAlias)
	case e.Item.User != nil && e.Item.User.AnonymousID != "" && e.Item.User.AnonymousID != e.Item.User.ID:
		note("user.anonymous_id", e.Item.User.AnonymousID, e.Item.User.ID, weir.RuleItem)
	}
}
