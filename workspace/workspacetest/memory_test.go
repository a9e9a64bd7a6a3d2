package workspacetest

import (
	"testing"

	"github.com/weirhq/weir/workspace"
)

func TestMemory(t *testing.T) {
	Test(t, func(*testing.T) workspace.Store { return &Memory{} })
}
