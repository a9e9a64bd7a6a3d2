package clickstore_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore/clickstore"
	"github.com/weirhq/weir/query"
)

var update = flag.Bool("update", false, "write the tables' definitions in testdata anew")

// The tables are what they were, on one server and in a cluster.
func TestDefinition(t *testing.T) {
	for name, cluster := range map[string]string{"single": "", "cluster": "main"} {
		got := strings.Join(clickstore.Definition("weir_acme", cluster), ";\n") + ";\n"
		file := filepath.Join("testdata", name+".sql")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: the definition is\n%s, want\n%s", name, got, want)
		}
	}
}

// Whatever a text is, the engine reads the same.
func TestTextsAreQuoted(t *testing.T) {
	s := open(t, prefixOf(t), clickstore.Options{})
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`\`, `'`, `\'`, "'; DROP DATABASE x; --", "\x00", `\x00`, "`", "{a:String}", "é", "?", "$1"})).Draw(r, "text")
		hex := strings.ToUpper(hexOf(text))
		if err := s.Exec(t.Context(), "SELECT throwIf(hex("+clickstore.QuoteText(text)+") != '"+hex+"') FORMAT Null", nil); err != nil {
			r.Fatalf("%q: %v", text, err)
		}
	})
}

func hexOf(text string) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	for _, c := range []byte(text) {
		out.WriteByte(digits[c>>4])
		out.WriteByte(digits[c&15])
	}
	return out.String()
}

// A question that needs more than the server gives is the asker's to change.
func TestLimitsOfTheServer(t *testing.T) {
	s := open(t, prefixOf(t), clickstore.Options{})
	for name, c := range map[string]struct {
		statement string
		set       map[string]string
	}{
		"memory": {"SELECT length(groupArray(number)) FROM numbers(50000000) FORMAT Null", map[string]string{"max_memory_usage": "10000000"}},
		"time":   {"SELECT sum(sleepEachRow(0.1)) FROM numbers(200) SETTINGS max_block_size = 1 FORMAT Null", map[string]string{"max_execution_time": "0.5"}},
	} {
		err := clickstore.Refused(s.Exec(t.Context(), c.statement, c.set))
		var w *weir.Error
		if !errors.As(err, &w) || w.Code != query.CodeTooLarge {
			t.Errorf("%s: %v, want %s", name, err, query.CodeTooLarge)
		}
	}
	if err := clickstore.Refused(s.Exec(t.Context(), "SELECT nothing", nil)); errors.As(err, new(*weir.Error)) {
		t.Errorf("a mistake of this program is said to be the asker's: %v", err)
	}
}

// Who goes away ends the work for them.
func TestServerStopsWhenTheAskerGoes(t *testing.T) {
	s := open(t, prefixOf(t), clickstore.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	const work = "SELECT sum(sleepEachRow(0.05)) FROM numbers(2000) SETTINGS max_block_size = 1 FORMAT Null"
	go func() {
		ended <- s.Exec(ctx, work, map[string]string{"readonly": "2", "cancel_http_readonly_queries_on_client_close": "1"})
	}()
	running := func(want string) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		look := "SELECT throwIf(countIf(query LIKE 'SELECT sum(sleepEachRow(0.05))%') " + want + ") FROM system.processes FORMAT Null"
		for s.Exec(t.Context(), look, nil) != nil {
			if time.Now().After(deadline) {
				t.Fatalf("the server's statements stay %s", want)
			}
		}
	}
	running("= 0")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v, want context.Canceled", err)
	}
	running("> 0")
}

func TestExceptionIn(t *testing.T) {
	for text, code := range map[string]int{
		"Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE) (version 26.5.1.1)\n":                                                              60,
		"\x01\x02rows\r\n__exception__\r\nabcdefghijklmnop\r\nCode: 241. DB::Exception: Memory. (MEMORY)\n42 abcdefghijklmnop\r\n__exception__\r\n": 241,
		"no such page": 0,
		"":             0,
	} {
		e := clickstore.ExceptionIn([]byte(text))
		switch {
		case e == nil && code != 0:
			t.Errorf("%q: no exception, want %d", text, code)
		case e != nil && (e.Code != code || strings.Contains(e.Text, "__exception__")):
			t.Errorf("%q: %d %q, want %d", text, e.Code, e.Text, code)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for address, o := range map[string]clickstore.Options{
		"localhost:8123":        {},
		"tcp://localhost:9000":  {},
		"http://":               {},
		"http://localhost:8123": {Prefix: "no`name"},
	} {
		if s, err := clickstore.Open(address, &o); err == nil {
			s.Close()
			t.Errorf("%s with %+v was taken", address, o)
		}
	}
}

// A server that is not there is an error of the call, not of Open.
func TestNoServer(t *testing.T) {
	s, err := clickstore.Open("http://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Applied(t.Context(), "acme"); err == nil || !strings.Contains(err.Error(), "reach ClickHouse") {
		t.Errorf("positions are read with %v", err)
	}
}
