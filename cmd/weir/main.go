// Command weir collects events and answers questions about them: the whole
// product in one program. `weir serve` runs it, `weir demo` shows it at work.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	_ "time/tzdata" // time zones mean the same on every machine

	"github.com/alecthomas/kong"
)

// Exit codes of CONTRACT §1.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// commandLine is what the program can be told. Flags may also be given by
// environment variables, or in a JSON file named by --config.
type commandLine struct {
	Config kong.ConfigFlag `help:"JSON file with flags, such as {\"listen\": \"0.0.0.0:8080\"}." type:"path" placeholder:"FILE"`

	Serve   serveCommand   `cmd:"" help:"Collect events, answer questions and serve the dashboard."`
	Demo    demoCommand    `cmd:"" help:"Play a shop: weeks of history in seconds, then live visitors."`
	Dump    dumpCommand    `cmd:"" help:"Write the truth of a workspace as canonical JSON lines: equal truth, equal bytes."`
	Rebuild rebuildCommand `cmd:"" help:"Derive the state and the events again from the archive; the server must be stopped."`
	Version versionCommand `cmd:"" help:"Say which version this is."`
	Import  importCommand  `cmd:"" help:"Import native items, or what Segment, Mixpanel, PostHog and Amplitude export."`
	Health  healthCommand  `cmd:"" help:"Ask a running server whether it is ready; the exit code is 0 if it is."`
}

// terminal is where a command writes.
type terminal struct {
	out io.Writer // results
	err io.Writer // logs and progress
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var line commandLine
	exited := -1
	parser, err := kong.New(&line,
		kong.Name("weir"),
		kong.Description("Event collection, customer data and product analytics in one program."),
		kong.Configuration(kong.JSON),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { exited = code }), // after --help
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&terminal{out, errOut}),
	)
	if err != nil {
		fmt.Fprintln(errOut, "weir:", err)
		return exitFailure
	}
	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(errOut, "weir: %v\nTry: weir --help\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(errOut, "weir:", err)
		if usage := (*usageError)(nil); errors.As(err, &usage) {
			return exitUsage
		}
		return exitFailure
	}
	return exitOK
}

// usageError is a mistake on the command line that kong cannot see.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

type versionCommand struct{}

func (versionCommand) Run(t *terminal) error {
	_, err := fmt.Fprintln(t.out, "weir", version())
	return err
}

// version is the module's, or "dev" for a build from a working tree.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// byteSize is a number of bytes: "512MB", "1GB", "1073741824".
type byteSize int64

func (b *byteSize) UnmarshalText(text []byte) error {
	s := strings.ToUpper(strings.TrimSpace(string(text)))
	unit := int64(1)
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"TB", 1 << 40}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is no size; write 512MB or 1GB", text)
	}
	*b = byteSize(n * unit)
	return nil
}
