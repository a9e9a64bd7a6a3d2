// Package ledgertest is the conformance suite of rabbitqueue.Ledger: what every
// ledger promises.
package ledgertest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/weirhq/weir/queue/rabbitqueue"
)

// Harness is one ledger under test, with storage of its own.
type Harness struct {
	// Ledger is empty.
	Ledger rabbitqueue.Ledger
	// Again opens the same ledger once more, as another process does.
	Again func(t *testing.T) rabbitqueue.Ledger
	// Age makes all that has happened so far older than the retention.
	Age func(t *testing.T)
}

// Test runs the suite; newLedger makes a harness for each case.
func Test(t *testing.T, newLedger func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"NumbersHaveNoGaps", testNumbers},
		{"SameFrameSameNumbers", testSame},
		{"PartitionsAreApart", testPartitions},
		{"FrameTwiceInOneCall", testTwice},
		{"NothingToAssign", testNothing},
		{"FramesHaveRecords", testNoRecords},
		{"AttemptsAreCounted", testAttempts},
		{"AcknowledgeNeverGoesBack", testAcknowledge},
		{"PlaceTellsAcknowledged", testPlaceAcked},
		{"Positions", testPositions},
		{"ProcessesAgree", testConcurrent},
		{"ConcurrentAcknowledge", testConcurrentAcknowledge},
		{"Forget", testForget},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, &suite{newLedger(t)}) })
	}
}

type suite struct{ Harness }

// id is a frame's id from a number.
func id(n int) rabbitqueue.FrameID {
	var id rabbitqueue.FrameID
	copy(id[:], fmt.Sprintf("frame %010d", n))
	return id
}

func frameOf(partition, n, records int) rabbitqueue.Frame {
	return rabbitqueue.Frame{Partition: partition, ID: id(n), Records: records, Bytes: int64(100 * records)}
}

func assign(t *testing.T, l rabbitqueue.Ledger, frames ...rabbitqueue.Frame) []rabbitqueue.Place {
	t.Helper()
	places, err := l.Assign(t.Context(), frames)
	if err != nil {
		t.Fatalf("assign: %v", err)
	}
	if len(places) != len(frames) {
		t.Fatalf("%d places for %d frames", len(places), len(frames))
	}
	return places
}

func acknowledge(t *testing.T, l rabbitqueue.Ledger, upTo map[int]uint64) {
	t.Helper()
	if err := l.Acknowledge(t.Context(), upTo); err != nil {
		t.Fatalf("acknowledge: %v", err)
	}
}

func positions(t *testing.T, l rabbitqueue.Ledger, n int) []rabbitqueue.Position {
	t.Helper()
	positions, err := l.Positions(t.Context(), n)
	if err != nil {
		t.Fatalf("positions: %v", err)
	}
	if len(positions) != n {
		t.Fatalf("%d positions for %d partitions", len(positions), n)
	}
	return positions
}

func wantFirsts(t *testing.T, places []rabbitqueue.Place, firsts ...uint64) {
	t.Helper()
	var got []uint64
	for _, p := range places {
		got = append(got, p.First)
	}
	if !slices.Equal(got, firsts) {
		t.Errorf("the frames begin at %v, want %v", got, firsts)
	}
}

func testNumbers(t *testing.T, s *suite) {
	wantFirsts(t, assign(t, s.Ledger, frameOf(0, 1, 3), frameOf(0, 2, 1), frameOf(0, 3, 2)), 1, 4, 5)
	wantFirsts(t, assign(t, s.Ledger, frameOf(0, 4, 1)), 7)
	wantFirsts(t, assign(t, s.Again(t), frameOf(0, 5, 1)), 8)
}

func testSame(t *testing.T, s *suite) {
	first := assign(t, s.Ledger, frameOf(0, 1, 3), frameOf(0, 2, 2))
	if first[0].Known || first[1].Known {
		t.Errorf("new frames are known: %+v", first)
	}
	// In another order, with a new one between, and with other records: damaged
	// frames may show a number that they did not have.
	again := assign(t, s.Again(t), frameOf(0, 2, 1), frameOf(0, 3, 5), frameOf(0, 1, 3))
	wantFirsts(t, again, 4, 6, 1)
	if !again[0].Known || again[1].Known || !again[2].Known {
		t.Errorf("known are %+v", again)
	}
	if again[0].Records != 2 || again[1].Records != 5 || again[2].Records != 3 {
		t.Errorf("records are %+v", again)
	}
}

func testPartitions(t *testing.T, s *suite) {
	places := assign(t, s.Ledger, frameOf(2, 1, 2), frameOf(0, 1, 3), frameOf(2, 2, 1), frameOf(0, 3, 1))
	wantFirsts(t, places, 1, 1, 3, 4)
}

func testTwice(t *testing.T, s *suite) {
	wantFirsts(t, assign(t, s.Ledger, frameOf(0, 1, 2), frameOf(0, 1, 2), frameOf(0, 2, 1)), 1, 1, 3)
	wantFirsts(t, assign(t, s.Ledger, frameOf(0, 1, 2), frameOf(0, 1, 2)), 1, 1)
}

func testNothing(t *testing.T, s *suite) {
	assign(t, s.Ledger)
	acknowledge(t, s.Ledger, nil)
	if err := s.Ledger.Attempt(t.Context(), nil); err != nil {
		t.Errorf("attempt: %v", err)
	}
}

func testNoRecords(t *testing.T, s *suite) {
	if _, err := s.Ledger.Assign(t.Context(), []rabbitqueue.Frame{frameOf(0, 1, 1), frameOf(0, 2, 0)}); err == nil {
		t.Error("a frame without records was given numbers")
	}
	wantFirsts(t, assign(t, s.Ledger, frameOf(0, 3, 1)), 1)
}

func testAttempts(t *testing.T, s *suite) {
	if p := assign(t, s.Ledger, frameOf(0, 1, 1), frameOf(0, 2, 1)); p[0].Attempts != 1 || p[1].Attempts != 1 {
		t.Errorf("attempts of new frames are %+v", p)
	}
	for range 2 {
		if err := s.Ledger.Attempt(t.Context(), []rabbitqueue.Frame{frameOf(0, 1, 1), frameOf(0, 9, 1), frameOf(1, 1, 1)}); err != nil {
			t.Fatalf("attempt: %v", err)
		}
	}
	p := assign(t, s.Again(t), frameOf(0, 1, 1), frameOf(0, 2, 1), frameOf(0, 9, 1))
	if p[0].Attempts != 3 || p[1].Attempts != 1 || p[2].Attempts != 1 || p[2].Known {
		t.Errorf("attempts are %+v, want 3, 1, and 1 of a new frame", p)
	}
}

func testAcknowledge(t *testing.T, s *suite) {
	assign(t, s.Ledger, frameOf(0, 1, 4), frameOf(1, 2, 2))
	acked := func(want ...uint64) {
		t.Helper()
		for p, at := range positions(t, s.Ledger, len(want)) {
			if at.Acked != want[p] {
				t.Errorf("partition %d is acknowledged up to %d, want %d", p, at.Acked, want[p])
			}
		}
	}
	acknowledge(t, s.Ledger, map[int]uint64{0: 3})
	acked(3, 0)
	acknowledge(t, s.Again(t), map[int]uint64{0: 2, 1: 1})
	acked(3, 1)
	acknowledge(t, s.Ledger, map[int]uint64{0: 100, 2: 5})
	acked(4, 1, 0)
	wantFirsts(t, assign(t, s.Ledger, frameOf(0, 3, 1), frameOf(2, 4, 1)), 5, 1)
	acked(4, 1, 0)
}

func testPlaceAcked(t *testing.T, s *suite) {
	assign(t, s.Ledger, frameOf(0, 1, 2), frameOf(0, 2, 2), frameOf(1, 3, 1))
	acknowledge(t, s.Ledger, map[int]uint64{0: 3})
	p := assign(t, s.Ledger, frameOf(0, 1, 2), frameOf(1, 3, 1), frameOf(0, 4, 1))
	if p[0].Acked != 3 || p[1].Acked != 0 || p[2].Acked != 3 {
		t.Errorf("acknowledged are %+v, want 3, 0, 3", p)
	}
}

func testPositions(t *testing.T, s *suite) {
	if at := positions(t, s.Ledger, 3); !slices.Equal(at, make([]rabbitqueue.Position, 3)) {
		t.Errorf("positions of an empty ledger are %+v", at)
	}
	assign(t, s.Ledger, frameOf(0, 1, 2), frameOf(0, 2, 3), frameOf(2, 3, 1), frameOf(7, 4, 1))
	acknowledge(t, s.Ledger, map[int]uint64{0: 1})
	want := []rabbitqueue.Position{{Head: 5, Acked: 1, Frames: 2, Bytes: 500}, {}, {Head: 1, Frames: 1, Bytes: 100}}
	if at := positions(t, s.Ledger, 3); !slices.Equal(at, want) {
		t.Errorf("positions are %+v, want %+v", at, want)
	}
	acknowledge(t, s.Ledger, map[int]uint64{0: 2})
	want[0] = rabbitqueue.Position{Head: 5, Acked: 2, Frames: 1, Bytes: 300}
	if at := positions(t, s.Ledger, 3); !slices.Equal(at, want) {
		t.Errorf("positions are %+v, want %+v", at, want)
	}
}

// testConcurrent has processes ask for overlapping frames of the same partitions:
// all are told the same, and no number is given twice or left out.
func testConcurrent(t *testing.T, s *suite) {
	const processes, frames, partitions = 4, 120, 3
	ledgers := []rabbitqueue.Ledger{s.Ledger}
	for len(ledgers) < processes {
		ledgers = append(ledgers, s.Again(t))
	}
	told := make([]map[int]rabbitqueue.Place, processes)
	var running sync.WaitGroup
	for i, l := range ledgers {
		told[i] = map[int]rabbitqueue.Place{}
		running.Go(func() {
			for from := 0; from < frames; from += 10 {
				var ask []rabbitqueue.Frame
				for n := from; n < min(from+20, frames); n++ {
					ask = append(ask, frameOf(n%partitions, n, n%4+1))
				}
				if i%2 == 1 {
					slices.Reverse(ask)
				}
				places, err := l.Assign(t.Context(), ask)
				if err != nil {
					t.Errorf("assign: %v", err)
					return
				}
				for j, p := range places {
					var n int
					if _, err := fmt.Sscanf(string(ask[j].ID[:]), "frame %d", &n); err != nil {
						t.Error(err)
						return
					}
					if was, ok := told[i][n]; ok && was.First != p.First {
						t.Errorf("frame %d began at %d and begins at %d", n, was.First, p.First)
					}
					told[i][n] = p
				}
			}
		})
	}
	running.Wait()
	taken := map[string]int{}
	total := map[int]int{}
	for n := range frames {
		for i := range told {
			if told[i][n].First != told[0][n].First {
				t.Errorf("frame %d begins at %d and at %d", n, told[0][n].First, told[i][n].First)
			}
		}
		for r := range told[0][n].Records {
			taken[fmt.Sprint(n%partitions, ":", told[0][n].First+uint64(r))]++
		}
		total[n%partitions] += n%4 + 1
	}
	for p := range partitions {
		for seq := 1; seq <= total[p]; seq++ {
			if got := taken[fmt.Sprint(p, ":", seq)]; got != 1 {
				t.Fatalf("number %d of partition %d is given %d times", seq, p, got)
			}
		}
	}
}

// testConcurrentAcknowledge names partitions in all orders at once: a ledger that
// locks them in the caller's order would fall over its own feet.
func testConcurrentAcknowledge(t *testing.T, s *suite) {
	const partitions, rounds = 8, 40
	var all []rabbitqueue.Frame
	for p := range partitions {
		all = append(all, frameOf(p, p, rounds))
	}
	assign(t, s.Ledger, all...)
	var running sync.WaitGroup
	for i := range 4 {
		l := s.Again(t)
		running.Go(func() {
			for round := 1; round <= rounds; round++ {
				upTo := map[int]uint64{} // Go's order of maps is another one each time
				for p := range partitions {
					upTo[p] = uint64(round)
				}
				if err := l.Acknowledge(t.Context(), upTo); err != nil {
					t.Errorf("acknowledge: %v", err)
				}
				ask := slices.Clone(all)
				if i%2 == 1 {
					slices.Reverse(ask)
				}
				if _, err := l.Assign(t.Context(), ask); err != nil {
					t.Errorf("assign: %v", err)
				}
				if err := l.Attempt(t.Context(), ask); err != nil {
					t.Errorf("attempt: %v", err)
				}
			}
		})
	}
	running.Wait()
	for p, at := range positions(t, s.Ledger, partitions) {
		if at.Acked != rounds {
			t.Errorf("partition %d is acknowledged up to %d, want %d", p, at.Acked, rounds)
		}
	}
	for _, p := range assign(t, s.Ledger, all...) {
		if p.Attempts != 1+4*rounds {
			t.Errorf("counted %d attempts, want %d", p.Attempts, 1+4*rounds)
		}
	}
}

func testForget(t *testing.T, s *suite) {
	forget := func() {
		t.Helper()
		if err := s.Ledger.Forget(t.Context()); err != nil {
			t.Fatalf("forget: %v", err)
		}
	}
	assign(t, s.Ledger, frameOf(0, 1, 2), frameOf(0, 2, 2), frameOf(1, 3, 1))
	acknowledge(t, s.Ledger, map[int]uint64{0: 3})
	forget()
	// What was acknowledged lately is remembered.
	wantFirsts(t, assign(t, s.Ledger, frameOf(0, 1, 2)), 1)
	s.Age(t)
	acknowledge(t, s.Ledger, map[int]uint64{1: 1})
	forget()
	forget()
	// The first frame is forgotten and gets new numbers, which shows that numbers go
	// on. The others are not: one is acknowledged in part, one was just now.
	places := assign(t, s.Ledger, frameOf(0, 2, 2), frameOf(1, 3, 1), frameOf(0, 1, 2))
	wantFirsts(t, places, 3, 1, 5)
	if places[2].Known {
		t.Error("a frame is known long after it was acknowledged")
	}
	// Nothing has changed since: what is acknowledged goes on to be forgotten.
	s.Age(t)
	forget()
	if p := assign(t, s.Ledger, frameOf(1, 3, 1)); p[0].Known {
		t.Error("a frame is known long after it was acknowledged")
	}
}
