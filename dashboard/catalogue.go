package dashboard

import (
	"context"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

type placeInput struct{ Place }

type eventsOutput struct {
	Body struct {
		Events []eventstore.EventName `json:"events" nullable:"false"`
	}
}

func (s *Server) listEvents(ctx context.Context, in *placeInput) (*eventsOutput, error) {
	catalogue, err := s.parts.Events.Catalogue(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "read catalogue", err)
	}
	out := &eventsOutput{}
	out.Body.Events = append([]eventstore.EventName{}, catalogue.Events...)
	return out, nil
}

type propertiesInput struct {
	Place
	On query.Scope `query:"on" enum:"event,user" doc:"Whose properties. Default: all."`
}

type propertiesOutput struct {
	Body struct {
		Properties []eventstore.PropertyName `json:"properties" nullable:"false"`
	}
}

func (s *Server) listProperties(ctx context.Context, in *propertiesInput) (*propertiesOutput, error) {
	catalogue, err := s.parts.Events.Catalogue(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "read catalogue", err)
	}
	out := &propertiesOutput{}
	out.Body.Properties = []eventstore.PropertyName{}
	for _, p := range catalogue.Properties {
		if in.On == "" || p.On == in.On {
			out.Body.Properties = append(out.Body.Properties, p)
		}
	}
	return out, nil
}

type valuesInput struct {
	Place
	Property string      `path:"property" maxLength:"512"`
	On       query.Scope `query:"on" enum:"event,user" default:"event" doc:"Whose property."`
	Contains string      `query:"contains" maxLength:"256" doc:"Text in the value; case is ignored."`
	Limit    int         `query:"limit" default:"25" minimum:"1" maximum:"200"`
}

type valuesOutput struct {
	Body struct {
		Values []string `json:"values" nullable:"false"`
	}
}

// listValues reads events, so it counts as a question.
func (s *Server) listValues(ctx context.Context, in *valuesInput) (*valuesOutput, error) {
	leave, ok := s.queries.enter(ctx, in.Workspace)
	if !ok {
		s.metrics.refused.WithLabelValues("values").Inc()
		return nil, errBusy()
	}
	defer leave()
	limited, cancel := context.WithTimeout(ctx, s.options.QueryTimeout)
	defer cancel()
	values, err := s.parts.Events.Values(limited, in.Workspace, query.Ref{On: in.On, Name: in.Property}, in.Contains, in.Limit)
	if err != nil {
		return nil, s.fail(ctx, "read values", err)
	}
	out := &valuesOutput{}
	out.Body.Values = append([]string{}, values...)
	return out, nil
}

type usageOutput struct {
	Body struct {
		ItemsToday int64 `json:"items_today" doc:"Events whose time lies in the present day of the workspace's time zone."`
		QueueLag   int64 `json:"queue_lag" doc:"Items of all workspaces that are accepted and not processed yet."`
		Events     int64 `json:"events" doc:"Events stored."`
	}
}

func (s *Server) usage(ctx context.Context, in *placeInput) (*usageOutput, error) {
	today, err := s.today(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "count today's events", err)
	}
	catalogue, err := s.parts.Events.Catalogue(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "read catalogue", err)
	}
	lag, err := s.parts.Queue.Lag(ctx)
	if err != nil {
		return nil, s.fail(ctx, "read queue's lag", err)
	}
	out := &usageOutput{}
	out.Body.ItemsToday, out.Body.QueueLag = today, lag.Records
	for _, e := range catalogue.Events {
		out.Body.Events += e.Count
	}
	return out, nil
}

// today counts the events since midnight in the workspace's time zone.
func (s *Server) today(ctx context.Context, ws weir.WorkspaceID) (int64, error) {
	zone, err := s.zone(ctx, ws)
	if err != nil {
		return 0, err
	}
	now := s.now().In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	answer, err := s.answer(ctx, ws, &query.Plan{Trends: &query.Trends{
		Period: query.Period{Buckets: query.Buckets{
			Edges:  []weir.Micros{weir.MicrosOf(midnight), weir.MicrosOf(midnight.AddDate(0, 0, 1))},
			Labels: []string{now.Format(time.DateOnly)},
		}},
		Series: []query.Series{{Name: "A", Measure: query.Total}},
	}})
	if err != nil || len(answer.Series) == 0 {
		return 0, err
	}
	return int64(answer.Series[0].Total), nil
}
