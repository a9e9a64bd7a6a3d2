package workspace_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
	"github.com/weirhq/weir/workspace/workspacetest"
)

const email = "jo@example.com"

func createAccount(t *testing.T, d *workspace.Directory, roles map[weir.WorkspaceID]workspace.Role) {
	t.Helper()
	if _, err := d.CreateAccount(t.Context(), email, password, roles); err != nil {
		t.Fatal(err)
	}
}

func signIn(t *testing.T, d *workspace.Directory) string {
	t.Helper()
	token, err := d.SignIn(t.Context(), email, password)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestCreateAccount(t *testing.T) {
	d, store := newDirectory()
	createShop(t, d)
	for _, bad := range []string{"", "jo", "jo@", "@example.com", "Jo <jo@example.com>", "jo@example.com\r\nBcc: x@example.com", strings.Repeat("x", 250) + "@example.com"} {
		if _, err := d.CreateAccount(t.Context(), bad, password, nil); fieldOf(err) != "email" {
			t.Errorf("e-mail %.30q: got %v", bad, err)
		}
	}
	for _, bad := range []string{"", "eleven char", strings.Repeat("x", 257), "invalid utf8 \xff\xff\xff"} {
		if _, err := d.CreateAccount(t.Context(), email, bad, nil); fieldOf(err) != "password" {
			t.Errorf("password %.30q: got %v", bad, err)
		}
	}
	if _, err := d.CreateAccount(t.Context(), email, password, map[weir.WorkspaceID]workspace.Role{"shop": "god"}); fieldOf(err) != "roles" {
		t.Errorf("role: got %v", err)
	}
	if _, err := d.CreateAccount(t.Context(), email, password, map[weir.WorkspaceID]workspace.Role{"none": workspace.RoleViewer}); !errors.Is(err, workspace.ErrNoWorkspace) {
		t.Errorf("workspace: got %v", err)
	}
	createAccount(t, d, map[weir.WorkspaceID]workspace.Role{"shop": workspace.RoleViewer})
	if _, err := d.CreateAccount(t.Context(), "JO@Example.com", password, nil); !errors.Is(err, workspace.ErrAccountExists) {
		t.Errorf("again: got %v", err)
	}
	if dump := store.Dump(); strings.Contains(dump, password) || !strings.Contains(dump, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error("the password is not stored as argon2id")
	}
	account, err := d.Account(t.Context(), " Jo@Example.COM ")
	if err != nil || account.Email != email || account.Workspaces["shop"] != workspace.RoleViewer {
		t.Errorf("account %+v, %v", account, err)
	}
	if _, err := d.Account(t.Context(), "none@example.com"); !errors.Is(err, workspace.ErrNoAccount) {
		t.Errorf("got %v", err)
	}
}

func TestRoles(t *testing.T) {
	d, _ := newDirectory()
	createShop(t, d)
	createAccount(t, d, nil)
	token := signIn(t, d)
	for _, role := range []workspace.Role{workspace.RoleAnalyst, workspace.RoleOwner, ""} {
		if err := d.SetRole(t.Context(), email, "shop", role); err != nil {
			t.Fatal(err)
		}
		account, err := d.Session(t.Context(), token)
		if err != nil || account.Workspaces["shop"] != role {
			t.Errorf("role %q: got %+v, %v", role, account, err)
		}
		members, err := d.Accounts(t.Context(), "shop")
		if err != nil || (len(members) == 1) != (role != "") {
			t.Errorf("role %q: members %+v, %v", role, members, err)
		}
	}
	if err := d.SetRole(t.Context(), email, "shop", "god"); fieldOf(err) != "role" {
		t.Errorf("got %v", err)
	}
	if err := d.SetRole(t.Context(), email, "none", workspace.RoleAdmin); !errors.Is(err, workspace.ErrNoWorkspace) {
		t.Errorf("got %v", err)
	}
	if err := d.SetRole(t.Context(), "none@example.com", "shop", workspace.RoleAdmin); !errors.Is(err, workspace.ErrNoAccount) {
		t.Errorf("got %v", err)
	}
}

func TestSessions(t *testing.T) {
	d, store := newDirectory()
	createAccount(t, d, nil)
	first, second := signIn(t, d), signIn(t, d)
	if first == second {
		t.Error("a sign-in gave a token that is known")
	}
	if strings.Contains(store.Dump(), first) {
		t.Error("the store has the token's text")
	}
	for _, token := range []string{first, second} {
		if account, err := d.Session(t.Context(), token); err != nil || account.Email != email {
			t.Errorf("got %+v, %v", account, err)
		}
	}
	for range 2 {
		if err := d.SignOut(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	for _, token := range []string{first, "", "ss_", first + "x", strings.Replace(second, "ss_", "sk_", 1)} {
		if _, err := d.Session(t.Context(), token); !errors.Is(err, workspace.ErrNoSession) {
			t.Errorf("token %q: got %v", token, err)
		}
	}
	if err := d.SetPassword(t.Context(), email, "a new password"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Session(t.Context(), second); !errors.Is(err, workspace.ErrNoSession) {
		t.Errorf("session from before the new password: %v", err)
	}
	if err := d.SetPassword(t.Context(), email, "short"); fieldOf(err) != "password" {
		t.Errorf("got %v", err)
	}
	if _, err := d.OpenSession(t.Context(), "none@example.com"); !errors.Is(err, workspace.ErrNoAccount) {
		t.Errorf("got %v", err)
	}
}

func TestSessionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, store := newDirectory()
		createAccount(t, d, nil)
		open := func() string {
			t.Helper()
			token, err := d.OpenSession(t.Context(), email)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		alive := func(token string) bool {
			t.Helper()
			_, err := d.Session(t.Context(), token)
			if err != nil && !errors.Is(err, workspace.ErrNoSession) {
				t.Fatal(err)
			}
			return err == nil
		}
		idle := open()
		time.Sleep(workspace.SessionIdle - time.Second)
		if !alive(idle) { // and used, which prolongs it
			t.Error("expired too early")
		}
		time.Sleep(workspace.SessionIdle - time.Second)
		if !alive(idle) {
			t.Error("use did not prolong the session")
		}
		time.Sleep(workspace.SessionIdle)
		if alive(idle) {
			t.Error("idle session lives on")
		}

		busy := open()
		start := time.Now()
		for alive(busy) {
			time.Sleep(workspace.SessionIdle / 2)
		}
		if got := time.Since(start); got != workspace.SessionLife {
			t.Errorf("a session in use lived for %v, want %v", got, workspace.SessionLife)
		}
		open()
		if n := strings.Count(store.Dump(), "sessions "); n != 1 {
			t.Errorf("%d sessions are stored, of which one is open", n)
		}
	})
}

func TestSessionUseIsRecordedOncePerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, store := newDirectory()
		createAccount(t, d, nil)
		token, err := d.OpenSession(t.Context(), email)
		if err != nil {
			t.Fatal(err)
		}
		puts := 0
		store.Err = func(method, _ string) error {
			if method == "Put" {
				puts++
			}
			return nil
		}
		for range 10 * 60 {
			time.Sleep(time.Second)
			if _, err := d.Session(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if puts != 10 {
			t.Errorf("%d writes in ten minutes of use, want 10", puts)
		}
	})
}

func TestSignIn(t *testing.T) {
	d, _ := newDirectory()
	createAccount(t, d, nil)
	for _, c := range []struct{ email, password string }{
		{email, "wrong password"}, {"none@example.com", password}, {"", password}, {"not an address", password}, {email, ""}, {email, strings.Repeat("x", 1<<20)},
	} {
		if token, err := d.SignIn(t.Context(), c.email, c.password); !errors.Is(err, workspace.ErrWrongPassword) || token != "" {
			t.Errorf("%.20q, %.20q: got %v", c.email, c.password, err)
		}
	}
	if _, err := d.SignIn(t.Context(), "JO@example.com", password); err != nil {
		t.Error(err)
	}
	// Letters composed in another way are the same letters.
	if err := d.SetPassword(t.Context(), email, "mot de passe é"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignIn(t.Context(), email, "mot de passe e\u0301"); err != nil {
		t.Error(err)
	}
}

func TestSignInIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDirectory()
		createAccount(t, d, nil)
		try := func(email, password string, want error) {
			t.Helper()
			if _, err := d.SignIn(t.Context(), email, password); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		for range 5 {
			try(email, "wrong password", workspace.ErrWrongPassword)
		}
		try(email, "wrong password", workspace.ErrTooManyAttempts)
		try("Jo@Example.com", password, workspace.ErrTooManyAttempts)
		try("other@example.com", password, workspace.ErrWrongPassword)
		time.Sleep(12 * time.Second)
		try(email, "wrong password", workspace.ErrWrongPassword)
		try(email, "wrong password", workspace.ErrTooManyAttempts)
		time.Sleep(12 * time.Second)
		for range 20 { // who knows the password is not limited
			try(email, password, nil)
		}
		time.Sleep(time.Minute)
		for range 5 {
			try(email, "wrong password", workspace.ErrWrongPassword)
		}
		try(email, "wrong password", workspace.ErrTooManyAttempts)
	})
}

func TestFirstRun(t *testing.T) {
	d, store := newDirectory()
	createShop(t, d)
	old, needed, err := d.FirstRun(t.Context())
	if err != nil || !needed {
		t.Fatalf("needed %v, %v", needed, err)
	}
	token, _, err := d.FirstRun(t.Context())
	if err != nil || strings.Contains(store.Dump(), token) {
		t.Fatalf("the token is stored as it is, or %v", err)
	}
	for _, wrong := range []string{"", old, token + "x"} {
		if _, err := d.Setup(t.Context(), wrong, email, password); !errors.Is(err, workspace.ErrWrongToken) {
			t.Errorf("token %q: got %v", wrong, err)
		}
	}
	if _, err := d.Setup(t.Context(), token, email, "short"); fieldOf(err) != "password" {
		t.Errorf("short password: got %v", err)
	}
	if _, err := d.Setup(t.Context(), token, "nobody", password); fieldOf(err) != "email" {
		t.Errorf("bad address: got %v", err)
	}

	var wait sync.WaitGroup
	won := make(chan workspace.Account, 3)
	for _, who := range []string{"a@example.com", "b@example.com", "c@example.com"} {
		wait.Go(func() {
			account, err := workspace.New(store, nil).Setup(t.Context(), token, who, password)
			if err == nil {
				won <- account
			} else if !errors.Is(err, workspace.ErrWrongToken) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d of three got through with one token", len(won))
	}
	account := <-won
	if account.Workspaces["shop"] != workspace.RoleOwner {
		t.Errorf("account %+v", account)
	}
	if _, needed, err := d.FirstRun(t.Context()); err != nil || needed {
		t.Errorf("needed again: %v, %v", needed, err)
	}
	// Workspaces to come are the owner's too.
	if _, _, _, err := d.CreateWorkspace(t.Context(), workspace.Workspace{ID: "later"}); err != nil {
		t.Fatal(err)
	}
	if account, _ = d.Account(t.Context(), account.Email); account.Workspaces["later"] != workspace.RoleOwner {
		t.Errorf("account %+v", account)
	}
}

// A link that was printed before an account was made in another way is void.
func TestSetupAfterProvision(t *testing.T) {
	d, store := newDirectory()
	token, _, err := d.FirstRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := workspace.New(store, nil).Provision(t.Context(), workspace.Provision{AdminEmail: email, AdminPassword: password}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Setup(t.Context(), token, "x@example.com", password); !errors.Is(err, workspace.ErrWrongToken) {
		t.Errorf("got %v", err)
	}
}

// Every error that a user may meet says what it is.
func TestErrorsAreClear(t *testing.T) {
	for _, err := range []error{
		workspace.ErrNoWorkspace, workspace.ErrWorkspaceExists, workspace.ErrUnknownKey, workspace.ErrNoKey, workspace.ErrNoAccount,
		workspace.ErrAccountExists, workspace.ErrWrongPassword, workspace.ErrTooManyAttempts, workspace.ErrNoSession, workspace.ErrWrongToken,
	} {
		var e *weir.Error
		if !errors.As(err, &e) || e.Code == "" || len(e.Message) < 10 {
			t.Errorf("%v", err)
		}
	}
	var _ workspace.Store = (*workspacetest.Memory)(nil)
}
