package sqlitequeue

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// headsFile is queue.heads: a witness, outside SQLite, of the last sequence
// number of each partition that was ever acknowledged to a caller of Append.
// SQLite silently ignores what stands in its log behind a damaged place, and
// cannot know that a file was cut off at the end of a transaction; the witness
// does.
//
// It is written after every Append but not synced, since an fsync would double
// the cost: it is exact as long as the machine did not lose power, which the
// kernel's boot id tells, or the queue was closed in order. After a loss of
// power it may be behind; it is never ahead of what was acknowledged.
type headsFile struct {
	file       *os.File
	generation uint64
	known      []uint64 // as read when opened; nil if there was no whole copy
	exact      bool     // known is the truth, not only a lower bound
	boot       [16]byte
	failed     bool
}

const (
	headsMagic = "\xf5weh"
	headsFixed = 4 + 2 + 1 + 1 + 8 + 16 // magic, partitions, clean, zero, generation, boot
)

// openHeads opens or makes the file and reads the newer whole one of its two
// copies.
func openHeads(dir string) (*headsFile, error) {
	file, err := os.OpenFile(path(dir, "queue.heads"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open queue.heads: %w", err)
	}
	h := &headsFile{file: file, boot: bootID()}
	data, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read queue.heads: %w", err)
	}
	for _, copied := range splitCopies(data) {
		h.read(copied)
	}
	return h, nil
}

// splitCopies finds the copies wherever they begin, so that a file whose first
// one is damaged need not be trusted for the place of the second.
func splitCopies(data []byte) [][]byte {
	var copies [][]byte
	for at := 0; ; {
		next := bytes.Index(data[at:], []byte(headsMagic))
		if next < 0 {
			return copies
		}
		at += next
		copies = append(copies, data[at:])
		at++
	}
}

func (h *headsFile) read(b []byte) {
	if len(b) < headsFixed {
		return
	}
	partitions := int(binary.LittleEndian.Uint16(b[4:]))
	end := headsFixed + 8*partitions
	if len(b) < end+4 || binary.LittleEndian.Uint32(b[end:]) != checksum(b[:end]) {
		return
	}
	generation := binary.LittleEndian.Uint64(b[8:])
	if h.known != nil && generation <= h.generation {
		return
	}
	h.generation = generation
	h.exact = b[6] == 1 || h.boot != [16]byte{} && [16]byte(b[16:32]) == h.boot
	h.known = make([]uint64, partitions)
	for p := range h.known {
		h.known[p] = binary.LittleEndian.Uint64(b[headsFixed+8*p:])
	}
}

// head is what the witness knows of a partition.
func (h *headsFile) head(partition int) uint64 {
	if partition < len(h.known) {
		return h.known[partition]
	}
	return 0
}

// write stores the heads in the older of the two places. An error makes the
// witness silent, not the queue.
func (h *headsFile) write(heads []uint64, clean bool) error {
	if h.failed {
		return nil
	}
	h.generation++
	b := make([]byte, headsFixed, headsFixed+8*len(heads)+4)
	copy(b, headsMagic)
	binary.LittleEndian.PutUint16(b[4:], uint16(len(heads)))
	if clean {
		b[6] = 1
	}
	binary.LittleEndian.PutUint64(b[8:], h.generation)
	copy(b[16:], h.boot[:])
	for _, head := range heads {
		b = binary.LittleEndian.AppendUint64(b, head)
	}
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	place := int64((len(b) + 4095) / 4096 * 4096)
	if _, err := h.file.WriteAt(b, int64(h.generation%2)*place); err != nil {
		h.failed = true
		return fmt.Errorf("write queue.heads: %w", err)
	}
	return nil
}

// begin says, durably, that the queue is in use: from now on a loss of power
// makes the witness inexact. Both copies are written so that none remains that
// says otherwise.
func (h *headsFile) begin(heads []uint64) error {
	h.failed = false
	if err := errors.Join(h.write(heads, false), h.write(heads, false)); err != nil {
		return err
	}
	if err := h.file.Sync(); err != nil {
		return fmt.Errorf("sync queue.heads: %w", err)
	}
	return nil
}

// close says that the queue was closed in order.
func (h *headsFile) close(heads []uint64) error {
	err := h.write(heads, true)
	if err == nil && !h.failed {
		err = h.file.Sync()
	}
	if closeErr := h.file.Close(); !errors.Is(closeErr, fs.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	return err
}

// bootID tells one start of the machine from another; zero if unknown.
func bootID() (id [16]byte) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(text) > 64 {
		return id
	}
	n, err := hex.Decode(id[:], bytes.ReplaceAll(bytes.TrimSpace(text), []byte("-"), nil))
	if err != nil || n != len(id) {
		return [16]byte{}
	}
	return id
}
