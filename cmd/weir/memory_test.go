package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/query"
)

const (
	greedyItems  = 200_000
	greedyPeople = 10_000
	greedyBatch  = 500
	// The smallest budget that the event store does not round up: half of it is the
	// store's, a quarter the state's.
	greedyMemory = 256 << 20
	// What a process may have beside its budget: the program itself and what it keeps
	// of people and properties for as long as it runs, the engine's own overhead, of
	// which it does not count all, and garbage of Go, which is collected when the heap
	// has grown to four times what is in use.
	besideMemory = 400 << 20
)

// greedySteps are the names of the events. A person has an event of each in turn.
const greedySteps = 12

type greedyQuestion struct{ name, text string }

// greedyQuestions need more than the budget, or nearly, if they are answered without
// care: the property "each" has as many values as there are events.
func greedyQuestions() []greedyQuestion {
	const span = `"from":"2025-03-01","to":"2025-03-31"`
	steps := make([]string, greedySteps)
	for i := range steps {
		steps[i] = fmt.Sprintf(`{"event":"Step %d"}`, i)
	}
	funnel := `{"kind":"funnel",` + span + `,"window":{"value":30,"unit":"day"},"steps":[` + strings.Join(steps, ",") + `],`
	sql := func(statement string) string { return fmt.Sprintf(`{"kind":"sql","sql":%q}`, statement) }
	return []greedyQuestion{
		{"flows over everything", `{"kind":"flows",` + span + `,"event":"*","node":"each","per":"user","steps":20,"limit":1000}`},
		{"a long funnel by a property", funnel + `"breakdown":{"property":"each","attribution":"first_touch","limit":1000}}`},
		{"a long funnel without order", funnel + `"order":"unordered","breakdown":{"property":"each","attribution":"all_steps","limit":1000}}`},
		{"retention by a property", `{"kind":"retention",` + span + `,"start":{"event":"*"},"return":{"event":"*"},"period":"day","periods":14,` +
			`"cohort":"recurring","breakdown":{"property":"each","limit":1000}}`},
		{"trends by three properties", `{"kind":"trends",` + span + `,"interval":"hour","series":[{"event":"*","measure":"users"}],` +
			`"breakdowns":[{"property":"each","limit":1000},{"property":"group","limit":1000},{"property":"number","limit":1000}]}`},
		{"percentiles by a property", `{"kind":"trends",` + span + `,"interval":"hour","series":[{"event":"*","measure":"p99","property":"number"},` +
			`{"event":"*","measure":"distinct","property":"each"}],"breakdowns":[{"property":"group","limit":1000}]}`},
		{"a list of a cross join", sql("SELECT list(x ORDER BY x DESC) FROM (SELECT a.time x FROM events a, events b)")},
		{"groups of a cross join", sql("SELECT count(*) FROM (SELECT a.time, b.person, count(*) FROM events a, events b GROUP BY ALL)")},
	}
}

// The memory of questions is bounded by --memory: what would need more is refused with
// a sentence, and the server lives on.
func TestQuestionsStayWithinTheMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes twenty seconds")
	}
	s := newServer(t, t.TempDir(), fmt.Sprintf("WEIR_MEMORY=%dMB", greedyMemory>>20))
	s.start()
	s.sendGreedy(t, 0, greedyItems)
	filled := peak(t, s)
	for _, q := range greedyQuestions() {
		s.askGreedy(t, q)
	}
	s.sendGreedy(t, greedyItems, greedyItems/20) // events are still taken and counted
	if n, err := s.total("Step 0", "users"); err != nil || n != greedyPeople {
		t.Errorf("afterwards a simple question is answered %d, %v; want %d people", n, err, greedyPeople)
	}
	most := peak(t, s)
	t.Logf("most memory resident: %d MB when filled, %d MB after the questions", filled>>20, most>>20)
	if most > greedyMemory+besideMemory {
		t.Errorf("the process had %d MB resident with a budget of %d MB; want at most %d MB beside it", most>>20, greedyMemory>>20, besideMemory>>20)
	}
}

// sendGreedy sends count events from the number first on, and waits until questions
// count them and all before.
func (s *serverProcess) sendGreedy(t *testing.T, first, count int) {
	t.Helper()
	var wait sync.WaitGroup
	var next atomic.Int64
	for range 4 {
		wait.Go(func() {
			for n := int(next.Add(greedyBatch)) - greedyBatch; n < count; n = int(next.Add(greedyBatch)) - greedyBatch {
				if err := s.sendUntilTaken(greedyBody(first + n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	s.eventually(time.Minute, "all events are counted", func() error {
		n, err := s.total("*", "total")
		if err == nil && n != first+count {
			err = fmt.Errorf("%d events", n)
		}
		return err
	})
}

// sendUntilTaken sends items again for as long as the server says that it has no room.
func (s *serverProcess) sendUntilTaken(body string) error {
	for deadline := time.Now().Add(time.Minute); ; {
		status, err := s.call("POST", "/v1/items", body, nil)
		if status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return err
		}
	}
}

// greedyBody is a batch of events, from the number first on.
func greedyBody(first int) string {
	items := make([]string, greedyBatch)
	for i := range items {
		n := first + i
		at := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 12 * time.Second)
		items[i] = fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":"g-%d","created_at":%q,"label":"Step %d","properties":{"each":"value number %d","group":"group number %d","number":%d}},"user":{"external_id":"user-%d"}}`,
			n, at.Format(time.RFC3339), n/greedyPeople%greedySteps, n, n%5000, n%3001, n%greedyPeople)
	}
	return `{"items":[` + strings.Join(items, ",") + `]}`
}

// askGreedy asks a question, which must be answered, or be refused for the memory that
// it needs.
func (s *serverProcess) askGreedy(t *testing.T, q greedyQuestion) {
	t.Helper()
	request, err := http.NewRequest("POST", s.url+"/api/v1/workspaces/"+testWorkspace+"/query", strings.NewReader(q.text))
	if err != nil {
		t.Error(err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+testSecretKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		t.Errorf("%s: %v", q.name, err)
		return
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s: %v", q.name, err)
		return
	}
	if response.StatusCode == http.StatusOK {
		t.Logf("%s: answered with %d bytes", q.name, len(text))
		return
	}
	var problem struct{ Code, Detail string }
	if err := json.Unmarshal(text, &problem); err != nil {
		t.Errorf("%s: answered %s: %s", q.name, response.Status, text)
		return
	}
	// What a statement of the asker's own needs is the statement's fault.
	refused := problem.Code == query.CodeTooLarge || problem.Code == query.CodeInvalid && strings.Contains(q.text, `"kind":"sql"`)
	if !refused || !strings.Contains(problem.Detail, "memory") {
		t.Errorf("%s: answered %s: %s; want an answer, or a sentence about memory", q.name, response.Status, text)
		return
	}
	t.Logf("%s: refused with %s", q.name, problem.Code)
}

// peak is the most memory that the process has had resident, in bytes.
func peak(t *testing.T, s *serverProcess) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		t.Skipf("needs Linux to know the memory of a process: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Skip("needs to know the most memory that a process had; its status has no VmHWM")
	return 0
}
