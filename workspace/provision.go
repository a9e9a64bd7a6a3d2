package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weirhq/weir"
)

// Provision names what must exist when Weir has started: for containers and
// tests. Empty fields ask for nothing.
type Provision struct {
	Workspace weir.WorkspaceID // Default if a key or time zone is given without one
	Name      string           // of the workspace; default its id
	Timezone  string           // default UTC
	Currency  string           // default USD
	WriteKey  string           // "wk_" and any text, up to 256 bytes in all
	SecretKey string           // "sk_" and any text

	AdminEmail    string // an owner of all workspaces
	AdminPassword string
}

// Provision creates what is named and missing. It leaves alone what exists: a
// workspace keeps its time zone, an account its password, and a revoked key
// stays revoked. It may be called at every start, by several processes at once.
func (d *Directory) Provision(ctx context.Context, p Provision) error {
	if p.WriteKey != "" || p.SecretKey != "" || p.Timezone != "" || p.Currency != "" {
		p.Workspace = cmp.Or(p.Workspace, Default)
	}
	if p.Workspace != "" {
		_, err := d.createWorkspace(ctx, Workspace{ID: p.Workspace, Name: p.Name, Timezone: p.Timezone, Currency: p.Currency})
		if err != nil && !errors.Is(err, ErrWorkspaceExists) {
			return fmt.Errorf("provision workspace: %w", err)
		}
	}
	if err := d.provisionKey(ctx, p.Workspace, WriteKey, writePrefix, p.WriteKey); err != nil {
		return fmt.Errorf("provision write key: %w", err)
	}
	if err := d.provisionKey(ctx, p.Workspace, SecretKey, secretPrefix, p.SecretKey); err != nil {
		return fmt.Errorf("provision secret key: %w", err)
	}
	if err := d.provisionAdmin(ctx, p.AdminEmail, p.AdminPassword); err != nil {
		return fmt.Errorf("provision administrator: %w", err)
	}
	return nil
}

func (d *Directory) provisionKey(ctx context.Context, ws weir.WorkspaceID, kind KeyKind, prefix, text string) error {
	if text == "" {
		return nil
	}
	if !strings.HasPrefix(text, prefix) || len(text) <= len(prefix) || len(text) > maxKeyLength {
		return invalid(string(kind)+"_key", fmt.Sprintf("use %q and up to %d bytes of text", prefix, maxKeyLength-len(prefix)))
	}
	if done, err := d.provisioned(ctx, ws, text); err != nil || done {
		return err
	}
	if err := d.reviveKey(ctx, ws, text); err != nil {
		return err
	}
	if done, err := d.provisioned(ctx, ws, text); err != nil || done {
		return err
	}
	_, err := d.createKey(ctx, ws, kind, text, "Provisioned "+string(kind)+" key", nil)
	if errors.Is(err, ErrExists) { // another process has made it meanwhile
		_, err = d.provisioned(ctx, ws, text)
	}
	return err
}

// provisioned reports whether the key exists in this workspace. It is an error
// if it exists in another.
func (d *Directory) provisioned(ctx context.Context, ws weir.WorkspaceID, text string) (bool, error) {
	ref, _, err := get[keyRef](ctx, d.store, keyTexts, "", hashText(text))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if ref.Workspace != ws {
		return false, &weir.Error{Code: "key_taken", Message: fmt.Sprintf("this key belongs to workspace %q; choose another", ref.Workspace)}
	}
	return true, nil
}

// reviveKey finishes what a crash left between a key and its reference. Any
// other key's text is lost with such a crash; a provisioned one comes again.
func (d *Directory) reviveKey(ctx context.Context, ws weir.WorkspaceID, text string) error {
	stored, err := d.storedKeys(ctx, ws)
	if err != nil {
		return err
	}
	for _, k := range stored {
		if k.Hash != hashText(text) {
			continue
		}
		err := create(ctx, d.store, keyTexts, "", k.Hash, keyRef{ws, k.ID})
		if err != nil && !errors.Is(err, ErrExists) {
			return err
		}
		d.keys.forget(k.Hash)
		return nil
	}
	return nil
}

func (d *Directory) provisionAdmin(ctx context.Context, email, password string) error {
	if email == "" && password == "" {
		return nil
	}
	// Hashing takes a while: not at every start.
	_, err := d.Account(ctx, email)
	if !errors.Is(err, ErrNoAccount) {
		return err
	}
	_, err = d.createAccount(ctx, email, password, nil, RoleOwner)
	if errors.Is(err, ErrAccountExists) {
		return nil
	}
	return err
}
