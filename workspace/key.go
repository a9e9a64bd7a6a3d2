package workspace

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// KeyKind says what a key may do.
type KeyKind string

// The kinds of keys.
const (
	// WriteKey may send items, no more. It is public.
	WriteKey KeyKind = "write"
	// SecretKey may send items as a server and use the whole API of its workspace.
	SecretKey KeyKind = "secret"
)

const (
	writePrefix  = "wk_"
	secretPrefix = "sk_"
	maxKeyLength = 256
	maxOrigins   = 100
)

// Errors of keys. Each is a *weir.Error.
var (
	ErrUnknownKey error = &weir.Error{Code: "unknown_key", Message: "this key does not exist or was revoked; check it under Settings, Keys"}
	ErrNoKey      error = &weir.Error{Code: "no_key", Message: "the workspace has no such key"}
)

// Key is a credential of a workspace. Its id is the source of the items that
// are sent with it.
type Key struct {
	ID        weir.SourceID    `json:"id"`
	Workspace weir.WorkspaceID `json:"workspace"`
	Kind      KeyKind          `json:"kind"`
	Name      string           `json:"name"`
	// Text is the whole key. A write key always has it; a secret key only in the
	// answer that creates it.
	Text string `json:"key,omitempty"`
	Hint string `json:"hint"` // enough to recognise the key: "sk_…Ab3d"
	// Origins are those that a browser may send from; empty means all. See
	// Grant.Allows.
	Origins   []string    `json:"origins,omitempty"`
	CreatedAt weir.Micros `json:"created_at"`
	RevokedAt weir.Micros `json:"revoked_at,omitzero"` // zero: in force
}

// storedKey is a key as the store holds it: the text of a write key, the hash
// of both.
type storedKey struct {
	Key
	Hash string `json:"hash"` // hashText of the text
}

// keyRef is what the hash of a key leads to. It is written after the key and
// never changed: a key without it was never given out.
type keyRef struct {
	Workspace weir.WorkspaceID `json:"workspace"`
	Key       weir.SourceID    `json:"key"`
}

// CreateKey makes a key of a workspace. Origins ("https://shop.example",
// "https://*.shop.example") are for write keys only. The error is
// ErrNoWorkspace, or names the field that is to blame.
func (d *Directory) CreateKey(ctx context.Context, ws weir.WorkspaceID, kind KeyKind, name string, origins []string) (Key, error) {
	var text string
	switch kind {
	case WriteKey:
		text = newWriteText()
	case SecretKey:
		text = newSecretText()
	default:
		return Key{}, invalid("kind", "use write or secret")
	}
	return d.createKey(ctx, ws, kind, text, name, origins)
}

// createKey makes a key with a given text. The error wraps ErrExists if any
// workspace has a key with this text.
func (d *Directory) createKey(ctx context.Context, ws weir.WorkspaceID, kind KeyKind, text, name string, origins []string) (Key, error) {
	if err := checkName("name", name); err != nil {
		return Key{}, err
	}
	origins, err := normaliseOrigins(kind, origins)
	if err != nil {
		return Key{}, err
	}
	if _, err := d.Workspace(ctx, ws); err != nil {
		return Key{}, err
	}
	key := storedKey{
		Key: Key{
			ID: weir.SourceID("key_" + randomText(12)), Workspace: ws, Kind: kind, Name: name, Text: text,
			Hint: hint(text), Origins: origins, CreatedAt: d.instant(),
		},
		Hash: hashText(text),
	}
	answer := key.Key
	if kind == SecretKey {
		key.Text = ""
	}
	if err := create(ctx, d.store, keys, ws, string(key.ID), key); err != nil {
		return Key{}, fmt.Errorf("create key: %w", err)
	}
	if err := create(ctx, d.store, keyTexts, "", key.Hash, keyRef{ws, key.ID}); err != nil {
		// Without its reference the key is dead; do not list it either.
		return Key{}, fmt.Errorf("create key: %w", errors.Join(err, d.store.Delete(ctx, keys, ws, string(key.ID))))
	}
	d.keys.forget(key.Hash)
	d.log.InfoContext(ctx, "key created", "workspace", ws, "key", key.ID, "kind", kind)
	return answer, nil
}

// Keys lists the keys of a workspace, revoked ones included, the oldest first.
// Secret keys are without their text.
func (d *Directory) Keys(ctx context.Context, ws weir.WorkspaceID) ([]Key, error) {
	stored, err := d.storedKeys(ctx, ws)
	if err != nil {
		return nil, err
	}
	out := make([]Key, len(stored))
	for i, k := range stored {
		out[i] = k.Key
	}
	slices.SortFunc(out, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

func (d *Directory) storedKeys(ctx context.Context, ws weir.WorkspaceID) ([]storedKey, error) {
	docs, err := d.store.List(ctx, keys, ws)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	out := make([]storedKey, len(docs))
	for i, doc := range docs {
		if err := json.Unmarshal(doc.Body, &out[i]); err != nil {
			return nil, fmt.Errorf("read key %q: %w", doc.ID, err)
		}
	}
	return out, nil
}

// RevokeKey ends a key for ever: at once in this process, within
// Options.CacheFor in others. Revoking it again does nothing. The error is
// ErrNoKey if the workspace has no such key.
func (d *Directory) RevokeKey(ctx context.Context, ws weir.WorkspaceID, id weir.SourceID) error {
	var hash string
	err := update(ctx, d.store, keys, ws, string(id), func(k *storedKey) error {
		hash = k.Hash
		if k.RevokedAt == 0 {
			k.RevokedAt = d.instant()
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		return ErrNoKey
	} else if err != nil {
		return fmt.Errorf("revoke key: %w", err)
	}
	d.keys.forget(hash)
	d.log.InfoContext(ctx, "key revoked", "workspace", ws, "key", id)
	return nil
}

// hint shows the kind and the end of a key. A short one, which only Provision
// takes, gives nothing away.
func hint(text string) string {
	prefix := text[:len(writePrefix)]
	if len(text) < 20 {
		return prefix + "…"
	}
	return prefix + "…" + text[len(text)-4:]
}

// normaliseOrigins brings origins into the form in which browsers send them.
func normaliseOrigins(kind KeyKind, origins []string) ([]string, error) {
	if len(origins) == 0 {
		return nil, nil
	}
	if kind != WriteKey {
		return nil, invalid("origins", "only a write key can have origins: a secret key must never be in a browser")
	}
	if len(origins) > maxOrigins {
		return nil, invalid("origins", fmt.Sprintf("use at most %d origins", maxOrigins))
	}
	out := make([]string, 0, len(origins))
	for _, o := range origins {
		u, err := url.Parse(strings.ToLower(strings.TrimSuffix(strings.TrimSpace(o), "/")))
		if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
			strings.Contains(strings.TrimPrefix(u.Host, "*."), "*") {
			return nil, invalid("origins", fmt.Sprintf("%q is no origin; use a form such as https://shop.example or https://*.shop.example", o))
		}
		out = append(out, u.Scheme+"://"+u.Host)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
