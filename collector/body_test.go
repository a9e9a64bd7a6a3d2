package collector_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/weirhq/weir/collector"
)

// encodings compress what a function writes, each in a way of its own.
var encodings = map[string]func(io.Writer) io.WriteCloser{
	"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"zlib": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser {
		f, _ := flate.NewWriter(w, flate.DefaultCompression)
		return f
	},
	"zstd": func(w io.Writer) io.WriteCloser {
		z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		return z
	},
	"br": func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 4) },
}

// header is the Content-Encoding of an encoding: two go by one name.
func header(encoding string) string {
	if encoding == "zlib" {
		return "deflate"
	}
	return encoding
}

func compress(t testing.TB, encoding string, write func(io.Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := encodings[encoding](&out)
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func text(text []byte) func(io.Writer) {
	return func(w io.Writer) { _, _ = w.Write(text) }
}

func zeros(n int) func(io.Writer) {
	return func(w io.Writer) { _, _ = io.CopyN(w, zeroReader{}, int64(n)) }
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestCompressedBodies(t *testing.T) {
	small := envelope(event("1", "u"))
	// The large one passes the size from which bodies are measured first.
	items := make([]string, 600)
	for i := range items {
		items[i] = strings.Replace(event("e"+newtext(i), "u"+newtext(i)), `"Purchase"`, `"Purchase","properties":{"text":"`+varied(i, 2000)+`"}`, 1)
	}
	large := envelope(items...)
	for encoding := range encodings {
		for name, body := range map[string][]byte{"small": small, "large": large} {
			t.Run(encoding+"/"+name, func(t *testing.T) {
				c, q := setup(t, nil)
				want := bytes.Count(body, []byte(`"kind"`))
				compressed := compress(t, encoding, text(body))
				for range 2 { // decoders are used again
					w := post(c, "/v1/items", "wk_web", compressed, "Content-Encoding", header(encoding))
					if got := read(t, w); w.Code != http.StatusOK || got.Accepted != want {
						t.Fatalf("answer %d %.300s", w.Code, w.Body)
					}
				}
				if n := len(q.records()); n != 2*want {
					t.Errorf("%d records stored", n)
				}
			})
		}
	}
}

// varied is text that compresses, but not beyond all measure.
func varied(seed, n int) string {
	out := make([]byte, 0, n+10)
	for x := uint32(seed + 1); len(out) < n; x = x*1664525 + 1013904223 {
		out = strconv.AppendUint(out, uint64(x>>20), 10)
	}
	return string(out)
}

func TestBodiesThatDoNotSayWhatTheyAre(t *testing.T) {
	plain := envelope(event("1", "u"))
	for name, c := range map[string]struct {
		body    []byte
		headers []string
	}{
		"gzip without a header":    {compress(t, "gzip", text(plain)), nil},
		"gzip as text":             {compress(t, "gzip", text(plain)), []string{"Content-Type", "text/plain"}},
		"gzip as a form":           {compress(t, "gzip", text(plain)), []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"identity":                 {plain, []string{"Content-Encoding", "identity"}},
		"a byte order mark":        {append([]byte("\ufeff"), plain...), nil},
		"a byte order mark inside": {compress(t, "br", text(append([]byte("\ufeff"), plain...))), []string{"Content-Encoding", "BR"}},
	} {
		t.Run(name, func(t *testing.T) {
			collector, q := setup(t, nil)
			if w := post(collector, "/v1/items", "wk_web", c.body, c.headers...); w.Code != http.StatusOK || len(q.records()) != 1 {
				t.Errorf("answer %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestBombsAreRefusedWithoutMemory(t *testing.T) {
	const size = 24 << 20
	bombs := map[string][]byte{}
	for encoding := range encodings {
		bombs[encoding] = compress(t, encoding, zeros(size))
	}
	bombs["gzip in gzip"] = compress(t, "gzip", text(bombs["gzip"]))
	// This one keeps the ratio, and is too much all the same.
	bombs["just too much"] = compress(t, "gzip", text([]byte(varied(0, 20<<20+1))))
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			c, _ := setup(t, nil)
			encoding := header(name)
			want := http.StatusRequestEntityTooLarge
			switch name {
			case "gzip in gzip":
				encoding, want = "gzip", http.StatusBadRequest // what comes out is no JSON
			case "just too much":
				encoding = "gzip"
			}
			r := httptest.NewRequest(http.MethodPost, "/v1/items", bytes.NewReader(bomb))
			r.Header.Set("Authorization", "Bearer wk_web")
			r.Header.Set("Content-Encoding", encoding)
			w := httptest.NewRecorder()
			before := allocated()
			c.ServeHTTP(w, r)
			// A bomb may cost its own size, which was sent, the text kept until it
			// is known for one, and a decoder.
			if spent, most := allocated()-before, uint64(5*len(bomb)+12<<20); spent > most {
				t.Errorf("%d bytes in cost %d bytes, want at most %d", len(bomb), spent, most)
			}
			if got := read(t, w); w.Code != want {
				t.Errorf("answer %d %+v, want %d", w.Code, got, want)
			}
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestBrokenCompression(t *testing.T) {
	plain := envelope(event("1", "u"))
	whole := compress(t, "gzip", text(plain))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	for name, c := range map[string]struct {
		encoding string
		body     []byte
		status   int
		code     string
	}{
		"cut off":           {"gzip", whole[:len(whole)-9], 400, "invalid_compression"},
		"flipped":           {"gzip", flipped, 400, "invalid_compression"},
		"not compressed":    {"gzip", plain, 400, "invalid_compression"},
		"empty":             {"zstd", nil, 400, "invalid_envelope"},
		"not zstd":          {"zstd", plain, 400, "invalid_compression"},
		"not brotli":        {"br", []byte("\xff\xff\xff\xff"), 400, "invalid_compression"},
		"not deflate":       {"deflate", []byte("\xff\xff\xff\xff"), 400, "invalid_compression"},
		"unknown":           {"lzma", plain, 415, "unsupported_encoding"},
		"two at once":       {"gzip, gzip", whole, 415, "unsupported_encoding"},
		"a window of 2 GiB": {"zstd", hugeWindow(), 413, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			collector, q := setup(t, nil)
			before := allocated()
			w := post(collector, "/v1/items", "wk_web", c.body, "Content-Encoding", c.encoding)
			if spent := allocated() - before; spent > 12<<20 {
				t.Errorf("%d bytes in cost %d bytes", len(c.body), spent)
			}
			if got := read(t, w); w.Code != c.status || got.Error != c.code {
				t.Errorf("answer %d %s, want %d %s", w.Code, w.Body, c.status, c.code)
			}
			if len(q.records()) > 0 {
				t.Error("something was stored")
			}
		})
	}
}

// hugeWindow is the head of a zstd frame that asks for a window of 2 GiB.
func hugeWindow() []byte {
	frame := binary.LittleEndian.AppendUint32(nil, 0xfd2fb528)
	return append(frame, 0, (31-10)<<3, 1, 0, 0)
}

// faultyBody fails after some bytes, as a connection does that breaks.
type faultyBody struct{ io.Reader }

func (b faultyBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestIncompleteBody(t *testing.T) {
	c, q := setup(t, nil)
	r := httptest.NewRequest(http.MethodPost, "/v1/items?key=wk_web", faultyBody{strings.NewReader(string(envelope(event("1", "u"))))})
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if got := read(t, w); w.Code != http.StatusBadRequest || got.Error != "incomplete_body" || len(q.records()) > 0 {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}

// TestMemoryIsBounded fills the memory with a request that waits to be stored.
func TestMemoryIsBounded(t *testing.T) {
	q := &memQueue{partitions: 8, gate: make(chan struct{}), entered: make(chan int)}
	c := over(t, q, &collector.Options{Memory: 96 << 10})
	body := envelope(strings.Replace(event("1", "u"), "Purchase", strings.Repeat("x", 300), 1))
	answers := make(chan *httptest.ResponseRecorder, 3)
	send := func() { answers <- post(c, "/v1/items", "wk_web", body) }
	go send()
	<-q.entered
	// Each holds 4 KiB for its body and 16 KiB besides: a body of 64 KiB is too
	// much beside it, and a compressed one that becomes as large.
	large := envelope(event("1", strings.Repeat("x", 70<<10)))
	for name, w := range map[string]*httptest.ResponseRecorder{
		"plain":      post(c, "/v1/items", "wk_web", large),
		"compressed": post(c, "/v1/items", "wk_web", compress(t, "gzip", text(large)), "Content-Encoding", "gzip"),
	} {
		if got := read(t, w); w.Code != http.StatusServiceUnavailable || got.Error != "busy" || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: answer %d %s", name, w.Code, w.Body)
		}
	}
	close(q.gate)
	if w := <-answers; w.Code != http.StatusOK {
		t.Errorf("the request in flight was answered %d %s", w.Code, w.Body)
	}
	go func() { <-q.entered }()
	if w := post(c, "/v1/items", "wk_web", body); w.Code != http.StatusOK {
		t.Errorf("memory was not given back: %d %s", w.Code, w.Body)
	}
}
