package clickstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
)

// Rows of the table events with the sequence number 0 say how far a workspace is written.
// The part of such a row is a partition, and its version the position up to which that is
// applied; or it is a lane, and the version that of the last commit of one Store. They are
// marked as gone, so that questions do not see them, and are inserted behind the events
// that they speak of, in the same insert: the server makes a part of the table of each, in
// this order.
const firstLane = 1 << 31

// snapshot is how far a workspace was written at one moment.
type snapshot struct {
	applied map[int]uint64    // by partition
	lanes   map[uint32]uint64 // the last version committed
	asOf    weir.Micros
}

// newest is the highest version that was committed.
func (s *snapshot) newest() uint64 {
	highest := uint64(0)
	for _, version := range s.lanes {
		highest = max(highest, version)
	}
	return highest
}

// commit is another number for another snapshot.
func (s *snapshot) commit() int64 {
	h := fnv.New64a()
	for _, lane := range slices.Sorted(maps.Keys(s.lanes)) {
		_ = binary.Write(h, binary.LittleEndian, []uint64{uint64(lane), s.lanes[lane]}) // which cannot fail
	}
	return int64(h.Sum64())
}

// read looks how far the workspace is written.
func (w *workspace) read(ctx context.Context, set settings) (*snapshot, error) {
	s := &snapshot{applied: map[int]uint64{}, lanes: map[uint32]uint64{}}
	var part proto.ColUInt32
	var version proto.ColUInt64
	var at proto.ColInt64
	statement := "SELECT part, max(version), max(ts) FROM " + w.name("events") + " WHERE seq = 0 GROUP BY part"
	err := w.store.client.query(ctx, statement, set, proto.Results{{Data: &part}, {Data: &version}, {Data: &at}}, func() error {
		for i, p := range part {
			if p < firstLane {
				s.applied[int(p)] = version[i]
			} else {
				s.lanes[p] = version[i]
			}
			s.asOf = max(s.asOf, weir.Micros(at[i]))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read positions: %w", err)
	}
	return s, nil
}

// rows is the condition of rows, under an alias, whose positions are applied.
func (s *snapshot) rows(alias string) string {
	if len(s.applied) == 0 {
		return "0"
	}
	partitions := slices.Sorted(maps.Keys(s.applied))
	seqs := make([]uint64, len(partitions))
	for i, p := range partitions {
		seqs[i] = s.applied[p]
	}
	if len(partitions) == 1 {
		return fmt.Sprintf("(%[1]s.part = %[2]d AND %[1]s.seq <= %[3]d)", alias, partitions[0], seqs[0])
	}
	return fmt.Sprintf("(%[1]s.seq <= transform(%[1]s.part, [%s], [%s], toUInt64(0)))", alias,
		list(partitions, func(p int) string { return fmt.Sprintf("toUInt32(%d)", p) }), list(seqs, func(n uint64) string { return fmt.Sprintf("toUInt64(%d)", n) }))
}

// identities is the condition of rows of that table that are committed.
func (s *snapshot) identities() string {
	if len(s.lanes) == 0 {
		return "0"
	}
	lanes := slices.Sorted(maps.Keys(s.lanes))
	versions := make([]uint64, len(lanes))
	for i, lane := range lanes {
		versions[i] = s.lanes[lane]
	}
	return fmt.Sprintf("version <= transform(lane, [%s], [%s], toUInt64(0))",
		list(lanes, func(n uint32) string { return fmt.Sprintf("toUInt32(%d)", n) }), list(versions, func(n uint64) string { return fmt.Sprintf("toUInt64(%d)", n) }))
}

// personOf selects the person of each identity who is another than its number.
func (w *workspace) moved(s *snapshot) string {
	// What the last move says, or, without one, the first row.
	const person = "argMax(person, (moved, if(moved = 1, version, bitNot(version))))"
	return fmt.Sprintf("(SELECT identity, %[1]s AS person FROM %[2]s WHERE %[3]s AND identity IN (SELECT identity FROM %[2]s WHERE plain = 0)"+
		" GROUP BY identity HAVING person != identity)", person, w.name("identities"), s.identities())
}
