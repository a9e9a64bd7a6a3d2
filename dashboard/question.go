package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/query"
)

type askInput struct {
	Place
	// The bytes as they were sent: the parser is stricter than encoding/json.
	RawBody []byte `contentType:"application/json"`
}

type answerOutput struct {
	Body *query.Answer
}

// ask answers a question. It is cancelled when the client goes away.
func (s *Server) ask(ctx context.Context, in *askInput) (*answerOutput, error) {
	env, err := s.env(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "ask", err)
	}
	plan, fault := query.Parse(in.RawBody, env)
	if fault != nil {
		return nil, newProblem(http.StatusBadRequest, "invalid_question", fault.Message).in(fault.Field)
	}
	answer, err := s.answer(ctx, in.Workspace, plan)
	if err != nil {
		return nil, s.fail(ctx, "ask", err)
	}
	return &answerOutput{answer}, nil
}

// env is what a workspace has decided about its questions.
func (s *Server) env(ctx context.Context, ws weir.WorkspaceID) (query.Env, error) {
	zone, err := s.zone(ctx, ws)
	if err != nil {
		return query.Env{}, err
	}
	settings, err := s.parts.Directory.Settings(ctx, ws)
	if err != nil {
		return query.Env{}, fmt.Errorf("read settings: %w", err)
	}
	rates, err := order.NewRates(settings.Currency, settings.Rates)
	if err != nil {
		return query.Env{}, fmt.Errorf("read rates of workspace: %w", err)
	}
	a := settings.Attribution
	return query.Env{
		Now: s.now(), Location: zone, Goals: settings.Goals, Rates: rates,
		Attribution: attribution.Options{Lookback: a.Lookback(), HalfLife: a.HalfLife(), AfterPrevious: a.AfterPrevious},
	}, nil
}

// answer asks the store, within the bounds of time and number.
func (s *Server) answer(ctx context.Context, ws weir.WorkspaceID, plan *query.Plan) (*query.Answer, error) {
	leave, ok := s.queries.enter(ctx, ws)
	if !ok {
		s.metrics.refused.WithLabelValues("question").Inc()
		return nil, errBusy()
	}
	defer leave()
	limited, cancel := context.WithTimeout(ctx, s.options.QueryTimeout)
	defer cancel()
	answer, err := s.parts.Events.Ask(limited, ws, plan)
	if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		// Whatever the engine calls it, it was stopped.
		return nil, newProblem(http.StatusGatewayTimeout, "question_timeout",
			"The question took longer than "+s.options.QueryTimeout.String()+" and was stopped. Ask for a shorter range, or with more filters.")
	}
	return answer, err
}

func errBusy() *Problem {
	return newProblem(http.StatusServiceUnavailable, "busy", "This workspace has too many questions running. Ask again in a moment.").retry(time.Second)
}

// question marks the operation whose body is a question.
func question(o *huma.Operation) {
	o.SkipValidateBody = true
	o.MaxBodyBytes = query.MaxQuestion + 1
}
