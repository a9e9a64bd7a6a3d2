package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// scanAll collects what a scan gives.
func scanAll(t *testing.T, s eventstore.Store, ws weir.WorkspaceID, f eventstore.ScanFilter) ([]eventstore.Row, error) {
	t.Helper()
	var out []eventstore.Row
	err := s.Scan(t.Context(), ws, f, func(row eventstore.Row) error {
		if len(row.Properties) == 0 {
			row.Properties = nil // none is none
		}
		out = append(out, row)
		return nil
	})
	return out, err
}

// logged adds to the data set's batches the log of their events: kinds and ids
// such that neither arrival nor position gives the order in which rows are scanned.
func logged() []*eventstore.Batch {
	batches := Batches()
	for _, b := range batches {
		for i := range b.Events {
			e := &b.Events[i]
			e.Time -= e.Time % (24 * 3600e6) // many at the same time
			e.Origin = weir.Origin(e.Identity % 4)
			b.Log = append(b.Log, weir.Outcome{
				Position: e.Position, ReceivedAt: 1, Status: weir.Stored, Kind: []weir.Kind{weir.KindPageview, weir.KindOrder}[e.Identity%2],
				ItemID: fmt.Sprintf("%x", uint32(e.Position.Seq()*2654435761)+uint32(e.Position.Partition())),
			})
		}
	}
	return batches
}

// Every type comes back as it was written, in order.
func testScan(t *testing.T, h *Harness) {
	if rows, err := scanAll(t, h.Store, Workspace, eventstore.ScanFilter{}); err != nil || len(rows) != 0 {
		t.Errorf("a scan of nothing gives %v, %v", rows, err)
	}
	model := NewModel()
	for _, b := range logged() {
		write(t, h.Store, b)
		write(t, model, b)
	}
	moves := &eventstore.Batch{
		Replaced: []weir.Position{Events()[7].Position}, Moves: []eventstore.Move{{Identity: 5, Person: 4, From: -1 << 60, To: 1 << 60}},
		Sessions: []eventstore.SessionMove{{Identity: 6, Origin: 2, From: -1 << 60, To: Events()[100].Time, Session: 7}},
	}
	for _, s := range []eventstore.Store{h.Store, model} {
		write(t, s, moves)
	}
	want, _ := scanAll(t, model, Workspace, eventstore.ScanFilter{})
	for range 2 {
		got, err := scanAll(t, h.Store, Workspace, eventstore.ScanFilter{})
		if err != nil || len(got) != autumnEvents+springEvents-1 {
			t.Fatalf("%d rows, %v; want %d", len(got), err, autumnEvents+springEvents-1)
		}
		for i := range got {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("row %d is\n%+v, want\n%+v", i, got[i], want[i])
			}
		}
		if h.Reopen != nil {
			h.Store = h.Reopen(t)
		}
	}
	stop := errors.New("enough")
	n := 0
	err := h.Store.Scan(t.Context(), Workspace, eventstore.ScanFilter{}, func(eventstore.Row) error {
		n++
		return stop
	})
	if n != 1 || !errors.Is(err, stop) {
		t.Errorf("after an error of fn: %d calls, %v", n, err)
	}
}

func testScanFilters(t *testing.T, h *Harness) {
	model := NewModel()
	for _, b := range logged() {
		write(t, h.Store, b)
		write(t, model, b)
	}
	day := weir.Micros(24 * 3600e6)
	at := Events()[30].Time / day * day
	for _, f := range []eventstore.ScanFilter{
		{Names: []string{"Purchase"}},
		{Names: []string{"Purchase", "pageview", "nothing"}},
		{Names: []string{"nothing"}},
		{From: at},
		{To: at},
		{From: at, To: at + 1},
		{From: at, To: at},
		{Names: []string{`it's "new"; --`}, From: at + 1, To: at + 5*day},
	} {
		want, _ := scanAll(t, model, Workspace, f)
		got, err := scanAll(t, h.Store, Workspace, f)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: %d rows, %v; want the model's %d", f, len(got), err, len(want))
		}
	}
}

// Wherever a store keeps properties that are too many for it, they keep their
// types.
func testScanOfManyProperties(t *testing.T, h *Harness) {
	model := NewModel()
	var events []weir.Event
	for k := range 4 {
		e := weir.Event{Position: weir.At(0, uint64(k+1)), Time: weir.Micros(k), Name: fmt.Sprint("wide", k%2), Identity: 1, Person: 1}
		for i := range 300 {
			values := []weir.Value{
				weir.Num(float64(i) + 0.5), weir.Text(fmt.Sprint(i)), weir.Boolean(i%3 == 0), weir.Raw(fmt.Sprintf(`[ %d, null,"%d"]`, i, k)),
				weir.Text("true"), weir.Raw(`{"a": 1e2}`), weir.Num(1e21), weir.Text(`["not a list"]`),
			}
			e.Properties = append(e.Properties, weir.Property{Name: fmt.Sprintf("p/%03d", i), Value: values[(i+k)%len(values)]})
		}
		events = append(events, e)
	}
	for _, s := range []eventstore.Store{h.Store, model} {
		write(t, s, BatchOf(events...))
	}
	want, _ := scanAll(t, model, Workspace, eventstore.ScanFilter{})
	got, err := scanAll(t, h.Store, Workspace, eventstore.ScanFilter{})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v, want\n%+v", err, got, want)
	}
}

// More rows than a chunk of an engine holds, many of them at one instant, with texts
// of every length.
func testScanOfManyRows(t *testing.T, h *Harness) {
	model := NewModel()
	b := &eventstore.Batch{Applied: map[int]uint64{}}
	for i := range 5000 {
		p := weir.At(i%3, uint64(i/3+1))
		e := weir.Event{Position: p, Time: weir.Micros(max(i, 3000)), Name: "a", Identity: uint32(i%50 + 1), Person: uint32(i%50 + 1)}
		length := i % 40
		if i == 4321 {
			length = 1 << 20
		}
		if i%7 > 0 {
			e.Properties = append(e.Properties, weir.Property{Name: "list", Value: weir.Raw(fmt.Sprintf(`["%s",%d]`, strings.Repeat("l", length), i))})
		}
		if i%3 > 0 {
			e.Properties = append(e.Properties, weir.Property{Name: "text", Value: weir.Text(strings.Repeat("é", length/2) + strings.Repeat("t", length%2))})
		}
		b.Events, b.Applied[p.Partition()] = append(b.Events, e), p.Seq()
		if i%5 > 0 {
			b.Log = append(b.Log, weir.Outcome{Position: p, ReceivedAt: 1, Kind: weir.KindPageview, ItemID: fmt.Sprint(i * 7919 % 1000)})
		}
	}
	for _, s := range []eventstore.Store{h.Store, model} {
		write(t, s, b)
	}
	want, _ := scanAll(t, model, Workspace, eventstore.ScanFilter{})
	got, err := scanAll(t, h.Store, Workspace, eventstore.ScanFilter{})
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d rows, %v; want %d", len(got), err, len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("row %d is\n%.500s, want\n%.500s", i, fmt.Sprintf("%+v", got[i]), fmt.Sprintf("%+v", want[i]))
		}
	}
}
