package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/demo"
	"github.com/weirhq/weir/state/sqlitestate"
	"github.com/weirhq/weir/workspace"
)

// demoCommand is `weir demo`. Without a key it makes one itself, in the data
// directory of the server, which it must then share.
type demoCommand struct {
	URL         string           `default:"http://127.0.0.1:8080" help:"Server to send to."`
	Key         string           `help:"Secret key of the workspace, sk_…; default: one is made in --data."`
	Workspace   weir.WorkspaceID `default:"demo" help:"Workspace to fill."`
	Data        string           `default:"./data" env:"WEIR_DATA" type:"path" help:"Data directory of the server, if no key is given."`
	Days        int              `default:"42" help:"Days of history."`
	Seed        uint64           `default:"1" help:"Same seed, same shop."`
	HistoryOnly bool             `help:"End after the history, without live visitors."`
}

func (c *demoCommand) Run(ctx context.Context, t *terminal) error {
	if c.Days < 0 || c.Days > 730 {
		return &usageError{fmt.Sprintf("--days=%d: choose 0 to 730", c.Days)}
	}
	c.URL = strings.TrimRight(c.URL, "/")
	if c.Key == "" {
		key, err := c.makeKey(ctx)
		if err != nil {
			return err
		}
		c.Key = key
	}
	shop := demo.New(c.Seed)
	player := &demo.Player{URL: c.URL, Key: c.Key, Workspace: string(c.Workspace), Now: time.Now}
	if report := progress(t.err); report != nil {
		player.Progress = func(sent, all int) { report("%d of %d items sent", sent, all) }
	}
	start := time.Now()
	sent, err := player.History(ctx, shop, c.Days)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("send history: %w", err)
	}
	fmt.Fprintf(t.out, "%d items of %d days sent in %.1f s. See them on %s/?workspace=%s\n", sent, c.Days, time.Since(start).Seconds(), c.URL, c.Workspace)
	if c.HistoryOnly {
		return nil
	}
	fmt.Fprintln(t.out, "People are visiting the shop now. Press Ctrl-C to close it.")
	return player.Live(ctx, shop)
}

// makeKey makes the workspace, if need be, and a key to it.
func (c *demoCommand) makeKey(ctx context.Context) (string, error) {
	control, err := sqlitestate.OpenControl(filepath.Join(c.Data, controlFolder), nil)
	if err != nil {
		return "", fmt.Errorf("%w; start the server first, or give its --data, or a --key", err)
	}
	defer control.Close()
	directory := workspace.New(control, nil)
	_, err = directory.Workspace(ctx, c.Workspace)
	if errors.Is(err, workspace.ErrNoWorkspace) {
		_, _, _, err = directory.CreateWorkspace(ctx, workspace.Workspace{ID: c.Workspace, Name: "Ridge & River, a demo shop", Timezone: "Europe/Paris", Currency: "EUR"})
	}
	if err != nil {
		return "", fmt.Errorf("make workspace %s: %w", c.Workspace, err)
	}
	key, err := directory.CreateKey(ctx, c.Workspace, workspace.SecretKey, "Demo, "+time.Now().Format(time.DateTime), nil)
	if err != nil {
		return "", fmt.Errorf("make key: %w", err)
	}
	return key.Text, nil
}

// progress draws a line that changes, if somebody looks; else it is nil.
func progress(out io.Writer) func(format string, args ...any) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	var mu sync.Mutex
	var shown time.Time
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(shown) > 100*time.Millisecond {
			shown = now
			fmt.Fprintf(out, "\r\x1b[K"+format+"\r", args...)
		}
	}
}
