package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// table prints a row as soon as it is measured.
type table struct {
	out  io.Writer
	rows [][3]string
}

func newTable(out io.Writer) *table { return &table{out: out} }

// add notes a figure and what it should be.
func (t *table) add(what, target, format string, args ...any) {
	row := [3]string{what, fmt.Sprintf(format, args...), target}
	t.rows = append(t.rows, row)
	fmt.Fprintf(t.out, "%s: %s (target %s)\n", row[0], row[1], row[2])
}

func (t *table) flush() {
	w := tabwriter.NewWriter(t.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w)
	fmt.Fprintln(w, "| what\t| measured\t| target\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|")
	for _, r := range t.rows {
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t|\n", r[0], r[1], r[2])
	}
	w.Flush()
}

// quantile is of a list that it sorts.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }
