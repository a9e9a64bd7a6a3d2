package s3archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

// tape notes the requests of an archive.
type tape struct {
	mu   sync.Mutex
	seen []string
}

func (c *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	what := r.Method
	switch query := r.URL.Query(); {
	case query.Has("list-type"):
		what = "LIST"
	case query.Has("partNumber"):
		what = "PART"
	}
	c.mu.Lock()
	c.seen = append(c.seen, what)
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// take is what was seen since the last time.
func (c *tape) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.seen = nil }()
	return strings.Join(c.seen, " ")
}

// TestRequests says what calls cost.
func TestRequests(t *testing.T) {
	requests := &tape{}
	opts := onServer(t)
	opts.Transport = requests
	a := open(t, opts)
	expect := func(what, want string) {
		t.Helper()
		if got := requests.take(); got != want {
			t.Errorf("%s: requests are %q, want %q", what, got, want)
		}
	}
	read := func(a *Archive, at weir.Position) {
		t.Helper()
		if _, err := a.Read(t.Context(), at); err != nil {
			t.Error(err)
		}
	}
	expect("open", "LIST")
	var frames []frame.Sealed
	for p := range 16 {
		frames = append(frames, numbered(t, p, 0, 10)...)
	}
	appendTo(t, a, frames...)
	expect("append frames of many partitions", "PUT")
	appendTo(t, a, frames...)
	expect("append what is held", "")
	read(a, weir.At(3, 9))
	expect("read what this process appended", "GET")
	read(a, weir.At(3, 10))
	expect("read the same frame", "")
	other := open(t, opts)
	read(other, weir.At(3, 9))
	expect("open, and read what is in a batch of another process", "LIST LIST LIST GET GET")
	read(other, weir.At(4, 9))
	expect("read from a batch that is known", "GET")
	if err := a.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	requests.take()
	fresh := open(t, opts)
	read(fresh, weir.At(3, 9))
	expect("open, and read what is in a run", "LIST LIST GET GET")
	read(fresh, weir.At(3, 1))
	expect("read from a run that is known", "GET")
	read(other, weir.At(5, 9))
	expect("read what has moved", "GET LIST GET GET")
	if _, err := fresh.Read(t.Context(), weir.At(3, 999)); err == nil {
		t.Error("read what is not there")
	}
	expect("read what is not there", "LIST LIST LIST")
}

// TestCatalogForgets: what the catalog does not know is found by listings, also
// if the index is in the cache.
func TestCatalogForgets(t *testing.T) {
	opts := onServer(t)
	a := open(t, opts)
	for _, f := range numbered(t, 0, 0, 100) {
		appendTo(t, a, f)
	}
	for i := range 2 {
		a.catalog.clear()
		for _, seq := range []uint64{1, 100, 200} {
			if _, err := a.Read(t.Context(), weir.At(0, seq)); err != nil {
				t.Error(err)
			}
		}
		if i == 0 {
			if err := open(t, opts).Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLargeFrames stores frames that need an upload in parts.
func TestLargeFrames(t *testing.T) {
	requests := &tape{}
	opts := onServer(t)
	opts.PartSize, opts.Transport = minPartSize, requests
	opts.RunSize = 40 << 20
	a := open(t, opts)
	random := rand.NewChaCha8([32]byte{1})
	raw := make([]byte, 12<<20)
	if _, err := random.Read(raw); err != nil {
		t.Fatal(err)
	}
	var frames []frame.Sealed
	for i := range 2 {
		body, err := frame.Encode(2, []weir.Record{{Workspace: "test", UserID: fmt.Sprint(i), Raw: raw}})
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame.Seal(body, uint64(i+1), weir.Micros(i+1)))
	}
	requests.take()
	appendTo(t, a, frames[0])
	if got := requests.take(); got != "POST PART PART PART POST" {
		t.Errorf("requests are %q", got)
	}
	appendTo(t, a, frames[1])
	check := func() {
		t.Helper()
		reader := open(t, opts)
		for i := range frames {
			r, err := reader.Read(t.Context(), weir.At(2, uint64(i+1)))
			if err != nil || !slices.Equal(r.Raw, raw) || r.UserID != fmt.Sprint(i) {
				t.Fatalf("read frame %d: %d bytes of %q, %v", i, len(r.Raw), r.UserID, err)
			}
		}
		if firsts, damages := replayed(t, reader); fmt.Sprint(firsts) != "map[2:[1 2]]" || len(damages) != 0 {
			t.Fatalf("replay gave %v, %v", firsts, damages)
		}
	}
	check()
	if err := a.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if runs := placesOf(t, a, runPrefix(2)); len(runs) != 1 || runs[0].size < 24<<20 {
		t.Errorf("runs are %v", runs)
	}
	check()
}

// TestUnfinishedUpload: an upload in parts that fails leaves nothing behind.
func TestUnfinishedUpload(t *testing.T) {
	opts := onServer(t)
	opts.PartSize, opts.Tries = minPartSize, 1
	proxy := newProxy(t, &opts)
	a := open(t, opts)
	data := make([]byte, 11<<20)
	for _, query := range []string{"uploads", "partNumber", "uploadId"} {
		proxy.set(func(r *http.Request) fault {
			q := r.URL.Query()
			if r.Method != http.MethodDelete && q.Has(query) && (query != "uploadId" || r.Method == http.MethodPost) {
				return refused
			}
			return none
		})
		if err := a.store.put(t.Context(), "large", data); err == nil {
			t.Errorf("%s: upload was answered", query)
		}
	}
	for upload := range gateway.bucket.ListIncompleteUploads(t.Context(), testBucket, a.opts.Prefix, true) {
		t.Errorf("left is %v", upload)
	}
	proxy.set(always(none))
	if err := a.store.put(t.Context(), "large", data); err != nil {
		t.Error(err)
	}
}

// TestForgottenUpload: what a process that died left of an upload in parts is
// given up by a compaction, once it is a day old.
func TestForgottenUpload(t *testing.T) {
	opts := onServer(t)
	core := minio.Core{Client: gateway.bucket}
	if _, err := core.NewMultipartUpload(t.Context(), testBucket, opts.Prefix+"/batches/large", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	for age, want := range map[time.Duration]int{0: 1, 23 * time.Hour: 1} {
		if got := uploadsAfterCompaction(t, opts, age); got != want {
			t.Errorf("after %s there are %d uploads, want %d", age, got, want)
		}
	}
	if got := uploadsAfterCompaction(t, opts, 25*time.Hour); got != 0 {
		t.Errorf("after a day there are %d uploads", got)
	}
}

func uploadsAfterCompaction(t *testing.T, opts Options, age time.Duration) (n int) {
	t.Helper()
	opts.Now = func() time.Time { return time.Now().Add(age) }
	if err := open(t, opts).Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for upload := range gateway.bucket.ListIncompleteUploads(t.Context(), testBucket, opts.Prefix+"/", true) {
		if upload.Err != nil {
			t.Fatal(upload.Err)
		}
		n++
	}
	return n
}

// changing changes requests and answers on their way.
type changing struct {
	request func(body []byte)
	answer  func(http.Header)
}

func (c changing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut && c.request != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		c.request(body)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodPut && c.answer != nil {
		c.answer(answer.Header)
	}
	return answer, err
}

// TestChecksums: what is damaged on its way to the store is not answered with
// success, in one piece and in parts; nor if the store says that it has
// something else. A store that says nothing is warned of, once.
func TestChecksums(t *testing.T) {
	for name, c := range map[string]struct {
		way  changing
		fail bool
	}{
		"body damaged": {changing{request: func(body []byte) { body[len(body)/2] ^= 1 }}, true},
		"another sum":  {changing{answer: func(h http.Header) { h.Set(checksumHeader, "AAAAAA==") }}, true},
		"no sum":       {changing{answer: func(h http.Header) { h.Del(checksumHeader) }}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var logged strings.Builder
			opts := onServer(t)
			opts.Transport, opts.PartSize = c.way, minPartSize
			opts.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			a := open(t, opts)
			for range 2 {
				if err := a.Append(t.Context(), numbered(t, 0, 0, 2)); (err != nil) != c.fail {
					t.Errorf("append gave error %v", err)
				}
				if err := a.store.put(t.Context(), "in-parts", make([]byte, 6<<20)); (err != nil) != c.fail {
					t.Errorf("upload in parts gave error %v", err)
				}
			}
			if got := strings.Count(logged.String(), "does not confirm checksums"); got != 1 && !c.fail {
				t.Errorf("warned %d times", got)
			}
		})
	}
}

// TestLargeIndex has an index that is larger than what is read of the end of an
// object at first.
func TestLargeIndex(t *testing.T) {
	opts := onServer(t)
	const n = 3000
	appendTo(t, open(t, opts), numbered(t, 5, 0, n)...)
	wholly(t, opts, n, 5)
}

// TestManyObjects has more batches than a listing or a deletion takes at a time.
func TestManyObjects(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 1,120 objects, which takes some seconds: not with -short")
	}
	const n, partitions = 160, 7 // 1120 batches
	opts := onServer(t)
	a := open(t, opts)
	var all []int
	var group sync.WaitGroup
	for p := range partitions {
		all = append(all, p)
		group.Go(func() {
			for _, f := range numbered(t, p, 0, n) {
				if err := a.Append(t.Context(), []frame.Sealed{f}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if got := len(placesOf(t, a, batchFolder)); got != n*partitions {
		t.Fatalf("%d batches", got)
	}
	wholly(t, opts, n, all...)
	if err := a.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(placesOf(t, a, batchFolder)); got != 0 {
		t.Errorf("%d batches are left", got)
	}
	wholly(t, opts, n, all...)
}

// TestCompactionDuringReplay moves what a replay is about to read.
func TestCompactionDuringReplay(t *testing.T) {
	const n = 60
	opts := onServer(t)
	opts.RunSize = 1200
	a, compactor := open(t, opts), open(t, opts)
	for i := range n {
		appendTo(t, a, append(numbered(t, 1, i, i+1), numbered(t, 4, i, i+1)...)...)
		if i == n/3 {
			if err := compactor.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	compactor.opts.RunSize = 8000                                              // runs are joined too
	compactor.opts.Now = func() time.Time { return time.Now().Add(time.Hour) } // and do not linger
	next, calls := map[int]uint64{1: 1, 4: 1}, 0
	err := a.Replay(t.Context(), 0, 0, func(f frame.Sealed, damage error) error {
		if damage != nil {
			return damage
		}
		if calls++; calls == 5 || calls == 50 {
			for p := range 2 { // new frames, so that runs are written anew
				appendTo(t, compactor, numbered(t, 1+3*p, n+calls, n+calls+10)...)
			}
			if err := compactor.Compact(t.Context()); err != nil {
				return err
			}
		}
		h, err := frame.ReadHeader(f)
		if h.First < next[h.Partition] || h.First != next[h.Partition] && h.First < 2*n {
			t.Errorf("partition %d: %d instead of %d", h.Partition, h.First, next[h.Partition])
		}
		next[h.Partition] = h.Last() + 1
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if next[1] <= 2*n || next[4] <= 2*n {
		t.Errorf("replay ended before %v", next)
	}
}

// TestHalfACompactionDuringReplay: batches are in runs, but not all of them are
// deleted, when a replay comes to them.
func TestHalfACompactionDuringReplay(t *testing.T) {
	const n, gone = 60, 45 // it comes after what is read ahead
	opts := onServer(t)
	a := open(t, opts)
	for _, f := range numbered(t, 0, 0, n) {
		appendTo(t, a, f)
	}
	batches := placesOf(t, a, batchFolder)
	var firsts []uint64
	err := a.Replay(t.Context(), 0, 0, func(f frame.Sealed, damage error) error {
		h, err := frame.ReadHeader(f)
		if firsts = append(firsts, h.First); len(firsts) == 1 {
			objects, err := a.loadAll(t.Context(), batches)
			if err != nil {
				return err
			}
			var all []placed
			for _, o := range objects {
				all = append(all, o.frames...)
			}
			if err := a.mergeInto(t.Context(), 0, all); err != nil {
				return err
			}
			return a.remove(t.Context(), batches[gone:gone+1])
		}
		return errors.Join(err, damage)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, first := range firsts {
		if len(firsts) != n || first != uint64(2*i+1) {
			t.Fatalf("replay gave %v", firsts)
		}
	}
}

// TestRunsOverlap: a run may lie within the gap of another.
func TestRunsOverlap(t *testing.T) {
	const n = 30
	opts := onServer(t)
	frames := numbered(t, 0, 0, n)
	for _, some := range [][]frame.Sealed{frames[3 : n-3], slices.Concat(frames[:3], frames[n-3:])} {
		a := open(t, opts)
		appendTo(t, a, some...)
		if err := a.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if runs := placesOf(t, open(t, opts), runPrefix(0)); len(runs) != 2 {
		t.Fatalf("runs are %v", runs)
	}
	wholly(t, opts, n, 0)
}

// TestRunWithinAGap: a run that lies within a gap of a larger one is not taken
// for one whose frames the larger one has.
func TestRunWithinAGap(t *testing.T) {
	opts := onServer(t)
	frames := numbered(t, 0, 0, 16)
	opts.RunSize = int64(12 * len(frames[15]))
	opts.Now = func() time.Time { return time.Now().Add(time.Hour) }
	for _, some := range [][]frame.Sealed{frames[5:10], slices.Concat(frames[:5], frames[10:15]), frames[15:]} {
		a := open(t, opts)
		appendTo(t, a, some...)
		if err := a.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	runs := placesOf(t, open(t, opts), runPrefix(0))
	if !slices.ContainsFunc(runs, func(p place) bool { return slices.ContainsFunc(runs, p.within) }) {
		t.Fatalf("runs are %v", runs)
	}
	wholly(t, opts, 16, 0)
}

// TestLinger: a run stays for a while when a larger one has its frames.
func TestLinger(t *testing.T) {
	opts := onServer(t)
	var first place
	for i, c := range []struct {
		later time.Duration
		there bool
	}{{0, true}, {0, true}, {9 * time.Minute, true}, {11 * time.Minute, false}} {
		opts.Now = func() time.Time { return time.Now().Add(c.later) }
		a := open(t, opts)
		appendTo(t, a, numbered(t, 0, i, i+1)...)
		if err := a.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		runs := placesOf(t, a, runPrefix(0))
		if i == 0 {
			first = runs[0]
		}
		if i == 1 && !slices.ContainsFunc(runs, first.within) {
			t.Fatalf("runs were not joined: %v", runs)
		}
		if there := slices.Contains(runs, first); there != c.there {
			t.Errorf("after %s the first of runs %v is there: %v", c.later, runs, there)
		}
		wholly(t, opts, i+1, 0)
	}
}

// TestCompactsByItself: batches do not pile up.
func TestCompactsByItself(t *testing.T) {
	opts := onServer(t)
	opts.CompactEvery, opts.CompactBatches = time.Millisecond, 4
	a := open(t, opts)
	for _, f := range numbered(t, 0, 0, 12) {
		appendTo(t, a, f)
	}
	for len(placesOf(t, a, batchFolder)) >= 4 {
		if t.Context().Err() != nil {
			t.Fatal("batches are left")
		}
	}
	wholly(t, opts, 12, 0)
}

// TestRunsGrow compacts often: there are few runs, of growing size, and what is
// written again and again stays within bounds.
func TestRunsGrow(t *testing.T) {
	const n = 120
	opts := onServer(t)
	opts.Now = func() time.Time { return time.Now().Add(time.Hour) } // runs do not linger
	registry := prometheus.NewRegistry()
	opts.Registerer = registry
	opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	a := open(t, opts)
	for i := range n {
		appendTo(t, a, numbered(t, 0, i, i+1)...)
		if err := a.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	runs := placesOf(t, a, runPrefix(0))
	if len(runs) > 8 {
		t.Errorf("%d runs", len(runs))
	}
	wholly(t, func() Options { o := opts; o.Registerer = nil; return o }(), n, 0)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "weir_archive_compacted_batches_total" {
			if got := f.GetMetric()[0].GetCounter().GetValue(); got != n {
				t.Errorf("%s is %v", f.GetName(), got)
			}
		}
	}
}

// TestCancelledWhileRunning: a call that is underway ends when its context does.
func TestCancelledWhileRunning(t *testing.T) {
	opts := onServer(t)
	proxy := newProxy(t, &opts)
	a := open(t, opts)
	ctx, cancel := context.WithCancel(t.Context())
	proxy.set(func(*http.Request) fault { cancel(); return unheard })
	if err := a.Append(ctx, numbered(t, 0, 0, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	proxy.set(always(none))
}
