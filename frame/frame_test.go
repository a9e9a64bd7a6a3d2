package frame_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// anyRecord draws records that often share strings with each other, as those of
// one request do, and whose bytes need not be text.
func anyRecord() *rapid.Generator[weir.Record] {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "shop", "rcp_1"}), rapid.String())
	micros := rapid.Map(rapid.Int64(), func(v int64) weir.Micros { return weir.Micros(v) })
	return rapid.Custom(func(t *rapid.T) weir.Record {
		r := weir.Record{
			Workspace:  weir.WorkspaceID(text.Draw(t, "workspace")),
			Source:     weir.SourceID(text.Draw(t, "source")),
			Client:     rapid.SampledFrom([]weir.Client{weir.ClientPublic, weir.ClientServer}).Draw(t, "client"),
			Receipt:    text.Draw(t, "receipt"),
			Index:      rapid.IntRange(0, math.MaxInt32).Draw(t, "index"),
			ReceivedAt: micros.Draw(t, "received"),
			SentAt:     micros.Draw(t, "sent"),
			UserID:     text.Draw(t, "user"),
			Raw:        rapid.SliceOf(rapid.Byte()).Draw(t, "raw"),
		}
		if rapid.Bool().Draw(t, "rejected") {
			r.Rejected = &weir.Rejection{Code: text.Draw(t, "code"), Field: text.Draw(t, "field"), Message: text.Draw(t, "message")}
		}
		return r
	})
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(anyRecord(), 1, 20).Draw(t, "records")
		partition := rapid.IntRange(0, weir.MaxPartitions-1).Draw(t, "partition")
		first := rapid.Uint64Range(1, 1<<47).Draw(t, "first")
		at := weir.Micros(rapid.Int64().Draw(t, "at"))

		body, err := frame.Encode(partition, records)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := frame.Open(body)
		if err != nil {
			t.Fatal(err)
		}
		equalRecords(t, opened, records)
		got, err := frame.Decode(frame.Seal(body, first, at))
		if err != nil {
			t.Fatal(err)
		}
		want := frame.Header{Partition: partition, First: first, Count: len(records), At: at, Size: len(body.Data)}
		if got.Header != want {
			t.Fatalf("header %+v, want %+v", got.Header, want)
		}
		equalRecords(t, got.Records, records)
	})
}

func equalRecords(t interface{ Fatalf(string, ...any) }, got, want []weir.Record) {
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if g, w := describe(got[i]), describe(want[i]); g != w {
			t.Fatalf("record %d:\n got %s\nwant %s", i, g, w)
		}
	}
}

func describe(r weir.Record) string {
	rejected := "none"
	if r.Rejected != nil {
		rejected = fmt.Sprintf("%q", *r.Rejected)
	}
	r.Rejected = nil
	return fmt.Sprintf("%q %q %d %q %d %d %d %q %s %x", r.Workspace, r.Source, r.Client, r.Receipt, r.Index,
		r.ReceivedAt, r.SentAt, r.UserID, rejected, r.Raw)
}

// TestInvalidUTF8 names the case that matters most of all round trips: what a
// sender got wrong is kept as it was sent.
func TestInvalidUTF8(t *testing.T) {
	raw := []byte("{\"a\":\"\xff\xfe\x00\xed\xa0\x80\"}")
	body, err := frame.Encode(0, []weir.Record{{Workspace: "shop", UserID: "\xff", Raw: raw}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := frame.Decode(frame.Seal(body, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.Records[0].Raw, raw) || f.Records[0].UserID != "\xff" {
		t.Fatalf("got %q of %q", f.Records[0].Raw, f.Records[0].UserID)
	}
}

// goldenRecords have every field set and every kind of sharing.
func goldenRecords() []weir.Record {
	return []weir.Record{
		{Workspace: "shop", Source: "src_web", Receipt: "rcp_1", ReceivedAt: 1_790_000_000_000_000, UserID: "u1", Raw: []byte(`{"kind":"pageview"}`)},
		{Workspace: "shop", Source: "src_web", Receipt: "rcp_1", Index: 1, ReceivedAt: 1_790_000_000_000_000, SentAt: 1_789_999_999_000_000, UserID: "u1", Raw: []byte("\xff")},
		{Workspace: "blog", Source: "src_api", Client: weir.ClientServer, Receipt: "rcp_2", ReceivedAt: 1_790_000_000_000_007, UserID: "",
			Rejected: &weir.Rejection{Code: "invalid_json", Field: "user.id", Message: "Send JSON."}, Raw: nil},
	}
}

// TestGolden keeps the format: bytes written by an earlier build must stay
// readable, and the layout of the header and of the records must not move. The
// body's compressed form may change with the compressor, so it is compared
// decompressed.
func TestGolden(t *testing.T) {
	body, err := frame.Encode(7, goldenRecords())
	if err != nil {
		t.Fatal(err)
	}
	sealed := frame.Seal(body, 1042, 1_790_000_000_500_000)
	path := filepath.Join("testdata", "golden.hex")
	if *update {
		if err := os.WriteFile(path, []byte(hex.Dump(sealed)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old := readGolden(t, path)
	f, err := frame.Decode(old)
	if err != nil {
		t.Fatalf("the golden frame is not readable any more: %v", err)
	}
	equalRecords(t, f.Records, goldenRecords())
	if want := (frame.Header{Partition: 7, First: 1042, Count: 3, At: 1_790_000_000_500_000, Size: len(old) - frame.HeaderSize}); f.Header != want {
		t.Fatalf("header %+v, want %+v", f.Header, want)
	}
	if !bytes.Equal(sealed[:28], old[:28]) {
		t.Errorf("header is % x, was % x", sealed[:28], old[:28])
	}
	if got, want := inflate(t, sealed), inflate(t, old); !bytes.Equal(got, want) {
		t.Errorf("records are\n%s, were\n%s", hex.Dump(got), hex.Dump(want))
	}
}

func inflate(t *testing.T, s frame.Sealed) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	payload, err := d.DecodeAll(s[frame.HeaderSize:], nil)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func readGolden(t *testing.T, path string) frame.Sealed {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for line := range strings.Lines(string(text)) {
		if len(line) < 60 {
			continue // the end of the dump
		}
		b, err := hex.DecodeString(strings.ReplaceAll(line[10:58], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, b...)
	}
	return data
}

// TestEveryFlip flips every bit of a frame: none goes unnoticed.
func TestEveryFlip(t *testing.T) {
	body, err := frame.Encode(7, goldenRecords())
	if err != nil {
		t.Fatal(err)
	}
	sealed := frame.Seal(body, 1042, 1)
	for bit := range len(sealed) * 8 {
		damaged := bytes.Clone(sealed)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := frame.Verify(damaged); !errors.Is(err, frame.ErrCorrupt) {
			t.Fatalf("bit %d flipped: Verify answers %v", bit, err)
		}
		if _, err := frame.Decode(damaged); !errors.Is(err, frame.ErrCorrupt) {
			t.Fatalf("bit %d flipped: Decode answers %v", bit, err)
		}
	}
	for n := range sealed {
		if err := frame.Verify(sealed[:n]); !errors.Is(err, frame.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: Verify answers %v", n, err)
		}
	}
	if err := frame.Verify(append(bytes.Clone(sealed), 0)); !errors.Is(err, frame.ErrCorrupt) {
		t.Fatalf("a byte too many: Verify answers %v", err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, test := range []struct {
		name      string
		partition int
		records   []weir.Record
		tooLarge  bool
	}{
		{name: "no records"},
		{name: "negative partition", partition: -1, records: make([]weir.Record, 1)},
		{name: "partition too high", partition: weir.MaxPartitions, records: make([]weir.Record, 1)},
		{name: "negative index", records: []weir.Record{{Index: -1}}},
		{name: "unknown client", records: []weir.Record{{Client: 2}}},
		{name: "too many records", records: make([]weir.Record, frame.MaxRecords+1), tooLarge: true},
		{name: "too many bytes", records: []weir.Record{{Raw: make([]byte, frame.MaxSize)}}, tooLarge: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := frame.Encode(test.partition, test.records)
			if err == nil || errors.Is(err, frame.ErrTooLarge) != test.tooLarge {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// TestBomb hands the decoder bodies whose checksums hold but which would grow
// beyond what a frame may be.
func TestBomb(t *testing.T) {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	large := encoder.EncodeAll(make([]byte, frame.MaxSize+1), nil)
	half := encoder.EncodeAll(make([]byte, frame.MaxSize/2+1), nil)
	for name, data := range map[string][]byte{
		"one large":     large,
		"two in a row":  append(bytes.Clone(half), half...),
		"not zstd":      []byte("plain"),
		"empty":         nil,
		"lying count":   encoder.EncodeAll(make([]byte, 64), nil),
		"trailing zero": encoder.EncodeAll(make([]byte, 6), nil),
	} {
		t.Run(name, func(t *testing.T) {
			body := frame.Body{Count: frame.MaxRecords, Data: data}
			if name == "trailing zero" {
				body.Count = 1
			}
			if _, err := frame.Decode(frame.Seal(body, 1, 1)); !errors.Is(err, frame.ErrCorrupt) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestFind(t *testing.T) {
	body, err := frame.Encode(0, goldenRecords())
	if err != nil {
		t.Fatal(err)
	}
	sealed := frame.Seal(body, 5, 1)
	damaged := bytes.Clone(sealed)
	damaged[9] ^= 1 // magic stands, header does not
	data := append(append([]byte("\xf5we\xf5wei"), damaged...), sealed...)
	if got, want := frame.Find(data), 7+len(damaged); got != want {
		t.Errorf("found at %d, want %d", got, want)
	}
	if got := frame.Find(data[:len(data)-len(sealed)+frame.HeaderSize-1]); got != -1 {
		t.Errorf("found a cut header at %d", got)
	}
}

// FuzzDecode feeds the decoder both raw bytes and, so that the checksums are no
// wall, bytes sealed anew.
func FuzzDecode(f *testing.F) {
	body, err := frame.Encode(7, goldenRecords())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(frame.Seal(body, 1042, 1)), 3, false)
	f.Add(body.Data, 3, true)
	f.Add(body.Data, 4, true)
	f.Add(body.Data[:len(body.Data)-1], 3, true)
	f.Add([]byte{}, 0, true)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoder.EncodeAll([]byte{0x3c, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f}, nil), 1, true)
	f.Add(encoder.EncodeAll(make([]byte, 1<<20), nil), 1<<16, true)
	f.Fuzz(func(t *testing.T, data []byte, count int, seal bool) {
		s := frame.Sealed(data)
		if seal {
			s = frame.Seal(frame.Body{Count: count, Data: data}, 1, 1)
		}
		got, err := frame.Decode(s)
		if err != nil {
			if !errors.Is(err, frame.ErrCorrupt) {
				t.Fatalf("error does not wrap ErrCorrupt: %v", err)
			}
			return
		}
		if len(got.Records) != got.Count {
			t.Fatalf("%d records, header says %d", len(got.Records), got.Count)
		}
		again, err := frame.Encode(got.Partition, got.Records)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		records, err := frame.Open(again)
		if err != nil {
			t.Fatal(err)
		}
		equalRecords(t, records, got.Records)
	})
}
