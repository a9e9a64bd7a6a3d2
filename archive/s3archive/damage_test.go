package s3archive

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/frame"
)

// onDisk is the file in which the server keeps an object.
func onDisk(opts Options, p place) string {
	return filepath.Join(gateway.dir, opts.Bucket, opts.Prefix, p.key)
}

// stored is an archive with n frames of partition 0 in one object, in a batch or
// in a run.
func stored(t *testing.T, n int, run bool) (Options, place, []frame.Sealed) {
	t.Helper()
	opts := onServer(t)
	a := open(t, opts)
	frames := numbered(t, 0, 0, n)
	appendTo(t, a, frames...)
	folder := batchFolder
	if run {
		folder = runPrefix(0)
		if err := a.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	places := placesOf(t, a, folder)
	if len(places) != 1 {
		t.Fatalf("there are %v", places)
	}
	return opts, places[0], frames
}

func forBoth(t *testing.T, test func(t *testing.T, run bool)) {
	t.Run("batch", func(t *testing.T) { test(t, false) })
	t.Run("run", func(t *testing.T) { test(t, true) })
}

func put(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFlippedBits flips bits of objects on the server's disk: each costs the
// frame that it hits and nothing else; in the index, nothing at all.
func TestFlippedBits(t *testing.T) {
	forBoth(t, func(t *testing.T, run bool) {
		opts, p, frames := stored(t, 5, run)
		file := onDisk(opts, p)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(data); at += 3 {
			damaged := bytes.Clone(data)
			damaged[at] ^= 1 << (at % 8)
			put(t, file, damaged)
			hit, end := 0, len(frames[0])
			for hit < len(frames) && at >= end {
				if hit++; hit < len(frames) {
					end += len(frames[hit])
				}
			}
			a := open(t, opts)
			firsts, damages := replayed(t, a)
			want := []uint64{1, 3, 5, 7, 9}
			if hit < len(frames) {
				want = slices.Delete(want, hit, hit+1)
				if len(damages) != 1 || !strings.Contains(damages[0].Error(), fmt.Sprintf("%s, bytes %d to %d", p.key, end-len(frames[hit]), end-1)) {
					t.Fatalf("byte %d, in bytes %d to %d: damages %v", at, end-len(frames[hit]), end-1, damages)
				}
			} else if len(damages) != 0 {
				t.Fatalf("byte %d, in the index: damages %v", at, damages)
			}
			if !slices.Equal(firsts[0], want) {
				t.Fatalf("byte %d: replay gave %v, want %v", at, firsts[0], want)
			}
			for i := range frames {
				if _, err := a.Read(t.Context(), weir.At(0, uint64(2*i+2))); (i == hit) != errors.Is(err, frame.ErrCorrupt) || i != hit && err != nil {
					t.Fatalf("byte %d, frame %d: reading frame %d gave error %v", at, hit, i, err)
				}
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTruncatedObject cuts objects: what is whole is there, and that something
// is missing is told.
func TestTruncatedObject(t *testing.T) {
	forBoth(t, func(t *testing.T, run bool) {
		opts, p, frames := stored(t, 4, run)
		file := onDisk(opts, p)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for size := 0; size < len(data); size += 5 {
			put(t, file, data[:size])
			whole, end := 0, 0
			for whole < len(frames) && end+len(frames[whole]) <= size {
				end += len(frames[whole])
				whole++
			}
			a := open(t, opts)
			firsts, damages := replayed(t, a)
			if len(firsts[0]) != whole || (whole < len(frames)) != (len(damages) > 0) {
				t.Fatalf("cut at %d: replay gave %v of %d frames, damages %v", size, firsts[0], whole, damages)
			}
			for i := range whole {
				if _, err := a.Read(t.Context(), weir.At(0, uint64(2*i+1))); err != nil {
					t.Fatalf("cut at %d: %v", size, err)
				}
			}
			if _, err := a.Read(t.Context(), weir.At(0, 7)); whole < 4 && !errors.Is(err, frame.ErrCorrupt) && !errors.Is(err, archive.ErrNotFound) {
				t.Fatalf("cut at %d: reading what is lost gave error %v", size, err)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestAnotherCopy damages one of two copies: nobody notices. Then both.
func TestAnotherCopy(t *testing.T) {
	opts, p, frames := stored(t, 6, true)
	if err := open(t, opts).Append(t.Context(), frames[2:4]); err != nil {
		t.Fatal(err)
	}
	flip := func(p place, at int) {
		file := onDisk(opts, p)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data[at] ^= 1
		put(t, file, data)
	}
	third := len(frames[0]) + len(frames[1])
	flip(p, third+10)
	wholly(t, opts, 6, 0)
	a := open(t, opts)
	if _, err := a.Read(t.Context(), weir.At(0, 5)); err != nil {
		t.Error(err)
	}
	batch := placesOf(t, a, batchFolder)[0]
	flip(batch, 10)
	firsts, damages := replayed(t, open(t, opts))
	if fmt.Sprint(firsts) != "map[0:[1 3 7 9 11]]" || len(damages) != 1 {
		t.Fatalf("replay gave %v, %v", firsts, damages)
	}
	for _, p := range []place{p, batch} {
		if !strings.Contains(damages[0].Error(), p.key) {
			t.Errorf("damage does not tell of %s: %v", p.key, damages[0])
		}
	}
	if _, err := open(t, opts).Read(t.Context(), weir.At(0, 5)); !errors.Is(err, frame.ErrCorrupt) {
		t.Errorf("reading it gave error %v", err)
	}
}

// TestDamagedBatchIsLeft compacts around a damaged batch: it stays, with what of
// it is whole, and its frames come in their place.
func TestDamagedBatchIsLeft(t *testing.T) {
	opts := onServer(t)
	writer := open(t, opts)
	for i := range 3 {
		appendTo(t, writer, numbered(t, 0, 3*i, 3*i+3)...)
	}
	batches := placesOf(t, writer, batchFolder)
	file := onDisk(opts, batches[1])
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[20] ^= 4
	put(t, file, data)
	for range 2 {
		a := open(t, opts)
		if err := a.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := placesOf(t, a, batchFolder); len(left) != 1 || left[0].key != batches[1].key {
			t.Errorf("left are %v", left)
		}
		if runs := placesOf(t, a, runPrefix(0)); len(runs) != 1 {
			t.Errorf("runs are %v", runs)
		}
		firsts, damages := replayed(t, a)
		if fmt.Sprint(firsts) != "map[0:[1 3 5 9 11 13 15 17]]" || len(damages) != 1 {
			t.Errorf("replay gave %v, %v", firsts, damages)
		}
		if _, err := a.Read(t.Context(), weir.At(0, 10)); err != nil {
			t.Error(err)
		}
		if _, err := a.Read(t.Context(), weir.At(0, 8)); !errors.Is(err, frame.ErrCorrupt) {
			t.Errorf("reading what is lost gave error %v", err)
		}
	}
}

// TestReadBack damages runs right after they are written: the compaction fails
// and deletes nothing, and the next one puts it right.
func TestReadBack(t *testing.T) {
	direct := onServer(t)
	opts := direct
	opts.Transport = afterPut(func(r *http.Request) {
		if _, key, ok := strings.Cut(r.URL.Path, opts.Prefix+"/"); ok && strings.HasPrefix(key, runFolder) {
			file := onDisk(opts, place{key: key})
			data, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
				return
			}
			data[len(data)/2] ^= 1
			put(t, file, data)
		}
	})
	a := open(t, opts)
	for _, f := range numbered(t, 0, 0, 3) {
		appendTo(t, a, f)
	}
	if err := a.Compact(t.Context()); !errors.Is(err, frame.ErrCorrupt) {
		t.Errorf("got error %v", err)
	}
	if left := placesOf(t, a, batchFolder); len(left) != 3 {
		t.Errorf("left are %v", left)
	}
	wholly(t, direct, 3, 0)
	if err := open(t, direct).Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := placesOf(t, a, batchFolder); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	wholly(t, direct, 3, 0)
}

// afterPut does something when an object has been written.
type afterPut func(*http.Request)

func (do afterPut) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodPut {
		do(r)
	}
	return answer, err
}

// TestCompactedTwice sorts what is in a run already, all of it: the run that
// would be written is there, and stays.
func TestCompactedTwice(t *testing.T) {
	opts, run, frames := stored(t, 4, true)
	for range 2 {
		a := open(t, opts)
		appendTo(t, a, frames...)
		if err := a.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if runs, left := placesOf(t, a, runPrefix(0)), placesOf(t, a, batchFolder); len(runs) != 1 || runs[0].key != run.key || len(left) != 0 {
			t.Fatalf("runs are %v, batches %v", runs, left)
		}
	}
	wholly(t, opts, 4, 0)
}

// TestForeignObjects: what else lies in the bucket is no part of the archive.
func TestForeignObjects(t *testing.T) {
	opts, p, _ := stored(t, 3, true)
	for _, key := range []string{"README", "batches/note", "runs/note", "runs/xyz/note", "runs/00000/note", "runs/99999/" + filepath.Base(p.key), p.key + "-copy"} {
		if err := open(t, opts).store.put(t.Context(), key, []byte("not of the archive")); err != nil {
			t.Fatal(err)
		}
	}
	wholly(t, opts, 3, 0)
	if err := open(t, opts).Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	wholly(t, opts, 3, 0)
}
