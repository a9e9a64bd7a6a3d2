// Package journey answers the questions that are about what each person did, one
// thing after the other: funnels, retention, lifecycle, stickiness, flows,
// distributions and attribution. An engine gives it rows of events in any order; it puts them in
// order by person and time and folds each person's events once. So there is one
// implementation of each rule, whatever the engine.
//
// The comments of package query say what the numbers mean. All of this is pure but
// for the Source: no clock, no randomness, the same answer for the same rows.
package journey

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// Request says which event rows a fold needs, and what of them.
type Request struct {
	// Marks choose rows: one is given if at least one holds, with a bit for each that
	// does. At most MaxMarks.
	Marks []Mark
	// Texts are properties of the event, at most MaxTexts; a row has their text
	// forms. EventName stands for the event's name. None is of the user.
	Texts []query.Ref
	// Sessions asks for the session of each row.
	Sessions bool
}

// Bounds of a Request.
const (
	MaxMarks = 32
	MaxTexts = 8
)

// EventName stands for the name of the event, as a property of Request.Texts.
var EventName = query.Ref{}

// Mark chooses rows by event, condition and time.
type Mark struct {
	query.Match
	query.Span
}

// Sink takes blocks of rows. An error ends the reading.
type Sink func(*Block) error

// Block is some rows, column by column; columns have the same length. Who is given
// one may keep nothing of it.
type Block struct {
	Person  []uint32 // to whom the row belongs now
	At      []int64  // microseconds
	Session []uint32 // 0: none; nil unless Request.Sessions
	Marks   []uint32 // bit i: Request.Marks[i] holds; 0: the row is none of the request's
	// Texts has a column for each of Request.Texts: Source's number for the text, or
	// NoText where the event has no such property, or null.
	Texts [][]int32
}

// NoText is the number of no text.
const NoText = -1

// Source is an engine's side, for one question. All calls see the same moment.
type Source interface {
	// Rows gives the rows of a request that belong to a part of the persons: those whose
	// number modulo parts is part. It reads them in up to Streams streams at the same time
	// and calls open for the sink of each, at any time and by any goroutine; a sink is
	// called by one goroutine at a time. Rows ends soon after the first error of a sink.
	Rows(ctx context.Context, r *Request, part, parts int, open func() Sink) error
	// Streams is how many sinks Rows opens at most.
	Streams() int
	// Highest is the highest number of a person. Numbers are dense.
	Highest() uint32
	// Text is the text of a number that Rows has given. Equal texts have one number.
	Text(number int32) string
	// Visits calls fn for the visits of a part of the persons, in any order.
	Visits(ctx context.Context, part, parts int, fn func(*eventstore.Visit)) error
	// People calls fn for every person who has the property, with the text form of
	// its current value.
	People(ctx context.Context, of query.Ref, fn func(person uint32, text string)) error
}

// ErrTooLarge is wrapped by the error of a question that does not fit into the
// memory, however it is divided.
var ErrTooLarge = errors.New("the question needs more memory than it may have; ask for a shorter range, or with more filters")

// Knows reports whether the plan is of a kind that this package answers.
func Knows(p *query.Plan) bool { return newFold(p) != nil }

// Answer answers a plan that it knows, within about so many bytes of memory; without
// AsOf and ElapsedMS.
func Answer(ctx context.Context, p *query.Plan, source Source, memory int64) (*query.Answer, error) {
	f := newFold(p)
	if f == nil {
		return nil, errors.New("answer question: it is of no kind that is a journey")
	}
	traits, err := readTraits(ctx, source, f.trait())
	if err != nil {
		return nil, err
	}
	done, err := foldSummaries(ctx, f, &Texts{source: source, traits: traits}, memory)
	if err != nil {
		return nil, fmt.Errorf("answer question: %w", err)
	}
	if done {
		return f.answer(&Texts{source: source, traits: traits}), nil
	}
	for parts := 1; parts <= maxParts; parts *= 4 {
		t := &Texts{source: source, traits: traits}
		err := foldParts(ctx, f, t, parts, memory)
		switch {
		case errors.Is(err, errFull):
			f = newFold(p) // anew, in more parts
		case err != nil:
			return nil, fmt.Errorf("answer question: %w", err)
		default:
			return f.answer(t), nil
		}
	}
	return nil, fmt.Errorf("answer question: %w", ErrTooLarge)
}

// maxParts bounds how often the rows are read for one question.
const maxParts = 64

func foldParts(ctx context.Context, f fold, t *Texts, parts int, memory int64) error {
	request := f.request()
	for part := range parts {
		room := memory
		if v, ok := f.(visitor); ok {
			used, err := v.visit(ctx, t.source, part, parts, memory)
			if err != nil {
				return err
			}
			room -= used
		}
		c := newCollector(t, t.source.Highest(), room)
		if err := t.source.Rows(ctx, request, part, parts, c.open); err != nil {
			return err
		}
		for person, events := range c.persons() {
			if err := ctx.Err(); err != nil {
				return err
			}
			f.add(Person{Number: person, Trait: t.traits.of(person)}, events, t)
		}
	}
	return nil
}

// fold is a question in the making. It is used by one goroutine.
type fold interface {
	// request says which rows it needs.
	request() *Request
	// trait is the property of the person that its groups are made by, or nil.
	trait() *query.Ref
	// add takes a person's events, in the order of Event. It is called once for each
	// person who has any; the slice is used again.
	add(who Person, events []Event, t *Texts)
	// answer is called once, after all persons.
	answer(t *Texts) *query.Answer
}

// visitor is a fold that needs the persons' visits too.
type visitor interface {
	// visit reads the visits of the part of the persons that are added next, before any
	// of them, and says how many bytes of memory they take; those of the part before may
	// be forgotten. The error is errFull if they do not fit.
	visit(ctx context.Context, source Source, part, parts int, memory int64) (used int64, err error)
}

// newFold is nil for plans of other kinds.
func newFold(p *query.Plan) fold {
	switch {
	case p.Funnel != nil:
		return newFunnel(p.Funnel, p.Explain)
	case p.Retention != nil:
		return newRetention(p.Retention, p.Explain)
	case p.Lifecycle != nil:
		return newLifecycle(p.Lifecycle, p.Explain)
	case p.Stickiness != nil:
		return newStickiness(p.Stickiness, p.Explain)
	case p.Flows != nil:
		return newFlows(p.Flows, p.Explain)
	case p.Distribution != nil:
		return newDistribution(p.Distribution, p.Explain)
	case p.Attribution != nil:
		return newAttribution(p.Attribution, p.Explain)
	}
	return nil
}

// Person is whose events they are.
type Person struct {
	Number uint32
	// Trait is the number of the text of fold.trait, or NoText. It is a number of
	// Texts.Trait.
	Trait int32
}

// Event is an event as folds see it. Those of a person stand in order of time; those
// of the same time in order of their texts, one after the other, absent last, then of
// their sessions and of their marks.
type Event struct {
	At      weir.Micros
	Marks   uint32
	Session uint32 // 0: none, or not asked for
	// Values is the number of the event's texts together: equal numbers are equal
	// texts. 0 if the request has no texts. See Texts.Of.
	Values int32

	person uint32
}
