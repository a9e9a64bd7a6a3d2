package rabbitqueue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/weirhq/weir/queue"
)

// errSlow is why a publish gives up.
var errSlow = errors.New("time is up")

// publisher keeps a channel for publishing open.
type publisher struct {
	q *Queue

	mu      sync.Mutex
	session *session      // nil while there is none
	changed chan struct{} // closed when session changes
	lost    time.Time     // when the last one ended
	cause   error         // why
}

func newPublisher(q *Queue) *publisher {
	return &publisher{q: q, changed: make(chan struct{}), lost: time.Now(), cause: errors.New("not connected yet")}
}

func (p *publisher) run(ctx context.Context) {
	p.q.supervise(ctx, "publish", func(ctx context.Context, up func()) error {
		err := p.connect(ctx, up)
		p.set(nil, err)
		return err
	})
}

func (p *publisher) set(s *session, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session != nil && s == nil {
		p.lost = time.Now()
	}
	p.session, p.cause = s, cause
	close(p.changed)
	p.changed = make(chan struct{})
}

// connect publishes until the connection is lost or ctx ends, and says why.
func (p *publisher) connect(ctx context.Context, up func()) error {
	conn, err := p.q.dial(ctx, "publish")
	if err != nil {
		return err
	}
	defer conn.close()
	stop := context.AfterFunc(ctx, conn.cut) // all that was to be confirmed is, see Close
	defer stop()
	if err := p.q.topology.declare(conn); err != nil {
		return err
	}
	s, err := newSession(p.q, conn)
	if err != nil {
		return err
	}
	s.start()
	p.set(s, nil)
	up()
	select {
	case err, ok := <-s.connClosed:
		return s.end(closedBy(err, ok))
	case err, ok := <-s.chClosed:
		return s.end(closedBy(err, ok))
	case <-ctx.Done():
		return s.end(ctx.Err())
	}
}

// current waits for a session; not if the broker has been away for long already.
func (p *publisher) current(ctx context.Context) (*session, error) {
	for {
		p.mu.Lock()
		s, changed, cause, away := p.session, p.changed, p.cause, time.Since(p.lost)
		p.mu.Unlock()
		if s != nil {
			return s, s.refuses()
		}
		patience := p.q.opts.ConfirmTimeout - away
		if patience <= 0 {
			return nil, fmt.Errorf("no connection to the broker: %w", cause)
		}
		timer := time.NewTimer(patience)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for the broker: %w", context.Cause(ctx))
		}
		timer.Stop()
	}
}

// publish returns when all messages are confirmed, or with the first error.
func (p *publisher) publish(ctx context.Context, messages []message) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.q.opts.ConfirmTimeout, errSlow)
	defer cancel()
	s, err := p.current(ctx)
	if err != nil {
		return err
	}
	r := &request{ctx: ctx, messages: messages, sent: make(chan *amqp.DeferredConfirmation, len(messages))}
	select {
	case s.requests <- r:
	case <-s.over:
		return fmt.Errorf("connection to the broker is lost: %w", s.err)
	case <-ctx.Done():
		return s.late(ctx, "send to the broker")
	}
	if err := s.await(ctx, r); err != nil {
		return err
	}
	return s.unroutable(messages)
}

// session is a channel for publishing, with the goroutines that serve it.
type session struct {
	topology topology
	conn     *connection
	ch       *amqp.Channel
	requests chan *request
	window   chan struct{} // holds a token for each frame sent and not confirmed
	running  sync.WaitGroup

	background *sync.WaitGroup // the queue's; it is never empty while a call is running

	connClosed, chClosed chan *amqp.Error
	blocks               chan amqp.Blocking
	blocked              atomic.Pointer[string] // why the broker takes nothing; nil if it does

	returns  chan amqp.Return
	settled  chan chan struct{} // asks that what was returned be noted
	mu       sync.Mutex
	returned map[string]string // by message id, why

	over chan struct{} // closed when the session has ended
	err  error         // why; set before
}

// request is what one Append has to send.
type request struct {
	ctx      context.Context // of the caller; not to be sent if it has ended
	messages []message
	// sent gets the confirmations to wait for, and is closed when no more come;
	// err says why, if not all were sent.
	sent chan *amqp.DeferredConfirmation
	err  error
}

func newSession(q *Queue, conn *connection) (*session, error) {
	ch, err := conn.amqp.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("ask for confirms: %w", err)
	}
	return &session{
		topology: q.topology, conn: conn, ch: ch, requests: make(chan *request), background: &q.background,
		window:     make(chan struct{}, q.opts.Window),
		connClosed: conn.amqp.NotifyClose(make(chan *amqp.Error, 1)),
		chClosed:   ch.NotifyClose(make(chan *amqp.Error, 1)),
		blocks:     conn.amqp.NotifyBlocked(make(chan amqp.Blocking, 16)),
		returns:    ch.NotifyReturn(make(chan amqp.Return, q.opts.Window)),
		settled:    make(chan chan struct{}), returned: map[string]string{}, over: make(chan struct{}),
	}, nil
}

func (s *session) start() {
	s.running.Go(s.send)
	s.running.Go(s.noteReturns)
	s.running.Go(s.noteBlocks)
}

// end waits for all goroutines.
func (s *session) end(err error) error {
	s.err = err
	close(s.over)
	s.conn.close() // ends the notifications, and every confirmation waited for
	s.running.Wait()
	return err
}

// send is the only one that uses the channel.
func (s *session) send() {
	for {
		select {
		case r := <-s.requests:
			r.err = s.sendAll(r)
			close(r.sent)
		case <-s.over:
			return
		}
	}
}

func (s *session) sendAll(r *request) error {
	for _, m := range r.messages {
		select {
		case s.window <- struct{}{}:
		case <-r.ctx.Done():
			return s.late(r.ctx, "wait for earlier frames to be confirmed")
		case <-s.over:
			return fmt.Errorf("connection to the broker is lost: %w", s.err)
		}
		confirmation, err := s.ch.PublishWithDeferredConfirm(s.topology.prefix, key(m.partition), true, false, m.amqp)
		if err != nil {
			<-s.window
			return fmt.Errorf("%w: send to the broker: %w", ErrUnconfirmed, err)
		}
		r.sent <- confirmation
	}
	return nil
}

// await returns when all that was sent is confirmed, or ctx ends.
func (s *session) await(ctx context.Context, r *request) error {
	var failure error
	for {
		select {
		case confirmation, more := <-r.sent:
			if !more {
				return errors.Join(failure, r.err)
			}
			select {
			case <-confirmation.Done():
				<-s.window
			case <-ctx.Done():
				s.abandon(r, confirmation)
				return s.late(ctx, "wait for confirms")
			}
			if !confirmation.Acked() && failure == nil {
				failure = s.refused()
			}
		case <-ctx.Done():
			s.abandon(r, nil)
			return s.late(ctx, "wait for confirms")
		}
	}
}

// abandon frees the window when what was sent is confirmed after all, or the
// connection is lost.
func (s *session) abandon(r *request, confirmation *amqp.DeferredConfirmation) {
	s.background.Go(func() {
		for more := true; more; confirmation, more = <-r.sent {
			if confirmation != nil {
				<-confirmation.Done()
				<-s.window
			}
		}
	})
}

// refused is why a frame was not confirmed.
func (s *session) refused() error {
	if s.ch.IsClosed() || s.conn.amqp.IsClosed() {
		return fmt.Errorf("%w: connection is lost", ErrUnconfirmed)
	}
	return fmt.Errorf("%w: the broker refuses frames: their partition's backlog is at its limit, or its queue has lost its majority", queue.ErrFull)
}

// refuses says why nothing can be sent, if so.
func (s *session) refuses() error {
	if reason := s.blocked.Load(); reason != nil {
		return fmt.Errorf("%w: the broker takes no more (%s): free memory or disk there", queue.ErrFull, *reason)
	}
	return nil
}

// late is why a caller waits no longer.
func (s *session) late(ctx context.Context, what string) error {
	cause := context.Cause(ctx)
	if err := s.refuses(); err != nil && errors.Is(cause, errSlow) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrUnconfirmed, what, cause)
}

// noteReturns notes messages that no queue took. The broker returns a message
// before it confirms it.
func (s *session) noteReturns() {
	note := func(r amqp.Return) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.returned[r.MessageId] = fmt.Sprintf("%s (%d): queue %s.%s", r.ReplyText, r.ReplyCode, s.topology.prefix, r.RoutingKey)
	}
	for returns := s.returns; ; {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil // the connection is closed
				continue
			}
			note(r)
		case done := <-s.settled:
			for range len(returns) {
				if r, ok := <-returns; ok {
					note(r)
				}
			}
			close(done)
		case <-s.over:
			return
		}
	}
}

// unroutable says whether one of the messages, all of them confirmed, was
// returned.
func (s *session) unroutable(messages []message) error {
	done := make(chan struct{})
	select {
	case s.settled <- done:
		<-done
	case <-s.over:
		return fmt.Errorf("%w: connection is lost", ErrUnconfirmed)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, m := range messages {
		if why, ok := s.returned[m.amqp.MessageId]; ok {
			delete(s.returned, m.amqp.MessageId)
			err = fmt.Errorf("broker has no queue for a frame: %s is missing; start this program anew to declare it", why)
		}
	}
	return err
}

func (s *session) noteBlocks() {
	for b := range s.blocks {
		if b.Active {
			s.blocked.Store(&b.Reason)
		} else {
			s.blocked.Store(nil)
		}
	}
}
