package sqlitestate

import (
	"testing"

	"github.com/weirhq/weir/workspace"
	"github.com/weirhq/weir/workspace/workspacetest"
)

func openControl(t *testing.T, dir string) *Control {
	t.Helper()
	c, err := OpenControl(dir, nil)
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
	workspacetest.Test(t, func(t *testing.T) workspace.Store { return openControl(t, t.TempDir()) })
}

// A key that the command line makes works in the server that runs beside it.
func TestControlIsSharedAndDurable(t *testing.T) {
	dir := t.TempDir()
	server, cli := openControl(t, dir), openControl(t, dir)
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
	if _, err := workspace.New(openControl(t, dir), nil).Authenticate(t.Context(), key.Text); err != nil {
		t.Errorf("after opening again: %v", err)
	}
}
