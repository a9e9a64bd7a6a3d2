package clickstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// eventSheet is rows of the table events.
type eventSheet struct {
	seq, version      proto.ColUInt64
	part              proto.ColUInt32
	isGone, origin    proto.ColUInt8
	ts                proto.ColInt64
	name              *proto.ColLowCardinality[string]
	identity, session proto.ColUInt32
	properties        *properties
}

func newEventSheet() *eventSheet {
	return &eventSheet{name: new(proto.ColStr).LowCardinality(), properties: newProperties()}
}

func (s *eventSheet) event(e *weir.Event, version uint64) {
	s.seq.Append(e.Position.Seq())
	s.part.Append(uint32(e.Position.Partition()))
	s.version.Append(version)
	s.isGone.Append(0)
	s.ts.Append(int64(e.Time))
	s.name.Append(clean(e.Name))
	s.identity.Append(e.Identity)
	s.session.Append(e.Session)
	s.origin.Append(uint8(e.Origin))
	s.properties.add(e.Properties)
}

// gone adds a row that says that there is none.
func (s *eventSheet) gone(part uint32, seq, version uint64, at weir.Micros) {
	s.seq.Append(seq)
	s.part.Append(part)
	s.version.Append(version)
	s.isGone.Append(1)
	s.ts.Append(int64(at))
	s.name.Append("")
	s.identity.Append(0)
	s.session.Append(0)
	s.origin.Append(0)
	s.properties.add(nil)
}

func (s *eventSheet) columns() []proto.InputColumn {
	return append([]proto.InputColumn{
		{Name: "seq", Data: &s.seq}, {Name: "part", Data: &s.part}, {Name: "version", Data: &s.version}, {Name: "gone", Data: &s.isGone}, {Name: "ts", Data: &s.ts},
		{Name: "name", Data: s.name}, {Name: "identity", Data: &s.identity}, {Name: "session", Data: &s.session}, {Name: "origin", Data: &s.origin},
	}, s.properties.columns()...)
}

// writePeople writes people, and of those who are gone that they are.
func (w *workspace) writePeople(ctx context.Context, b *rows) error {
	var person proto.ColUInt32
	var version proto.ColUInt64
	var gone proto.ColUInt8
	var id proto.ColStr
	var created, first, last proto.ColInt64
	traits := newProperties()
	add := func(p *weir.Person, isGone bool) {
		person.Append(p.Number)
		version.Append(b.version)
		gone.Append(flag(isGone))
		id.Append(clean(p.ID))
		created.Append(int64(p.CreatedAt))
		first.Append(int64(p.FirstSeen))
		last.Append(int64(p.LastSeen))
		traits.add(p.Traits)
	}
	there := map[uint32]bool{}
	for i := range b.people {
		there[b.people[i].Number] = true
		add(&b.people[i], false)
	}
	for _, n := range b.batch.Gone {
		if !there[n] {
			there[n] = true
			add(&weir.Person{Number: n}, true)
		}
	}
	return w.store.client.insert(ctx, w.name("people"), append([]proto.InputColumn{
		{Name: "person", Data: &person}, {Name: "version", Data: &version}, {Name: "gone", Data: &gone}, {Name: "id", Data: &id},
		{Name: "created_at", Data: &created}, {Name: "first_seen", Data: &first}, {Name: "last_seen", Data: &last},
	}, traits.columns()...), nil)
}

// writeVisits writes visits, and of those that are no more that they are gone.
func (w *workspace) writeVisits(ctx context.Context, b *rows) error {
	s := &visitSheet{properties: newProperties()}
	there := map[uint32]bool{}
	for i := range b.visits {
		there[b.visits[i].Number] = true
		s.add(&b.visits[i], b.version, false)
	}
	gone := b.batch.VisitsGone
	for part := range slices.Chunk(b.batch.VisitsOf, longList) {
		numbers, err := w.visitNumbers(ctx, part)
		if err != nil {
			return err
		}
		gone = append(gone[:len(gone):len(gone)], numbers...)
	}
	for _, n := range gone {
		if !there[n] {
			there[n] = true
			s.add(&eventstore.Visit{Number: n}, b.version, true)
		}
	}
	return w.store.client.insert(ctx, w.name("visits"), s.columns(), nil)
}

// visitNumbers are those of the visits of some identities.
func (w *workspace) visitNumbers(ctx context.Context, identities []uint32) (numbers []uint32, err error) {
	var column proto.ColUInt32
	statement := fmt.Sprintf("SELECT number FROM %s FINAL WHERE identity IN (%s) ORDER BY number", w.name("visits"), list(identities, number[uint32]))
	err = w.store.client.query(ctx, statement, nil, proto.Results{{Data: &column}}, func() error {
		numbers = append(numbers, column...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up visits: %w", err)
	}
	return numbers, nil
}

// visitSheet is rows of the table visits.
type visitSheet struct {
	number, identity        proto.ColUInt32
	version                 proto.ColUInt64
	isGone, origin, bounced proto.ColUInt8
	started                 proto.ColInt64
	seconds                 proto.ColFloat64
	pageviews, interactions proto.ColInt64
	id                      proto.ColStr
	texts                   [len(visitTexts)]proto.ColStr
	properties              *properties
}

// visitTexts are the columns of what a visit came from.
var visitTexts = [...]string{"source", "medium", "campaign", "content", "term", "click_id", "referrer", "landing_page", "channel"}

func textsOf(v *eventstore.Visit) [len(visitTexts)]*string {
	s := &v.Source
	return [...]*string{&s.Source, &s.Medium, &s.Campaign, &s.Content, &s.Term, &s.ClickID, &s.Referrer, &s.LandingPage, &v.Channel}
}

func (s *visitSheet) add(v *eventstore.Visit, version uint64, gone bool) {
	s.number.Append(v.Number)
	s.version.Append(version)
	s.isGone.Append(flag(gone))
	s.id.Append(clean(v.ID))
	s.identity.Append(v.Identity)
	s.origin.Append(uint8(v.Origin))
	s.started.Append(int64(v.StartedAt))
	s.seconds.Append(v.Seconds)
	s.pageviews.Append(v.Pageviews)
	s.interactions.Append(v.Interactions)
	s.bounced.Append(flag(v.Bounced))
	for i, text := range textsOf(v) {
		s.texts[i].Append(clean(*text))
	}
	if gone {
		s.properties.add(nil)
		return
	}
	s.properties.add(factsOf(v))
}

// factsOf are a visit's facts as properties, so that conditions look at them as they look
// at those of events.
func factsOf(v *eventstore.Visit) []weir.Property {
	facts := []weir.Property{
		{Name: string(query.FactBounced), Value: weir.Boolean(v.Bounced)},
		{Name: string(query.FactDuration), Value: weir.Num(v.Seconds)},
		{Name: string(query.FactPageviews), Value: weir.Num(float64(v.Pageviews))},
		{Name: string(query.FactInteractions), Value: weir.Num(float64(v.Interactions))},
	}
	for i, text := range textsOf(v) {
		if *text != "" {
			facts = append(facts, weir.Property{Name: visitTexts[i], Value: weir.Text(*text)}) // the facts have the columns' names
		}
	}
	return facts
}

func (s *visitSheet) columns() []proto.InputColumn {
	columns := []proto.InputColumn{
		{Name: "number", Data: &s.number}, {Name: "version", Data: &s.version}, {Name: "gone", Data: &s.isGone}, {Name: "id", Data: &s.id}, {Name: "identity", Data: &s.identity},
		{Name: "origin", Data: &s.origin}, {Name: "started_at", Data: &s.started}, {Name: "seconds", Data: &s.seconds}, {Name: "pageviews", Data: &s.pageviews},
		{Name: "interactions", Data: &s.interactions}, {Name: "bounced", Data: &s.bounced},
	}
	for i := range s.texts {
		columns = append(columns, proto.InputColumn{Name: visitTexts[i], Data: &s.texts[i]})
	}
	return append(columns, s.properties.columns()...)
}

// writeLog writes outcomes.
func (w *workspace) writeLog(ctx context.Context, b *rows) error {
	var received, time proto.ColInt64
	var part, index, person, size proto.ColUInt32
	var seq, version proto.ColUInt64
	var receipt, item, user, message, warnings proto.ColStr
	words := make([]*proto.ColLowCardinality[string], 6)
	for i := range words {
		words[i] = new(proto.ColStr).LowCardinality()
	}
	for _, o := range b.log {
		received.Append(int64(o.ReceivedAt))
		part.Append(uint32(o.Position.Partition()))
		seq.Append(o.Position.Seq())
		version.Append(b.version)
		time.Append(int64(o.Time))
		receipt.Append(clean(o.Receipt))
		index.Append(uint32(o.Index))
		item.Append(clean(o.ItemID))
		user.Append(clean(o.UserID))
		person.Append(o.Person)
		message.Append(clean(o.Message))
		size.Append(uint32(o.Size))
		for i, text := range []string{string(o.Kind), o.Name, string(o.Source), string(o.Status), o.Code, o.Field} {
			words[i].Append(clean(text))
		}
		var text []byte
		if len(o.Warnings) > 0 {
			var err error
			if text, err = json.Marshal(o.Warnings); err != nil {
				return fmt.Errorf("write warnings: %w", err)
			}
		}
		warnings.AppendBytes(text)
	}
	return w.store.client.insert(ctx, w.name("log"), []proto.InputColumn{
		{Name: "received_at", Data: &received}, {Name: "part", Data: &part}, {Name: "seq", Data: &seq}, {Name: "version", Data: &version}, {Name: "time", Data: &time},
		{Name: "receipt", Data: &receipt}, {Name: "idx", Data: &index}, {Name: "kind", Data: words[0]}, {Name: "item_id", Data: &item}, {Name: "name", Data: words[1]},
		{Name: "user_id", Data: &user}, {Name: "person", Data: &person}, {Name: "source", Data: words[2]}, {Name: "status", Data: words[3]}, {Name: "code", Data: words[4]},
		{Name: "field", Data: words[5]}, {Name: "message", Data: &message}, {Name: "warnings", Data: &warnings}, {Name: "size", Data: &size},
	}, nil)
}
