package storetest_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/storetest"
)

var update = flag.Bool("update", false, "write the answers in testdata anew, as the model gives them")

// The suite passes on the model: what a driver must do is possible, and the
// answers in testdata are what the oracle says.
func TestModel(t *testing.T) {
	if *update {
		rewrite(t)
	}
	storetest.Test(t, func(t *testing.T) *storetest.Harness {
		m := storetest.NewModel()
		return &storetest.Harness{Store: m, Reopen: func(*testing.T) eventstore.Store { return m }}
	})
}

func rewrite(t *testing.T) {
	m := storetest.NewModel()
	for _, b := range storetest.Batches() {
		if err := m.Write(t.Context(), storetest.Workspace, b); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out := &txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			if name, ok := strings.CutSuffix(f.Name, ".question"); ok {
				out.Files = append(out.Files, f, txtar.File{Name: name + ".answer", Data: storetest.Answer(t, m, f.Data)})
			}
		}
		if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
