package dashboard

import (
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// router is the only way to a handler: it puts authorisation before each one,
// and knows all routes, so that a test can ask each for its policy.
type router struct {
	server *Server
	mux    *http.ServeMux
	routes []route
}

type route struct {
	method, path string // an empty method is every method
	policy       policy
}

// handle registers a handler. The pattern is "METHOD /path" or "/path".
func (r *router) handle(pattern string, p policy, h http.Handler) {
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		method, path = "", pattern
	}
	r.routes = append(r.routes, route{method, path, p})
	r.mux.Handle(pattern, r.server.measure(pattern, r.server.authorise(p, h)))
}

// policyKey is where an operation's metadata keeps its policy.
const policyKey = "policy"

// Handle makes the router huma's adapter. An operation without a policy gets
// the zero one, which lets nobody in.
func (r *router) Handle(op *huma.Operation, handler func(huma.Context)) {
	p, _ := op.Metadata[policyKey].(policy)
	r.handle(op.Method+" "+op.Path, p, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		handler(&apiContext{humaContext: humago.NewContext(op, req, w)})
	}))
}

// ServeHTTP is part of huma's adapter.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// unknown answers for paths below /api/ that are no route: 405 if another
// method would be one.
func (r *router) unknown(w http.ResponseWriter, req *http.Request) {
	var allow []string
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		probe := &http.Request{Method: method, URL: req.URL, Host: req.Host}
		if _, pattern := r.mux.Handler(probe); strings.HasPrefix(pattern, method+" ") {
			allow = append(allow, method)
		}
	}
	if slices.Contains(allow, "GET") {
		allow = append(allow, "HEAD")
	}
	if len(allow) > 0 {
		errMethod(allow...).ServeHTTP(w, req)
		return
	}
	newProblem(http.StatusNotFound, "unknown_path", "There is nothing at this path. /api/openapi.json lists all that is.").ServeHTTP(w, req)
}

func errMethod(allow ...string) *Problem {
	return newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "This path does not take this method.").
		with("Allow", strings.Join(allow, ", "))
}

// apiContext bends two of huma's habits.
type apiContext struct {
	humaContext
	status int // of the problem that was made of what huma says; 0: there is none
}

type humaContext = huma.Context

// Unwrap lets humago find the request.
func (c *apiContext) Unwrap() huma.Context { return c.humaContext }

// SetStatus knows one status for a request that is wrong: huma's 422 for JSON
// that does not fit is 400 here, like everywhere else in Weir. A handler's own 422 is
// none of huma's, and stays.
func (c *apiContext) SetStatus(status int) {
	if c.status != 0 {
		status = c.status
	}
	c.humaContext.SetStatus(status)
}

// Header takes any body of a program for JSON, as the collector does: a key
// stands in no form of another site, so the type protects nothing there.
func (c *apiContext) Header(name string) string {
	if name == "Content-Type" {
		if kind := callerOf(c.Context()).kind; kind == byKey || kind == byAdminKey {
			return jsonType
		}
	}
	return c.humaContext.Header(name)
}

const jsonType = "application/json"
