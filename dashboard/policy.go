package dashboard

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

// policy says who may use a route. Every route declares one; the zero policy
// lets nobody in, so that a route that was forgotten is closed, not open.
type policy struct {
	who  audience
	role workspace.Role // the least that is needed in the workspace of the path
}

type audience uint8

const (
	nobody audience = iota
	// anybody: no credentials are looked at.
	anybody
	// person: somebody who is signed in.
	person
	// owner: an owner of any workspace, or the key that may create workspaces.
	owner
	// member: somebody who is signed in and has the role in the path's {ws}, or a
	// secret key of that workspace.
	member
)

// roleOfKey is what a secret key may do in its workspace: all but what needs an
// owner.
const roleOfKey = workspace.RoleAdmin

// rank orders the roles; an unknown one is below all.
func rank(r workspace.Role) int {
	switch r {
	case workspace.RoleViewer:
		return 1
	case workspace.RoleAnalyst:
		return 2
	case workspace.RoleAdmin:
		return 3
	case workspace.RoleOwner:
		return 4
	}
	return 0
}

// caller is who sent a request: an account with its session, or a key.
type caller struct {
	account workspace.Account
	session string
	owner   bool // of any workspace; known where the policy asks for it
	grant   workspace.Grant
	kind    callerKind

	secure  bool   // uses TLS
	address string // for the limit on sign-ins
}

type callerKind uint8

const (
	unknown callerKind = iota
	bySession
	byKey
	byAdminKey
)

// role is the caller's in a workspace; "" for a stranger.
func (c *caller) role(ws weir.WorkspaceID) workspace.Role {
	switch {
	case c.kind == bySession:
		return c.account.Workspaces[ws]
	case c.kind == byKey && c.grant.Workspace.ID == ws:
		return roleOfKey
	}
	return ""
}

// ownsAny reports whether an account owns a workspace. Where there is none yet,
// the only accounts are those that the operator made.
func (s *Server) ownsAny(ctx context.Context, account workspace.Account) (bool, error) {
	for _, role := range account.Workspaces {
		if role == workspace.RoleOwner {
			return true, nil
		}
	}
	all, err := s.parts.Directory.Workspaces(ctx)
	return err == nil && len(all) == 0, err
}

type callerKey struct{}

// callerOf says who sent the request. On routes that anybody may use, nothing
// is known but how the request came.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	if c == nil {
		return &caller{}
	}
	return c
}

// authorise is the one place where requests are let in or not.
func (s *Server) authorise(p policy, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.check(r, p)
		if err != nil {
			var problem *Problem
			if !errors.As(err, &problem) {
				s.log.ErrorContext(r.Context(), "authenticate", "error", err)
				problem = errInternal()
			}
			problem.ServeHTTP(w, r)
			return
		}
		c.secure, c.address = s.secure(r), s.options.ClientAddr(r)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// check finds out who is calling and whether the policy lets them in.
func (s *Server) check(r *http.Request, p policy) (*caller, error) {
	if p.who == anybody {
		return &caller{}, nil
	}
	c, err := s.authenticate(r)
	if err != nil {
		return nil, err
	}
	if p.who == owner && c.kind == bySession {
		if c.owner, err = s.ownsAny(r.Context(), c.account); err != nil {
			return nil, err
		}
	}
	return c, p.admit(c, weir.WorkspaceID(r.PathValue("ws")))
}

// admit decides. A stranger is told the same of a workspace whether or not it
// exists.
func (p policy) admit(c *caller, ws weir.WorkspaceID) error {
	switch p.who {
	case person:
		if c.kind != bySession {
			return errForbidden("This needs a person who is signed in, not a key.")
		}
		return nil
	case owner:
		if c.kind == byAdminKey || c.kind == bySession && c.owner {
			return nil
		}
		return errForbidden("Only an owner may create a workspace.")
	case member:
		role := c.role(ws)
		if role == "" {
			return newProblem(http.StatusNotFound, "unknown_workspace", "There is no such workspace, or you have no part in it.")
		}
		if rank(p.role) == 0 || rank(role) < rank(p.role) {
			return errForbidden("This needs the role " + string(p.role) + "; yours is " + string(role) + ".")
		}
		return nil
	}
	return errForbidden("Nobody may do this.")
}

func errForbidden(detail string) *Problem {
	return newProblem(http.StatusForbidden, "forbidden", detail)
}

// authenticate finds out who is calling. A key that is sent is what counts, and
// a wrong one is not made good by a cookie.
func (s *Server) authenticate(r *http.Request) (*caller, error) {
	text, sent := keyOf(r)
	if !sent {
		return s.authenticateSession(r)
	}
	if s.isAdminKey(text) {
		return &caller{kind: byAdminKey}, nil
	}
	grant, err := s.parts.Directory.Authenticate(r.Context(), text)
	if errors.Is(err, workspace.ErrUnknownKey) {
		return nil, newProblem(http.StatusUnauthorized, "unknown_key", "The key is not known, or was revoked. Send a secret key of this workspace: Authorization: Bearer sk_….").
			with("WWW-Authenticate", "Bearer")
	}
	if err != nil {
		return nil, err
	}
	if grant.Client != weir.ClientServer {
		return nil, newProblem(http.StatusForbidden, "write_key", "A write key may only send items. Reading needs a secret key (sk_…).")
	}
	return &caller{kind: byKey, grant: grant}, nil
}

func (s *Server) authenticateSession(r *http.Request) (*caller, error) {
	session := s.sessionOf(r)
	if session == "" {
		return nil, errNotSignedIn()
	}
	account, err := s.parts.Directory.Session(r.Context(), session)
	if errors.Is(err, workspace.ErrNoSession) {
		return nil, errNotSignedIn()
	}
	if err != nil {
		return nil, err
	}
	return &caller{kind: bySession, account: account, session: session}, nil
}

func errNotSignedIn() *Problem {
	return newProblem(http.StatusUnauthorized, "not_signed_in", "Sign in, or send a secret key: Authorization: Bearer sk_….")
}

// keyOf finds a key in the places where CONTRACT §2 allows one.
func keyOf(r *http.Request) (text string, sent bool) {
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest), true
	}
	if user, _, ok := r.BasicAuth(); ok {
		return user, true
	}
	if r.Header.Get("Authorization") != "" {
		return "", true // a scheme that is not ours: wrong, not absent
	}
	text = r.URL.Query().Get("key")
	return text, text != ""
}
