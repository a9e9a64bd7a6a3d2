package importer

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// Stdin is the name of the standard input.
const Stdin = "-"

// File is something to read lines from.
type File struct {
	Path     string // Stdin, or absolute
	Size     int64  // bytes as they are stored; 0 of Stdin
	Modified time.Time
}

// Find lists the files that arguments name: Stdin, files, and what is in
// folders, at any depth, and looks like an export by its name (see exported).
// The list has the order of the arguments, and within a folder that of the names.
// A file that is named twice is listed once.
func Find(args []string) ([]File, error) {
	var files []File
	seen := map[string]bool{}
	add := func(path string, info fs.FileInfo) {
		if !seen[path] {
			seen[path] = true
			files = append(files, File{path, info.Size(), info.ModTime()})
		}
	}
	for _, arg := range args {
		if arg == Stdin {
			if !seen[Stdin] {
				seen[Stdin] = true
				files = append(files, File{Path: Stdin})
			}
			continue
		}
		path, err := filepath.Abs(arg)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", arg, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("find files to import: %w", err)
		}
		if !info.IsDir() {
			add(path, info)
			continue
		}
		before := len(files)
		if err := walk(path, add); err != nil {
			return nil, fmt.Errorf("look through %s: %w", arg, err)
		}
		if len(files) == before {
			return nil, fmt.Errorf("there is no export in the folder %s: no file that ends in .json, .jsonl, .ndjson, .gz, .zst, .br or .zip", arg)
		}
	}
	return files, nil
}

func walk(root string, add func(string, fs.FileInfo)) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != root && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case entry.IsDir() || !exported(entry.Name()):
			return nil
		}
		info, err := os.Stat(path) // what a link points to
		if err == nil && info.Mode().IsRegular() {
			add(path, info)
		}
		return err
	})
}

// exported tells by a file's name whether it is part of an export. PostHog puts
// a manifest beside its files.
func exported(name string) bool {
	if name == "manifest.json" || strings.HasPrefix(name, ".") {
		return false
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json", ".jsonl", ".ndjson", ".gz", ".zst", ".br", ".zip":
		return true
	}
	return false
}

// Line is one line of a source: of a file, or of one file in a zip archive.
type Line struct {
	Source string // the file's path; in an archive, that and "!" and the name there
	Offset int64  // of its first byte in the source, decompressed
	End    int64  // of the byte after it and its line break
	Text   []byte // without the line break; valid until the next line
	// TooLong lines have MaxLine bytes of text.
	TooLong bool
}

// MaxLine is the longest line that is read, in bytes: more than a request may
// have.
const MaxLine = 32 << 20

// Reader reads the lines of a file.
type Reader struct {
	File File
	// Stdin is where the standard input comes from; needed for that File only.
	Stdin io.Reader
	// From says where in a source to go on: after how many bytes, decompressed, or
	// not at all if it is done. Nil reads everything.
	From func(source string) (offset int64, done bool)
	// Read counts the bytes that were read of the file, as they are stored.
	Read *atomic.Int64
}

// Lines calls line for each line that is not empty, and end after the last line
// of each source. Their errors end it, and so does ctx.
func (r *Reader) Lines(ctx context.Context, line func(Line) error, end func(source string) error) error {
	in := r.Stdin
	if r.File.Path != Stdin {
		file, err := os.Open(r.File.Path)
		if err != nil {
			return fmt.Errorf("open file: %w", err)
		}
		defer file.Close()
		head := make([]byte, 4)
		n, err := file.ReadAt(head, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", r.File.Path, err)
		}
		if bytes.HasPrefix(head[:n], []byte("PK\x03\x04")) || bytes.HasPrefix(head[:n], []byte("PK\x05\x06")) {
			return r.archive(ctx, file, line, end)
		}
		in = file
	}
	return r.source(ctx, r.File.Path, r.File.Path, counted{in, r.Read}, line, end)
}

// archive reads the files of a zip archive, in its own order.
func (r *Reader) archive(ctx context.Context, file *os.File, line func(Line) error, end func(string) error) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read %s: %w", r.File.Path, err)
	}
	archive, err := zip.NewReader(file, info.Size())
	if err != nil {
		return fmt.Errorf("read zip archive %s: %w; is the download complete?", r.File.Path, err)
	}
	named := map[string]int{} // an archive may have a name twice
	for _, entry := range archive.File {
		name := filepath.Base(filepath.FromSlash(entry.Name))
		if entry.FileInfo().IsDir() || !exported(name) || strings.HasSuffix(name, ".zip") || strings.HasPrefix(entry.Name, "__MACOSX/") {
			continue
		}
		source := r.File.Path + "!" + entry.Name
		if named[source]++; named[source] > 1 {
			source += fmt.Sprintf(" (%d)", named[source])
		}
		if err := r.entry(ctx, source, entry, line, end); err != nil {
			return err
		}
		if r.Read != nil {
			r.Read.Add(int64(entry.CompressedSize64))
		}
	}
	return nil
}

func (r *Reader) entry(ctx context.Context, source string, entry *zip.File, line func(Line) error, end func(string) error) error {
	if r.From != nil {
		if _, done := r.From(source); done {
			return nil
		}
	}
	in, err := entry.Open()
	if err != nil {
		return fmt.Errorf("read %s: %w", source, err)
	}
	defer in.Close()
	return r.source(ctx, source, entry.Name, in, line, end)
}

// source reads one source from where to go on.
func (r *Reader) source(ctx context.Context, source, name string, in io.Reader, line func(Line) error, end func(string) error) error {
	var offset int64
	if r.From != nil {
		var done bool
		if offset, done = r.From(source); done {
			if r.Read != nil {
				r.Read.Add(r.File.Size)
			}
			return nil
		}
	}
	text, release, err := decompress(name, in)
	if err != nil {
		return fmt.Errorf("read %s: %w", source, err)
	}
	defer release()
	if offset > 0 {
		if n, err := io.CopyN(io.Discard, text, offset); err != nil {
			return fmt.Errorf("read %s: it has only %d of the %d bytes that were imported before: %w; begin anew with --restart", source, n, offset, err)
		}
	}
	lines := lineReader{in: bufio.NewReaderSize(text, 256<<10), offset: offset}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, err := lines.next()
		if errors.Is(err, io.EOF) {
			return end(source)
		}
		if err != nil {
			return fmt.Errorf("read %s after byte %d: %w", source, next.Offset, err)
		}
		if len(next.Text) == 0 {
			continue
		}
		next.Source = source
		if err := line(next); err != nil {
			return err
		}
	}
}

// decompress finds out by the first bytes how the text is compressed; brotli,
// which has none of its own, by the name.
func decompress(name string, in io.Reader) (text io.Reader, release func(), err error) {
	buffered := bufio.NewReaderSize(in, 256<<10)
	head, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	nothing := func() {}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(buffered)
		return z, nothing, err
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return nil, nil, errors.New("a zip archive can only be read from a file; save it first")
	case bytes.HasPrefix(head, []byte("PAR1")):
		return nil, nil, errors.New("this is Parquet; export JSON lines instead")
	case strings.HasSuffix(strings.ToLower(name), ".br"):
		return brotli.NewReader(buffered), nothing, nil
	}
	return buffered, nothing, nil
}

// lineReader cuts a text into lines.
type lineReader struct {
	in     *bufio.Reader
	offset int64
	long   []byte // a line that is longer than the reader's buffer
}

// next is the next line, or io.EOF. White space around it is taken off, and so is
// the mark that some editors put before a text.
func (l *lineReader) next() (Line, error) {
	line := Line{Offset: l.offset}
	l.long = l.long[:0]
	for {
		piece, err := l.in.ReadSlice('\n')
		l.offset += int64(len(piece))
		if err == nil || errors.Is(err, io.EOF) {
			if l.offset == line.Offset {
				return line, io.EOF
			}
			line.Text = piece
			if len(l.long) > 0 {
				line.Text = l.keep(piece, &line)
			}
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		l.keep(piece, &line)
	}
	line.End = l.offset
	if line.Offset == 0 {
		line.Text = bytes.TrimPrefix(line.Text, []byte("\xef\xbb\xbf"))
	}
	line.Text = bytes.TrimSpace(line.Text)
	return line, nil
}

// keep adds a piece to a long line, up to what is read of one.
func (l *lineReader) keep(piece []byte, line *Line) []byte {
	if room := MaxLine - len(l.long); len(piece) > room {
		piece, line.TooLong = piece[:room], true
	}
	l.long = append(l.long, piece...)
	return l.long
}

// counted counts what is read.
type counted struct {
	in io.Reader
	n  *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if c.n != nil {
		c.n.Add(int64(n))
	}
	return n, err
}
