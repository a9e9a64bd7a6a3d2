package sqlitequeue

import (
	"encoding/binary"
	"hash/crc32"
)

// mark is how far a partition is acknowledged, in a form that can be told from
// damage and found in a page whatever became of the page's structure. Each is
// stored twice, in two tables and so in two pages.
type mark struct {
	partition  int
	partitions int // of the queue
	acked      uint64
}

const (
	markMagic = "\xf5wem"
	markSize  = 20 // magic, partition, partitions, acked, sum
)

func (m mark) encode() []byte {
	b := make([]byte, 0, markSize)
	b = append(b, markMagic...)
	b = binary.LittleEndian.AppendUint16(b, uint16(m.partition))
	b = binary.LittleEndian.AppendUint16(b, uint16(m.partitions))
	b = binary.LittleEndian.AppendUint64(b, m.acked)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// decodeMark reads the mark at the beginning of b, if a whole one stands there.
func decodeMark(b []byte) (mark, bool) {
	if len(b) < markSize || string(b[:4]) != markMagic ||
		binary.LittleEndian.Uint32(b[16:]) != checksum(b[:16]) {
		return mark{}, false
	}
	m := mark{
		partition:  int(binary.LittleEndian.Uint16(b[4:])),
		partitions: int(binary.LittleEndian.Uint16(b[6:])),
		acked:      binary.LittleEndian.Uint64(b[8:]),
	}
	return m, m.partition < m.partitions && m.acked <= maxSeq
}

// checksum is CRC32C.
func checksum(b []byte) uint32 {
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}
