package importer_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/weirhq/weir/importer"
)

func compress(t testing.TB, text string, to func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var out bytes.Buffer
	w := to(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t testing.TB, text string) []byte {
	return compress(t, text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func zipped(t testing.TB, entries ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		entry, err := w.Create(e[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(entry, e[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t testing.TB, folder, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read lists the lines and the ends of sources as "source@offset: text".
func read(t *testing.T, r *importer.Reader) ([]string, error) {
	t.Helper()
	var got []string
	err := r.Lines(t.Context(), func(l importer.Line) error {
		got = append(got, fmt.Sprintf("%s@%d-%d: %s", filepath.Base(l.Source), l.Offset, l.End, l.Text))
		return nil
	}, func(source string) error {
		got = append(got, filepath.Base(source)+" ends")
		return nil
	})
	return got, err
}

func TestCompressionIsFoundOut(t *testing.T) {
	const text = "one\n\n  two \r\nthree"
	folder := t.TempDir()
	for name, content := range map[string][]byte{
		"plain.json": []byte(text),
		"gz":         gzipped(t, text),
		"two.gz":     append(gzipped(t, text[:6]), gzipped(t, text[6:])...), // as gzip files are joined
		"zst": compress(t, text, func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		}),
		"x.br": compress(t, text, func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }),
	} {
		path := write(t, folder, name, content)
		var bytes atomic.Int64
		got, err := read(t, &importer.Reader{File: importer.File{Path: path}, Read: &bytes})
		want := []string{name + "@0-4: one", name + "@5-13: two", name + "@13-18: three", name + " ends"}
		if err != nil || !slices.Equal(got, want) || bytes.Load() != int64(len(content)) {
			t.Errorf("%s: %q, %v, %d of %d bytes", name, got, err, bytes.Load(), len(content))
		}
	}
}

func TestArchiveHasSources(t *testing.T) {
	path := write(t, t.TempDir(), "export.zip", zipped(t,
		[2]string{"100011471/100011471_2024-09-10_20#0.json.gz", string(gzipped(t, "a\nb\n"))},
		[2]string{"readme.txt", "not an export"},
		[2]string{"__MACOSX/x.json", "not either"},
		[2]string{"plain.json", "c\n"},
		[2]string{"plain.json", "d\n"},
	))
	all, err := read(t, &importer.Reader{File: importer.File{Path: path}})
	want := []string{"100011471_2024-09-10_20#0.json.gz@0-2: a", "100011471_2024-09-10_20#0.json.gz@2-4: b", "100011471_2024-09-10_20#0.json.gz ends", "export.zip!plain.json@0-2: c", "export.zip!plain.json ends", "export.zip!plain.json (2)@0-2: d", "export.zip!plain.json (2) ends"}
	if err != nil || !slices.Equal(all, want) {
		t.Fatalf("%q, %v", all, err)
	}
	from := func(source string) (int64, bool) { return 2, strings.Contains(source, "plain.json") }
	rest, err := read(t, &importer.Reader{File: importer.File{Path: path}, From: from})
	if err != nil || !slices.Equal(rest, want[1:3]) {
		t.Errorf("gone on with: %q, %v", rest, err)
	}
}

func TestGoingOnAfterWhatWasRead(t *testing.T) {
	path := write(t, t.TempDir(), "x.gz", gzipped(t, "one\ntwo\nthree\n"))
	at := func(offset int64, done bool) *importer.Reader {
		return &importer.Reader{File: importer.File{Path: path}, From: func(string) (int64, bool) { return offset, done }}
	}
	if got, err := read(t, at(8, false)); err != nil || !slices.Equal(got, []string{"x.gz@8-14: three", "x.gz ends"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := read(t, at(0, true)); err != nil || len(got) > 0 {
		t.Errorf("a source that is done: %q, %v", got, err)
	}
	if _, err := read(t, at(15, false)); err == nil || !strings.Contains(err.Error(), "--restart") {
		t.Errorf("a source that is shorter now: %v", err)
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	folder := t.TempDir()
	whole := gzipped(t, strings.Repeat("line of some length\n", 1000))
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{
		"cut.gz":      {whole[:len(whole)/2], "unexpected EOF"},
		"cut.zip":     {zipped(t, [2]string{"a.json", "a"})[:40], "download complete"},
		"x.parquet":   {[]byte("PAR1…"), "Parquet"},
		"missing.txt": {nil, "no such file"},
	} {
		path := filepath.Join(folder, name)
		if c.content != nil {
			write(t, folder, name, c.content)
		}
		if _, err := read(t, &importer.Reader{File: importer.File{Path: path}}); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stdin := &importer.Reader{File: importer.File{Path: importer.Stdin}, Stdin: bytes.NewReader(zipped(t, [2]string{"a.json", "a"}))}
	if _, err := read(t, stdin); err == nil || !strings.Contains(err.Error(), "save it first") {
		t.Errorf("an archive on the standard input: %v", err)
	}
}

func TestLongLines(t *testing.T) {
	text := "a\n" + strings.Repeat("x", 1<<20) + "\n" + strings.Repeat("y", importer.MaxLine+5) + "\nb\n"
	var sizes []int
	r := importer.Reader{File: importer.File{Path: importer.Stdin}, Stdin: strings.NewReader("\xef\xbb\xbf" + text)}
	err := r.Lines(t.Context(), func(l importer.Line) error {
		if l.TooLong != (l.Text[0] == 'y') {
			t.Errorf("a line of %d bytes: too long is %t", len(l.Text), l.TooLong)
		}
		sizes = append(sizes, len(l.Text))
		return nil
	}, func(string) error { return nil })
	if err != nil || !slices.Equal(sizes, []int{1, 1 << 20, importer.MaxLine, 1}) {
		t.Errorf("%v, %v", sizes, err)
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := importer.Reader{File: importer.File{Path: importer.Stdin}, Stdin: strings.NewReader("a\nb\nc\n")}
	seen := 0
	err := r.Lines(ctx, func(importer.Line) error { seen++; cancel(); return nil }, func(string) error { return nil })
	if !errors.Is(err, context.Canceled) || seen != 1 {
		t.Errorf("%d lines, %v", seen, err)
	}
}

func TestFilesOfFolders(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"b/2.json.gz", "b/1.jsonl", "a.ndjson", ".weir-import-1.json", "b/.hidden/x.json", "b/manifest.json", "notes.txt"} {
		write(t, folder, name, []byte("{}\n"))
	}
	notes := filepath.Join(folder, "notes.txt")
	files, err := importer.Find([]string{notes, folder, importer.Stdin, notes})
	var got []string
	for _, f := range files {
		name, _ := filepath.Rel(folder, f.Path)
		if f.Path == importer.Stdin {
			name = f.Path
		} else if f.Size != 3 || f.Modified.IsZero() {
			t.Errorf("%+v", f)
		}
		got = append(got, filepath.ToSlash(name))
	}
	if want := []string{"notes.txt", "a.ndjson", "b/1.jsonl", "b/2.json.gz", "-"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	empty := t.TempDir()
	if _, err := importer.Find([]string{empty}); err == nil || !strings.Contains(err.Error(), "no export in the folder") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := importer.Find([]string{filepath.Join(empty, "nothing")}); err == nil {
		t.Error("a file that is not there was found")
	}
}

func FuzzSources(f *testing.F) {
	f.Add([]byte("{}\n{}\n"))
	f.Add(gzipped(f, "{}\n"))
	f.Add(zipped(f, [2]string{"a.json", "{}\n"}))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := write(t, t.TempDir(), "x.br", content)
		for _, file := range []importer.File{{Path: path}, {Path: importer.Stdin}} {
			r := importer.Reader{File: file, Stdin: bytes.NewReader(content)}
			last := map[string]int64{}
			budget := 1 << 20
			_ = r.Lines(t.Context(), func(l importer.Line) error {
				if l.Offset < last[l.Source] || l.End <= l.Offset || len(l.Text) == 0 {
					t.Fatalf("line %d to %d after %d, %d bytes", l.Offset, l.End, last[l.Source], len(l.Text))
				}
				if last[l.Source] = l.End; l.End > int64(budget) {
					return io.ErrShortBuffer // a bomb: only so much of it is looked at
				}
				return nil
			}, func(string) error { return nil })
		}
	})
}
