package workspace

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	// perMinute is how often the password of one account may be tried.
	perMinute = 5
	// maxLimited bounds the limiter's memory, to some megabytes. It takes more
	// wrong passwords in a minute than a machine can hash to get there.
	maxLimited = 100_000
)

// limiter lets an account try its password in a burst of perMinute, and then
// once each time that one of them has been earned back. It remembers one instant
// per account: when all its tries will be earned back.
type limiter struct {
	mu    sync.Mutex
	seed  maphash.Seed
	full  map[uint64]time.Time // by hash of the account; past ones mean nothing
	burst time.Duration        // all tries
	each  time.Duration        // one try
}

func (l *limiter) init(perMinute int) {
	l.seed = maphash.MakeSeed()
	l.full = map[uint64]time.Time{}
	l.burst = time.Minute
	l.each = time.Minute / time.Duration(perMinute)
}

// allow takes one try, if there is one.
func (l *limiter) allow(account string, now time.Time) bool {
	key := maphash.String(l.seed, account)
	l.mu.Lock()
	defer l.mu.Unlock()
	full, known := l.full[key]
	if !known && len(l.full) >= maxLimited && !l.sweep(now) {
		return false
	}
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.each)
	if full.Sub(now) > l.burst {
		return false
	}
	l.full[key] = full
	return true
}

// reset gives all tries back.
func (l *limiter) reset(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.full, maphash.String(l.seed, account))
}

// sweep forgets accounts that have all their tries, and reports whether there
// is room now.
func (l *limiter) sweep(now time.Time) bool {
	for key, full := range l.full {
		if !full.After(now) {
			delete(l.full, key)
		}
	}
	return len(l.full) < maxLimited
}
