package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/dump"
)

// dumpCommand is `weir dump`: the truth of a workspace as canonical JSON lines.
type dumpCommand struct {
	offline

	Workspace weir.WorkspaceID `required:"" help:"Workspace to dump."`
}

func (c *dumpCommand) Run(ctx context.Context, t *terminal) (err error) {
	logger, release, err := c.begin(t)
	if err != nil {
		return err
	}
	defer release()
	d, err := openDerived(filepath.Join(c.Data, derivedFolder), c.Memory, logger, prometheus.NewRegistry(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	known, err := d.state.View().Workspaces(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(known, c.Workspace) {
		return &usageError{"nothing was ever stored for the workspace " + string(c.Workspace) + "; there are: " + joinNames(known)}
	}
	return dump.Write(ctx, t.out, c.Workspace, d.state.View(), d.events)
}

func joinNames(list []weir.WorkspaceID) string {
	if len(list) == 0 {
		return "none"
	}
	names := make([]string, len(list))
	for i, ws := range list {
		names[i] = string(ws)
	}
	return strings.Join(names, ", ")
}
