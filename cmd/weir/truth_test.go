package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/pipeline/storytest"
)

// dumped is the truth of the test's workspace, as `weir dump` writes it.
func dumped(t *testing.T, data string) string {
	t.Helper()
	out, code := runProgram(t, nil, "dump", "--data", data, "--workspace", testWorkspace)
	if code != exitOK {
		t.Fatalf("dump: code %d, %s", code, out)
	}
	return out
}

// The demo's shop, with two of its people merged by mistake and parted again, is
// dumped alike by the server that took it in and by a rebuild; a server whose
// settings change afterwards has the truth that they would have made.
func TestRebuildOfTheDemoIsEqual(t *testing.T) {
	data := t.TempDir()
	s := newServer(t, data)
	s.start()
	if out, code := runProgram(t, nil, "demo", "--url", s.url, "--key", testSecretKey, "--workspace", testWorkspace, "--days", "3", "--history-only"); code != exitOK {
		t.Fatalf("demo: code %d, %s", code, out)
	}
	s.caughtUp()
	running, code := runProgram(t, nil, "dump", "--url", s.url, "--key", testSecretKey, "--workspace", testWorkspace)
	if code != exitOK {
		t.Fatalf("dump of the running server: code %d, %s", code, running)
	}
	s.stopped()
	before := dumped(t, data)
	if running != before {
		t.Error("the running server dumps something else")
	}
	for _, kind := range []string{`{"user":`, `{"identity":`, `{"session":`, `{"conversion":`, `{"attribution":`, `{"event":`} {
		if !strings.Contains(before, "\n"+kind) && !strings.HasPrefix(before, kind) {
			t.Errorf("the dump has no line that begins with %s", kind)
		}
	}

	s.start()
	base := "/api/v1/workspaces/" + testWorkspace
	var people struct{ Users []struct{ ID string } }
	if _, err := s.call("GET", base+"/users?limit=2", nil, &people); err != nil {
		t.Fatal(err)
	}
	var merged struct{ Edge string }
	if _, err := s.call("POST", base+"/identities/merge", map[string]string{"from": people.Users[0].ID, "to": people.Users[1].ID}, &merged); err != nil {
		t.Fatal(err)
	}
	if merged.Edge == "" {
		t.Fatal("the answer names no edge")
	}
	s.stopped()
	if dumped(t, data) == before {
		t.Error("the merge changed nothing")
	}
	s.start()
	if _, err := s.call("POST", base+"/identities/"+merged.Edge+"/retract", map[string]string{}, nil); err != nil {
		t.Fatal(err)
	}
	s.stopped()
	if got := dumped(t, data); got != before {
		t.Error("a merge that was taken back left a trace")
	}

	if out, code := runProgram(t, nil, "rebuild", "--verify", "--data", data); code != exitOK || !strings.Contains(out, "Workspace "+testWorkspace+": equal.") {
		t.Fatalf("verify: code %d, %s", code, out)
	}
	if out, code := runProgram(t, nil, "rebuild", "--data", data); code != exitOK || !strings.Contains(out, "What was there before is in") {
		t.Fatalf("rebuild: code %d, %s", code, out)
	}
	if dumped(t, data) != before {
		t.Error("the rebuild has another truth")
	}
	s.start()
	if n, err := s.total("order", "total"); err != nil || n == 0 {
		t.Errorf("%d orders after the rebuild, %v", n, err)
	}
}

// The same holds for a history that is full of what goes wrong.
func TestRebuildOfAMadeUpHistoryIsEqual(t *testing.T) {
	data := t.TempDir()
	s := newServer(t, data)
	s.start()
	stories := rapid.Custom(storytest.Draw)
	for seed := range 60 {
		for _, i := range stories.Example(seed).Items {
			if !json.Valid([]byte(i.Raw)) {
				continue // it would spoil the request, not the item
			}
			key := testWriteKey
			if i.Client == weir.ClientServer {
				key = testSecretKey
			}
			body := fmt.Sprintf(`{"items":[%s]}`, i.Raw)
			if i.SentAt != 0 {
				body = fmt.Sprintf(`{"items":[%s],"context":{"data_sent_at":%q}}`, i.Raw, weir.MicrosOf(time.Now())+i.SentAt-i.Received)
			}
			s.post(key, body)
		}
	}
	s.caughtUp()
	s.stopped()
	if out, code := runProgram(t, nil, "rebuild", "--verify", "--data", data); code != exitOK || !strings.Contains(out, "equal") {
		t.Fatalf("verify: code %d, %s", code, out)
	}
	if lines := strings.Count(dumped(t, data), "\n"); lines < 50 {
		t.Errorf("the history has only %d lines", lines)
	}
}

// post sends items with a key; they are taken, whatever their verdicts.
func (s *serverProcess) post(key, body string) {
	s.t.Helper()
	if err := s.send(key, body); err != nil {
		s.t.Fatal(err)
	}
}

// send is post for goroutines.
func (s *serverProcess) send(key, body string) error {
	request, err := http.NewRequest(http.MethodPost, s.url+"/v1/items", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s for %s", response.Status, body)
	}
	return nil
}

// A store that is not what the archive says is found, and named.
func TestVerifyFindsADifference(t *testing.T) {
	data := t.TempDir()
	s := newServer(t, data)
	s.start()
	n := newNumbered(s, 1)
	n.batches(t, 2)
	n.verify(t)
	s.stopped()
	derivedBefore := filepath.Join(t.TempDir(), "derived")
	if err := os.CopyFS(derivedBefore, os.DirFS(filepath.Join(data, "derived"))); err != nil {
		t.Fatal(err)
	}
	s.start()
	const item = `{"items":[{"kind":"pageview","pageview":{"external_id":"unknown to the old","created_at":"2026-10-01T12:00:00Z","page_id":"/"},"user":{"external_id":"u"}}]}`
	if _, err := s.call("POST", "/v1/items?wait=1", item, nil); err != nil {
		t.Fatal(err)
	}
	s.stopped()
	if err := os.RemoveAll(filepath.Join(data, "derived")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(data, "derived"), os.DirFS(derivedBefore)); err != nil {
		t.Fatal(err)
	}
	out, code := runProgram(t, nil, "rebuild", "--verify", "--data", data)
	if code != exitFailure || !strings.Contains(out, "differs") || !strings.Contains(out, "+ {") {
		t.Errorf("code %d, %s", code, out)
	}
	if _, err := os.Stat(filepath.Join(data, "rebuilt")); !os.IsNotExist(err) {
		t.Errorf("--verify left something behind: %v", err)
	}
}

func (s *serverProcess) stopped() {
	s.t.Helper()
	if err := s.stop(); err != nil {
		s.t.Fatal(err)
	}
}

// caughtUp waits until the pipeline has worked off the queue.
func (s *serverProcess) caughtUp() {
	s.t.Helper()
	s.eventually(time.Minute, "the queue is empty", func() error {
		var usage struct {
			Lag float64 `json:"queue_lag"`
		}
		if _, err := s.call("GET", "/api/v1/workspaces/"+testWorkspace+"/usage", nil, &usage); err != nil {
			return err
		}
		if usage.Lag != 0 {
			return fmt.Errorf("%v items wait", usage.Lag)
		}
		return nil
	})
}
