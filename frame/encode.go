package frame

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/weirhq/weir"
)

// ErrTooLarge is wrapped by Encode when the records do not fit in one frame.
var ErrTooLarge = errors.New("too much for one frame")

// windowSize is zstd's window, in the encoder and as the decoder's bound. A
// larger one gains nothing on frames of the usual size.
const windowSize = 4 << 20

// codecs are kept between calls, since making one costs far more than a frame.
// They carry nothing from one frame to the next. This is the package's only
// shared state; Encode and Decode are functions for the ease of their callers.
var codecs struct {
	encoders, decoders, buffers sync.Pool
}

// Encode compresses records of one partition, at least 1 and at most
// MaxRecords, into a body. Each record's Index must be in [0, 1<<31). It copies
// what it keeps. The error wraps ErrTooLarge if the records are more than
// MaxRecords or MaxSize.
func Encode(partition int, records []weir.Record) (Body, error) {
	if partition < 0 || partition >= weir.MaxPartitions {
		return Body{}, fmt.Errorf("encode frame: partition %d is out of range", partition)
	}
	if len(records) == 0 {
		return Body{}, errors.New("encode frame: no records")
	}
	if len(records) > MaxRecords {
		return Body{}, fmt.Errorf("encode frame: %d records: %w", len(records), ErrTooLarge)
	}
	buffer, _ := codecs.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer codecs.buffers.Put(buffer)

	payload, err := appendRecords((*buffer)[:0], records)
	if err != nil {
		return Body{}, fmt.Errorf("encode frame: %w", err)
	}
	*buffer = keep(payload)
	data, err := compress(payload)
	if err != nil {
		return Body{}, fmt.Errorf("encode frame: %w", err)
	}
	return Body{Partition: partition, Count: len(records), Data: data}, nil
}

func appendRecords(payload []byte, records []weir.Record) ([]byte, error) {
	prev := &weir.Record{}
	for i := range records {
		r := &records[i]
		if r.Index < 0 || r.Index > math.MaxInt32 {
			return payload, fmt.Errorf("record %d: index %d is out of range", i, r.Index)
		}
		if r.Client > weir.ClientServer {
			return payload, fmt.Errorf("record %d: unknown client %d", i, r.Client)
		}
		if len(payload)+len(r.Raw) > MaxSize {
			return payload, fmt.Errorf("more than %d bytes: %w", MaxSize, ErrTooLarge)
		}
		payload = appendRecord(payload, r, prev)
		prev = r
	}
	if len(payload) > MaxSize {
		return payload, fmt.Errorf("more than %d bytes: %w", MaxSize, ErrTooLarge)
	}
	return payload, nil
}

// keep is what of a buffer is worth keeping between calls.
func keep(buffer []byte) []byte {
	if cap(buffer) > 4<<20 {
		return nil
	}
	return buffer[:0]
}

func compress(payload []byte) ([]byte, error) {
	encoder, _ := codecs.encoders.Get().(*zstd.Encoder)
	if encoder == nil {
		var err error
		// Our own checksum covers the compressed bytes.
		encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(windowSize))
		if err != nil {
			return nil, fmt.Errorf("make encoder: %w", err)
		}
	}
	defer codecs.encoders.Put(encoder)
	buffer, _ := codecs.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer codecs.buffers.Put(buffer)
	// Compressed into a scratch buffer and copied, since EncodeAll would take as
	// much memory as the payload has, for a body that may wait in a queue.
	data := encoder.EncodeAll(payload, (*buffer)[:0])
	*buffer = keep(data)
	return bytes.Clone(data), nil
}

// Decode reads a whole frame. The records share memory with each other, not
// with s. Every error wraps ErrCorrupt. It allocates a small multiple of
// MaxSize at most, whatever the bytes say.
func Decode(s Sealed) (*Frame, error) {
	h, err := verify(s)
	if err != nil {
		return nil, err
	}
	records, err := decodeBody(s[HeaderSize:], h.Count)
	if err != nil {
		return nil, fmt.Errorf("decode frame %s: %w", weir.At(h.Partition, h.First), err)
	}
	return &Frame{Header: h, Records: records}, nil
}

// Open reads a body that has no place yet. Errors as Decode's.
func Open(body Body) ([]weir.Record, error) {
	if body.Count < 1 || body.Count > MaxRecords || len(body.Data) > maxBody {
		return nil, fmt.Errorf("open body: count or size is out of range: %w", ErrCorrupt)
	}
	records, err := decodeBody(body.Data, body.Count)
	if err != nil {
		return nil, fmt.Errorf("open body: %w", err)
	}
	return records, nil
}

func decodeBody(data []byte, count int) ([]weir.Record, error) {
	payload, err := decompress(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return decodeRecords(payload, count)
}

func decompress(data []byte) ([]byte, error) {
	decoder, _ := codecs.decoders.Get().(*zstd.Decoder)
	if decoder == nil {
		var err error
		decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxMemory(MaxSize), zstd.WithDecoderMaxWindow(windowSize))
		if err != nil {
			return nil, fmt.Errorf("make decoder: %w", err)
		}
	}
	defer codecs.decoders.Put(decoder)
	return decoder.DecodeAll(data, nil)
}
