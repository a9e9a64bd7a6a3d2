package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weirhq/weir/eventstore/clickstore/clicktest"
)

// asWeir makes the test binary run as the program itself, in a process of its
// own that can be killed.
const asWeir = "WEIR_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asWeir) != "":
		program()
	case !clicktest.Serve():
		testscript.Main(clicktest.Tests{M: m}, map[string]func(){"weir": program})
	}
}

func program() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const (
	testWorkspace = "acme_test"
	testWriteKey  = "wk_test"
	testSecretKey = "sk_test"
)

// program under test, with its data in a directory that outlives it.
type serverProcess struct {
	t       testing.TB
	name    string // in messages
	addr    string
	url     string
	data    string
	env     []string
	through []string // the command that runs it, such as ip netns exec NAME; nil: none
	command *exec.Cmd
	log     *output
	client  *http.Client
}

// newServer prepares a server on free ports; start runs it.
func newServer(t testing.TB, data string, env ...string) *serverProcess {
	t.Helper()
	return newServerAt(t, freeAddr(t), data, env...)
}

func newServerAt(t testing.TB, addr, data string, env ...string) *serverProcess {
	t.Helper()
	s := &serverProcess{
		name: "the server",
		t:    t, addr: addr, url: "http://" + addr, data: data,
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
	}
	s.env = append(os.Environ(), asWeir+"=1", "WEIR_LISTEN="+addr, "WEIR_ADMIN_LISTEN=", "WEIR_DATA="+data,
		"WEIR_BOOTSTRAP_WORKSPACE="+testWorkspace, "WEIR_BOOTSTRAP_WRITE_KEY="+testWriteKey, "WEIR_BOOTSTRAP_SECRET_KEY="+testSecretKey)
	s.env = append(s.env, env...)
	t.Cleanup(func() {
		s.kill()
		if t.Failed() && s.log != nil {
			t.Logf("log of %s:\n%s", s.name, tail(s.output(), 8000))
		}
	})
	return s
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the program and returns when it answers.
func (s *serverProcess) start() {
	s.t.Helper()
	s.launch()
	s.answers()
}

// launch runs the program.
func (s *serverProcess) launch() {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	arguments := append(slices.Clone(s.through), self, "serve")
	s.log = &output{}
	s.command = exec.Command(arguments[0], arguments[1:]...)
	s.command.Env = s.env
	s.command.Stdout, s.command.Stderr = s.log, s.log
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// answers waits until the program answers.
func (s *serverProcess) answers() {
	s.t.Helper()
	s.eventually(30*time.Second, s.name+" answers", func() error {
		response, err := s.client.Get(s.url + "/healthz")
		if err != nil {
			return err
		}
		response.Body.Close()
		return nil
	})
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (s *serverProcess) output() string {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.text.String()
}

// kill ends the process as a crash would.
func (s *serverProcess) kill() {
	if s.command == nil {
		return
	}
	s.command.Process.Kill()
	s.command.Wait()
	s.command = nil
	s.client.CloseIdleConnections()
}

// stop ends the process as an operator would.
func (s *serverProcess) stop() error {
	s.command.Process.Signal(syscall.SIGTERM)
	err := s.command.Wait()
	s.command = nil
	return err
}

func (s *serverProcess) eventually(limit time.Duration, what string, try func() error) {
	s.t.Helper()
	eventually(s.t, limit, what, try)
}

// eventually tries until there is no error, and fails the test if that takes
// too long.
func eventually(t testing.TB, limit time.Duration, what string, try func() error) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(limit)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
	}
}

// settled waits until everything that was accepted is processed.
func (s *serverProcess) settled(limit time.Duration) {
	s.t.Helper()
	s.eventually(limit, "the queue is empty", func() error {
		var usage struct {
			QueueLag int `json:"queue_lag"`
		}
		if _, err := s.call("GET", "/api/v1/workspaces/"+testWorkspace+"/usage", nil, &usage); err != nil {
			return err
		}
		if usage.QueueLag > 0 {
			return fmt.Errorf("%d items wait", usage.QueueLag)
		}
		return nil
	})
}

// call makes a request with the secret key and reads the answer's JSON.
func (s *serverProcess) call(method, path string, body any, answer any) (status int, err error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return 0, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, s.url+path, reader)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+testSecretKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return response.StatusCode, err
	}
	if answer != nil && response.StatusCode < 300 {
		if err := json.Unmarshal(text, answer); err != nil {
			return response.StatusCode, fmt.Errorf("%s: %w", text, err)
		}
	}
	if response.StatusCode >= 300 {
		return response.StatusCode, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	return response.StatusCode, nil
}

// total counts events of a name by a question.
func (s *serverProcess) total(event, measure string) (int, error) {
	var answer struct{ Series []struct{ Total float64 } }
	question := fmt.Sprintf(`{"kind":"trends","from":"2024-01-01","to":"today","interval":"year","series":[{"name":"A","event":%q,"measure":%q}]}`, event, measure)
	if _, err := s.call("POST", "/api/v1/workspaces/"+testWorkspace+"/query", question, &answer); err != nil {
		return 0, err
	}
	if len(answer.Series) != 1 {
		return 0, errors.New("no series in the answer")
	}
	return int(answer.Series[0].Total), nil
}

// logRow is a line of the log.
type logRow struct {
	Position   string    `json:"position"`
	Kind       string    `json:"kind"`
	ItemID     string    `json:"item_id"`
	UserID     string    `json:"user_id"`
	Status     string    `json:"status"`
	Message    string    `json:"message"`
	ReceivedAt time.Time `json:"received_at"`
}

// logged reads the whole log of a kind of items: the rows of each item id.
func (s *serverProcess) logged(kind string) (map[string][]logRow, error) {
	out := map[string][]logRow{}
	cursor := ""
	for {
		var page struct {
			Items []logRow
			Next  string
		}
		if _, err := s.call("GET", "/api/v1/workspaces/"+testWorkspace+"/items?limit=500&kind="+kind+cursor, nil, &page); err != nil {
			return nil, err
		}
		for _, row := range page.Items {
			out[row.ItemID] = append(out[row.ItemID], row)
		}
		if page.Next == "" {
			return out, nil
		}
		cursor = "&cursor=" + page.Next
	}
}

func countOf(rows []logRow, status string) (n int) {
	for _, row := range rows {
		if row.Status == status {
			n++
		}
	}
	return n
}

func (s *serverProcess) dial() net.Conn {
	s.t.Helper()
	connection, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return connection
}
