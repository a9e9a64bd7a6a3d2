package rabbitqueue_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between a queue and the broker, and can cut connections, let what
// is sent vanish, and put in words of the broker's.
type proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu      sync.Mutex
	pairs   map[*pair]bool
	refuses bool          // takes no connections
	open    chan struct{} // closed while bytes pass
}

// pair is one connection, in two halves.
type pair struct{ client, broker net.Conn }

func newProxy(t testing.TB) *proxy {
	t.Helper()
	u, err := url.Parse(rabbitURL())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: u.Host, pairs: map[*pair]bool{}, open: make(chan struct{})}
	close(p.open)
	p.running.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.restore()
		p.cut()
		p.running.Wait()
	})
	return p
}

// url is the broker's address by way of the proxy.
func (p *proxy) url() string {
	u, _ := url.Parse(rabbitURL()) // newProxy has parsed it
	u.Host = p.listener.Addr().String()
	return u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refuses := p.refuses
		p.mu.Unlock()
		broker, err := net.Dial("tcp", p.target)
		if err != nil || refuses {
			client.Close()
			if err == nil {
				broker.Close()
			}
			continue
		}
		c := &pair{client, broker}
		p.mu.Lock()
		p.pairs[c] = true
		p.mu.Unlock()
		p.running.Go(func() { p.carry(c, broker, client) })
		p.running.Go(func() { p.carry(c, client, broker) })
	}
}

// carry copies one way until an end of the pair is closed.
func (p *proxy) carry(c *pair, to io.Writer, from io.Reader) {
	defer func() {
		c.client.Close()
		c.broker.Close()
		p.mu.Lock()
		delete(p.pairs, c)
		p.mu.Unlock()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.client.Close()
		c.broker.Close()
	}
	clear(p.pairs)
}

// refuse takes no new connections and cuts those there are.
func (p *proxy) refuse() {
	p.mu.Lock()
	p.refuses = true
	p.mu.Unlock()
	p.cut()
}

// blackhole keeps all connections and lets nothing pass.
func (p *proxy) blackhole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// restore lets all pass again, also what was held back.
func (p *proxy) restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = false
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// say sends bytes to all clients as if the broker did. Nothing else may be on its
// way.
func (p *proxy) say(t testing.TB, bytes []byte) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		if _, err := c.client.Write(bytes); err != nil {
			t.Errorf("proxy: %v", err)
		}
	}
}
