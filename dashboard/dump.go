package dashboard

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirhq/weir"
)

// Truth writes all that is true of a workspace, as it is between two batches.
type Truth interface {
	Dump(ctx context.Context, ws weir.WorkspaceID, w io.Writer) error
}

func lines(o *huma.Operation) {
	o.Responses["200"] = &huma.Response{
		Description: "Canonical JSON, one object per line; docs/format/dump.md describes them. The connection breaks off if something goes wrong on the way.",
		Content:     map[string]*huma.MediaType{"application/jsonl": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
}

// dump streams the truth. What arrives meanwhile waits in the queue.
func (s *Server) dump(_ context.Context, in *placeInput) (*huma.StreamResponse, error) {
	if s.parts.Truth == nil {
		return nil, newProblem(http.StatusServiceUnavailable, "no_worker", "This process has no stores to dump; ask one with the role worker.")
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "application/jsonl")
		if r.Method == http.MethodHead {
			return
		}
		// It takes as long as it takes, as long as somebody reads.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		if err := s.parts.Truth.Dump(r.Context(), in.Workspace, w); err != nil {
			if r.Context().Err() == nil {
				s.log.ErrorContext(r.Context(), "dump", "workspace", in.Workspace, "error", err)
			}
			panic(http.ErrAbortHandler) // half a dump must not look like a whole one
		}
	}}, nil
}
