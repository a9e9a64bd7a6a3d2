package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/workspace"
)

var problemType = reflect.TypeFor[Problem]()

// askID is the operation whose body is a question.
const askID = "ask"

// inWorkspace is where everything about one workspace stands.
const inWorkspace = "/api/v1/workspaces/{ws}"

// routes is the whole API, and behind it the web application.
func (s *Server) routes(site http.Handler) error {
	var (
		open   = policy{who: anybody}
		signed = policy{who: person}
		found  = policy{who: owner}
		view   = policy{member, workspace.RoleViewer}
		manage = policy{member, workspace.RoleAdmin}
	)
	api := newAPI(s.router, s.options.Version)

	op(api, open, "GET", "/api/v1/setup", "get-setup", "Whether the first account is still to be made", s.getSetup)
	op(api, open, "POST", "/api/v1/setup", "set-up", "Make the first account, with the token of the first-run link", s.setUp)
	op(api, open, "POST", "/api/v1/sign-in", "sign-in", "Sign in", s.signIn)
	op(api, open, "POST", "/api/v1/sign-out", "sign-out", "Sign out", s.signOut)
	op(api, signed, "GET", "/api/v1/me", "get-me", "Who is signed in, and where", s.me)

	op(api, found, "POST", "/api/v1/workspaces", "create-workspace", "Create a workspace with its first keys", s.createWorkspace, created)
	op(api, view, "GET", inWorkspace, "get-workspace", "The workspace", s.getWorkspace)
	op(api, manage, "PATCH", inWorkspace, "change-workspace", "Change the name, the time zone or the currency; what is left out stays as it is", s.changeWorkspace)
	op(api, view, "GET", inWorkspace+"/settings", "get-settings", "What the workspace has decided about the meaning of its data, and how far the past follows", s.getSettings)
	op(api, manage, "PATCH", inWorkspace+"/settings", "change-settings", "Change settings; a member that is left out stays as it is, one that is given is replaced as a whole", s.changeSettings, large)
	op(api, view, "GET", inWorkspace+"/channels", "get-channels", "The rules that name channels", s.getChannels)
	op(api, manage, "PUT", inWorkspace+"/channels", "set-channels", "Replace the rules that name channels; the past follows in the background", s.setChannels, large)
	op(api, manage, "DELETE", inWorkspace+"/channels", "reset-channels", "Go back to the rules that Weir ships", s.resetChannels)
	op(api, view, "POST", inWorkspace+"/channels/preview", "preview-channel", "The channel of a source, by the rules in force or by others", s.previewChannel, large)
	op(api, view, "GET", inWorkspace+"/schemas", "list-schemas", "The kinds of items and their fields", s.listSchemas)
	op(api, view, "GET", inWorkspace+"/schemas/{kind}", "get-schema", "The fields of a kind of items", s.getSchema)
	op(api, view, "GET", inWorkspace+"/keys", "list-keys", "Keys", s.listKeys)
	op(api, manage, "POST", inWorkspace+"/keys", "create-key", "Create a key; a secret key's text is in this answer only", s.createKey, created)
	op(api, manage, "DELETE", inWorkspace+"/keys/{id}", "revoke-key", "Revoke a key", s.revokeKey)
	op(api, view, "GET", inWorkspace+"/usage", "get-usage", "Counts that the home page shows", s.usage)

	op(api, view, "POST", inWorkspace+"/query", askID, "Ask a question", s.ask, question)
	op(api, view, "GET", inWorkspace+"/events/names", "list-events", "Events that were seen, most frequent first", s.listEvents)
	op(api, view, "GET", inWorkspace+"/properties", "list-properties", "Properties that were seen", s.listProperties)
	op(api, view, "GET", inWorkspace+"/properties/{property}/values", "list-values", "The most frequent values of a property", s.listValues)

	op(api, view, "GET", inWorkspace+"/live", "watch", "Outcomes as they happen, as server-sent events", s.watch, eventStream)
	op(api, view, "GET", inWorkspace+"/items", "list-items", "The log: what became of every item, newest first", s.listItems)
	op(api, view, "GET", inWorkspace+"/items/{position}", "get-item", "The receipt of one item", s.getItem)
	op(api, manage, "POST", inWorkspace+"/items/{position}/replay", "replay-item", "Deliver an item again, judged anew", s.replayItem)
	op(api, manage, "POST", inWorkspace+"/items/replay", "replay-items", "Deliver all items of a filter again, judged anew; newest first", s.replayItems)

	op(api, manage, "GET", inWorkspace+"/dump", "dump", "The truth of the workspace as canonical lines: equal truth, equal bytes", s.dump, lines)

	op(api, view, "GET", inWorkspace+"/users", "list-users", "People, by what is said of them", s.listUsers)
	op(api, view, "GET", inWorkspace+"/users/{id}", "get-user", "One person", s.getUser)
	op(api, view, "GET", inWorkspace+"/users/{id}/sessions", "list-user-sessions", "A person's visits, newest first", s.listSessions)
	op(api, view, "GET", inWorkspace+"/users/{id}/conversions", "list-user-conversions", "A person's conversions with what led to them, newest first", s.listConversions)
	op(api, manage, "POST", inWorkspace+"/identities/merge", "merge-identities", "Make two ids one person, known ones too", s.merge)
	op(api, manage, "POST", inWorkspace+"/identities/{edge}/retract", "retract-edge", "Take back what joined two ids: both are as if it had never been", s.retract)

	s.router.handle("GET /healthz", open, s.options.Health)
	s.router.handle("GET /readyz", open, s.options.Health)
	s.router.handle("GET /api/openapi.json", open, http.HandlerFunc(s.serveDocument))
	s.router.handle(apiPrefix, open, http.HandlerFunc(s.router.unknown))
	s.router.handle(strings.TrimSuffix(apiPrefix, "/"), open, http.HandlerFunc(s.router.unknown))
	s.router.handle("/", open, site)

	document, err := document(api)
	if err != nil {
		return fmt.Errorf("write OpenAPI document: %w", err)
	}
	s.document = document
	return nil
}

// schemaName is what the document calls a type. An edge of flows has a name of its own,
// because those between identities are called so.
func schemaName(t reflect.Type, hint string) string {
	if t == reflect.TypeFor[query.Edge]() {
		return "FlowEdge"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// newAPI configures huma without its extras: one format, no pages of its own,
// no links to schemas in the answers.
func newAPI(r *router, version string) huma.API {
	schemas := huma.NewMapRegistry("#/components/schemas/", schemaName)
	// Micros writes itself as RFC 3339, as a time does.
	schemas.RegisterTypeAlias(reflect.TypeFor[weir.Micros](), reflect.TypeFor[time.Time]())
	schemas.RegisterTypeAlias(reflect.TypeFor[query.Real](), reflect.TypeFor[*float64]()) // null is none
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Weir", Version: version,
				Description: "Reading and managing. Sending items is another API: POST /v1/items. Errors are problem documents (RFC 9457); decide by their code.",
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"session": {Type: "apiKey", In: "cookie", Name: plainCookie, Description: "Set by signing in. Over TLS its name is " + secureCookie + "."},
					"key":     {Type: "http", Scheme: "bearer", Description: "A secret key (sk_…), for its own workspace."},
				},
			},
		},
		Formats:       map[string]huma.Format{jsonType: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: jsonType,
		Transformers: []huma.Transformer{func(ctx huma.Context, _ string, v any) (any, error) {
			e, ok := v.(*huma.ErrorModel)
			if !ok {
				return v, nil
			}
			p := fromHuma(e, ctx.Operation().OperationID)
			if c, ok := ctx.(*apiContext); ok {
				c.status = p.Status
			}
			return p, nil
		}},
	}
	return huma.NewAPI(config, r)
}

// op registers an operation with its policy.
func op[I, O any](api huma.API, p policy, method, path, id, summary string, handler func(context.Context, *I) (*O, error), more ...func(*huma.Operation)) {
	o := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary,
		Security:     p.security(),
		Metadata:     map[string]any{policyKey: p},
		MaxBodyBytes: 64 << 10,
		Responses: map[string]*huma.Response{"default": {
			Description: "A problem",
			Content: map[string]*huma.MediaType{"application/problem+json": {
				Schema: huma.SchemaFromType(api.OpenAPI().Components.Schemas, problemType),
			}},
		}},
	}
	for _, f := range more {
		f(&o)
	}
	huma.Register(api, o, handler)
}

// large lets a body be as large as a workspace's lists may get.
func large(o *huma.Operation) { o.MaxBodyBytes = 2 << 20 }

func created(o *huma.Operation) { o.DefaultStatus = http.StatusCreated }

// security says in the document what authorise does.
func (p policy) security() []map[string][]string {
	switch p.who {
	case person:
		return []map[string][]string{{"session": {}}}
	case member, owner:
		return []map[string][]string{{"session": {}}, {"key": {}}}
	}
	return []map[string][]string{}
}

// document is the OpenAPI document. Huma's own error document is not in it, as
// no answer is one.
func document(api huma.API) ([]byte, error) {
	schemas := api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	ask := api.OpenAPI().Paths[inWorkspace+"/query"].Post
	ask.RequestBody.Content[jsonType].Schema = describeQuestions(schemas)
	return json.MarshalIndent(api.OpenAPI(), "", "  ")
}

func (s *Server) serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/openapi+json")
	w.Header().Set("Cache-Control", cacheRevalidate)
	_, _ = w.Write(s.document) // the client may be gone
}

// Place is the part of a path that every route of a workspace has. It is exported
// because huma does not see embedded types that are not.
type Place struct {
	Workspace weir.WorkspaceID `path:"ws" maxLength:"64" doc:"The workspace's id." example:"acme"`
}
