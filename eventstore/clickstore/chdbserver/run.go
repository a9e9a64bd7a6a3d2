package chdbserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Run serves a folder on a free port of the loopback interface. It writes the address as
// the first line of out, and ends when in does: when the process that started it is gone.
func Run(library, folder string, in io.Reader, out io.Writer) error {
	s, err := Open(library, folder)
	if err != nil {
		return err
	}
	defer s.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, in)
		ended <- errors.Join(err, server.Shutdown(context.Background()))
	}()
	if _, err := fmt.Fprintf(out, "http://default@%s\n", listener.Addr()); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
