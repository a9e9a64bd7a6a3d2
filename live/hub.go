package live

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/weirhq/weir"
)

// buffered is how many messages a subscriber may lag behind before it loses
// the oldest: a second or two of a busy workspace.
const buffered = 256

// Hub passes messages from the workers of this process to its listeners. All
// methods may be called concurrently. Publishing never waits for a listener.
type Hub struct {
	mu          sync.RWMutex
	subscribers map[weir.WorkspaceID]map[*Subscription]struct{}
	waiters     map[string]*Waiter // by receipt
}

// NewHub is a hub without listeners.
func NewHub() *Hub {
	return &Hub{
		subscribers: map[weir.WorkspaceID]map[*Subscription]struct{}{},
		waiters:     map[string]*Waiter{},
	}
}

// Subscription is one listener to a workspace. Its owner reads C and ends it
// with Close.
type Subscription struct {
	C    <-chan Message
	c    chan Message
	lost atomic.Int64
	hub  *Hub
	ws   weir.WorkspaceID
}

// Subscribe listens to a workspace from now on.
func (h *Hub) Subscribe(ws weir.WorkspaceID) *Subscription {
	c := make(chan Message, buffered)
	s := &Subscription{C: c, c: c, hub: h, ws: ws}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subscribers[ws] == nil {
		h.subscribers[ws] = map[*Subscription]struct{}{}
	}
	h.subscribers[ws][s] = struct{}{}
	return s
}

// Lost counts the messages that were dropped because C was full, and starts
// the count anew.
func (s *Subscription) Lost() int64 { return s.lost.Swap(0) }

// Close ends the subscription. C is not closed: a message may be on its way.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subscribers[s.ws], s)
	if len(s.hub.subscribers[s.ws]) == 0 {
		delete(s.hub.subscribers, s.ws)
	}
}

// Listened reports whether anybody would get a message of the workspace.
func (h *Hub) Listened(ws weir.WorkspaceID) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.subscribers[ws]) > 0 || len(h.waiters) > 0
}

// Publish gives the messages to the listeners of their workspaces, and to those
// who wait for their receipts.
func (h *Hub) Publish(messages []Message) {
	h.show(messages)
	h.mu.RLock()
	defer h.mu.RUnlock()
	if len(h.waiters) == 0 {
		return
	}
	for _, m := range messages {
		if w := h.waiters[m.Outcome.Receipt]; w != nil {
			w.add(m.Outcome)
		}
	}
}

// show gives the messages to the listeners of their workspaces.
func (h *Hub) show(messages []Message) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if len(h.subscribers) == 0 {
		return
	}
	for _, m := range messages {
		for s := range h.subscribers[m.Workspace] {
			s.offer(m)
		}
	}
}

// answer gives outcomes to those who wait for their receipts.
func (h *Hub) answer(outcomes []weir.Outcome) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, o := range outcomes {
		if w := h.waiters[o.Receipt]; w != nil {
			w.add(o)
		}
	}
}

// listened are the workspaces that have listeners, and the receipts that somebody waits
// for, with their workspaces.
func (h *Hub) listened() (workspaces map[weir.WorkspaceID]bool, receipts map[string]weir.WorkspaceID) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	workspaces, receipts = map[weir.WorkspaceID]bool{}, map[string]weir.WorkspaceID{}
	for ws := range h.subscribers {
		workspaces[ws] = true
	}
	for receipt, w := range h.waiters {
		receipts[receipt] = w.ws
	}
	return workspaces, receipts
}

// offer makes room by dropping the oldest message: a live view is about now.
func (s *Subscription) offer(m Message) {
	for {
		select {
		case s.c <- m:
			return
		default:
		}
		select {
		case <-s.c:
			s.lost.Add(1)
		default:
		}
	}
}

// Waiter collects the outcomes of one request.
type Waiter struct {
	hub     *Hub
	ws      weir.WorkspaceID
	receipt string

	mu       sync.Mutex
	missing  int
	outcomes []weir.Outcome
	done     chan struct{}
}

// Await collects the outcomes of a request of n items to a workspace. It is called before the
// items are queued, so that none is missed, and ended with Cancel.
func (h *Hub) Await(ws weir.WorkspaceID, receipt string, n int) *Waiter {
	w := &Waiter{hub: h, ws: ws, receipt: receipt, missing: n, done: make(chan struct{})}
	if n == 0 {
		close(w.done)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiters[receipt] = w
	return w
}

func (w *Waiter) add(o weir.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, have := range w.outcomes {
		if have.Position == o.Position {
			return // delivered again after a crash
		}
	}
	if w.missing == 0 {
		return
	}
	w.outcomes = append(w.outcomes, o)
	if w.missing--; w.missing == 0 {
		close(w.done)
	}
}

// Wait returns when all outcomes are there, or with the error of ctx and those
// that came until then.
func (w *Waiter) Wait(ctx context.Context) ([]weir.Outcome, error) {
	var err error
	select {
	case <-w.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outcomes, err
}

// Cancel forgets the waiter.
func (w *Waiter) Cancel() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.hub.waiters, w.receipt)
}
