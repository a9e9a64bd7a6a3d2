// Package workspace is the control plane: which workspaces there are, the keys
// with which items are sent and questions asked, and the people who sign in.
//
// A Directory holds the rules; a Store holds small JSON documents and knows no
// rule. Several processes may work on one Store: what one writes, the others
// see at once, but for keys, which are remembered for Options.CacheFor.
//
// Nothing that would let a reader of the store in is kept there: secret keys,
// session tokens and the first-run token are stored as SHA-256 of at least 128
// random bits, passwords as argon2id. (A secret key that the operator chose for
// Provision is as strong as the operator made it.)
//
// Errors that a user can do something about are *weir.Error, among them the
// sentinels of this package; all others come from the Store.
package workspace

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/text/currency"

	"github.com/weirhq/weir"
)

// Default is the workspace that a new installation starts with.
const Default weir.WorkspaceID = "main"

// Errors that callers tell apart. Each is a *weir.Error.
var (
	ErrNoWorkspace     error = &weir.Error{Code: "no_workspace", Message: "there is no such workspace"}
	ErrWorkspaceExists error = &weir.Error{Code: "workspace_exists", Field: "id", Message: "a workspace with this id exists already; choose another"}
)

// Workspace is a tenant: items, people and answers never cross its wall.
type Workspace struct {
	ID        weir.WorkspaceID `json:"id"`
	Name      string           `json:"name"`
	Timezone  string           `json:"timezone"` // IANA name; of days and weeks in answers
	Currency  string           `json:"currency"` // ISO 4217
	CreatedAt weir.Micros      `json:"created_at"`
}

// Location is the time zone. It is UTC if the zone is not known to this
// machine, which CreateWorkspace rules out where it ran.
func (w Workspace) Location() *time.Location {
	l, err := time.LoadLocation(w.Timezone)
	if err != nil {
		return time.UTC
	}
	return l
}

// normalise fills in what may be left out, and checks the rest.
func (w Workspace) normalise() (Workspace, error) {
	w.Name = cmp.Or(w.Name, string(w.ID))
	w.Timezone = cmp.Or(w.Timezone, "UTC")
	w.Currency = cmp.Or(w.Currency, "USD")
	if !w.ID.Valid() {
		return w, invalid("id", "use 1 to 64 lower-case letters, digits, '_' and '-'")
	}
	if err := checkName("name", w.Name); err != nil {
		return w, err
	}
	// "Local" would mean another zone on every machine.
	if _, err := time.LoadLocation(w.Timezone); err != nil || w.Timezone == "Local" {
		return w, invalid("timezone", fmt.Sprintf("%q is no IANA time zone; use a name such as Europe/Paris", w.Timezone))
	}
	// ParseISO takes lower case, which no report should show.
	if unit, err := currency.ParseISO(w.Currency); err != nil || unit.String() != w.Currency {
		return w, invalid("currency", fmt.Sprintf("%q is no ISO 4217 currency; use three capital letters such as EUR", w.Currency))
	}
	return w, nil
}

// CreateWorkspace makes a workspace with its first write key and secret key;
// the secret key's text is never shown again. Name, Timezone and Currency may be
// left out: the id, UTC and USD. The error is ErrWorkspaceExists, or names the
// field that is to blame.
func (d *Directory) CreateWorkspace(ctx context.Context, w Workspace) (created Workspace, write, secret Key, err error) {
	created, err = d.createWorkspace(ctx, w)
	if err != nil {
		return Workspace{}, Key{}, Key{}, err
	}
	if write, err = d.CreateKey(ctx, w.ID, WriteKey, "First write key", nil); err != nil {
		return Workspace{}, Key{}, Key{}, err
	}
	if secret, err = d.CreateKey(ctx, w.ID, SecretKey, "First secret key", nil); err != nil {
		return Workspace{}, Key{}, Key{}, err
	}
	return created, write, secret, nil
}

func (d *Directory) createWorkspace(ctx context.Context, w Workspace) (Workspace, error) {
	w, err := w.normalise()
	if err != nil {
		return Workspace{}, err
	}
	w.CreatedAt = d.instant()
	if err := create(ctx, d.store, workspaces, "", string(w.ID), w); errors.Is(err, ErrExists) {
		return Workspace{}, ErrWorkspaceExists
	} else if err != nil {
		return Workspace{}, fmt.Errorf("create workspace: %w", err)
	}
	d.log.InfoContext(ctx, "workspace created", "workspace", w.ID)
	return w, nil
}

// ChangeWorkspace changes the name, the time zone and the currency of a workspace,
// starting over with the newest when somebody else was quicker: change may be
// called several times, and an error of it ends the call. Id and time stay as they
// are, and what is left empty has its default. Another currency is a change of the
// settings too, and removes their rates, which say what things are worth in the
// former one: no value is better than a wrong one. The error may be
// ErrNoWorkspace, or names the field that is to blame.
func (d *Directory) ChangeWorkspace(ctx context.Context, id weir.WorkspaceID, change func(*Workspace) error) (Workspace, error) {
	var changed Workspace
	err := update(ctx, d.store, workspaces, "", string(id), func(w *Workspace) error {
		before := *w
		if err := change(w); err != nil {
			return err
		}
		w.ID, w.CreatedAt = before.ID, before.CreatedAt
		normal, err := w.normalise()
		if err != nil {
			return err
		}
		*w, changed = normal, normal
		// The settings come first: a try that ends in between is made good by the
		// next, which finds the workspace still to be changed.
		_, err = d.changeSettings(ctx, id, func(s *Settings) error {
			if s.Currency != normal.Currency {
				s.Currency, s.Rates = normal.Currency, nil
			}
			return nil
		})
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return Workspace{}, ErrNoWorkspace
	} else if err != nil {
		return Workspace{}, fmt.Errorf("change workspace: %w", err)
	}
	d.log.InfoContext(ctx, "workspace changed", "workspace", id)
	return changed, nil
}

// Workspace is the workspace of an id. The error is ErrNoWorkspace if there is
// none.
func (d *Directory) Workspace(ctx context.Context, id weir.WorkspaceID) (Workspace, error) {
	w, _, err := get[Workspace](ctx, d.store, workspaces, "", string(id))
	if errors.Is(err, ErrNotFound) {
		return Workspace{}, ErrNoWorkspace
	} else if err != nil {
		return Workspace{}, fmt.Errorf("read workspace: %w", err)
	}
	return w, nil
}

// Workspaces lists all workspaces, ordered by id.
func (d *Directory) Workspaces(ctx context.Context) ([]Workspace, error) {
	docs, err := d.store.List(ctx, workspaces, "")
	if err != nil {
		return nil, fmt.Errorf("list workspaces: %w", err)
	}
	out := make([]Workspace, len(docs))
	for i, doc := range docs {
		if err := json.Unmarshal(doc.Body, &out[i]); err != nil {
			return nil, fmt.Errorf("read workspace %q: %w", doc.ID, err)
		}
	}
	return out, nil
}

// invalid blames a field of what the caller gave.
func invalid(field, message string) error {
	return &weir.Error{Code: "invalid_field", Field: field, Message: message}
}

// checkName bounds what people call things.
func checkName(field, name string) error {
	if len(name) > 200 {
		return invalid(field, "use at most 200 bytes")
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f {
			return invalid(field, "leave out control characters")
		}
	}
	return nil
}
