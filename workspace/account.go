package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"strings"

	"github.com/weirhq/weir"
)

// Role is what a person may do in a workspace.
type Role string

// The roles. Each may do all that those after it may.
const (
	RoleOwner   Role = "owner"   // members, keys, and everything else
	RoleAdmin   Role = "admin"   // settings
	RoleAnalyst Role = "analyst" // saved questions, segments
	RoleViewer  Role = "viewer"  // look
)

// Valid reports whether the role is one of the four.
func (r Role) Valid() bool {
	return r == RoleOwner || r == RoleAdmin || r == RoleAnalyst || r == RoleViewer
}

// Errors of accounts. Each is a *weir.Error.
var (
	ErrNoAccount     error = &weir.Error{Code: "no_account", Message: "there is no account with this e-mail address"}
	ErrAccountExists error = &weir.Error{Code: "account_exists", Field: "email", Message: "an account with this e-mail address exists already"}
)

// Account is a person who signs in. The password's hash stays in the store.
type Account struct {
	Email string `json:"email"` // in lower case; the account's id
	Name  string `json:"name"`
	// Workspaces are those that the account may enter. It is complete: an owner
	// of all workspaces finds all of them here.
	Workspaces map[weir.WorkspaceID]Role `json:"workspaces"`
	CreatedAt  weir.Micros               `json:"created_at"`
}

// storedAccount is an account as the store holds it.
type storedAccount struct {
	Account
	PasswordHash string `json:"password_hash"`
	// Everywhere, if set, is the role in all workspaces, those to come included.
	Everywhere Role `json:"everywhere,omitempty"`
	// Epoch rises when all sessions of the account must end.
	Epoch int64 `json:"epoch"`
}

// CreateAccount makes an account with roles in the given workspaces. The error
// is ErrAccountExists, or names the field that is to blame.
func (d *Directory) CreateAccount(ctx context.Context, email, password string, roles map[weir.WorkspaceID]Role) (Account, error) {
	for ws, role := range roles {
		if !role.Valid() {
			return Account{}, invalid("roles", fmt.Sprintf("%q is no role; use owner, admin, analyst or viewer", role))
		}
		if _, err := d.Workspace(ctx, ws); err != nil {
			return Account{}, err
		}
	}
	return d.createAccount(ctx, email, password, roles, "")
}

func (d *Directory) createAccount(ctx context.Context, email, password string, roles map[weir.WorkspaceID]Role, everywhere Role) (Account, error) {
	email, err := normaliseEmail(email)
	if err != nil {
		return Account{}, err
	}
	if err := checkPassword(password); err != nil {
		return Account{}, err
	}
	hash, err := d.hash(ctx, password)
	if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	account := storedAccount{
		Account:      Account{Email: email, Workspaces: maps.Clone(roles), CreatedAt: d.instant()},
		PasswordHash: hash,
		Everywhere:   everywhere,
	}
	if err := create(ctx, d.store, accounts, "", email, account); errors.Is(err, ErrExists) {
		return Account{}, ErrAccountExists
	} else if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	d.peopled.Store(true)
	d.log.InfoContext(ctx, "account created", "owner_of_all", everywhere == RoleOwner)
	return d.complete(ctx, account)
}

// Account is the account of an e-mail address. The error is ErrNoAccount if
// there is none.
func (d *Directory) Account(ctx context.Context, email string) (Account, error) {
	stored, err := d.storedAccount(ctx, email)
	if err != nil {
		return Account{}, err
	}
	return d.complete(ctx, stored)
}

// Accounts lists those who may enter a workspace, ordered by e-mail address.
func (d *Directory) Accounts(ctx context.Context, ws weir.WorkspaceID) ([]Account, error) {
	docs, err := d.store.List(ctx, accounts, "")
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	var out []Account
	for _, doc := range docs {
		var stored storedAccount
		if err := json.Unmarshal(doc.Body, &stored); err != nil {
			return nil, fmt.Errorf("read account: %w", err)
		}
		account, err := d.complete(ctx, stored)
		if err != nil {
			return nil, err
		}
		if account.Workspaces[ws] != "" {
			out = append(out, account)
		}
	}
	return out, nil
}

// SetRole gives an account a role in a workspace, or with the empty role takes
// it away. It acts on the account's next request. The role of an owner of all
// workspaces cannot be lowered here. The error may be ErrNoAccount or
// ErrNoWorkspace.
func (d *Directory) SetRole(ctx context.Context, email string, ws weir.WorkspaceID, role Role) error {
	if role != "" && !role.Valid() {
		return invalid("role", fmt.Sprintf("%q is no role; use owner, admin, analyst or viewer", role))
	}
	if _, err := d.Workspace(ctx, ws); err != nil {
		return err
	}
	return d.updateAccount(ctx, email, func(a *storedAccount) error {
		if a.Workspaces == nil {
			a.Workspaces = map[weir.WorkspaceID]Role{}
		}
		if a.Workspaces[ws] = role; role == "" {
			delete(a.Workspaces, ws)
		}
		return nil
	})
}

// SetPassword replaces an account's password and ends all its sessions. The
// error may be ErrNoAccount.
func (d *Directory) SetPassword(ctx context.Context, email, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	hash, err := d.hash(ctx, password)
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return d.updateAccount(ctx, email, func(a *storedAccount) error {
		a.PasswordHash = hash
		a.Epoch++
		return nil
	})
}

// storedAccount reads an account by an address in any form.
func (d *Directory) storedAccount(ctx context.Context, email string) (storedAccount, error) {
	email, err := normaliseEmail(email)
	if err != nil {
		return storedAccount{}, ErrNoAccount
	}
	account, _, err := get[storedAccount](ctx, d.store, accounts, "", email)
	if errors.Is(err, ErrNotFound) {
		return storedAccount{}, ErrNoAccount
	} else if err != nil {
		return storedAccount{}, fmt.Errorf("read account: %w", err)
	}
	return account, nil
}

func (d *Directory) updateAccount(ctx context.Context, email string, change func(*storedAccount) error) error {
	email, err := normaliseEmail(email)
	if err != nil {
		return ErrNoAccount
	}
	if err := update(ctx, d.store, accounts, "", email, change); errors.Is(err, ErrNotFound) {
		return ErrNoAccount
	} else if err != nil {
		return fmt.Errorf("change account: %w", err)
	}
	return nil
}

// complete fills in the workspaces of one who may enter all.
func (d *Directory) complete(ctx context.Context, a storedAccount) (Account, error) {
	if a.Workspaces == nil {
		a.Workspaces = map[weir.WorkspaceID]Role{}
	}
	if a.Everywhere == "" {
		return a.Account, nil
	}
	all, err := d.Workspaces(ctx)
	if err != nil {
		return Account{}, err
	}
	for _, ws := range all {
		a.Workspaces[ws.ID] = a.Everywhere
	}
	return a.Account, nil
}

// normaliseEmail is the form under which an account is found. Addresses that
// differ in case only are one.
func normaliseEmail(email string) (string, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > 254 {
		return "", invalid("email", "use an e-mail address such as jo@example.com")
	}
	return email, nil
}
