package rabbitqueue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// closePatience is how long a broker may take to say goodbye.
const closePatience = 2 * time.Second

// connection is one connection to a broker, with the means to cut it.
type connection struct {
	amqp *amqp.Connection
	raw  net.Conn
}

// dial connects to one of the nodes, beginning with any.
func (q *Queue) dial(ctx context.Context, purpose string) (*connection, error) {
	var errs []error
	first := rand.IntN(len(q.urls))
	for i := range q.urls {
		conn, err := q.dialNode(ctx, q.urls[(first+i)%len(q.urls)], purpose)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("connect to the broker: %w", errors.Join(errs...))
}

func (q *Queue) dialNode(ctx context.Context, url, purpose string) (*connection, error) {
	conn := &connection{}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("weir " + q.opts.Prefix + " " + purpose)
	ctx, cancel := context.WithTimeout(ctx, q.opts.DialTimeout)
	defer cancel()
	var stop func() bool
	var err error
	conn.amqp, err = amqp.DialConfig(url, amqp.Config{
		Heartbeat: q.opts.Heartbeat, TLSClientConfig: q.opts.TLS, Properties: properties, Locale: "en_US",
		Dial: func(network, address string) (net.Conn, error) {
			raw, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			conn.raw = raw
			// Cut the handshake when the time is over.
			stop = context.AfterFunc(ctx, func() { raw.Close() })
			return raw, nil
		},
	})
	if stop != nil && !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if conn.raw != nil {
			conn.raw.Close()
		}
		return nil, err
	}
	return conn, nil
}

// cut ends the connection without a word.
func (c *connection) cut() { c.raw.Close() }

// close ends the connection, if need be by cutting it. It may be called again.
func (c *connection) close() {
	timer := time.AfterFunc(closePatience, c.cut)
	defer timer.Stop()
	_ = c.amqp.Close() // it is gone, one way or the other
	c.cut()
}

// supervise connects again and again until ctx ends. connect calls up once it is
// connected, and returns why it is no more.
func (q *Queue) supervise(ctx context.Context, purpose string, connect func(ctx context.Context, up func()) error) {
	const least, most = 200 * time.Millisecond, 10 * time.Second
	wait := least
	out := false // said that it is lost
	for {
		err := connect(ctx, func() {
			if out {
				q.log.Info("connected to the broker again", "purpose", purpose)
			}
			out = false
			wait = least
		})
		if ctx.Err() != nil {
			return
		}
		q.metrics.lost.Inc()
		if !out {
			out = true
			q.log.Warn("no connection to the broker, trying again", "purpose", purpose, "error", err)
		}
		timer := time.NewTimer(least + rand.N(wait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		wait = min(2*wait, most-least)
	}
}

// closedBy is why a connection or channel is closed.
func closedBy(err *amqp.Error, ok bool) error {
	if !ok || err == nil {
		return errors.New("connection is closed")
	}
	return fmt.Errorf("broker: %w", err)
}

// lost is why no more deliveries come.
func lost(closed chan *amqp.Error, from string) error {
	select {
	case err, ok := <-closed:
		return closedBy(err, ok)
	default:
		return fmt.Errorf("broker delivers no more from %s", from)
	}
}

// code is the reply code of an error of the broker's, 0 if it is none.
func code(err error) int {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}
