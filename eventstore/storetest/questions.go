package storetest

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// A script is an archive of pairs of files: NAME.question, the JSON of a
// question, and NAME.answer, the JSON of what every store answers over the data
// set (without as_of and elapsed_ms). The workspace is in UTC and it is
// 2026-11-09T12:00:00Z.
//
//go:embed testdata/*.txtar
var scripts embed.FS

func env() query.Env {
	return query.Env{Now: time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC), Location: time.UTC}
}

// testQuestions asks the questions of all scripts.
func testQuestions(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	names, err := scripts.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range names {
		data, err := scripts.ReadFile(path.Join("testdata", entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(entry.Name(), ".txtar"), func(t *testing.T) {
			archive := txtar.Parse(data)
			for i := 0; i+1 < len(archive.Files); i += 2 {
				question, answer := archive.Files[i], archive.Files[i+1]
				t.Run(strings.TrimSuffix(question.Name, ".question"), func(t *testing.T) {
					got := Answer(t, h.Store, question.Data)
					if !bytes.Equal(got, answer.Data) {
						t.Errorf("%s\nanswered:\n%swant:\n%s", question.Data, got, answer.Data)
					}
				})
			}
		})
	}
}

// Answer asks a question and formats the answer as scripts have it.
func Answer(t *testing.T, s eventstore.Store, question []byte) []byte {
	t.Helper()
	plan, fault := query.Parse(question, env())
	if fault != nil {
		t.Fatalf("question: %v\n%s", fault, question)
	}
	answer, err := s.Ask(t.Context(), Workspace, plan)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Explain != nil {
		return fmt.Appendf(nil, "persons %v\n", answer.Persons)
	}
	return format(t, answer)
}

// format writes an answer with a line per series, or a line per row of a table, which
// diffs well. Answers of other kinds are one line.
func format(t *testing.T, a *query.Answer) []byte {
	t.Helper()
	var out bytes.Buffer
	line := func(start string, v any, end string) {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s%s%s\n", start, text, end)
	}
	list := func(n int, at func(int) any) {
		for i := range n {
			start, end := "  ", ","
			if i == 0 {
				out.WriteByte('\n')
			}
			if i == n-1 {
				end = ""
			}
			line(start, at(i), end)
		}
		out.WriteString(" ]")
	}
	switch {
	case a.Series != nil:
		line(`{"buckets": `, a.Buckets, ",")
		out.WriteString(` "series": [`)
		list(len(a.Series), func(i int) any { return a.Series[i] })
	case a.Rows != nil:
		line(`{"columns": `, a.Columns, ",")
		out.WriteString(` "rows": [`)
		list(len(a.Rows), func(i int) any { return a.Rows[i] })
	default:
		bare := *a
		bare.AsOf, bare.ElapsedMS, bare.Users = query.AsOf{}, 0, nil
		line("", bare, "")
		return out.Bytes()
	}
	if a.Truncated {
		out.WriteString(`, "truncated": true`)
	}
	out.WriteString("}\n")
	return out.Bytes()
}

// writeAll writes the data set.
func writeAll(t *testing.T, s eventstore.Store) {
	t.Helper()
	for _, b := range Batches() {
		write(t, s, b)
	}
}

func write(t *testing.T, s eventstore.Store, b *eventstore.Batch) {
	t.Helper()
	if err := s.Write(t.Context(), Workspace, b); err != nil {
		t.Fatal(err)
	}
}

// trends is a plan over everything, in one bucket.
func trends(series ...query.Series) *query.Plan {
	return &query.Plan{Trends: &query.Trends{
		Period: query.Period{Buckets: query.Buckets{Edges: []weir.Micros{-1 << 60, 1 << 60}, Labels: []string{"all"}}},
		Series: series,
	}}
}

// about chooses the events of a name, or of any, for which a predicate holds.
func about(name string, where query.Predicate) query.Match {
	if name == query.AnyEvent {
		return query.Match{Where: where}
	}
	return query.Match{Events: []string{name}, Where: where}
}

// total counts the events of a name for which a predicate holds.
func total(t *testing.T, s eventstore.Store, name string, where query.Predicate) float64 {
	t.Helper()
	return measure(t, s, query.Total, name, where)
}

func measure(t *testing.T, s eventstore.Store, m query.Measure, name string, where query.Predicate) float64 {
	t.Helper()
	answer, err := s.Ask(context.WithoutCancel(t.Context()), Workspace, trends(query.Series{Name: "A", Match: about(name, where), Measure: m}))
	if err != nil {
		t.Fatal(err)
	}
	return float64(answer.Series[0].Total)
}

func is(on query.Scope, name, text string) query.Predicate {
	return &query.Compare{Property: query.Ref{On: on, Name: name}, Op: query.In, Text: []string{text}}
}
