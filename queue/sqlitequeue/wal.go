package sqlitequeue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// SQLite's log: a header of 32 bytes, then for every page written a header of
// 24 bytes and the page. docs: https://sqlite.org/fileformat2.html#walformat
const (
	walHeaderSize = 32
	walFrameSize  = 24 + pageSize
)

// walState is what stands behind the place at which SQLite stops reading a log.
type walState int

const (
	// walSound: nothing, or a transaction that was never finished.
	walSound walState = iota
	// walDoubtful: pages of the current generation with wrong checksums, as the
	// last transaction before a loss of power leaves them, which nobody was
	// told is stored; or as damage to the last one leaves them.
	walDoubtful
	// walDamaged: more than one unfinished transaction can explain, so
	// transactions are lost that callers were told are stored.
	walDamaged
)

// inspectWAL reads a log as SQLite would, and then further.
func inspectWAL(file string) (walState, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return walSound, nil
	}
	if err != nil {
		return walSound, fmt.Errorf("inspect log: %w", err)
	}
	defer f.Close()
	header := make([]byte, walHeaderSize)
	n, err := io.ReadFull(f, header)
	if n == 0 {
		return walSound, nil
	}
	w := walScan{}
	if err != nil || !w.begin(header) {
		// A log that never got as far as a transaction may have such a header,
		// but then nothing stands behind it.
		empty, err := restIsZero(f)
		if err != nil {
			return walSound, fmt.Errorf("inspect log: %w", err)
		}
		if n < walHeaderSize || allZero(header) && empty {
			return walSound, nil
		}
		return walDamaged, nil
	}
	frame := make([]byte, walFrameSize)
	for {
		if _, err := io.ReadFull(f, frame); err == io.EOF || err == io.ErrUnexpectedEOF {
			return w.state(), nil
		} else if err != nil {
			return walSound, fmt.Errorf("inspect log: %w", err)
		}
		w.next(frame)
	}
}

type walScan struct {
	order   binary.ByteOrder
	salts   [8]byte
	s0, s1  uint32
	broken  bool // the chain of checksums has ended
	suspect int  // pages of this generation behind that
	commits int  // of them, the ends of transactions
	behind  int  // of them, behind the first such end
}

func (w *walScan) begin(header []byte) bool {
	switch binary.BigEndian.Uint32(header) {
	case 0x377f0682:
		w.order = binary.LittleEndian
	case 0x377f0683:
		w.order = binary.BigEndian
	default:
		return false
	}
	if binary.BigEndian.Uint32(header[8:]) != pageSize {
		return false
	}
	copy(w.salts[:], header[16:24])
	w.sum(header[:24])
	return w.s0 == binary.BigEndian.Uint32(header[24:]) && w.s1 == binary.BigEndian.Uint32(header[28:])
}

func (w *walScan) next(frame []byte) {
	if w.generation(frame[8:16]) < len(w.salts)-1 {
		// Left from before the log was begun anew. One wrong byte of the eight
		// is a wrong byte, not another generation, whose salts are random.
		w.broken = true
		return
	}
	if !w.broken {
		s0, s1 := w.s0, w.s1
		w.sum(frame[:8])
		w.sum(frame[24:])
		if w.s0 == binary.BigEndian.Uint32(frame[16:]) && w.s1 == binary.BigEndian.Uint32(frame[20:]) &&
			w.generation(frame[8:16]) == len(w.salts) {
			return
		}
		w.broken, w.s0, w.s1 = true, s0, s1
	}
	w.suspect++
	if w.commits > 0 {
		w.behind++
	}
	if binary.BigEndian.Uint32(frame[4:]) != 0 {
		w.commits++
	}
}

// generation is how many bytes of the salts are those of the log.
func (w *walScan) generation(salts []byte) int {
	same := 0
	for i, b := range salts {
		if b == w.salts[i] {
			same++
		}
	}
	return same
}

// sum goes on with SQLite's checksum.
func (w *walScan) sum(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		w.s0 += w.order.Uint32(b) + w.s1
		w.s1 += w.order.Uint32(b[4:]) + w.s0
	}
}

func (w *walScan) state() walState {
	switch {
	case w.suspect == 0:
		return walSound
	case w.behind > 0:
		return walDamaged
	}
	return walDoubtful
}

func restIsZero(r io.Reader) (bool, error) {
	buffer := make([]byte, walFrameSize)
	for {
		n, err := r.Read(buffer)
		if !allZero(buffer[:n]) {
			return false, nil
		}
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
