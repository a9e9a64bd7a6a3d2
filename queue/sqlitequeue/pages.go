package sqlitequeue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/weirhq/weir/frame"
)

// image is one version of one page: of the database file, or of a log.
type image struct {
	log int32 // which log, from 0; -1 is the database file
	at  int32 // the place in the log, or the page's number - 1
}

// pages reads a database file and its logs without SQLite, by nothing but the
// size of a page: whatever the structure says, a page is looked at.
type pages struct {
	db     *os.File
	count  int // whole pages of db
	logs   []*os.File
	frames []int                // whole pages of each log
	byPage map[uint32][]image   // versions in the logs, oldest first
	ends   []map[int32]struct{} // places at which transactions end
}

func openPages(db string, logs []string) (_ *pages, err error) {
	p := &pages{byPage: map[uint32][]image{}}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	var size int64
	if p.db, size, err = openIfThere(db); err != nil {
		return nil, err
	}
	p.count = int(size / pageSize)
	for _, name := range logs {
		f, size, err := openIfThere(name)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		p.logs = append(p.logs, f)
		p.frames = append(p.frames, int(max(0, size-walHeaderSize)/walFrameSize))
		if err := p.indexLog(len(p.logs) - 1); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func openIfThere(name string) (*os.File, int64, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open for salvage: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("open for salvage: %w", err)
	}
	return f, info.Size(), nil
}

func (p *pages) indexLog(log int) error {
	ends := map[int32]struct{}{}
	header := make([]byte, 8)
	for i := range p.frames[log] {
		if _, err := p.logs[log].ReadAt(header, walHeaderSize+int64(i)*walFrameSize); err != nil {
			return fmt.Errorf("read log for salvage: %w", err)
		}
		page := binary.BigEndian.Uint32(header)
		p.byPage[page] = append(p.byPage[page], image{int32(log), int32(i)})
		if binary.BigEndian.Uint32(header[4:]) != 0 {
			ends[int32(i)] = struct{}{}
		}
	}
	p.ends = append(p.ends, ends)
	return nil
}

func (p *pages) close() {
	if p.db != nil {
		p.db.Close()
	}
	for _, f := range p.logs {
		f.Close()
	}
}

// each calls fn with every version of every page. The bytes are good until fn
// returns. An unreadable page is passed over.
func (p *pages) each(fn func(image, []byte) error) error {
	buffer := make([]byte, pageSize)
	for log := -1; log < len(p.logs); log++ {
		count := p.count
		if log >= 0 {
			count = p.frames[log]
		}
		for i := range count {
			at := image{int32(log), int32(i)}
			if err := p.read(at, buffer); err != nil {
				continue
			}
			if err := fn(at, buffer); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pages) read(at image, to []byte) error {
	f, offset := p.db, int64(at.at)*pageSize
	if at.log >= 0 {
		f, offset = p.logs[at.log], walHeaderSize+int64(at.at)*walFrameSize+24
	}
	if _, err := f.ReadAt(to, offset); err != nil && err != io.EOF {
		return fmt.Errorf("read page for salvage: %w", err)
	}
	return nil
}

// views are the orders in which versions of a page are preferred when the rest
// of a frame is looked for: as of the transaction that the frame's beginning
// belongs to, the newest at all, and the database file's.
func (p *pages) views(start image) []func(page uint32) (image, bool) {
	file := func(page uint32) (image, bool) {
		return image{-1, int32(page - 1)}, page >= 1 && int64(page) <= int64(p.count)
	}
	newest := func(page uint32) (image, bool) {
		if versions := p.byPage[page]; len(versions) > 0 {
			return versions[len(versions)-1], true
		}
		return file(page)
	}
	if start.log < 0 {
		return []func(uint32) (image, bool){file, newest}
	}
	end := start.at
	for int(end) < p.frames[start.log]-1 {
		if _, ok := p.ends[start.log][end]; ok {
			break
		}
		end++
	}
	then := func(page uint32) (image, bool) {
		versions := p.byPage[page]
		for i := len(versions) - 1; i >= 0; i-- {
			if v := versions[i]; v.log == start.log && v.at <= end {
				return v, true
			}
		}
		return file(page)
	}
	return []func(uint32) (image, bool){then, newest, file}
}

// assemble puts together the frame whose header stands at offset of a page's
// version. SQLite keeps the first bytes of a large row in the leaf page and the
// rest in a chain of overflow pages; how many stay in the leaf follows from the
// size of the row, of which only the few bytes before the frame are unknown:
// all their possible numbers are tried, and the frame's checksum decides.
func (p *pages) assemble(at image, page []byte, offset int) (frame.Sealed, bool) {
	h, err := frame.ReadHeader(page[offset:])
	if err != nil {
		return nil, false
	}
	size := frame.HeaderSize + h.Size
	if offset+size <= pageSize {
		if s := frame.Sealed(page[offset : offset+size]); frame.Verify(s) == nil {
			return append(frame.Sealed(nil), s...), true
		}
	}
	views := p.views(at)
	for prefix := minPrefix; prefix <= maxPrefix; prefix++ {
		local := localSize(prefix+size) - prefix
		if local <= 0 || local >= size || offset+local+4 > pageSize {
			continue
		}
		next := binary.BigEndian.Uint32(page[offset+local:])
		for _, view := range views {
			if s, ok := p.follow(page[offset:offset+local], next, size, view); ok {
				return s, true
			}
		}
	}
	return nil, false
}

// A row begins with the header's length, the types of 5 columns and the values
// of count and before: never more than maxPrefix bytes.
const (
	minPrefix = 6
	maxPrefix = 32
)

// localSize is how many bytes of a row of a table stay in the leaf page.
func localSize(row int) int {
	const most = pageSize - 35
	const least = (pageSize-12)*32/255 - 23
	if row <= most {
		return row
	}
	if k := least + (row-least)%(pageSize-4); k <= most {
		return k
	}
	return least
}

// follow reads a chain of overflow pages: each begins with the number of the
// next, 0 in the last.
func (p *pages) follow(start []byte, next uint32, size int, view func(uint32) (image, bool)) (frame.Sealed, bool) {
	if at, ok := view(next); !ok || p.read(at, make([]byte, pageSize)) != nil {
		return nil, false
	}
	s := make(frame.Sealed, 0, size)
	s = append(s, start...)
	buffer := make([]byte, pageSize)
	for len(s) < size {
		at, ok := view(next)
		if !ok || p.read(at, buffer) != nil {
			return nil, false
		}
		next = binary.BigEndian.Uint32(buffer)
		s = append(s, buffer[4:min(pageSize, 4+size-len(s))]...)
	}
	return s, frame.Verify(s) == nil
}
