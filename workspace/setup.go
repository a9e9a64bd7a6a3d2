package workspace

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/weirhq/weir"
)

// ErrWrongToken is the answer to a first-run link that is used, outdated or
// made up. It is a *weir.Error.
var ErrWrongToken error = &weir.Error{Code: "wrong_token", Message: "this link was used or is outdated; restart Weir to print a new one"}

const setupID = "token"

// setupToken is the stored first-run token.
type setupToken struct {
	Hash string `json:"hash"` // empty once used
}

// SetupNeeded reports whether there is no account yet.
func (d *Directory) SetupNeeded(ctx context.Context) (bool, error) {
	if d.peopled.Load() {
		return false, nil
	}
	docs, err := d.store.List(ctx, accounts, "")
	if err != nil {
		return false, fmt.Errorf("look for accounts: %w", err)
	}
	if len(docs) > 0 {
		d.peopled.Store(true)
	}
	return len(docs) == 0, nil
}

// FirstRun makes the one-time token with which the first account is created,
// as long as one is needed. Each call makes a new one and voids the last; call
// it once at start and show the token to the operator.
func (d *Directory) FirstRun(ctx context.Context) (token string, needed bool, err error) {
	if needed, err = d.SetupNeeded(ctx); err != nil || !needed {
		return "", false, err
	}
	token = randomText(32)
	body := setupToken{Hash: hashText(token)}
	err = create(ctx, d.store, setup, "", setupID, body)
	if errors.Is(err, ErrExists) {
		err = update(ctx, d.store, setup, "", setupID, func(t *setupToken) error { *t = body; return nil })
	}
	if err != nil {
		return "", false, fmt.Errorf("make first-run token: %w", err)
	}
	return token, true, nil
}

// Setup creates the first account, the owner of all workspaces, and uses the
// token up. The error is ErrWrongToken, or names the field that is to blame; the
// token remains good in the latter case.
func (d *Directory) Setup(ctx context.Context, token, email, password string) (Account, error) {
	needed, err := d.SetupNeeded(ctx)
	if err != nil {
		return Account{}, err
	}
	stored, revision, err := get[setupToken](ctx, d.store, setup, "", setupID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Account{}, fmt.Errorf("read first-run token: %w", err)
	}
	// An empty stored hash equals no hash.
	if subtle.ConstantTimeCompare([]byte(stored.Hash), []byte(hashText(token))) != 1 || !needed {
		return Account{}, ErrWrongToken
	}
	if _, err := normaliseEmail(email); err != nil {
		return Account{}, err
	}
	if err := checkPassword(password); err != nil {
		return Account{}, err
	}
	// The token goes first: of two who come with it at once, one gets through.
	if err := put(ctx, d.store, setup, "", setupID, revision, setupToken{}); errors.Is(err, ErrConflict) {
		return Account{}, ErrWrongToken
	} else if err != nil {
		return Account{}, fmt.Errorf("use up first-run token: %w", err)
	}
	return d.createAccount(ctx, email, password, nil, RoleOwner)
}
