package collector

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

// Keys finds what a key allows. The error wraps workspace.ErrUnknownKey if the
// key does not exist or was revoked; any other error is passing.
// *workspace.Directory is one.
type Keys interface {
	Authenticate(ctx context.Context, text string) (workspace.Grant, error)
}

// headerKey is the key that a request carries outside its body, or "": as a
// bearer token, as the user name of basic authorization, or in the address.
func headerKey(r *http.Request) string {
	if header := r.Header.Get("Authorization"); header != "" {
		if scheme, token, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token)
		}
		if user, _, ok := r.BasicAuth(); ok {
			return user
		}
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get("key")
}

// authenticate finds what the key allows this request.
func (c *Collector) authenticate(w http.ResponseWriter, r *http.Request, text string) (workspace.Grant, *failure) {
	if text == "" {
		return workspace.Grant{}, &failure{status: http.StatusUnauthorized, code: "missing_key", message: "Send your write key, for example in the header \"Authorization: Bearer wk_…\"."}
	}
	grant, err := c.keys.Authenticate(r.Context(), text)
	switch {
	case errors.Is(err, workspace.ErrUnknownKey):
		return grant, &failure{status: http.StatusUnauthorized, code: "unknown_key", message: "This key does not exist, or it was revoked. The keys of a workspace are listed on its dashboard."}
	case r.Context().Err() != nil:
		return grant, errGone
	case err != nil:
		c.log.ErrorContext(r.Context(), "look up key", "error", err)
		return grant, &failure{http.StatusServiceUnavailable, "keys_unavailable", "Keys cannot be looked up for the moment. Try again soon.", retrySoon}
	case !allows(&grant, r):
		closeTo(w)
		return grant, &failure{status: http.StatusForbidden, code: "origin_not_allowed", message: "This key may not be used on pages of " + r.Header.Get("Origin") + ". Add the origin to the key's list."}
	}
	return grant, nil
}

// publicMaySend is the default of Options.Allow: anybody who reads a page has
// its key, and must not be able to make up orders with it, nor to make one person
// of two known users, unless the workspace lets browsers do so. To take an edge
// back needs a secret key in any case.
func publicMaySend(grant *workspace.Grant, kind weir.Kind) bool {
	if grant.Client == weir.ClientServer {
		return true
	}
	switch kind {
	case weir.KindOrder:
		return grant.Browsers.MaySendOrders
	case weir.KindMerge:
		return grant.Browsers.MayLinkKnownUsers
	case weir.KindRetract:
		return false
	}
	return true
}
