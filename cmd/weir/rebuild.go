package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/dump"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/pipeline"
)

// rebuildCommand is `weir rebuild`: it derives state and events from the archive
// into a folder beside the present ones, compares the two, and puts the new in the
// place of the old in one step. Nothing is sent to the outside.
type rebuildCommand struct {
	offline

	Archive string `env:"WEIR_ARCHIVE" placeholder:"DATA/archive" help:"Raw frames: a directory, or s3://bucket/prefix?endpoint=host:port."`
	Verify  bool   `help:"Only compare: leave everything as it is, and fail if there is a difference."`
}

var errDifferent = errors.New("what was derived from the archive is not what the stores have; see above, and run weir rebuild to replace it")

func (c *rebuildCommand) Run(ctx context.Context, t *terminal) (err error) {
	logger, release, err := c.begin(t)
	if err != nil {
		return err
	}
	defer release()
	fresh, present := filepath.Join(c.Data, rebuiltFolder), filepath.Join(c.Data, derivedFolder)
	if err := os.RemoveAll(fresh); err != nil { // of a rebuild that did not end
		return fmt.Errorf("remove an unfinished rebuild: %w", err)
	}
	dumps, err := os.MkdirTemp(c.Data, "compare-")
	if err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dumps)) }()

	start := time.Now()
	items, err := c.derive(ctx, fresh, logger, t)
	if err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	fmt.Fprintf(t.out, "%d items derived again in %.1f s.\n", items, time.Since(start).Seconds())
	equal, err := c.compare(ctx, present, fresh, dumps, logger, t)
	if c.Verify {
		if err == nil && !equal {
			err = errDifferent
		}
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err != nil { // what is there cannot be read: all the more reason to replace it
		fmt.Fprintf(t.out, "What is there cannot be compared: %v\n", err)
	}
	aside, err := swap(present, fresh, filepath.Join(c.Data, "before-rebuild-"+start.UTC().Format("20060102T150405.000")))
	if err != nil {
		return err
	}
	if aside != "" {
		fmt.Fprintf(t.out, "What was there before is in %s; remove it when all is well.\n", aside)
	}
	return nil
}

// derive makes state and events in a folder.
func (c *rebuildCommand) derive(ctx context.Context, dir string, logger *slog.Logger, t *terminal) (items int, err error) {
	directory, control, err := openControl(ctx, &stores{}, c.Data, logger)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, control.Close()) }()
	a, err := openArchive(ctx, &addresses{Archive: c.Archive}, c.Data, logger)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	d, err := openDerived(ctx, &stores{}, dir, c.Memory, logger, prometheus.NewRegistry(), nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	report := progress(t.err)
	p := pipeline.New(nil, a, d.state, d.events, live.NewHub(), &pipeline.Options{Rules: newRulebook(directory).of, Logger: logger})
	err = p.RebuildAll(ctx, func(n int) {
		items = n
		if report != nil {
			report("%d items", n)
		}
	})
	return items, err
}

// compare dumps all workspaces of two folders and prints where they differ. One
// folder's stores are open at a time.
func (c *rebuildCommand) compare(ctx context.Context, before, after, dumps string, logger *slog.Logger, t *terminal) (equal bool, err error) {
	known := map[weir.WorkspaceID]bool{}
	write := func(name, dir string) error {
		d, err := openDerived(ctx, &stores{}, dir, c.Memory, logger, prometheus.NewRegistry(), nil)
		if err != nil {
			return err
		}
		return errors.Join(dumpAll(ctx, d, dumps, name, known), d.Close())
	}
	if err := errors.Join(write("before", before), write("after", after)); err != nil {
		return false, err
	}
	equal = true
	for _, ws := range slices.Sorted(maps.Keys(known)) {
		diff, same, err := compareFiles(filepath.Join(dumps, string(ws)+".before"), filepath.Join(dumps, string(ws)+".after"))
		if err != nil {
			return false, err
		}
		if same {
			fmt.Fprintf(t.out, "Workspace %s: equal.\n", ws)
			continue
		}
		equal = false
		fmt.Fprintf(t.out, "Workspace %s differs (- what was there, + what was derived):\n%s", ws, diff)
	}
	return equal, nil
}

func dumpAll(ctx context.Context, d *derived, dumps, name string, known map[weir.WorkspaceID]bool) error {
	list, err := d.state.View().Workspaces(ctx)
	if err != nil {
		return err
	}
	for _, ws := range list {
		known[ws] = true
		file, err := os.Create(filepath.Join(dumps, string(ws)+"."+name))
		if err != nil {
			return fmt.Errorf("compare: %w", err)
		}
		if err := errors.Join(dump.Write(ctx, file, ws, d.state.View(), d.events), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// compareFiles takes a file that is missing for an empty one.
func compareFiles(a, b string) (diff string, equal bool, err error) {
	open := func(name string) io.ReadCloser {
		file, e := os.Open(name)
		if e != nil {
			if !errors.Is(e, os.ErrNotExist) {
				err = errors.Join(err, e)
			}
			return io.NopCloser(emptyReader{})
		}
		return file
	}
	x, y := open(a), open(b)
	defer x.Close()
	defer y.Close()
	if err != nil {
		return "", false, fmt.Errorf("compare: %w", err)
	}
	return dump.Compare(x, y)
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, io.EOF }

// swap puts fresh in the place of present in one step, and present aside. A crash
// leaves one of the two in place, whole.
func swap(present, fresh, aside string) (string, error) {
	if _, err := os.Stat(present); errors.Is(err, os.ErrNotExist) {
		return "", os.Rename(fresh, present)
	}
	err := unix.Renameat2(unix.AT_FDCWD, present, unix.AT_FDCWD, fresh, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// The file system cannot exchange. After a crash between these two steps
		// the program says that the folder is missing.
		if err := os.Rename(present, aside); err != nil {
			return "", fmt.Errorf("set the old aside: %w", err)
		}
		if err := os.Rename(fresh, present); err != nil {
			return "", errors.Join(fmt.Errorf("put the new in its place: %w", err), os.Rename(aside, present))
		}
		return aside, nil
	}
	if err != nil {
		return "", fmt.Errorf("put the new in the place of the old: %w", err)
	}
	if err := os.Rename(fresh, aside); err != nil { // fresh names the old one now
		return "", fmt.Errorf("set the old aside: %w; it is in %s", err, fresh)
	}
	return aside, nil
}
