package dashboard

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/weirhq/weir"
)

// gate bounds how much of something a workspace may have going on at once. Who
// finds it full waits a little: an application that opens asks several questions
// at the same moment.
type gate struct {
	limit    int
	patience time.Duration // 0: nobody waits

	mu    sync.Mutex
	rooms map[weir.WorkspaceID]*room
}

type room struct {
	places chan struct{} // one token for each that is in
	users  int           // in or waiting; guarded by the gate's mu
}

// crowd is how many may wait for a place, for each who is in.
const crowd = 4

func newGate(limit int, patience time.Duration) *gate {
	return &gate{limit: limit, patience: patience, rooms: map[weir.WorkspaceID]*room{}}
}

// enter reports whether there is room; leave must then be called, once.
func (g *gate) enter(ctx context.Context, ws weir.WorkspaceID) (leave func(), ok bool) {
	r, ok := g.join(ws)
	if !ok {
		return nil, false
	}
	leave = func() {
		<-r.places
		g.part(ws, r)
	}
	select {
	case r.places <- struct{}{}:
		return leave, true
	default:
	}
	timer := time.NewTimer(g.patience)
	defer timer.Stop()
	select {
	case r.places <- struct{}{}:
		return leave, true
	case <-timer.C:
	case <-ctx.Done():
	}
	g.part(ws, r)
	return nil, false
}

func (g *gate) join(ws weir.WorkspaceID) (*room, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.rooms[ws]
	if r == nil {
		r = &room{places: make(chan struct{}, g.limit)}
		g.rooms[ws] = r
	}
	if r.users >= g.limit*(1+crowd) {
		return nil, false
	}
	r.users++
	return r, true
}

func (g *gate) part(ws weir.WorkspaceID, r *room) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.users--; r.users == 0 {
		delete(g.rooms, ws)
	}
}

const (
	attemptsPerMinute = 20
	// attemptsKept bounds memory. Addresses beyond it are let through for the
	// rest of the minute: the limit per account still holds for them.
	attemptsKept = 100_000
)

// attempts counts the tries to sign in of an address in the present minute.
type attempts struct {
	now func() time.Time

	mu     sync.Mutex
	minute int64
	count  map[netip.Prefix]int
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, count: map[netip.Prefix]int{}}
}

// allow counts a try of an address ("host" or "host:port"), and reports how long
// to wait if it is one too many.
func (a *attempts) allow(address string) (wait time.Duration, ok bool) {
	network := networkOf(address)
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if minute := now.Unix() / 60; minute != a.minute {
		a.minute = minute
		a.count = map[netip.Prefix]int{}
	}
	n, known := a.count[network]
	if !known && len(a.count) >= attemptsKept {
		return 0, true
	}
	if n >= attemptsPerMinute {
		return time.Duration(60-now.Unix()%60) * time.Second, false
	}
	a.count[network] = n + 1
	return 0, true
}

// networkOf is what one customer of a provider has: an IPv4 address or an IPv6
// /64. What cannot be read shares one place.
func networkOf(address string) netip.Prefix {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
