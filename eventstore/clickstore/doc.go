// Package clickstore keeps events in ClickHouse, over its HTTP interface: a database for
// each workspace, which several processes write to and read at once. docs/format/clickhouse.md
// describes the tables, docs/adr/0011-events-in-clickhouse.md why they are as they are. In
// short:
//
//   - All state is in the tables; what a Store knows besides is a memory of them. Any
//     process may write a batch that another has begun.
//   - A row has a key and a version; of rows with the same key the one with the highest
//     version holds. An event's key is its position. So it does not matter how often a
//     batch comes, how far it came before it broke off, or when a worker that was taken for
//     dead goes on.
//   - How far a workspace is written comes last. A question reads that first, and sees no
//     event beyond it, and no move of an identity that is not committed.
//   - All that a condition looks at is worked out here when a row is written: text forms,
//     numbers, times, elements of lists. The engine parses no value.
//   - Rows are on the server's disk when Write returns (fsync_after_insert); in a cluster
//     they are in a majority of a shard's replicas (insert_quorum).
//
// Each batch is one insert to each table that it has rows for. ClickHouse is made for
// inserts of tens of thousands of rows: with batches much smaller than the pipeline's usual
// 5,000 items, several times a second from many workers, give the pipeline a longer time
// to collect them, or the server merges parts all day.
//
// The package's tests run against the server that WEIR_TEST_CLICKHOUSE_URL names, or else
// against the engine in a process of its own (package chdbserver, make chdb).
package clickstore
