package collector_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/weirhq/weir/collector"
)

// seeds are the bodies of the scripts, and the examples.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	out := [][]byte{file(f, "testdata/contract.json"), file(f, "testdata/seed.json")}
	scripts, err := filepath.Glob("testdata/scripts/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range scripts {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			if _, body, ok := bytes.Cut(part.Data, []byte("\n\n")); ok && part.Name == "request" {
				out = append(out, body)
			}
		}
	}
	return out
}

// FuzzItems puts anything between two good items. Either the whole body is
// refused and nothing is stored, or everything is accounted for and the good
// items are accepted.
func FuzzItems(f *testing.F) {
	for _, seed := range append(seeds(f), []byte(event("1", "u")), []byte(`{"a":[}`), []byte(`1,2`), []byte("\"\\\xff")) {
		f.Add(seed)
	}
	c, q := setup(f, nil)
	good := event("good", "u")
	f.Fuzz(func(t *testing.T, between []byte) {
		q.appends = nil
		w := post(c, "/v1/items", "sk_server", envelope(good, string(between), good))
		got := read(t, w)
		records := q.records()
		switch w.Code {
		case http.StatusOK:
			if got.Accepted+len(got.Rejected) != len(records) {
				t.Errorf("%d accepted and %d rejected of %d", got.Accepted, len(got.Rejected), len(records))
			}
			for i, r := range records {
				if r.Index != i && len(records) == 3 && r.Rejected == nil && string(r.Raw) != good {
					t.Errorf("record %d has index %d", i, r.Index)
				}
			}
			for _, r := range got.Rejected {
				if r.Index == 0 || r.Index == len(records)-1 || r.Code == "" || r.Message == "" {
					t.Errorf("rejected %+v", r)
				}
			}
			// What is JSON as a whole must come out as JSON does.
			var sent struct{ Items []json.RawMessage }
			if json.Unmarshal(envelope(good, string(between), good), &sent) == nil && len(sent.Items) != len(records) {
				t.Errorf("%d items became %d records", len(sent.Items), len(records))
			}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if len(records) > 0 {
				t.Errorf("refused with %d, and %d records stored", w.Code, len(records))
			}
		default:
			t.Errorf("answer %d %s", w.Code, w.Body)
		}
	})
}

// FuzzShort sends anything to the addresses of the short format.
func FuzzShort(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(byte(0), seed)
		f.Add(byte(1), seed)
		f.Add(byte(2), seed)
	}
	c, q := setup(f, nil)
	paths := []string{"/v1/track", "/v1/identify", "/v1/alias"}
	f.Fuzz(func(t *testing.T, call byte, body []byte) {
		q.appends = nil
		w := post(c, paths[int(call)%len(paths)], "sk_server", body)
		got := read(t, w)
		records := q.records()
		switch w.Code {
		case http.StatusOK:
			sent := map[int]bool{}
			for _, r := range records {
				sent[r.Index] = true
				if r.Rejected == nil && !json.Valid(r.Raw) {
					t.Errorf("accepted %q", r.Raw)
				}
			}
			if got.Accepted+len(got.Rejected) != len(sent) {
				t.Errorf("%d accepted and %d rejected of %d", got.Accepted, len(got.Rejected), len(sent))
			}
		case http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge:
			if len(records) > 0 {
				t.Errorf("refused with %d, and %d records stored", w.Code, len(records))
			}
		default:
			t.Errorf("answer %d %s", w.Code, w.Body)
		}
	})
}

// FuzzBody sends anything as a compressed body.
func FuzzBody(f *testing.F) {
	names := []string{"gzip", "zlib", "deflate", "zstd", "br"}
	for _, seed := range seeds(f)[:4] {
		for i, encoding := range names {
			f.Add(byte(i), compress(f, encoding, text(seed)))
		}
	}
	for i, encoding := range names {
		f.Add(byte(i), compress(f, encoding, zeros(1<<20)))
	}
	f.Add(byte(3), hugeWindow())
	c, q := setup(f, &collector.Options{Limits: collector.Limits{Decompressed: 2 << 20}})
	f.Fuzz(func(t *testing.T, encoding byte, body []byte) {
		q.appends = nil
		before := allocated()
		w := post(c, "/v1/items", "sk_server", body, "Content-Encoding", header(names[int(encoding)%len(names)]))
		if spent := allocated() - before; spent > 64<<20 {
			t.Errorf("%d bytes in cost %d bytes", len(body), spent)
		}
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("answer %d %s", w.Code, w.Body)
		}
		read(t, w)
	})
}
