package chdbserver

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Library is the engine's library below the module's root, where make chdb puts it, or "".
func Library(root string) string {
	found, _ := filepath.Glob(filepath.Join(root, "bench/chdb/node_modules/@chdb/lib-*/libchdb.so")) // the pattern is right
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// Start starts a command that calls Run with its standard input and output, and returns
// the address that it serves, and what ends it and waits for that.
func Start(command *exec.Cmd) (url string, stop func() error, err error) {
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return "", nil, fmt.Errorf("start ClickHouse's engine: %w", err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("start ClickHouse's engine: %w", err)
	}
	if err := command.Start(); err != nil {
		return "", nil, fmt.Errorf("start ClickHouse's engine: %w", err)
	}
	stop = func() error { return errors.Join(in.Close(), command.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("start ClickHouse's engine: %w", err), stop())
	}
	return strings.TrimSpace(line), stop, nil
}
