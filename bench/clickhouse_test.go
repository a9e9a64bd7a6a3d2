package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/query"
)

// TestMain is the process that a test starts, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "clickhouse" {
		if err := clickhouseProcess(os.Args[2:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A ratio means something only if both engines count the same thing.
func TestBothEnginesCountTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("both engines are asked all questions: not with -short")
	}
	t.Chdir("..") // the library is looked for from the module's root
	if findLibrary() == "" {
		t.Skip("ClickHouse's library is not there; `make bench-clickhouse` installs it")
	}
	for name, measure := range map[string]func(context.Context, options, *table) error{"month": measureQuestions, "range": measureRange} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := measure(t.Context(), options{events: 40_000, people: 1_000}, newTable(&out)); err != nil {
				t.Error(err)
			}
			for line := range strings.Lines(out.String()) {
				if strings.HasPrefix(line, "WARNING") || strings.Contains(line, "not understood") {
					t.Error(strings.TrimSpace(line))
				}
			}
		})
	}
}

func TestFiguresOfAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answer query.Answer
		text   string
		keys   int
		same   bool
	}{
		"counts by day, days without any left out": {query.Answer{Series: []query.SeriesAnswer{{Values: []query.Real{3, 0, 4}, Total: 7}}}, "2026-10-01\t3\n2026-10-03\t4\n", 1, true},
		"another day's count":                      {query.Answer{Series: []query.SeriesAnswer{{Values: []query.Real{3, 0, 4}, Total: 7}}}, "2026-10-01\t3\n2026-10-03\t5\n", 1, false},
		"people of all days as totals":             {query.Answer{Series: []query.SeriesAnswer{{Values: []query.Real{3, 4}, Total: 5}}}, "2026-10-01\t3\n2026-10-02\t4\n\n1970-01-01\t5\n", 1, true},
		"people of all days left out":              {query.Answer{Series: []query.SeriesAnswer{{Values: []query.Real{3, 4}, Total: 5}}}, "2026-10-01\t3\n2026-10-02\t4\n", 1, false},
		"steps of a funnel":                        {query.Answer{Groups: []query.GroupAnswer{{Steps: []query.StepAnswer{{Count: 9}, {Count: 2}}}}}, "9\t2\n", 0, true},
		"cells of retention, some not over":        {query.Answer{Cohorts: []query.Cohort{{Size: 9, Counts: []query.Real{9, 2, query.None}}}}, "0\t0\t9\n0\t1\t2\n", 2, true},
		"dormant people, as a negative number":     {query.Answer{New: []int64{2}, Dormant: []int64{-3}}, "0\t2\n1\t3\n", 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			theirs, err := reply{Text: c.text}.figures(c.keys)
			if err != nil {
				t.Fatal(err)
			}
			if ours := figures(&c.answer); same(ours, theirs) != c.same {
				t.Errorf("same(%v, %v) = %t", ours, theirs, !c.same)
			}
		})
	}
}

func TestHistoryIsTheSameInBlocksAndKeepsItsRange(t *testing.T) {
	h := history{from: time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC), days: 90, events: blockRows + 1000, people: 500}
	var whole, parts []happening
	if err := h.each(func(e happening) error { whole = append(whole, e); return nil }); err != nil {
		t.Fatal(err)
	}
	for n := range h.blocks() {
		if err := h.block(n, func(e happening) error { parts = append(parts, e); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(whole) != h.events || len(parts) != h.events {
		t.Fatalf("%d and %d events, want %d", len(whole), len(parts), h.events)
	}
	most := 0
	for i, e := range whole {
		if e != parts[i] {
			t.Fatalf("event %d is %v and %v", i, e, parts[i])
		}
		if at := e.at.Time(); at.Before(h.from) || !at.Before(h.until()) {
			t.Fatalf("event %d lies at %v, outside of the range", i, at)
		}
		if e.number == 0 {
			most++
		}
	}
	if share := float64(most) / float64(h.events); math.Abs(share-0.55) > 0.01 {
		t.Errorf("%.2f of the events have the most frequent name, want 0.55", share)
	}
}

func TestNoLibraryIsNoError(t *testing.T) {
	t.Chdir(t.TempDir())
	if found := findLibrary(); found != "" {
		t.Errorf("found %s", found)
	}
	want := filepath.FromSlash("bench/chdb/node_modules/@chdb/lib-linux-x64-gnu")
	if err := os.MkdirAll(want, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(want, "libchdb.so"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if found := findLibrary(); found != filepath.Join(want, "libchdb.so") {
		t.Errorf("found %q", found)
	}
}
