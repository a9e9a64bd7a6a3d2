package collector

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
	"github.com/weirhq/weir/queue"
)

// failure is the answer to a request of which nothing was stored.
type failure struct {
	status  int
	code    string
	message string
	retry   time.Duration // when to try again; 0 = not said
}

// How long senders are asked to wait. Memory is free again as soon as a group
// is stored; a full queue needs the workers, or somebody who frees a disk.
const (
	retrySoon  = time.Second
	retryLater = 5 * time.Second
)

var (
	errBusy = &failure{http.StatusServiceUnavailable, "busy", "More is being received than memory allows for. Try again soon.", retrySoon}
	// errGone is written for nobody: the client has left before its request was
	// read.
	errGone = &failure{http.StatusServiceUnavailable, "gone", "The request ended early.", retrySoon}
)

func tooLarge(format string, args ...any) *failure {
	return &failure{status: http.StatusRequestEntityTooLarge, code: "too_large", message: fmt.Sprintf(format, args...)}
}

// unreadable is the failure of a body that an adapter could not read.
func unreadable(err error) *failure {
	f := &failure{status: http.StatusBadRequest, code: "invalid_body", message: err.Error()}
	if said := (*weir.Error)(nil); errors.As(err, &said) {
		f.code, f.message = said.Code, said.Message
	}
	if errors.Is(err, protocol.ErrTooMany) {
		f.status = http.StatusRequestEntityTooLarge
	}
	return f
}

// unstored is the failure of items that the queue did not take. What went wrong
// is for the log: a sender can do nothing but try again.
func unstored(err error) *failure {
	switch {
	case errors.Is(err, queue.ErrFull):
		return &failure{http.StatusServiceUnavailable, "queue_full", "Items arrive faster than they are processed. Try again later.", retryLater}
	case errors.Is(err, queue.ErrClosed):
		return &failure{http.StatusServiceUnavailable, "closing", "This server is shutting down. Try again.", retrySoon}
	}
	return &failure{http.StatusServiceUnavailable, "not_stored", "The items could not be stored. Try again later.", retryLater}
}

// write answers with the failure. The status stands in the body too: there are
// senders that look only there.
func (f *failure) write(w http.ResponseWriter) {
	if f.retry > 0 {
		seconds := (f.retry + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	body := append(make([]byte, 0, 256), `{"code":`...)
	body = strconv.AppendInt(body, int64(f.status), 10)
	body = appendText(append(body, `,"error":`...), f.code)
	body = appendText(append(body, `,"message":`...), f.message)
	writeJSON(w, f.status, append(body, "}\n"...))
}
