package s3archive

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive/archivetest"
	"github.com/weirhq/weir/archive/internal/segment"
	"github.com/weirhq/weir/frame"
)

var update = flag.Bool("update", false, "write golden files anew")

// sealed is a frame whose bytes do not depend on a compressor.
func sealed(partition int, first uint64, count int, at weir.Micros, body string) placed {
	f := frame.Seal(frame.Body{Partition: partition, Count: count, Data: []byte(body)}, first, at)
	h, err := frame.ReadHeader(f)
	if err != nil {
		panic(err)
	}
	return placed{segment.EntryOf(h, 0), f}
}

// TestGolden keeps keys and bytes: what an earlier build has written must stay
// readable.
func TestGolden(t *testing.T) {
	first, second, other := sealed(7, 1, 3, 1_790_000_000_500_000, "first"), sealed(7, 4, 2, 1_790_000_000_600_000, "second"), sealed(9, 1042, 1, 1_790_000_000_550_000, "other")
	for name, c := range map[string]struct {
		frames []placed
		place  func([]byte, *segment.Index) place
	}{
		"batch": {[]placed{first, second, other}, batchPlace},
		"run":   {[]placed{first, second}, runPlace},
	} {
		data, index := encode(c.frames)
		p := c.place(data, index)
		text := p.key + "\n" + hex.Dump(data)
		file := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		old, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(old) {
			t.Errorf("%s is\n%s, was\n%s", name, text, old)
		}
		parsed, ok := parseKey(p.key, int64(len(data)))
		if !ok || parsed != p {
			t.Errorf("%s: key reads as %+v, not %+v", name, parsed, p)
		}
		back, err := frames(parsed, data)
		if err != nil || len(back) != len(c.frames) {
			t.Fatalf("%s: read back %d frames, %v", name, len(back), err)
		}
		for i := range back {
			if !bytes.Equal(back[i].frame, c.frames[i].frame) {
				t.Errorf("%s: frame %d is not what it was", name, i)
			}
		}
	}
}

// TestRunsSortByPosition: the listing from a position on begins with the run
// that holds it.
func TestRunsSortByPosition(t *testing.T) {
	key := func(first uint64, count int) string {
		data, index := encode([]placed{sealed(1, first, count, 1, "x")})
		return runPlace(data, index).key
	}
	for _, c := range []struct {
		seq    uint64
		behind bool
	}{{1, true}, {0x10, true}, {0x11, true}, {0x12, false}, {0x1000, false}} {
		if behind := key(0x10, 2) > runsFrom(1, c.seq); behind != c.behind {
			t.Errorf("run of 16 and 17 is behind %d: %v", c.seq, behind)
		}
	}
}

// FuzzObject reads any bytes as an object: what is given as whole is.
func FuzzObject(f *testing.F) {
	one, two := archivetest.Frame(f, 0, 1, 2, 1), archivetest.Frame(f, 3, 1, 1, 2)
	place := func(s frame.Sealed) placed {
		h, err := frame.ReadHeader(s)
		if err != nil {
			f.Fatal(err)
		}
		return placed{segment.EntryOf(h, 0), s}
	}
	whole, _ := encode([]placed{place(one), place(two)})
	f.Add(whole, 2)
	f.Add(whole[1:], 2)
	f.Add(whole[:len(whole)-1], 2)
	f.Add(whole[:len(one)], 2)
	f.Add([]byte{}, 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		p := batchPlaceOf(data, n)
		o, err := parseIndex(p, data)
		if err != nil {
			o = scan(p, data)
			if len(o.lost) == 0 && len(o.Entries) < n {
				t.Fatal("frames are missing, and nothing tells of it")
			}
		}
		for _, e := range o.Entries {
			if e.Offset < 0 || e.Offset+int64(e.Size) > int64(len(data)) {
				t.Fatalf("entry %+v is not within %d bytes", e, len(data))
			}
		}
		if _, err := frames(p, data); err != nil && !errors.Is(err, frame.ErrCorrupt) {
			t.Fatalf("error does not wrap ErrCorrupt: %v", err)
		}
	})
}

// batchPlaceOf is how a listing would tell of data.
func batchPlaceOf(data []byte, n int) place {
	return place{key: "batch", size: int64(len(data)), frames: n, sum: sumOf(data), partition: -1}
}

// FuzzKey reads any key: one that is of the archive has numbers that make sense.
func FuzzKey(f *testing.F) {
	data, index := encode([]placed{sealed(7, 1, 3, 5, "x")})
	f.Add(batchPlace(data, index).key)
	f.Add(runPlace(data, index).key)
	f.Add("runs/99999/x")
	f.Fuzz(func(t *testing.T, key string) {
		p, ok := parseKey(key, 1)
		if ok && (p.partition < -1 || p.partition >= weir.MaxPartitions || p.key != key || p.last >= 1<<48) {
			t.Fatalf("%q reads as %+v", key, p)
		}
	})
}

// TestAdvice: errors of a store say what to do.
func TestAdvice(t *testing.T) {
	s := &store{opts: Options{Bucket: "weir", Endpoint: "s3.example", Prefix: "archive/"}}
	for _, c := range []struct {
		refused minio.ErrorResponse
		want    string
	}{
		{minio.ErrorResponse{Code: "NoSuchBucket"}, "create it"},
		{minio.ErrorResponse{Code: "AccessDenied"}, "s3:PutObject"},
		{minio.ErrorResponse{Code: "AuthorizationHeaderMalformed", Region: "eu-central-1"}, "set the region to eu-central-1"},
		{minio.ErrorResponse{Code: "PermanentRedirect"}, "set the region"},
		{minio.ErrorResponse{Code: "ExpiredToken"}, "get a new one"},
		{minio.ErrorResponse{Code: "RequestTimeTooSkewed"}, "clocks"},
		{minio.ErrorResponse{Code: "SlowDown", Message: "Please reduce your request rate."}, "Please reduce your request rate. (SlowDown)"},
	} {
		err := s.explain(t.Context(), "write", "batches/1", c.refused)
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "write archive/batches/1 in bucket weir") {
			t.Errorf("%s: got %v", c.refused.Code, err)
		}
		var code minio.ErrorResponse
		if !errors.As(err, &code) || code.Code != c.refused.Code {
			t.Errorf("%s is not wrapped", c.refused.Code)
		}
	}
}
