package duckstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// schemaVersion is the version of the tables that this program reads and writes.
// docs/format/events.md describes them.
const schemaVersion = 4

// The columns of the tables that do not depend on what is written. Positions are
// two columns, because neighbours in the file come from several partitions: each
// column alone stays narrow and sorted, and can be pruned by.
var (
	eventColumns = []string{"part USMALLINT", "seq BIGINT", "ts BIGINT", "name UINTEGER", "identity UINTEGER", "session UINTEGER", "origin UTINYINT", "types VARCHAR", "rest VARCHAR"}
	peopleColumn = []string{"person UINTEGER", "id VARCHAR", "created_at BIGINT", "first_seen BIGINT", "last_seen BIGINT", "rest VARCHAR"}
	logColumns   = []string{"part USMALLINT", "seq BIGINT", "received_at BIGINT", "time BIGINT", "receipt VARCHAR", "idx UINTEGER",
		"kind VARCHAR", "item_id VARCHAR", "name VARCHAR", "user_id VARCHAR", "person UINTEGER", "source VARCHAR", "status VARCHAR",
		"code VARCHAR", "field VARCHAR", "message VARCHAR", "warnings VARCHAR", "size UINTEGER"}
	otherTables = map[string][]string{
		"meta":       {"key VARCHAR", "value VARCHAR"},
		"identities": {"identity UINTEGER", "person UINTEGER"},
		"names":      {"code UINTEGER", "name VARCHAR"},
		"places":     {"tab VARCHAR", "event UINTEGER", "property VARCHAR", "type UTINYINT", "slot VARCHAR"},
		"visits": {"number UINTEGER", "id VARCHAR", "identity UINTEGER", "origin UTINYINT", "started_at BIGINT", "seconds DOUBLE", "pageviews BIGINT",
			"interactions BIGINT", "bounced BOOLEAN", "source VARCHAR", "medium VARCHAR", "campaign VARCHAR", "content VARCHAR", "term VARCHAR",
			"click_id VARCHAR", "referrer VARCHAR", "landing_page VARCHAR", "channel VARCHAR"},
		"commits": {"number BIGINT", "as_of BIGINT", "applied VARCHAR"},
	}
)

// The tables that have property columns.
const (
	eventsTable = "events"
	peopleTable = "people"
)

// load attaches the file, makes the tables if it is new, and reads what is kept
// in memory.
func (w *workspace) load(ctx context.Context) (err error) {
	crashed := w.logLength() > 0
	if err := w.attachFile(ctx); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	if w.conn, err = w.engine.db.Conn(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	err = w.checkVersion(ctx)
	if d, ok := errors.AsType[*duckdb.Error](err); ok && d.Type == duckdb.ErrorTypeCatalog {
		err = w.create(ctx) // the file is new: it has no tables
	}
	if err != nil {
		return err
	}
	w.checkpointed = w.store.options.Now()
	// What was in the log may be a schema change: then the next write makes a
	// checkpoint first.
	w.altered, w.unsaved = crashed, crashed
	return w.read(ctx)
}

// attachFile attaches the file. It waits for one that was detached a moment ago
// and that the engine still holds for a transaction elsewhere.
func (w *workspace) attachFile(ctx context.Context) error {
	// The storage version is the engine's own, rather than its default, which old
	// versions can read: strings are stored smaller.
	attach := fmt.Sprintf("ATTACH %s AS %s (STORAGE_VERSION 'v1.5.0')", quoteText(w.path), w.schema)
	for tries := 0; ; tries++ {
		_, err := w.engine.db.ExecContext(ctx, attach)
		switch {
		case err == nil:
			return nil
		case strings.Contains(err.Error(), "newer version of DuckDB"):
			return errors.Join(errNewer, err)
		case !isHeld(err) || tries == 500:
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isHeld reports whether the engine has the file open already.
func isHeld(err error) bool {
	text := err.Error()
	return strings.Contains(text, "is already attached") || strings.Contains(text, "database with name") && strings.Contains(text, "already exists")
}

// create makes the tables of an empty file. The checkpoint afterwards keeps
// schema changes and rows apart in the write-ahead log.
func (w *workspace) create(ctx context.Context) error {
	var script strings.Builder
	table := func(name string, columns []string) {
		fmt.Fprintf(&script, "CREATE TABLE %s.%s (%s);\n", w.schema, name, strings.Join(columns, ", "))
	}
	first := func(fixed []string) []string {
		columns := slices.Clone(fixed)
		for _, kind := range slotKinds {
			for n := range kind.first {
				columns = append(columns, kind.column(n)+" "+kind.sqlType)
			}
		}
		return columns
	}
	script.WriteString("BEGIN;\n")
	table(eventsTable, first(eventColumns))
	table(peopleTable, first(peopleColumn))
	table("log", logColumns)
	for _, name := range slices.Sorted(maps.Keys(otherTables)) {
		table(name, otherTables[name])
	}
	fmt.Fprintf(&script, "INSERT INTO %s.meta VALUES ('version', '%d');\nCOMMIT;\nCHECKPOINT %s", w.schema, schemaVersion, w.schema)
	if err := w.exec(ctx, script.String()); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	return nil
}

// columns lists the columns of a table, in their order. (The engine's own tables
// of tables would look into the other workspaces' files too.)
func (w *workspace) columns(ctx context.Context, table string) ([]string, error) {
	rows, err := w.conn.QueryContext(ctx, "SELECT * FROM "+w.schema+"."+table+" LIMIT 0")
	if err != nil {
		return nil, fmt.Errorf("list columns of %s: %w", table, err)
	}
	columns, err := rows.Columns()
	return columns, errors.Join(err, rows.Err(), rows.Close())
}

func (w *workspace) checkVersion(ctx context.Context) error {
	var text string
	err := w.conn.QueryRowContext(ctx, "SELECT value FROM "+w.schema+".meta WHERE key = 'version'").Scan(&text)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	version, err := strconv.Atoi(text)
	switch {
	case err != nil || version < 1:
		return fmt.Errorf("read schema version: %q is none", text)
	case version < schemaVersion:
		return errOlder
	case version > schemaVersion:
		return fmt.Errorf("schema version %d, this program knows up to %d: %w", version, schemaVersion, errNewer)
	}
	return nil
}

// read fills the memory from the file: catalogue, positions and bounds.
func (w *workspace) read(ctx context.Context) error {
	c, err := w.readCatalogue(ctx)
	if err != nil {
		return err
	}
	p, err := w.readPersons(ctx)
	if err != nil {
		return err
	}
	w.moment.Lock()
	defer w.moment.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.catalogue, w.persons = c, p
	w.commits, w.asOf, w.applied = 0, 0, map[int]uint64{}
	var text string
	err = w.conn.QueryRowContext(ctx, "SELECT number, as_of, applied FROM "+w.schema+".commits ORDER BY number DESC LIMIT 1").Scan(&w.commits, &w.asOf, &text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read positions: %w", err)
	}
	if err == nil {
		if err := json.Unmarshal([]byte(text), &w.applied); err != nil {
			return fmt.Errorf("read positions: %w", err)
		}
	}
	const bounds = "SELECT coalesce(min(received_at), 0), coalesce(max(received_at), 0) FROM %s.log"
	if err := w.conn.QueryRowContext(ctx, fmt.Sprintf(bounds, w.schema)).Scan(&w.oldestReceived, &w.lastReceived); err != nil {
		return fmt.Errorf("read bounds of log: %w", err)
	}
	return nil
}

func (w *workspace) readCatalogue(ctx context.Context) (*catalogue, error) {
	events, err := w.columns(ctx, eventsTable)
	if err != nil {
		return nil, err
	}
	people, err := w.columns(ctx, peopleTable)
	if err != nil {
		return nil, err
	}
	c := newCatalogue(events, people, w.store.options.Columns, w.store.mostDays)
	rows, err := w.conn.QueryContext(ctx, "SELECT name FROM "+w.schema+".names ORDER BY code")
	if err != nil {
		return nil, fmt.Errorf("read event names: %w", err)
	}
	err = scan(rows, func() error {
		var name string
		err := rows.Scan(&name)
		c.add(name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read event names: %w", err)
	}
	rows, err = w.conn.QueryContext(ctx, "SELECT tab, event, property, type, slot FROM "+w.schema+".places")
	if err != nil {
		return nil, fmt.Errorf("read catalogue of properties: %w", err)
	}
	err = scan(rows, func() error {
		var table string
		var p place
		if err := rows.Scan(&table, &p.event, &p.property, &p.typ, &p.slot); err != nil {
			return err
		}
		return c.layoutOf(table).restore(p)
	})
	if err != nil {
		return nil, fmt.Errorf("read catalogue of properties: %w", err)
	}
	return c, errors.Join(w.readCounts(ctx, c), w.readQuarters(ctx, c))
}

// readCounts counts the events of every name: the counts are derived, so that
// they cannot be wrong.
func (w *workspace) readCounts(ctx context.Context, c *catalogue) error {
	rows, err := w.conn.QueryContext(ctx, "SELECT name, count(*), min(ts), max(ts), max(session) FROM "+w.schema+".events GROUP BY name")
	if err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	w.maxSession = 0
	return scan(rows, func() error {
		var code, session uint32
		var n nameCount
		if err := rows.Scan(&code, &n.count, &n.first, &n.last, &session); err != nil {
			return fmt.Errorf("count events: %w", err)
		}
		if code == 0 || int(code) > len(c.counts) {
			return fmt.Errorf("count events: event code %d of %d", code, len(c.counts))
		}
		c.counts[code-1] = n
		w.maxSession = max(w.maxSession, session)
		return nil
	})
}

// scan calls fn for each row and closes the rows.
func scan(rows *sql.Rows, fn func() error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := fn(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// grow adds columns to a table. It is called between transactions; the
// checkpoints before and after keep the change apart from rows in the
// write-ahead log, which the engine may otherwise fail to replay. It waits for
// questions that are being computed: the engine makes no checkpoint while a
// transaction sees the table as it was before.
func (w *workspace) grow(ctx context.Context, table string, slots []string) error {
	w.looking.Lock()
	defer w.looking.Unlock()
	if err := w.checkpoint(ctx); err != nil {
		return err
	}
	var script strings.Builder
	for _, slot := range slots {
		fmt.Fprintf(&script, "ALTER TABLE %s.%s ADD COLUMN %s %s;\n", w.schema, table, slot, kindOfSlot(slot).sqlType)
	}
	w.altered, w.unsaved = true, true
	ctx = context.WithoutCancel(ctx) // from here on it is soon over
	if err := w.exec(ctx, script.String()); err != nil {
		return fmt.Errorf("add columns: %w", err)
	}
	w.mu.Lock()
	w.catalogue.layoutOf(table).present += len(slots)
	w.mu.Unlock()
	return w.checkpoint(ctx)
}

// settleSchema makes the checkpoint that grow could not make.
func (w *workspace) settleSchema(ctx context.Context) error {
	if !w.altered {
		return nil
	}
	w.looking.Lock()
	defer w.looking.Unlock()
	return w.checkpoint(ctx)
}
