// Package duckstore keeps events in DuckDB: one file per workspace, made for
// being appended to and scanned. docs/format/events.md describes the file,
// docs/adr/0003-event-table.md why it is as it is. In short:
//
//   - Tables have no index, no key and no constraint: the engine's indexes make
//     appends slow and have been a source of damage. Rows are found by zone maps,
//     because what belongs together in time lies together in the file.
//   - Properties have typed columns of their own. Which column holds which
//     property of which event is in a catalogue; columns are named by number, and
//     events that have no property in common share columns.
//   - Event rows say which identity sent them, a small table whose identity it is: a
//     merge of people touches no event row (docs/adr/0007-person-of-an-identity.md).
//   - One transaction writes a batch, with the position up to which it covers the
//     log, so that a batch that comes again after a crash is recognised.
//   - Schema changes happen between two checkpoints only, never in a transaction
//     with rows: replaying such a log is where the engine fails.
//
// The engine and all its memory are shared by the workspaces of a Store; the
// files are not.
package duckstore
