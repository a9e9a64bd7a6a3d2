package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/workspace"
)

// Problem is what every error answer of the API holds: a problem document of
// RFC 9457. Programs decide by Code, which is stable; people read Detail.
type Problem struct {
	Type   string `json:"type" doc:"Always about:blank: the code says which problem it is."`
	Title  string `json:"title" doc:"The name of the HTTP status."`
	Status int    `json:"status" doc:"The HTTP status."`
	Detail string `json:"detail" doc:"What is wrong and what to do, in a sentence."`
	Code   string `json:"code" doc:"What is wrong, for programs. Stable." example:"invalid_question"`
	Field  string `json:"field,omitempty" doc:"The field of the request that is to blame." example:"series[0].measure"`

	header http.Header
}

// newProblem describes an error. The detail is shown to the user.
func newProblem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// in names the field to blame.
func (p *Problem) in(field string) *Problem {
	p.Field = field
	return p
}

// retry tells the client when to ask again.
func (p *Problem) retry(after time.Duration) *Problem {
	seconds := max(1, int((after+time.Second-1)/time.Second))
	return p.with("Retry-After", strconv.Itoa(seconds))
}

func (p *Problem) with(name, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status, as huma asks it of an error.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are set on the answer.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType replaces the one of an ordinary answer.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// ServeHTTP answers with the problem, for handlers that are no operations.
func (p *Problem) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	// The client may be gone; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(p)
}

// fromHuma makes a problem of what huma says about a request that does not fit
// the operation, so that clients meet one kind of error document only.
func fromHuma(e *huma.ErrorModel, operation string) *Problem {
	switch e.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return invalidRequest(e, operation)
	case http.StatusRequestEntityTooLarge:
		return newProblem(e.Status, "too_large", "The body is too large.")
	case http.StatusUnsupportedMediaType:
		return newProblem(e.Status, "unsupported_type", "Send the body as application/json.")
	case http.StatusRequestTimeout:
		return newProblem(e.Status, "timeout", "The body did not arrive in time.")
	case http.StatusInternalServerError:
		return errInternal()
	}
	return newProblem(e.Status, "invalid_request", sentence(e.Detail))
}

func invalidRequest(e *huma.ErrorModel, operation string) *Problem {
	if operation == askID {
		return newProblem(http.StatusBadRequest, "invalid_question", sentence(e.Detail))
	}
	if len(e.Errors) == 0 {
		return newProblem(http.StatusBadRequest, "invalid_request", sentence(e.Detail))
	}
	first := e.Errors[0]
	if first.Location == "body" && e.Status == http.StatusBadRequest {
		return newProblem(http.StatusBadRequest, "invalid_json", "The body is not valid JSON: "+first.Message+".")
	}
	field := first.Location
	if rest, ok := strings.CutPrefix(first.Message, "expected required property "); ok {
		missing, _, _ := strings.Cut(rest, " ")
		field += "." + missing
	}
	for _, prefix := range []string{"body.", "query.", "path."} {
		field = strings.TrimPrefix(field, prefix)
	}
	return newProblem(http.StatusBadRequest, "invalid_field", sentence(first.Message)).in(field)
}

// sentence begins with a capital and ends with a stop.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(s[size:], ".") + "."
}

func errInternal() *Problem {
	return newProblem(http.StatusInternalServerError, "internal", "Something went wrong here. The server's log says what; trying again may help.")
}

// fail is how handlers answer an error that is not the user's: it is logged
// here, once, and not shown. Errors that are meant for the user pass through.
func (s *Server) fail(ctx context.Context, operation string, err error) error {
	var p *Problem
	var e *weir.Error
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &e):
		p = newProblem(statusOf(e), e.Code, sentence(e.Message)).in(e.Field)
		if p.Status == http.StatusTooManyRequests {
			p = p.retry(15 * time.Second)
		}
		return p
	case errors.Is(ctx.Err(), context.Canceled):
		// The client is gone: 499 is what the log of a proxy would call it.
		return newProblem(statusClientGone, "cancelled", "The request was cancelled.")
	}
	s.log.ErrorContext(ctx, "request failed", "operation", operation, "error", err)
	return errInternal()
}

// statusOf is the HTTP status of an error that another part means for the user.
func statusOf(e *weir.Error) int {
	is := func(sentinels ...error) bool {
		return slices.ContainsFunc(sentinels, func(s error) bool { return errors.Is(e, s) })
	}
	switch {
	case is(workspace.ErrNoWorkspace, workspace.ErrNoKey, workspace.ErrNoAccount):
		return http.StatusNotFound
	case is(workspace.ErrWorkspaceExists, workspace.ErrAccountExists):
		return http.StatusConflict
	case is(workspace.ErrWrongPassword, workspace.ErrNoSession):
		return http.StatusUnauthorized
	case is(workspace.ErrWrongToken):
		return http.StatusForbidden
	case is(workspace.ErrTooManyAttempts):
		return http.StatusTooManyRequests
	case e.Code == query.CodeTooLarge:
		return http.StatusUnprocessableEntity
	}
	return http.StatusBadRequest
}

// statusClientGone is not on the wire: the client does not read any more.
const statusClientGone = 499

// errDiskFull is what the log says when the disk has less room than it should.
var errDiskFull = errors.New("less room on the disk than intake needs")
