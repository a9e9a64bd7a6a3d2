package pgstate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

// Seen is the index of applied items.
func (s *Store) Seen() state.Seen { return seen{s} }

type seen struct{ store *Store }

// placed is the key of an item and its place among those of a call.
type placed struct {
	key [document.HashSize]byte
	n   int
}

// placedKeys are sorted: neighbours share pages, and two who put the same wait for
// each other in no circle. The last of several with one key stands last.
func placedKeys(list []state.ItemKey) []placed {
	out := make([]placed, len(list))
	for n, k := range list {
		out[n] = placed{document.HashItem(k), n}
	}
	slices.SortStableFunc(out, func(a, b placed) int { return bytes.Compare(a.key[:], b.key[:]) })
	return out
}

// seenParts is how many tables the index has, by the first digit of the keys.
const seenParts = 16

// lookUpPart asks one of the tables. The table of all would look for every key in each
// of them: a list is not split.
var lookUpPart = func() (out [seenParts]string) {
	for n := range out {
		out[n] = fmt.Sprintf("SELECT key, position, version, hash, at, doc FROM seen_%x WHERE key = ANY($1::uuid[])", n)
	}
	return out
}()

// Lookup fills entries in the order of the keys. Each part of the index is asked for
// its own keys.
func (x seen) Lookup(ctx context.Context, keys []state.ItemKey) ([]state.Entry, error) {
	start := time.Now()
	entries := make([]state.Entry, len(keys))
	if x.store.closed.Load() {
		return nil, fmt.Errorf("look up seen items: %w", ErrClosed)
	}
	if len(keys) == 0 {
		return entries, nil
	}
	sorted := placedKeys(keys)
	if err := repeat(func() error { return send(ctx, x.store.pool, lookingUp(sorted, entries)) }); err != nil {
		return nil, x.store.explain("look up seen items", err)
	}
	x.store.metrics.seenLookups.Observe(time.Since(start).Seconds())
	return entries, nil
}

// lookingUp queues a statement for each part that may have some of the keys.
func lookingUp(sorted []placed, entries []state.Entry) *pgx.Batch {
	batch := &pgx.Batch{}
	for part, rest := 0, sorted; part < seenParts; part++ {
		n, _ := slices.BinarySearchFunc(rest, part+1, func(p placed, next int) int { return int(p.key[0]>>4) - next })
		mine := rest[:n]
		rest = rest[n:]
		if len(mine) > 0 {
			batch.Queue(lookUpPart[part], hashesOf(mine)).Query(func(rows pgx.Rows) error { return fill(rows, mine, entries) })
		}
	}
	return batch
}

func hashesOf(list []placed) [][document.HashSize]byte {
	out := make([][document.HashSize]byte, 0, len(list))
	for n, p := range list {
		if n == 0 || p.key != list[n-1].key {
			out = append(out, p.key)
		}
	}
	return out
}

// fill puts rows where their keys stand.
func fill(rows pgx.Rows, sorted []placed, entries []state.Entry) error {
	return each(rows, func(rows pgx.Rows) error {
		var key [document.HashSize]byte
		var e state.Entry
		var position, version, hash, at int64
		if err := rows.Scan(&key, &position, &version, &hash, &at, &e.Doc); err != nil {
			return err
		}
		e.Position, e.Version, e.Hash, e.At = weir.Position(position), weir.Micros(version), uint64(hash), weir.Micros(at)
		n, _ := slices.BinarySearchFunc(sorted, key, func(p placed, key [document.HashSize]byte) int { return bytes.Compare(p.key[:], key[:]) })
		for again := false; n < len(sorted) && sorted[n].key == key; n, again = n+1, true {
			if again {
				e.Doc = bytes.Clone(e.Doc)
			}
			entries[sorted[n].n] = e
		}
		return nil
	})
}

const putSeen = `INSERT INTO seen (key, position, version, hash, at, doc)
	SELECT * FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::bytea[])
	ON CONFLICT (key) DO `

const (
	overwriteSeen = putSeen + "UPDATE SET position = excluded.position, version = excluded.version, hash = excluded.hash, at = excluded.at, doc = excluded.doc"
	// Whoever puts the same at this moment is waited for.
	addSeen     = putSeen + "NOTHING"
	replaceSeen = `UPDATE seen s SET position = e.position, version = e.version, hash = e.hash, at = e.at, doc = e.doc
		FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::bytea[],
			$7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::bytea[])
			AS e (key, position, version, hash, at, doc, was_position, was_version, was_hash, was_at, was_doc)
		WHERE s.key = e.key AND s.position = was_position AND s.version = was_version AND s.hash = was_hash AND s.at = was_at
			AND s.doc IS NOT DISTINCT FROM was_doc`
)

// entryColumns are parallel columns of entries.
type entryColumns struct {
	positions, versions, hashes, times []int64
	docs                               [][]byte
}

func (c *entryColumns) add(e *state.Entry) {
	c.positions, c.versions = append(c.positions, int64(e.Position)), append(c.versions, int64(e.Version))
	c.hashes, c.times, c.docs = append(c.hashes, int64(e.Hash)), append(c.times, int64(e.At)), append(c.docs, e.Doc)
}

func (c *entryColumns) arguments() []any {
	return []any{c.positions, c.versions, c.hashes, c.times, c.docs}
}

// Put stores entries in a transaction of its own, durably when it returns.
func (x seen) Put(ctx context.Context, keys []state.ItemKey, before, entries []state.Entry) error {
	if len(keys) != len(entries) || before != nil && len(before) != len(keys) {
		return fmt.Errorf("put seen items: %d keys, %d entries and %d before them", len(keys), len(entries), len(before))
	}
	if len(keys) == 0 {
		return nil
	}
	start := time.Now()
	put := func() error { return x.replace(ctx, placedKeys(keys), before, entries) }
	if before == nil {
		put = func() error { return x.overwrite(ctx, placedKeys(keys), entries) }
	}
	if err := put(); err != nil {
		return x.store.explain("put seen items", err)
	}
	x.store.metrics.seenPuts.Observe(time.Since(start).Seconds())
	return nil
}

// overwrite puts entries in the place of whatever is there.
func (x seen) overwrite(ctx context.Context, sorted []placed, entries []state.Entry) error {
	var hashes [][document.HashSize]byte
	var columns entryColumns
	for n, p := range sorted {
		if n+1 < len(sorted) && sorted[n+1].key == p.key {
			continue // the later counts
		}
		hashes = append(hashes, p.key)
		columns.add(&entries[p.n])
	}
	return x.store.exec(ctx, overwriteSeen, append([]any{hashes}, columns.arguments()...)...)
}

// isThere is nil if what is stored are these entries, of which some were there already:
// they were put before, by somebody who did not hear so.
func isThere(ctx context.Context, tx pgx.Tx, sorted []placed, entries []state.Entry) error {
	stored := make([]state.Entry, len(entries))
	if err := send(ctx, tx, lookingUp(sorted, stored)); err != nil {
		return err
	}
	other := 0
	for i, e := range entries {
		s := stored[i]
		if s.Position != e.Position || s.Version != e.Version || s.Hash != e.Hash || s.At != e.At || !bytes.Equal(s.Doc, e.Doc) {
			other++
		}
	}
	if other > 0 {
		return fmt.Errorf("%d of %d items are not as they were: %w", other, len(entries), state.ErrMoved)
	}
	return nil
}

// replace puts entries in the place of those that are as they were, or of none: all of
// them, or none.
func (x seen) replace(ctx context.Context, sorted []placed, before, entries []state.Entry) error {
	var fresh, known [][document.HashSize]byte
	var added, replacing, was entryColumns
	for n, p := range sorted {
		switch {
		case n > 0 && sorted[n-1].key == p.key:
			return errors.New("an item stands there twice")
		case before[p.n].Position == 0:
			fresh = append(fresh, p.key)
			added.add(&entries[p.n])
		default:
			known = append(known, p.key)
			replacing.add(&entries[p.n])
			was.add(&before[p.n])
		}
	}
	return pgx.BeginFunc(ctx, x.store.pool, func(tx pgx.Tx) error {
		batch, count := &pgx.Batch{}, int64(0)
		counted := func(tag pgconn.CommandTag) error {
			count += tag.RowsAffected()
			return nil
		}
		if len(fresh) > 0 {
			batch.Queue(addSeen, append([]any{fresh}, added.arguments()...)...).Exec(counted)
		}
		if len(known) > 0 {
			batch.Queue(replaceSeen, append(append([]any{known}, replacing.arguments()...), was.arguments()...)...).Exec(counted)
		}
		if err := send(ctx, tx, batch); err != nil {
			return err
		}
		if count == int64(len(sorted)) {
			return nil
		}
		return isThere(ctx, tx, sorted, entries)
	})
}
