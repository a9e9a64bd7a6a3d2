package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/importer"
)

// importCommand is `weir import`: what other products export, and native items,
// sent to a running server. docs/import.md says what becomes what.
type importCommand struct {
	Files   []string `arg:"" name:"file" help:"Files and folders to import; - is the standard input. gzip, zstd, brotli and zip are understood."`
	Format  string   `default:"auto" enum:"auto,native,segment,mixpanel,posthog,amplitude" help:"What wrote the files: native, segment, mixpanel, posthog or amplitude. Default: found out from the first lines."`
	URL     string   `default:"http://127.0.0.1:8080" help:"Server to send to."`
	Key     string   `required:"" env:"WEIR_KEY" help:"Secret key of the workspace, sk_…."`
	State   string   `type:"path" placeholder:"FILE" help:"Where it is kept how far the import is. Default: a hidden file beside the first of the files."`
	Restart bool     `help:"Begin anew, although a part was imported before."`
}

func (c *importCommand) Run(ctx context.Context, t *terminal) error {
	files, err := importer.Find(c.Files)
	if err != nil {
		return err
	}
	c.URL = strings.TrimRight(c.URL, "/")
	run := &importRun{
		files: files, name: c.stateName(),
		sender: importSender{url: c.URL, key: c.Key, client: &http.Client{Timeout: time.Minute}},
	}
	for _, f := range files {
		run.total += f.Size
	}
	if err := run.resume(c, t); err != nil {
		return err
	}
	if format := importer.Format(c.Format); c.Format != "auto" {
		run.state.Format = format
	}
	start, before := time.Now(), run.state.Items
	err = errors.Join(run.all(ctx, t), run.close())
	s := &run.state
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the import was interrupted after %d items%s", s.Items, run.advice())
	case err != nil:
		return fmt.Errorf("import stopped after %d items: %w%s", s.Items, err, run.advice())
	}
	fmt.Fprintf(t.out, "%d items of %d lines are imported, %d of them now in %.1f s.\n", s.Items, s.Lines, s.Items-before, time.Since(start).Seconds())
	if s.Rejected > 0 {
		fmt.Fprintf(t.out, "%d lines were rejected, in whole or in part; they are in %s with the reasons.\n", s.Rejected, run.rejectedName())
	}
	return nil
}

// stateName is where the state of this import is: one for each server, key and
// list of files. It is "" if there is nothing to go on with, as the standard
// input alone cannot be read again.
func (c *importCommand) stateName() string {
	if c.State != "" {
		return c.State
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", c.URL, c.Key) // two keys may be of two workspaces
	folder := ""
	for _, arg := range c.Files {
		path := arg
		if arg != importer.Stdin {
			if absolute, err := filepath.Abs(arg); err == nil {
				path = absolute
			}
			if folder == "" {
				folder = filepath.Dir(path)
			}
		}
		fmt.Fprintf(h, "%s\n", path)
	}
	return filepath.Join(folder, ".weir-import-"+hex.EncodeToString(h.Sum(nil)[:6])+".json")
}

const (
	importItems   = 500     // of a request
	importBytes   = 4 << 20 // of a request; a server takes 5 MB
	importSenders = 4
	importPending = 20_000 // lines after which the state is saved although they made no items
	importGuess   = 20     // lines by which the format is found out
)

// importRun is one run. The lines go from a reader, which makes batches of them,
// through a queue to a recorder, which waits for each batch in turn, while it
// and those after it are being sent.
type importRun struct {
	files  []importer.File
	total  int64 // bytes of all files
	name   string
	state  importState
	sender importSender

	convert *importer.Converter // nil until the format is known
	held    []importLine        // lines before that
	batch   *importBatch        // being filled
	queue   chan *importBatch

	rejected *os.File
	saved    time.Time

	read           atomic.Int64 // bytes of the files
	items, refused atomic.Int64 // for those who watch
}

// importBatch is what is sent in one request, and how far it gets.
type importBatch struct {
	items   [][]byte
	lineOf  []int // of each item
	lines   []importLine
	bytes   int
	reached map[string]importPosition // of each source, once this batch is done
	sent    chan error

	verdicts []importVerdict
}

// importLine is a line, kept until it is known what became of it.
type importLine struct {
	source string
	offset int64
	text   []byte
	why    *weir.Rejection
}

// all imports what is left to import.
func (r *importRun) all(ctx context.Context, t *terminal) error {
	r.queue, r.batch = make(chan *importBatch, importSenders-1), newImportBatch()
	finished := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(r.queue)
		return r.readAll(ctx, group)
	})
	group.Go(func() error {
		defer close(finished)
		for batch := range r.queue {
			if err := r.record(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error { r.watch(t, finished); return nil })
	return group.Wait()
}

func newImportBatch() *importBatch {
	return &importBatch{reached: map[string]importPosition{}, sent: make(chan error, 1)}
}

func (r *importRun) readAll(ctx context.Context, group *errgroup.Group) error {
	for _, file := range r.files {
		reader := importer.Reader{File: file, Stdin: os.Stdin, Read: &r.read, From: func(source string) (int64, bool) {
			return r.state.from(source, file)
		}}
		line := func(l importer.Line) error { return r.line(ctx, group, file, l) }
		end := func(source string) error {
			if r.convert == nil && len(r.held) > 0 {
				return r.unknown()
			}
			r.batch.reached[source] = importPosition{Size: file.Size, Modified: file.Modified, Done: true}
			return nil
		}
		if err := reader.Lines(ctx, line, end); err != nil {
			return err
		}
	}
	return r.flush(ctx, group)
}

// line takes a line in. The first ones wait until one of them tells the format.
func (r *importRun) line(ctx context.Context, group *errgroup.Group, file importer.File, l importer.Line) error {
	line := importLine{source: l.Source, offset: l.Offset, text: slices.Clone(l.Text)}
	if l.TooLong {
		line.text = line.text[:1<<10]
		line.why = &weir.Rejection{Code: "line_too_long", Message: fmt.Sprintf("The line has more than %d MB; only its beginning is kept here.", importer.MaxLine>>20)}
	}
	if r.convert == nil && r.state.Format == "" {
		format, ok := importer.Detect(line.text)
		if r.held = append(r.held, line); !ok {
			if len(r.held) == importGuess {
				return r.unknown()
			}
			return nil
		}
		r.state.Format = format
	} else {
		r.held = append(r.held, line)
	}
	if r.convert == nil {
		r.convert = importer.NewConverter(r.state.Format)
	}
	for _, line := range r.held {
		if err := r.add(ctx, group, line); err != nil {
			return err
		}
	}
	r.held = r.held[:0]
	r.batch.reached[l.Source] = importPosition{Size: file.Size, Modified: file.Modified, Offset: l.End}
	return nil
}

func (r *importRun) unknown() error {
	return importer.Unknown(r.held[0].source, r.held[0].text)
}

// add puts a line into the batch, after sending the batch if it is full.
func (r *importRun) add(ctx context.Context, group *errgroup.Group, line importLine) error {
	var items [][]byte
	if line.why == nil {
		items, line.why = r.convert.Convert(line.text)
	}
	size := 0
	for _, item := range items {
		size += len(item) + 1
	}
	b := r.batch
	full := len(b.items)+len(items) > importItems || b.bytes+size > importBytes
	if len(b.items) > 0 && full || len(b.lines) >= importPending {
		if err := r.flush(ctx, group); err != nil {
			return err
		}
		b = r.batch
	}
	for _, item := range items {
		b.items, b.lineOf = append(b.items, item), append(b.lineOf, len(b.lines))
	}
	b.lines, b.bytes = append(b.lines, line), b.bytes+size
	return nil
}

// flush gives the batch away to be sent and recorded.
func (r *importRun) flush(ctx context.Context, group *errgroup.Group) error {
	b := r.batch
	r.batch = newImportBatch()
	select {
	case r.queue <- b:
	case <-ctx.Done():
		return ctx.Err()
	}
	group.Go(func() error {
		var err error
		b.verdicts, err = r.sender.send(ctx, b.items)
		b.sent <- err
		return err
	})
	return nil
}

// record waits until a batch is acknowledged, and keeps what became of it.
func (r *importRun) record(ctx context.Context, b *importBatch) error {
	select {
	case err := <-b.sent:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, v := range b.verdicts {
		if line := &b.lines[b.lineOf[v.Index]]; line.why == nil {
			line.why = &v.Rejection
		}
	}
	s := &r.state
	for _, line := range b.lines {
		if line.why != nil {
			if err := r.reject(line); err != nil {
				return err
			}
		}
	}
	s.Lines += int64(len(b.lines))
	s.Items += int64(len(b.items) - len(b.verdicts))
	for source, position := range b.reached {
		s.Files[source] = position
	}
	r.items.Store(s.Items)
	r.refused.Store(s.Rejected)
	if time.Since(r.saved) < time.Second {
		return nil // what is repeated after a crash does no harm
	}
	return r.save()
}

// reject writes a line beside the state, with the reason.
func (r *importRun) reject(line importLine) error {
	if r.rejected == nil {
		file, err := os.OpenFile(r.rejectedName(), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("keep rejected lines: %w", err)
		}
		r.rejected = file
		// What follows was written by a run that could not say so any more.
		if err := file.Truncate(r.state.RejectedBytes); err != nil {
			return fmt.Errorf("keep rejected lines: %w", err)
		}
		if _, err := file.Seek(r.state.RejectedBytes, io.SeekStart); err != nil {
			return fmt.Errorf("keep rejected lines: %w", err)
		}
	}
	text, err := json.Marshal(struct {
		Source string `json:"source"`
		Offset int64  `json:"offset"`
		*weir.Rejection
		Line string `json:"line"`
	}{line.source, line.offset, line.why, string(line.text)})
	if err != nil {
		return fmt.Errorf("keep rejected lines: %w", err)
	}
	n, err := r.rejected.Write(append(text, '\n'))
	if err != nil {
		return fmt.Errorf("keep rejected lines: %w", err)
	}
	r.state.Rejected++
	r.state.RejectedBytes += int64(n)
	return nil
}

func (r *importRun) rejectedName() string {
	return strings.TrimSuffix(r.name, ".json") + ".rejected.jsonl"
}

// importState is how far an import is, as it is kept beside the files.
type importState struct {
	Version       int                       `json:"version"`
	URL           string                    `json:"url"`
	Format        importer.Format           `json:"format"`
	Files         map[string]importPosition `json:"files"` // by source
	Lines         int64                     `json:"lines"`
	Items         int64                     `json:"items"`
	Rejected      int64                     `json:"rejected"`       // lines
	RejectedBytes int64                     `json:"rejected_bytes"` // of the file that has them
}

// importPosition is how far one source is: up to where everything was
// acknowledged. A file that has changed since is imported anew.
type importPosition struct {
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Offset   int64     `json:"offset"` // bytes, decompressed
	Done     bool      `json:"done,omitempty"`
}

const importStateVersion = 1

func (s *importState) from(source string, file importer.File) (offset int64, done bool) {
	p, ok := s.Files[source]
	if !ok || source == importer.Stdin || p.Size != file.Size || !p.Modified.Equal(file.Modified) {
		return 0, false
	}
	return p.Offset, p.Done
}

// resume reads the state that an earlier run has left.
func (r *importRun) resume(c *importCommand, t *terminal) error {
	r.state = importState{Version: importStateVersion, URL: c.URL, Files: map[string]importPosition{}}
	text, err := os.ReadFile(r.name)
	switch {
	case errors.Is(err, os.ErrNotExist) || err == nil && c.Restart || !r.resumable():
		if err := os.Remove(r.rejectedName()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the rejected lines of an earlier import: %w", err)
		}
	case err != nil:
		return fmt.Errorf("read how far the import is: %w", err)
	default:
		var left importState
		if err := json.Unmarshal(text, &left); err != nil || left.Version != importStateVersion || left.Files == nil {
			return fmt.Errorf("%s does not say how far the import is; begin anew with --restart", r.name)
		}
		r.state = left
		fmt.Fprintf(t.err, "%d items were imported before; going on from there (--restart begins anew)\n", r.state.Items)
	}
	return r.save() // now, so as not to find out at the end that it cannot be kept
}

func (r *importRun) resumable() bool {
	return slices.ContainsFunc(r.files, func(f importer.File) bool { return f.Path != importer.Stdin })
}

// save writes the state in one step.
func (r *importRun) save() error {
	if !r.resumable() {
		return nil
	}
	text, err := json.Marshal(r.state)
	if err != nil {
		return fmt.Errorf("keep how far the import is: %w", err)
	}
	if err := os.WriteFile(r.name+".new", text, 0o600); err != nil {
		return fmt.Errorf("keep how far the import is: %w; name another place with --state", err)
	}
	if err := os.Rename(r.name+".new", r.name); err != nil {
		return fmt.Errorf("keep how far the import is: %w", err)
	}
	r.saved = time.Now()
	return nil
}

// close leaves nothing behind of an import that did not get anywhere.
func (r *importRun) close() error {
	var err error
	if len(r.state.Files) > 0 || !r.resumable() {
		err = r.save()
	} else {
		err = os.Remove(r.name)
	}
	if r.rejected != nil {
		err = errors.Join(err, r.rejected.Close())
	}
	return err
}

// advice ends the message of an import that did not.
func (r *importRun) advice() string {
	if len(r.state.Files) == 0 {
		return ""
	}
	if r.resumable() {
		return "; run the same command again to go on from there"
	}
	return "; run the same command again: what was imported is recognised by its ids"
}

// watch shows how it goes until it is finished: a line that changes on a
// terminal, else a line every few seconds.
func (r *importRun) watch(t *terminal, finished <-chan struct{}) {
	every, show := 5*time.Second, func(format string, args ...any) { fmt.Fprintf(t.err, format+"\n", args...) }
	if report := progress(t.err); report != nil {
		every, show = 200*time.Millisecond, report
		defer fmt.Fprint(t.err, "\r\x1b[K")
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	start, before := time.Now(), r.items.Load()
	for {
		select {
		case <-finished:
			return
		case <-ticker.C:
		}
		items, read := r.items.Load(), min(r.read.Load(), max(r.total, 1))
		rate := float64(items-before) / time.Since(start).Seconds()
		line := fmt.Sprintf("%s MB, %d items (%.0f/s), %d lines rejected", megabytes(r.read.Load()), items, rate, r.refused.Load())
		if r.total > 0 {
			share := float64(read) / float64(r.total)
			done := int(share * 24)
			line = fmt.Sprintf("[%s%s] %3.0f%% of %s MB, %d items (%.0f/s), %d lines rejected",
				strings.Repeat("=", done), strings.Repeat(" ", 24-done), 100*share, megabytes(r.total), items, rate, r.refused.Load())
		}
		if waits := r.sender.waits.Load(); waits != nil {
			line += "; waiting: " + *waits
		}
		show("%s", line)
	}
}

func megabytes(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) }
