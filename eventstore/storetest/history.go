package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// history is what people did, in a form that can be read and written by hand. A line
// is an event, a visit, or what is known of a person:
//
//	2026-10-05T10:00:00Z 3 s2 buy plan="pro" n=5
//	visit 7 2026-10-05T09:50:00Z 3 sent channel="email" source="news" medium="email"
//	person 3 country="FR"
//	merge 4 3
//
// An event has its time, the number of its identity, its session (s0: none), its name, and
// properties as JSON without spaces, which a text has as \u0020. A visit has its number,
// its beginning, the number of its identity, its origin (sent, derived or impression) and
// what is known of where it came from and of what happened in it; its id is "v" and the
// number. "merge 4 3": identity 4 belongs to person 3; an identity that no such line names
// is a person of its own number.
type history struct {
	events []weir.Event
	people []weir.Person
	merges []eventstore.Move
	visits []eventstore.Visit
}

func (h *history) String() string {
	var out strings.Builder
	properties := func(list []weir.Property) {
		for _, p := range list {
			text, err := p.Value.MarshalJSON()
			if err != nil {
				text = []byte(strconv.Quote(err.Error()))
			}
			fmt.Fprintf(&out, " %s=%s", p.Name, strings.ReplaceAll(string(text), " ", `\u0020`))
		}
		out.WriteByte('\n')
	}
	for _, e := range h.events {
		fmt.Fprintf(&out, "%s %d s%d %s", e.Time, e.Identity, e.Session, e.Name)
		properties(e.Properties)
	}
	for _, v := range h.visits {
		fmt.Fprintf(&out, "visit %d %s %d %s", v.Number, v.StartedAt, v.Identity, originName(v.Origin))
		properties(append(visitTexts(&v), visitNumbers(&v)...))
	}
	for _, p := range h.people {
		fmt.Fprintf(&out, "person %d", p.Number)
		properties(p.Traits)
	}
	for _, m := range h.merges {
		fmt.Fprintf(&out, "merge %d %d\n", m.Identity, m.Person)
	}
	return out.String()
}

// originName is what a line calls an origin.
func originName(o weir.Origin) string {
	return [...]string{weir.Sent: "sent", weir.Derived: "derived", weir.Attended: "attended", weir.Impression: "impression"}[o]
}

// visitFields are the texts of a visit that a line can have.
func visitFields(v *eventstore.Visit) []struct {
	name string
	text *string
} {
	return []struct {
		name string
		text *string
	}{
		{"channel", &v.Channel}, {"source", &v.Source.Source}, {"medium", &v.Source.Medium}, {"campaign", &v.Source.Campaign},
		{"content", &v.Source.Content}, {"term", &v.Source.Term}, {"click_id", &v.Source.ClickID}, {"referrer", &v.Source.Referrer}, {"landing_page", &v.Source.LandingPage},
	}
}

// visitTexts are those that are not empty.
func visitTexts(v *eventstore.Visit) []weir.Property {
	var out []weir.Property
	for _, f := range visitFields(v) {
		if *f.text != "" {
			out = append(out, weir.Property{Name: f.name, Value: weir.Text(*f.text)})
		}
	}
	return out
}

// visitNumbers are what happened in a visit, as far as anything did.
func visitNumbers(v *eventstore.Visit) []weir.Property {
	var out []weir.Property
	for _, p := range []weir.Property{
		{Name: "seconds", Value: weir.Num(v.Seconds)}, {Name: "pageviews", Value: weir.Num(float64(v.Pageviews))}, {Name: "interactions", Value: weir.Num(float64(v.Interactions))},
	} {
		if p.Value.Num != 0 {
			out = append(out, p)
		}
	}
	if v.Bounced {
		out = append(out, weir.Property{Name: "bounced", Value: weir.Boolean(true)})
	}
	return out
}

// setVisitNumber sets one of visitNumbers, and says whether there is one of that name.
func setVisitNumber(v *eventstore.Visit, p weir.Property) bool {
	switch p.Name {
	case "seconds":
		v.Seconds = p.Value.Num
	case "pageviews":
		v.Pageviews = int64(p.Value.Num)
	case "interactions":
		v.Interactions = int64(p.Value.Num)
	case "bounced":
		v.Bounced = p.Value.String() == "true"
	default:
		return false
	}
	return true
}

// readVisit reads the words of a visit behind the first two.
func readVisit(t *testing.T, number, identity uint32, words []string) eventstore.Visit {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, words[0])
	if err != nil {
		t.Fatalf("visit %d: %v", number, err)
	}
	v := eventstore.Visit{Number: number, ID: fmt.Sprint("v", number), Identity: identity, Person: identity, StartedAt: weir.MicrosOf(at)}
	for v.Origin = weir.Sent; originName(v.Origin) != words[2]; v.Origin++ {
		if v.Origin == weir.Impression {
			t.Fatalf("visit %d: there is no origin %q", number, words[2])
		}
	}
	v.Source.Impression = v.Origin == weir.Impression
	fields := visitFields(&v)
	for _, p := range readProperties(t, words[3:]) {
		known := setVisitNumber(&v, p)
		for _, f := range fields {
			if f.name == p.Name {
				*f.text, known = p.Value.String(), true
			}
		}
		if !known {
			t.Fatalf("visit %d: there is no field %q", number, p.Name)
		}
	}
	return v
}

// readHistory reads what String has written.
func readHistory(t *testing.T, text string) *history {
	t.Helper()
	h := &history{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		number := func(word string) uint32 {
			n, err := strconv.ParseUint(word, 10, 32)
			if err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			return uint32(n)
		}
		switch {
		case words[0] == "person":
			h.people = append(h.people, weir.Person{Number: number(words[1]), Traits: readProperties(t, words[2:])})
		case words[0] == "visit" && len(words) >= 5:
			h.visits = append(h.visits, readVisit(t, number(words[1]), number(words[3]), words[2:]))
		case words[0] == "merge":
			h.merges = append(h.merges, eventstore.Move{Identity: number(words[1]), Person: number(words[2]), From: query.TimeMin, To: query.TimeMax})
		default:
			at, err := time.Parse(time.RFC3339Nano, words[0])
			if err != nil || len(words) < 4 {
				t.Fatalf("line %q: %v", line, err)
			}
			h.events = append(h.events, weir.Event{
				Time: weir.MicrosOf(at), Identity: number(words[1]), Session: number(strings.TrimPrefix(words[2], "s")), Name: words[3],
				Properties: readProperties(t, words[4:]),
			})
		}
	}
	return h
}

func readProperties(t *testing.T, words []string) []weir.Property {
	t.Helper()
	var out []weir.Property
	for _, word := range words {
		name, text, _ := strings.Cut(word, "=")
		var v weir.Value
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("property %q: %v", word, err)
		}
		out = append(out, weir.Property{Name: name, Value: v})
	}
	return out
}

// batches cuts a history into batches: order says in which order its events are
// written, and cuts after how many a new batch begins. Events are of the person that
// was known to be the identity's when they came: the merges, which come with the batch
// of that number, put that right.
func (h *history) batches(order []int, cuts []int, merged int) []*eventstore.Batch {
	var out []*eventstore.Batch
	begin := func() *eventstore.Batch {
		b := &eventstore.Batch{Applied: map[int]uint64{}, AsOf: 1}
		out = append(out, b)
		return b
	}
	b := begin()
	for n, i := range order {
		if slices.Contains(cuts, n) {
			b = begin()
		}
		e := h.events[i]
		e.Position, e.Person = weir.At(0, uint64(n+1)), e.Identity
		b.Events = append(b.Events, e)
		b.Applied[0] = uint64(n + 1)
	}
	b = out[min(merged, len(out)-1)]
	b.Moves, b.People, b.Visits = h.merges, h.people, h.visits
	return out
}
