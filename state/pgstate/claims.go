package pgstate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

const (
	// Keys come sorted, so that two who claim the same wait for each other in no circle.
	claimItems = `INSERT INTO claims AS c (key, partition, seq) SELECT * FROM unnest($1::uuid[], $2::int4[], $3::int8[])
		ON CONFLICT (key) DO UPDATE SET partition = excluded.partition, seq = excluded.seq WHERE c.partition = ANY($4::int4[])`
	busyItems = "SELECT key FROM claims WHERE key = ANY($1::uuid[]) AND partition <> ALL($2::int4[])"
	// In the order in which they are claimed, for the same reason.
	releaseClaims = `WITH mine AS MATERIALIZED (
			SELECT c.key FROM unnest($1::int4[], $2::int8[]) AS k (partition, seq) JOIN claims c ON c.partition = k.partition AND c.seq <= k.seq
			ORDER BY c.key FOR UPDATE OF c
		) DELETE FROM claims c USING mine, unnest($1::int4[], $2::int8[]) AS k (partition, seq)
		WHERE c.key = mine.key AND c.partition = k.partition AND c.seq <= k.seq`
)

// errBusy ends a transaction that cannot have all of its claims.
var errBusy = errors.New("some items are claimed")

// Claim claims items in a transaction of its own.
func (x seen) Claim(ctx context.Context, items []state.Claim) (busy []state.ItemKey, err error) {
	if len(items) == 0 || x.store.alone {
		return nil, nil
	}
	keys := make([]state.ItemKey, len(items))
	for i := range items {
		keys[i] = items[i].ItemKey
	}
	sorted := placedKeys(keys)
	hashes := hashesOf(sorted)
	if len(hashes) != len(items) {
		return nil, errors.New("claim items: one stands there twice")
	}
	var partitions, mine []int32
	var numbers []int64
	for _, p := range sorted {
		at := items[p.n].At
		partitions, numbers = append(partitions, int32(at.Partition())), append(numbers, int64(at.Seq()))
	}
	mine = slices.Compact(slices.Sorted(slices.Values(partitions)))
	err = repeat(func() error {
		busy = nil
		return pgx.BeginFunc(ctx, x.store.pool, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, claimItems, hashes, partitions, numbers, mine)
			if err != nil || tag.RowsAffected() == int64(len(items)) {
				return err
			}
			rows, err := tx.Query(ctx, busyItems, hashes, mine)
			if err != nil {
				return err
			}
			err = each(rows, func(rows pgx.Rows) error {
				var key [document.HashSize]byte
				if err := rows.Scan(&key); err != nil {
					return err
				}
				n, _ := slices.BinarySearchFunc(sorted, key, func(p placed, key [document.HashSize]byte) int { return slices.Compare(p.key[:], key[:]) })
				busy = append(busy, keys[sorted[n].n])
				return nil
			})
			return errors.Join(err, errBusy)
		})
	})
	switch {
	case errors.Is(err, errBusy) && len(busy) > 0:
		return busy, nil
	case err != nil:
		return nil, x.store.explain("claim items", err)
	}
	return nil, nil
}

// Release deletes claims.
func (x seen) Release(ctx context.Context, upTo map[int]uint64) error {
	if x.store.alone {
		return nil
	}
	var partitions []int32
	var numbers []int64
	for partition, seq := range upTo {
		partitions, numbers = append(partitions, int32(partition)), append(numbers, int64(seq))
	}
	if err := x.store.exec(ctx, releaseClaims, partitions, numbers); err != nil {
		return x.store.explain(fmt.Sprintf("release claims of %d partitions", len(upTo)), err)
	}
	return nil
}
