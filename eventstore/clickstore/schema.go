package clickstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
)

// schemaVersion is the version of the tables, which the comment of the table events names.
const schemaVersion = "weir 1"

// table is a table of a workspace. Of rows with the same key the one with the highest
// version holds, and is none if it is gone.
type table struct {
	name    string
	columns []string
	key     string // columns that rows are sorted by; together they name a row
	engine  string // of the MergeTree family, and its arguments
	divide  string // what divides rows into partitions of the table; "": nothing
	shard   string // in a cluster: on which shard a row is
	indexes []string
}

const replacing = "ReplacingMergeTree(version, gone)"

// tables are those of a workspace, the one that says which version it is last.
func tables() []table {
	events := []string{"seq UInt64 CODEC(Delta, ZSTD)", "part UInt32", "version UInt64 CODEC(Delta, ZSTD)", "gone UInt8", "ts Int64 CODEC(Delta, ZSTD)", "name LowCardinality(String)",
		"identity UInt32", "session UInt32", "origin UInt8"}
	people := []string{"person UInt32", "version UInt64", "gone UInt8", "id String", "created_at Int64", "first_seen Int64", "last_seen Int64"}
	visits := []string{"number UInt32", "version UInt64", "gone UInt8", "id String", "identity UInt32", "origin UInt8", "started_at Int64", "seconds Float64", "pageviews Int64",
		"interactions Int64", "bounced UInt8", "source String", "medium String", "campaign String", "content String", "term String", "click_id String",
		"referrer String", "landing_page String", "channel String"}
	return []table{
		{
			// Whose an identity is, as one commit said it: all of them are kept.
			name: "identities", engine: "ReplacingMergeTree", key: "identity, version, lane", shard: "intHash64(identity)",
			columns: []string{"identity UInt32", "version UInt64", "lane UInt32", "person UInt32", "moved UInt8", "plain UInt8"},
		},
		{
			name: "seen", engine: "ReplacingMergeTree", key: "scope, event, property, type", shard: "cityHash64(property)",
			columns: []string{"scope String", "event String", "property String", "type UInt8"},
		},
		{name: "people", engine: replacing, key: "person", shard: "intHash64(person)", columns: append(people, propertyColumns()...)},
		{name: "visits", engine: replacing, key: "number", shard: "intHash64(number)", columns: append(visits, propertyColumns()...)},
		{
			name: "log", engine: "ReplacingMergeTree(version)", key: "received_at, part, seq", shard: "intHash64(seq)",
			columns: []string{"received_at Int64 CODEC(Delta, ZSTD)", "part UInt32", "seq UInt64 CODEC(Delta, ZSTD)", "version UInt64 CODEC(Delta, ZSTD)", "time Int64", "receipt String", "idx UInt32",
				"kind LowCardinality(String)", "item_id String", "name LowCardinality(String)", "user_id String", "person UInt32", "source LowCardinality(String)",
				"status LowCardinality(String)", "code LowCardinality(String)", "field LowCardinality(String)", "message String", "warnings String", "size UInt32"},
			indexes: []string{"seqs seq TYPE minmax GRANULARITY 1"},
		},
		{
			// Neighbours in the log are neighbours in time, so that ranges of ts are narrow. How
			// far all goes stands apart, so that ranges of seq of what is inserted are narrow, too:
			// what does not overlap is read without being merged.
			name: "events", engine: replacing, key: "seq, part", divide: "seq = 0", shard: "intHash64(seq)", columns: append(events, propertyColumns()...),
			indexes: []string{"times ts TYPE minmax GRANULARITY 1"},
		},
	}
}

// definition is the statements that make a workspace's database.
func definition(database, cluster string) []string {
	on := ""
	if cluster != "" {
		on = " ON CLUSTER " + quoteName(cluster)
	}
	out := []string{"CREATE DATABASE IF NOT EXISTS " + quoteName(database) + on}
	for _, t := range tables() {
		lines := append(append([]string{}, t.columns...), list(t.indexes, func(s string) string { return "INDEX " + s }))
		if len(t.indexes) == 0 {
			lines = lines[:len(lines)-1]
		}
		comment := ""
		if t.name == "events" {
			comment = " COMMENT " + quoteText(schemaVersion)
		}
		local, engine, options := t.name, t.engine, singleNode
		if cluster != "" {
			local, engine, options = t.name+"_local", "Replicated"+t.engine, ""
		}
		divide := ""
		if t.divide != "" {
			divide = " PARTITION BY " + t.divide
		}
		out = append(out, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s.%s%s (%s) ENGINE = %s%s ORDER BY (%s)%s%s",
			quoteName(database), local, on, strings.Join(lines, ", "), engine, divide, t.key, options, comment))
		if cluster != "" {
			out = append(out, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %[1]s.%[2]s%[3]s AS %[1]s.%[4]s ENGINE = Distributed(%[5]s, %[6]s, %[4]s, %[7]s)%[8]s",
				quoteName(database), t.name, on, local, quoteName(cluster), quoteText(database), t.shard, comment))
		}
	}
	return out
}

// singleNode are settings where no replica has a second copy of what one loses: rows are
// on the disk when an insert is answered. A block that comes twice is dropped.
const singleNode = " SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000"

// database is the name of a workspace's database. An id has '-', which a name may have
// too, but not every tool quotes it.
func (o *Options) database(ws weir.WorkspaceID) string {
	return o.Prefix + "_" + strings.NewReplacer("_", "__", "-", "_d").Replace(string(ws))
}

// ensure makes the workspace's tables, if this Store has not seen them yet.
func (w *workspace) ensure(ctx context.Context) error {
	if w.made.Load() {
		return nil
	}
	w.making.Lock()
	defer w.making.Unlock()
	if w.made.Load() {
		return nil
	}
	version, err := w.version(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("read schema version: %w", err)
	case version == "":
		for _, statement := range definition(w.database, w.store.options.Cluster) {
			if err := w.store.client.exec(ctx, statement, nil); err != nil {
				return fmt.Errorf("create tables: %w", err)
			}
		}
	case version != schemaVersion:
		return fmt.Errorf("database %s has tables of version %q, this program knows %q: drop it and rebuild from the archive", w.database, version, schemaVersion)
	}
	w.made.Store(true)
	return nil
}

// version is what the tables say, or nothing if there are none.
func (w *workspace) version(ctx context.Context) (version string, err error) {
	var comment proto.ColStr
	statement := "SELECT comment FROM system.tables WHERE database = " + quoteText(w.database) + " AND name = 'events'"
	err = w.store.client.query(ctx, statement, nil, proto.Results{{Data: &comment}}, func() error {
		version = comment.First()
		return nil
	})
	return version, err
}

// isMissing reports whether the tables went: another process has dropped the workspace.
func isMissing(err error) bool { return isCode(err, codeUnknownTable, codeUnknownDatabase) }
