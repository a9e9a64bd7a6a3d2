package clickstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/journey"
	"github.com/weirhq/weir/query"
)

// Ask implements eventstore.Store.
func (s *Store) Ask(ctx context.Context, ws weir.WorkspaceID, plan *query.Plan) (*query.Answer, error) {
	start := s.options.Now()
	var answer *query.Answer
	err := s.with(ctx, ws, "ask", func(w *workspace) (err error) {
		r, err := w.look(ctx)
		if err != nil {
			return err
		}
		key := query.CacheKey{Of: string(ws), Plan: plan.Key()}
		if answer = s.cache.Get(key, r.snapshot.commit()); answer != nil {
			s.metrics.cached.Inc()
			return nil
		}
		select {
		case s.questions <- struct{}{}:
		default:
			select {
			case s.questions <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			if r, err = w.look(ctx); err != nil { // meanwhile more was written
				<-s.questions
				return err
			}
		}
		defer func() { <-s.questions }()
		if answer, err = r.answer(ctx, plan); err != nil {
			return err
		}
		answer.AsOf = query.AsOf{Time: r.asOf, Positions: maps.Clone(r.applied)}
		if err = r.nameUsers(ctx, answer); err == nil && plan.SQL == nil { // which may ask for the time
			s.cache.Put(key, r.snapshot.commit(), answer)
		}
		return err
	})
	if err != nil {
		return nil, refused(err)
	}
	took := s.options.Now().Sub(start)
	s.metrics.questions.Observe(took.Seconds())
	out := *answer // what is kept has no time of its own
	out.ElapsedMS = float64(took.Microseconds()) / 1000
	return &out, nil
}

// refused makes an error of the server's limits one of the question.
func refused(err error) error {
	switch {
	case errors.Is(err, journey.ErrTooLarge), isCode(err, codeMemory, codeTooManyRows, codeTooManyBytes):
		return &weir.Error{Code: query.CodeTooLarge, Message: "The question needs more memory than it may have. Ask for a shorter range, with more filters, or without a breakdown; or give the server more with --memory.", Err: err}
	case isCode(err, codeTimeout, codeTooSlow):
		return &weir.Error{Code: query.CodeTooLarge, Message: "The question takes longer than it may. Ask for a shorter range, with more filters, or without a breakdown.", Err: err}
	}
	return err
}

// reader looks at a workspace as it was at one moment: each statement sees the events and
// identities of that moment, as far as later commits have not replaced them.
type reader struct {
	*workspace
	*snapshot
	settings settings
	patient  bool // a statement takes as long as who is given its rows
}

// look begins to read.
func (w *workspace) look(ctx context.Context) (*reader, error) {
	o := &w.store.options
	set := finals()
	half := strconv.FormatInt(o.Memory/2, 10)
	maps.Copy(set, settings{
		"readonly":                           "2",
		"max_memory_usage":                   strconv.FormatInt(o.Memory, 10),
		"max_bytes_before_external_group_by": half,
		"max_bytes_before_external_sort":     half,
		"max_execution_time":                 strconv.FormatFloat(o.Timeout.Seconds(), 'f', -1, 64),
		"timeout_overflow_mode":              "throw",
		// Whoever has gone away needs no answer.
		"cancel_http_readonly_queries_on_client_close": "1",
	})
	var s *snapshot
	err := w.store.bounded(ctx, func(ctx context.Context) (err error) {
		s, err = w.read(ctx, set)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &reader{workspace: w, snapshot: s, settings: set}, nil
}

// query runs a statement and calls fn for each block of its answer.
func (r *reader) query(ctx context.Context, statement string, into proto.Results, fn func() error) error {
	if r.patient {
		r.settings["max_execution_time"] = "0"
		return r.store.client.query(ctx, statement, r.settings, into, fn)
	}
	return r.store.bounded(ctx, func(ctx context.Context) error {
		return r.store.client.query(ctx, statement, r.settings, into, fn)
	})
}

// answer answers a plan of any kind.
func (r *reader) answer(ctx context.Context, plan *query.Plan) (*query.Answer, error) {
	switch {
	case plan.Trends != nil:
		return r.trends(ctx, plan)
	case plan.SQL != nil:
		return r.sql(ctx, plan.SQL)
	case !journey.Knows(plan):
		return nil, errors.New("the plan has no kind that this store knows")
	}
	// One at a time holds its rows in the memory.
	select {
	case r.store.journeys <- struct{}{}:
		defer func() { <-r.store.journeys }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	memory := r.store.options.Memory / 2
	feed, err := r.newFeed(ctx, memory/8)
	if err != nil {
		return nil, err
	}
	return journey.Answer(ctx, plan, feed, memory)
}

// nameUsers says who the persons of an explanation are.
func (r *reader) nameUsers(ctx context.Context, answer *query.Answer) error {
	if answer.Persons == nil {
		return nil
	}
	answer.Users = make([]query.UserRef, len(answer.Persons))
	place := make(map[uint32]int, len(answer.Persons))
	for i, person := range answer.Persons {
		answer.Users[i].Number = person
		place[person] = i
	}
	var person proto.ColUInt32
	var id proto.ColStr
	err := r.query(ctx, "SELECT person, id FROM "+r.name("people")+" FINAL", proto.Results{{Data: &person}, {Data: &id}}, func() error {
		for row, p := range person {
			if i, ok := place[p]; ok {
				answer.Users[i].ID = id.Row(row)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("name users: %w", err)
	}
	return nil
}

// Applied implements eventstore.Store.
func (s *Store) Applied(ctx context.Context, ws weir.WorkspaceID) (map[int]uint64, error) {
	var out map[int]uint64
	err := s.with(ctx, ws, "read positions of", func(w *workspace) error {
		r, err := w.look(ctx)
		if err == nil {
			out = r.applied
		}
		return err
	})
	return out, err
}

// Visits implements eventstore.Store.
func (s *Store) Visits(ctx context.Context, ws weir.WorkspaceID, fn func(eventstore.Visit) error) error {
	return s.with(ctx, ws, "list visits of", func(w *workspace) error {
		r, err := w.look(ctx)
		if err != nil {
			return err
		}
		r.patient = true
		return r.visits(ctx, "1", " ORDER BY v.number", fn)
	})
}

// visits calls fn for the visits that a condition chooses.
func (r *reader) visits(ctx context.Context, where, order string, fn func(eventstore.Visit) error) error {
	var number, identity, person proto.ColUInt32
	var origin, bounced proto.ColUInt8
	var started, pageviews, interactions proto.ColInt64
	var seconds proto.ColFloat64
	var id proto.ColStr
	var texts [len(visitTexts)]proto.ColStr
	into := proto.Results{
		{Data: &number}, {Data: &identity}, {Data: &person}, {Data: &origin}, {Data: &started}, {Data: &seconds}, {Data: &pageviews}, {Data: &interactions}, {Data: &bounced}, {Data: &id},
	}
	for i := range texts {
		into = append(into, proto.ResultColumn{Data: &texts[i]})
	}
	statement := fmt.Sprintf("SELECT v.number, v.identity, %s AS who, v.origin, v.started_at, v.seconds, v.pageviews, v.interactions, v.bounced, v.id, %s"+
		" FROM %s AS v FINAL LEFT ANY JOIN %s AS m ON m.identity = v.identity WHERE %s%s",
		personOf("v"), list(visitTexts[:], func(name string) string { return "v." + name }), r.name("visits"), r.moved(r.snapshot), where, order)
	return r.query(ctx, statement, into, func() error {
		for i := range number {
			v := eventstore.Visit{
				Number: number[i], ID: id.Row(i), Identity: identity[i], Person: person[i], Origin: weir.Origin(origin[i]), StartedAt: weir.Micros(started[i]),
				Seconds: seconds[i], Pageviews: pageviews[i], Interactions: interactions[i], Bounced: bounced[i] != 0,
			}
			for n, text := range textsOf(&v) {
				*text = texts[n].Row(i)
			}
			v.Source.Impression = v.Origin == weir.Impression
			if err := fn(v); err != nil {
				return err
			}
		}
		return nil
	})
}

// personOf is whose a row is, under an alias, that is joined with moved as m.
func personOf(alias string) string {
	return fmt.Sprintf("if(m.person = 0, %s.identity, m.person)", alias)
}
