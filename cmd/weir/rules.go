package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/pipeline"
	"github.com/weirhq/weir/session"
	"github.com/weirhq/weir/workspace"
)

// rulebook makes the pipeline's rules of workspaces' settings, and keeps them until
// the settings change.
type rulebook struct {
	directory *workspace.Directory

	mu    sync.Mutex
	known map[weir.WorkspaceID]*pipeline.Rules
}

func newRulebook(d *workspace.Directory) *rulebook {
	return &rulebook{directory: d, known: map[weir.WorkspaceID]*pipeline.Rules{}}
}

// of is a pipeline.Rulebook.
func (b *rulebook) of(ctx context.Context, ws weir.WorkspaceID) (*pipeline.Rules, error) {
	s, err := b.directory.Settings(ctx, ws)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.known[ws]; r != nil && r.Revision == s.Revision {
		return r, nil
	}
	r, err := rulesOf(s)
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", ws, err)
	}
	b.known[ws] = r
	return r, nil
}

func rulesOf(s workspace.Settings) (*pipeline.Rules, error) {
	channels, err := s.Channels.Compile()
	if err != nil {
		return nil, err
	}
	rates, err := order.NewRates(s.Currency, s.Rates)
	if err != nil {
		return nil, err
	}
	return &pipeline.Rules{
		Revision:    s.Revision,
		Sessions:    session.Options{Gap: s.Sessions.Gap(), SplitOnCampaign: s.Sessions.SplitOnCampaign},
		Attribution: attribution.Options{Lookback: s.Attribution.Lookback(), HalfLife: s.Attribution.HalfLife(), AfterPrevious: s.Attribution.AfterPrevious},
		Channels:    channels,
		Goals:       s.Goals,
		Rates:       rates,
		Keys:        s.ReconciliationKeys,
		Blocked:     identity.NewBlocklist(s.BlockedIDs),
	}, nil
}

// progressOf says how far history follows the settings.
type progressOf struct{ pipeline *pipeline.Pipeline }

func (p progressOf) Progress(ctx context.Context, ws weir.WorkspaceID) (workspace.Progress, error) {
	at, err := p.pipeline.Progress(ctx, ws)
	return workspace.Progress(at), err
}

// reviewEvery is how soon history begins to follow a change of settings.
const reviewEvery = time.Second

// review lets history follow the settings, until ctx ends.
func (p *parts) review(ctx context.Context) {
	reviewed := map[weir.WorkspaceID]int64{}
	ticker := time.NewTicker(reviewEvery)
	defer ticker.Stop()
	for {
		list, err := p.directory.Workspaces(ctx)
		if err != nil && ctx.Err() == nil {
			p.logger.Error("list workspaces", "error", err)
		}
		for _, w := range list {
			rules, err := p.rules.of(ctx, w.ID)
			if err == nil {
				if done, ok := reviewed[w.ID]; ok && done == rules.Revision {
					continue
				}
				err = p.pipeline.Review(ctx, w.ID)
			}
			if err == nil {
				reviewed[w.ID] = rules.Revision
			} else if ctx.Err() == nil && !errors.Is(err, pipeline.ErrReviewing) {
				p.logger.Error("review history", "workspace", w.ID, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
