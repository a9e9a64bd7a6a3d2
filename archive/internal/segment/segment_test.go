package segment

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive/archivetest"
	"github.com/weirhq/weir/frame"
)

// FuzzScan reads any bytes as a segment: every byte is part of one frame or one
// damage, in order.
func FuzzScan(f *testing.F) {
	a, b := archivetest.Frame(f, 0, 1, 2, 1), archivetest.Frame(f, 1, 1, 1, 2)
	whole := slices.Concat(a, b, a)
	f.Add([]byte{})
	f.Add([]byte(whole))
	f.Add([]byte(whole[:len(whole)-3]))
	f.Add([]byte(whole[5:]))
	f.Add([]byte(slices.Concat(a[:len(a)-1], b)))
	f.Add([]byte(slices.Concat(a, []byte("rubbish"), b)))
	f.Fuzz(func(t *testing.T, data []byte) {
		scan := NewScanner(bytes.NewReader(data), "segment", int64(len(data)))
		at := int64(0)
		damaged := false
		for scan.Next() {
			if scan.Offset != at || scan.End() <= at {
				t.Fatalf("found bytes %d to %d after %d", scan.Offset, scan.End(), at)
			}
			if (scan.Frame == nil) == (scan.Damage == nil) {
				t.Fatal("neither frame nor damage, or both")
			}
			if scan.Damage != nil && !errors.Is(scan.Damage, frame.ErrCorrupt) {
				t.Fatalf("damage is %v", scan.Damage)
			}
			if scan.Frame != nil && (frame.Verify(scan.Frame) != nil || !bytes.Equal(scan.Frame, data[at:scan.End()])) {
				t.Fatal("frame is not whole or not what stands there")
			}
			damaged = damaged || scan.Damage != nil
			at = scan.End()
		}
		if scan.Err != nil || at != int64(len(data)) {
			t.Fatalf("ended at %d of %d: %v", at, len(data), scan.Err)
		}
	})
}

// FuzzIndex reads any bytes as an index.
func FuzzIndex(f *testing.F) {
	entries := []Entry{{At: weir.At(0, 1), When: 1, Offset: 0, Count: 2, Size: 100}, {At: weir.At(3, 1), When: 2, Offset: 100, Count: 1, Size: 50}}
	f.Add(NewIndex(entries).Encode(Summarize(entries, 150, true)))
	f.Add([]byte(Magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		s, err := ReadSummary(r)
		if err != nil {
			return
		}
		x, err := ReadIndex(r, s)
		if err != nil {
			return
		}
		if again := x.Encode(s); !bytes.Equal(again, data[:len(again)]) {
			t.Fatal("does not read as it was written")
		}
	})
}
