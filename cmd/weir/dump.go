package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
	stores

	Workspace weir.WorkspaceID `required:"" help:"Workspace to dump."`
	URL       string           `help:"Of a running server, instead of --data." placeholder:"URL"`
	Key       string           `env:"WEIR_KEY" help:"Secret key of the workspace, for --url."`
}

func (c *dumpCommand) Run(ctx context.Context, t *terminal) (err error) {
	if c.URL != "" {
		return c.fetch(ctx, t)
	}
	if err := c.check(); err != nil {
		return err
	}
	logger := warnings(t)
	if !c.onDatabase() || !c.onClickHouse() {
		var release func()
		if logger, release, err = c.begin(t); err != nil {
			return err
		}
		defer release()
	}
	d, err := openDerived(ctx, &c.stores, filepath.Join(c.Data, derivedFolder), c.Memory, logger, prometheus.NewRegistry(), nil)
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

// fetch asks a running server.
func (c *dumpCommand) fetch(ctx context.Context, t *terminal) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/api/v1/workspaces/"+url.PathEscape(string(c.Workspace))+"/dump", nil)
	if err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.Key)
	response, err := (&http.Client{}).Do(request) // it takes as long as there is something to read
	if err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // says why, if it can be read
		return fmt.Errorf("dump: the server answered %s: %s", response.Status, text)
	}
	if _, err := io.Copy(t.out, response.Body); err != nil {
		return fmt.Errorf("dump: the server broke off: %w", err)
	}
	return nil
}

// truthOf dumps the stores of a running server.
type truthOf struct{ parts *parts }

func (t truthOf) Dump(ctx context.Context, ws weir.WorkspaceID, w io.Writer) error {
	return t.parts.pipeline.AtRest(ctx, func() error { return dump.Write(ctx, w, ws, t.parts.state.View(), t.parts.events) })
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
