package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

// importVerdict is why an item of a request was rejected.
type importVerdict struct {
	Index int `json:"index"`
	weir.Rejection
}

// importSender posts items to a server. It is safe for concurrent use.
type importSender struct {
	url, key string
	client   *http.Client
	answered atomic.Bool            // the server has taken something
	waits    atomic.Pointer[string] // why it does not now
}

// importPatience is how long a request is tried again that the server does not
// take.
const (
	importPatience = 5 * time.Minute
	importMaxWait  = 30 * time.Second
)

// errTooLarge is of a request that has more than the server takes.
var errTooLarge = errors.New("the server takes no request of this size")

// send posts items until the server has stored them, and returns which of them
// it has rejected. Requests that are too large for it are halved.
func (s *importSender) send(ctx context.Context, items [][]byte) ([]importVerdict, error) {
	if len(items) == 0 {
		return nil, nil
	}
	verdicts, err := s.persist(ctx, items)
	if !errors.Is(err, errTooLarge) {
		return verdicts, err
	}
	if len(items) == 1 {
		return []importVerdict{{0, weir.Rejection{Code: "too_large", Message: "The item is larger than a request of this server may be."}}}, nil
	}
	half := len(items) / 2
	first, err := s.send(ctx, items[:half])
	if err != nil {
		return nil, err
	}
	second, err := s.send(ctx, items[half:])
	for _, v := range second {
		v.Index += half
		first = append(first, v)
	}
	return first, err
}

// persist posts items again and again while that may help.
func (s *importSender) persist(ctx context.Context, items [][]byte) ([]importVerdict, error) {
	body := slices.Concat([]byte(`{"items":[`), bytes.Join(items, []byte{','}), []byte(`]}`))
	begun := time.Now()
	for try := 0; ; try++ {
		verdicts, wait, err := s.post(ctx, body, len(items))
		if err == nil {
			s.answered.Store(true)
			s.waits.Store(nil)
			return verdicts, nil
		}
		if wait == 0 || ctx.Err() != nil || time.Since(begun) > importPatience {
			return nil, err
		}
		reason := err.Error()
		s.waits.Store(&reason)
		timer := time.NewTimer(max(wait, min(time.Second<<min(try, 5)/2, importMaxWait)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// post sends once. A wait says that the same may go through later.
func (s *importSender) post(ctx context.Context, body []byte, items int) (verdicts []importVerdict, wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/items?lane=history", bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("send items: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	request.Header.Set("Content-Type", "application/json")
	again := time.Duration(0)
	if s.answered.Load() {
		again = time.Millisecond // it was there: it may come back
	}
	response, err := s.client.Do(request)
	if err != nil {
		if again == 0 {
			err = fmt.Errorf("%w; is the server running? --url says where", err)
		}
		return nil, again, fmt.Errorf("send items: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return nil, time.Millisecond, fmt.Errorf("read the server's answer: %w", err)
	}
	switch status := response.StatusCode; {
	case status == http.StatusOK:
		return readVerdicts(text, items)
	case status == http.StatusRequestEntityTooLarge:
		return nil, 0, errTooLarge
	case status == http.StatusTooManyRequests || status >= 500:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return nil, max(time.Duration(seconds)*time.Second, time.Millisecond), fmt.Errorf("the server answers %s: %s", response.Status, reasonIn(text))
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return nil, 0, fmt.Errorf("the server does not take the key: %s; give a secret key of the workspace with --key", reasonIn(text))
	}
	return nil, 0, fmt.Errorf("the server answers %s: %s", response.Status, reasonIn(text))
}

func readVerdicts(text []byte, items int) ([]importVerdict, time.Duration, error) {
	var answer struct {
		Accepted int             `json:"accepted"`
		Rejected []importVerdict `json:"rejected"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, 0, fmt.Errorf("read the server's answer: %w; is it Weir?", err)
	}
	if answer.Accepted+len(answer.Rejected) != items || slices.ContainsFunc(answer.Rejected, func(v importVerdict) bool { return v.Index < 0 || v.Index >= items }) {
		return nil, 0, fmt.Errorf("the server speaks of %d accepted and %d rejected items where %d were sent; is it Weir?", answer.Accepted, len(answer.Rejected), items)
	}
	return answer.Rejected, 0, nil
}

// reasonIn is what an answer says for people.
func reasonIn(text []byte) string {
	var answer struct{ Message string }
	if err := json.Unmarshal(text, &answer); err == nil && answer.Message != "" {
		return strings.TrimSuffix(answer.Message, ".")
	}
	return strings.TrimSpace(string(text[:min(len(text), 200)]))
}
