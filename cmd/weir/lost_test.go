package main

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
)

// workOff lists a workspace as lost and calls rebuild, with the number of the
// call, until an hour has passed in which nothing happened.
func workOff(t *testing.T, rebuild func(l *lost, n int) error) (rebuilds int) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, err := openLost(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.add("acme"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.work(ctx, func(weir.WorkspaceID) error {
				rebuilds++
				return rebuild(l, rebuilds)
			})
		}()
		time.Sleep(time.Hour) // of the bubble's clock
		cancel()
		<-done
	})
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("still listed: %v, %v", entries, err)
	}
	return rebuilds
}

// A workspace that is lost once more while it is being derived is derived again.
func TestLossDuringARebuildIsNotForgotten(t *testing.T) {
	n := workOff(t, func(l *lost, n int) error {
		if n == 1 {
			return l.add("acme") // a question met new damage
		}
		return nil
	})
	if n != 2 {
		t.Errorf("%d rebuilds, want 2", n)
	}
}

// A rebuild that failed, as on a full disk, needs no restart to be tried again.
func TestFailedRebuildIsTriedAgain(t *testing.T) {
	n := workOff(t, func(_ *lost, n int) error {
		if n < 3 {
			return errors.New("disk full")
		}
		return nil
	})
	if n != 3 {
		t.Errorf("%d rebuilds, want 3", n)
	}
}

// A connection that says nothing, as browsers open in advance, and one that
// never ends its request do not make the end of the program a failure.
func TestSilentConnectionsDoNotSpoilTheEnd(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.start()
	for _, text := range []string{"", "POST /v1/items?key=" + testWriteKey + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"} {
		connection := s.dial()
		defer connection.Close()
		if _, err := connection.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	if err := s.stop(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
}
