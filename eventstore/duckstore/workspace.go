package duckstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/weirhq/weir"
)

// workspace is one attached file.
type workspace struct {
	id     weir.WorkspaceID
	path   string // of the file
	schema string // quoted name under which the file is attached
	store  *Store
	engine *engine
	// opening is another number each time that a file is opened.
	opening uint64

	// The life cycle, guarded by Store.mu.
	users   int           // calls that use it now
	used    uint64        // Store.clock at the last use
	opened  chan struct{} // closed once open has ended, with openErr
	openErr error
	leaving chan struct{} // not nil once it is to be closed; closed once it is gone
	damage  error         // why it leaves, if its file is to be moved away
	dropped bool          // its file is to be removed once it has left

	// writer is held by whoever writes or checkpoints; it guards what follows.
	writer       sync.Mutex
	conn         *sql.Conn
	commits      int64 // number of the last commit
	unsaved      bool  // something was committed since the last checkpoint
	altered      bool  // the schema was changed since the last checkpoint
	checkpointed time.Time
	lastWrite    time.Time
	// looking is held for reading by every transaction that reads, and for writing
	// while columns are added; after writer.
	looking sync.RWMutex
	// moment is held for reading while a transaction that reads begins, and for
	// writing while a commit ends: what the memory says is of the commit that the
	// transaction sees. After looking.
	moment sync.RWMutex
	texts  arena // the writer's

	mu             sync.RWMutex // guards what follows; the writer alone changes it
	catalogue      *catalogue
	applied        map[int]uint64
	asOf           weir.Micros
	persons        *persons
	maxSession     uint32
	lastReceived   weir.Micros // of the log
	oldestReceived weir.Micros
}

// acquire finds or opens a workspace and keeps it open until release.
func (s *Store) acquire(ctx context.Context, ws weir.WorkspaceID) (*workspace, error) {
	if !ws.Valid() {
		return nil, fmt.Errorf("workspace id %q is not valid", ws)
	}
	for again := false; ; again = true {
		w, wait, err := s.enter(ws)
		if err != nil {
			return nil, err
		}
		if wait == nil {
			wait = w.opened
		}
		select {
		case <-wait:
		case <-ctx.Done():
			if w != nil {
				s.release(w, nil)
			}
			return nil, ctx.Err()
		}
		if w == nil {
			continue // it was closing; look again
		}
		if w.openErr != nil {
			s.release(w, nil)
			if isFatal(w.openErr) && !again {
				continue // the engine is being replaced, the file moved away
			}
			return nil, w.openErr
		}
		return w, nil
	}
}

// enter takes a place among the users of a workspace, or says what to wait for
// before that can be done.
func (s *Store) enter(ws weir.WorkspaceID) (*workspace, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, ErrClosed
	}
	if w := s.open[ws]; w != nil && w.leaving != nil {
		return nil, w.leaving, nil
	}
	if s.engine != nil && s.engine.dead {
		return nil, s.engine.gone, nil
	}
	if s.engine == nil {
		e, err := startEngine(s.dir, &s.options)
		if err != nil {
			return nil, nil, err
		}
		s.engine = e
	}
	w := s.open[ws]
	if w == nil {
		w = &workspace{
			id:     ws,
			path:   filepath.Join(s.dir, string(ws)+".duckdb"),
			schema: quoteName("w_" + string(ws)),
			store:  s,
			engine: s.engine,
			opened: make(chan struct{}),

			opening: s.clock,
		}
		s.open[ws] = w
		s.evict()
		s.running.Go(func() {
			s.sweep()
			s.start(w)
		})
	}
	w.users++
	s.clock++
	w.used = s.clock
	s.running.Add(1)
	return w, nil, nil
}

// start opens a workspace for all who wait for it. A failure is theirs to see;
// whoever comes later tries again.
func (s *Store) start(w *workspace) {
	err := w.attach(context.Background())
	s.mu.Lock()
	w.openErr = err
	s.metrics.open.Set(float64(len(s.open)))
	if err != nil {
		w.depart()
	}
	if isFatal(err) {
		s.abandon(w.engine, err)
	}
	s.mu.Unlock()
	close(w.opened)
	s.sweep()
}

// release gives a workspace back. The error is the call's: it may mean that the
// workspace or the engine is beyond use.
func (s *Store) release(w *workspace, err error) {
	defer s.running.Done()
	s.mu.Lock()
	switch {
	case err == nil || w.openErr != nil:
	case isFatal(err):
		s.abandon(w.engine, err)
	case isDamage(err):
		w.damage = err
		w.depart()
	case needsReattach(err):
		w.depart()
	}
	w.users--
	s.evict()
	s.mu.Unlock()
	s.sweep()
}

// depart marks a workspace as leaving. Store.mu is held.
func (w *workspace) depart() {
	if w.leaving == nil {
		w.leaving = make(chan struct{})
	}
}

// abandon makes all workspaces leave an engine that is beyond use. Store.mu is
// held.
func (s *Store) abandon(e *engine, cause error) {
	if e.dead {
		return
	}
	e.dead = true
	s.options.Logger.Error("engine must be restarted", "error", cause)
	for _, w := range s.open {
		w.depart()
	}
}

// evict makes idle workspaces leave, those first that were used least recently,
// if there are too many. Whoever calls it sweeps afterwards. Store.mu is held.
func (s *Store) evict() {
	excess := len(s.open) - s.options.OpenWorkspaces
	var idle []*workspace
	for _, w := range s.open {
		switch {
		case w.leaving != nil:
			excess--
		case w.users == 0 && isClosed(w.opened):
			idle = append(idle, w)
		}
	}
	slices.SortFunc(idle, func(a, b *workspace) int { return cmp.Compare(a.used, b.used) })
	for _, w := range idle[:min(max(excess, 0), len(idle))] {
		w.depart()
	}
}

// sweep closes workspaces that leave and have no users any more, and then the
// engine, if it is dead.
func (s *Store) sweep() {
	s.mu.Lock()
	var gone []*workspace
	for _, w := range s.open {
		if w.leaving != nil && w.users == 0 && isClosed(w.opened) && w.used != closing {
			w.used = closing
			gone = append(gone, w)
		}
	}
	s.mu.Unlock()
	for _, w := range gone {
		if err := s.shut(w); err != nil {
			s.options.Logger.Error("close workspace", "workspace", w.id, "error", err)
		}
		s.mu.Lock()
		delete(s.open, w.id)
		s.metrics.open.Set(float64(len(s.open)))
		s.mu.Unlock()
		close(w.leaving)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.engine; e != nil && e.dead && len(s.open) == 0 {
		if err := e.close(); err != nil {
			s.options.Logger.Error("close engine", "error", err)
		}
		s.engine = nil
		close(e.gone)
	}
}

// closing is workspace.used of one that sweep is closing.
const closing = ^uint64(0)

// shut detaches a workspace's file, after a last checkpoint, or moves it away if
// it is damaged.
func (s *Store) shut(w *workspace) error {
	if w.openErr != nil {
		return nil
	}
	w.writer.Lock()
	defer w.writer.Unlock()
	var errs []error
	if w.damage == nil && !w.dropped && !w.engine.dead && w.unsaved {
		err := w.checkpoint(context.Background())
		if isDamage(err) {
			w.damage, err = err, nil // it is reported, and moved away below
		}
		errs = append(errs, err)
	}
	errs = append(errs, w.detach())
	switch {
	case w.dropped:
		errs = append(errs, w.remove())
	case w.damage != nil:
		errs = append(errs, w.lose(w.damage, true))
	}
	return errors.Join(errs...)
}

// Drop implements eventstore.Store. It waits for whoever uses the workspace.
func (s *Store) Drop(ctx context.Context, ws weir.WorkspaceID) error {
	var gone chan struct{}
	err := s.with(ctx, ws, "drop", func(w *workspace) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.dropped = true
		w.depart()
		gone = w.leaving
		return nil
	})
	if err != nil {
		return err
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drop %s: %w", ws, ctx.Err())
	}
}

// remove deletes the workspace's files, the log first: without its file it would
// be taken for the log of the next one.
func (w *workspace) remove() error {
	files, err := filepath.Glob(w.path + ".*")
	if err != nil {
		return err
	}
	for _, file := range append(files, w.path) {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove file: %w", err)
		}
	}
	return nil
}

// detach gives the file back. A file that was never attached is no error.
func (w *workspace) detach() error {
	if w.conn != nil {
		if err := w.conn.Close(); err != nil {
			return fmt.Errorf("close writer: %w", err)
		}
		w.conn = nil
	}
	if w.engine.dead {
		return nil // it closes all files, soon
	}
	_, err := w.engine.db.ExecContext(context.Background(), "DETACH DATABASE IF EXISTS "+w.schema)
	return err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
