package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// numbered sends numbered items from several senders and remembers which were
// acknowledged. What was not acknowledged is sent again, with the same ids.
type numbered struct {
	server  *serverProcess   // which is asked what became of the items
	intake  []*serverProcess // which they are sent to; a sender whose server fails it goes to the next
	senders int
	pause   time.Duration // of a sender between two requests

	mu      sync.Mutex
	acked   map[string]bool
	offered map[string]bool
	refused int // requests answered 503
	strange []string
	last    time.Time // of the acknowledgements
	quiet   time.Duration
}

const batchSize = 20

func newNumbered(s *serverProcess, senders int) *numbered {
	return &numbered{server: s, intake: []*serverProcess{s}, senders: senders, acked: map[string]bool{}, offered: map[string]bool{}}
}

// run sends until ctx ends.
func (n *numbered) run(ctx context.Context, round int) {
	var wait sync.WaitGroup
	for sender := range n.senders {
		wait.Go(func() {
			to := sender
			for batch := 0; ctx.Err() == nil; {
				ids := make([]string, batchSize)
				for i := range ids {
					ids[i] = fmt.Sprintf("n-%d-%d-%d", round, sender, batch*batchSize+i)
				}
				if n.postTo(ctx, n.intake[to%len(n.intake)], ids) {
					batch++
				} else {
					to++
				}
				if n.pause > 0 {
					select {
					case <-time.After(n.pause):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	wait.Wait()
}

// begin sends in the background until the returned function is called.
func (n *numbered) begin(t *testing.T, round int) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); n.run(ctx, round) }()
	return func() { cancel(); <-done }
}

// batches sends some requests, one after the other, all of which must be
// acknowledged.
func (n *numbered) batches(t *testing.T, count int) {
	t.Helper()
	for batch := range count {
		ids := make([]string, batchSize)
		for i := range ids {
			ids[i] = fmt.Sprintf("n-%d-%d", batch, i)
		}
		if !n.post(t.Context(), ids) {
			t.Fatal("not acknowledged")
		}
	}
}

// userOf is the user of an item: each sender has ten.
func userOf(id string) string {
	sender := id[:max(0, strings.LastIndexByte(id, '-'))]
	return "user-" + sender + "-" + id[len(id)-1:]
}

// numberOf is an item's number among those of its sender.
func numberOf(id string) int {
	n, _ := strconv.Atoi(id[strings.LastIndexByte(id, '-')+1:]) // other ids have none
	return n
}

// body is the request with the items. Each sets its user's counter to its number.
func body(ids []string) string {
	items := make([]string, len(ids))
	start := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for i, id := range ids {
		at := start.Add(time.Duration(numberOf(id)) * time.Millisecond).Format(time.RFC3339Nano)
		items[i] = fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":%q,"created_at":%q,"label":"Numbered"},`+
			`"user":{"external_id":%q,"updated_at":%q,"traits":{"counter":%d}}}`, id, at, userOf(id), at, numberOf(id))
	}
	return `{"items":[` + strings.Join(items, ",") + `]}`
}

// post sends one request and reports whether it was acknowledged.
func (n *numbered) post(ctx context.Context, ids []string) bool {
	return n.postTo(ctx, n.intake[0], ids)
}

func (n *numbered) postTo(ctx context.Context, s *serverProcess, ids []string) bool {
	n.mu.Lock()
	for _, id := range ids {
		n.offered[id] = true
	}
	n.mu.Unlock()
	request, err := http.NewRequestWithContext(ctx, "POST", s.url+"/v1/items", strings.NewReader(body(ids)))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+testWriteKey)
	response, err := s.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err != nil:
		return false
	case response.StatusCode == http.StatusServiceUnavailable:
		n.refused++
		if response.Header.Get("Retry-After") == "" {
			n.strange = append(n.strange, "503 without Retry-After")
		}
		return false
	case response.StatusCode != http.StatusOK:
		n.strange = append(n.strange, fmt.Sprintf("%s: %s", response.Status, text))
		return false
	}
	for _, id := range ids {
		n.acked[id] = true
	}
	if now := time.Now(); !n.last.IsZero() {
		n.quiet, n.last = max(n.quiet, now.Sub(n.last)), now
	} else {
		n.last = now
	}
	return true
}

func (n *numbered) count() (acked int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.acked)
}

// tally is what a verification has found.
type tally struct{ acked, stored, lost, doubled, unordered int }

// patience is how long what was acknowledged may take to be in the log, before it is lost.
const patience = time.Minute

// verify waits until everything is processed and compares: every acknowledged
// item is stored exactly once, in the log and in questions, in the order in which
// its user's items were acknowledged, and users are as their last item says.
func (n *numbered) verify(t *testing.T) tally {
	t.Helper()
	s := n.server
	s.settled(2 * time.Minute)
	var logged map[string][]logRow
	counted, began := 0, time.Now()
	eventually(t, 2*time.Minute, "questions and the log are answered", func() (err error) {
		// What the queue has given to a worker of another process it may not count, nor
		// what was stored and never acknowledged.
		if counted, err = s.total("Numbered", "total"); err != nil {
			return err
		}
		if logged, err = s.logged("custom_event"); err != nil || time.Since(began) > patience {
			return err
		}
		stored := 0
		for id, rows := range logged {
			if countOf(rows, "stored") > 0 {
				stored++
			} else if n.acked[id] {
				return fmt.Errorf("%s is not stored", id)
			}
		}
		for id := range n.acked {
			if logged[id] == nil {
				return fmt.Errorf("%s is not in the log", id)
			}
		}
		if stored != counted {
			return fmt.Errorf("questions count %d events, the log has %d stored", counted, stored)
		}
		return nil
	})
	found := tally{acked: len(n.acked)}
	unknown := 0
	for id, rows := range logged {
		stored := countOf(rows, "stored")
		found.stored += min(stored, 1)
		if stored > 1 {
			found.doubled++
			t.Errorf("%s is stored %d times", id, stored)
		}
		if !n.offered[id] {
			unknown++
		}
	}
	for id := range n.acked {
		if countOf(logged[id], "stored") == 0 {
			found.lost++
			if found.lost <= 5 {
				t.Errorf("%s was acknowledged and is lost: %v", id, logged[id])
			}
		}
	}
	found.unordered = n.unordered(t, logged)
	t.Logf("acknowledged %d, stored %d, counted %d, lost %d, doubled %d, out of order %d, refused %d requests",
		found.acked, found.stored, counted, found.lost, found.doubled, found.unordered, n.refused)
	if counted != found.stored {
		t.Errorf("questions count %d events, the log has %d stored", counted, found.stored)
	}
	if found.lost > 0 || unknown > 0 || len(n.strange) > 0 {
		t.Errorf("lost %d, unknown %d, strange answers %q", found.lost, unknown, n.strange)
	}
	if found.acked == 0 {
		t.Error("nothing was acknowledged: the test shows nothing")
	}
	return found
}

// unordered counts the items that stand in the log before one of the same user that was
// acknowledged before they were sent, and the users who are not as their last item says.
func (n *numbered) unordered(t *testing.T, logged map[string][]logRow) (count int) {
	t.Helper()
	byUser := map[string][]string{}
	for id := range logged {
		byUser[userOf(id)] = append(byUser[userOf(id)], id)
	}
	asked := 0
	for _, user := range slices.Sorted(maps.Keys(byUser)) {
		ids := byUser[user]
		slices.SortFunc(ids, func(a, b string) int { return numberOf(a) - numberOf(b) })
		var before place
		for _, id := range ids {
			at, err := firstPlace(logged[id])
			if err == nil && before.sequence > 0 && (at.partition != before.partition || at.sequence <= before.sequence) {
				err = fmt.Errorf("stands at %v, the one before it at %v", at, before)
			}
			if err != nil {
				count++
				t.Errorf("item %s of %s: %v", id, user, err)
			}
			before = at
		}
		last := ids[len(ids)-1]
		if !strings.HasPrefix(last, "n-") || asked >= asksUsers {
			continue
		}
		asked++
		var person struct{ Traits struct{ Counter *int } }
		_, err := n.server.call("GET", "/api/v1/workspaces/"+testWorkspace+"/users/"+user, nil, &person)
		if err == nil && (person.Traits.Counter == nil || *person.Traits.Counter != numberOf(last)) {
			err = errors.New("is not as its last item says")
		}
		if err != nil {
			count++
			t.Errorf("%s, whose last item is %s: %v", user, last, err)
		}
	}
	return count
}

// asksUsers is how many users a verification looks at.
const asksUsers = 200

// place is a position.
type place struct{ partition, sequence int }

// firstPlace is where an item stands first: it may have come several times.
func firstPlace(rows []logRow) (first place, err error) {
	for _, row := range rows {
		var at place
		if _, err := fmt.Sscanf(row.Position, "%d.%d", &at.partition, &at.sequence); err != nil {
			return at, fmt.Errorf("read position %q: %w", row.Position, err)
		}
		if first.sequence == 0 || at.sequence < first.sequence {
			first = at
		}
	}
	return first, nil
}
