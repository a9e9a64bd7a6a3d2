// Package archivetest is the conformance suite of package archive: what every
// driver passes and what callers may rely on.
package archivetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/frame"
)

// Harness is one archive under test, on storage of its own. The suite closes
// the archives.
type Harness struct {
	Archive archive.Archive // empty
	// Reopen opens the archive again after the suite has closed it.
	Reopen func(t *testing.T) archive.Archive
}

// Test runs the suite; newArchive makes a harness for each case.
func Test(t *testing.T, newArchive func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"ReadWhatWasAppended", testRead},
		{"NotFound", testNotFound},
		{"RecordIsTheCallers", testOwnership},
		{"HeldFramesAreSkipped", testSkip},
		{"ReplayInOrder", testReplay},
		{"ReplayByTime", testReplayByTime},
		{"ReplayStops", testReplayStops},
		{"DamagedFramesAreRefused", testRefuse},
		{"Cancelled", testCancelled},
		{"Concurrent", testConcurrent},
		{"Reopen", testReopen},
		{"Closed", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{Harness: newArchive(t), next: map[int]uint64{}}
			defer func() {
				if err := s.Archive.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			c.run(t, s)
		})
	}
}

type suite struct {
	Harness
	next map[int]uint64
}

// Frame is a frame of n records whose raw bytes are their positions.
func Frame(t testing.TB, partition int, first uint64, n int, at weir.Micros) frame.Sealed {
	t.Helper()
	records := make([]weir.Record, n)
	for i := range records {
		records[i] = weir.Record{Workspace: "test", Index: i, ReceivedAt: at, Raw: []byte(weir.At(partition, first+uint64(i)).String())}
	}
	body, err := frame.Encode(partition, records)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return frame.Seal(body, first, at)
}

// frame is the next one of its partition.
func (s *suite) frame(t testing.TB, partition, n int, at weir.Micros) frame.Sealed {
	first := s.next[partition] + 1
	s.next[partition] += uint64(n)
	return Frame(t, partition, first, n, at)
}

func (s *suite) append(t *testing.T, frames ...frame.Sealed) {
	t.Helper()
	if err := s.Archive.Append(t.Context(), frames); err != nil {
		t.Fatalf("append: %v", err)
	}
}

func (s *suite) reopen(t *testing.T) {
	t.Helper()
	if err := s.Archive.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	s.Archive = s.Reopen(t)
}

// readAll makes sure that every position of a partition up to last is there.
func (s *suite) readAll(t *testing.T, partition int, last uint64) {
	t.Helper()
	for seq := uint64(1); seq <= last; seq++ {
		at := weir.At(partition, seq)
		record, err := s.Archive.Read(t.Context(), at)
		if err != nil {
			t.Fatalf("read %s: %v", at, err)
		}
		if string(record.Raw) != at.String() || record.Workspace != "test" {
			t.Fatalf("read %s: got %q of %q", at, record.Raw, record.Workspace)
		}
	}
}

// replay collects the frames in [from, to) by partition and checks their order.
func (s *suite) replay(t *testing.T, from, to weir.Micros) map[int][]frame.Header {
	t.Helper()
	got := map[int][]frame.Header{}
	err := s.Archive.Replay(t.Context(), from, to, func(f frame.Sealed, damage error) error {
		if damage != nil {
			t.Errorf("damage: %v", damage)
			return nil
		}
		whole, err := frame.Decode(f)
		if err != nil {
			return err
		}
		p := whole.Partition
		if before := got[p]; len(before) > 0 && whole.First != before[len(before)-1].Last()+1 {
			t.Errorf("partition %d: frame %d follows %d", p, whole.First, before[len(before)-1].Last())
		}
		got[p] = append(got[p], whole.Header)
		return nil
	})
	if err != nil {
		t.Fatalf("replay: %v", err)
	}
	return got
}

func testRead(t *testing.T, s *suite) {
	s.append(t, s.frame(t, 0, 3, 1), s.frame(t, 7, 1, 1), s.frame(t, 0, 5, 1))
	s.append(t, s.frame(t, 7, 2, 2))
	s.append(t)
	s.readAll(t, 0, 8)
	s.readAll(t, 7, 3)
	// Often the same few.
	for range 3 {
		s.readAll(t, 7, 3)
	}
}

func testNotFound(t *testing.T, s *suite) {
	if _, err := s.Archive.Read(t.Context(), weir.At(0, 1)); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("empty archive: got error %v", err)
	}
	s.append(t, s.frame(t, 1, 3, 1))
	for _, at := range []weir.Position{weir.At(0, 1), weir.At(1, 4), weir.At(1, 0), weir.At(2, 1), 0, -1} {
		if _, err := s.Archive.Read(t.Context(), at); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("%s: got error %v", at, err)
		}
	}
}

func testOwnership(t *testing.T, s *suite) {
	f := s.frame(t, 0, 2, 1)
	s.append(t, f)
	clear(f) // the slices may be reused
	for range 2 {
		record, err := s.Archive.Read(t.Context(), weir.At(0, 2))
		if err != nil {
			t.Fatal(err)
		}
		if string(record.Raw) != "0.2" {
			t.Fatalf("got %q", record.Raw)
		}
		clear(record.Raw)
	}
}

func testSkip(t *testing.T, s *suite) {
	a, b, c := s.frame(t, 0, 3, 1), s.frame(t, 0, 2, 1), s.frame(t, 1, 1, 1)
	s.append(t, a, b)
	s.append(t, a, b, c)
	s.append(t, b, c)
	s.append(t, c, c)
	s.readAll(t, 0, 5)
	s.readAll(t, 1, 1)
	if got := s.replay(t, 0, 0); len(got[0]) != 2 || len(got[1]) != 1 {
		t.Errorf("replay gave %v, want each frame once", got)
	}
}

func testReplay(t *testing.T, s *suite) {
	want := map[int]int{}
	for i := range 200 {
		p := i * 7 % 5
		s.append(t, s.frame(t, p, 1+i%4, weir.Micros(i+1)), s.frame(t, p+5, 1, weir.Micros(i+1)))
		want[p]++
		want[p+5]++
	}
	got := s.replay(t, 0, 0)
	for p, n := range want {
		if len(got[p]) != n || got[p][0].First != 1 {
			t.Errorf("partition %d: %d frames, want %d", p, len(got[p]), n)
		}
	}
}

func testReplayByTime(t *testing.T, s *suite) {
	for i := range 100 {
		s.append(t, s.frame(t, 0, 1, weir.Micros(1000+i*10)))
	}
	for _, c := range []struct {
		from, to    weir.Micros
		first, want int
	}{
		{0, 0, 1, 100}, {1000, 0, 1, 100}, {0, 1990, 1, 99}, {0, 1991, 1, 100}, {1001, 0, 2, 99},
		{1500, 1510, 51, 1}, {1500, 1511, 51, 2}, {1500, 1500, 0, 0}, {5000, 0, 0, 0}, {0, 1000, 0, 0}, {1, 1001, 1, 1},
	} {
		got := s.replay(t, c.from, c.to)[0]
		if len(got) != c.want || c.want > 0 && got[0].First != uint64(c.first) {
			t.Errorf("[%d, %d): %d frames %v…, want %d from %d", c.from, c.to, len(got), got[:min(1, len(got))], c.want, c.first)
		}
	}
}

func testReplayStops(t *testing.T, s *suite) {
	for range 5 {
		s.append(t, s.frame(t, 0, 1, 1))
	}
	stop := errors.New("enough")
	calls := 0
	err := s.Archive.Replay(t.Context(), 0, 0, func(frame.Sealed, error) error {
		if calls++; calls == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || calls != 3 {
		t.Errorf("got error %v after %d calls", err, calls)
	}
}

func testRefuse(t *testing.T, s *suite) {
	whole := s.frame(t, 0, 1, 1)
	damaged := bytes.Clone(Frame(t, 1, 1, 1, 1))
	damaged[len(damaged)-1] ^= 1
	if err := s.Archive.Append(t.Context(), []frame.Sealed{whole, damaged}); !errors.Is(err, frame.ErrCorrupt) {
		t.Fatalf("got error %v", err)
	}
	if got := s.replay(t, 0, 0); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
	s.append(t, whole)
	s.readAll(t, 0, 1)
}

func testCancelled(t *testing.T, s *suite) {
	s.append(t, s.frame(t, 0, 1, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Archive.Read(ctx, weir.At(0, 1))
	for call, err := range map[string]error{
		"Read":   err,
		"Append": s.Archive.Append(ctx, []frame.Sealed{s.frame(t, 0, 1, 1)}),
		"Replay": s.Archive.Replay(ctx, 0, 0, func(frame.Sealed, error) error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v", call, err)
		}
	}
}

// testConcurrent lets one writer for each partition and readers of all of them
// work beside each other.
func testConcurrent(t *testing.T, s *suite) {
	const partitions, frames = 4, 40
	var writers, readers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for p := range partitions {
		writers.Go(func() {
			for i := range frames {
				if err := s.Archive.Append(ctx, []frame.Sealed{Frame(t, p, uint64(2*i+1), 2, weir.Micros(i+1))}); err != nil {
					t.Errorf("append: %v", err)
					return
				}
				at := weir.At(p, uint64(2*i+2))
				if r, err := s.Archive.Read(ctx, at); err != nil || string(r.Raw) != at.String() {
					t.Errorf("read %s right after appending it: %q, %v", at, r.Raw, err)
				}
			}
		})
		readers.Go(func() {
			for ctx.Err() == nil {
				err := s.Archive.Replay(ctx, 0, 0, func(f frame.Sealed, damage error) error { return errors.Join(damage, frame.Verify(f)) })
				if err != nil && ctx.Err() == nil {
					t.Errorf("replay: %v", err)
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	for p := range partitions {
		s.readAll(t, p, 2*frames)
	}
	for p, got := range s.replay(t, 0, 0) {
		if len(got) != frames {
			t.Errorf("partition %d: %d frames, want %d", p, len(got), frames)
		}
	}
}

func testReopen(t *testing.T, s *suite) {
	for round := range 4 {
		for i := range 50 {
			s.append(t, s.frame(t, i%3, 2, weir.Micros(round*100+i+1)))
		}
		s.reopen(t)
		for p := range 3 {
			s.readAll(t, p, s.next[p])
		}
		again := Frame(t, 0, s.next[0]-1, 2, 1)
		s.append(t, again)
	}
	got := s.replay(t, 0, 0)
	if n := len(slices.Concat(got[0], got[1], got[2])); n != 200 {
		t.Errorf("replay gave %d frames, want 200", n)
	}
}

func testClosed(t *testing.T, s *suite) {
	s.append(t, s.frame(t, 0, 1, 1))
	for range 2 {
		if err := s.Archive.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	_, err := s.Archive.Read(t.Context(), weir.At(0, 1))
	for call, err := range map[string]error{
		"Read":   err,
		"Append": s.Archive.Append(t.Context(), []frame.Sealed{s.frame(t, 0, 1, 1)}),
		"Replay": s.Archive.Replay(t.Context(), 0, 0, func(frame.Sealed, error) error { return fmt.Errorf("called") }),
	} {
		if !errors.Is(err, archive.ErrClosed) {
			t.Errorf("%s: got error %v, want ErrClosed", call, err)
		}
	}
}
