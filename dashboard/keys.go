package dashboard

import (
	"context"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

// Workspace is a tenant.
type Workspace struct {
	ID        weir.WorkspaceID `json:"id" example:"acme"`
	Name      string           `json:"name"`
	Timezone  string           `json:"timezone" example:"Europe/Paris"`
	Currency  string           `json:"currency" example:"EUR"`
	CreatedAt weir.Micros      `json:"created_at"`
}

// Key is what items are sent, or the API is used with.
type Key struct {
	ID        weir.SourceID     `json:"id" doc:"The source of the items that are sent with it."`
	Workspace weir.WorkspaceID  `json:"workspace"`
	Kind      workspace.KeyKind `json:"kind" enum:"write,secret"`
	Name      string            `json:"name"`
	Text      string            `json:"key,omitempty" doc:"The whole key. Of a secret key, only in the answer that creates it."`
	Hint      string            `json:"hint" doc:"Enough to recognise it." example:"sk_…Ab3d"`
	Origins   []string          `json:"origins,omitempty" doc:"The pages that may send with it; all if there are none."`
	CreatedAt weir.Micros       `json:"created_at"`
	RevokedAt weir.Micros       `json:"revoked_at,omitempty"`
}

func newKey(k workspace.Key) Key {
	return Key{k.ID, k.Workspace, k.Kind, k.Name, k.Text, k.Hint, k.Origins, k.CreatedAt, k.RevokedAt}
}

type createWorkspaceInput struct {
	Body struct {
		ID       weir.WorkspaceID `json:"id" pattern:"^[a-z0-9_-]{1,64}$" patternDescription:"1 to 64 lower-case letters, digits, _ and -" example:"acme"`
		Name     string           `json:"name,omitempty" maxLength:"200" doc:"Default: the id."`
		Timezone string           `json:"timezone,omitempty" maxLength:"64" doc:"An IANA name. Default UTC." example:"Europe/Paris"`
		Currency string           `json:"currency,omitempty" maxLength:"3" doc:"ISO 4217. Default USD." example:"EUR"`
	}
}

type createWorkspaceOutput struct {
	Body struct {
		Workspace Workspace `json:"workspace"`
		WriteKey  Key       `json:"write_key"`
		SecretKey Key       `json:"secret_key" doc:"With its text, for the only time."`
	}
}

func (s *Server) createWorkspace(ctx context.Context, in *createWorkspaceInput) (*createWorkspaceOutput, error) {
	w, write, secret, err := s.parts.Directory.CreateWorkspace(ctx, workspace.Workspace{
		ID: in.Body.ID, Name: in.Body.Name, Timezone: in.Body.Timezone, Currency: in.Body.Currency,
	})
	if err != nil {
		return nil, s.fail(ctx, "create workspace", err)
	}
	if err := s.joinAsOwner(ctx, callerOf(ctx), w.ID); err != nil {
		return nil, s.fail(ctx, "give the new workspace its owner", err)
	}
	out := &createWorkspaceOutput{}
	out.Body.Workspace = Workspace(w)
	out.Body.WriteKey, out.Body.SecretKey = newKey(write), newKey(secret)
	return out, nil
}

// joinAsOwner lets a person into the workspace that they made, unless they may
// enter all anyway.
func (s *Server) joinAsOwner(ctx context.Context, c *caller, ws weir.WorkspaceID) error {
	if c.kind != bySession {
		return nil
	}
	account, err := s.parts.Directory.Account(ctx, c.account.Email)
	if err != nil || account.Workspaces[ws] != "" {
		return err
	}
	return s.parts.Directory.SetRole(ctx, c.account.Email, ws, workspace.RoleOwner)
}

type keysOutput struct {
	Body struct {
		Keys []Key `json:"keys" nullable:"false" doc:"The oldest first; revoked ones too."`
	}
}

func (s *Server) listKeys(ctx context.Context, in *placeInput) (*keysOutput, error) {
	keys, err := s.parts.Directory.Keys(ctx, in.Workspace)
	if err != nil {
		return nil, s.fail(ctx, "list keys", err)
	}
	out := &keysOutput{}
	out.Body.Keys = make([]Key, len(keys))
	for i, k := range keys {
		if k.Kind != workspace.WriteKey {
			k.Text = "" // once more, as this is the answer that many may read
		}
		out.Body.Keys[i] = newKey(k)
	}
	return out, nil
}

type createKeyInput struct {
	Place
	Body struct {
		Kind    workspace.KeyKind `json:"kind" enum:"write,secret"`
		Name    string            `json:"name,omitempty" maxLength:"200"`
		Origins []string          `json:"origins,omitempty" maxItems:"100" doc:"For write keys: the pages that may send with it." example:"[\"https://shop.example\"]"`
	}
}

type keyOutput struct{ Body Key }

func (s *Server) createKey(ctx context.Context, in *createKeyInput) (*keyOutput, error) {
	key, err := s.parts.Directory.CreateKey(ctx, in.Workspace, in.Body.Kind, in.Body.Name, in.Body.Origins)
	if err != nil {
		return nil, s.fail(ctx, "create key", err)
	}
	return &keyOutput{newKey(key)}, nil
}

type revokeKeyInput struct {
	Place
	ID weir.SourceID `path:"id" maxLength:"128"`
}

func (s *Server) revokeKey(ctx context.Context, in *revokeKeyInput) (*struct{}, error) {
	if err := s.parts.Directory.RevokeKey(ctx, in.Workspace, in.ID); err != nil {
		return nil, s.fail(ctx, "revoke key", err)
	}
	return nil, nil
}
