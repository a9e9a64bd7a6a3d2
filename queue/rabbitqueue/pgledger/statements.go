package pgledger

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements are the ledger's SQL, with the name of its schema.
type statements struct {
	tables                                     []string
	ensure, lock, assign, attempt, acknowledge string
	positions, mark, forget, unmark            string
}

func newStatements(schema string) statements {
	in := func(sql string) string {
		return strings.ReplaceAll(sql, "{schema}", pgx.Identifier{schema}.Sanitize())
	}
	s := statements{
		ensure: in(ensure), lock: in(lock), assign: in(assign), attempt: in(attempt), acknowledge: in(acknowledge),
		positions: in(positions), mark: in(mark), forget: in(forget), unmark: in(unmark),
	}
	for _, t := range tables {
		s.tables = append(s.tables, in(t))
	}
	return s
}

// A frame's numbers are those from first to last. A mark says that a partition
// was acknowledged up to a number at a time.
var tables = []string{
	`CREATE SCHEMA IF NOT EXISTS {schema}`,
	`CREATE TABLE IF NOT EXISTS {schema}.partition (
		partition int PRIMARY KEY,
		head bigint NOT NULL DEFAULT 0,
		acked bigint NOT NULL DEFAULT 0)`,
	`CREATE TABLE IF NOT EXISTS {schema}.frame (
		partition int NOT NULL,
		id uuid NOT NULL,
		first bigint NOT NULL,
		last bigint NOT NULL,
		bytes bigint NOT NULL,
		attempts int NOT NULL DEFAULT 1,
		PRIMARY KEY (partition, id))`,
	`CREATE UNIQUE INDEX IF NOT EXISTS frame_last ON {schema}.frame (partition, last)`,
	`CREATE TABLE IF NOT EXISTS {schema}.mark (
		partition int NOT NULL,
		acked bigint NOT NULL,
		at timestamptz NOT NULL,
		PRIMARY KEY (partition, at))`,
}

const (
	ensure = `INSERT INTO {schema}.partition (partition)
		SELECT DISTINCT p FROM unnest($1::int[]) p
		WHERE NOT EXISTS (SELECT FROM {schema}.partition WHERE partition = p)
		ORDER BY p ON CONFLICT DO NOTHING`

	lock = `SELECT FROM {schema}.partition WHERE partition = ANY($1::int[]) ORDER BY partition FOR NO KEY UPDATE`

	// assign needs the lock. The same frame asked for twice gets one place.
	assign = `WITH asked AS (
			SELECT * FROM unnest($1::int[], $2::uuid[], $3::int[], $4::bigint[]) WITH ORDINALITY AS a (partition, id, records, bytes, n)
		), known AS (
			SELECT a.n, f.first, f.last, f.attempts FROM asked a JOIN {schema}.frame f USING (partition, id)
		), once AS (
			SELECT DISTINCT ON (partition, id) * FROM asked WHERE n NOT IN (SELECT n FROM known) ORDER BY partition, id, n
		), fresh AS (
			SELECT o.partition, o.id, o.bytes, o.records,
				p.head + sum(o.records) OVER (PARTITION BY o.partition ORDER BY o.n) AS last
			FROM once o JOIN {schema}.partition p USING (partition)
		), inserted AS (
			INSERT INTO {schema}.frame (partition, id, first, last, bytes)
			SELECT partition, id, last - records + 1, last, bytes FROM fresh
			RETURNING partition, id, first, last, attempts
		), moved AS (
			UPDATE {schema}.partition p SET head = f.head
			FROM (SELECT partition, max(last) AS head FROM fresh GROUP BY partition) f
			WHERE p.partition = f.partition
		), placed AS (
			SELECT n, first, last, true AS known, attempts FROM known
			UNION ALL
			SELECT a.n, i.first, i.last, false, i.attempts FROM asked a JOIN inserted i USING (partition, id)
		)
		SELECT r.first, (r.last - r.first + 1)::int, r.known, r.attempts, p.acked
		FROM placed r JOIN asked a USING (n) JOIN {schema}.partition p USING (partition) ORDER BY n`

	attempt = `UPDATE {schema}.frame f SET attempts = attempts + 1
		FROM (SELECT DISTINCT partition, id FROM unnest($1::int[], $2::uuid[]) AS a (partition, id)) a
		WHERE f.partition = a.partition AND f.id = a.id`

	acknowledge = `UPDATE {schema}.partition p SET acked = least(a.seq, p.head)
		FROM unnest($1::int[], $2::bigint[]) AS a (partition, seq)
		WHERE p.partition = a.partition AND least(a.seq, p.head) > p.acked`

	positions = `SELECT p.partition, p.head, p.acked, f.frames, f.bytes
		FROM {schema}.partition p, LATERAL (
			SELECT count(*) AS frames, coalesce(sum(bytes), 0)::bigint AS bytes
			FROM {schema}.frame WHERE partition = p.partition AND last > p.acked) f
		WHERE p.partition BETWEEN 0 AND $1 - 1`

	mark = `INSERT INTO {schema}.mark (partition, acked, at)
		SELECT partition, acked, now() FROM {schema}.partition p
		WHERE acked > coalesce((SELECT max(acked) FROM {schema}.mark WHERE partition = p.partition), 0)
		ON CONFLICT DO NOTHING`

	forget = `WITH old AS (
			SELECT partition, max(acked) AS acked FROM {schema}.mark
			WHERE at < now() - make_interval(secs => $1) GROUP BY partition
		), gone AS (
			SELECT f.partition, f.id FROM old JOIN {schema}.frame f ON f.partition = old.partition AND f.last <= old.acked
			ORDER BY f.partition, f.last LIMIT $2
		)
		DELETE FROM {schema}.frame f USING gone WHERE f.partition = gone.partition AND f.id = gone.id`

	// unmark keeps the newest of the old marks: mark compares with it.
	unmark = `DELETE FROM {schema}.mark m WHERE at < now() - make_interval(secs => $1)
		AND acked < (SELECT max(acked) FROM {schema}.mark WHERE partition = m.partition)`
)
