package dashboard

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirhq/weir"
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
	zone, err := s.zone(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "ask", err)
	}
	plan, fault := query.Parse(in.RawBody, query.Env{Now: s.now(), Location: zone})
	if fault != nil {
		return nil, newProblem(http.StatusBadRequest, "invalid_question", fault.Message).in(fault.Field)
	}
	answer, err := s.answer(ctx, in.Workspace, plan)
	if err != nil {
		return nil, s.fail(ctx, "ask", err)
	}
	return &answerOutput{answer}, nil
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

// questionSchema describes of a question, which query.Parse reads and not huma.
func questionSchema() *huma.Schema {
	text := func(doc string, enum ...any) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: doc, Enum: enum}
	}
	object := func(doc string, required []string, properties map[string]*huma.Schema) *huma.Schema {
		return &huma.Schema{Type: huma.TypeObject, Description: doc, Required: required, Properties: properties}
	}
	list := func(of *huma.Schema) *huma.Schema { return &huma.Schema{Type: huma.TypeArray, Items: of} }
	filters := list(object("A condition: property, on, op and value; or a group: all, any or not.", nil, map[string]*huma.Schema{
		"property": text("The property's name."),
		"on":       text("Whose property it is.", "event", "user", "session"),
		"op":       text("How to compare: eq, neq, in, not_in, contains, not_contains, regex, not_regex, gt, gte, lt, lte, between, before, after, is_set or is_not_set."),
		"value":    {Description: "What to compare with."},
	}))
	return object("A question. The fields depend on its kind.", []string{"kind"}, map[string]*huma.Schema{
		"kind":        text("What is asked for.", "trends"),
		"from":        text("A date in the time zone, an instant, or relative to now: -30d."),
		"to":          text("As from. Dates are included, instants are not."),
		"timezone":    text("An IANA name. Default: the workspace's."),
		"interval":    text("The length of a bucket.", "minute", "hour", "day", "week", "month", "quarter", "year"),
		"week_starts": text("Default monday."),
		"filters":     filters,
		"series": list(object("A line of the chart.", []string{"event"}, map[string]*huma.Schema{
			"name": text("Default: A, B, …"), "event": text("An event's name, or * for any."),
			"measure": text("What is counted.", "total", "users", "sessions"), "filters": filters,
		})),
		"breakdowns": list(object("Splits every series by a property.", []string{"property"}, map[string]*huma.Schema{
			"property": text("The property's name."), "on": text("Whose property it is.", "event", "user", "session"),
			"limit": {Type: huma.TypeInteger, Description: "How many groups are kept."},
		})),
	})
}

// question marks the operation whose body is a question.
func question(o *huma.Operation) {
	o.SkipValidateBody = true
	o.MaxBodyBytes = query.MaxQuestion + 1
}
