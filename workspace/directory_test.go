package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/workspace"
	"github.com/weirhq/weir/workspace/workspacetest"
)

const password = "correct horse battery"

func newDirectory() (*workspace.Directory, *workspacetest.Memory) {
	store := &workspacetest.Memory{}
	return workspace.New(store, nil), store
}

func createShop(t testing.TB, d *workspace.Directory) (write, secret workspace.Key) {
	t.Helper()
	_, write, secret, err := d.CreateWorkspace(t.Context(), workspace.Workspace{ID: "shop", Timezone: "Europe/Paris", Currency: "EUR"})
	if err != nil {
		t.Fatal(err)
	}
	return write, secret
}

func fieldOf(err error) string {
	var e *weir.Error
	if errors.As(err, &e) {
		return e.Field
	}
	return ""
}

func TestChangeWorkspace(t *testing.T) {
	d, _ := newDirectory()
	createShop(t, d)
	change := func(f func(*workspace.Workspace)) (workspace.Workspace, error) {
		return d.ChangeWorkspace(t.Context(), "shop", func(w *workspace.Workspace) error { f(w); return nil })
	}
	created, err := d.Workspace(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*workspace.Workspace)
		field  string
	}{
		{func(w *workspace.Workspace) { w.Name = "a\nb" }, "name"},
		{func(w *workspace.Workspace) { w.Timezone = "Mars/Base" }, "timezone"},
		{func(w *workspace.Workspace) { w.Currency = "QQQ" }, "currency"},
	} {
		if _, err := change(c.change); fieldOf(err) != c.field {
			t.Errorf("got %v, want the field %s blamed", err, c.field)
		}
	}
	got, err := change(func(w *workspace.Workspace) {
		w.ID, w.CreatedAt, w.Name, w.Timezone = "mine", 1, "The shop", "America/New_York"
	})
	want := workspace.Workspace{ID: "shop", Name: "The shop", Timezone: "America/New_York", Currency: "EUR", CreatedAt: created.CreatedAt}
	if err != nil || got != want {
		t.Errorf("changed to %+v, %v", got, err)
	}
	if kept, err := d.Workspace(t.Context(), "shop"); err != nil || kept != want {
		t.Errorf("kept %+v, %v", kept, err)
	}
	if s, err := d.Settings(t.Context(), "shop"); err != nil || s.Revision != 0 {
		t.Errorf("a name is no setting: revision %d, %v", s.Revision, err)
	}
	refusal := errors.New("no")
	if _, err := d.ChangeWorkspace(t.Context(), "shop", func(*workspace.Workspace) error { return refusal }); !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	if _, err := d.ChangeWorkspace(t.Context(), "none", func(*workspace.Workspace) error { return nil }); !errors.Is(err, workspace.ErrNoWorkspace) {
		t.Errorf("no workspace: got %v", err)
	}
}

// Another currency is another worth of everything: settings change with it.
func TestChangeOfCurrency(t *testing.T) {
	d, store := newDirectory()
	createShop(t, d)
	if _, err := d.ChangeSettings(t.Context(), "shop", func(s *workspace.Settings) error {
		s.Rates = []order.Rate{{Currency: "GBP", Rate: "1.17"}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	into := func(currency string) error {
		_, err := d.ChangeWorkspace(t.Context(), "shop", func(w *workspace.Workspace) error { w.Currency = currency; return nil })
		return err
	}
	expect := func(currency string, revision int64) {
		t.Helper()
		w, err := d.Workspace(t.Context(), "shop")
		if err != nil || w.Currency != currency {
			t.Errorf("workspace %+v, %v; want %s", w, err, currency)
		}
		if s, err := d.Settings(t.Context(), "shop"); err != nil || s.Currency != currency || s.Revision != revision {
			t.Errorf("settings at revision %d in %s, %v; want %d in %s", s.Revision, s.Currency, err, revision, currency)
		}
	}
	expect("EUR", 1)
	if err := into("USD"); err != nil {
		t.Error(err)
	}
	expect("USD", 2)
	// What a pound was worth in euros says nothing of dollars.
	if s, err := d.Settings(t.Context(), "shop"); err != nil || len(s.Rates) != 0 {
		t.Errorf("rates %v, %v", s.Rates, err)
	}
	if err := into("USD"); err != nil {
		t.Error(err)
	}
	expect("USD", 2)
	// The process dies between the two documents: doing it again makes it good.
	failure := errors.New("gone")
	store.Err = func(method, collection string) error {
		if method == "Put" && collection == "workspaces" {
			return failure
		}
		return nil
	}
	if err := into("CHF"); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	store.Err = nil
	if err := into("CHF"); err != nil {
		t.Error(err)
	}
	expect("CHF", 3)
}

func TestCreateWorkspace(t *testing.T) {
	d, _ := newDirectory()
	for _, c := range []struct {
		w     workspace.Workspace
		field string
	}{
		{workspace.Workspace{ID: ""}, "id"},
		{workspace.Workspace{ID: "Upper"}, "id"},
		{workspace.Workspace{ID: "a/b"}, "id"},
		{workspace.Workspace{ID: "a", Name: strings.Repeat("x", 201)}, "name"},
		{workspace.Workspace{ID: "a", Name: "a\nb"}, "name"},
		{workspace.Workspace{ID: "a", Timezone: "Mars/Base"}, "timezone"},
		{workspace.Workspace{ID: "a", Timezone: "Local"}, "timezone"},
		{workspace.Workspace{ID: "a", Timezone: "../etc/passwd"}, "timezone"},
		{workspace.Workspace{ID: "a", Currency: "eur"}, "currency"},
		{workspace.Workspace{ID: "a", Currency: "EURO"}, "currency"},
		{workspace.Workspace{ID: "a", Currency: "QQQ"}, "currency"},
	} {
		if _, _, _, err := d.CreateWorkspace(t.Context(), c.w); fieldOf(err) != c.field {
			t.Errorf("%+v: got %v, want the field %s blamed", c.w, err, c.field)
		}
	}
	created, write, secret, err := d.CreateWorkspace(t.Context(), workspace.Workspace{ID: "main"})
	if err != nil || created.Name != "main" || created.Timezone != "UTC" || created.Currency != "USD" || created.CreatedAt == 0 {
		t.Errorf("created %+v, %v", created, err)
	}
	if write.Kind != workspace.WriteKey || secret.Kind != workspace.SecretKey || write.Text == "" || secret.Text == "" {
		t.Errorf("keys %+v, %+v", write, secret)
	}
	if _, _, _, err := d.CreateWorkspace(t.Context(), workspace.Workspace{ID: "main"}); !errors.Is(err, workspace.ErrWorkspaceExists) {
		t.Errorf("again: got %v", err)
	}
	createShop(t, d)
	all, err := d.Workspaces(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != "main" || all[1].ID != "shop" || all[1].Location().String() != "Europe/Paris" {
		t.Errorf("workspaces %+v, %v", all, err)
	}
	if got, err := d.Workspace(t.Context(), "main"); err != nil || got != created {
		t.Errorf("got %+v, %v; want %+v", got, err, created)
	}
	if _, err := d.Workspace(t.Context(), "none"); !errors.Is(err, workspace.ErrNoWorkspace) {
		t.Errorf("got %v, want ErrNoWorkspace", err)
	}
}

func TestKeys(t *testing.T) {
	d, store := newDirectory()
	write, secret := createShop(t, d)
	for _, c := range []struct {
		key    workspace.Key
		client weir.Client
	}{{write, weir.ClientPublic}, {secret, weir.ClientServer}} {
		grant, err := d.Authenticate(t.Context(), c.key.Text)
		if err != nil || grant.Client != c.client || grant.Key != c.key.ID || grant.Workspace.ID != "shop" || grant.Workspace.Currency != "EUR" {
			t.Errorf("%s key: got %+v, %v", c.key.Kind, grant, err)
		}
	}
	if dump := store.Dump(); strings.Contains(dump, secret.Text) || !strings.Contains(dump, write.Text) {
		t.Error("the store has the secret key's text, or not the write key's")
	}
	list, err := d.Keys(t.Context(), "shop")
	if err != nil || len(list) != 2 {
		t.Fatalf("keys %+v, %v", list, err)
	}
	for _, k := range list {
		if k.Kind == workspace.SecretKey && k.Text != "" || k.Kind == workspace.WriteKey && k.Text != write.Text || !strings.HasSuffix(secret.Text+write.Text, k.Hint[len("wk_…"):]) && k.Kind == workspace.WriteKey {
			t.Errorf("listed %+v", k)
		}
	}
	for range 2 {
		if err := d.RevokeKey(t.Context(), "shop", secret.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Authenticate(t.Context(), secret.Text); !errors.Is(err, workspace.ErrUnknownKey) {
		t.Errorf("revoked key: got %v", err)
	}
	if err := d.RevokeKey(t.Context(), "shop", "key_none"); !errors.Is(err, workspace.ErrNoKey) {
		t.Errorf("revoke no key: got %v", err)
	}
	if err := d.RevokeKey(t.Context(), "other", write.ID); !errors.Is(err, workspace.ErrNoKey) {
		t.Errorf("revoke another workspace's key: got %v", err)
	}
	for _, text := range []string{"", "wk_", "sk_x", "nothing", strings.ToUpper(write.Text), write.Text + "x", "wk_" + strings.Repeat("x", 1000)} {
		if _, err := d.Authenticate(t.Context(), text); !errors.Is(err, workspace.ErrUnknownKey) {
			t.Errorf("key %.20q: got %v", text, err)
		}
	}
	if _, err := d.CreateKey(t.Context(), "none", workspace.WriteKey, "", nil); !errors.Is(err, workspace.ErrNoWorkspace) {
		t.Errorf("key of no workspace: got %v", err)
	}
	if _, err := d.CreateKey(t.Context(), "shop", "root", "", nil); fieldOf(err) != "kind" {
		t.Errorf("key of no kind: got %v", err)
	}
}

func TestKeyForm(t *testing.T) {
	d, _ := newDirectory()
	createShop(t, d)
	seen := map[string]bool{}
	for range 50 {
		write, err := d.CreateKey(t.Context(), "shop", workspace.WriteKey, "w", nil)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := d.CreateKey(t.Context(), "shop", workspace.SecretKey, "s", nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(write.Text) != 3+24 || len(secret.Text) != 3+43+6 || seen[write.Text] || seen[secret.Text] {
			t.Errorf("keys %s and %s", write.Text, secret.Text)
		}
		seen[write.Text], seen[secret.Text] = true, true
		if !workspace.WellFormed(secret.Text) || workspace.WellFormed(write.Text) {
			t.Error("the checksum is wrong")
		}
		flipped := []byte(secret.Text)
		flipped[10] ^= 1
		if workspace.WellFormed(string(flipped)) {
			t.Error("the checksum misses an error")
		}
	}
}

func TestOrigins(t *testing.T) {
	d, _ := newDirectory()
	createShop(t, d)
	for _, bad := range []string{"shop.example", "https://", "https://a/b", "https://u@a", "https://a?b", "https://*", "https://a.*.b", "*"} {
		if _, err := d.CreateKey(t.Context(), "shop", workspace.WriteKey, "", []string{bad}); fieldOf(err) != "origins" {
			t.Errorf("origin %q: got %v", bad, err)
		}
	}
	if _, err := d.CreateKey(t.Context(), "shop", workspace.SecretKey, "", []string{"https://a.example"}); fieldOf(err) != "origins" {
		t.Errorf("secret key with origins: got %v", err)
	}
	key, err := d.CreateKey(t.Context(), "shop", workspace.WriteKey, "", []string{"HTTPS://Shop.example/", "https://*.wild.example", "http://localhost:3000"})
	if err != nil {
		t.Fatal(err)
	}
	grant, err := d.Authenticate(t.Context(), key.Text)
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://shop.example": true, "https://SHOP.example": true, "http://shop.example": false, "https://shop.example.evil": false,
		"https://a.wild.example": true, "https://a.b.wild.example": true, "https://wild.example": false, "https://evilwild.example": false,
		"http://a.wild.example": false, "http://localhost:3000": true, "http://localhost": false, "null": false, "": false,
	} {
		if got := grant.Allows(origin); got != want {
			t.Errorf("origin %q: got %v", origin, got)
		}
	}
	if !(workspace.Grant{}).Allows("https://anywhere.example") {
		t.Error("a key without a list refuses an origin")
	}
}

// Another process' changes show within two seconds, and not before: until then
// the store is left alone.
func TestKeyCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, store := newDirectory()
		there := workspace.New(store, nil)
		write, _ := createShop(t, there)
		ask := func(text string) error {
			t.Helper()
			_, err := here.Authenticate(t.Context(), text)
			return err
		}
		if err := ask(write.Text); err != nil {
			t.Fatal(err)
		}
		store.Err = func(string, string) error { return errors.New("the store was asked") }
		time.Sleep(2*time.Second - time.Nanosecond)
		if err := ask(write.Text); err != nil {
			t.Errorf("within two seconds: %v", err)
		}
		store.Err = nil
		if err := there.RevokeKey(t.Context(), "shop", write.ID); err != nil {
			t.Fatal(err)
		}
		if err := ask(write.Text); err != nil {
			t.Errorf("revoked elsewhere, remembered here: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := ask(write.Text); !errors.Is(err, workspace.ErrUnknownKey) {
			t.Errorf("two seconds after: %v", err)
		}

		// A key that does not exist is remembered too.
		const text = "wk_provisioned"
		if err := ask(text); !errors.Is(err, workspace.ErrUnknownKey) {
			t.Fatal(err)
		}
		if err := there.Provision(t.Context(), workspace.Provision{Workspace: "shop", WriteKey: text}); err != nil {
			t.Fatal(err)
		}
		if err := ask(text); !errors.Is(err, workspace.ErrUnknownKey) {
			t.Errorf("made elsewhere, within two seconds: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := ask(text); err != nil {
			t.Errorf("made elsewhere, two seconds after: %v", err)
		}
		// In the same process there is no delay either way.
		if err := here.RevokeKey(t.Context(), "shop", keyByText(t, here, text).ID); err != nil {
			t.Fatal(err)
		}
		if err := ask(text); !errors.Is(err, workspace.ErrUnknownKey) {
			t.Errorf("revoked here: %v", err)
		}
	})
}

func keyByText(t *testing.T, d *workspace.Directory, text string) workspace.Key {
	t.Helper()
	list, err := d.Keys(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		if k.Text == text {
			return k
		}
	}
	t.Fatalf("no key %s", text)
	return workspace.Key{}
}

// A failing store is no unknown key: the sender must try again.
func TestKeyCacheKeepsNoErrors(t *testing.T) {
	d, store := newDirectory()
	write, _ := createShop(t, d)
	broken := errors.New("broken")
	store.Err = func(string, string) error { return broken }
	if _, err := d.Authenticate(t.Context(), write.Text); !errors.Is(err, broken) || errors.Is(err, workspace.ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
	store.Err = nil
	if _, err := d.Authenticate(t.Context(), write.Text); err != nil {
		t.Error(err)
	}
}

// Any order of creating, revoking and asking gives what a plain map would, in
// the process that does it.
func TestKeysModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, _ := newDirectory()
		ctx := context.Background()
		if _, _, _, err := d.CreateWorkspace(ctx, workspace.Workspace{ID: "shop"}); err != nil {
			t.Fatal(err)
		}
		valid := map[string]bool{}
		var made []workspace.Key
		check := func(k workspace.Key) {
			if _, err := d.Authenticate(ctx, k.Text); (err == nil) != valid[k.Text] {
				t.Fatalf("key %s: got %v, valid is %v", k.Text, err, valid[k.Text])
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				kind := rapid.SampledFrom([]workspace.KeyKind{workspace.WriteKey, workspace.SecretKey}).Draw(t, "kind")
				k, err := d.CreateKey(ctx, "shop", kind, "k", nil)
				if err != nil {
					t.Fatal(err)
				}
				made, valid[k.Text] = append(made, k), true
			},
			"revoke": func(t *rapid.T) {
				if len(made) == 0 {
					t.Skip("nothing to revoke")
				}
				k := rapid.SampledFrom(made).Draw(t, "key")
				if err := d.RevokeKey(ctx, "shop", k.ID); err != nil {
					t.Fatal(err)
				}
				valid[k.Text] = false
			},
			"ask": func(t *rapid.T) {
				if len(made) > 0 {
					check(rapid.SampledFrom(made).Draw(t, "key"))
				}
			},
			"": func(*rapid.T) {
				for _, k := range made {
					check(k)
				}
			},
		})
	})
}

// A flood of made-up keys neither grows memory without bound nor forgets the
// good ones.
func TestKeyFlood(t *testing.T) {
	_, store := newDirectory()
	d := workspace.New(store, &workspace.Options{CacheFor: time.Hour})
	write, _ := createShop(t, d)
	if _, err := d.Authenticate(t.Context(), write.Text); err != nil {
		t.Fatal(err)
	}
	for n := range 50_000 {
		if _, err := d.Authenticate(t.Context(), fmt.Sprint("wk_", n)); !errors.Is(err, workspace.ErrUnknownKey) {
			t.Fatal(err)
		}
	}
	store.Err = func(string, string) error { return errors.New("the store was asked") }
	if _, err := d.Authenticate(t.Context(), write.Text); err != nil {
		t.Error(err)
	}
}

func TestProvision(t *testing.T) {
	d, store := newDirectory()
	p := workspace.Provision{
		Workspace: "shop", WriteKey: "wk_test", SecretKey: "sk_test", Timezone: "Asia/Tokyo",
		AdminEmail: "Admin@Example.com", AdminPassword: password,
	}
	var wait sync.WaitGroup
	for range 4 { // as processes that start at once
		wait.Go(func() {
			if err := workspace.New(store, nil).Provision(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if err := d.Provision(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	list, err := d.Keys(t.Context(), "shop")
	if err != nil || len(list) != 2 {
		t.Errorf("keys %+v, %v", list, err)
	}
	for text, client := range map[string]weir.Client{"wk_test": weir.ClientPublic, "sk_test": weir.ClientServer} {
		if grant, err := d.Authenticate(t.Context(), text); err != nil || grant.Client != client || grant.Workspace.Timezone != "Asia/Tokyo" {
			t.Errorf("%s: got %+v, %v", text, grant, err)
		}
	}
	if _, err := d.SignIn(t.Context(), "admin@example.com", password); err != nil {
		t.Error(err)
	}
	account, err := d.Account(t.Context(), "admin@example.com")
	if err != nil || account.Workspaces["shop"] != workspace.RoleOwner {
		t.Errorf("account %+v, %v", account, err)
	}

	// What exists is left alone.
	if err := d.SetPassword(t.Context(), "admin@example.com", "another password"); err != nil {
		t.Fatal(err)
	}
	if err := d.RevokeKey(t.Context(), "shop", keyByText(t, d, "wk_test").ID); err != nil {
		t.Fatal(err)
	}
	p.Timezone = "UTC"
	if err := d.Provision(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(t.Context(), "wk_test"); !errors.Is(err, workspace.ErrUnknownKey) {
		t.Errorf("a revoked key came back: %v", err)
	}
	if ws, _ := d.Workspace(t.Context(), "shop"); ws.Timezone != "Asia/Tokyo" {
		t.Errorf("the time zone became %s", ws.Timezone)
	}
	if _, err := d.SignIn(t.Context(), "admin@example.com", password); !errors.Is(err, workspace.ErrWrongPassword) {
		t.Errorf("the old password came back: %v", err)
	}

	if err := d.Provision(t.Context(), workspace.Provision{}); err != nil {
		t.Errorf("nothing: %v", err)
	}
	for _, bad := range []workspace.Provision{
		{WriteKey: "sk_wrong"}, {WriteKey: "wk_"}, {SecretKey: "wk_wrong"}, {Timezone: "Nowhere"}, {Workspace: "Bad"},
		{AdminEmail: "admin2@example.com"}, {AdminPassword: password}, {Workspace: "other", SecretKey: "sk_test"},
	} {
		var user *weir.Error
		if err := d.Provision(t.Context(), bad); !errors.As(err, &user) {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
	if err := d.Provision(t.Context(), workspace.Provision{WriteKey: "wk_alone"}); err != nil {
		t.Fatal(err)
	}
	if grant, err := d.Authenticate(t.Context(), "wk_alone"); err != nil || grant.Workspace.ID != workspace.Default {
		t.Errorf("got %+v, %v", grant, err)
	}
}

// Provision finishes what a crash interrupted, wherever that was.
func TestProvisionAfterCrash(t *testing.T) {
	p := workspace.Provision{Workspace: "shop", WriteKey: "wk_test", SecretKey: "sk_test", AdminEmail: "a@example.com", AdminPassword: password}
	for crashAt := 1; ; crashAt++ {
		d, store := newDirectory()
		writes := 0
		store.Err = func(method, _ string) error {
			if method == "Put" || method == "Delete" {
				if writes++; writes >= crashAt {
					return errors.New("crash")
				}
			}
			return nil
		}
		if err := d.Provision(t.Context(), p); err == nil {
			return // it needed fewer writes
		}
		store.Err = nil
		d = workspace.New(store, nil)
		if err := d.Provision(t.Context(), p); err != nil {
			t.Fatalf("after a crash at write %d: %v", crashAt, err)
		}
		for _, text := range []string{"wk_test", "sk_test"} {
			if _, err := d.Authenticate(t.Context(), text); err != nil {
				t.Errorf("after a crash at write %d, %s: %v", crashAt, text, err)
			}
		}
		if list, _ := d.Keys(t.Context(), "shop"); len(list) != 2 {
			t.Errorf("after a crash at write %d: keys %+v", crashAt, list)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	d, _ := newDirectory()
	_, secret := createShop(b, d)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Authenticate(ctx, secret.Text); err != nil {
			b.Fatal(err)
		}
	}
}
