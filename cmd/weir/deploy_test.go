package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/weirhq/weir/collector"
)

const repository = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What deployments set, the program has.
func TestDeploymentsSetWhatThereIs(t *testing.T) {
	parser, err := kong.New(&commandLine{})
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, command := range parser.Model.Leaves(false) {
		for _, flag := range command.Flags {
			known = append(known, flag.Envs...)
		}
	}
	files, err := filepath.Glob(filepath.Join(repository, "deploy/kubernetes/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		files[i] = strings.TrimPrefix(file, repository+"/")
	}
	setting := regexp.MustCompile(`(?m)(?:^|[\s{(])(WEIR_[A-Z_]+)[:=]`)
	for _, file := range append(files, "Dockerfile", "compose.yaml", ".env.example") {
		for _, match := range setting.FindAllStringSubmatch(read(t, file), -1) {
			if !slices.Contains(known, match[1]) {
				t.Errorf("%s sets %s, which no flag reads", file, match[1])
			}
		}
	}
	if compose := setting.FindAllString(read(t, "compose.yaml"), -1); len(compose) < 5 {
		t.Errorf("found %q in compose.yaml only: is the expression still right?", compose)
	}
}

// Whatever stands in front sends the collectors' paths to the collectors.
func TestProxiesKnowTheCollectorsPaths(t *testing.T) {
	matcher := regexp.MustCompile(`(?m)^\s*@collector path (.+)$`).FindStringSubmatch(read(t, "deploy/compose/Caddyfile"))
	if matcher == nil {
		t.Fatal("the Caddyfile has no matcher @collector")
	}
	patterns := strings.Fields(matcher[1])
	ingress := map[string]bool{}
	rule := regexp.MustCompile(`- path: (\S+)\n\s+pathType: Exact\n\s+backend: \{service: \{name: collector,`)
	for _, match := range rule.FindAllStringSubmatch(read(t, "deploy/kubernetes/ingress.yaml"), -1) {
		ingress[match[1]] = true
	}
	for _, path := range collector.Paths() {
		if !slices.ContainsFunc(patterns, func(pattern string) bool {
			prefix, open := strings.CutSuffix(pattern, "*")
			return path == pattern || open && strings.HasPrefix(path, prefix)
		}) {
			t.Errorf("the Caddyfile does not send %s to the collectors", path)
		}
		if !ingress[path] {
			t.Errorf("the ingress does not send %s to the collectors", path)
		}
	}
}
