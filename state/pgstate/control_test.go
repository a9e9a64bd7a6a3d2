package pgstate

import (
	"testing"

	"github.com/weirhq/weir/workspace"
	"github.com/weirhq/weir/workspace/workspacetest"
)

func openControl(t *testing.T, options *Options) *Control {
	t.Helper()
	c, err := OpenControl(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestControlConformance(t *testing.T) {
	workspacetest.Test(t, func(t *testing.T) workspace.Store { return openControl(t, testOptions(t)) })
}

// A key that the command line makes works in the server that runs beside it.
func TestControlIsSharedAndDurable(t *testing.T) {
	options := testOptions(t)
	server, cli := openControl(t, options), openControl(t, options)
	made := workspace.New(cli, nil)
	_, key, _, err := made.CreateWorkspace(t.Context(), workspace.Workspace{ID: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	grant, err := workspace.New(server, nil).Authenticate(t.Context(), key.Text)
	if err != nil || grant.Workspace.ID != "shop" {
		t.Errorf("beside: got %+v, %v", grant, err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cli.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := workspace.New(openControl(t, options), nil).Authenticate(t.Context(), key.Text); err != nil {
		t.Errorf("after opening again: %v", err)
	}
}
