package frame

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/weirhq/weir"
)

// The header, little-endian. Two checksums rather than one: a header that is
// whole tells how long its damaged body is, so that a reader can step over it
// and name the records that are lost.
const (
	offMagic     = 0
	offVersion   = 4
	offReserved  = 5 // zero
	offPartition = 6
	offFirst     = 8
	offCount     = 16
	offAt        = 20
	offSize      = 28
	offBodySum   = 32
	offHeaderSum = 36 // over all bytes before it

	magic   = "\xf5wei" // the first byte never occurs in UTF-8 text
	version = 1

	maxSeq = 1<<48 - 1
	// maxBody leaves room for what zstd adds to bytes that do not compress.
	maxBody = MaxSize + MaxSize/1024 + 1024
)

// Seal puts a body in its place: first is the sequence number of its first
// record, from 1, and at the time of appending. It copies the body's data.
func Seal(body Body, first uint64, at weir.Micros) Sealed {
	s := make(Sealed, HeaderSize+len(body.Data))
	copy(s[offMagic:], magic)
	s[offVersion] = version
	binary.LittleEndian.PutUint16(s[offPartition:], uint16(body.Partition))
	binary.LittleEndian.PutUint64(s[offFirst:], first)
	binary.LittleEndian.PutUint32(s[offCount:], uint32(body.Count))
	binary.LittleEndian.PutUint64(s[offAt:], uint64(at))
	binary.LittleEndian.PutUint32(s[offSize:], uint32(len(body.Data)))
	binary.LittleEndian.PutUint32(s[offBodySum:], checksum(body.Data))
	binary.LittleEndian.PutUint32(s[offHeaderSum:], checksum(s[:offHeaderSum]))
	copy(s[HeaderSize:], body.Data)
	return s
}

// ReadHeader reads the header at the beginning of data, which may be longer.
// The header is whole if the error is nil; the body need not be, see Verify.
func ReadHeader(data []byte) (Header, error) {
	if len(data) < HeaderSize {
		return Header{}, fmt.Errorf("read frame header: %d bytes are too few: %w", len(data), ErrCorrupt)
	}
	if string(data[offMagic:offMagic+len(magic)]) != magic {
		return Header{}, fmt.Errorf("read frame header: wrong magic: %w", ErrCorrupt)
	}
	if want, got := binary.LittleEndian.Uint32(data[offHeaderSum:]), checksum(data[:offHeaderSum]); want != got {
		return Header{}, fmt.Errorf("read frame header: checksum is %08x, not %08x: %w", got, want, ErrCorrupt)
	}
	if data[offVersion] != version || data[offReserved] != 0 {
		return Header{}, fmt.Errorf("read frame header: unknown version %d: %w", data[offVersion], ErrCorrupt)
	}
	h := Header{
		Partition: int(binary.LittleEndian.Uint16(data[offPartition:])),
		First:     binary.LittleEndian.Uint64(data[offFirst:]),
		Count:     int(binary.LittleEndian.Uint32(data[offCount:])),
		At:        weir.Micros(binary.LittleEndian.Uint64(data[offAt:])),
		Size:      int(binary.LittleEndian.Uint32(data[offSize:])),
	}
	switch {
	case h.Partition >= weir.MaxPartitions:
		return Header{}, fmt.Errorf("read frame header: partition %d is out of range: %w", h.Partition, ErrCorrupt)
	case h.Count < 1 || h.Count > MaxRecords:
		return Header{}, fmt.Errorf("read frame header: %d records are out of range: %w", h.Count, ErrCorrupt)
	case h.First < 1 || h.First > maxSeq || h.Last() > maxSeq:
		return Header{}, fmt.Errorf("read frame header: sequence number %d is out of range: %w", h.First, ErrCorrupt)
	case h.Size > maxBody:
		return Header{}, fmt.Errorf("read frame header: a body of %d bytes is too large: %w", h.Size, ErrCorrupt)
	}
	return h, nil
}

// Verify says whether s is one whole frame, without decompressing it.
func Verify(s Sealed) error {
	_, err := verify(s)
	return err
}

func verify(s Sealed) (Header, error) {
	h, err := ReadHeader(s)
	if err != nil {
		return h, err
	}
	body := s[HeaderSize:]
	if len(body) != h.Size {
		return h, fmt.Errorf("verify frame %s: %d bytes of body, not %d: %w", weir.At(h.Partition, h.First), len(body), h.Size, ErrCorrupt)
	}
	if want, got := binary.LittleEndian.Uint32(s[offBodySum:]), checksum(body); want != got {
		return h, fmt.Errorf("verify frame %s: checksum of the body is %08x, not %08x: %w", weir.At(h.Partition, h.First), got, want, ErrCorrupt)
	}
	return h, nil
}

// Find is the offset of the first whole header in data, or -1: how a reader
// finds its way again behind damaged bytes. The header's own checksum makes a
// false hit in a body as good as impossible.
func Find(data []byte) int {
	for at := 0; ; at++ {
		next := bytes.Index(data[at:], []byte(magic))
		if next < 0 {
			return -1
		}
		at += next
		if _, err := ReadHeader(data[at:]); err == nil {
			return at
		}
	}
}

// checksum is CRC32C. crc32 keeps its table and picks the processor's
// instruction by itself.
func checksum(data []byte) uint32 {
	return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
}
