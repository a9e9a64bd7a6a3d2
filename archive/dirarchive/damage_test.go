package dirarchive

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/archivetest"
	"github.com/weirhq/weir/frame"
)

func open(t testing.TB, dir string, options *Options) *Archive {
	t.Helper()
	a, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// filled is a directory with n frames of 2 records each in partition 0.
func filled(t testing.TB, dir string, n int, options *Options) []frame.Sealed {
	t.Helper()
	a := open(t, dir, options)
	var frames []frame.Sealed
	for i := range n {
		frames = append(frames, archivetest.Frame(t, 0, uint64(2*i+1), 2, weir.Micros(i+1)))
	}
	if err := a.Append(t.Context(), frames); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return frames
}

// replayed is what Replay gives: the first sequence number of each frame, and
// the damages.
func replayed(t testing.TB, a *Archive) (firsts []uint64, damages []error) {
	t.Helper()
	err := a.Replay(t.Context(), 0, 0, func(f frame.Sealed, damage error) error {
		if damage != nil {
			damages = append(damages, damage)
			return nil
		}
		h, err := frame.ReadHeader(f)
		firsts = append(firsts, h.First)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return firsts, damages
}

// TestTornTail cuts the segment at every place of its last two frames, as a
// crash may, with and without rubbish behind: what was whole stays, the rest is
// kept in quarantine, and appending goes on.
func TestTornTail(t *testing.T) {
	source := t.TempDir()
	frames := filled(t, source, 3, nil)
	data, err := os.ReadFile(segmentPath(source, 1))
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(frames[0]); cut < len(data); cut++ {
		for _, rubbish := range [][]byte{nil, make([]byte, 100), []byte("\xf5weirubbish")} {
			dir := t.TempDir()
			torn := append(slices.Clone(data[:cut]), rubbish...)
			if err := os.WriteFile(segmentPath(dir, 1), torn, 0o600); err != nil {
				t.Fatal(err)
			}
			a := open(t, dir, nil)
			whole := 1
			end := len(frames[0])
			if cut >= len(frames[0])+len(frames[1]) {
				whole, end = 2, end+len(frames[1])
			}
			if firsts, damages := replayed(t, a); len(firsts) != whole || len(damages) != 0 {
				t.Fatalf("cut at %d: replay gave %v, %v; want %d frames", cut, firsts, damages, whole)
			}
			if kept := quarantined(t, dir); !bytes.Equal(kept, torn[end:]) {
				t.Fatalf("cut at %d: quarantine holds %d bytes, want %d", cut, len(kept), len(torn)-end)
			}
			if err := a.Append(t.Context(), frames); err != nil {
				t.Fatal(err)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if again, err := os.ReadFile(segmentPath(dir, 1)); err != nil || !bytes.Equal(again, data) {
				t.Fatalf("cut at %d: appending again did not restore the segment: %v", cut, err)
			}
		}
	}
}

func quarantined(t *testing.T, dir string) (data []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "quarantine", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, b...)
	}
	return data
}

// TestFlippedBits flips bits of finished segments: each costs the frame it hits
// and no other, in Replay and in Read, with the index and without.
func TestFlippedBits(t *testing.T) {
	source := t.TempDir()
	frames := filled(t, source, 20, &Options{SegmentSize: 1})
	data, err := os.ReadFile(segmentPath(source, 1))
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(indexPath(source, 1))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		dir := t.TempDir()
		bit := random.IntN(len(data) * 8)
		hit, end := 0, len(frames[0])
		for bit/8 >= end {
			hit++
			end += len(frames[hit])
		}
		damaged := bytes.Clone(data)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(segmentPath(dir, 1), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			if err := os.WriteFile(indexPath(dir, 1), index, 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(segmentPath(dir, 2), nil, 0o600); err != nil {
			t.Fatal(err) // makes the first segment a finished one
		}
		a := open(t, dir, nil)
		firsts, damages := replayed(t, a)
		if len(firsts) != len(frames)-1 || slices.Contains(firsts, uint64(2*hit+1)) {
			t.Fatalf("bit %d (frame %d): replay gave %v", bit, hit, firsts)
		}
		if len(damages) != 1 || !errors.Is(damages[0], frame.ErrCorrupt) ||
			!strings.Contains(damages[0].Error(), fmt.Sprintf("%s, bytes %d to %d", segmentPath(dir, 1), end-len(frames[hit]), end-1)) {
			t.Fatalf("bit %d (bytes %d to %d): damages %v", bit, end-len(frames[hit]), end-1, damages)
		}
		for i := range frames {
			_, err := a.Read(t.Context(), weir.At(0, uint64(2*i+2)))
			if i != hit && err != nil {
				t.Fatalf("bit %d (frame %d): frame %d: %v", bit, hit, i, err)
			}
			edge := round%2 == 1 && (hit == 0 || hit == len(frames)-1) // nothing is left that knows of it
			if i == hit && !errors.Is(err, frame.ErrCorrupt) && !(edge && errors.Is(err, archive.ErrNotFound)) {
				t.Fatalf("bit %d (frame %d): reading it gave error %v", bit, hit, err)
			}
		}
	}
}

// TestDamagedIndex damages the index at every byte and cuts it everywhere: it
// is made anew and nothing else is noticed.
func TestDamagedIndex(t *testing.T) {
	dir := t.TempDir()
	frames := filled(t, dir, 5, &Options{SegmentSize: 1})
	index, err := os.ReadFile(indexPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, damaged []byte) {
		if err := os.WriteFile(indexPath(dir, 1), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		a := open(t, dir, nil)
		for i := range frames {
			if _, err := a.Read(t.Context(), weir.At(0, uint64(2*i+1))); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if err := a.Append(t.Context(), frames); err != nil {
			t.Fatal(err)
		}
		if firsts, damages := replayed(t, a); len(firsts) != len(frames) || len(damages) != 0 {
			t.Fatalf("%s: replay gave %v, %v", what, firsts, damages)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if again, err := os.ReadFile(indexPath(dir, 1)); err != nil || !bytes.Equal(again, index) {
			t.Fatalf("%s: the index was not made anew: %v", what, err)
		}
	}
	for i := range index {
		damaged := bytes.Clone(index)
		damaged[i] ^= 0x10
		check(fmt.Sprint("byte ", i), damaged)
		check(fmt.Sprint("cut at ", i), index[:i])
	}
}

// TestTruncatedSegment cuts a finished segment between two frames, where only
// the index knows that something is missing.
func TestTruncatedSegment(t *testing.T) {
	dir := t.TempDir()
	frames := filled(t, dir, 5, &Options{SegmentSize: 1})
	if err := os.Truncate(segmentPath(dir, 1), int64(len(frames[0])+len(frames[1]))); err != nil {
		t.Fatal(err)
	}
	a := open(t, dir, nil)
	firsts, damages := replayed(t, a)
	if fmt.Sprint(firsts) != "[1 3]" || len(damages) != 1 || !errors.Is(damages[0], frame.ErrCorrupt) {
		t.Errorf("replay gave %v, %v", firsts, damages)
	}
	if _, err := a.Read(t.Context(), weir.At(0, 5)); !errors.Is(err, frame.ErrCorrupt) {
		t.Errorf("read behind the end: %v", err)
	}
	if _, err := a.Read(t.Context(), weir.At(0, 4)); err != nil {
		t.Error(err)
	}
}

// TestFailedSync makes an fsync fail: the frames of that Append are not there
// afterwards, in memory nor in the file, and appending works again by itself.
func TestFailedSync(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, nil)
	one, two := archivetest.Frame(t, 0, 1, 1, 1), archivetest.Frame(t, 0, 2, 1, 2)
	if err := a.Append(t.Context(), []frame.Sealed{one}); err != nil {
		t.Fatal(err)
	}
	for failures := range 4 {
		left := failures
		a.sync = func(f *os.File) error {
			if left > 0 {
				left--
				return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
			}
			return f.Sync()
		}
		err := a.Append(t.Context(), []frame.Sealed{two})
		if failures == 0 {
			two = archivetest.Frame(t, 0, 3, 1, 3)
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("%d failures: got error %v", failures, err)
		}
		if _, err := a.Read(t.Context(), weir.At(0, 3)); !errors.Is(err, archive.ErrNotFound) {
			t.Fatalf("%d failures: what is not durable can be read: %v", failures, err)
		}
		if firsts, damages := replayed(t, a); len(firsts) != 2 || len(damages) != 0 {
			t.Fatalf("%d failures: replay gave %v, %v", failures, firsts, damages)
		}
		for left > 0 {
			if err := a.Append(t.Context(), []frame.Sealed{two}); err == nil {
				t.Fatal("an append was answered although its fsync failed")
			}
		}
	}
	if err := a.Append(t.Context(), []frame.Sealed{two}); err != nil {
		t.Fatal(err)
	}
	if firsts, damages := replayed(t, a); fmt.Sprint(firsts) != "[1 2 3]" || len(damages) != 0 {
		t.Errorf("replay gave %v, %v", firsts, damages)
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	if _, err := Open(dir, nil); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got error %v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			a := open(b, b.TempDir(), nil)
			random := rand.New(rand.NewPCG(1, 2))
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			b.SetBytes(int64(8 * size))
			first := uint64(1)
			for b.Loop() {
				var frames []frame.Sealed
				for p := range 8 {
					frames = append(frames, frame.Seal(frame.Body{Partition: p, Count: 100, Data: data}, first, 1))
				}
				first += 100
				if err := a.Append(b.Context(), frames); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	filled(b, dir, 10_000, &Options{SegmentSize: 100_000})
	a := open(b, dir, nil)
	random := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Read(b.Context(), weir.At(0, 1+random.Uint64N(20_000))); err != nil {
			b.Fatal(err)
		}
	}
}
