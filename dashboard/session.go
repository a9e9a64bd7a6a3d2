package dashboard

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

// The cookie of a session. The __Host- prefix binds it to this host and to TLS,
// so that neither a neighbouring host nor plain HTTP can plant one; without TLS
// browsers refuse the prefix.
const (
	plainCookie  = "weir_session"
	secureCookie = "__Host-weir"
)

func cookieName(secure bool) string {
	if secure {
		return secureCookie
	}
	return plainCookie
}

// sessionOf is the session's token that the browser sent, or "". Over TLS only
// the bound cookie counts.
func (s *Server) sessionOf(r *http.Request) string {
	c, err := r.Cookie(cookieName(s.secure(r)))
	if err != nil {
		return ""
	}
	return c.Value
}

// cookie carries a session until the browser is closed or the session ends. An
// empty token removes it.
func cookie(token string, secure bool) http.Cookie {
	c := http.Cookie{
		Name: cookieName(secure), Value: token, Path: "/",
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		MaxAge: int(workspace.SessionLife / time.Second),
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

type setupOutput struct {
	Body struct {
		Needed bool `json:"needed"`
	}
}

func (s *Server) getSetup(ctx context.Context, _ *struct{}) (*setupOutput, error) {
	needed, err := s.parts.Directory.SetupNeeded(ctx)
	if err != nil {
		return nil, s.fail(ctx, "look for accounts", err)
	}
	out := &setupOutput{}
	out.Body.Needed = needed
	return out, nil
}

type setUpInput struct {
	Body struct {
		Token    string `json:"token" maxLength:"256" doc:"Of the first-run link."`
		Email    string `json:"email" maxLength:"254"`
		Password string `json:"password" maxLength:"1024"`
	}
}

type signedInOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Me
}

func (s *Server) setUp(ctx context.Context, in *setUpInput) (*signedInOutput, error) {
	if err := s.allowAttempt(ctx); err != nil {
		return nil, err
	}
	account, err := s.parts.Directory.Setup(ctx, in.Body.Token, in.Body.Email, in.Body.Password)
	if err != nil {
		return nil, s.fail(ctx, "set up", err)
	}
	token, err := s.parts.Directory.OpenSession(ctx, account.Email)
	if err != nil {
		return nil, s.fail(ctx, "open session", err)
	}
	return s.signedIn(ctx, token)
}

type signInInput struct {
	Body struct {
		Email    string `json:"email" maxLength:"254"`
		Password string `json:"password" maxLength:"1024"`
	}
}

func (s *Server) signIn(ctx context.Context, in *signInInput) (*signedInOutput, error) {
	if err := s.allowAttempt(ctx); err != nil {
		return nil, err
	}
	token, err := s.parts.Directory.SignIn(ctx, in.Body.Email, in.Body.Password)
	if err != nil {
		return nil, s.fail(ctx, "sign in", err)
	}
	return s.signedIn(ctx, token)
}

// allowAttempt limits guessing by address; the directory limits it by account.
func (s *Server) allowAttempt(ctx context.Context) error {
	wait, ok := s.signIns.allow(callerOf(ctx).address)
	if !ok {
		s.metrics.refused.WithLabelValues("sign-in").Inc()
		return newProblem(http.StatusTooManyRequests, "too_many_attempts", "Too many attempts from this address. Try again in a minute.").retry(wait)
	}
	return nil
}

// signedIn answers with the session's cookie and with what me would say.
func (s *Server) signedIn(ctx context.Context, token string) (*signedInOutput, error) {
	account, err := s.parts.Directory.Session(ctx, token)
	if err != nil {
		return nil, s.fail(ctx, "read session", err)
	}
	me, err := s.describe(ctx, account)
	if err != nil {
		return nil, s.fail(ctx, "read workspaces", err)
	}
	return &signedInOutput{SetCookie: cookie(token, callerOf(ctx).secure), Body: me}, nil
}

type signOutInput struct {
	Plain  string `cookie:"weir_session"`
	Secure string `cookie:"__Host-weir"`
}

type signOutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

// signOut may be called without a session: the outcome is the same.
func (s *Server) signOut(ctx context.Context, in *signOutInput) (*signOutOutput, error) {
	secure := callerOf(ctx).secure
	token := in.Plain
	if secure {
		token = in.Secure
	}
	if token != "" {
		if err := s.parts.Directory.SignOut(ctx, token); err != nil && !errors.Is(err, workspace.ErrNoSession) {
			return nil, s.fail(ctx, "sign out", err)
		}
		s.streams.endSession(token)
	}
	return &signOutOutput{SetCookie: cookie("", secure)}, nil
}

// Me is who is signed in.
type Me struct {
	Email      string       `json:"email"`
	Workspaces []Membership `json:"workspaces" nullable:"false" doc:"Ordered by name."`
}

// Membership is a workspace that one has a role in.
type Membership struct {
	ID       weir.WorkspaceID `json:"id"`
	Name     string           `json:"name"`
	Timezone string           `json:"timezone"`
	Currency string           `json:"currency"`
	Role     workspace.Role   `json:"role" enum:"viewer,analyst,admin,owner"`
}

type meOutput struct{ Body Me }

func (s *Server) me(ctx context.Context, _ *struct{}) (*meOutput, error) {
	me, err := s.describe(ctx, callerOf(ctx).account)
	if err != nil {
		return nil, s.fail(ctx, "read workspaces", err)
	}
	return &meOutput{me}, nil
}

func (s *Server) describe(ctx context.Context, account workspace.Account) (Me, error) {
	me := Me{Email: account.Email, Workspaces: []Membership{}}
	for id, role := range account.Workspaces {
		w, err := s.parts.Directory.Workspace(ctx, id)
		if errors.Is(err, workspace.ErrNoWorkspace) {
			continue // the role outlived it
		}
		if err != nil {
			return Me{}, err
		}
		me.Workspaces = append(me.Workspaces, Membership{w.ID, w.Name, w.Timezone, w.Currency, role})
	}
	slices.SortFunc(me.Workspaces, func(a, b Membership) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return me, nil
}
