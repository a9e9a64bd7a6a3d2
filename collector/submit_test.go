package collector_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/workspace"
)

const (
	order   = `{"kind":"order","order":{"external_id":"o","created_at":"2026-11-21T11:59:59Z"},"user":{"external_id":"u"}}`
	alias   = `{"kind":"user_alias","user_alias":{"from_user_external_id":"a","to_user_external_id":"u","to_user_is_authenticated":true}}`
	merge   = `{"kind":"identity_merge","identity_merge":{"external_id":"m","created_at":"2026-11-21T11:59:59Z","from_user_external_id":"a","to_user_external_id":"u"}}`
	retract = `{"kind":"identity_retract","identity_retract":{"external_id":"r","created_at":"2026-11-21T11:59:59Z","edge":"YQ.0123456789abcdef"}}`
)

// CONTRACT §2: a browser may not send orders or link two known users unless the
// workspace allows it. Nothing lets it take an edge back.
func TestWhatBrowsersMaySend(t *testing.T) {
	every := []string{order, alias, merge, retract}
	for _, tt := range []struct {
		name     string
		key      string
		browsers workspace.Browsers
		rejected []int
	}{
		{"nothing is allowed", "wk_web", workspace.Browsers{}, []int{0, 2, 3}},
		{"orders", "wk_web", workspace.Browsers{MaySendOrders: true}, []int{2, 3}},
		{"known users", "wk_web", workspace.Browsers{MayLinkKnownUsers: true}, []int{0, 3}},
		{"both", "wk_web", workspace.Browsers{MaySendOrders: true, MayLinkKnownUsers: true}, []int{3}},
		{"a secret key", "sk_server", workspace.Browsers{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ring := keys()
			for text, grant := range ring {
				grant.Browsers = tt.browsers
				ring[text] = grant
			}
			q := &memQueue{partitions: 8}
			c := collector.New(q, ring, nil)
			defer c.Close(context.Background())
			got := read(t, post(c, "/v1/items", tt.key, envelope(every...)))
			var rejected []int
			for _, r := range got.Rejected {
				if rejected = append(rejected, r.Index); r.Code != "not_allowed" || r.Field != "kind" {
					t.Errorf("rejected %+v", r)
				}
			}
			if fmt.Sprint(rejected) != fmt.Sprint(tt.rejected) || len(q.records()) != len(every) {
				t.Errorf("rejected %v, want %v; %d records kept", rejected, tt.rejected, len(q.records()))
			}
			// The same verdict without a request.
			for i, raw := range every {
				r := weir.Record{Workspace: "acme_test", Client: ring[tt.key].Client, Raw: []byte(raw), UserID: "?", Rejected: &weir.Rejection{Code: "?"}}
				c.Judge(&r, tt.browsers)
				stored := recordAt(q.records(), i)
				if r.UserID != stored.UserID || fmt.Sprint(r.Rejected) != fmt.Sprint(stored.Rejected) {
					t.Errorf("judged %+v, but stored %+v", r, stored)
				}
			}
		})
	}
}

func recordAt(records []weir.Record, index int) weir.Record {
	for _, r := range records {
		if r.Index == index {
			return r
		}
	}
	return weir.Record{}
}

func TestSubmit(t *testing.T) {
	c, q := setup(t, &collector.Options{Groups: collector.GroupLimits{Items: 3}, NewReceipt: func() string { return "rcp_new" }})
	records := []weir.Record{{Workspace: "a", UserID: "u", Raw: []byte(order), Receipt: "rcp_own", Index: 7, ReceivedAt: 5, SentAt: 4}}
	for range 4 {
		records = append(records, weir.Record{Workspace: "b", Client: weir.ClientServer, Raw: []byte(merge)})
	}
	if err := c.Submit(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if got := q.records(); len(got) != 5 || len(q.appends) != 2 {
		t.Fatalf("stored %d records in %d parts", len(got), len(q.appends))
	}
	seen := map[int]bool{}
	for _, r := range q.records() {
		seen[r.Index] = true
		switch {
		case r.Workspace == "a":
			if r.Receipt != "rcp_own" || r.Index != 7 || r.ReceivedAt != 5 || r.SentAt != 4 || r.UserID != "u" {
				t.Errorf("what was there has changed: %+v", r)
			}
		case r.Receipt != "rcp_new" || r.ReceivedAt != weir.MicrosOf(noon) || r.Client != weir.ClientServer:
			t.Errorf("what was missing is not filled in: %+v", r)
		}
	}
	if len(seen) != 5 {
		t.Errorf("places %v", seen)
	}
	if err := c.Submit(t.Context(), nil); err != nil || len(q.appends) != 2 {
		t.Errorf("nothing was appended as something: %v", err)
	}
}

func TestSubmitThatCannotBeTaken(t *testing.T) {
	var busy error
	c, q := setup(t, &collector.Options{Memory: 64 << 10, Ready: func() error { return busy }})
	one := func() []weir.Record { return []weir.Record{{Workspace: "a", Raw: []byte(order)}} }

	q.setFail(fmt.Errorf("append: %w", queue.ErrFull))
	if err := c.Submit(t.Context(), one()); !errors.Is(err, queue.ErrFull) {
		t.Errorf("full queue: %v", err)
	}
	q.setFail(nil)
	busy = errors.New("the disk has 900 MB left")
	if err := c.Submit(t.Context(), one()); !errors.Is(err, queue.ErrFull) || !errors.Is(err, busy) {
		t.Errorf("full disk: %v", err)
	}
	busy = nil
	if err := c.Submit(t.Context(), []weir.Record{{Workspace: "a", Raw: make([]byte, 64<<10)}}); !errors.Is(err, queue.ErrFull) {
		t.Errorf("no memory: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := c.Submit(ended, one()); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
	if n := len(q.records()); n != 0 {
		t.Fatalf("%d records stored", n)
	}
	// Nothing of all that holds memory, or keeps what comes next from being stored.
	for range 300 {
		if err := c.Submit(t.Context(), one()); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Submit(t.Context(), one()); !errors.Is(err, queue.ErrClosed) || len(q.records()) != 300 {
		t.Errorf("after Close: %v, %d records", err, len(q.records()))
	}
}
