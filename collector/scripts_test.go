package collector_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector"
)

var update = flag.Bool("update", false, "write what the collector does into the scripts")

// TestScripts plays testdata/scripts/*.txtar. A script is a conversation: each
// "request" is an HTTP request as one would write it down (without the length
// of the body), followed by the "response" that it must get and the records
// that must then be "stored". Receipts and ids are rcp_1, evt_1 and so on; the
// time is noon of 21 November 2026. The keys are those of func keys.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/scripts/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { play(t, name) })
	}
}

func play(t *testing.T, name string) {
	script, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	receipts, ids := 0, 0
	c, q := setup(t, &collector.Options{
		NewReceipt: func() string { receipts++; return fmt.Sprintf("rcp_%d", receipts) },
		NewItemID:  func() string { ids++; return fmt.Sprintf("evt_%d", ids) },
		Script:     []byte("weir();\n"),
	})
	got := &txtar.Archive{Comment: script.Comment}
	stored := 0
	for _, f := range script.Files {
		if f.Name != "request" {
			continue
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, request(t, f.Data))
		records := q.records()
		got.Files = append(got.Files, f,
			txtar.File{Name: "response", Data: response(t, w)},
			txtar.File{Name: "stored", Data: describe(records[stored:])})
		stored = len(records)
	}
	text := txtar.Format(got)
	if *update {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := file(t, name); !bytes.Equal(text, want) {
		t.Errorf("the conversation was:\n%s\nwant:\n%s", text, want)
	}
}

// request reads a request as a script has it: the first line, headers, an empty
// line, the body.
func request(t *testing.T, text []byte) *http.Request {
	t.Helper()
	head, body, _ := bytes.Cut(text, []byte("\n\n"))
	body = bytes.TrimSuffix(body, []byte("\n"))
	lines := strings.Split(strings.TrimSpace(string(head)), "\n")
	lines[0] += " HTTP/1.1"
	wire := strings.Join(lines, "\r\n") + fmt.Sprintf("\r\nHost: weir.example\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
	if err != nil {
		t.Fatalf("read request: %v", err)
	}
	return r
}

func response(t *testing.T, w *httptest.ResponseRecorder) []byte {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, "%d\n", w.Code)
	var headers []string
	for name, values := range w.Header() {
		if name != "Content-Length" && name != "X-Content-Type-Options" && name != "Cache-Control" {
			headers = append(headers, fmt.Sprintf("%s: %s\n", name, strings.Join(values, ", ")))
		}
	}
	slices.Sort(headers)
	out.WriteString(strings.Join(headers, ""))
	if w.Body.Len() > 0 {
		out.WriteByte('\n')
		out.Write(w.Body.Bytes())
	}
	return out.Bytes()
}

// describe writes records as people read them, in the order of the request.
func describe(records []weir.Record) []byte {
	slices.SortStableFunc(records, func(a, b weir.Record) int { return a.Index - b.Index })
	var out bytes.Buffer
	for _, r := range records {
		fmt.Fprintf(&out, "%s/%d of %s: user %q", r.Receipt, r.Index, r.Source, r.UserID)
		if r.SentAt != 0 {
			fmt.Fprintf(&out, ", sent %s", r.SentAt)
		}
		if r.Rejected != nil {
			fmt.Fprintf(&out, ", rejected: %s %s", r.Rejected.Code, r.Rejected.Field)
		}
		var pretty bytes.Buffer
		if json.Indent(&pretty, r.Raw, "  ", "  ") != nil {
			pretty.Reset()
			pretty.Write(r.Raw)
		}
		fmt.Fprintf(&out, "\n  %s\n", pretty.String())
	}
	return out.Bytes()
}
