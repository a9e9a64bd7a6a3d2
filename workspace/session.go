package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir"
)

// How long a session lasts.
const (
	SessionIdle = 12 * time.Hour      // since its last use
	SessionLife = 14 * 24 * time.Hour // since the sign-in
)

const (
	sessionPrefix = "ss_"
	// touchEvery is how much of the idle time may go unrecorded: a write per
	// session and minute at most, not one per request.
	touchEvery = time.Minute
	// sweepEvery is how often expired sessions are removed.
	sweepEvery = time.Hour
)

// Errors of signing in. Each is a *weir.Error.
var (
	ErrWrongPassword   error = &weir.Error{Code: "wrong_password", Message: "the e-mail address or the password is wrong"}
	ErrTooManyAttempts error = &weir.Error{Code: "too_many_attempts", Message: "too many attempts with this e-mail address; try again in a minute"}
	ErrNoSession       error = &weir.Error{Code: "not_signed_in", Message: "sign in first"}
)

// session is what is stored under the hash of its token.
type session struct {
	Email     string      `json:"email"`
	CreatedAt weir.Micros `json:"created_at"`
	SeenAt    weir.Micros `json:"seen_at"`
	Epoch     int64       `json:"epoch"` // of the account when it was opened
}

func (s session) expired(now time.Time) bool {
	return now.Sub(s.SeenAt.Time()) >= SessionIdle || now.Sub(s.CreatedAt.Time()) >= SessionLife
}

// SignIn opens a session, always a new one, for who knows the password. An
// unknown address takes as long as a wrong password. The error is
// ErrWrongPassword or, after five failures in a minute, ErrTooManyAttempts;
// while many sign in at once, it waits for its turn until ctx ends.
func (d *Directory) SignIn(ctx context.Context, email, password string) (token string, err error) {
	name, err := normaliseEmail(email)
	if err != nil {
		return "", ErrWrongPassword
	}
	// Counted before the work, so that tries at the same time count too.
	if !d.limiter.allow(name, d.now()) {
		d.log.WarnContext(ctx, "sign-in refused: too many attempts")
		return "", ErrTooManyAttempts
	}
	account, err := d.storedAccount(ctx, name)
	known := err == nil
	if errors.Is(err, ErrNoAccount) {
		account.PasswordHash = d.decoy
	} else if err != nil {
		return "", err
	}
	if len(password) > maxPassword*4 { // bytes; no such password was ever set
		password = ""
	}
	ok, stale, err := d.matches(ctx, password, account.PasswordHash)
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	if !ok || !known {
		return "", ErrWrongPassword
	}
	d.limiter.reset(name)
	if stale {
		d.rehash(ctx, account, password)
	}
	return d.openSession(ctx, account)
}

// rehash brings a hash to today's parameters. It is no reason to fail: the next
// sign-in tries again.
func (d *Directory) rehash(ctx context.Context, account storedAccount, password string) {
	hash, err := d.hash(ctx, password)
	if err == nil {
		err = d.updateAccount(ctx, account.Email, func(a *storedAccount) error {
			if a.PasswordHash == account.PasswordHash { // else it was changed meanwhile
				a.PasswordHash = hash
			}
			return nil
		})
	}
	if err != nil {
		d.log.WarnContext(ctx, "password hash kept with old parameters", "error", err)
	}
}

// OpenSession opens a session for an account whose owner has proven it in
// another way. The error may be ErrNoAccount.
func (d *Directory) OpenSession(ctx context.Context, email string) (token string, err error) {
	account, err := d.storedAccount(ctx, email)
	if err != nil {
		return "", err
	}
	return d.openSession(ctx, account)
}

func (d *Directory) openSession(ctx context.Context, account storedAccount) (string, error) {
	d.sweepSessions(ctx)
	token := sessionPrefix + randomText(43) // 256 bits
	now := d.instant()
	s := session{Email: account.Email, CreatedAt: now, SeenAt: now, Epoch: account.Epoch}
	if err := create(ctx, d.store, sessions, "", hashText(token), s); err != nil {
		return "", fmt.Errorf("open session: %w", err)
	}
	return token, nil
}

// Session is the account that a session's token belongs to, as it is now. The
// error is ErrNoSession if the session has ended: by SignOut, by a new
// password, or by SessionIdle or SessionLife.
func (d *Directory) Session(ctx context.Context, token string) (Account, error) {
	if len(token) != len(sessionPrefix)+43 {
		return Account{}, ErrNoSession
	}
	id := hashText(token)
	s, revision, err := get[session](ctx, d.store, sessions, "", id)
	if errors.Is(err, ErrNotFound) || err == nil && s.expired(d.now()) {
		return Account{}, ErrNoSession
	} else if err != nil {
		return Account{}, fmt.Errorf("read session: %w", err)
	}
	account, err := d.storedAccount(ctx, s.Email)
	if errors.Is(err, ErrNoAccount) || err == nil && account.Epoch != s.Epoch {
		return Account{}, ErrNoSession
	} else if err != nil {
		return Account{}, err
	}
	if now := d.instant(); now.Time().Sub(s.SeenAt.Time()) >= touchEvery {
		s.SeenAt = now
		// Another request may have been quicker, or the session ended meanwhile:
		// a revision that does not match brings neither back.
		if err := put(ctx, d.store, sessions, "", id, revision, s); err != nil && !errors.Is(err, ErrConflict) {
			d.log.WarnContext(ctx, "session's last use not recorded", "error", err)
		}
	}
	return d.complete(ctx, account)
}

// SignOut ends a session. Ending it again does nothing.
func (d *Directory) SignOut(ctx context.Context, token string) error {
	if err := d.store.Delete(ctx, sessions, "", hashText(token)); err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// sweepSessions removes expired sessions now and then. They are no good anyway,
// so that a failure is only told.
func (d *Directory) sweepSessions(ctx context.Context) {
	now, last := d.now(), d.swept.Load()
	if now.UnixNano()-last < int64(sweepEvery) || !d.swept.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	docs, err := d.store.List(ctx, sessions, "")
	for _, doc := range docs {
		var s session
		if json.Unmarshal(doc.Body, &s) == nil && !s.expired(now) {
			continue
		}
		if err = d.store.Delete(ctx, sessions, "", doc.ID); err != nil {
			break
		}
	}
	if err != nil {
		d.log.WarnContext(ctx, "expired sessions not removed", "error", err)
	}
}
