package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// readChunk is what is read of a body before more memory is taken for it, so
// that a sender who promises much and sends little holds little.
const readChunk = 4 << 10

// readBody reads the request's body into b, as it came over the wire.
func (c *Collector) readBody(w http.ResponseWriter, r *http.Request, b *buffer) *failure {
	limit := c.options.Limits.Body
	if r.ContentLength > int64(limit) {
		return tooLarge("The body has %d bytes; at most %d are taken. Send fewer items at once.", r.ContentLength, limit)
	}
	// One byte more than the body lets the read find its end without growing.
	most := limit + 1
	if r.ContentLength >= 0 {
		most = int(r.ContentLength) + 1
	}
	if !b.grow(min(most, readChunk)) {
		return errBusy
	}
	body := http.MaxBytesReader(w, r.Body, int64(limit))
	for {
		n, err := body.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return readFailure(err, limit)
		case len(b.data) == cap(b.data) && !b.grow(max(cap(b.data)+1, min(most, 4*cap(b.data)))):
			return errBusy
		}
	}
}

func readFailure(err error, limit int) *failure {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return tooLarge("The body has more than %d bytes. Send fewer items at once.", limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &failure{status: http.StatusRequestTimeout, code: "too_slow", message: "The body did not arrive in time."}
	}
	return &failure{status: http.StatusBadRequest, code: "incomplete_body", message: "The body ended before its end: " + err.Error() + "."}
}

// payload is the body's text: decompressed, and without a byte order mark. It
// lies in b, which may become another buffer.
func (c *Collector) payload(ctx context.Context, encoding string, b *buffer) ([]byte, *failure) {
	kind, f := compression(encoding, b.data)
	if f == nil && kind != plain {
		f = c.decompress(ctx, kind, b)
	}
	if f != nil {
		return nil, f
	}
	return bytes.TrimPrefix(b.data, []byte("\ufeff")), nil
}

// compression says how a body is compressed: by its header, or else, as some
// senders do not say, by its first bytes.
func compression(header string, body []byte) (encoding, *failure) {
	switch strings.ToLower(strings.TrimSpace(header)) {
	case "", "identity":
		if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
			return gzipped, nil
		}
		return plain, nil
	case "gzip", "x-gzip":
		return gzipped, nil
	case "deflate":
		return deflated, nil
	case "zstd":
		return zstandard, nil
	case "br":
		return brotlied, nil
	}
	return plain, &failure{
		status: http.StatusUnsupportedMediaType, code: "unsupported_encoding",
		message: fmt.Sprintf("Content-Encoding %q is not known; use gzip, deflate, zstd, br or none.", header),
	}
}
