package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthCommand is `weir health`: for containers, whose images have no tool that
// could ask.
type healthCommand struct {
	Listen string `default:"127.0.0.1:8080" env:"WEIR_LISTEN" help:"Address that the server listens on."`
	Path   string `default:"/readyz" enum:"/readyz,/healthz" help:"What to ask: /readyz, whether all that its roles need works; /healthz, whether it lives."`
}

// healthPatience is longer than the server looks at what it depends on.
const healthPatience = 4 * time.Second

// Run returns nil if the answer is 200.
func (c *healthCommand) Run(ctx context.Context, t *terminal) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(c.Listen)+c.Path, http.NoBody)
	if err != nil {
		return &usageError{fmt.Sprintf("--listen=%s is no address; write 127.0.0.1:8080", c.Listen)}
	}
	response, err := (&http.Client{Timeout: healthPatience}).Do(request)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if response.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("the server answers %s: %s", response.Status, strings.TrimSpace(string(body))), err)
	}
	_, err = t.out.Write(body)
	return err
}
