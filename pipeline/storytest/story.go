// Package storytest makes up histories for property tests of the pipeline: a few
// devices and people, and all that goes wrong on the way. Ids, times and values
// come from small sets, so that items meet: versions of one item, two contents of
// one version, shared devices, sessions of several users, runs of events that a
// late one joins.
//
// Draw takes every choice from rapid, so that a failing history shrinks to the
// few items that make it fail. However a story is told — items several times, in
// another order, in other batches — the truth is the same: all tellings must end
// in the same dump.
//
// Stories are of the workspace settings that the constants below name; without
// them they are fine too, but test less.
package storytest

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
)

// What a workspace should be told so that stories reach all rules.
const (
	Goal         = "Purchase" // label of events that may be a goal
	GoalValue    = "amount"   // their property with the value, a number
	GoalCurrency = "currency" // their property with the currency
	Foreign      = "USD"      // a currency that a rate may be given for; orders are also in EUR, and in XTS, which has none
	KeyField     = "email"    // field of users that may be a reconciliation key
)

// Start is the first event time of a story; nothing is earlier but for days that
// its late and senseless clocks say.
var Start = weir.MicrosOf(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC))

const (
	second = weir.Micros(time.Second / time.Microsecond)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// Item is one item as it came in: what a Record is made of.
type Item struct {
	Raw      string // its JSON; not always valid
	Received weir.Micros
	SentAt   weir.Micros // zero if the sender did not say
	Client   weir.Client
}

func (i Item) String() string {
	client := "write key"
	if i.Client == weir.ClientServer {
		client = "secret key"
	}
	sent := ""
	if i.SentAt != 0 {
		sent = " sent " + i.SentAt.String()
	}
	return fmt.Sprintf("%s%s by %s: %s", i.Received, sent, client, i.Raw)
}

// Story is a history: items in the order in which they came.
type Story struct {
	Items []Item
}

// String is one item per line, for the reader of a failing test.
func (s *Story) String() string {
	var b strings.Builder
	for _, i := range s.Items {
		b.WriteString(i.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Draw makes up a story of some dozens of items.
func Draw(t *rapid.T) *Story { return DrawOf(t, 1, 12) }

// DrawOf is Draw for stories of another length: from least to most visits, of
// some six items each.
func DrawOf(t *rapid.T, least, most int) *Story {
	clocks := make([]weir.Micros, devices)
	for i := range clocks {
		clocks[i] = rapid.SampledFrom(skews).Draw(t, "clock")
	}
	reception := rapid.SampledFrom([]weir.Micros{hour, 0, 2 * day}).Draw(t, "received after")
	visits := rapid.SliceOfN(rapid.Custom(drawVisit), least, most).Draw(t, "visits")
	n := &narrator{clocks: clocks, received: Start + reception}
	for _, v := range visits {
		n.visit(v)
	}
	n.retract()
	return &Story{n.items}
}

// skews are how far clocks of devices are ahead. Under two seconds it is taken
// for the network's delay.
var skews = []weir.Micros{0, 0, hour, -hour, second, -3 * second}

// narrator turns what was drawn into items. It draws nothing itself.
type narrator struct {
	clocks   []weir.Micros
	received weir.Micros // by the server's clock
	items    []Item
	edges    []string // ids of the edges that the items so far speak of
	retracts []retraction
}

// retraction is an item whose edge is chosen when all edges are known: an edge
// may be taken back before anybody speaks of it.
type retraction struct {
	item int // in narrator.items
	beat *beat
	edge int
}

func (n *narrator) visit(v visit) {
	for i := range v.beats {
		b := &v.beats[i]
		n.received += b.pause
		n.beat(&v, b)
	}
}

func (n *narrator) beat(v *visit, b *beat) {
	skew := n.clocks[v.device]
	client := weir.ClientPublic
	if b.server || b.what == "merge" || b.what == "retract" {
		client, skew = weir.ClientServer, 0
	}
	at := Start + v.start + b.offset
	if b.future {
		at = n.received + hour
	}
	item := Item{Received: n.received, Client: client}
	if b.says {
		item.SentAt = n.received + skew
	}
	w := writer{visit: v, beat: b, at: at + skew, skew: skew}
	raw, edges := w.item()
	item.Raw = raw
	n.edges = append(n.edges, edges...)
	if b.what == "retract" {
		n.retracts = append(n.retracts, retraction{len(n.items), b, b.number})
	}
	n.items = append(n.items, item)
}

// retract fills in which edges the retractions take back.
func (n *narrator) retract() {
	for _, r := range n.retracts {
		edge := weir.Edge{From: anonymous[0], To: known[0], Item: "user_alias:unheard of", Rule: weir.RuleAlias}.ID()
		if len(n.edges) > 0 {
			edge = n.edges[r.edge%len(n.edges)]
		}
		n.items[r.item].Raw = retract(fmt.Sprintf("r%d", r.beat.number), edge, n.items[r.item].Received)
	}
}
