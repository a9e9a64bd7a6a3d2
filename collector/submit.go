package collector

import (
	"context"
	"fmt"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/workspace"
)

// NewReceipt makes the receipt of a request, for those who Submit.
func (c *Collector) NewReceipt() string { return c.options.NewReceipt() }

// Judge gives a record its verdict and its user, as if it arrived now with a key
// of its own client and source, in a workspace that lets browsers do so much.
func (c *Collector) Judge(r *weir.Record, browsers workspace.Browsers) {
	grant := workspace.Grant{Workspace: workspace.Workspace{ID: r.Workspace}, Key: r.Source, Client: r.Client, Browsers: browsers}
	head, rejection := c.verdict(&grant, r.Raw)
	r.UserID, r.Rejected = head.UserID, rejection
}

// Submit stores records as they are, on behalf of their workspaces: without a
// request, a key or a verdict. It returns when they are durable, whatever becomes
// of ctx meanwhile. Those without a receipt get one together, and their places in
// the list; those without a time of receipt have arrived now. It fills that in,
// and the list and what it points to must not change until it returns.
//
// The error wraps queue.ErrFull while no items can be taken and queue.ErrClosed
// after Close. Long lists are stored in several parts: after an error, the first
// ones may be stored.
func (c *Collector) Submit(ctx context.Context, records []weir.Record) error {
	c.complete(records)
	for len(records) > 0 {
		n, bytes := c.part(records)
		if err := c.submit(ctx, records[:n], bytes); err != nil {
			return fmt.Errorf("submit items: %w", err)
		}
		records = records[n:]
	}
	return nil
}

// complete fills in what records lack.
func (c *Collector) complete(records []weir.Record) {
	receipt, now := "", weir.MicrosOf(c.options.Now())
	for i := range records {
		r := &records[i]
		if r.ReceivedAt == 0 {
			r.ReceivedAt = now
		}
		if r.Receipt != "" {
			continue
		}
		if receipt == "" {
			receipt = c.options.NewReceipt()
		}
		r.Receipt, r.Index = receipt, i
	}
}

// part is how many of the records are stored at once.
func (c *Collector) part(records []weir.Record) (n, bytes int) {
	for n < len(records) && n < c.options.Groups.Items {
		size := len(records[n].Raw)
		if n > 0 && bytes+size > c.options.Groups.Bytes {
			break
		}
		n, bytes = n+1, bytes+size
	}
	return n, bytes
}

func (c *Collector) submit(ctx context.Context, records []weir.Record, bytes int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.options.Ready != nil {
		if err := c.options.Ready(); err != nil {
			return fmt.Errorf("%w: %w", queue.ErrFull, err)
		}
	}
	held := bytes + recordCost*len(records)
	if !c.memory.take(held) {
		return fmt.Errorf("%w: more is being received than memory allows for", queue.ErrFull)
	}
	defer c.memory.give(held)
	if err := c.committer.commit(&entry{records: records, bytes: bytes, stored: make(chan error, 1)}); err != nil {
		return err
	}
	rejected := 0
	for i := range records {
		if records[i].Rejected != nil {
			rejected++
		}
	}
	c.metrics.accepted.Add(float64(len(records) - rejected))
	c.metrics.rejected.Add(float64(rejected))
	return nil
}
