package pgstate

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/state"
)

// A reader that goes by the cursor misses nothing, however many record at once, and
// sees what one of them recorded in its order.
func TestOutboxOrderOfManyCommitters(t *testing.T) {
	s := open(t, testOptions(t))
	const workers, rounds, effects = 6, 40, 3
	topics := []string{"one", "two"}
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for n := range rounds {
				tx := begin(t, s, state.Need{Users: users(fmt.Sprint("u", w))})
				var changes state.Changes
				for e := range effects {
					for i := range topics { // in both orders
						changes.Outbox = append(changes.Outbox, state.Effect{Workspace: ws, Topic: topics[(i+w)%2], ID: fmt.Sprintf("%d.%04d", w, n*effects+e)})
					}
				}
				if n%5 == 4 {
					changes.Outbox = append(changes.Outbox, state.Effect{ID: "refused"})
					if tx.Commit(context.Background(), changes) == nil {
						t.Error("an effect without a topic was recorded")
					}
					continue
				}
				commit(t, tx, changes)
			}
		})
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for _, topic := range topics {
		readers.Go(func() { follow(t, s, topic, workers*effects*rounds*4/5, done) })
	}
	wait.Wait()
	close(done)
	readers.Wait()
}

// follow reads a topic by its cursor while others record.
func follow(t *testing.T, s *Store, topic string, want int, done <-chan struct{}) {
	last, seen, cursor := map[string]string{}, 0, int64(0)
	for {
		ended := false
		select {
		case <-done:
			ended = true
		default:
		}
		list, err := s.Outbox().Read(context.Background(), topic, cursor, 7)
		if err != nil {
			t.Errorf("read outbox: %v", err)
			return
		}
		for _, w := range list {
			worker, _, _ := strings.Cut(w.ID, ".")
			if w.Cursor <= cursor || w.ID <= last[worker] {
				t.Errorf("%s: %s at %d follows %s at %d", topic, w.ID, w.Cursor, last[worker], cursor)
			}
			cursor, last[worker], seen = w.Cursor, w.ID, seen+1
		}
		if seen == want {
			return
		}
		if ended && len(list) == 0 {
			t.Errorf("%s: saw %d effects of %d", topic, seen, want)
			return
		}
	}
}
