// Package clicktest finds a ClickHouse for tests: the server that WEIR_TEST_CLICKHOUSE_URL
// names, or the engine's library behind a server of its own (package chdbserver). Tests
// that need one are skipped where there is none, and fail if the environment variable
// WEIR_TEST_SERVICES is "required".
package clicktest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/eventstore/clickstore/chdbserver"
)

// folder, in the environment, makes of a program of tests a server of the folder that it
// names: the engine needs a process of its own.
const folder = "WEIR_TEST_CHDB_FOLDER"

// Main runs the tests of a package, or the server for them. It is what TestMain is:
//
//	func TestMain(m *testing.M) { clicktest.Main(m) }
func Main(m *testing.M) {
	if !Serve() {
		os.Exit(Tests{m}.Run())
	}
}

// Serve serves, if this process was started to, and reports whether it was.
func Serve() bool {
	dir := os.Getenv(folder)
	if dir == "" {
		return false
	}
	if err := chdbserver.Run(Library(), dir, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// Tests are those of a package, with the end of the server after them.
type Tests struct{ M *testing.M }

// Run is that of testing.M.
func (t Tests) Run() int {
	code := t.M.Run()
	if err := Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

// Library is where make chdb has put the engine; "" if it has not.
func Library() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	found, _ := filepath.Glob(filepath.Join(dir, "bench/chdb/node_modules/@chdb/lib-*/libchdb.so")) // the pattern is right
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// process is the server of all tests of a run, with what ends it.
var process struct {
	once sync.Once
	url  string
	err  error
	stop func() error
}

// Server is the address of the server, which serves all tests of a run.
func Server(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("WEIR_TEST_CLICKHOUSE_URL"); url != "" {
		return url
	}
	if Library() == "" {
		const missing = "no ClickHouse: set WEIR_TEST_CLICKHOUSE_URL to a server, or install the engine with make chdb"
		if os.Getenv("WEIR_TEST_SERVICES") == "required" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	process.once.Do(func() { process.url, process.stop, process.err = start() })
	if process.err != nil {
		t.Fatal(process.err)
	}
	return process.url
}

func start() (url string, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "weir-clickhouse-")
	if err != nil {
		return "", nil, err
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), folder+"="+dir)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := c.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error { return errors.Join(in.Close(), c.Wait(), os.RemoveAll(dir)) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("start ClickHouse's engine: %w", err), stop())
	}
	return strings.TrimSpace(line), stop, nil
}

// Stop ends the server, if it was started.
func Stop() error {
	if process.stop == nil {
		return nil
	}
	return process.stop()
}
