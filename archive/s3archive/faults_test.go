package s3archive

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

// fault is what happens to a request on its way.
type fault int

const (
	none      fault = iota
	refused         // 503 SlowDown
	unheard         // no answer
	cutBefore       // the connection ends before the server has the request
	cutAfter        // the server does it, and the connection ends before its answer
	cutWithin       // the connection ends in the middle of the answer's body
)

// faultyProxy stands between the archive and the server.
type faultyProxy struct {
	*httptest.Server
	mu     sync.Mutex
	choose func(*http.Request) fault
}

// newProxy makes a proxy; the options lead through it.
func newProxy(t *testing.T, opts *Options) *faultyProxy {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: opts.Endpoint}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	p := &faultyProxy{choose: func(*http.Request) fault { return none }}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		what := p.choose(r)
		p.mu.Unlock()
		switch what {
		case none:
			forward.ServeHTTP(w, r)
		case refused:
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")
		case unheard:
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		case cutBefore:
			panic(http.ErrAbortHandler)
		case cutAfter, cutWithin:
			answer := httptest.NewRecorder()
			forward.ServeHTTP(answer, r)
			if what == cutWithin {
				for name, values := range answer.Header() {
					w.Header()[name] = values
				}
				w.WriteHeader(answer.Code)
				_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(p.Close)
	opts.Endpoint = strings.TrimPrefix(p.URL, "http://")
	return p
}

func (p *faultyProxy) set(choose func(*http.Request) fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.choose = choose
}

func always(f fault) func(*http.Request) fault { return func(*http.Request) fault { return f } }

// once lets the first request suffer, of each way of asking for each thing.
func once(f fault) func(*http.Request) fault {
	seen := map[string]bool{}
	return func(r *http.Request) fault {
		what := r.Method + r.URL.String() + r.Header.Get("Range")
		if seen[what] {
			return none
		}
		seen[what] = true
		return f
	}
}

// TestStoreFails lets the store fail for a while, in every way: appends answer
// an error, and work again by themselves; nothing is there twice.
func TestStoreFails(t *testing.T) {
	for name, f := range map[string]fault{"refused": refused, "unheard": unheard, "cut before": cutBefore, "cut after": cutAfter} {
		t.Run(name, func(t *testing.T) {
			direct := onServer(t)
			opts := direct
			opts.Timeout, opts.Tries = 500*time.Millisecond, 2
			proxy := newProxy(t, &opts)
			a := open(t, opts)
			frames := numbered(t, 0, 0, 6)
			appendTo(t, a, frames[:2]...)
			proxy.set(always(f))
			for n := 3; n <= 5; n++ { // each try has more frames than the one before
				if err := a.Append(t.Context(), frames[2:n]); err == nil {
					t.Fatal("append was answered")
				}
			}
			if _, err := a.Read(t.Context(), weir.At(1, 1)); err == nil {
				t.Fatal("read was answered")
			}
			proxy.set(always(none))
			appendTo(t, a, frames...)
			appendTo(t, a, frames[4:]...)
			wholly(t, direct, 6, 0)
			if err := a.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			wholly(t, direct, 6, 0)
			if left := placesOf(t, a, batchFolder); len(left) != 0 {
				t.Errorf("compaction left %v", left)
			}
		})
	}
}

// TestOneFailureIsNotNoticed lets every request fail once: all is tried again.
func TestOneFailureIsNotNoticed(t *testing.T) {
	for name, f := range map[string]fault{"refused": refused, "unheard": unheard, "cut before": cutBefore, "cut after": cutAfter, "cut within": cutWithin} {
		t.Run(name, func(t *testing.T) {
			direct := onServer(t)
			opts := direct
			opts.Timeout = 200 * time.Millisecond
			proxy := newProxy(t, &opts)
			a := open(t, opts)
			for _, step := range []func(){
				func() { appendTo(t, a, numbered(t, 0, 0, 3)...) },
				func() { appendTo(t, a, numbered(t, 0, 3, 5)...) },
				func() { wholly(t, opts, 5, 0) },
				func() {
					if err := a.Compact(t.Context()); err != nil {
						t.Fatal(err)
					}
				},
				func() { wholly(t, opts, 5, 0) },
			} {
				proxy.set(once(f))
				if f == cutWithin { // in what is read; other answers have no body worth it
					within := once(f)
					proxy.set(func(r *http.Request) fault {
						if r.Header.Get("Range") == "" {
							return none
						}
						return within(r)
					})
				}
				step()
			}
			wholly(t, direct, 5, 0)
		})
	}
}

// TestCompactionCrash ends a compaction at each of its requests, before the
// store does it and after: every frame is still there once, and the next
// compaction completes what was begun.
func TestCompactionCrash(t *testing.T) {
	for _, f := range []fault{cutBefore, cutAfter} {
		for n := 1; ; n++ {
			direct := onServer(t)
			direct.RunSize = 1500 // several rounds, several runs
			opts := direct
			opts.Tries = 1
			proxy := newProxy(t, &opts)
			a := open(t, opts)
			for i := range 8 {
				appendTo(t, a, append(numbered(t, 3, i, i+1), numbered(t, 5, i, i+1)...)...)
				if i == 4 {
					if err := a.Compact(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			var requests atomic.Int64
			proxy.set(func(*http.Request) fault {
				switch at := int(requests.Add(1)); {
				case at < n:
					return none
				case at == n:
					return f
				}
				return cutBefore
			})
			err := a.Compact(t.Context())
			crashed := int(requests.Load()) >= n
			if crashed == (err == nil) {
				t.Fatalf("request %d of %d: compaction gave %v", n, requests.Load(), err)
			}
			wholly(t, direct, 8, 3, 5)
			again := open(t, direct)
			if err := again.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := placesOf(t, again, batchFolder); len(left) != 0 {
				t.Errorf("request %d: the next compaction left %v", n, left)
			}
			wholly(t, direct, 8, 3, 5)
			if !crashed {
				t.Logf("%d requests", requests.Load())
				break
			}
		}
	}
}

// TestManyProcesses lets processes append, compact and read beside each other.
// Two of them append the same partition, one of them a zombie that repeats what
// the other does. What was appended before a replay begins is in it, in order
// and once.
func TestManyProcesses(t *testing.T) {
	opts := onServer(t)
	opts.RunSize, opts.Linger = 4000, 3*time.Second
	const n = 120
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var workers, others sync.WaitGroup
	for range 2 {
		a := open(t, opts)
		others.Go(func() {
			for ctx.Err() == nil {
				if err := a.Compact(ctx); err != nil && ctx.Err() == nil {
					t.Errorf("compact: %v", err)
				}
			}
		})
	}
	var mu sync.Mutex
	done := map[int]int{} // frames appended, by partition
	for _, zombie := range []bool{false, true} {
		a := open(t, opts)
		for p := range 3 {
			workers.Go(func() {
				for i := range n {
					if err := a.Append(ctx, append(numbered(t, p, i, i+1), numbered(t, p+10, i, i+1)...)); err != nil {
						t.Errorf("append: %v", err)
						return
					}
					if !zombie {
						mu.Lock()
						done[p] = i + 1
						mu.Unlock()
					}
				}
			})
		}
	}
	for range 2 {
		a := open(t, opts)
		others.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				least := map[int]int{}
				for p, n := range done {
					least[p], least[p+10] = n, n
				}
				mu.Unlock()
				next := map[int]uint64{}
				err := a.Replay(ctx, 0, 0, func(f frame.Sealed, damage error) error {
					if damage != nil {
						return damage
					}
					h, err := frame.ReadHeader(f)
					if err == nil && h.First != next[h.Partition]+1 {
						err = fmt.Errorf("partition %d: %d follows %d", h.Partition, h.First, next[h.Partition])
					}
					next[h.Partition] = h.Last()
					return err
				})
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("replay: %v", err)
				}
				for p, n := range least {
					if next[p] < uint64(2*n) {
						t.Errorf("partition %d: replay ended at %d of %d", p, next[p], 2*n)
					}
					if at := weir.At(p, uint64(2*n)); n > 0 {
						if r, err := a.Read(ctx, at); ctx.Err() == nil && (err != nil || string(r.Raw) != at.String()) {
							t.Errorf("read %s: %q, %v", at, r.Raw, err)
						}
					}
				}
			}
		})
	}
	workers.Wait()
	stop()
	others.Wait()
	wholly(t, opts, n, 0, 1, 2, 10, 11, 12)
	a := open(t, opts)
	if err := a.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	wholly(t, opts, n, 0, 1, 2, 10, 11, 12)
}

// TestZombie lets a worker wake up that does not know what another has appended
// in its place.
func TestZombie(t *testing.T) {
	opts := onServer(t)
	zombie, worker := open(t, opts), open(t, opts)
	frames := numbered(t, 0, 0, 12)
	appendTo(t, zombie, frames[:4]...)
	appendTo(t, worker, frames[3:8]...) // the fourth was not acknowledged
	appendTo(t, zombie, frames[4:6]...) // what it had read before it was paused
	appendTo(t, worker, frames[8:12]...)
	wholly(t, opts, 12, 0)
	compactor := open(t, opts)
	if err := compactor.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendTo(t, zombie, frames[6:9]...) // what is sorted and deleted comes again
	wholly(t, opts, 12, 0)
	for range 2 {
		if err := compactor.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		wholly(t, opts, 12, 0)
		if left, runs := placesOf(t, compactor, batchFolder), placesOf(t, compactor, runPrefix(0)); len(left) != 0 || len(runs) != 1 || runs[0].frames != 12 {
			t.Errorf("left are batches %v, runs %v", left, runs)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	valid := onServer(t)
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no bucket named": {func(o *Options) { o.Bucket = "" }, "endpoint and bucket are needed"},
		"half a key":      {func(o *Options) { o.SecretKey = "" }, "both"},
		"small parts":     {func(o *Options) { o.PartSize = 1 << 20 }, "too small"},
		"missing bucket":  {func(o *Options) { o.Bucket = "nobody-made-it" }, "create it, or correct the bucket's name"},
		"unknown key":     {func(o *Options) { o.AccessKey = "stranger" }, "does not know this access key"},
		"wrong secret":    {func(o *Options) { o.SecretKey = "guess" }, "does not belong to the access key"},
		"nobody there":    {func(o *Options) { o.Endpoint, o.Tries = "127.0.0.1:1", 2 }, "connection refused"},
		"no host name":    {func(o *Options) { o.Endpoint = "127.0.0.1/store" }, "endpoint"},
	} {
		opts := valid
		c.change(&opts)
		a, err := Open(t.Context(), &opts)
		if err == nil {
			t.Errorf("%s: opened", name)
			_ = a.Close()
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one about %q", name, err, c.want)
		}
	}
}

// TestAccessDenied uses a key that may do nothing with the bucket.
func TestAccessDenied(t *testing.T) {
	opts := onServer(t)
	opts.AccessKey, opts.SecretKey = "visitor", "visitor-secret"
	admin(t, "create-user", "--access", opts.AccessKey, "--secret", opts.SecretKey, "--role", "user")
	_, err := Open(t.Context(), &opts)
	if err == nil || !strings.Contains(err.Error(), "allow this key s3:ListBucket") {
		t.Errorf("got error %v", err)
	}
}
