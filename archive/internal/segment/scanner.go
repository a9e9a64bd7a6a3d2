package segment

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/weirhq/weir/frame"
)

// Scanner reads a segment from end to end and finds its way again behind damage.
// Every byte is part of exactly one frame or of one damage.
type Scanner struct {
	file io.ReaderAt
	name string
	size int64
	in   *bufio.Reader
	at   int64  // where the next frame or damage begins
	far  []byte // for looking beyond damage

	// What Next found.
	Offset int64        // where it begins
	Frame  frame.Sealed // nil if damaged
	Header frame.Header
	Known  bool  // Header is that of the damaged frame
	Damage error // says which bytes; wraps frame.ErrCorrupt
	Err    error // of reading; ends the scan
}

// NewScanner scans the first size bytes of file; name is what errors call it.
func NewScanner(file io.ReaderAt, name string, size int64) *Scanner {
	s := &Scanner{file: file, name: name, size: size}
	s.seek(0)
	return s
}

// End is where what Next found ends.
func (s *Scanner) End() int64 { return s.at }

func (s *Scanner) seek(at int64) {
	s.at = at
	section := io.NewSectionReader(s.file, at, s.size-at)
	if s.in == nil {
		s.in = bufio.NewReaderSize(section, 256<<10)
		return
	}
	s.in.Reset(section)
}

// Next goes to the next frame or damage; false at the end and after an error.
func (s *Scanner) Next() bool {
	s.Frame, s.Damage, s.Known, s.Header = nil, nil, false, frame.Header{}
	s.Offset = s.at
	if s.Err != nil || s.at >= s.size {
		return false
	}
	data, cause := s.whole()
	if s.Err != nil {
		return false
	}
	if cause == nil {
		s.Frame = data
		s.at += int64(len(data))
		return true
	}
	end := s.resync()
	if s.Err != nil {
		return false
	}
	s.Damage = fmt.Errorf("%s, bytes %d to %d: %w", s.name, s.Offset, end-1, cause)
	s.seek(end)
	return true
}

// whole reads the frame at the place where the scan is, if one is there.
func (s *Scanner) whole() (frame.Sealed, error) {
	head, err := s.in.Peek(int(min(frame.HeaderSize, s.size-s.at)))
	if err != nil {
		s.Err = fmt.Errorf("read %s: %w", s.name, err)
		return nil, nil
	}
	h, err := frame.ReadHeader(head)
	if err != nil {
		return nil, err
	}
	s.Header = h
	total := int64(frame.HeaderSize + h.Size)
	if total > s.size-s.at {
		s.Known = true
		return nil, fmt.Errorf("frame is cut off: %w", frame.ErrCorrupt)
	}
	data := make(frame.Sealed, total)
	if _, err := io.ReadFull(s.in, data); err != nil {
		s.Err = fmt.Errorf("read %s: %w", s.name, err)
		return nil, nil
	}
	if err := frame.Verify(data); err != nil {
		s.Known = true
		return nil, err
	}
	return data, nil
}

// resync is where the damage ends: behind the damaged frame, if its header is
// whole and a header or the end follows where it says; else at the next header
// that is whole, or at the end.
func (s *Scanner) resync() int64 {
	if end := s.Offset + int64(frame.HeaderSize+s.Header.Size); s.Known && end <= s.size && s.headerAt(end) {
		return end
	}
	const step = 1 << 20
	if s.far == nil {
		s.far = make([]byte, min(step+frame.HeaderSize-1, s.size-s.Offset))
	}
	for at := s.Offset + 1; at < s.size; at += step {
		n, err := s.file.ReadAt(s.far[:min(int64(len(s.far)), s.size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			s.Err = fmt.Errorf("read %s: %w", s.name, err)
			return s.size
		}
		if found := frame.Find(s.far[:n]); found >= 0 {
			return at + int64(found)
		}
	}
	return s.size
}

func (s *Scanner) headerAt(at int64) bool {
	if at == s.size {
		return true
	}
	head := make([]byte, min(frame.HeaderSize, s.size-at))
	if _, err := s.file.ReadAt(head, at); err != nil {
		return false
	}
	_, err := frame.ReadHeader(head)
	return err == nil
}
