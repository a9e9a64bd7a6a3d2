package collector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/workspace"
)

// memQueue keeps what is appended, and fails or blocks when it is told to: the
// faults of a real queue that cannot be had at will.
type memQueue struct {
	queue.Queue // the methods that the collector must not call
	partitions  int
	lanes       map[queue.Lane]int // records of each, if set

	mu      sync.Mutex
	appends [][]weir.Record
	fail    error
	// gate, if set, must be received from before each append goes on.
	gate    chan struct{}
	entered chan int // gets the number of records of each append, if set
	asked   atomic.Int64
}

// Partitions is asked for once for each group, when it is encoded.
func (q *memQueue) Partitions() int {
	q.asked.Add(1)
	return q.partitions
}

func (q *memQueue) Append(ctx context.Context, bodies []frame.Body) error {
	var records []weir.Record
	for _, body := range bodies {
		got, err := frame.Open(body)
		if err != nil {
			return err
		}
		for _, r := range got {
			if want := collector.Partition(r.Workspace, r.UserID, queue.LaneOf(body.Partition, q.partitions), q.partitions); want != body.Partition {
				panic("record in the wrong partition")
			}
			if q.lanes != nil {
				q.lanes[queue.LaneOf(body.Partition, q.partitions)]++
			}
		}
		records = append(records, got...)
	}
	if q.entered != nil {
		q.entered <- len(records)
	}
	if q.gate != nil {
		select {
		case <-q.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return q.fail
	}
	q.appends = append(q.appends, records)
	return nil
}

func (q *memQueue) setFail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fail = err
}

func (q *memQueue) records() []weir.Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []weir.Record
	for _, a := range q.appends {
		all = append(all, a...)
	}
	return all
}

// keyring is a directory of fixed keys.
type keyring map[string]workspace.Grant

func (k keyring) Authenticate(_ context.Context, text string) (workspace.Grant, error) {
	grant, ok := k[text]
	if !ok {
		return workspace.Grant{}, workspace.ErrUnknownKey
	}
	return grant, nil
}

func keys() keyring {
	acme := workspace.Workspace{ID: "acme_test"}
	return keyring{
		"wk_web":     {Workspace: acme, Key: "web", Client: weir.ClientPublic},
		"wk_listed":  {Workspace: acme, Key: "listed", Client: weir.ClientPublic, Origins: []string{"https://shop.example"}},
		"sk_server":  {Workspace: acme, Key: "server", Client: weir.ClientServer},
		"wk_another": {Workspace: workspace.Workspace{ID: "another"}, Key: "other", Client: weir.ClientPublic},
	}
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// setup is a collector with a fixed clock over a queue in memory.
func setup(t testing.TB, options *collector.Options) (*collector.Collector, *memQueue) {
	t.Helper()
	q := &memQueue{partitions: 8}
	return over(t, q, options), q
}

func over(t testing.TB, q queue.Queue, options *collector.Options) *collector.Collector {
	t.Helper()
	if options == nil {
		options = &collector.Options{}
	}
	if options.Now == nil {
		options.Now = func() time.Time { return noon }
	}
	c := collector.New(q, keys(), options)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// reply is the answer's body, of success and failure alike.
type reply struct {
	Code     int    `json:"code"`
	Error    string `json:"error"`
	Message  string `json:"message"`
	Accepted int    `json:"accepted"`
	Rejected []struct {
		Index   int    `json:"index"`
		Code    string `json:"code"`
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"rejected"`
	Receipt   string `json:"receipt"`
	Generated int    `json:"generated_ids"`
	Outcomes  []struct {
		Index  int    `json:"index"`
		Status string `json:"status"`
		Code   string `json:"code"`
	} `json:"outcomes"`
	Pending *int `json:"pending"`
}

func post(c http.Handler, path, key string, body []byte, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func read(t testing.TB, w *httptest.ResponseRecorder) reply {
	t.Helper()
	var got reply
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("answer %d is no JSON: %v: %s", w.Code, err, w.Body)
	}
	if w.Code != http.StatusOK && got.Code != w.Code {
		t.Errorf("status %d, but the body's code is %d", w.Code, got.Code)
	}
	return got
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func event(id, user string) string {
	return `{"kind":"custom_event","custom_event":{"external_id":"` + id + `","created_at":"2026-11-21T11:59:59Z","label":"Purchase"},"user":{"external_id":"` + user + `"}}`
}

func envelope(items ...string) []byte {
	return []byte(`{"workspace_id":"acme_test","items":[` + strings.Join(items, ",") + `]}`)
}

func TestContractExampleIsTakenVerbatim(t *testing.T) {
	for _, name := range []string{"testdata/contract.json", "testdata/seed.json"} {
		t.Run(name, func(t *testing.T) {
			c, q := setup(t, nil)
			body := file(t, name)
			w := post(c, "/v1/items", "wk_web", body)
			got := read(t, w)
			if w.Code != http.StatusOK || got.Accepted != 1 || len(got.Rejected) != 0 || !strings.HasPrefix(got.Receipt, "rcp_") {
				t.Fatalf("answer %d %s", w.Code, w.Body)
			}
			var sent struct{ Items []json.RawMessage }
			if err := json.Unmarshal(body, &sent); err != nil {
				t.Fatal(err)
			}
			records := q.records()
			if len(records) != 1 || !bytes.Equal(records[0].Raw, sent.Items[0]) {
				t.Fatalf("stored %d records, not the item byte for byte", len(records))
			}
			r := records[0]
			sentAt := weir.MicrosOf(time.Date(2024, 2, 22, 9, 12, 11, 910e6, time.UTC))
			if r.Workspace != "acme_test" || r.Source != "web" || r.Client != weir.ClientPublic || r.Receipt != got.Receipt ||
				r.Index != 0 || r.ReceivedAt != weir.MicrosOf(noon) || r.SentAt != sentAt || r.UserID == "" || r.Rejected != nil {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// TestNeighboursOfABadItemAreKept puts each kind of bad item between two good
// ones.
func TestNeighboursOfABadItemAreKept(t *testing.T) {
	good := event("1", "u")
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	with := func(value string) string {
		return `{"kind":"custom_event","custom_event":{"external_id":"2","created_at":"2026-11-21T11:59:59Z","label":"L","properties":{"p":` + value + `}},"user":{"external_id":"u"}}`
	}
	properties := make([]string, 600)
	for i := range properties {
		properties[i] = `"p` + newtext(i) + `":1`
	}
	for name, c := range map[string]struct{ item, code string }{
		"unknown kind":    {`{"kind":"nonsense","nonsense":{},"user":{"external_id":"u"}}`, "unknown_kind"},
		"no object":       {`17`, "invalid_json"},
		"no JSON":         {with(`NaN`), "invalid_json"},
		"wrong type":      {strings.Replace(good, `"1"`, `{}`, 1), "invalid_field"},
		"no user":         {strings.Replace(good, `"user"`, `"usr"`, 1), "missing_field"},
		"invalid UTF-8":   {with("\"\xff\xfe\""), "invalid_utf8"},
		"duplicate name":  {with(`{"a":1,"a":2}`), "duplicate_name"},
		"lone surrogate":  {with(`"\ud800"`), "invalid_json"},
		"too deep":        {with(deep(40)), "too_deep"},
		"a million deep":  {deep(1_000_000), "item_too_large"},
		"too large":       {with(`"` + strings.Repeat("x", 70<<10) + `"`), "item_too_large"},
		"too many fields": {with(`{` + strings.Join(properties, ",") + `}`), "too_many_properties"},
		"an order":        {`{"kind":"order","order":{"external_id":"o","created_at":"2026-11-21T11:59:59Z"},"user":{"external_id":"u"}}`, "not_allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			collector, q := setup(t, nil)
			w := post(collector, "/v1/items", "wk_web", envelope(good, c.item, good))
			got := read(t, w)
			if w.Code != http.StatusOK || got.Accepted != 2 || len(got.Rejected) != 1 {
				t.Fatalf("answer %d %.300s", w.Code, w.Body)
			}
			if r := got.Rejected[0]; r.Index != 1 || r.Code != c.code || r.Message == "" {
				t.Errorf("rejected %+v, want %s", r, c.code)
			}
			records := q.records()
			if len(records) != 3 {
				t.Fatalf("stored %d records", len(records))
			}
			for _, r := range records {
				if (r.Rejected != nil) != (r.Index == 1) || r.Index == 1 && (string(r.Raw) != c.item || r.Rejected.Code != c.code) {
					t.Errorf("record %d: rejected %+v, raw %.100s", r.Index, r.Rejected, r.Raw)
				}
			}
		})
	}
}

func newtext(i int) string { b, _ := json.Marshal(i); return string(b) }

func TestFailuresStoreNothing(t *testing.T) {
	good := string(envelope(event("1", "u")))
	many := envelope(append(make([]string, 0, 1001), strings.Split(strings.Repeat("1,", 1000)+"1", ",")...)...)
	for name, c := range map[string]struct {
		path, key, body string
		status          int
		code            string
	}{
		"no key":               {"/v1/items", "", good, 401, "missing_key"},
		"unknown key":          {"/v1/items", "wk_nobody", good, 401, "unknown_key"},
		"unknown key in body":  {"/v1/items", "", `{"key":"wk_nobody","items":[]}`, 401, "unknown_key"},
		"another workspace":    {"/v1/items", "wk_another", good, 403, "wrong_workspace"},
		"empty body":           {"/v1/items", "wk_web", "", 400, "invalid_envelope"},
		"no JSON":              {"/v1/items", "wk_web", "hello", 400, "invalid_envelope"},
		"a list":               {"/v1/items", "wk_web", "[]", 400, "invalid_envelope"},
		"no items":             {"/v1/items", "wk_web", `{"workspace_id":"acme_test"}`, 400, "invalid_envelope"},
		"items is no list":     {"/v1/items", "wk_web", `{"items":{}}`, 400, "invalid_envelope"},
		"items is null":        {"/v1/items", "wk_web", `{"items":null}`, 400, "invalid_envelope"},
		"items twice":          {"/v1/items", "wk_web", `{"items":[],"items":[]}`, 400, "invalid_envelope"},
		"workspace is no text": {"/v1/items", "wk_web", `{"workspace_id":1,"items":[]}`, 400, "invalid_envelope"},
		"cut off":              {"/v1/items", "wk_web", good[:len(good)-3], 400, "invalid_json"},
		"text after the end":   {"/v1/items", "wk_web", good + "{}", 400, "invalid_json"},
		"missing comma":        {"/v1/items", "wk_web", `{"items":[1 2]}`, 400, "invalid_json"},
		"comma too many":       {"/v1/items", "wk_web", `{"items":[1,]}`, 400, "invalid_json"},
		"brackets crossed":     {"/v1/items", "wk_web", `{"items":[{"a":[}]]}`, 400, "invalid_json"},
		"broken beside items":  {"/v1/items", "wk_web", `{"items":[],"x":tru}`, 400, "invalid_envelope"},
		"open brackets":        {"/v1/items", "wk_web", strings.Repeat("[", 1_000_000), 400, "invalid_envelope"},
		"open brackets inside": {"/v1/items", "wk_web", `{"items":` + strings.Repeat("[", 1_000_000), 400, "invalid_json"},
		"open objects beside":  {"/v1/items", "wk_web", strings.Repeat(`{"a":`, 1_000_000), 400, "invalid_json"},
		"too many items":       {"/v1/items", "wk_web", string(many), 413, "too_many_items"},
		"too large":            {"/v1/items", "wk_web", strings.Repeat(" ", 5<<20+1), 413, "too_large"},
		"no address":           {"/v1/nothing", "wk_web", good, 404, "not_found"},
		"waiting in vain":      {"/v1/items?wait=1", "wk_web", good, 400, "cannot_wait"},
		"unknown lane":         {"/v1/items?lane=fast", "wk_web", good, 400, "unknown_lane"},
		"short: no JSON":       {"/v1/track", "wk_web", "hello", 400, "invalid_body"},
		"short: cut off":       {"/v1/track", "wk_web", `{"event":"a"`, 400, "invalid_json"},
		"short: broken value":  {"/v1/track", "wk_web", `{"event":tru}`, 400, "invalid_body"},
		"short: both forms":    {"/v1/track", "wk_web", `{"event":"a","events":[]}`, 400, "invalid_body"},
	} {
		t.Run(name, func(t *testing.T) {
			collector, q := setup(t, nil)
			w := post(collector, c.path, c.key, []byte(c.body), "Origin", "https://shop.example")
			got := read(t, w)
			if w.Code != c.status || got.Error != c.code || got.Message == "" {
				t.Errorf("answer %d %s, want %d %s", w.Code, w.Body, c.status, c.code)
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "https://shop.example" {
				t.Error("a page cannot read the error")
			}
			if n := len(q.records()); n != 0 {
				t.Errorf("%d records stored", n)
			}
		})
	}
}

// The queue in memory panics over a record that is in no partition of its user.
func TestHistoryHasALaneOfItsOwn(t *testing.T) {
	q := &memQueue{partitions: 8, lanes: map[queue.Lane]int{}}
	c := over(t, q, nil)
	for path, want := range map[string]queue.Lane{"/v1/items": queue.Live, "/v1/items?lane=live": queue.Live, "/v1/items?lane=history": queue.History} {
		clear(q.lanes)
		if w := post(c, path, "wk_web", envelope(event("a", "u1"), event("b", "u2"))); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		if q.lanes[want] != 2 || len(q.lanes) != 1 {
			t.Errorf("%s: the items are in lanes %v, want %d", path, q.lanes, want)
		}
	}
}

func TestEmptyListIsTaken(t *testing.T) {
	c, q := setup(t, nil)
	w := post(c, "/v1/items", "wk_web", envelope())
	if got := read(t, w); w.Code != http.StatusOK || got.Accepted != 0 || got.Receipt == "" || !strings.Contains(w.Body.String(), `"rejected":[]`) {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	if len(q.appends) != 0 {
		t.Error("nothing was appended as something")
	}
}

func TestWhereAKeyMayStand(t *testing.T) {
	body := envelope(event("1", "u"))
	for name, set := range map[string]func(*http.Request){
		"bearer":  func(r *http.Request) { r.Header.Set("Authorization", "bearer wk_web") },
		"basic":   func(r *http.Request) { r.SetBasicAuth("wk_web", "") },
		"address": func(r *http.Request) { r.URL.RawQuery = "key=wk_web" },
		"api_key": func(r *http.Request) { inBody(r, "api_key") },
		"write":   func(r *http.Request) { inBody(r, "write_key") },
		"key":     func(r *http.Request) { inBody(r, "key") },
	} {
		t.Run(name, func(t *testing.T) {
			c, q := setup(t, nil)
			r := httptest.NewRequest(http.MethodPost, "/v1/items/", bytes.NewReader(body))
			set(r)
			w := httptest.NewRecorder()
			c.ServeHTTP(w, r)
			if w.Code != http.StatusOK || len(q.records()) != 1 {
				t.Errorf("answer %d %s", w.Code, w.Body)
			}
		})
	}
}

func inBody(r *http.Request, name string) {
	body := `{"items":[` + event("1", "u") + `],"` + name + `":"wk_web"}`
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}
