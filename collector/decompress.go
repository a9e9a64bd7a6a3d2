package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

type encoding int

const (
	plain encoding = iota
	gzipped
	deflated
	zstandard
	brotlied
)

const (
	// ratioFloor is the size up to which the ratio does not matter: short texts
	// of many equal items compress very well, and cost nothing.
	ratioFloor = 64 << 10
	// unsure is how much is kept of a text whose size is not known yet. Longer
	// ones are measured first and then read a second time, so that what expands
	// beyond all limits never has memory taken for it.
	unsure = 1 << 20
	// maxWindow bounds the memory that a sender may ask a zstd decoder to keep.
	maxWindow = 8 << 20
)

// decompressors holds decoders between uses, and lets only as many work at
// once as there are processors: their input is all there, so nobody waits long,
// and the memory for their windows (up to 16 MB for brotli) stays bounded.
type decompressors struct {
	slots                 chan struct{}
	gzips, zstds, scratch sync.Pool
}

func newDecompressors() *decompressors {
	return &decompressors{slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// decompress replaces what b holds by what it holds compressed.
func (c *Collector) decompress(ctx context.Context, kind encoding, b *buffer) *failure {
	select {
	case c.decompressors.slots <- struct{}{}:
		defer func() { <-c.decompressors.slots }()
	case <-ctx.Done():
		return errGone
	}
	limit := min(c.options.Limits.Decompressed, max(ratioFloor, c.options.Limits.Ratio*len(b.data)))
	out := buffer{memory: c.memory}
	f := c.decompressors.run(kind, b.data, &out, limit)
	if f != nil {
		out.free()
		return f
	}
	b.free()
	*b = out
	return nil
}

// run reads compressed into out, at most limit bytes.
func (d *decompressors) run(kind encoding, compressed []byte, out *buffer, limit int) *failure {
	source := bytes.NewReader(compressed)
	reader, done, err := d.open(kind, source)
	if err != nil {
		return corrupt(err)
	}
	defer done()
	if !out.grow(min(limit, unsure, max(4<<10, 4*len(compressed)))) {
		return errBusy
	}
	for {
		n, err := fill(reader, out)
		switch {
		case errors.Is(err, io.EOF):
			if len(out.data) > limit {
				return expands(limit)
			}
			return nil
		case err != nil:
			return corrupt(err)
		case len(out.data) > limit:
			return expands(limit)
		case n == 0 && cap(out.data) < unsure:
			if !out.grow(4 * cap(out.data)) {
				return errBusy
			}
		case n == 0:
			return d.again(kind, compressed, reader, out, limit)
		}
	}
}

// fill reads once into what room there is; 0 and no error mean that there is
// none.
func fill(reader io.Reader, out *buffer) (int, error) {
	room := out.data[len(out.data):cap(out.data)]
	for len(room) > 0 {
		n, err := reader.Read(room)
		out.data = out.data[:len(out.data)+n]
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// again measures the rest of a long text, and if it keeps the limit reads all
// of it into a buffer of the right size.
func (d *decompressors) again(kind encoding, compressed []byte, rest io.Reader, out *buffer, limit int) *failure {
	scratch, _ := d.scratch.Get().(*[]byte)
	if scratch == nil {
		fresh := make([]byte, 32<<10)
		scratch = &fresh
	}
	defer d.scratch.Put(scratch)
	size := len(out.data)
	for {
		n, err := rest.Read(*scratch)
		if size += n; size > limit {
			return expands(limit)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return corrupt(err)
		}
	}
	reader, done, err := d.open(kind, bytes.NewReader(compressed))
	if err != nil {
		return corrupt(err)
	}
	defer done()
	out.data = out.data[:0]
	if !out.grow(size) {
		return errBusy
	}
	if _, err := io.ReadFull(reader, out.data[:size]); err != nil {
		return corrupt(err)
	}
	out.data = out.data[:size]
	return nil
}

// open makes a decoder of source, or takes one from the pools. done gives it
// back. The decoders that are seldom asked for are not kept.
func (d *decompressors) open(kind encoding, source *bytes.Reader) (reader io.Reader, done func(), err error) {
	switch kind {
	case gzipped:
		return pooled(&d.gzips, source, func() (*gzip.Reader, error) { return new(gzip.Reader), nil })
	case zstandard:
		return pooled(&d.zstds, source, func() (*zstd.Decoder, error) {
			return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		})
	case deflated:
		if !isZlib(source) {
			return flate.NewReader(source), func() {}, nil
		}
		reader, err = zlib.NewReader(source)
		return reader, func() {}, err
	}
	return brotli.NewReader(source), func() {}, nil
}

// isZlib tells the two formats apart that go by the name of deflate: with a
// header, as the standard says, and without, as some send it.
func isZlib(source *bytes.Reader) bool {
	var header [2]byte
	n, _ := source.ReadAt(header[:], 0)
	return n == 2 && header[0]&0x0f == 8 && (uint(header[0])<<8|uint(header[1]))%31 == 0
}

func pooled[T interface {
	io.Reader
	Reset(io.Reader) error
}](pool *sync.Pool, source io.Reader, fresh func() (T, error)) (io.Reader, func(), error) {
	reader, ok := pool.Get().(T)
	if !ok {
		var err error
		if reader, err = fresh(); err != nil {
			return nil, nil, err
		}
	}
	if err := reader.Reset(source); err != nil {
		pool.Put(reader)
		return nil, nil, err
	}
	return reader, func() { pool.Put(reader) }, nil
}

func expands(limit int) *failure {
	return tooLarge("The body expands to more than %d bytes, the most that is taken of a body of this size. Send fewer items at once.", limit)
}

func corrupt(err error) *failure {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return tooLarge("The body asks for more than %d bytes of memory to be decompressed. Compress it with a smaller window.", maxWindow)
	}
	return &failure{
		status: http.StatusBadRequest, code: "invalid_compression",
		message: fmt.Sprintf("The body is not what its compression promises: %v.", err),
	}
}
