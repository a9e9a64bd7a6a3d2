package s3archive

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
)

// blocks is a frame of 100 records and about size bytes for each of 8
// partitions.
func blocks(size int, first uint64) []frame.Sealed {
	random := rand.New(rand.NewPCG(first, 2))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	var frames []frame.Sealed
	for p := range 8 {
		frames = append(frames, frame.Seal(frame.Body{Partition: p, Count: 100, Data: data}, first, weir.Micros(first)))
	}
	return frames
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(8*size), func(b *testing.B) {
			a := open(b, onServer(b))
			b.SetBytes(int64(8 * size))
			first := uint64(1)
			for b.Loop() {
				b.StopTimer()
				frames := blocks(size, first)
				b.StartTimer()
				first += 100
				appendTo(b, a, frames...)
			}
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	const appends, size = 400, 12_000 // 38 MB
	opts := onServer(b)
	a := open(b, opts)
	for i := range appends {
		appendTo(b, a, blocks(size, uint64(100*i+1))...)
	}
	for _, where := range []string{"batches", "runs"} {
		if where == "runs" {
			if err := a.Compact(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(where, func(b *testing.B) {
			b.SetBytes(appends * 8 * size)
			for b.Loop() {
				frames := 0
				err := open(b, opts).Replay(b.Context(), 0, 0, func(_ frame.Sealed, damage error) error { frames++; return damage })
				if err != nil || frames != appends*8 {
					b.Fatal(frames, err)
				}
			}
		})
	}
}

func BenchmarkCompact(b *testing.B) {
	const appends, size = 200, 12_000
	b.SetBytes(appends * 8 * size)
	for b.Loop() {
		b.StopTimer()
		a := open(b, onServer(b))
		for i := range appends {
			appendTo(b, a, blocks(size, uint64(100*i+1))...)
		}
		b.StartTimer()
		if err := a.Compact(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	opts := onServer(b)
	opts.CacheBytes = 1 << 20 // indexes, and few frames
	a := open(b, opts)
	for i := range 500 {
		appendTo(b, a, numbered(b, 0, 10*i, 10*i+10)...)
	}
	if err := a.Compact(b.Context()); err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		if _, err := a.Read(b.Context(), weir.At(0, 1+random.Uint64N(10_000))); err != nil {
			b.Fatal(err)
		}
	}
}
