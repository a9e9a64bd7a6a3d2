package clickstore_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/weirhq/weir/eventstore/clickstore/chdbserver"
)

// serve, in the environment, makes of this program a server of the folder that it names:
// the engine needs a process of its own.
const serve = "WEIR_TEST_CHDB_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(serve); folder != "" {
		if err := chdbserver.Run(library(), folder, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if err := stopServer(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func library() string { return chdbserver.Library("../..") }

// process is the server of all tests of a run, with what ends it.
var process struct {
	once sync.Once
	url  string
	err  error
	stop func() error
}

// server is the address of a ClickHouse: of the one that the environment names, or of one
// that is started for the tests.
func server(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("WEIR_TEST_CLICKHOUSE_URL"); url != "" {
		return url
	}
	if library() == "" {
		const missing = "no ClickHouse: set WEIR_TEST_CLICKHOUSE_URL to a server, or install the engine with make chdb"
		if os.Getenv("WEIR_TEST_SERVICES") == "required" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	process.once.Do(func() { process.url, process.stop, process.err = startServer() })
	if process.err != nil {
		t.Fatal(process.err)
	}
	return process.url
}

func startServer() (url string, stop func() error, err error) {
	folder, err := os.MkdirTemp("", "weir-clickhouse-")
	if err != nil {
		return "", nil, err
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), serve+"="+folder)
	remove := func() error { return os.RemoveAll(folder) }
	url, end, err := chdbserver.Start(c)
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return url, func() error { return errors.Join(end(), remove()) }, nil
}

func stopServer() error {
	if process.stop == nil {
		return nil
	}
	return process.stop()
}
