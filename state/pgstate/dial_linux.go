package pgstate

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// giveUp bounds how long what was sent may go unacknowledged: a connection to a
// machine that has vanished would wait for a quarter of an hour.
func giveUp(network, _ string, c syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadPeer.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
