package storetest

import (
	"fmt"
	"math"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// Workspace is where the data set is written.
const Workspace weir.WorkspaceID = "acme"

const (
	autumnEvents = 360
	springEvents = 60
)

// Events is the data set. Event i, from 0 to 419, follows from these rules:
//
//	time      i < 360:  2026-10-10T00:30:00Z + i · 2 h, so to 2026-11-08T22:30Z,
//	          across the end of summer time in Paris (October 25th has 25 hours
//	          there) and in New York (November 1st);
//	          i >= 360: 2026-03-28T00:30:00Z + (i-360) · 1 h, so to 2026-03-30T11:30Z,
//	          across its beginning in Paris (March 29th has 23 hours there).
//	name      by i mod 3: Purchase, pageview, it's "new"; --
//	position  partition i mod 4, sequence number i div 4 + 1
//	identity  i mod 10 + 1
//	person    that of the identity: 1 to 8 their own, 9 is person 1, 10 is
//	          person 10, of whom nothing is known
//	session   none if i mod 5 = 0, else i div 4 + 1
//
// Its properties, by the remainder of i:
//
//	n      mod 7    0 1 2 3 4 5 6, numbers
//	plan   mod 4    free, Pro, TEAM, absent; null instead of TEAM if i mod 8 = 6
//	mixed  mod 6    number 5, text 5, true, text true, list ["5", 5, null, {"a":1}], absent
//	tags   mod 5    ["red","blue"], [], ["RED",["red"]], {"red":1}, absent
//	at     mod 6    2026-10-15T10:00:00Z, the same instant as …12:00:00+02:00,
//	                2026-10-15T10:00:00.0000019Z (rounded down the same again),
//	                2026-10-20 (a day), not a time, number 20261015
//	edge   mod 16   see EdgeNumbers
//	size   mod 8    texts: 10, 9, -1.5e1, " 7", 1_000, +3, 1e999, empty
//	flag   mod 2    true, false
//	word   mod 9    Straße, STRASSE, line\nbreak, Ärger, ärger, %, _, a'b, 日本
func Events() []weir.Event {
	out := make([]weir.Event, 0, autumnEvents+springEvents)
	for i := range autumnEvents + springEvents {
		e := weir.Event{
			Position:   weir.At(i%4, uint64(i/4+1)),
			Time:       timeOf(i),
			Name:       []string{"Purchase", "pageview", `it's "new"; --`}[i%3],
			Identity:   uint32(i%10 + 1),
			Person:     PersonOf(uint32(i%10 + 1)),
			Properties: propertiesOf(i),
		}
		if i%5 != 0 {
			e.Session = uint32(i/4 + 1)
		}
		out = append(out, e)
	}
	return out
}

func timeOf(i int) weir.Micros {
	if i < autumnEvents {
		return weir.MicrosOf(time.Date(2026, 10, 10, 0, 30, 0, 0, time.UTC).Add(time.Duration(i) * 2 * time.Hour))
	}
	return weir.MicrosOf(time.Date(2026, 3, 28, 0, 30, 0, 0, time.UTC).Add(time.Duration(i-autumnEvents) * time.Hour))
}

// PersonOf is the person of one of the data set's identities.
func PersonOf(identity uint32) uint32 {
	if identity == 9 {
		return 1
	}
	return identity
}

// EdgeNumbers are numbers whose text form is where mistakes are made.
func EdgeNumbers() []float64 {
	return []float64{
		0, math.Copysign(0, -1), 5, -5, 0.1, 1e15, 123456789012345680, 1.5e20, 1e21, -1.25e22,
		0.0001, 0.00001234, 1e-6, 9.9e-7, 1234567890.125, 5e-324,
	}
}

func propertiesOf(i int) []weir.Property {
	var out []weir.Property
	pick := func(name string, values ...weir.Value) {
		if v := values[i%len(values)]; v.Type != absentType {
			out = append(out, weir.Property{Name: name, Value: v})
		}
	}
	text, num, list := weir.Text, weir.Num, weir.Raw
	absent := weir.Value{Type: absentType}
	var edges []weir.Value
	for _, f := range EdgeNumbers() {
		edges = append(edges, num(f))
	}
	pick("n", num(0), num(1), num(2), num(3), num(4), num(5), num(6))
	pick("plan", text("free"), text("Pro"), text("TEAM"), absent, text("free"), text("Pro"), weir.Value{}, absent)
	pick("mixed", num(5), text("5"), weir.Boolean(true), text("true"), list(`["5",5,null,{"a":1}]`), absent)
	pick("tags", list(`["red","blue"]`), list(`[]`), list(`["RED",["red"]]`), list(`{"red":1}`), absent)
	pick("at", text("2026-10-15T10:00:00Z"), text("2026-10-15T12:00:00+02:00"), text("2026-10-15T10:00:00.0000019Z"),
		text("2026-10-20"), text("not a time"), num(20261015))
	pick("edge", edges...)
	pick("size", text("10"), text("9"), text("-1.5e1"), text(" 7"), text("1_000"), text("+3"), text("1e999"), text(""))
	pick("flag", weir.Boolean(true), weir.Boolean(false))
	pick("word", text("Straße"), text("STRASSE"), text("line\nbreak"), text("Ärger"), text("ärger"), text("%"), text("_"), text("a'b"), text("日本"))
	return out
}

// absent stands for no value at all, as opposed to null.
const absentType = weir.Type(255)

// People is what is known of the persons of the data set: 1 to 8.
//
//	country  mod 3   DE, FR, absent
//	age      number  20 + person
//	vip      true for 1, 4 and 7, else absent
//	tags     ["a","b"] for 2, [] for 3, {"a":1} for 4, else absent
func People() []weir.Person {
	var out []weir.Person
	for number := uint32(1); number <= 8; number++ {
		p := weir.Person{
			Number: number, ID: fmt.Sprint("user-", number), CreatedAt: timeOf(0), FirstSeen: timeOf(0), LastSeen: timeOf(autumnEvents - 1),
			Traits: []weir.Property{{Name: "age", Value: weir.Num(float64(20 + number))}},
		}
		if country := []string{"DE", "FR", ""}[number%3]; country != "" {
			p.Traits = append(p.Traits, weir.Property{Name: "country", Value: weir.Text(country)})
		}
		if tags := map[uint32]string{2: `["a","b"]`, 3: `[]`, 4: `{"a":1}`}[number]; tags != "" {
			p.Traits = append(p.Traits, weir.Property{Name: "tags", Value: weir.Raw(tags)})
		}
		if number%3 == 1 {
			p.Traits = append(p.Traits, weir.Property{Name: "vip", Value: weir.Boolean(true)})
		}
		out = append(out, p)
	}
	return out
}

// Batches is the data set as batches of a hundred events; people come with the
// first.
func Batches() []*eventstore.Batch {
	var out []*eventstore.Batch
	events := Events()
	for len(events) > 0 {
		n := min(100, len(events))
		b := BatchOf(events[:n]...)
		b.AsOf = weir.Micros(len(out) + 1)
		if len(out) == 0 {
			b.People = People()
		}
		out = append(out, b)
		events = events[n:]
	}
	return out
}

// BatchOf is a batch that covers the positions of the events.
func BatchOf(events ...weir.Event) *eventstore.Batch {
	b := &eventstore.Batch{Applied: map[int]uint64{}, Events: events}
	for _, e := range events {
		p := e.Position.Partition()
		b.Applied[p] = max(b.Applied[p], e.Position.Seq())
	}
	return b
}
