package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// What is no frame is set aside as a dead letter, with the reason, and nobody waits for it.
func TestDistributedPoison(t *testing.T) {
	c := newCluster(t)
	c.add("worker")
	c.add("worker")
	both := c.add("collector,api")
	c.start()
	n := newNumbered(both, 1)
	slowest := func(round int) (most time.Duration) {
		for i := range 20 {
			ids := make([]string, 8) // of users in all partitions
			for j := range ids {
				ids[j] = fmt.Sprintf("n-%d-%d-%d", round, j, i)
			}
			most = max(most, n.processed(t, ids))
		}
		return most
	}
	usual := slowest(0)
	err := c.onBroker(func(ch *amqp.Channel) error {
		for p := range clusterPartitions {
			garbage := amqp.Publishing{DeliveryMode: amqp.Persistent, Type: "weir.frame", MessageId: fmt.Sprint("garbage ", p), Body: []byte("no frame at all")}
			if err := ch.Publish(c.namespace, fmt.Sprintf("p%02d", p), true, false, garbage); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	beside := slowest(1)
	t.Logf("a request was processed within %s, beside garbage within %s", usual, beside)
	if beside > usual+time.Second {
		t.Error("garbage delays its neighbours by more than a second")
	}
	var letters []amqp.Delivery
	eventually(t, 20*time.Second, "garbage is among the dead letters", func() error {
		return c.onBroker(func(ch *amqp.Channel) error {
			d, ok, err := ch.Get(c.namespace+".dead", true)
			if err == nil && ok {
				letters = append(letters, d)
			}
			if err == nil && len(letters) < clusterPartitions {
				err = fmt.Errorf("%d of %d", len(letters), clusterPartitions)
			}
			return err
		})
	})
	for _, d := range letters {
		reason, _ := d.Headers["x-first-death-reason"].(string)
		if string(d.Body) != "no frame at all" || reason != "rejected" {
			t.Errorf("dead letter %s: %q, because %q", d.MessageId, d.Body, reason)
		}
	}
	told := ""
	for _, s := range c.having("worker") {
		told += s.output()
	}
	for p := range clusterPartitions {
		if !strings.Contains(told, fmt.Sprintf("in queue %s.p%02d (records", c.namespace, p)) {
			t.Errorf("no worker's log names the garbage of partition %d", p)
		}
	}
	n.verify(t)
}

// processed sends items, waits until they are processed, and says how long that took.
func (n *numbered) processed(t *testing.T, ids []string) time.Duration {
	t.Helper()
	for _, id := range ids {
		n.offered[id], n.acked[id] = true, true
	}
	began := time.Now()
	var answer struct{ Outcomes []struct{ Status string } }
	if status, err := n.server.call("POST", "/v1/items?wait=1", body(ids), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	if len(answer.Outcomes) != len(ids) {
		t.Fatalf("%d outcomes of %d items: %+v", len(answer.Outcomes), len(ids), answer)
	}
	return time.Since(began)
}

// While a store is away items are taken in until the backlog has reached its limit, and
// refused from then on, so that senders keep them; and taken in again when it is back.
func TestDistributedBackpressure(t *testing.T) {
	c := newCluster(t, "WEIR_MAX_BACKLOG=2MB")
	hosts := map[string]*passage{}
	at := func(address string) *passage {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		hosts[u.Host] = newPassage(t, "127.0.0.1:0", u.Host)
		return hosts[u.Host]
	}
	events, database := at(c.events), at(c.database)
	for _, role := range []string{"collector", "collector", "worker", "api"} {
		c.addAt(role, freeAddr(t), func(server string) string {
			if p := hosts[server]; p != nil {
				return p.listen
			}
			return server
		})
	}
	c.start()
	n := newNumbered(c.api, 8)
	n.intake = c.having("collector")
	for i, store := range []struct {
		name string
		way  *passage
	}{{"ClickHouse", events}, {"PostgreSQL", database}} {
		t.Run(store.name, func(t *testing.T) {
			c.in(t)
			end := n.begin(t, i)
			n.offers(t, 200)
			store.way.close()
			began, refused := time.Now(), n.refusals()
			if refused > 0 && i == 0 {
				t.Error("items are refused although nothing is away")
			}
			eventually(t, time.Minute, "items are refused", func() error {
				if n.refusals() < refused+20 {
					return errNotYet
				}
				return nil
			})
			t.Logf("refused after %.1f s", time.Since(began).Seconds())
			store.way.open()
			began = time.Now()
			n.offers(t, 20*batchSize)
			t.Logf("taken again after %.1f s", time.Since(began).Seconds())
			end()
			n.verify(t)
		})
	}
}

func (n *numbered) refusals() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refused
}
