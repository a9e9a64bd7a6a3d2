package workspace

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/weirhq/weir"
)

// Options of a Directory. Nil and zero values mean the defaults.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger gets what an operator should know of; nil discards it. No key,
	// password or token is ever logged.
	Logger *slog.Logger
	// CacheFor is how long keys and settings are remembered: how long a revoked
	// key works on, a new one is unknown and a change of settings is not seen, in
	// other processes. In this process all take effect at once. Default 2 s.
	CacheFor time.Duration
	// StaleFor is how long keys and settings that are remembered go on working while the
	// store does not answer: intake does not stop when it does. Default 15 min; negative:
	// not at all.
	StaleFor time.Duration
}

// Directory answers who may do what, and changes it. All methods may be called
// concurrently.
type Directory struct {
	store Store
	now   func() time.Time
	log   *slog.Logger

	staleFor time.Duration
	failing  atomic.Int64 // until when the store is not waited for, if there is a stale answer, unix ns

	keys    keyCache
	loading singleflight.Group // key look-ups under way, by hash

	settings settingsCache
	reading  singleflight.Group // settings being read, by workspace

	hashing chan struct{} // one slot for each password being hashed
	limiter limiter
	decoy   string       // hash that the password of an unknown account is compared with
	peopled atomic.Bool  // an account was seen: there is no first run any more
	swept   atomic.Int64 // when expired sessions were last removed, unix ns
}

// New is a directory of what the store holds.
func New(store Store, options *Options) *Directory {
	var o Options
	if options != nil {
		o = *options
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheFor == 0 {
		o.CacheFor = 2 * time.Second
	}
	if o.StaleFor == 0 {
		o.StaleFor = 15 * time.Minute
	}
	d := &Directory{
		staleFor: o.StaleFor,

		store:   store,
		now:     o.Now,
		log:     o.Logger,
		hashing: make(chan struct{}, runtime.NumCPU()),
		decoy:   decoyHash(),
	}
	d.keys.init(o.CacheFor)
	d.settings.init(o.CacheFor)
	d.limiter.init(perMinute)
	return d
}

func (d *Directory) instant() weir.Micros { return weir.MicrosOf(d.now()) }

// What is asked of a store that may be away while there is a stale answer: it is waited
// for a little, and after a failure not at all for a while.
const (
	stalePatience = 500 * time.Millisecond
	stalePause    = time.Second
)

// orStale asks the store, or takes what is remembered from asked on, if there is any and
// the store does not answer.
func orStale[T any](ctx context.Context, d *Directory, remembered *T, asked time.Time, ask func(context.Context) (*T, error)) (*T, error) {
	now := d.now()
	if remembered == nil || now.Sub(asked) >= d.staleFor {
		return ask(ctx)
	}
	if now.UnixNano() < d.failing.Load() {
		return remembered, nil
	}
	soon, cancel := context.WithTimeout(ctx, stalePatience)
	defer cancel()
	answer, err := ask(soon)
	if err == nil {
		return answer, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	if d.failing.Swap(now.Add(stalePause).UnixNano()) < now.Add(-time.Minute).UnixNano() {
		d.log.Warn("the control plane does not answer; what is remembered of keys and settings goes on", "error", err)
	}
	return remembered, nil
}

// randomBytes cannot fail: crypto/rand ends the program if the kernel has no
// randomness.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// hashText is what is stored of a secret that has enough randomness of its own.
func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
