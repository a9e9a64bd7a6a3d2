package sqlitequeue

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"

	"github.com/mattn/go-sqlite3"

	"github.com/weirhq/weir"
)

// leap is by how much sequence numbers jump ahead when records may have been
// lost behind the last one found and nobody knows how many: a number that was
// once given out must never name another record, since the archive and the
// state know records by it. It is more than a backlog can hold.
const leap = 1 << 32

// Names in the queue's directory.
const (
	fileName       = "queue.db"
	logName        = fileName + "-wal"
	indexName      = fileName + "-shm"
	suspectName    = fileName + "-wal.suspect" // a copy of a log, made before SQLite saw it
	buildName      = "queue.rebuild"           // being written
	builtName      = "queue.rebuilt"           // whole, to take queue.db's place
	quarantineName = "quarantine"
)

// rebuild makes a new queue.db out of what is whole in the damaged one, whose
// files it moves to quarantine. It returns the number of ranges that were lost.
// A crash at any moment leaves either the damaged files or the new one.
func rebuild(ctx context.Context, o fileOptions, heads *headsFile, cause error) (lost int, err error) {
	s, err := salvage(ctx, path(o.dir, fileName), []string{path(o.dir, logName), path(o.dir, suspectName)})
	if err != nil {
		return 0, err
	}
	defer s.pages.close()
	partitions, err := o.choosePartitions(max(s.partitions, len(heads.known)), s.leastPartitions())
	if err != nil {
		return 0, err
	}
	b := builder{
		ctx: ctx, from: s, heads: heads, partitions: partitions, log: o.log,
		when: o.now().UTC().Format("20060102T150405.000Z"),
	}
	o.log.Error("queue file is damaged, rebuilding it from its pages", "cause", cause,
		"frames_found", len(s.frames), "quarantine", path(path(o.dir, quarantineName), b.when))
	if err := b.build(path(o.dir, buildName)); err != nil {
		return 0, fmt.Errorf("rebuild queue file: %w", err)
	}
	if err := os.Rename(path(o.dir, buildName), path(o.dir, builtName)); err != nil {
		return 0, fmt.Errorf("rebuild queue file: %w", err)
	}
	if err := syncDir(o.dir); err != nil {
		return 0, err
	}
	return b.lost, install(o.dir, b.when)
}

// leastPartitions is what the frames alone tell of the number of partitions.
func (s *salvaged) leastPartitions() int {
	if len(s.frames) == 0 {
		return 0
	}
	return s.frames[len(s.frames)-1].partition() + 1
}

// install puts queue.rebuilt in queue.db's place. Opening repeats it after a
// crash. The log goes first: SQLite must never find a log beside a file that it
// was not written for.
func install(dir, when string) error {
	quarantine := path(path(dir, quarantineName), when)
	if err := os.MkdirAll(quarantine, 0o750); err != nil {
		return fmt.Errorf("make quarantine: %w", err)
	}
	for _, name := range []string{logName, suspectName, indexName, fileName} {
		if err := os.Rename(path(dir, name), path(quarantine, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move to quarantine: %w", err)
		}
		if err := errors.Join(syncDir(quarantine), syncDir(dir)); err != nil {
			return err
		}
	}
	if err := os.Rename(path(dir, builtName), path(dir, fileName)); err != nil {
		return fmt.Errorf("install rebuilt queue file: %w", err)
	}
	return errors.Join(syncDir(quarantine), syncDir(dir))
}

// create makes a queue file without frames whose sequence numbers go on from
// the witness, if there is one.
func create(ctx context.Context, o fileOptions, heads *headsFile) error {
	partitions, err := o.choosePartitions(len(heads.known), 0)
	if err != nil {
		return err
	}
	b := builder{ctx: ctx, from: &salvaged{}, heads: heads, partitions: partitions, log: o.log, pristine: len(heads.known) == 0}
	if err := b.build(path(o.dir, buildName)); err != nil {
		return fmt.Errorf("make queue file: %w", err)
	}
	if err := os.Rename(path(o.dir, buildName), path(o.dir, fileName)); err != nil {
		return fmt.Errorf("make queue file: %w", err)
	}
	return syncDir(o.dir)
}

// builder writes a queue file.
type builder struct {
	ctx        context.Context
	from       *salvaged
	heads      *headsFile
	partitions int
	log        *slog.Logger
	when       string
	pristine   bool // there never was a queue here: nothing can be lost
	lost       int

	tx     *sql.Tx
	insert *sql.Stmt
	added  int64 // bytes since the transaction began
	db     *sql.DB
}

func (b *builder) build(file string) (err error) {
	for _, name := range []string{file, file + "-journal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	b.db = sql.OpenDB(buildConnector{connector{file: file}})
	b.db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, b.db.Close()) }()
	if err := b.begin(); err != nil {
		return err
	}
	if _, err := b.tx.Exec(schema); err != nil {
		return errors.Join(err, b.tx.Rollback())
	}
	if err := b.fill(); err != nil {
		return errors.Join(err, b.tx.Rollback())
	}
	return b.tx.Commit()
}

func (b *builder) fill() error {
	frames := b.from.frames
	for p := range b.partitions {
		n := 0
		for n < len(frames) && frames[n].partition() == p {
			n++
		}
		if err := b.fillPartition(p, frames[:n]); err != nil {
			return err
		}
		frames = frames[n:]
	}
	if len(frames) > 0 {
		return fmt.Errorf("found frames of partition %d, but the queue has %d: start it with --partitions=%d or more",
			frames[len(frames)-1].partition(), b.partitions, frames[len(frames)-1].partition()+1)
	}
	return nil
}

// fillPartition writes the frames that are not done with, and a row for every
// range of sequence numbers that no frame covers.
func (b *builder) fillPartition(p int, frames []found) error {
	acked := b.from.acked[p]
	next := acked + 1
	var bytes int64
	for _, f := range frames {
		if f.last() <= acked || b.heads.exact && f.first() > b.heads.head(p) {
			continue // done with; or of an Append that was never answered
		}
		if err := b.gap(p, next, f.first(), bytes); err != nil {
			return err
		}
		sealed, err := b.from.read(f)
		if err != nil {
			return err
		}
		if err := b.row(f.id, int64(f.count), bytes, sealed, nil); err != nil {
			return err
		}
		bytes += int64(len(sealed))
		next = f.last() + 1
	}
	end := max(next, b.heads.head(p)+1)
	if !b.heads.exact && !b.pristine {
		end = min(end+leap, maxSeq)
	}
	if err := b.gap(p, next, end, bytes); err != nil {
		return err
	}
	for _, table := range []string{"positions", "positions_copy"} {
		_, err := b.tx.Exec("INSERT INTO "+table+" (partition, mark) VALUES (?, ?)", p,
			mark{partition: p, partitions: b.partitions, acked: acked}.encode())
		if err != nil {
			return fmt.Errorf("write position: %w", err)
		}
	}
	return nil
}

// gap writes the row that stands for the lost sequence numbers [from, to).
func (b *builder) gap(p int, from, to uint64, before int64) error {
	if from >= to {
		return nil
	}
	text := "the file was damaged and these records could not be read from it; what is left of it is in quarantine/" + b.when
	switch {
	case b.when == "":
		text = "the queue file is gone; if these records were not processed, they are lost"
	case to-from >= leap:
		text = "the file was damaged; if there were records here, they are lost; the numbers are left out so that none is given twice; see quarantine/" + b.when
	}
	b.lost++
	b.log.Error("records of the queue are lost", "partition", p, "first", from, "last", to-1, "detail", text)
	return b.row(rowID(p, from), int64(to-from), before, nil, text)
}

func (b *builder) row(id, count, before int64, sealed []byte, damage any) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	var blob any
	if sealed != nil {
		blob = sealed
	}
	if b.insert == nil {
		var err error
		b.insert, err = b.tx.Prepare("INSERT INTO frames (id, count, before, frame, damage) VALUES (?, ?, ?, ?, ?)")
		if err != nil {
			return fmt.Errorf("write frame: %w", err)
		}
	}
	if _, err := b.insert.Exec(id, count, before, blob, damage); err != nil {
		return fmt.Errorf("write frame %s: %w", weir.Position(id), err)
	}
	if b.added += int64(len(sealed)); b.added < 64<<20 {
		return nil
	}
	if err := b.tx.Commit(); err != nil {
		return fmt.Errorf("write frames: %w", err)
	}
	return b.begin()
}

func (b *builder) begin() error {
	b.added, b.insert = 0, nil
	var err error
	b.tx, err = b.db.BeginTx(b.ctx, nil)
	return err
}

// buildConnector opens a file that nobody else sees yet, with a rollback
// journal, so that it is one file when it is done.
type buildConnector struct{ connector }

func (c buildConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := (&sqlite3.SQLiteDriver{}).Open(c.dsn() + "?_journal_mode=DELETE&_synchronous=FULL")
	if err != nil {
		return nil, err
	}
	for _, pragma := range []string{
		"PRAGMA page_size=" + strconv.Itoa(pageSize),
		"PRAGMA application_id=" + strconv.Itoa(applicationID),
		"PRAGMA user_version=" + strconv.Itoa(schemaVersion),
	} {
		if _, err := conn.(*sqlite3.SQLiteConn).Exec(pragma, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", pragma, err), conn.Close())
		}
	}
	return conn, nil
}
