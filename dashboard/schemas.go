package dashboard

import (
	"context"
	"net/http"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/item"
)

type schemasOutput struct {
	Body struct {
		Schemas []item.Schema `json:"schemas" nullable:"false"`
	}
}

func (s *Server) listSchemas(context.Context, *placeInput) (*schemasOutput, error) {
	out := &schemasOutput{}
	out.Body.Schemas = item.Schemas()
	return out, nil
}

type schemaInput struct {
	Place
	Kind weir.Kind `path:"kind" maxLength:"128" example:"pageview"`
}

type schemaOutput struct{ Body item.Schema }

func (s *Server) getSchema(_ context.Context, in *schemaInput) (*schemaOutput, error) {
	schemas := item.Schemas()
	i := slices.IndexFunc(schemas, func(schema item.Schema) bool { return schema.Kind == in.Kind })
	if i < 0 {
		return nil, newProblem(http.StatusNotFound, "unknown_kind", "There are no items of this kind. …/schemas lists all kinds.")
	}
	return &schemaOutput{schemas[i]}, nil
}
