package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// runProgram runs the program to its end.
func runProgram(t *testing.T, env []string, args ...string) (out string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self, args...)
	command.Env = append(append(os.Environ(), asWeir+"=1"), env...)
	text, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), command.ProcessState.ExitCode()
}

func TestFirstStartTellsWhatToDo(t *testing.T) {
	data := t.TempDir()
	s := newServer(t, data)
	s.start()
	link := regexp.MustCompile(`http://127\.0\.0\.1:\d+/welcome\?token=(\S+)`)
	var token string
	s.eventually(5*time.Second, "the first-run link is printed", func() error {
		found := link.FindStringSubmatch(s.output())
		if found == nil {
			return errors.New("no link")
		}
		token = found[1]
		return nil
	})
	if want := "bin/weir demo --url " + s.url + " --data " + data; !strings.Contains(s.output(), want) {
		t.Errorf("the demo command %q is not in\n%s", want, s.output())
	}

	// The token makes one account, once.
	for _, want := range []int{http.StatusOK, http.StatusForbidden} {
		body := fmt.Sprintf(`{"token":%q,"email":"ann@example.com","password":"correct horse battery"}`, token)
		response, err := s.client.Post(s.url+"/api/v1/setup", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("setup answered %s, want %d", response.Status, want)
		}
	}

	out, code := runProgram(t, nil, "serve", "--data", data, "--listen", "127.0.0.1:0")
	if code != exitFailure || !strings.Contains(out, "in use by another weir; stop that one, or choose another with --data") {
		t.Errorf("a second server on the same data: code %d, %s", code, out)
	}
	out, code = runProgram(t, nil, "serve", "--data", t.TempDir(), "--listen", s.addr)
	if code != exitFailure || !strings.Contains(out, "choose another address with --listen") {
		t.Errorf("a second server on the same address: code %d, %s", code, out)
	}
	if err := s.stop(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	s.start()
	if strings.Contains(s.output(), "Create your account") {
		t.Error("the first-run link is printed although there is an account")
	}
}

func TestDemoFillsAWorkspaceOfItsOwn(t *testing.T) {
	data := t.TempDir()
	s := newServer(t, data, "WEIR_ADMIN_EMAIL=ann@example.com", "WEIR_ADMIN_PASSWORD=correct horse battery")
	s.start()
	out, code := runProgram(t, nil, "demo", "--url", s.url, "--data", data, "--days", "2", "--history-only")
	if code != exitOK || !strings.Contains(out, "items of 2 days sent") {
		t.Fatalf("code %d, %s", code, out)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	post := func(path, body string, answer any) error {
		response, err := browser.Post(s.url+path, "application/json", strings.NewReader(body))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", path, response.Status)
		}
		if answer == nil {
			return nil
		}
		return json.NewDecoder(response.Body).Decode(answer)
	}
	if err := post("/api/v1/sign-in", `{"email":"ann@example.com","password":"correct horse battery"}`, nil); err != nil {
		t.Fatal(err)
	}
	s.eventually(30*time.Second, "the shop's orders are counted", func() error {
		var answer struct{ Series []struct{ Total float64 } }
		if err := post("/api/v1/workspaces/demo/query", `{"kind":"trends","from":"-7d","to":"today","interval":"day","series":[{"name":"A","event":"order","measure":"users"}]}`, &answer); err != nil {
			return err
		}
		if len(answer.Series) != 1 || answer.Series[0].Total == 0 {
			return fmt.Errorf("%+v", answer)
		}
		return nil
	})

	out, code = runProgram(t, nil, "demo", "--url", "http://127.0.0.1:1", "--key", "sk_any", "--days", "0")
	if code != exitFailure || !strings.Contains(out, "send items") {
		t.Errorf("without a server: code %d, %s", code, out)
	}
}

// CONTRACT §3.1: the example is accepted verbatim in the workspace acme_test,
// and the caller who waits is told what became of it.
func TestContractExampleIsAcceptedVerbatim(t *testing.T) {
	example, err := os.ReadFile("../../item/testdata/contract.json")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, t.TempDir())
	s.start()
	request, err := http.NewRequest("POST", s.url+"/v1/items?wait=1", bytes.NewReader(example))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+testWriteKey)
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Accepted int
		Rejected []json.RawMessage
		Receipt  string
		Outcomes []struct{ Status string }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 || answer.Accepted != 1 || len(answer.Rejected) != 0 || !strings.HasPrefix(answer.Receipt, "rcp_") || len(answer.Outcomes) != 1 || answer.Outcomes[0].Status != "stored" {
		t.Errorf("%s: %+v", response.Status, answer)
	}
	if n, err := s.total("pageview", "total"); err != nil || n != 1 {
		t.Errorf("%d page views are counted, %v", n, err)
	}
}

// A file of events that does not open is set aside and derived again from the
// archive, while intake goes on.
func TestDamagedEventsAreRebuiltFromTheArchive(t *testing.T) {
	data := t.TempDir()
	s := newServer(t, data)
	s.start()
	n := newNumbered(s, 1)
	n.batches(t, 20)
	n.verify(t)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	file := data + "/derived/events/" + testWorkspace + ".duckdb"
	if err := os.WriteFile(file, bytes.Repeat([]byte("damage "), 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.eventually(time.Minute, "all events are counted again", func() error {
		if got, err := s.total("Numbered", "total"); err != nil || got != 20*batchSize {
			return fmt.Errorf("%d, %w", got, err)
		}
		return nil
	})
	n.verify(t)
}

// The state and the events are functions of the archive.
func TestRebuildDerivesEverythingAgain(t *testing.T) {
	data := t.TempDir()
	s := newServer(t, data)
	s.start()
	n := newNumbered(s, 1)
	n.batches(t, 10)
	n.verify(t)
	people, err := s.total("Numbered", "users")
	if err != nil {
		t.Fatal(err)
	}
	if out, code := runProgram(t, nil, "rebuild", "--data", data); code != exitFailure || !strings.Contains(out, "in use by another weir") {
		t.Errorf("beside a running server: code %d, %s", code, out)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	// Without a state the server does not start, and says what to do.
	if err := os.WriteFile(data+"/derived/state/state.db", bytes.Repeat([]byte("damage "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := runProgram(t, nil, "serve", "--data", data, "--listen", "127.0.0.1:0"); code != exitFailure || !strings.Contains(out, "run `weir rebuild`") {
		t.Errorf("on a damaged state: code %d, %s", code, out)
	}
	if out, code := runProgram(t, nil, "rebuild", "--data", data); code != exitOK || !strings.Contains(out, fmt.Sprintf("%d items derived again", 10*batchSize)) {
		t.Fatalf("code %d, %s", code, out)
	}
	s.start()
	n.verify(t)
	if again, err := s.total("Numbered", "users"); err != nil || again != people {
		t.Errorf("%d people, %v; before there were %d", again, err, people)
	}
}

func TestLimitsAreTheOperators(t *testing.T) {
	s := newServer(t, t.TempDir(), "WEIR_LIMIT_ITEMS=2", "WEIR_LIMIT_ITEM=400B", "WEIR_LIMIT_PROPERTIES=20")
	s.start()
	item := func(id, padding string) string {
		return fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":%q,"created_at":"2026-10-01T12:00:00Z","label":"L","properties":{"p":%q}},"user":{"external_id":"u"}}`, id, padding)
	}
	var answer struct {
		Accepted int
		Rejected []struct{ Code string }
	}
	if status, _ := s.call("POST", "/v1/items", `{"items":[`+item("1", "")+","+item("2", "")+","+item("3", "")+`]}`, nil); status != http.StatusRequestEntityTooLarge {
		t.Errorf("three items are answered %d, want 413", status)
	}
	if _, err := s.call("POST", "/v1/items", `{"items":[`+item("4", "")+","+item("5", strings.Repeat("x", 400))+`]}`, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Accepted != 1 || len(answer.Rejected) != 1 || answer.Rejected[0].Code != "item_too_large" {
		t.Errorf("a small and a large item are answered %+v", answer)
	}
}
