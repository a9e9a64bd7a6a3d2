package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir"
)

// Grant is what a key allows: to speak as its source, in its workspace. It is
// shared by all who authenticate with the key; do not change it.
type Grant struct {
	Workspace Workspace
	Key       weir.SourceID
	KeyName   string
	Client    weir.Client // ClientServer if the key is secret: only such a key may read
	Origins   []string
	Browsers  Browsers // what the workspace lets write keys do
}

// Allows reports whether a browser on a page of this origin may send with the
// key. It advises browsers only: another program can claim any origin. A
// request without an Origin header comes from no page and needs no question.
func (g Grant) Allows(origin string) bool {
	if len(g.Origins) == 0 {
		return true
	}
	origin = strings.ToLower(origin)
	for _, o := range g.Origins {
		if o == origin {
			return true
		}
		scheme, domain, wild := strings.Cut(o, "://*.")
		if wild && strings.HasPrefix(origin, scheme+"://") && strings.HasSuffix(origin, "."+domain) {
			return true
		}
	}
	return false
}

// Authenticate finds what a key allows. The error is ErrUnknownKey if the key
// never existed, was revoked, or has no workspace. The answer may be up to
// Options.CacheFor old, and Options.StaleFor while the store is away; see RevokeKey.
func (d *Directory) Authenticate(ctx context.Context, text string) (Grant, error) {
	if len(text) > maxKeyLength || !strings.HasPrefix(text, writePrefix) && !strings.HasPrefix(text, secretPrefix) {
		return Grant{}, ErrUnknownKey
	}
	// The cache goes by the hash: no secret stays in memory, and how long the
	// look-up takes says nothing about the secrets that are there.
	var space [maxKeyLength]byte // a conversion would allocate
	sum := sha256.Sum256(space[:copy(space[:], text)])
	grant, asked, fresh := d.keys.get(sum, d.now())
	var err error
	if !fresh {
		grant, err = orStale(ctx, d, grant, asked, func(ctx context.Context) (*Grant, error) { return d.loadGrant(ctx, sum) })
	}
	if err != nil {
		return Grant{}, fmt.Errorf("authenticate: %w", err)
	}
	if grant == nil {
		return Grant{}, ErrUnknownKey
	}
	return d.permit(ctx, *grant)
}

// permit adds what the workspace allows. It is remembered apart from the key, so
// that a change of settings is seen at once.
func (d *Directory) permit(ctx context.Context, grant Grant) (Grant, error) {
	s, err := d.sharedSettings(ctx, grant.Workspace.ID)
	if err != nil {
		return Grant{}, fmt.Errorf("authenticate: %w", err)
	}
	grant.Browsers = s.Browsers
	return grant, nil
}

// loadGrant asks the store, once for all who wait for the same key, and
// remembers the answer. A nil grant means that the key is unknown.
func (d *Directory) loadGrant(ctx context.Context, sum [sha256.Size]byte) (*Grant, error) {
	results := d.loading.DoChan(string(sum[:]), func() (any, error) {
		// Others wait too: one who gives up must not fail them.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		asked, epoch := d.now(), d.keys.now()
		grant, err := d.readGrant(ctx, hex.EncodeToString(sum[:]))
		if err == nil {
			d.keys.put(sum, grant, asked, epoch)
		}
		return grant, err
	})
	select {
	case r := <-results:
		grant, _ := r.Val.(*Grant)
		return grant, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *Directory) readGrant(ctx context.Context, hash string) (*Grant, error) {
	ref, _, err := get[keyRef](ctx, d.store, keyTexts, "", hash)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	key, _, err := get[storedKey](ctx, d.store, keys, ref.Workspace, string(ref.Key))
	if errors.Is(err, ErrNotFound) || err == nil && key.RevokedAt != 0 {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	ws, err := d.Workspace(ctx, ref.Workspace)
	if errors.Is(err, ErrNoWorkspace) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	grant := &Grant{Workspace: ws, Key: key.ID, KeyName: key.Name, Client: weir.ClientPublic, Origins: key.Origins}
	if key.Kind == SecretKey {
		grant.Client = weir.ClientServer
	}
	return grant, nil
}

// maxCached bounds each half of the cache, at about 200 bytes an entry.
const maxCached = 20_000

// keyCache remembers answers of the store. Known keys and unknown ones are kept
// apart, so that a flood of made-up keys cannot push out those that work.
type keyCache struct {
	maxAge         time.Duration
	mu             sync.RWMutex
	known, unknown map[[sha256.Size]byte]cached
	epoch          uint64 // counts forget: an answer asked for before is not remembered after
}

type cached struct {
	grant *Grant // nil: no such key
	asked time.Time
}

func (c *keyCache) init(maxAge time.Duration) {
	c.maxAge = maxAge
	c.known, c.unknown = map[[sha256.Size]byte]cached{}, map[[sha256.Size]byte]cached{}
}

// get is an answer, nil for a key known to be unknown or if there is none, when it was
// asked for, and whether it is not too old.
func (c *keyCache) get(sum [sha256.Size]byte, now time.Time) (grant *Grant, asked time.Time, fresh bool) {
	c.mu.RLock()
	e, found := c.known[sum]
	if !found {
		e, found = c.unknown[sum]
	}
	c.mu.RUnlock()
	return e.grant, e.asked, found && now.Sub(e.asked) < c.maxAge
}

// now is the epoch of an answer that is about to be asked for.
func (c *keyCache) now() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.epoch
}

// put remembers an answer. A half that is full is emptied: rare, cheap, and
// every entry can be had again from the store.
func (c *keyCache) put(sum [sha256.Size]byte, grant *Grant, asked time.Time, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	in, out := c.unknown, c.known
	if grant != nil {
		in, out = out, in
	}
	delete(out, sum)
	if len(in) >= maxCached {
		clear(in)
	}
	in[sum] = cached{grant, asked}
}

// forget drops the answer for a key that was just changed in this process.
func (c *keyCache) forget(hash string) {
	var sum [sha256.Size]byte
	if n, err := hex.Decode(sum[:], []byte(hash)); err != nil || n != len(sum) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	delete(c.known, sum)
	delete(c.unknown, sum)
}
