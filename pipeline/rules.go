package pipeline

import (
	"context"
	"fmt"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/session"
)

// Rules are what a workspace has decided about its data. A batch is processed
// by one set of them.
type Rules struct {
	// Revision rises with every change. History that was derived by another one is
	// derived again in the background.
	Revision    int64
	Sessions    session.Options
	Attribution attribution.Options
	Channels    *attribution.Channels
	Goals       []order.Goal
	Rates       *order.Rates
	Keys        []string // reconciliation keys: fields of users whose equal values join
	Blocked     identity.Blocklist
}

// DefaultRules are the rules of a workspace that has decided nothing.
func DefaultRules() *Rules {
	channels, err := attribution.Default().Compile()
	if err != nil {
		panic(err) // the mapping that ships is tested
	}
	return &Rules{Channels: channels}
}

// Rulebook knows the rules of every workspace. It is asked for each batch.
type Rulebook func(ctx context.Context, ws weir.WorkspaceID) (*Rules, error)

// rulesOf remembers the rules of a workspace of the batch, so that all its steps
// go by the same.
func (p *Pipeline) rulesOf(ctx context.Context, b *Batch, ws weir.WorkspaceID) error {
	if b.rules[ws] != nil {
		return nil
	}
	r, err := p.options.Rules(ctx, ws)
	if err != nil {
		return fmt.Errorf("read rules of %s: %w", ws, err)
	}
	if b.rules == nil {
		b.rules = map[weir.WorkspaceID]*Rules{}
	}
	b.rules[ws] = r
	return nil
}
