package collector_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/collector"
)

// serve runs a real server with short timeouts and returns its address.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := collector.NewServer(handler)
	server.ReadHeaderTimeout, server.ReadTimeout = 50*time.Millisecond, 100*time.Millisecond
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return listener.Addr().String()
}

// TestSlowAndHostileClients sends a beginning and waits: the server must end
// the connection by itself.
func TestSlowAndHostileClients(t *testing.T) {
	c, q := setup(t, nil)
	address := serve(t, c)
	const post = "POST /v1/items?key=wk_web HTTP/1.1\r\nHost: a\r\n"
	for name, s := range map[string]struct{ send, want string }{
		"no header":     {"", ""},
		"half a header": {"POST /v1/items HTT", ""},
		"half a body":   {post + "Content-Length: 100\r\n\r\n{\"items\":[", "HTTP/1.1 408"},
		"huge header":   {post + "X: " + strings.Repeat("x", 30<<10) + "\r\n\r\n", "HTTP/1.1 431"},
		"two lengths":   {post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "HTTP/1.1 400"},
		"bad chunk":     {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, s.send); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatal("the server keeps the connection")
			}
			if !bytes.HasPrefix(answer, []byte(s.want)) {
				t.Errorf("answer %.200q", answer)
			}
		})
	}
	if len(q.records()) > 0 {
		t.Error("something was stored")
	}
}

func TestServerHasTimeouts(t *testing.T) {
	s := collector.NewServer(http.NotFoundHandler())
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 15*time.Second || s.WriteTimeout != 30*time.Second || s.IdleTimeout != time.Minute || s.MaxHeaderBytes != 16<<10 {
		t.Errorf("%+v", s)
	}
}
