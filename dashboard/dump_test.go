package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/weirhq/weir"
)

// oneLine is a truth of one line, after which it may fail.
type oneLine struct{ err error }

func (o *oneLine) Dump(_ context.Context, ws weir.WorkspaceID, w io.Writer) error {
	if _, err := fmt.Fprintf(w, "{\"user\":\"of %s\"}\n", ws); err != nil {
		return err
	}
	return o.err
}

func TestDumpIsStreamedAndNeverLooksWholeIfItIsNot(t *testing.T) {
	w := newWorld(t)
	truth := &oneLine{}
	w.parts.Truth = truth
	server := httptest.NewServer(w)
	defer server.Close()
	get := func() (string, error) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/workspaces/acme/dump", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = w.credentials["secret@acme"].Clone()
		response, err := server.Client().Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/jsonl" {
			t.Errorf("%s, %s", response.Status, response.Header.Get("Content-Type"))
		}
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	if got, err := get(); err != nil || got != "{\"user\":\"of acme\"}\n" {
		t.Errorf("got %q, %v", got, err)
	}
	truth.err = errors.New("the disk is gone")
	if got, err := get(); err == nil {
		t.Errorf("half a dump is answered as a whole one: %q", got)
	}
}
