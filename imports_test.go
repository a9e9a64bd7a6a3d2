package weir_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/weirhq/weir"

// source is a Go file and what it imports.
type source struct {
	path    string // from the module's root
	folder  string // "." for the root package
	test    bool
	imports []string
	file    *ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "testdata" || len(entry.Name()) > 1 && entry.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		s := source{path: filepath.ToSlash(name), folder: path.Dir(filepath.ToSlash(name)), test: strings.HasSuffix(name, "_test.go"), file: file}
		for _, i := range file.Imports {
			text, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, text)
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// The rules of ARCHITECTURE.md, "What may import what".
func TestImports(t *testing.T) {
	rules := []string{"identity", "session", "order", "attribution"} // pure: no I/O, no clock
	drivers := []string{
		"queue/sqlitequeue", "queue/rabbitqueue", "queue/rabbitqueue/pgledger", "archive/dirarchive", "archive/s3archive", "state/sqlitestate", "state/pgstate",
		"eventstore/duckstore", "eventstore/clickstore",
	}
	mains := []string{"cmd/weir", "bench"}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		suite := strings.HasSuffix(s.folder, "test")
		for _, imported := range s.imports {
			inside, own := strings.CutPrefix(imported, module+"/")
			if imported == module {
				inside, own = ".", true
			}
			switch {
			case s.folder == "." && !standard(imported):
				t.Errorf("%s imports %s: the root package imports the standard library only, so that everything may import it", s.path, imported)
			case slices.Contains(rules, s.folder) && !standard(imported) && inside != ".":
				t.Errorf("%s imports %s: a package of rules imports the root package only, so that rules stay pure and independent", s.path, imported)
			case own && slices.Contains(drivers, inside) && !slices.Contains(mains, s.folder) && !strings.HasPrefix(s.folder, inside+"/"):
				t.Errorf("%s imports %s: only %v name a driver; others speak to its contract", s.path, imported, mains)
			case own && strings.HasSuffix(inside, "test") && !suite:
				t.Errorf("%s imports %s: conformance suites are for tests", s.path, imported)
			case imported == "testing" && !suite:
				t.Errorf("%s imports testing outside tests", s.path)
			case (imported == "flag" || imported == "github.com/alecthomas/kong") && !slices.Contains(mains, s.folder):
				t.Errorf("%s imports %s: only %v read flags", s.path, imported, mains)
			}
		}
	}
}

// Configuration comes in through Options: no package but main looks around for
// it.
func TestOnlyMainReadsTheEnvironment(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.folder == "cmd/weir" || s.folder == "bench" || strings.HasSuffix(s.folder, "test") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok {
				if name, ok := call.X.(*ast.Ident); ok && name.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "Args", "Exit"}, call.Sel.Name) {
					t.Errorf("%s uses os.%s", s.path, call.Sel.Name)
				}
			}
			return true
		})
	}
}

// Every package says what it is, once.
func TestEveryPackageHasOneComment(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if _, ok := comments[s.folder]; !ok {
			comments[s.folder] = nil
		}
		if s.file.Doc != nil {
			comments[s.folder] = append(comments[s.folder], s.path)
		}
	}
	for folder, files := range comments {
		if len(files) != 1 {
			t.Errorf("package %s has %d package comments %v; want one", folder, len(files), files)
		}
	}
}
