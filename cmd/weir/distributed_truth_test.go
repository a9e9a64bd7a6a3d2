package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/dump"
	"github.com/weirhq/weir/pipeline/storytest"
)

// told is an item of a story as it is sent.
type told struct{ key, body string }

// story makes up histories whose truth does not depend on when they are sent: senders
// do not say what their clock is, and everything has a time.
func story(t *testing.T, seeds ...int) (items []told) {
	t.Helper()
	stories := rapid.Custom(storytest.Draw)
	for _, seed := range seeds {
		for _, i := range stories.Example(seed).Items {
			var content struct {
				Kind  string
				Alias struct {
					CreatedAt any `json:"created_at"`
				} `json:"user_alias"`
			}
			if err := json.Unmarshal([]byte(i.Raw), &content); err != nil || content.Kind == "user_alias" && content.Alias.CreatedAt == nil {
				continue // it would spoil the request, or has the time at which it arrives
			}
			key := testWriteKey
			if i.Client == weir.ClientServer {
				key = testSecretKey
			}
			items = append(items, told{key, fmt.Sprintf(`{"items":[%s]}`, i.Raw)})
		}
	}
	return items
}

// The same history, told to one process on embedded engines and, shuffled, twice and by
// many at once, to many processes on servers, is the same truth.
func TestDistributedTruth(t *testing.T) {
	random := seeded(t)
	c := newCluster(t)
	for _, role := range []string{"collector", "collector", "worker", "worker", "worker", "api"} {
		c.add(role)
	}
	c.start()
	var items []told
	deliveries := 0
	for range max(1, *crashCycles/12) {
		var news []told
		for range 15 {
			news = append(news, story(t, random.IntN(1<<30))...)
		}
		deliveries += c.tell(random, news)
		items = append(items, news...)
	}
	c.applied(deliveries)
	t.Logf("%d items, %d deliveries", len(items), deliveries)
	alone := t.TempDir()
	s := newServer(t, alone)
	s.start()
	for _, i := range items {
		s.post(i.key, i.body)
	}
	s.caughtUp()
	s.stopped()
	want := dumped(t, alone)

	running, code := runProgram(t, nil, "dump", "--url", c.api.url, "--key", testSecretKey, "--workspace", testWorkspace)
	if code != exitOK {
		t.Fatalf("dump of the running cluster: code %d, %s", code, running)
	}
	c.stop()
	got, code := runProgram(t, c.stores(), "dump", "--workspace", testWorkspace)
	if code != exitOK {
		t.Fatalf("dump: code %d, %s", code, got)
	}
	for name, other := range map[string]string{"the cluster": got, "the running cluster": running} {
		if other == want {
			continue
		}
		diff, _, err := dump.Compare(strings.NewReader(want), strings.NewReader(other))
		t.Errorf("%s has another truth (+) than one process (-): %v\n%s", name, err, diff)
	}
	lines := strings.Count(want, "\n")
	t.Logf("%d lines of truth", lines)
	if lines < 30 {
		t.Error("the history says nearly nothing")
	}
}

// tell sends all items twice, shuffled, from many senders, and returns how many
// deliveries that are.
func (c *cluster) tell(random *rand.Rand, items []told) int {
	c.t.Helper()
	twice := append(append([]told{}, items...), items...)
	random.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
	var group errgroup.Group
	group.SetLimit(16)
	collectors := c.having("collector")
	for n, i := range twice {
		group.Go(func() error { return collectors[n%len(collectors)].send(i.key, i.body) })
	}
	if err := group.Wait(); err != nil {
		c.t.Fatal(err)
	}
	return len(twice)
}

// applied waits until all deliveries are in the log, and what waited for busy users
// came again.
func (c *cluster) applied(deliveries int) {
	c.t.Helper()
	c.api.settled(2 * time.Minute)
	eventually(c.t, 2*time.Minute, "every delivery is in the log", func() error {
		logged, err := c.api.logged("")
		if err != nil {
			return err
		}
		rows := 0
		for _, of := range logged {
			rows += len(of) - countOf(of, "waiting")
		}
		if rows < deliveries {
			return fmt.Errorf("%d of %d, %w", rows, deliveries, errNotYet)
		}
		return nil
	})
}
